/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of the plugin when its process is killed or hangs, and nothing is to
 * outlive it: nothing may stay refused, killed or stopped. The plugin runs in a process
 * of its own here, which the test ends. What is to outlive it: test_kext_pinned.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/kext_holder.h"
#include "tests/support/kext_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MS 100

/* Tries until it runs, or does not run, as wanted: the deadline is 10 s, a guard looks
 * every 2 s, and a busy machine takes its time; alarm() ends it. */
static void comes_to_run(const char *path, bool wanted)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000l};

    while (tc_kext_runs(path) != wanted)
        nanosleep(&pause, NULL);
}

static const char *const gone[] = {"keep_refusing=0s", NULL};

static void kext_lets_all_run_once_its_agent_was_killed(void **state)
{
    struct tc_kext_holder holder;

    (void)state;
    tc_kext_holder_start(&holder, gone);
    assert_false(tc_kext_runs(holder.at.known));
    kill(holder.pid, SIGKILL);
    comes_to_run(holder.at.known, true);
    tc_kext_holder_end(&holder);
}

static void kext_lets_all_run_once_its_agent_hangs(void **state)
{
    struct tc_kext_holder holder;

    (void)state;
    tc_kext_holder_start(&holder, gone);
    assert_false(tc_kext_runs(holder.at.known));
    kill(holder.pid, SIGSTOP);
    comes_to_run(holder.at.known, true);
    kill(holder.pid, SIGCONT); /* it is back, and so is what it knows */
    comes_to_run(holder.at.known, false);
    tc_kext_holder_end(&holder);
}

/* Executes what nobody will ever answer for; it must have been stopped. */
static pid_t begin_held(const struct tc_kext_holder *holder)
{
    int status, pid = tc_child_begin(tc_child_become, holder->at.unknown, NULL);

    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

static const char *const hold[] = {"hold_exec=unknown", "keep_refusing=0s", NULL};

static void kext_leaves_nothing_stopped_when_its_agent_is_killed(void **state)
{
    struct tc_kext_holder holder;
    int status, held;

    (void)state;
    tc_kext_holder_start(&holder, hold);
    held = begin_held(&holder);
    kill(holder.pid, SIGKILL);
    assert_int_equal(waitpid(held, &status, 0), held); /* alarm() is the deadline */
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    tc_kext_holder_end(&holder);
}

static void kext_leaves_nothing_stopped_when_its_agent_hangs(void **state)
{
    struct tc_kext_holder holder;
    int status, held;

    (void)state;
    tc_kext_holder_start(&holder, hold);
    held = begin_held(&holder);
    kill(holder.pid, SIGSTOP);
    assert_int_equal(waitpid(held, &status, 0), held);
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    assert_true(tc_kext_runs(holder.at.unknown)); /* and none is stopped any more */
    tc_kext_holder_end(&holder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kext_lets_all_run_once_its_agent_was_killed),
        cmocka_unit_test(kext_lets_all_run_once_its_agent_hangs),
        cmocka_unit_test(kext_leaves_nothing_stopped_when_its_agent_is_killed),
        cmocka_unit_test(kext_leaves_nothing_stopped_when_its_agent_hangs),
    };

    if (!tc_kext_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
