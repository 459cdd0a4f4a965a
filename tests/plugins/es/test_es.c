/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Operations of children. ---- */

static int write_through_mapping(const char *path, const char *text)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char *map;

    if (fd < 0)
        return errno;
    map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return errno;
    *map = *text;
    munmap(map, 1);
    return close(fd);
}

/* ---- Answers. ---- */

static void es_lets_an_allowed_open_pass(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(s->asked, 1);
    assert_int_equal(tc_scratch_stat(s, "allowed"), 1);
}

static void es_refuses_a_denied_open(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/bad";
    tc_child_put(tc_scratch_in(s, "bad"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "bad"), NULL),
                     EPERM);
    assert_int_equal(tc_scratch_stat(s, "denied"), 1);
}

static void es_refuses_a_denied_execution(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/bad";
    tc_child_put(tc_scratch_in(s, "bad"), "#!/bin/true\n");
    tc_child_put(tc_scratch_in(s, "good"), "#!/bin/true\n");
    assert_int_equal(tc_scratch_child(s, tc_child_execute, tc_scratch_in(s, "bad"), NULL),
                     EPERM);
    assert_int_equal(
        tc_scratch_child(s, tc_child_execute, tc_scratch_in(s, "good"), NULL), 0);
    assert_true(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC) >= 2);
}

/* ---- What the kernel remembers. ---- */

static void es_asks_once_about_a_file_that_may_be_cached(void **state)
{
    struct tc_scratch *s = *state;

    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    for (int i = 0; i < 5; i++)
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                         0);
    assert_int_equal(s->asked, 1);
}

static void es_asks_again_when_the_verdict_may_not_be_cached(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    for (int i = 0; i < 3; i++)
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                         0);
    assert_int_equal(s->asked, 3);
}

static void es_asks_again_after_a_write(void **state)
{
    struct tc_scratch *s = *state;

    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_write, tc_scratch_in(s, "f"), "y"), 0);
    s->deny = "/f";
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
}

static void es_asks_again_after_a_write_through_a_mapping(void **state)
{
    struct tc_scratch *s = *state;

    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(
        tc_scratch_child(s, write_through_mapping, tc_scratch_in(s, "f"), "y"), 0);
    assert_non_null(tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, 0));
    s->deny = "/f";
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
}

/* Its descriptor closed, the mapping keeps it open until the process ends. */
static int map_and_wait(const char *path, const char *other)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char *map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (map == MAP_FAILED || close(fd))
        return errno;
    fd = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0644); /* outside: it says so */
    if (fd < 0)
        return errno;
    pause();
    return (int)*map;
}

static void regress_es_remembers_nothing_that_is_mapped_for_writing(void **state)
{
    struct tc_scratch *s = *state;
    const char *ready = tc_scratch_out(s, "ready");
    pid_t writer;

    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    writer = tc_child_begin(map_and_wait, tc_scratch_in(s, "f"), ready);
    while (access(ready, F_OK))
        tc_harness_run_for(&s->h, 10);
    for (int i = 0; i < 2; i++)
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                         0);
    s->deny = "/f"; /* its content may be another by now */
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
    kill(writer, SIGKILL);
    tc_scratch_child_end(s, writer);
}

/* Others may vote on it. */
static void regress_es_asks_before_a_file_is_executed_though_it_was_read(void **state)
{
    struct tc_scratch *s = *state;
    size_t asked;

    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "#!/bin/true\n");
    for (int i = 0; i < 2; i++)
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                         0);
    assert_int_equal(s->asked, 1);
    assert_int_equal(tc_scratch_child(s, tc_child_execute, tc_scratch_in(s, "f"), NULL),
                     0);
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC), 1);
    asked = s->asked;
    assert_int_equal(tc_scratch_child(s, tc_child_execute, tc_scratch_in(s, "f"), NULL),
                     0);
    assert_int_equal(s->asked, asked); /* both are remembered now */
}

/* A default says nothing of the file, whatever it is marked as. */
static void es_asks_again_when_no_detector_has_answered(void **state)
{
    struct tc_scratch *s = *state;

    s->h.why_final = "absent";
    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    for (int i = 0; i < 3; i++)
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                         0);
    assert_int_equal(s->asked, 3);
}

/* So that a detector does not answer by what it knew before: it may hear of the close
 * after the question. */
