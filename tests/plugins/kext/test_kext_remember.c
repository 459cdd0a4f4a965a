/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel is told to remember: of whom, for what, and of which file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/kext_scratch.h"
#include "tests/support/place.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state)
{
    static const char *const opens[] = {"watch_opens=on", NULL};
    static struct tc_scratch scratch;

    tc_scratch_start(&scratch, "kext", NULL, opens);
    *state = &scratch;
    return 0;
}

static int ended(const struct tc_scratch *s)
{
    return tc_kext_has_lsm(s) ? EPERM : TC_SCRATCH_KILLED;
}

/* ---- Denials. ---- */

/* verdict.on_timeout says deny: that is no word on the file. */
static void regress_kext_does_not_know_a_default_as_bad(void **state)
{
    struct tc_scratch *s = *state;
    int64_t bad = tc_scratch_stat(s, "bad");

    s->deny = "/sleep";
    s->h.why_final = "timeout";
    tc_child_put_program(tc_scratch_in(s, "sleep"), "/bin/sleep");
    assert_int_equal(
        tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "sleep"), "1000"),
        TC_SCRATCH_KILLED);
    assert_int_equal(tc_scratch_stat(s, "bad"), bad);
    s->deny = NULL;
    s->h.why_final = NULL;
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "sleep"), "0"),
                     0);
}

static bool deny_this_once(struct tc_harness *h, const struct tocsin_event *event)
{
    return !strstr(tc_harness_text(h, event, TOCSIN_FIELD_FILE_PATH), "/sleep");
}

/* By the harness alone, whose answers are not cacheable. */
static void regress_kext_does_not_keep_a_denial_that_is_not_to_be_kept(void **state)
{
    struct tc_scratch *s = *state;
    int64_t bad = tc_scratch_stat(s, "bad");

    s->h.decide = deny_this_once;
    tc_child_put_program(tc_scratch_in(s, "sleep"), "/bin/sleep");
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "sleep"), "1000"),
            TC_SCRATCH_KILLED);
    assert_int_equal(tc_scratch_stat(s, "bad"), bad);
}

/* ---- What it is for. ---- */

static void kext_asks_about_an_execution_though_the_open_was_allowed(void **state)
{
    struct tc_scratch *s = *state;

    s->cacheable = true;
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    tc_child_settle(tc_scratch_in(s, "true"));
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_stat(s, "cached", 1));
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_EXEC, 1));
    assert_true(tc_kext_await_stat(s, "cached", 2));
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "true"), NULL),
                     0);
    tc_harness_settle(&s->h);
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC), 1);
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_OPEN), 1);
}

/* ---- Which file. ---- */

static void kext_does_not_remember_a_file_that_is_open_for_writing(void **state)
{
    struct tc_scratch *s = *state;
    int fd;

    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    tc_child_settle(tc_scratch_in(s, "f"));
    fd = open(tc_scratch_in(s, "f"), O_WRONLY | O_CLOEXEC);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_true(tc_kext_await_stat(s, "not_cached", 1));
    assert_int_equal(tc_scratch_stat(s, "cached"), 0);
    close(fd);
}

static struct stat denied; /* this file, whatever its name */
static char other_file[128], name_of_it[128];

/* Between the report and the verdict, its name is given to another file. */
static bool replace_and_deny(struct tc_harness *h, const struct tocsin_event *event)
{
    if (tocsin_event_int(event, TOCSIN_FIELD_FILE_INODE, 0) != (int64_t)denied.st_ino)
        return true;
    (void)rename(other_file, name_of_it);
    tc_harness_answer(h, event, false, true);
    return false;
}

static void kext_ends_what_runs_though_another_file_has_its_name(void **state)
{
    struct tc_scratch *s = *state;
    char again[128];

    snprintf(other_file, sizeof(other_file), "%s", tc_scratch_out(s, "true"));
    snprintf(name_of_it, sizeof(name_of_it), "%s", tc_scratch_in(s, "true"));
    snprintf(again, sizeof(again), "%s", tc_scratch_in(s, "again"));
    tc_child_put_program(other_file, "/usr/bin/true");
    tc_child_put_program(name_of_it, "/bin/sleep");
    assert_int_equal(link(name_of_it, again), 0);
    assert_int_equal(stat(again, &denied), 0);
    s->h.decide = replace_and_deny;
    assert_int_equal(tc_scratch_child(s, tc_child_become, name_of_it, "1000"),
                     TC_SCRATCH_KILLED);
    assert_int_equal(tc_scratch_child(s, tc_child_become, name_of_it, NULL), 0);
    /* Its change time has moved with its names: it is judged anew. */
    assert_int_equal(tc_scratch_child(s, tc_child_become, again, "1000"),
                     TC_SCRATCH_KILLED);
}

