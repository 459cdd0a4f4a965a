/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/fuse_server.h"
#include "tests/support/kext_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A program that is ended: by a signal on the lower level, by never beginning on the
 * upper. */
static int ended(const struct tc_scratch *s)
{
    return tc_kext_has_lsm(s) ? EPERM : TC_SCRATCH_KILLED;
}

/* ---- Known files. ---- */

static void kext_ends_every_execution_of_a_file_known_bad(void **state)
{
    struct tc_scratch *s = *state;
    int times = tc_kext_has_lsm(s)
                    ? 50
                    : 500; /* where it is refused there is nothing to race with */
    char mark[128];

    snprintf(mark, sizeof(mark), "%s", tc_scratch_out(s, "mark"));
    tc_child_put_program(tc_scratch_in(s, "touch"), "/usr/bin/touch");
    tc_kext_make_bad(s, tc_scratch_in(s, "touch"));
    s->deny = "/touch";
    for (int i = 0; i < times; i++) {
        assert_int_equal(
            tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "touch"), mark),
            ended(s));
        assert_int_equal(access(mark, F_OK), -1);
    }
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_EXEC, (size_t)times));
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC), times);
    assert_int_equal(
        tc_scratch_stat(s, tc_kext_has_lsm(s) ? "kernel.refused" : "kernel.killed"),
        times + (tc_kext_has_lsm(s) ? 2 : 1)); /* and the canary's */
}

static void kext_reports_nothing_of_a_file_known_good(void **state)
{
    struct tc_scratch *s = *state;

    s->cacheable = true;
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    tc_child_settle(tc_scratch_in(s, "true"));
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_stat(s, "cached", 1));
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL), 0);
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC), 1);
    assert_true(tc_scratch_stat(s, "kernel.known") >= 5);
}

/* By another process: what the agent itself writes is nobody's news. */
static void kext_asks_again_after_a_write(void **state)
{
    struct tc_scratch *s = *state;

    s->cacheable = true;
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    tc_child_settle(tc_scratch_in(s, "true"));
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_stat(s, "cached", 1));
    s->cacheable = false;
    assert_int_equal(
        tc_scratch_child(s, tc_child_copy, "/usr/bin/true", tc_scratch_in(s, "true")), 0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_WRITTEN, 1));
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_EXEC, 2));
}

static void kext_asks_again_after_a_reset(void **state)
{
    struct tc_scratch *s = *state;

    s->cacheable = true;
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    tc_child_settle(tc_scratch_in(s, "true"));
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_stat(s, "cached", 1));
    tc_harness_publish(&s->h, TOCSIN_TOPIC_VERDICT_RESET, 0, -1, NULL);
    tc_harness_settle(&s->h);
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_EXEC, 2));
}

/* ---- Files not judged yet. ---- */

static void kext_kills_what_is_denied_with_its_children(void **state)
{
    struct tc_scratch *s = *state;
    int64_t killed;

    s->deny = "/sh";
    tc_child_put_program(tc_scratch_in(s, "sh"), "/bin/sh");
    tc_child_put(tc_scratch_out(s, "script"),
                 "/bin/sleep 1000 & /bin/sleep 1000 & wait\n");
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "sh"),
                                      tc_scratch_out(s, "script")),
                     TC_SCRATCH_KILLED);
    assert_true(tc_kext_await_stat(s, "processes_killed", 1));
    killed = tc_scratch_stat(s, "processes_killed");
    assert_in_range(killed, 1, 3); /* as many as there were by then */
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "sh"),
                                      tc_scratch_out(s, "script")),
                     ended(s));
    assert_int_equal(tc_scratch_stat(s, "processes_killed"), killed); /* the kernel did */
}

static void kext_reports_who_executed_what(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;
    int child;

    tc_child_put_program(tc_scratch_in(s, "sleep"), "/bin/sleep");
    child = tc_child_begin(tc_child_become, tc_scratch_in(s, "sleep"), "1000");
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0);
    assert_non_null(event);
    assert_true(event->flags & TOCSIN_EVENT_AUTH);
    assert_true(event->fd >= 0);
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH),
                        tc_scratch_in(s, "sleep"));
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_PROCESS_EXECUTABLE),
                        tc_scratch_in(s, "sleep"));
    assert_true(strstr(tc_harness_text(&s->h, event, TOCSIN_FIELD_PROCESS_COMMAND_LINE),
                       " 1000") != NULL);
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PARENT_PID, 0), getpid());
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_SENSOR), "kext");
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0), child);
    kill(child, SIGKILL);
    tc_scratch_child_end(s, child);
}

/* Execs, and has the program's name taken away as soon as it runs, as a quarantine does.
 */
static int become_and_lose_the_name(const char *path, const char *other)
{
    char link[48], runs[256];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/%d/exe", (int)getpid());
    if (!fork()) {
        alarm(TC_CHILD_ALARM_S); /* fork has cleared it */
        do
            n = readlink(link, runs, sizeof(runs));
        while (n < 0 || strncmp(runs, path, (size_t)n));
        _exit(unlink(path) != 0);
    }
    return tc_child_become(path, other);
}

static bool deny_what_can_be_read(struct tc_harness *h, const struct tocsin_event *event)
{
    return event->fd < 0 ||
           !strstr(tc_harness_text(h, event, TOCSIN_FIELD_FILE_PATH), "/sleep");
}

