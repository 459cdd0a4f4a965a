/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nf_scratch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CLIENT TEST_BUILD_DIR "/bin/nf_client"
#define PLUGIN TEST_PLUGIN_DIR "/tocsin_netfilter.so"
#define ARGS_MAX 8

extern char **environ;

const char *nf_scratch_client_path(void)
{
    return CLIENT;
}

/* ---- The cgroup. ---- */

static bool put(const char *folder, const char *file, const char *text)
{
    char path[256];
    bool done;
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, file);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return done;
}

static const char *cgroup_root(void)
{
    static const char unified[] = "/sys/fs/cgroup/unified";

    return access("/sys/fs/cgroup/cgroup.procs", F_OK) ? unified : "/sys/fs/cgroup";
}

static bool enter_cgroup(struct nf_scratch *s)
{
    snprintf(s->cgroup, sizeof(s->cgroup), "%s/tocsin-test-%d", cgroup_root(), getpid());
    if (mkdir(s->cgroup, 0755) || !put(s->cgroup, "cgroup.procs", "0")) {
        printf("skipped: no cgroup of its own, %s: %s\n", s->cgroup, strerror(errno));
        return false;
    }
    return true;
}

bool nf_scratch_init(struct nf_scratch *s)
{
    memset(s, 0, sizeof(*s));
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (!nf_network_init(&s->network) || !enter_cgroup(s))
        return false;
    nf_network_enter(&s->network, NF_SERVER);
    if (nf_network_shell("ip addr add " NF_SCRATCH_OTHER4 "/24 dev eth2"))
        return false;
    nf_network_enter(&s->network, NF_CLIENT);
    return true;
}

void nf_scratch_done(struct nf_scratch *s)
{
    if (s->servers) {
        kill(s->servers, SIGKILL);
        waitpid(s->servers, NULL, 0);
    }
    put(cgroup_root(), "cgroup.procs", "0");
    rmdir(s->cgroup);
}

bool nf_scratch_no_rules(void)
{
    char *rules = nf_network_output("nft list ruleset");
    bool none = !*rules;

    free(rules);
    return none;
}

/* ---- The plugin. ---- */

static bool has_passed(struct tc_harness *h)
{
    for (size_t i = 0; i < h->report_count; i++)
        if (!strcmp(h->reports[i].key, "network_events_subsystem"))
            return !strcmp(h->reports[i].text, "network_filter_extension");
    return false;
}

void nf_scratch_gate(struct nf_scratch *s, bool granted)
{
    struct tocsin_writer w;
    uint8_t buf[64];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_bool(&w, "granted", granted);
    tocsin_end(&w);
    tc_harness_publish(&s->h, "network_filter.gate", 0, -1, &w);
    tc_harness_run_for(&s->h, 20);
}

void nf_scratch_list(struct nf_scratch *s, const char *lines)
{
    FILE *file;

    snprintf(s->list, sizeof(s->list), "%s/list.csv", s->h.dir);
    file = fopen(s->list, "we");
    assert_non_null(file);
    fprintf(file, "value,action,reason\n%s", lines);
    fclose(file);
}

void nf_scratch_start(struct nf_scratch *s, const char *lines, const char *option)
{
    char cgroup[160], list[160];
    const char *options[] = {cgroup, list, NULL, NULL};

    tc_harness_init(&s->h);
    snprintf(cgroup, sizeof(cgroup), "cgroup=%s", s->cgroup);
    if (lines)
        nf_scratch_list(s, lines);
    snprintf(list, sizeof(list), "indicators=%s%s", lines ? "block:" : "",
             lines ? s->list : "");
    options[2] = option;
    assert_int_equal(tc_harness_load(&s->h, PLUGIN, options), 0);
    if (tc_harness_start(&s->h))
        fail_msg("%s", s->h.why);
    s->started = true;
    nf_scratch_gate(s, true);
    if (tc_harness_run(&s->h, has_passed, 10000))
        return;
    for (size_t i = 0; i < s->h.report_count; i++)
        print_error("%s: %s\n", s->h.reports[i].key, s->h.reports[i].text);
    fail();
}

void nf_scratch_stop(struct nf_scratch *s)
{
    if (s->started)
        tc_harness_done(&s->h);
    s->started = false;
}

