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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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
static void live(struct tc_pulse *pulse, bool stops)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    atomic_store(&pulse->ready, true);
    for (;;) {
        struct timespec tick = {.tv_nsec = 100000000};

        atomic_store(&pulse->turned_ns, monotonic());
        if (sigtimedwait(&set, NULL, &tick) == SIGTERM && stops)
            return;
    }
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

static void supervisor_notifies_systemd_when_the_core_is_ready(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ready = false, watchdog = false;
    struct hello hello;
    struct run run;
    char said[256];
    ssize_t n;

    (void)state;
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", "/tmp/tocsin-notify-XXXXXX");
    assert_true(mkstemp(at.sun_path) >= 0);
    unlink(at.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    setenv("NOTIFY_SOCKET", at.sun_path, 1);
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
    };

    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}
