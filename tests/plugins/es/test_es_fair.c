/* SPDX-License-Identifier: Apache-2.0 */
/* What one user asks is not to keep another waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUSY_USER 12001
#define OTHER_USER 12002
#define SHARE 32 /* TC_ES_TURNS_SHARE */
#define PENDING 64
#define BUSY (PENDING - PENDING / 4) /* of one user there is room for */

static int setup(void **state)
{
    static struct tc_scratch scratch;
    static const char *const options[] = {"deadline=120s", "on_timeout=deny",
                                          "max_pending=64", NULL};

    tc_scratch_start(&scratch, "es", NULL, options);
    scratch.h.decide = NULL;
    tc_child_put(tc_scratch_in(&scratch, "f"), "x");
    *state = &scratch;
    return 0;
}

static int open_as(uid_t user, const char *path)
{
    if (setgid(user) || setuid(user))
        return 255;
    return tc_child_open(path, NULL);
}

static int open_busy(const char *path, const char *other)
{
    (void)other;
    return open_as(BUSY_USER, path);
}

static int open_other(const char *path, const char *other)
{
    (void)other;
    return open_as(OTHER_USER, path);
}

static size_t wanted; /* questions that are published, or not, for the hooks below */

static bool so_many_are_published(struct tc_harness *h)
{
    return tc_harness_count(h, TOCSIN_TOPIC_FILE_OPEN) >= wanted;
}

static void await_published(struct tc_scratch *s, size_t n)
{
    wanted = n;
    assert_true(tc_harness_run(&s->h, so_many_are_published, TC_HARNESS_WAIT_MS));
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_OPEN), n);
}

static void await_stat(struct tc_scratch *s, const char *name, int64_t n)
{
    for (int left = TC_CHILD_WAIT_S * 100; left && tc_scratch_stat(s, name) != n; left--)
        tc_harness_run_for(&s->h, 10);
    assert_int_equal(tc_scratch_stat(s, name), n);
}

static int64_t user_of(struct tc_scratch *s, size_t n)
{
    return tocsin_event_int(tc_harness_event(&s->h, TOCSIN_TOPIC_FILE_OPEN, n),
                            "process.user.id", -1);
}

static void begin(struct tc_scratch *s, pid_t *pids, size_t n, tc_child_fn fn)
{
    for (size_t i = 0; i < n; i++)
        pids[i] = tc_child_begin(fn, tc_scratch_in(s, "f"), NULL);
}

/* Allows what is published and what is published then, `n` in all. */
static void allow_all(struct tc_scratch *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wanted = i + 1;
        assert_true(tc_harness_run(&s->h, so_many_are_published, TC_HARNESS_WAIT_MS));
        tc_harness_answer(&s->h, tc_harness_event(&s->h, TOCSIN_TOPIC_FILE_OPEN, i), true,
                          false);
    }
    tc_harness_settle(&s->h);
}

static size_t ended_with(struct tc_scratch *s, const pid_t *pids, size_t n, int how)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += tc_scratch_child_end(s, pids[i]) == how;
    return count;
}

static void another_user_is_asked_about_before_what_waits_of_one(void **state)
{
    struct tc_scratch *s = *state;
    pid_t busy[40], other[1];

    begin(s, busy, 40, open_busy);
    await_published(s, SHARE); /* the others wait in his line */
    await_stat(s, "in_line", 40 - SHARE);
    begin(s, other, 1, open_other);
    await_published(s, SHARE + 1);
    assert_int_equal(user_of(s, SHARE - 1), BUSY_USER);
    assert_int_equal(user_of(s, SHARE), OTHER_USER);
    assert_int_equal(tc_scratch_stat(s, "in_line"), 40 - SHARE);
    allow_all(s, 41);
    assert_int_equal(ended_with(s, busy, 40, 0), 40);
    assert_int_equal(ended_with(s, other, 1, 0), 1);
    assert_int_equal(tc_scratch_stat(s, "in_line"), 0);
    assert_int_equal(tc_scratch_stat(s, "pending"), 0);
}

static void one_user_does_not_fill_the_table(void **state)
{
    struct tc_scratch *s = *state;
    pid_t busy[BUSY + 4], other[1];

    begin(s, busy, BUSY + 4, open_busy);
    await_stat(s, "user_full", 4); /* by default: they are refused */
    begin(s, other, 1, open_other);
    await_published(s, SHARE + 1);
    assert_int_equal(user_of(s, SHARE), OTHER_USER);
    assert_int_equal(tc_scratch_stat(s, "pending_full"), 0);
    allow_all(s, BUSY + 1);
    assert_int_equal(ended_with(s, busy, BUSY + 4, EPERM), 4);
    assert_int_equal(ended_with(s, other, 1, 0), 1);
}

/* Everybody is answered, in his line or not. */
static void who_stands_in_line_is_answered_when_it_is_stopped(void **state)
{
    struct tc_scratch *s = *state;
    pid_t busy[40];

    begin(s, busy, 40, open_busy);
    await_stat(s, "in_line", 40 - SHARE);
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(ended_with(s, busy, 40, EPERM), 40); /* by default */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, tc_scratch_teardown)
        TEST(another_user_is_asked_about_before_what_waits_of_one),
        TEST(one_user_does_not_fill_the_table),
        TEST(who_stands_in_line_is_answered_when_it_is_stopped),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
