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
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ES TEST_PLUGIN_DIR "/tocsin_es.so"

static int setup(void **state)
{
    static struct tc_es_scratch scratch;
    static const char *const options[] = {"deadline=300ms", "on_timeout=deny",
                                          "max_pending=8", NULL};

    tc_es_scratch_init(&scratch, ES, options);
    *state = &scratch;
    return 0;
}

static int teardown(void **state)
{
    tc_es_scratch_done(*state);
    return 0;
}

/* Without a turn of the loop: as when a plugin hangs it. */
static int wait_without_loop(int pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void es_answers_by_default_when_the_loop_is_stuck(void **state)
{
    struct tc_es_scratch *s = *state;
    int pid;

    tc_es_put(tc_es_in(s, "f"), "x");
    pid = tc_es_child_begin(s, tc_es_open, tc_es_in(s, "f"), NULL);
    assert_int_equal(wait_without_loop(pid), EPERM);
    tc_harness_settle(&s->h);
    assert_int_equal(tc_es_stat(s, "timeouts"), 1);
    assert_int_equal(tc_es_stat(s, "denied"),
                     0); /* the late verdict counts for nothing */
    assert_int_equal(tc_es_child(s, tc_es_open, tc_es_in(s, "f"), NULL), 0);
}

static void es_lets_the_agent_open_while_the_loop_is_stuck(void **state)
{
    struct tc_es_scratch *s = *state;

    tc_es_put(tc_es_in(s, "f"), "x");
    for (int i = 0; i < 100; i++)
        assert_int_equal(tc_es_open(tc_es_in(s, "f"), NULL), 0);
    assert_int_equal(tc_es_stat(s, "timeouts"), 0);
}

static void es_lets_the_agent_open_when_the_loop_got_stuck_while_reading(void **state)
{
    struct tc_es_scratch *s = *state;
    uint64_t from;

    tc_es_put(tc_es_in(s, "f"), "x");
    for (int i = 0; i < 3; i++) /* now the loop reads the group itself */
        assert_int_equal(tc_es_child(s, tc_es_open, tc_es_in(s, "f"), NULL), 0);
    from = uv_hrtime();
    for (int i = 0; i < 10; i++)
        assert_int_equal(tc_es_open(tc_es_in(s, "f"), NULL), 0);
    assert_true(uv_hrtime() - from < 2000000000u);
    assert_int_equal(s->asked, 3);
}

static void es_bounds_what_waits_and_answers_the_rest_by_default(void **state)
{
    struct tc_es_scratch *s = *state;
    int pids[12], refused = 0;

    tc_es_put(tc_es_in(s, "f"), "x");
    for (size_t i = 0; i < 12; i++)
        pids[i] = tc_es_child_begin(s, tc_es_open, tc_es_in(s, "f"), NULL);
    for (size_t i = 0; i < 12; i++)
        refused += wait_without_loop(pids[i]) == EPERM;
    tc_harness_settle(&s->h);
    assert_int_equal(refused, 12);
    assert_int_equal(tc_es_stat(s, "pending_full"), 4);
    assert_int_equal(tc_es_stat(s, "timeouts"), 8);
    assert_int_equal(tc_es_stat(s, "pending"), 0);
}

static bool one_is_asked(struct tc_harness *h)
{
    return ((struct tc_es_scratch *)(void *)h)->asked > 0;
}

static void es_allows_what_still_waits_when_it_is_stopped(void **state)
{
    struct tc_es_scratch *s = *state;
    int pid;

    s->mute = true;
    tc_es_put(tc_es_in(s, "f"), "x");
    pid = tc_es_child_begin(s, tc_es_open, tc_es_in(s, "f"), NULL);
    assert_true(tc_harness_run(&s->h, one_is_asked, 5000));
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(wait_without_loop(pid), 0);
}

static void es_can_be_started_again(void **state)
{
    struct tc_es_scratch *s = *state;

    s->deny = "/f";
    tc_es_put(tc_es_in(s, "f"), "x");
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(tc_es_child(s, tc_es_open, tc_es_in(s, "f"), NULL), 0);
    assert_int_equal(tc_harness_start(&s->h), 0);
    assert_int_equal(tc_es_child(s, tc_es_open, tc_es_in(s, "f"), NULL), EPERM);
}

static void es_denies_nothing_in_passive_mode(void **state)
{
    struct tc_es_scratch *s = *state;

    s->h.passive = true;
    s->deny = "/f";
    tc_es_put(tc_es_in(s, "f"), "x");
    assert_int_equal(tc_es_child(s, tc_es_open, tc_es_in(s, "f"), NULL), 0);
    assert_int_equal(s->asked, 1);
}

static void es_reports_its_canary_and_mechanism(void **state)
{
    struct tc_es_scratch *s = *state;
    const struct tc_harness_report *report;

    report = tc_harness_reported(&s->h, "canary_ns");
    assert_non_null(report);
    assert_in_range(strtoull(report->text, NULL, 10), 1, uv_hrtime());
    report = tc_harness_reported(&s->h, "sensor_mechanism");
    assert_non_null(report);
    assert_string_equal(report->text, "fanotify");
    report = tc_harness_reported(&s->h, "real_time_protection_subsystem");
    assert_non_null(report);
    assert_string_equal(report->text, "endpoint_security_extension");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(es_answers_by_default_when_the_loop_is_stuck),
        TEST(es_lets_the_agent_open_while_the_loop_is_stuck),
        TEST(es_lets_the_agent_open_when_the_loop_got_stuck_while_reading),
        TEST(es_bounds_what_waits_and_answers_the_rest_by_default),
        TEST(es_allows_what_still_waits_when_it_is_stopped),
        TEST(es_can_be_started_again),
        TEST(es_denies_nothing_in_passive_mode),
        TEST(es_reports_its_canary_and_mechanism),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
