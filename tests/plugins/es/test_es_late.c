/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <dirent.h>
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
    static struct tc_scratch scratch;
    static const char *const options[] = {"deadline=300ms", "on_timeout=deny",
                                          "max_pending=8", NULL};

    tc_scratch_start(&scratch, "es", ES, options);
    *state = &scratch;
    return 0;
}

static int teardown(void **state)
{
    tc_scratch_done(*state);
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
    struct tc_scratch *s = *state;
    int pid;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    pid = tc_child_begin(tc_child_open, tc_scratch_in(s, "f"), NULL);
    assert_int_equal(wait_without_loop(pid), EPERM);
    tc_harness_settle(&s->h);
    assert_true(tc_scratch_stat(s, "timeouts") >= 1); /* others may open the canary */
    assert_int_equal(tc_scratch_stat(s, "denied"),
                     0); /* the late verdict counts for nothing */
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
}

static void es_lets_the_agent_open_while_the_loop_is_stuck(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    for (int i = 0; i < 100; i++)
        assert_int_equal(tc_child_open(tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(tc_scratch_stat(s, "timeouts"), 0);
}

static void es_lets_the_agent_open_when_the_loop_got_stuck_while_reading(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    for (int i = 0; i < 3; i++) /* now the loop reads the group itself */
        assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                         0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(tc_child_open(tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(s->asked, 3);
    assert_int_equal(tc_scratch_stat(s, "timeouts"), 0);
}

static void es_bounds_what_waits_and_answers_the_rest_by_default(void **state)
{
    struct tc_scratch *s = *state;
    int pids[12], refused = 0;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    for (size_t i = 0; i < 12; i++)
        pids[i] = tc_child_begin(tc_child_open, tc_scratch_in(s, "f"), NULL);
    for (size_t i = 0; i < 12; i++)
        refused += wait_without_loop(pids[i]) == EPERM;
    tc_harness_settle(&s->h);
    assert_int_equal(refused, 12);
    assert_true(tc_scratch_stat(s, "pending_full") >= 4); /* more where it is slow */
    assert_true(tc_scratch_stat(s, "pending_full") + tc_scratch_stat(s, "timeouts") >=
                12);
    assert_int_equal(tc_scratch_stat(s, "pending"), 0);
}

static bool one_is_asked(struct tc_harness *h)
{
    return tc_harness_count(h, TOCSIN_TOPIC_FILE_OPEN) == 1;
}

static bool five_are_asked(struct tc_harness *h)
{
    return tc_harness_count(h, TOCSIN_TOPIC_FILE_OPEN) == 5;
}

/* Approval.md 5, test 25. */
static void es_gives_its_verdict_to_whoever_waits_when_it_is_stopped(void **state)
{
    struct tc_scratch *s = *state;
    int pids[5];

    s->h.decide = NULL;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    for (size_t i = 0; i < 5; i++)
        pids[i] = tc_child_begin(tc_child_open, tc_scratch_in(s, "f"), NULL);
    assert_true(tc_harness_run(&s->h, five_are_asked, TC_HARNESS_WAIT_MS));
    assert_int_equal(tc_plugin_stop(s->h.plugin), 0);
    tc_harness_settle(&s->h);
    assert_int_equal(tc_plugin_state(s->h.plugin), TC_PLUGIN_STOPPING);
    assert_int_equal(
        wait_without_loop(/* nothing is marked any more */
                          tc_child_begin(tc_child_open, tc_scratch_in(s, "f"), NULL)),
        0);
    for (size_t i = 0; i < 5; i++) /* the first is allowed, the others are denied */
        tc_harness_answer(&s->h, tc_harness_event(&s->h, TOCSIN_TOPIC_FILE_OPEN, i),
                          i == 0, false);
    assert_int_equal(tc_harness_stop(&s->h), 0);
    for (size_t i = 0, allowed = 0; i < 5; i++) {
        allowed += wait_without_loop(pids[i]) == 0;
        assert_true(i < 4 || allowed == 1);
    }
    assert_int_equal(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_OPEN), 5);
}

static void
es_gives_the_default_to_whoever_has_no_verdict_when_it_is_stopped(void **state)
{
    struct tc_scratch *s = *state;
    uint64_t from = uv_hrtime();
    int pid;

    s->h.decide = NULL;
    tc_child_put(tc_scratch_in(s, "f"), "x");
    pid = tc_child_begin(tc_child_open, tc_scratch_in(s, "f"), NULL);
    assert_true(tc_harness_run(&s->h, one_is_asked, TC_HARNESS_WAIT_MS));
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_true(uv_hrtime() - from >= 2900000000u);  /* it was given its 3 s */
    assert_int_equal(wait_without_loop(pid), EPERM); /* on_timeout=deny */
}

static void es_that_has_no_questions_stops_at_once(void **state)
{
    struct tc_scratch *s = *state;
    uint64_t from = uv_hrtime();

    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_true(uv_hrtime() - from < 2900000000u); /* what verdicts would be given */
}

/* Its state was made of zeros: it closed descriptor 0 as if it were its own. */
static void regress_es_that_never_ran_closes_nothing(void **state)
{
    struct tc_scratch *s = *state;
    struct stat before, after;
    struct tc_harness h;
    char watch[96];
    const char *const options[] = {watch, NULL};

    snprintf(watch, sizeof(watch), "watch=%s", s->in);
    /* The scratch's own has a job that opens folders in the pool: its descriptors would
     * be those that libuv has just closed in a way that ThreadSanitizer does not see. */
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(fstat(STDIN_FILENO, &before), 0);
    tc_harness_init(&h);
    assert_int_equal(tc_harness_load(&h, ES, options), 0);
    tc_harness_done(&h);
    assert_int_equal(fstat(STDIN_FILENO, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
}

static void es_can_be_started_again(void **state)
{
    struct tc_scratch *s = *state;

    s->deny = "/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(tc_harness_start(&s->h), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL),
                     EPERM);
}

static void es_denies_nothing_in_passive_mode(void **state)
{
    struct tc_scratch *s = *state;

    s->h.passive = true;
    s->deny = "/f";
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(s->asked, 1);
}

static void es_reports_its_canary_and_mechanism(void **state)
{
    struct tc_scratch *s = *state;
    const struct tc_harness_report *report;

    report = tc_harness_reported(&s->h, "canary_ns");
    assert_non_null(report);
    assert_in_range(strtoull(report->text, NULL, 10), 1, uv_hrtime());
    report = tc_harness_reported(&s->h, "sensor_mechanism");
    assert_non_null(report);
    assert_string_equal(report->text, "fanotify");
}

static void put_canary(struct tc_scratch *s, char ret_path[128])
{
    struct dirent *entry;
    char folder[96];
    DIR *dir;

    snprintf(folder, sizeof(folder), "%.80s/es", s->h.dir);
    dir = opendir(folder);
    assert_non_null(dir);
    do
        entry = readdir(dir);
    while (entry && strncmp(entry->d_name, "canary-", 7) != 0);
    assert_non_null(entry);
    snprintf(ret_path, 128, "%s/%.20s", folder, entry->d_name);
    closedir(dir);
}

/* Another scanner, or a backup. Neither the file nor its folder may be ignored then. */
static void regress_es_asks_about_its_canary_whoever_has_opened_it(void **state)
{
    struct tc_scratch *s = *state;
    char path[128];

    put_canary(s, path);
    for (int64_t asked = 1; asked <= 2; asked++) { /* others may have opened it, too */
        assert_int_equal(tc_scratch_child(s, tc_child_open, path, NULL), 0);
        assert_true(tc_scratch_stat(s, "special") >= asked);
    }
    assert_int_equal(tc_scratch_stat(s, "out_of_scope"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(es_answers_by_default_when_the_loop_is_stuck),
        TEST(es_lets_the_agent_open_while_the_loop_is_stuck),
        TEST(es_lets_the_agent_open_when_the_loop_got_stuck_while_reading),
        TEST(es_bounds_what_waits_and_answers_the_rest_by_default),
        TEST(es_gives_its_verdict_to_whoever_waits_when_it_is_stopped),
        TEST(es_gives_the_default_to_whoever_has_no_verdict_when_it_is_stopped),
        TEST(es_that_has_no_questions_stops_at_once),
        TEST(regress_es_that_never_ran_closes_nothing),
        TEST(es_can_be_started_again),
        TEST(es_denies_nothing_in_passive_mode),
        TEST(es_reports_its_canary_and_mechanism),
        TEST(regress_es_asks_about_its_canary_whoever_has_opened_it),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