const struct tocsin_event *nf_scratch_call(struct nf_scratch *s, const char *method,
                                           const struct tocsin_writer *w)
{
    char topic[64];

    snprintf(topic, sizeof(topic), "rpc.netfilter.%s", method);
    return tc_harness_await(&s->h, TOCSIN_TOPIC_RPC_REPLY,
                            tc_harness_publish(&s->h, topic, 0, -1, w));
}

/* ---- Servers. ---- */

static void answer_name(int fd, const char *names)
{
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    unsigned char message[512];
    char name[256] = "", wanted[300];
    const char *found;
    struct in_addr address;
    size_t at = 12, used = 0;
    ssize_t n =
        recvfrom(fd, message, sizeof(message) - 32, 0, (struct sockaddr *)&from, &len);

    if (n < 17)
        return;
    while (at < (size_t)n && message[at]) {
        used += (size_t)snprintf(name + used, sizeof(name) - used, "%s%.*s",
                                 used ? "." : "", message[at], message + at + 1);
        at += message[at] + 1u;
    }
    at += 5;
    snprintf(wanted, sizeof(wanted), "%s=", name);
    found = strcasestr(names, wanted);
    message[2] = 0x81;
    message[3] = found ? 0x80 : 0x83;
    message[6] = message[8] = message[9] = message[10] = message[11] = 0;
    message[7] = found != NULL;
    if (found) {
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(found + strlen(wanted), ","),
                 found + strlen(wanted));
        inet_pton(AF_INET, name, &address);
        memcpy(message + at, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4", 12);
        memcpy(message + at + 12, &address, 4);
        at += 16;
    }
    (void)sendto(fd, message, at, 0, (struct sockaddr *)&from, len);
}

static void answer_client(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    char bytes[4096];
    struct pollfd data = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return;
    if (poll(&data, 1, 2000) > 0 && recv(fd, bytes, sizeof(bytes), 0) > 0)
        (void)send(fd, "y", 1, MSG_NOSIGNAL);
    close(fd);
}

static void serve(const int *fds, const char *names)
{
    struct pollfd polls[4];

    for (int i = 0; i < 4; i++)
        polls[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    for (;;) {
        poll(polls, 4, -1);
        if (polls[0].revents)
            answer_name(fds[0], names);
        for (int i = 1; i < 4; i++)
            if (polls[i].revents)
                answer_client(fds[i]);
    }
}

void nf_scratch_serve(struct nf_scratch *s, const char *names)
{
    const uint16_t ports[] = {53, NF_SCRATCH_PORT, 80, 443};
    int fds[4];

    for (int i = 0; i < 4; i++)
        fds[i] = nf_network_serve(&s->network, AF_INET, i ? SOCK_STREAM : SOCK_DGRAM,
                                  ports[i]);
    s->servers = fork();
    assert_true(s->servers >= 0);
    if (!s->servers) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        put(cgroup_root(), "cgroup.procs", "0");
        serve(fds, names);
    }
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

/* ---- Clients. ---- */

int nf_scratch_client(struct nf_scratch *s, pid_t *ret_pid, const char *const *args)
{
    const char *argv[ARGS_MAX + 2] = {CLIENT};
    int status, err;
    pid_t pid;

    (void)s;
    for (size_t i = 0; i < ARGS_MAX && args[i]; i++)
        argv[i + 1] = args[i];
    err = posix_spawn(&pid, CLIENT, NULL, NULL, (char **)(uintptr_t)argv, environ);
    assert_int_equal(err, 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (ret_pid)
        *ret_pid = pid;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const struct tocsin_event *nf_scratch_flow(struct nf_scratch *s, pid_t pid, uint16_t port)
{
    const struct tocsin_event *event;

    for (int turn = 0; turn < 250; turn++) {
        for (size_t i = 0;
             (event = tc_harness_event(&s->h, TOCSIN_TOPIC_NETWORK_FLOW, i)); i++)
            if (tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0) == pid &&
                tocsin_event_int(event, TOCSIN_FIELD_DESTINATION_PORT, 0) == port)
                return event;
        tc_harness_run_for(&s->h, 20);
    }
    return NULL;
}
