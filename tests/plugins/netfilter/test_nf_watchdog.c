/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog: a child of the test holds the queue, as the agent does, and is stopped or
 * killed; what the test's own connections see counts. That nothing was lost is that their
 * first SYN arrived, not how long it took.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/plugins/netfilter/nf_net.h"
#include "tests/support/skip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "queue/nf_queue.h"
#include "queue/nf_watchdog.h"

#define QUEUE 7
#define WAIT_MS 30000 /* for what comes by itself */
#define NONE_MS 300   /* for what must not come */

#define BALLAST_BYTES (64u << 20) /* what the agent has beside the queue */
#define KEPT_KB (8u << 10)        /* and may be the watchdog's */

/* What a holder reports, a byte each. */
#define READY 'r'
#define PACKET 'p'
#define REBOUND 'b'
#define REVIVED 'v'

enum mode {
    ACCEPT,
    HOLD, /* gives no verdict */
};

struct holder {
    pid_t pid, watchdog;
    int from; /* what it reports */
    int server;
    uint16_t port;
};

/* In the holder. */
struct reader {
    enum mode mode;
    int to;
    struct tc_nf_queue *queue;
    struct tc_nf_watchdog *watchdog;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void say(const struct reader *reader, char what)
{
    if (write(reader->to, &what, 1) != 1)
        _exit(2);
}

static void on_packet(void *arg, const struct tc_nf_queued *packet)
{
    struct reader *reader = arg;

    if (reader->mode == ACCEPT)
        tc_nf_queue_verdict(reader->queue, packet->id, TC_NF_VERDICT_ACCEPT);
    say(reader, PACKET);
}

static bool begin(struct reader *reader)
{
    char messages[TC_NF_QUEUE_RELEASE_BYTES], why[256];

    if (tc_nf_queue_open(&(struct tc_nf_queue_config){.number = QUEUE}, &reader->queue,
                         why))
        return false;
    return !tc_nf_watchdog_start(tc_nf_queue_fd(reader->queue), messages,
                                 tc_nf_queue_release(reader->queue, messages),
                                 &reader->watchdog);
}

/* The loop of whoever uses both. */
_Noreturn static void *hold(void *arg)
{
    struct reader *reader = arg;
    char why[256];
    pid_t pid;

    alarm(TC_NF_NET_ALARM_S);
    if (!begin(reader))
        _exit(1);
    say(reader, READY);
    pid = tc_nf_watchdog_pid(reader->watchdog);
    if (write(reader->to, &pid, sizeof(pid)) != sizeof(pid))
        _exit(2);
    for (;;) {
        struct pollfd end = {.fd = tc_nf_queue_fd(reader->queue), .events = POLLIN};
        unsigned result;

        poll(&end, 1, TC_NF_WATCHDOG_BEAT_MS);
        result = tc_nf_watchdog_beat(reader->watchdog, now_ns());
        if (result & TC_NF_WATCHDOG_REPLACED)
            say(reader, REVIVED);
        if (result & TC_NF_WATCHDOG_MISSING)
            _exit(3);
        if (result & TC_NF_WATCHDOG_RELEASED) {
            if (tc_nf_queue_rebind(reader->queue, why))
                _exit(4);
            say(reader, REBOUND);
        }
        if (tc_nf_queue_read(reader->queue, on_packet, reader, 64) < 0)
            _exit(5);
    }
}

/* What it has read before it was stopped may come first. */
static void await(const struct holder *holder, char what)
{
    struct pollfd end = {.fd = holder->from, .events = POLLIN};
    char byte = 0;

    do {
        assert_int_equal(poll(&end, 1, WAIT_MS), 1);
        assert_int_equal(read(holder->from, &byte, 1), 1);
    } while (byte != what && byte == PACKET);
    assert_int_equal(byte, what);
}

/* When it has its name it is as it will be. */
static void await_watchdog(pid_t pid)
{
    char path[64], name[32];
    ssize_t n;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    do {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        n = read(fd, name, sizeof(name) - 1);
        assert_true(n > 0);
        name[n] = '\0';
        close(fd);
    } while (strcmp(name, "tocsin-nf-watch\n") !=
             0); /* the alarm ends what never comes */
}

static struct holder *begin_holder(void **state, enum mode mode)
{
    struct holder *holder = *state;
    int pipes[2];