/* ---- Overlays. ---- */

/* In a mount namespace of its own, executes "true" of an overlay over the watched folder;
 * `path` is that folder, `other` one to work in. */
static int execute_through_overlay(const char *path, const char *other)
{
    char program[160];

    snprintf(program, sizeof(program), "%s/merged/true", other);
    return tc_place_overlay(path, other) ? 200 : tc_child_become(program, NULL);
}

static void regress_kext_ends_a_file_known_bad_through_an_overlay(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    assert_int_equal(tc_scratch_child(s, execute_through_overlay, s->in, s->out), 0);
    tc_kext_make_bad(s, tc_scratch_in(s, "true"));
    s->deny = "/true";
    assert_int_equal(tc_scratch_child(s, execute_through_overlay, s->in, s->out),
                     ended(s));
}

/* An overlay that lies in the watched folder itself, and is watched, too. */
static void regress_kext_ends_a_file_known_bad_through_a_watched_overlay(void **state)
{
    struct tc_scratch *s = *state;
    char lower[128], options[400], at[128], file[160], program[160];
    const struct tocsin_event *event;

    snprintf(lower, sizeof(lower), "%s", tc_scratch_in(s, "lower"));
    snprintf(at, sizeof(at), "%s", tc_scratch_in(s, "merged"));
    snprintf(file, sizeof(file), "%.120s/true", lower);
    snprintf(program, sizeof(program), "%.120s/true", at);
    assert_int_equal(mkdir(lower, 0755) || mkdir(at, 0755), 0);
    tc_child_put_program(file, "/usr/bin/true");
    snprintf(options, sizeof(options), "lowerdir=%s:%s", lower, s->out);
    assert_int_equal(mount("overlay", at, "overlay", 0, options), 0);
    do { /* until the agent has found it */
        assert_int_equal(tc_scratch_child(s, tc_child_become, program, NULL), 0);
        event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0);
        assert_non_null(event);
    } while (strcmp(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH), program) != 0);
    tc_kext_make_bad(s, file);
    s->h.decide = NULL; /* it is the kernel's own doing */
    assert_int_equal(tc_scratch_child(s, tc_child_become, program, NULL), ended(s));
    assert_int_equal(umount2(at, MNT_DETACH), 0);
}

static void kext_judges_a_watched_file_that_an_overlay_shows(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    assert_int_equal(tc_scratch_child(s, execute_through_overlay, s->in, s->out), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH),
                        tc_scratch_in(s, "true"));
    assert_true(event->fd >= 0);
}

/* ---- Executions that fail. ---- */

/* As a shell does: what is no program it reads itself. */
static int execute_then_read(const char *path, const char *other)
{
    char *argv[] = {(char *)(uintptr_t)path, NULL}, *envp[] = {NULL};

    execve(path, argv, envp);
    return errno == ENOEXEC ? tc_child_open(path, other) : errno;
}

static void regress_kext_reports_a_script_that_could_not_be_executed(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put(tc_scratch_in(s, "script"), "exit 0\n");
    assert_int_equal(
        tc_scratch_child(s, execute_then_read, tc_scratch_in(s, "script"), NULL), 0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_OPEN, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, tc_scratch_teardown)
        TEST(regress_kext_does_not_know_a_default_as_bad),
        TEST(regress_kext_does_not_keep_a_denial_that_is_not_to_be_kept),
        TEST(kext_asks_about_an_execution_though_the_open_was_allowed),
        TEST(kext_does_not_remember_a_file_that_is_open_for_writing),
        TEST(kext_ends_what_runs_though_another_file_has_its_name),
        TEST(regress_kext_ends_a_file_known_bad_through_an_overlay),
        TEST(regress_kext_ends_a_file_known_bad_through_a_watched_overlay),
        TEST(kext_judges_a_watched_file_that_an_overlay_shows),
        TEST(regress_kext_reports_a_script_that_could_not_be_executed),
#undef TEST
    };

    if (!tc_kext_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
