/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each test runs a real supervisor in a child, with a core that misbehaves in one way.
 * What it is to do is waited for without a deadline: alarm(ALARM_S) in the supervisor
 * ends one that does not. How soon it does it is its own clock's to say
 * (TC_PULSE_STALE_MS), which starts when the core stands still and not when the test
 * hears of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/daemon/supervisor.h"

#define ALARM_S 100

/* What a core says of itself on its pipe when it starts. */
struct hello {
    pid_t pid;
    uint32_t starts;
    enum tc_end end;
    int signal;
    char plugin[64];
    uint64_t from_ns, to_ns;
};

struct run {
    int pipe[2];
    pid_t supervisor;
};

static uint64_t monotonic(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void say_hello(const struct tc_pulse *pulse, int fd)
{
    struct hello hello = {.pid = getpid(),
                          .starts = pulse->starts,
                          .end = pulse->end,
                          .signal = pulse->signal,
                          .from_ns = pulse->end_from_ns,
                          .to_ns = pulse->end_to_ns};

    memcpy(hello.plugin, pulse->end_plugin, sizeof(hello.plugin));
    if (write(fd, &hello, sizeof(hello)) != (ssize_t)sizeof(hello))
        _exit(99);
}

/* Shows life until it is asked to stop, or for ever. */
static void show_life(struct tc_pulse *pulse, bool stops)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (;;) {
        struct timespec tick = {.tv_nsec = 100000000};

        atomic_store(&pulse->turned_ns, monotonic());
        if (sigtimedwait(&set, NULL, &tick) == SIGTERM && stops)
            return;
    }
}

static void live(struct tc_pulse *pulse, bool stops)
{
    atomic_store(&pulse->ready, true);
    show_life(pulse, stops);
}

static int good_core(struct tc_pulse *pulse, void *arg)
{
    say_hello(pulse, *(int *)arg);
    live(pulse, true);
    return 0;
}

static int core_that_crashes_once(struct tc_pulse *pulse, void *arg)
{
    say_hello(pulse, *(int *)arg);
    if (pulse->starts == 1) {
        strcpy(pulse->plugin, "acme");
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    live(pulse, true);
    return 0;
}

static int core_that_stands_still_once(struct tc_pulse *pulse, void *arg)
{
    say_hello(pulse, *(int *)arg);
    if (pulse->starts == 1)
        raise(SIGSTOP);
    live(pulse, true);
    return 0;
}

static int core_that_refuses(struct tc_pulse *pulse, void *arg)
{
    say_hello(pulse, *(int *)arg);
    return 3;
}

static int core_that_ignores_sigterm(struct tc_pulse *pulse, void *arg)
{
    say_hello(pulse, *(int *)arg);
    live(pulse, false);
    return 0;
}

/* Says a second hello when it is asked to stop: it has lived until then. */
static int core_that_says_goodbye(struct tc_pulse *pulse, void *arg)
{
    sigset_t stop;

    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL); /* before somebody knows of it, and sends one */
    say_hello(pulse, *(int *)arg);
    live(pulse, true);
    say_hello(pulse, *(int *)arg);
    return 0;
}

/* Says a second hello when SIGHUP has come, for which it has no handler yet. */
static int core_that_is_young(struct tc_pulse *pulse, void *arg)
{
    sigset_t set;

    say_hello(pulse, *(int *)arg);
    if (pulse->starts == 1) {
        sigemptyset(&set);
        sigaddset(&set, SIGHUP);
        while (sigwaitinfo(&set, NULL) != SIGHUP)
            ;
        say_hello(pulse, *(int *)arg);
    }
    live(pulse, true);
    return 0;
}

/* The second one is never ready. */
static int core_that_takes_long_once_it_crashed(struct tc_pulse *pulse, void *arg)
{
    signal(SIGHUP, SIG_IGN);
    atomic_store(&pulse->ready, pulse->starts == 1);
    say_hello(pulse, *(int *)arg);
    show_life(pulse, true);
    return 0;
}

/* Leaves a process that notices its death and has a moment's work to do then. */
static int core_with_a_helper(struct tc_pulse *pulse, void *arg)
{
    const struct timespec moment = {.tv_nsec = 300000000};
    struct hello hello = {.starts = pulse->starts};
    int other_end[2];
    char c;

    if (pipe(other_end))
        return 1;
    hello.pid = fork();
    if (!hello.pid) {
        signal(SIGTERM, SIG_IGN);
        close(other_end[1]);
        close(*(int *)arg);
        (void)!read(other_end[0], &c, 1);
        nanosleep(&moment, NULL);
        _exit(0);
    }
    close(other_end[0]);
    if (write(*(int *)arg, &hello, sizeof(hello)) != (ssize_t)sizeof(hello))
        return 1;
    live(pulse, true);
    return 0;
}

