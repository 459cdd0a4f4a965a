/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/kext_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const hold[] = {"hold_exec=unknown", NULL};
static const char *const opens[] = {"watch_opens=on", NULL};
static const char *const small_ring[] = {"watch_opens=on", "ring_size=4096", NULL};

static int start(void **state, const char *const *options, bool passive)
{
    static struct tc_scratch scratch;

    tc_scratch_load(&scratch, "kext", NULL, options);
    scratch.h.passive = passive;
    if (tc_harness_start(&scratch.h))
        fail_msg("kext did not start: %s", scratch.h.why);
    *state = &scratch;
    return 0;
}

static int setup_hold(void **state)
{
    return start(state, hold, false);
}

static int setup_opens(void **state)
{
    return start(state, opens, false);
}

static int setup_small_ring(void **state)
{
    return start(state, small_ring, false);
}

static int setup_passive(void **state)
{
    return start(state, hold, true);
}

/* ---- Operations. ---- */

static int open_names_only(const char *path, const char *other)
{
    (void)other;
    return open(path, O_PATH | O_CLOEXEC) < 0 ? errno : 0;
}

static int open_many_times(const char *path, const char *times)
{
    for (int i = atoi(times); i > 0; i--) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd >= 0)
            close(fd);
    }
    return 0;
}

/* True once the child has been stopped; false when it ended instead. */
static bool is_stopped(int child)
{
    int status;

    return waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status);
}

/* ---- Held executions. ---- */

static void kext_holds_an_unknown_execution_until_it_is_allowed(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;
    int child;

    s->h.decide = NULL;
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    tc_child_settle(tc_scratch_in(s, "true"));
    child = tc_child_begin(tc_child_become, tc_scratch_in(s, "true"), NULL);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0);
    assert_non_null(event);
    assert_true(is_stopped(child));
    tc_harness_answer(&s->h, event, true, true);
    assert_int_equal(tc_scratch_child_end(s, child), 0);
    assert_int_equal(tc_scratch_stat(s, "kernel.stopped"), 1);
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_int_equal(tc_scratch_stat(s, "kernel.stopped"), 1);
}

static void kext_kills_a_held_execution_that_is_denied(void **state)
{
    struct tc_scratch *s = *state;
    char mark[128];

    snprintf(mark, sizeof(mark), "%s", tc_scratch_out(s, "mark"));
    s->deny = "/touch";
    for (int i = 0; i < 20; i++) { /* not one of them comes as far as touching */
        tc_child_put_program(tc_scratch_in(s, "touch"), "/usr/bin/touch");
        assert_int_equal(
            tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "touch"), mark),
            TC_SCRATCH_KILLED);
        assert_int_equal(access(mark, F_OK), -1);
    }
}

static void kext_resumes_held_executions_when_it_stops(void **state)
{
    struct tc_scratch *s = *state;
    int child;

    s->h.decide = NULL;
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    child = tc_child_begin(tc_child_become, tc_scratch_in(s, "true"), NULL);
    assert_non_null(tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_EXEC, 0));
    assert_true(is_stopped(child));
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(tc_scratch_child_end(s, child), 0);
}

/* ---- Opens. ---- */

static void kext_judges_what_is_opened(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    s->cacheable = true;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    tc_child_settle(tc_scratch_in(s, "f"));
    tc_child_put(tc_scratch_in(s, "g"), "x");
    assert_int_equal(tc_scratch_child(s, open_names_only, tc_scratch_in(s, "g"), NULL),
                     0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_out(s, "g"), NULL),
                     ENOENT);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_OPEN, 0);
    assert_non_null(event);
    assert_true(event->flags & TOCSIN_EVENT_AUTH);
    assert_true(event->fd >= 0);
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_FILE_PATH),
                        tc_scratch_in(s, "f"));
    assert_true(tc_kext_await_stat(s, "cached", 1));
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(tc_scratch_stat(s, "kernel.known"), 1);
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_OPEN), 1);
}

static void kext_refuses_opens_of_a_file_known_bad_on_the_upper_level(void **state)
{
    struct tc_scratch *s = *state;

    size_t recorded = tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_OPEN);

    s->deny = "/bad";
    tc_child_put(tc_scratch_in(s, "bad"), "x");
    tc_kext_make_bad(s, tc_scratch_in(s, "bad"));
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "bad"), NULL),
                     tc_kext_has_lsm(s) ? EPERM : 0);
    assert_true(
        tc_kext_await_count(s, TOCSIN_TOPIC_FILE_OPEN, recorded + 1)); /* anyhow */
}

static void kext_says_what_it_lost_when_the_ring_was_full(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *gap;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, open_many_times, tc_scratch_in(s, "f"), "5000"),
                     0);
    gap = tc_harness_await(&s->h, TOCSIN_TOPIC_SENSOR_GAP, 0);
    assert_non_null(gap);
    assert_true(tc_kext_await_stat(s, "gaps", 1));
    assert_in_range(tocsin_event_int(gap, "count", 0), 1, 5000);
    assert_true(tocsin_event_int(gap, "to", 0) > tocsin_event_int(gap, "from", 0));
}

/* ---- Passive. ---- */

static void kext_touches_nothing_in_passive_mode(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/true";
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL), 0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_EXEC, 5));
    assert_int_equal(tc_scratch_stat(s, "kernel.killed"), 0);
    assert_int_equal(tc_scratch_stat(s, "kernel.refused"), 0);
    assert_int_equal(tc_scratch_stat(s, "kernel.stopped"), 0);
    assert_int_equal(tc_scratch_stat(s, "processes_killed"), 0);
}