static void regress_kext_ends_a_program_whose_name_goes_while_it_is_judged(void **state)
{
    struct tc_scratch *s = *state;

    s->h.decide = deny_what_can_be_read;
    for (int i = 0; i < 50; i++) {
        tc_child_put_program(tc_scratch_in(s, "sleep"), "/usr/bin/sleep");
        assert_int_equal(tc_scratch_child(s, become_and_lose_the_name,
                                          tc_scratch_in(s, "sleep"), "1000"),
                         TC_SCRATCH_KILLED);
    }
}

static void kext_judges_the_script_that_an_interpreter_runs(void **state)
{
    struct tc_scratch *s = *state;
    int end;

    s->deny = "/script";
    tc_child_put(tc_scratch_in(s, "script"), "#!/bin/sh\nsleep 1000\n");
    end = tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "script"), NULL);
    /* Once the verdict is in the kernel, the shell may be refused its script before it
     * is killed: it ends with 2 then. */
    if (!tc_kext_has_lsm(s) || end != 2)
        assert_int_equal(end, TC_SCRATCH_KILLED);
}

/* Executes a program out of memory. */
static int become_nameless(const char *program, const char *argument)
{
    char *argv[] = {strdup("sleep"), strdup(argument), NULL}, *envp[] = {NULL}, path[32];
    int fd = memfd_create("tocsin-nameless", MFD_CLOEXEC);

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    tc_child_put_program(path, program);
    fexecve(fd, argv, envp);
    return errno;
}

static void kext_judges_a_program_that_lies_in_no_folder(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "tocsin-nameless";
    assert_int_equal(tc_scratch_child(s, become_nameless, "/bin/sleep", "1000"),
                     TC_SCRATCH_KILLED);
    assert_true(tc_scratch_stat(s, "denied") >= 1);
}

/* A server that does not answer would keep the thread that opens it. */
static void kext_opens_nothing_that_a_server_answers_for(void **state)
{
    struct tc_scratch *s = *state;
    struct tc_fuse_server fuse;
    char path[160];

    if (!tc_fuse_possible())
        test_skip("there is no FUSE");
    assert_int_equal(mkdir(tc_scratch_in(s, "far"), 0777), 0);
    tc_fuse_start(&fuse, tc_scratch_in(s, "far"));
    tc_fuse_put(&fuse, 0, "#!/bin/true\n");
    while (!tc_harness_reported(&s->h, "kext_served"))
        tc_harness_run_for(&s->h, 10);
    snprintf(path, sizeof(path), "%.150s/f", fuse.point);
    assert_int_equal(tc_scratch_child(s, tc_child_execute, path, NULL), 0);
    assert_true(tc_kext_await_stat(s, "served", 1));
    tc_harness_settle(&s->h);
    assert_int_equal(atomic_load(&fuse.shared->opens), 1); /* the execution's own */
    tc_fuse_end(&fuse);
}

static void kext_reports_nothing_from_outside_the_watched_paths(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put_program(tc_scratch_out(s, "true"), "/usr/bin/true");
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    assert_int_equal(
        tc_scratch_child(s, tc_child_become, tc_scratch_out(s, "true"), NULL), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_EXEC, 1));
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC), 1);
    assert_true(tc_scratch_stat(s, "kernel.outside") >= 1);
}

/* ---- Files that were written. ---- */

static void kext_knows_a_written_file_as_bad_before_it_is_executed(void **state)
{
    struct tc_scratch *s = *state;
    int64_t bad;

    s->deny = "/dropped";
    tc_child_put_program(tc_scratch_out(s, "dropped"), "/usr/bin/true");
    bad = tc_scratch_stat(s, "bad");
    assert_int_equal(tc_scratch_child(s, tc_child_copy, tc_scratch_out(s, "dropped"),
                                      tc_scratch_in(s, "dropped")),
                     0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_WRITTEN, 1));
    assert_true(tc_kext_await_stat(s, "bad", bad + 1));
    s->h.decide = NULL; /* what follows is the kernel's own doing */
    assert_int_equal(
        tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "dropped"), NULL),
        ended(s));
}

/* Makes a file that has no name, and names it when it is complete. */
static int write_then_name(const char *path, const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0755);
    char link[48];

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, "x", 1) != 1 ||
        linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW))
        return errno;
    return close(fd);
}

static void regress_kext_judges_a_file_that_got_its_name_late(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    assert_int_equal(
        tc_scratch_child(s, write_then_name, tc_scratch_in(s, "late"), s->in), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, 0);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH),
                        tc_scratch_in(s, "late"));
    assert_true(event->flags & TOCSIN_EVENT_AUTH);
    assert_true(event->fd >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, tc_kext_scratch_setup, tc_scratch_teardown)
        TEST(kext_ends_every_execution_of_a_file_known_bad),
        TEST(kext_reports_nothing_of_a_file_known_good),
        TEST(kext_asks_again_after_a_write),
        TEST(kext_asks_again_after_a_reset),
        TEST(kext_kills_what_is_denied_with_its_children),
        TEST(regress_kext_ends_a_program_whose_name_goes_while_it_is_judged),
        TEST(kext_reports_who_executed_what),
        TEST(kext_judges_the_script_that_an_interpreter_runs),
        TEST(kext_judges_a_program_that_lies_in_no_folder),
        TEST(kext_opens_nothing_that_a_server_answers_for),
        TEST(kext_reports_nothing_from_outside_the_watched_paths),
        TEST(kext_knows_a_written_file_as_bad_before_it_is_executed),
        TEST(regress_kext_judges_a_file_that_got_its_name_late),
#undef TEST
    };

    if (!tc_kext_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