static void start(struct run *run, tc_core_fn core)
{
    assert_int_equal(pipe(run->pipe), 0);
    run->supervisor = fork();
    assert_true(run->supervisor >= 0);
    if (run->supervisor == 0) {
        close(run->pipe[0]);
        alarm(ALARM_S);
        _exit(tc_supervise(core, &run->pipe[1]));
    }
    close(run->pipe[1]);
}

static void hear(const struct run *run, struct hello *hello)
{
    assert_int_equal(read(run->pipe[0], hello, sizeof(*hello)), sizeof(*hello));
}

static int stop_with(const struct run *run, int sig)
{
    int status;

    if (sig)
        kill(run->supervisor, sig);
    assert_int_equal(waitpid(run->supervisor, &status, 0), run->supervisor);
    close(run->pipe[0]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void supervisor_passes_sigterm_on_and_ends_well(void **state)
{
    struct hello hello;
    struct run run;

    (void)state;
    start(&run, good_core);
    hear(&run, &hello);
    assert_int_equal(hello.starts, 1);
    assert_int_equal(hello.end, TC_END_NONE);
    assert_int_equal(stop_with(&run, SIGTERM), 0);
    assert_int_equal(kill(hello.pid, 0), -1);
}

static void supervisor_restarts_a_crashed_core_and_names_the_plugin(void **state)
{
    struct hello first, second;
    struct run run;

    (void)state;
    start(&run, core_that_crashes_once);
    hear(&run, &first);
    hear(&run, &second);
    assert_int_not_equal(first.pid, second.pid);
    assert_int_equal(second.starts, 2);
    assert_int_equal(second.end, TC_END_CRASHED);
    assert_int_equal(second.signal, SIGSEGV);
    assert_string_equal(second.plugin, "acme");
    assert_true(second.from_ns && second.from_ns <= second.to_ns);
    assert_int_equal(stop_with(&run, SIGTERM), 0);
}

static void supervisor_kills_a_core_that_stands_still(void **state)
{
    struct hello first, second;
    struct run run;

    (void)state;
    start(&run, core_that_stands_still_once);
    hear(&run, &first);
    hear(&run, &second);
    assert_int_equal(second.end, TC_END_HUNG);
    assert_int_equal(second.signal, SIGKILL);
    assert_true(second.to_ns - second.from_ns >= TC_PULSE_STALE_MS * 1000000ull);
    assert_int_equal(stop_with(&run, SIGTERM), 0);
}

static void supervisor_gives_up_when_the_first_core_refuses_to_start(void **state)
{
    struct hello hello;
    struct run run;

    (void)state;
    start(&run, core_that_refuses);
    hear(&run, &hello);
    assert_int_equal(stop_with(&run, 0), 3);
}

static void supervisor_kills_a_core_that_does_not_stop(void **state)
{
    struct hello hello;
    struct run run;

    (void)state;
    start(&run, core_that_ignores_sigterm);
    hear(&run, &hello);
    assert_int_equal(stop_with(&run, SIGTERM), 0);
    assert_int_equal(kill(hello.pid, 0), -1);
}

static void supervisor_takes_its_core_along_when_it_is_killed(void **state)
{
    struct hello hello;
    struct run run;

    (void)state;
    start(&run, good_core);
    hear(&run, &hello);
    kill(run.supervisor, SIGKILL);
    waitpid(run.supervisor, NULL, 0);
    /* The core holds the other end of the pipe: its end is the core's. */
    assert_int_equal(read(run.pipe[0], &hello, sizeof(hello)), 0);
    close(run.pipe[0]);
}

/* Where the next supervisor that is started speaks to. */
static int notify_socket(struct sockaddr_un *ret_at)
{
    const struct timeval never = {.tv_sec = ALARM_S};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never)), 0);
    *ret_at = (struct sockaddr_un){.sun_family = AF_UNIX,
                                   .sun_path = "/tmp/tocsin-notify-XXXXXX"};
    assert_true(mkstemp(ret_at->sun_path) >= 0);
    unlink(ret_at->sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)ret_at, sizeof(*ret_at)), 0);
    setenv("NOTIFY_SOCKET", ret_at->sun_path, 1);
    return fd;
}

