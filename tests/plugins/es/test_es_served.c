/* SPDX-License-Identifier: Apache-2.0 */
/* File systems that a server answers for, and one that does not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"
#include "tests/support/fuse_server.h"
#include "tests/support/skip.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPENERS 8

struct served {
    struct tc_scratch s; /* first: hooks get it back from it */
    struct tc_fuse_server fuse;
    char f[160], g[160];
};

static bool is_asking(struct tc_harness *h)
{
    struct tc_scratch *s = (struct tc_scratch *)(void *)h;

    return tc_scratch_stat(s, "served.asking") == 1;
}

static bool is_reported(struct tc_harness *h)
{
    return tc_harness_reported(h, "es_served") != NULL;
}

static bool is_not_reported(struct tc_harness *h)
{
    return !tc_harness_reported(h, "es_served");
}

static int set_up(void **state)
{
    static struct served served;
    struct served *v = &served;
    char point[160];

    tc_scratch_start(&v->s, "es", NULL, NULL);
    snprintf(point, sizeof(point), "%.100s/far", v->s.in);
    assert_int_equal(mkdir(point, 0777), 0);
    tc_fuse_start(&v->fuse, point);
    tc_fuse_put(&v->fuse, 0, "first");
    tc_fuse_put(&v->fuse, 1, "second");
    snprintf(v->f, sizeof(v->f), "%.120s/f", point);
    snprintf(v->g, sizeof(v->g), "%.120s/g", point);
    while (!is_asking(&v->s.h)) /* the mount has been noticed, and marked */
        tc_harness_run_for(&v->s.h, 10);
    *state = v;
    return 0;
}

static int tear_down(void **state)
{
    struct served *v = *state;

    tc_fuse_end(&v->fuse);
    tc_scratch_done(&v->s);
    return 0;
}

static int open_(struct served *v, const char *path)
{
    return tc_scratch_child(&v->s, tc_child_open, path, NULL);
}

/* The text of the copy that came with the n-th question. */
static const char *copy(struct served *v, size_t n)
{
    static char text[64];
    const struct tocsin_event *event =
        tc_harness_event(&v->s.h, TOCSIN_TOPIC_FILE_OPEN, n);
    ssize_t len;

    assert_non_null(event);
    assert_true(
        tocsin_find_bool(event->data, event->len, TOCSIN_FIELD_FILE_SERVED, false));
    len = pread(event->fd, text, sizeof(text) - 1, 0);
    assert_true(len >= 0);
    text[len] = '\0';
    return text;
}

static void served_file_is_asked_about_with_a_copy(void **state)
{
    struct served *v = *state;

    assert_int_equal(open_(v, v->f), 0);
    assert_string_equal(copy(v, 0), "first");
    v->s.deny = "/g";
    assert_int_equal(open_(v, v->g), EPERM);
    assert_string_equal(copy(v, 1), "second");
}

static void served_file_is_not_remembered(void **state)
{
    struct served *v = *state;

    v->s.cacheable = true;
    assert_int_equal(open_(v, v->f), 0);
    tc_fuse_put(&v->fuse, 0, "changed by the server");
    assert_int_equal(open_(v, v->f), 0);
    assert_int_equal(v->s.asked, 2);
    assert_string_equal(copy(v, 1), "changed by the server");
}

static void served_file_that_was_written_comes_without_a_copy(void **state)
{
    struct served *v = *state;
    const struct tocsin_event *event;

    assert_int_equal(tc_scratch_child(&v->s, tc_child_write, v->f, "new"), 0);
    event = tc_harness_await(&v->s.h, TOCSIN_TOPIC_FILE_WRITTEN, 0);
    assert_non_null(event);
    assert_int_equal(event->fd, -1);
    assert_true(
        tocsin_find_bool(event->data, event->len, TOCSIN_FIELD_FILE_SERVED, false));
}