/* ---- Beside other sensors. ---- */

static void kext_learns_from_what_another_sensor_was_denied(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    tc_child_put_program(tc_scratch_in(s, "peer"), "/usr/bin/true");
    tc_harness_publish_file(&s->h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH,
                            tc_scratch_in(s, "peer"));
    tc_harness_settle(&s->h);
    event = tc_harness_event(&s->h, TOCSIN_TOPIC_FILE_OPEN, 0);
    assert_non_null(event);
    tc_harness_answer(&s->h, event, false, false); /* of that process alone */
    tc_harness_settle(&s->h);
    assert_int_equal(tc_scratch_stat(s, "bad_by_peer"), 0);
    tc_harness_answer(&s->h, event, false, true);
    tc_harness_settle(&s->h);
    assert_int_equal(tc_scratch_stat(s, "bad_by_peer"), 1);
    s->deny = "/peer";
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "peer"), NULL),
                     tc_kext_has_lsm(s) ? EPERM : TC_SCRATCH_KILLED);
    assert_true(
        tc_scratch_stat(s, tc_kext_has_lsm(s) ? "kernel.refused" : "kernel.killed") >= 2);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_EXEC, 1));
}

static void kext_knows_who_runs_already_when_it_starts(void **state)
{
    assert_true(tc_scratch_stat(*state, "processes") >= 2); /* this one, and its parent */
}

static void canary_of(const struct tc_scratch *s, char ret_path[128])
{
    snprintf(ret_path, 128, "%s/kext/canary", s->h.dir);
}

static void kext_proves_itself_before_it_is_ready(void **state)
{
    struct tc_scratch *s = *state;
    char canary[128];

    assert_non_null(tc_harness_reported(&s->h, "canary_ns"));
    assert_null(tc_harness_reported(&s->h, "kext_canary"));
    canary_of(s, canary);
    assert_int_equal(access(canary, X_OK), 0);
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC), 0);
}

static void kext_follows_a_watched_folder_that_is_replaced(void **state)
{
    struct tc_scratch *s = *state;
    size_t execs = tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC);
    char old[96];

    snprintf(old, sizeof(old), "%s/old", s->root);
    assert_int_equal(rename(s->in, old), 0);
    assert_int_equal(mkdir(s->in, 0755), 0);
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    for (int left = 200; left; left--) {
        assert_int_equal(
            tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL), 0);
        if (tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC) > execs)
            return;
    }
    fail_msg("nothing is reported from the new folder");
}

static void kext_leaves_nothing_behind_and_can_be_started_again(void **state)
{
    struct tc_scratch *s = *state;
    char canary[128];
    size_t execs;

    canary_of(s, canary);
    assert_int_equal(tc_harness_stop(&s->h), 0);
    /* What the test before has executed may be reported until here. */
    execs = tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC);
    assert_int_equal(access(canary, F_OK), -1);
    tc_child_put_program(tc_scratch_in(s, "true"), "/usr/bin/true");
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_int_equal(tc_harness_start(&s->h), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_become, tc_scratch_in(s, "true"), NULL),
                     0);
    assert_true(tc_kext_await_count(s, TOCSIN_TOPIC_FILE_EXEC, execs + 1));
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_EXEC), execs + 1);
}

/* It starts only when its canary has come through, which is in memory then. */
static void regress_kext_starts_where_its_state_folder_is_read_only(void **state)
{
    struct tc_scratch *s = *state;
    int err;

    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(mount("tocsin-kext", s->h.dir, "tmpfs", MS_RDONLY, NULL), 0);
    err = tc_harness_start(&s->h);
    assert_int_equal(umount2(s->h.dir, MNT_DETACH), 0);
    assert_int_equal(err, 0);
    assert_null(tc_harness_reported(&s->h, "kext_canary"));
}

int main(void)
{
    /* One start serves several tests where they do not disturb each other: in a guest it
     * takes seconds. */
    const struct CMUnitTest others[] = {
        cmocka_unit_test(kext_proves_itself_before_it_is_ready),
        cmocka_unit_test(kext_knows_who_runs_already_when_it_starts),
        cmocka_unit_test(kext_learns_from_what_another_sensor_was_denied),
        cmocka_unit_test(kext_follows_a_watched_folder_that_is_replaced),
        cmocka_unit_test(kext_leaves_nothing_behind_and_can_be_started_again),
        cmocka_unit_test(regress_kext_starts_where_its_state_folder_is_read_only),
    };
    const struct CMUnitTest opened[] = {
        cmocka_unit_test(kext_judges_what_is_opened),
        cmocka_unit_test(kext_refuses_opens_of_a_file_known_bad_on_the_upper_level),
    };
    const struct CMUnitTest tests[] = {
#define TEST(f, setup) cmocka_unit_test_setup_teardown(f, setup, tc_scratch_teardown)
        TEST(kext_holds_an_unknown_execution_until_it_is_allowed, setup_hold),
        TEST(kext_kills_a_held_execution_that_is_denied, setup_hold),
        TEST(kext_resumes_held_executions_when_it_stops, setup_hold),
        TEST(kext_says_what_it_lost_when_the_ring_was_full, setup_small_ring),
        TEST(kext_touches_nothing_in_passive_mode, setup_passive),
#undef TEST
    };

    if (!tc_kext_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL) +
           cmocka_run_group_tests(opened, setup_opens, tc_scratch_teardown) +
           cmocka_run_group_tests(others, tc_kext_scratch_setup, tc_scratch_teardown);
}
