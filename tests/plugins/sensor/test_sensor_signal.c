/* SPDX-License-Identifier: Apache-2.0 */
/* Signals to processes and to all that descend from them, with real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sensor_proc.h"
#include "sensor_signal.h"

#define NS_PER_S 1000000000ull
#define DEADLINE_S 20

static const struct tc_sensor_signalling kill_all = {.signal = SIGKILL};

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char state_of(pid_t pid, uint64_t *ret_ticks)
{
    unsigned long long ticks = 0;
    char text[1024], state = 0, *rest;

    if (tc_sensor_proc_read(text, sizeof(text), "/proc/%d/stat", pid) <= 0)
        return 0;
    rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1,
                        " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
                        "%*d %*d %*d %*d %llu",
                        &state, &ticks) != 2)
        return 0;
    *ret_ticks = ticks;
    return state;
}

static struct tc_sensor_who who_is(pid_t pid)
{
    uint64_t ticks = 0;

    assert_true(state_of(pid, &ticks) != 0);
    return (struct tc_sensor_who){pid,
                                  ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK))};
}

/* Runs a shell script, and waits until it has written so many bytes. */
static struct tc_sensor_who run(const char *script, size_t bytes)
{
    char sh[] = "sh", c[] = "-c", *text = strdup(script);
    char *const argv[] = {sh, c, text, NULL}, *const envp[] = {NULL};
    posix_spawn_file_actions_t actions;
    char buf[64];
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    assert_int_equal(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, envp), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (bytes) {
        ssize_t n = read(ends[0], buf, sizeof(buf) < bytes ? sizeof(buf) : bytes);

        assert_true(n > 0);
        bytes -= (size_t)n;
    }
    close(ends[0]);
    free(text);
    return who_is(pid);
}

/* Waits for the end of all that descend from here, of whom we are the subreaper: how many
 * there were. */
static size_t reap_all(void)
{
    double until = seconds() + DEADLINE_S;
    size_t n = 0;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
        if (seconds() > until)
            fail_msg("some are still alive");
        if (pid)
            n++;
        else
            usleep(1000);
    }
    assert_int_equal(errno, ECHILD);
    return n;
}

static void await_state(pid_t pid, char wanted)
{
    double until = seconds() + DEADLINE_S;
    uint64_t ticks;

    while (state_of(pid, &ticks) != wanted)
        if (seconds() > until)
            fail_msg("process %d never came to state %c", pid, wanted);
}

/* Three levels, of which each but the last has two children. */
static const char three_levels[] =
    "b='echo; sleep 100 & sleep 100 & echo; wait'; (eval \"$b\") & (eval \"$b\") & wait";
#define THREE_LEVELS_BYTES 4
#define THREE_LEVELS 7

static void signal_kills_a_tree_of_three_levels(void **state)
{
    struct tc_sensor_who root = run(three_levels, THREE_LEVELS_BYTES);
    struct tc_sensor_signalled signalled;

    (void)state;
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), 0);
    assert_int_equal(signalled.count, THREE_LEVELS);
    assert_false(signalled.more);
    assert_int_equal(reap_all(), THREE_LEVELS);
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), -ESRCH);
}

static void signal_kills_who_forks_all_the_time(void **state)
{
    struct tc_sensor_who root =
        run("f() { echo; i=0; while [ $i -lt 1000 ]; do sleep 100 & i=$((i+1)); done; }; "
            "f & f & f; wait",
            3);
    struct tc_sensor_signalled signalled;

    (void)state;
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), 0);
    assert_true(signalled.count >= 3);
    assert_false(signalled.more);
    assert_int_equal(reap_all(), signalled.count);
}

static void signal_touches_nobody_of_another_start(void **state)
{
    struct tc_sensor_who root = run("echo; exec sleep 100", 1), other = root;
    uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
    struct tc_sensor_signalled signalled;
    uint64_t ticks;

    (void)state;
    other.start_ns -= tick_ns;
    assert_int_equal(tc_sensor_signal_tree(&other, 1, &kill_all, &signalled), -ESRCH);
    assert_int_equal(tc_sensor_signal(&other, SIGKILL), -ESRCH);
    other.start_ns += 2 * tick_ns;
    assert_int_equal(tc_sensor_signal_tree(&other, 1, &kill_all, &signalled), -ESRCH);
    assert_true(strchr("SR", state_of(root.pid, &ticks)) != NULL);
    assert_int_equal(tc_sensor_signal(&root, SIGKILL), 0);
    assert_int_equal(reap_all(), 1);
}