/* One opener gets stuck; others of that mount are let go, and all else goes on. */
static void stuck(struct served *v, uint32_t opcode)
{
    const struct tc_harness_report *report;
    pid_t first, second, others[OPENERS];
    char name[32];

    for (int i = 0; i < OPENERS; i++) {
        snprintf(name, sizeof(name), "near%d", i);
        tc_child_put(tc_scratch_in(&v->s, name), "x");
    }
    atomic_store(&v->fuse.shared->silent, opcode);
    first = tc_child_begin(tc_child_open, v->f, NULL);
    while (!atomic_load(&v->fuse.shared->unanswered))
        tc_harness_run_for(&v->s.h, 10);
    second = tc_child_begin(tc_child_open, v->g, NULL);

    for (int i = 0; i < OPENERS; i++) {
        snprintf(name, sizeof(name), "near%d", i);
        others[i] = tc_child_begin(tc_child_open, tc_scratch_in(&v->s, name), NULL);
    }
    for (int i = 0; i < OPENERS; i++)
        assert_int_equal(tc_scratch_child_end(&v->s, others[i]), 0);
    assert_true(v->s.asked >= OPENERS);
    assert_false(is_reported(&v->s.h)); /* nobody else has waited for the giving up */

    assert_true(tc_harness_run(&v->s.h, is_reported, TC_HARNESS_WAIT_MS));
    report = tc_harness_reported(&v->s.h, "es_served");
    assert_non_null(strstr(report->text, v->fuse.point));
    assert_non_null(strstr(report->text, "its server does not answer"));

    /* It answers again: so all end, and files there are asked about again. */
    atomic_store(&v->fuse.shared->silent, 0);
    tc_scratch_child_end(&v->s, first);
    tc_scratch_child_end(&v->s, second);
    assert_true(tc_harness_run(&v->s.h, is_not_reported, TC_HARNESS_WAIT_MS));
    while (!is_asking(&v->s.h))
        tc_harness_run_for(&v->s.h, 10);
    v->s.deny = "/g";
    assert_int_equal(open_(v, v->g), EPERM);
}

static void server_that_does_not_answer_open_holds_up_its_mount_alone(void **state)
{
    stuck(*state, FUSE_OPEN);
}

static void server_that_does_not_answer_read_holds_up_its_mount_alone(void **state)
{
    stuck(*state, FUSE_READ);
}

static void server_that_does_not_answer_getattr_holds_up_its_mount_alone(void **state)
{
    stuck(*state, FUSE_GETATTR);
}

/* Told once: not taken back and told again whenever the mounts are looked at. */
static void served_file_system_that_lets_nobody_in_stays_reported(void **state)
{
    static struct served served;
    struct served *v = &served;
    char point[160];

    (void)state;
    tc_scratch_start(&v->s, "es", NULL, NULL);
    snprintf(point, sizeof(point), "%.100s/far", v->s.in);
    assert_int_equal(mkdir(point, 0777), 0);
    tc_fuse_start_closed(&v->fuse, point);
    assert_true(tc_harness_run(&v->s.h, is_reported, TC_HARNESS_WAIT_MS));
    assert_false(tc_harness_run(&v->s.h, is_not_reported, 12000));
    tc_fuse_end(&v->fuse);
    tc_scratch_done(&v->s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(served_file_is_asked_about_with_a_copy, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(served_file_is_not_remembered, set_up, tear_down),
        cmocka_unit_test_setup_teardown(served_file_that_was_written_comes_without_a_copy,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            server_that_does_not_answer_open_holds_up_its_mount_alone, set_up, tear_down),
        cmocka_unit_test(served_file_system_that_lets_nobody_in_stays_reported),
        cmocka_unit_test_setup_teardown(
            server_that_does_not_answer_read_holds_up_its_mount_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            server_that_does_not_answer_getattr_holds_up_its_mount_alone, set_up,
            tear_down),
    };

    if (!tc_es_scratch_possible() || !tc_fuse_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
