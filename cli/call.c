/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see call.h. */
#include "cli/call.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/print.h"

#define SOCKET_NAME "/tocsin.sock"

int tc_call_failed(const char *format, ...)
{
    va_list ap;

    fputs("tocsin: ", stderr);
    va_start(ap, format);
    tc_print_vsay(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return TC_EXIT_FAILED;
}

/* Whether the socket is root's or one's own: anybody can make one by that name. */
static bool is_trusted(const char *path)
{
    struct stat st;

    return !stat(path, &st) && (st.st_uid == 0 || st.st_uid == geteuid());
}

/* Where another agent's socket is, as that of `make run`: unix(7) sockets that are named
 * as ours. False: there is none. */
static bool find_socket(const char *besides, char *ret, size_t cap)
{
    FILE *file = fopen("/proc/net/unix", "re");
    char line[512], *path;
    bool found = false;
    size_t n;

    while (file && !found && fgets(line, sizeof(line), file)) {
        n = strcspn(line, "\n");
        line[n] = '\0';
        path = strchr(line, '/');
        n = path ? strlen(path) : 0;
        found = n > strlen(SOCKET_NAME) && n < cap &&
                !strcmp(path + n - strlen(SOCKET_NAME), SOCKET_NAME) &&
                strcmp(path, besides) != 0 && is_trusted(path);
        if (found)
            memcpy(ret, path, n + 1);
    }
    if (file)
        fclose(file);
    return found;
}

static void say_no_agent(const char *socket, int error)
{
    char other[256];

    if (find_socket(socket, other, sizeof(other)))
        tc_call_failed(
            "no agent answers at %s (%s); one has its socket elsewhere: export "
            "TOCSIN_SOCKET=%s",
            socket, strerror(-error), other);
    else
        tc_call_failed(
            "no agent answers at %s (%s); start it with: %s", socket, strerror(-error),
            access("/run/systemd/system", F_OK) ? "tocsind" : "systemctl start tocsind");
}

int tc_call_connect(struct tc_cli *cli)
{
    int r;

    if (cli->client)
        return TC_EXIT_DONE;
    r = tc_client_open(cli->socket, &cli->client);
    if (!r)
        return TC_EXIT_DONE;
    if (r == -EACCES || r == -EPERM)
        return tc_call_failed("you may not talk to the agent at %s: become root or a "
                              "member of its group",
                              cli->socket);
    if (r != -ENOENT && r != -ECONNREFUSED && r != -ENOTDIR)
        return tc_call_failed("cannot connect to %s: %s", cli->socket, strerror(-r));
    say_no_agent(cli->socket, r);
    return TC_EXIT_NO_AGENT;
}

static int refused(const char *method, const struct tc_answer *answer)
{
    /* The plugins that have commands here. */
    static const char *const ours[] = {"av.", "edr.", "netfilter."};

    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        size_t n = strlen(ours[i]);

        if (!strcmp(answer->code, "unknown_method") && !strncmp(method, ours[i], n) &&
            strstr(answer->message, "no plugin"))
            return tc_call_failed("this takes plugin %.*s, which does not run: tocsin "
                                  "plugin enable %.*s (tocsin plugin list says why)",
                                  (int)n - 1, method, (int)n - 1, method);
    }
    if (!strcmp(answer->code, "unknown_method"))
        return tc_call_failed("this agent does not know %s: %s", method, answer->message);
    tc_call_failed("%s", answer->message[0] ? answer->message : answer->code);
    return strcmp(answer->code, "usage") != 0 ? TC_EXIT_FAILED : TC_EXIT_USAGE;
}

int tc_call_check(int status, const char *method, const struct tc_answer *answer)
{
    if (status == -EPIPE || status == -ECONNRESET)
        return tc_call_failed("the agent closed the connection");
    if (status)
        return tc_call_failed("the agent's answer got lost: %s", strerror(-status));
    return answer->result ? TC_EXIT_DONE : refused(method, answer);
}

int tc_call(struct tc_cli *cli, const char *method, const struct tc_pack *params,
            tc_client_notify_fn notify, void *arg, struct tc_answer *ret_answer)
{
    static const uint8_t empty_map[] = {0x80};
    int r;

    if (params && params->error)
        return tc_call_failed("cannot send this: %s", strerror(-params->error));
    r = tc_call_connect(cli);
    if (r)
        return r;
    r = tc_client_call(
        cli->client, method, params ? (const void *)params->bytes.data : empty_map,
        params ? params->bytes.size : sizeof(empty_map), notify, arg, ret_answer);
    return tc_call_check(r, method, ret_answer);
}

static void *watch_signals(void *arg)
{
    struct tc_interrupt *interrupt = arg;
    struct pollfd polled[] = {{.fd = interrupt->stop, .events = POLLIN},
                              {.fd = interrupt->signals, .events = POLLIN}};

    int ready;

    do
        ready = poll(polled, 2, interrupt->timeout_ms);
    while (ready < 0 && errno == EINTR);
    if (!ready || polled[1].revents) {
        atomic_store(&interrupt->seen, true);
        shutdown(interrupt->fd, SHUT_RDWR);
    }
    return NULL;
}

/* Undoes what tc_interrupt_start did before its thread ran. A signal that has been seen
 * is taken off, so that it does not end the program now. */
static void give_back(struct tc_interrupt *interrupt)
{
    struct signalfd_siginfo taken;

    if (interrupt->signals >= 0) {
        while (read(interrupt->signals, &taken, sizeof(taken)) > 0)
            ;
        close(interrupt->signals);
    }
    if (interrupt->stop >= 0)
        close(interrupt->stop);
    pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
}

int tc_interrupt_start(struct tc_interrupt *interrupt, const struct tc_client *client)
{
    return tc_interrupt_start_for(interrupt, client, -1);
}

int tc_interrupt_start_for(struct tc_interrupt *interrupt, const struct tc_client *client,
                           int timeout_ms)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;
    sigset_t signals;
    int r = 0;

    interrupt->fd = tc_client_fd(client);
    interrupt->timeout_ms = timeout_ms;
    atomic_init(&interrupt->seen, false);
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        if (!sigaction(numbers[i], NULL, &action) && action.sa_handler != SIG_IGN)
            sigaddset(&signals, numbers[i]);
    pthread_sigmask(SIG_BLOCK, &signals, &interrupt->before);
    interrupt->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    interrupt->stop = eventfd(0, EFD_CLOEXEC);
    if (interrupt->signals < 0 || interrupt->stop < 0)
        r = -errno;
    if (!r)
        r = -pthread_create(&interrupt->thread, NULL, watch_signals, interrupt);
    if (r)
        give_back(interrupt);
    return r;
}

bool tc_interrupt_stop(struct tc_interrupt *interrupt)
{
    eventfd_write(interrupt->stop, 1);
    pthread_join(interrupt->thread, NULL);
    give_back(interrupt);
    return atomic_load(&interrupt->seen);
}