static void supervisor_notifies_systemd_when_the_core_is_ready(void **state)
{
    bool ready = false, watchdog = false;
    struct sockaddr_un at;
    struct hello hello;
    struct run run;
    char said[256];
    ssize_t n;
    int fd;

    (void)state;
    fd = notify_socket(&at);
    start(&run, good_core);
    unsetenv("NOTIFY_SOCKET");
    hear(&run, &hello);
    while (!ready || !watchdog) {
        n = recv(fd, said, sizeof(said) - 1, 0);
        assert_true(n > 0);
        said[n] = '\0';
        ready = ready || !strncmp(said, "READY=1", 7);
        watchdog = watchdog || !strcmp(said, "WATCHDOG=1");
    }
    assert_int_equal(stop_with(&run, SIGTERM), 0);
    close(fd);
    unlink(at.sun_path);
}

/* systemd would kill both in the middle of a recovery. */
static void regress_watchdog_is_fed_while_a_restarted_core_is_not_ready(void **state)
{
    struct sockaddr_un at;
    struct hello hello;
    struct run run;
    char said[256];
    int fd;

    (void)state;
    fd = notify_socket(&at);
    start(&run, core_that_takes_long_once_it_crashed);
    unsetenv("NOTIFY_SOCKET");
    hear(&run, &hello);
    assert_true(recv(fd, said, sizeof(said), 0) > 0); /* READY=1 */
    kill(hello.pid, SIGKILL);
    hear(&run, &hello);
    /* What was said before it was started. */
    while (recv(fd, said, sizeof(said), MSG_DONTWAIT) > 0)
        ;
    kill(run.supervisor, SIGHUP); /* a reason to look */
    assert_int_equal(recv(fd, said, sizeof(said), 0), strlen("WATCHDOG=1"));
    assert_int_equal(stop_with(&run, SIGTERM), 0);
    close(fd);
    unlink(at.sun_path);
}

/* Returns when it sleeps, as in sigtimedwait; proc(5). */
static void await_wait(pid_t pid)
{
    char path[64], state = '?';
    FILE *stat;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    while (state != 'S') {
        sched_yield();
        stat = fopen(path, "re");
        assert_non_null(stat);
        assert_int_equal(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
        fclose(stat);
    }
}

/* The whole service was stopped, as the freezer of a cgroup or a paused machine does it.
 */
static void regress_a_core_is_not_killed_for_what_the_supervisor_slept(void **state)
{
    const struct timespec asleep = {.tv_sec = 2 * TC_PULSE_STALE_MS / 1000};
    struct hello first, last;
    struct run run;

    (void)state;
    start(&run, core_that_says_goodbye);
    hear(&run, &first);
    await_wait(run.supervisor);
    kill(run.supervisor, SIGSTOP);
    kill(first.pid, SIGSTOP);
    nanosleep(&asleep, NULL);
    kill(run.supervisor, SIGCONT);
    await_wait(run.supervisor); /* again: it has looked */
    kill(first.pid, SIGCONT);
    kill(run.supervisor, SIGTERM);
    hear(&run, &last);
    assert_int_equal(last.pid, first.pid);
    assert_int_equal(stop_with(&run, 0), 0);
}

static void regress_sighup_does_not_end_a_core_that_does_not_listen_yet(void **state)
{
    struct hello first, second;
    struct run run;

    (void)state;
    start(&run, core_that_is_young);
    hear(&run, &first);
    kill(run.supervisor, SIGHUP);
    hear(&run, &second);
    assert_int_equal(second.starts, 1);
    assert_int_equal(second.pid, first.pid);
    assert_int_equal(stop_with(&run, SIGTERM), 0);
}

/* systemd kills what is left of a service when its main process has ended. */
static void regress_supervisor_waits_for_what_its_core_leaves(void **state)
{
    struct hello helper;
    struct run run;

    (void)state;
    start(&run, core_with_a_helper);
    hear(&run, &helper);
    assert_int_equal(stop_with(&run, SIGTERM), 0);
    assert_int_equal(kill(helper.pid, 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(supervisor_passes_sigterm_on_and_ends_well),
        cmocka_unit_test(supervisor_restarts_a_crashed_core_and_names_the_plugin),
        cmocka_unit_test(supervisor_kills_a_core_that_stands_still),
        cmocka_unit_test(supervisor_gives_up_when_the_first_core_refuses_to_start),
        cmocka_unit_test(supervisor_kills_a_core_that_does_not_stop),
        cmocka_unit_test(supervisor_takes_its_core_along_when_it_is_killed),
        cmocka_unit_test(supervisor_notifies_systemd_when_the_core_is_ready),
        cmocka_unit_test(regress_watchdog_is_fed_while_a_restarted_core_is_not_ready),
        cmocka_unit_test(regress_a_core_is_not_killed_for_what_the_supervisor_slept),
        cmocka_unit_test(regress_sighup_does_not_end_a_core_that_does_not_listen_yet),
        cmocka_unit_test(regress_supervisor_waits_for_what_its_core_leaves),
    };

    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