static void signal_stops_a_tree_and_lets_it_go_on(void **state)
{
    static const struct tc_sensor_signalling stop = {.signal = SIGSTOP},
                                             go_on = {.signal = SIGCONT};
    struct tc_sensor_who root = run(three_levels, THREE_LEVELS_BYTES);
    struct tc_sensor_signalled signalled;

    (void)state;
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &stop, &signalled), 0);
    assert_int_equal(signalled.count, THREE_LEVELS);
    await_state(root.pid, 'T');
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &go_on, &signalled), 0);
    assert_int_equal(signalled.count, THREE_LEVELS);
    await_state(root.pid, 'S'); /* it waits for its children again */
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), 0);
    assert_int_equal(signalled.count, THREE_LEVELS);
    assert_int_equal(reap_all(), THREE_LEVELS);
}

static void signal_takes_what_waits_to_be_reaped_for_ended(void **state)
{
    struct tc_sensor_who root = run("echo", 1);
    struct tc_sensor_signalled signalled;

    (void)state;
    await_state(root.pid, 'Z');
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), -ESRCH);
    assert_int_equal(reap_all(), 1);
}

static bool is_the_spared(void *arg, pid_t pid)
{
    return *(pid_t *)arg == pid;
}

static void signal_spares_whom_it_is_told_to_with_their_children(void **state)
{
    struct tc_sensor_who root = run("(echo; sleep 100 & wait) & echo; wait", 2);
    pid_t spared = 0;
    const struct tc_sensor_signalling what = {
        .signal = SIGKILL, .spare = is_the_spared, .arg = &spared};
    struct tc_sensor_signalled signalled;
    char text[64];
    uint64_t ticks;

    (void)state;
    spared = root.pid;
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &what, &signalled), -EPERM);
    assert_true(tc_sensor_proc_read(text, sizeof(text), "/proc/%d/task/%d/children",
                                    root.pid, root.pid) > 0);
    spared = (pid_t)strtol(text, NULL, 10);
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &what, &signalled), 0);
    assert_int_equal(signalled.count, 1);
    await_state(root.pid, 'Z');
    assert_true(strchr("SR", state_of(spared, &ticks)) != NULL);
    root = who_is(spared);
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), 0);
    reap_all();
}

static void signal_leaves_init_and_the_kernel_alone(void **state)
{
    static const struct tc_sensor_signalling go_on = {.signal = SIGCONT}; /* harmless */
    struct tc_sensor_who who = who_is(1);
    struct tc_sensor_signalled signalled;
    char name[32] = "";

    (void)state;
    assert_int_equal(tc_sensor_signal_tree(&who, 1, &go_on, &signalled), -EPERM);
    if (tc_sensor_proc_read(name, sizeof(name), "/proc/2/comm") <= 0 ||
        strcmp(name, "kthreadd\n")) {
        print_message("no kernel threads to be seen here\n");
        return;
    }
    who = who_is(2);
    assert_int_equal(tc_sensor_signal_tree(&who, 1, &go_on, &signalled), -EPERM);
}

/* Of another user's process, where the right to signal anybody is given up. */
static void signal_says_so_when_it_may_not(void **state)
{
    const cap_value_t right = CAP_KILL;
    struct tc_sensor_signalled signalled;
    double until = seconds() + DEADLINE_S;
    struct tc_sensor_who root;
    cap_t caps;
    int err;

    (void)state;
    if (geteuid()) {
        print_message("needs root\n");
        skip();
    }
    root = run("echo; exec setpriv --reuid 65534 --clear-groups sleep 100", 1);
    caps = cap_get_proc();
    cap_set_flag(caps, CAP_EFFECTIVE, 1, &right, CAP_CLEAR);
    assert_int_equal(cap_set_proc(caps), 0);
    do { /* until it is another user's */
        err = tc_sensor_signal(&root, 0);
    } while (!err && seconds() < until);
    assert_int_equal(err, -EPERM);
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), -EACCES);
    cap_set_flag(caps, CAP_EFFECTIVE, 1, &right, CAP_SET);
    assert_int_equal(cap_set_proc(caps), 0);
    cap_free(caps);
    assert_int_equal(tc_sensor_signal(&root, SIGKILL), 0);
    assert_int_equal(reap_all(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal_kills_a_tree_of_three_levels),
        cmocka_unit_test(signal_kills_who_forks_all_the_time),
        cmocka_unit_test(signal_touches_nobody_of_another_start),
        cmocka_unit_test(signal_stops_a_tree_and_lets_it_go_on),
        cmocka_unit_test(signal_takes_what_waits_to_be_reaped_for_ended),
        cmocka_unit_test(signal_spares_whom_it_is_told_to_with_their_children),
        cmocka_unit_test(signal_says_so_when_it_may_not),
        cmocka_unit_test(signal_leaves_init_and_the_kernel_alone),
    };

    alarm(100);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
