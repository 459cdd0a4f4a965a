/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of the plugin when its process is killed or hangs: nothing may stay
 * refused, killed or stopped. The plugin runs in a process of its own here, which the
 * test ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

/* A process with the plugin in it, and what it has reported of itself. */
struct holder {
    pid_t pid;
    struct {
        char root[64], dir[64], known[96], unknown[96];
    } at;
};

/* The holder's life: never ends by itself. Files: `known`, known bad; `unknown`. */
static void holder_main(int ready, const char *const *options)
{
    static struct tc_scratch s;
    struct holder holder;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(TC_SCRATCH_ALARM_S);
    tc_scratch_start(&s, "kext", NULL, options);
    s.h.decide = NULL; /* nobody ever answers */
    memset(&holder, 0, sizeof(holder));
    snprintf(holder.at.root, sizeof(holder.at.root), "%s", s.root);
    snprintf(holder.at.dir, sizeof(holder.at.dir), "%s", s.h.dir);
    snprintf(holder.at.known, sizeof(holder.at.known), "%s",
             tc_scratch_in(&s, "known/true"));
    snprintf(holder.at.unknown, sizeof(holder.at.unknown), "%s",
             tc_scratch_in(&s, "unknown/true"));
    if (mkdir(tc_scratch_in(&s, "known"), 0755) ||
        mkdir(tc_scratch_in(&s, "unknown"), 0755))
        _exit(1);
    tc_child_put_program(holder.at.known, "/usr/bin/true");
    tc_child_put_program(holder.at.unknown, "/usr/bin/true");
    tc_kext_make_bad(&s, holder.at.known);
    if (write(ready, &holder.at, sizeof(holder.at)) != sizeof(holder.at))
        _exit(1);
    uv_run(&s.h.loop, UV_RUN_DEFAULT);
    _exit(1);
}

static void holder_start(struct holder *holder, const char *const *options)
{
    int ready[2];

    assert_int_equal(pipe(ready), 0);
    holder->pid = fork();
    assert_true(holder->pid >= 0);
    if (!holder->pid) {
        close(ready[0]);
        holder_main(ready[1], options);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &holder->at, sizeof(holder->at)), sizeof(holder->at));
    close(ready[0]);
}

static void holder_end(struct holder *holder)
{
    kill(holder->pid, SIGKILL);
    waitpid(holder->pid, NULL, 0);
    tc_harness_remove_folder(holder->at.dir);
    assert_int_equal(umount2(holder->at.root, MNT_DETACH), 0);
    assert_int_equal(rmdir(holder->at.root), 0);
}

/* Runs a program to its end: true when it ran through. */
static bool runs(const char *path)
{
    int status, pid = tc_child_begin(tc_child_become, path, NULL);

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Tries until it runs, or does not run, as wanted: the deadline is 10 s, a guard looks
 * every 2 s, and a busy machine takes its time; alarm() ends it. */
static void comes_to_run(const char *path, bool wanted)
{
    const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000l};

    while (runs(path) != wanted)
        nanosleep(&pause, NULL);
}

static void kext_lets_all_run_once_its_agent_was_killed(void **state)
{
    struct holder holder;

    (void)state;
    holder_start(&holder, NULL);
    assert_false(runs(holder.at.known));
    kill(holder.pid, SIGKILL);
    comes_to_run(holder.at.known, true);
    holder_end(&holder);
}

static void kext_lets_all_run_once_its_agent_hangs(void **state)
{
    struct holder holder;

    (void)state;
    holder_start(&holder, NULL);
    assert_false(runs(holder.at.known));
    kill(holder.pid, SIGSTOP);
    comes_to_run(holder.at.known, true);
    kill(holder.pid, SIGCONT); /* it is back, and so is what it knows */
    comes_to_run(holder.at.known, false);
    holder_end(&holder);
}

/* Executes what nobody will ever answer for; it must have been stopped. */
static pid_t begin_held(const struct holder *holder)
{
    int status, pid = tc_child_begin(tc_child_become, holder->at.unknown, NULL);

    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

static const char *const hold[] = {"hold_exec=unknown", NULL};

static void kext_leaves_nothing_stopped_when_its_agent_is_killed(void **state)
{
    struct holder holder;
    int status, held;

    (void)state;
    holder_start(&holder, hold);
    held = begin_held(&holder);
    kill(holder.pid, SIGKILL);
    assert_int_equal(waitpid(held, &status, 0), held); /* alarm() is the deadline */
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    holder_end(&holder);
}

static void kext_leaves_nothing_stopped_when_its_agent_hangs(void **state)
{
    struct holder holder;
    int status, held;

    (void)state;
    holder_start(&holder, hold);
    held = begin_held(&holder);
    kill(holder.pid, SIGSTOP);
    assert_int_equal(waitpid(held, &status, 0), held);
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    assert_true(runs(holder.at.unknown)); /* and none is stopped any more */
    holder_end(&holder);
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