static void es_names_the_last_close_in_a_question(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *written, *asked;

    assert_int_equal(tc_scratch_child(s, tc_child_write, tc_scratch_in(s, "f"), "y"), 0);
    written = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, 0);
    assert_non_null(written);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    asked = tc_harness_event(&s->h, TOCSIN_TOPIC_FILE_OPEN,
                             tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_OPEN) - 1);
    assert_int_equal(tocsin_event_int(asked, TOCSIN_FIELD_FILE_WRITTEN_EVENT, 0),
                     written->id);
}

/* Writes through an overlay, in a namespace that outlives it, to a file of its upper
 * folder `path`; the overlay is `other`. */
static int write_through_overlay(const char *path, const char *other)
{
    char name[160];

    snprintf(name, sizeof(name), "%s%s", other, strrchr(path, '/'));
    return tc_child_write(name, "y");
}

static bool is_remembered(struct tc_harness *h)
{
    struct tc_scratch *s = (struct tc_scratch *)(void *)h;

    return tc_scratch_stat(s, "cached") || tc_scratch_stat(s, "not_cached");
}

static void regress_es_asks_again_after_a_write_through_an_overlay(void **state)
{
    struct tc_scratch *s = *state;
    char options[400], overlay[128];
    int64_t scans;

    mkdir(tc_scratch_out(s, "lower"), 0755);
    mkdir(tc_scratch_out(s, "work"), 0755);
    mkdir(tc_scratch_out(s, "overlay"), 0755);
    snprintf(overlay, sizeof(overlay), "%s", tc_scratch_out(s, "overlay"));
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s",
             tc_scratch_out(s, "lower"), s->in, tc_scratch_out(s, "work"));
    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    scans = tc_scratch_stat(s, "mount_scans");
    assert_int_equal(mount("overlay", overlay, "overlay", 0, options), 0);
    while (tc_scratch_stat(s, "mount_scans") == scans)
        tc_harness_run_for(&s->h, 10);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_true(tc_harness_run(&s->h, is_remembered, TC_HARNESS_WAIT_MS));
    assert_int_equal(
        tc_scratch_child(s, write_through_overlay, tc_scratch_in(s, "f"), overlay), 0);
    s->deny = "/f";
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
    assert_int_equal(umount2(overlay, MNT_DETACH), 0);
}

static void es_asks_again_after_a_reset(void **state)
{
    struct tc_scratch *s = *state;

    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    tc_harness_publish(&s->h, TOCSIN_TOPIC_VERDICT_RESET, 0, -1, NULL);
    tc_harness_settle(&s->h);
    s->deny = "/f";
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
}

/* ---- Scope. ---- */

static void es_never_asks_about_the_agent_itself(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_child_open(tc_scratch_in(s, "f"), NULL), 0);
    tc_harness_settle(&s->h);
    assert_int_equal(s->asked, 0);
    assert_true(tc_scratch_stat(s, "own") >= 2); /* this open, and the canary's */
}

static bool has_a_folder_outside(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "folders_outside") == 1;
}

static void es_publishes_nothing_from_outside_the_watched_paths(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put(tc_scratch_out(s, "f"), "x");
    tc_child_put(tc_scratch_out(s, "g"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "f"), NULL), 0);
    assert_true(tc_harness_run(&s->h, has_a_folder_outside, TC_HARNESS_WAIT_MS));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "f"), NULL),
                         0);
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "g"), NULL),
                         0);
    }
    assert_int_equal(s->asked, 0);
    assert_int_equal(tc_scratch_stat(s, "out_of_scope"), 1); /* then the kernel knows */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, tc_es_scratch_setup, tc_scratch_teardown)
        TEST(es_lets_an_allowed_open_pass),
        TEST(es_refuses_a_denied_open),
        TEST(es_refuses_a_denied_execution),
        TEST(es_asks_once_about_a_file_that_may_be_cached),
        TEST(es_asks_again_when_the_verdict_may_not_be_cached),
        TEST(es_asks_again_after_a_write),
        TEST(es_asks_again_after_a_write_through_a_mapping),
        TEST(regress_es_remembers_nothing_that_is_mapped_for_writing),
        TEST(regress_es_asks_before_a_file_is_executed_though_it_was_read),
        TEST(es_asks_again_when_no_detector_has_answered),
        TEST(es_names_the_last_close_in_a_question),
        TEST(regress_es_asks_again_after_a_write_through_an_overlay),
        TEST(es_asks_again_after_a_reset),
        TEST(es_never_asks_about_the_agent_itself),
        TEST(es_publishes_nothing_from_outside_the_watched_paths),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
