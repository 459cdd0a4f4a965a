/* SPDX-License-Identifier: Apache-2.0 */
/* Signals to processes and to all that descend from them, with real processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "sensor_proc.h"
#include "sensor_signal.h"
#include "tests/support/child.h"

static const struct tc_sensor_signalling kill_all = {.signal = SIGKILL};

static struct tc_sensor_who who_is(pid_t pid)
{
    struct tc_sensor_who who = {.pid = pid};

    assert_true(tc_child_state(pid, &who.start_ns) != 0);
    return who;
}

/* Runs a shell script, and waits until it has written so many bytes. */
static struct tc_sensor_who run(const char *script, size_t bytes)
{
    return who_is(tc_child_spawn("/bin/sh", "-c", script, bytes));
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
    assert_int_equal(tc_child_reap_all(), THREE_LEVELS);
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
    assert_int_equal(tc_child_reap_all(), signalled.count);
}

static void signal_touches_nobody_of_another_start(void **state)
{
    struct tc_sensor_who root = run("echo; exec sleep 100", 1), other = root;
    uint64_t tick_ns = tc_sensor_proc_tick_ns();
    struct tc_sensor_signalled signalled;
    uint64_t start_ns;

    (void)state;
    other.start_ns -= tick_ns;
    assert_int_equal(tc_sensor_signal_tree(&other, 1, &kill_all, &signalled), -ESRCH);
    assert_int_equal(tc_sensor_signal(&other, SIGKILL), -ESRCH);
    other.start_ns += 2 * tick_ns;
    assert_int_equal(tc_sensor_signal_tree(&other, 1, &kill_all, &signalled), -ESRCH);
    assert_true(strchr("SR", tc_child_state(root.pid, &start_ns)) != NULL);
    assert_int_equal(tc_sensor_signal(&root, SIGKILL), 0);
    assert_int_equal(tc_child_reap_all(), 1);
}

static void signal_stops_and_resumes_a_tree(void **state)
{
    static const struct tc_sensor_signalling stop = {.signal = SIGSTOP},
                                             go_on = {.signal = SIGCONT};
    struct tc_sensor_who root = run(three_levels, THREE_LEVELS_BYTES);
    struct tc_sensor_signalled signalled;

    (void)state;
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &stop, &signalled), 0);
    assert_int_equal(signalled.count, THREE_LEVELS);
    tc_child_await_state(root.pid, 'T');
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &go_on, &signalled), 0);
    assert_int_equal(signalled.count, THREE_LEVELS);
    tc_child_await_state(root.pid, 'S'); /* it waits for its children again */
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), 0);
    assert_int_equal(signalled.count, THREE_LEVELS);
    assert_int_equal(tc_child_reap_all(), THREE_LEVELS);
}

static void signal_takes_what_waits_to_be_reaped_for_ended(void **state)
{
    struct tc_sensor_who root = run("echo", 1);
    struct tc_sensor_signalled signalled;

    (void)state;
    tc_child_await_state(root.pid, 'Z');
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), -ESRCH);
    assert_int_equal(tc_child_reap_all(), 1);
}

static bool is_the_spared(void *arg, pid_t pid)
{
    return *(pid_t *)arg == pid;
}

static void signal_spares_the_given_roots_with_their_children(void **state)
{
    struct tc_sensor_who root = run("(echo; sleep 100 & wait) & echo; wait", 2);
    pid_t spared = 0;
    const struct tc_sensor_signalling what = {
        .signal = SIGKILL, .spare = is_the_spared, .arg = &spared};
    struct tc_sensor_signalled signalled;
    char text[64];
    uint64_t start_ns;

    (void)state;
    spared = root.pid;
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &what, &signalled), -EPERM);
    assert_true(tc_sensor_proc_read(text, sizeof(text), "/proc/%d/task/%d/children",
                                    root.pid, root.pid) > 0);
    spared = (pid_t)strtol(text, NULL, 10);
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &what, &signalled), 0);
    assert_int_equal(signalled.count, 1);
    tc_child_await_state(root.pid, 'Z');
    assert_true(strchr("SR", tc_child_state(spared, &start_ns)) != NULL);
    root = who_is(spared);
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), 0);
    tc_child_reap_all();
}

static void signal_spares_init_and_the_kernel(void **state)
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
    time_t until = time(NULL) + TC_CHILD_WAIT_S;
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
    } while (!err && time(NULL) < until);
    assert_int_equal(err, -EPERM);
    assert_int_equal(tc_sensor_signal_tree(&root, 1, &kill_all, &signalled), -EACCES);
    cap_set_flag(caps, CAP_EFFECTIVE, 1, &right, CAP_SET);
    assert_int_equal(cap_set_proc(caps), 0);
    cap_free(caps);
    assert_int_equal(tc_sensor_signal(&root, SIGKILL), 0);
    assert_int_equal(tc_child_reap_all(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal_kills_a_tree_of_three_levels),
        cmocka_unit_test(signal_kills_who_forks_all_the_time),
        cmocka_unit_test(signal_touches_nobody_of_another_start),
        cmocka_unit_test(signal_stops_and_resumes_a_tree),
        cmocka_unit_test(signal_takes_what_waits_to_be_reaped_for_ended),
        cmocka_unit_test(signal_spares_the_given_roots_with_their_children),
        cmocka_unit_test(signal_says_so_when_it_may_not),
        cmocka_unit_test(signal_spares_init_and_the_kernel),
    };

    alarm(100);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