    holder->server = tc_nf_net_listen(&holder->port);
    tc_nf_net_queue("tcp", holder->port, QUEUE);
    assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
    holder->pid = fork();
    if (!holder->pid) {
        struct reader reader = {.mode = mode, .to = pipes[1]};
        pthread_t thread;

        close(pipes[0]);
        if (mmap(NULL, BALLAST_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
            _exit(6);
        pthread_create(&thread, NULL, hold, &reader);
        pthread_join(thread, NULL);
        _exit(6);
    }
    close(pipes[1]);
    holder->from = pipes[0];
    await(holder, READY);
    assert_int_equal(read(holder->from, &holder->watchdog, sizeof(holder->watchdog)),
                     sizeof(holder->watchdog));
    await_watchdog(holder->watchdog);
    return holder;
}

static int set_up(void **state)
{
    struct holder *holder = calloc(1, sizeof(*holder));

    *state = holder;
    return holder ? 0 : -1;
}

/* All that descend from here end, since the holder does. */
static int tear_down(void **state)
{
    struct holder *holder = *state;

    if (holder->pid > 0)
        kill(holder->pid, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    close(holder->from);
    close(holder->server);
    free(holder);
    tc_nf_net_flush();
    return 0;
}

static void stop(const struct holder *holder)
{
    int status;

    assert_int_equal(kill(holder->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(holder->pid, &status, WUNTRACED), holder->pid);
    assert_true(WIFSTOPPED(status));
}

static void stopped_reader_holds_nothing(void **state)
{
    struct holder *holder = begin_holder(state, ACCEPT);
    int first, second;

    first = tc_nf_net_connect(holder->port, 0);
    assert_true(tc_nf_net_connected(first, WAIT_MS));
    await(holder, PACKET);
    close(first);

    for (int round = 0; round < 2; round++) {
        stop(holder);
        first = tc_nf_net_connect(holder->port, 0);
        assert_false(tc_nf_net_connected(first, NONE_MS)); /* it waits */
        assert_true(tc_nf_net_connected(first, WAIT_MS));
        assert_true(tc_nf_net_first_syn(first));
        second = tc_nf_net_connect(holder->port, 0); /* nobody listens: it passes */
        assert_true(tc_nf_net_connected(second, WAIT_MS));
        assert_true(tc_nf_net_first_syn(second));
        close(first);
        close(second);

        assert_int_equal(kill(holder->pid, SIGCONT), 0);
        await(holder, REBOUND);
        first = tc_nf_net_connect(holder->port, 0);
        await(holder, PACKET);
        assert_true(tc_nf_net_connected(first, WAIT_MS));
        close(first);
    }
}

static void reader_that_gives_no_verdict_but_beats_is_left_alone(void **state)
{
    struct holder *holder = begin_holder(state, HOLD);
    int fd = tc_nf_net_connect(holder->port, 0);

    await(holder, PACKET);
    assert_false(tc_nf_net_connected(fd, TC_NF_WATCHDOG_STALE_MS + NONE_MS));
    close(fd);
}

static void killed_agent_holds_nothing(void **state)
{
    struct holder *holder = begin_holder(state, HOLD);
    int first = tc_nf_net_connect(holder->port, 0), second;

    await(holder, PACKET);
    assert_int_equal(kill(holder->pid, SIGKILL), 0);
    assert_true(tc_nf_net_connected(first, WAIT_MS));
    assert_true(tc_nf_net_first_syn(first));
    second = tc_nf_net_connect(holder->port, 0);
    assert_true(tc_nf_net_connected(second, WAIT_MS));
    assert_true(tc_nf_net_first_syn(second));
    close(first);
    close(second);
    /* Now we are its parent. */
    assert_int_equal(waitpid(holder->pid, NULL, 0), holder->pid);
    holder->pid = 0;
    assert_int_equal(waitpid(holder->watchdog, NULL, 0), holder->watchdog);
}

static void watchdog_with_the_signals_of_the_agents_group_goes_on(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE};
    struct holder *holder = begin_holder(state, HOLD);
    int fd = tc_nf_net_connect(holder->port, 0);

    await(holder, PACKET);
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        assert_int_equal(kill(holder->watchdog, signals[i]), 0);
    assert_int_equal(getsid(holder->watchdog), holder->watchdog);
    assert_int_equal(kill(holder->pid, SIGKILL), 0);
    assert_true(tc_nf_net_connected(fd, WAIT_MS));
    assert_true(tc_nf_net_first_syn(fd));
    close(fd);
}

static void watchdog_has_nothing_else_of_the_agents(void **state)
{
    struct holder *holder = begin_holder(state, ACCEPT);
    char path[64], target[64] = "";
    unsigned sockets = 0, pipes = 0, others = 0;
    struct dirent *entry;
    DIR *dir;
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/proc/%d/fd", holder->watchdog);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
        if (n < 0)
            continue; /* . and .. */
        target[n] = '\0';
        if (!strncmp(target, "socket:", 7))
            sockets++;
        else if (!strncmp(target, "pipe:", 5))
            pipes++;
        else
            others++;
    }
    closedir(dir);
    assert_int_equal(sockets, 1);
    assert_int_equal(pipes, 1);
    assert_int_equal(others, 0);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static void watchdog_keeps_none_of_the_agents_memory(void **state)
{
    struct holder *holder = begin_holder(state, ACCEPT);
    unsigned kb = UINT_MAX;
    char path[64], line[128];
    FILE *file;

    if (SANITIZED) /* it needs its memory */
        return;
    (void)snprintf(path, sizeof(path), "/proc/%d/status", holder->watchdog);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) && sscanf(line, "RssAnon: %u", &kb) != 1)
        ;
    (void)fclose(file);
    assert_true(kb < KEPT_KB);
}

static void dead_watchdog_is_replaced(void **state)
{
    struct holder *holder = begin_holder(state, HOLD);
    int fd;

    assert_int_equal(kill(holder->watchdog, SIGKILL), 0);
    await(holder, REVIVED);
    fd = tc_nf_net_connect(holder->port, 0);
    await(holder, PACKET);
    stop(holder);
    assert_true(tc_nf_net_connected(fd, WAIT_MS));
    assert_true(tc_nf_net_first_syn(fd));
    close(fd);
}

/* The test holds the queue itself. */
static void stopping_the_watchdog_frees_nothing_and_leaves_no_zombie(void **state)
{
    struct holder *holder = *state;
    struct reader reader = {.mode = HOLD};
    pid_t pid;
    int fd, pipes[2];

    assert_int_equal(pipe(pipes), 0);
    reader.to = pipes[1];
    holder->server = tc_nf_net_listen(&holder->port);
    tc_nf_net_queue("tcp", holder->port, QUEUE);
    assert_true(begin(&reader));
    pid = tc_nf_watchdog_pid(reader.watchdog);
    fd = tc_nf_net_connect(holder->port, 0);
    tc_nf_watchdog_stop(reader.watchdog);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
    assert_false(tc_nf_net_connected(fd, NONE_MS));
    tc_nf_queue_close(reader.queue);
    assert_true(tc_nf_net_connected(fd, WAIT_MS));
    assert_true(tc_nf_net_first_syn(fd));
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
}

/* One message for a hang, however long it is. */
static void watchdog_sends_once_for_a_hang(void **state)
{
    struct tc_nf_watchdog *watchdog = NULL;
    struct pollfd end = {.events = POLLIN};
    char got[8] = "";
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(tc_nf_watchdog_start(pair[0], "go", 2, &watchdog), 0);
    end.fd = pair[1];
    assert_int_equal(tc_nf_watchdog_beat(watchdog, now_ns()), 0);
    assert_int_equal(poll(&end, 1, WAIT_MS), 1);
    assert_int_equal(read(pair[1], got, sizeof(got)), 2);
    assert_string_equal(got, "go");
    assert_int_equal(poll(&end, 1, TC_NF_WATCHDOG_STALE_MS + NONE_MS), 0);
    assert_int_equal(tc_nf_watchdog_releases(watchdog), 1);
    assert_int_equal(tc_nf_watchdog_beat(watchdog, now_ns()), TC_NF_WATCHDOG_RELEASED);
    assert_int_equal(tc_nf_watchdog_beat(watchdog, now_ns()), 0);
    assert_int_equal(poll(&end, 1, WAIT_MS), 1); /* another hang */
    tc_nf_watchdog_stop(watchdog);
    close(pair[0]);
    close(pair[1]);
}

#define promise(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        promise(stopped_reader_holds_nothing),
        promise(reader_that_gives_no_verdict_but_beats_is_left_alone),
        promise(killed_agent_holds_nothing),
        promise(watchdog_with_the_signals_of_the_agents_group_goes_on),
        promise(watchdog_has_nothing_else_of_the_agents),
        promise(watchdog_keeps_none_of_the_agents_memory),
        promise(dead_watchdog_is_replaced),
        promise(stopping_the_watchdog_frees_nothing_and_leaves_no_zombie),
        promise(watchdog_sends_once_for_a_hang),
    };

    if (!tc_nf_net_enter()) {
        print_message("skipped: a network namespace needs root\n");
        return test_skipped();
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
