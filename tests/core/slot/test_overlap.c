/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/slot/overlap.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define T (5000 * MS) /* when things happen */
#define FIRST TC_OVERLAP_FIRST
#define SECOND TC_OVERLAP_SECOND
#define PUBLISH TC_OVERLAP_PUBLISH
#define SUPPRESS TC_OVERLAP_SUPPRESS

static int setup(void **state)
{
    *state = tc_overlap_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    tc_overlap_free(*state);
    return 0;
}

static struct tc_overlap_report open_of(enum tc_overlap_role role, uint64_t inode,
                                        uint64_t time_ns)
{
    return (struct tc_overlap_report){.role = role,
                                      .blocks = true,
                                      .time_ns = time_ns,
                                      .operation = 1,
                                      .pid = 42,
                                      .start_ns = T,
                                      .device = 8,
                                      .inode = inode};
}

static struct tc_overlap_report written(enum tc_overlap_role role, uint64_t key,
                                        uint64_t time_ns)
{
    return (struct tc_overlap_report){
        .role = role, .time_ns = time_ns, .dedupe_key = key};
}

/* FIRST asks, and is answered a while later. */
static void asks(struct tc_overlap *o, uint64_t id, uint64_t inode, uint64_t at)
{
    struct tc_overlap_report report = open_of(FIRST, inode, at);

    assert_int_equal(tc_overlap_admit(o, &report, at, NULL), PUBLISH);
    tc_overlap_published(o, id);
}

static void asks_and_passes(struct tc_overlap *o, uint64_t id, uint64_t inode,
                            uint64_t at)
{
    asks(o, id, inode, at);
    tc_overlap_allowed(o, id, at + 10 * US);
}

static enum tc_overlap_admission second(struct tc_overlap *o, uint64_t inode,
                                        uint64_t time_ns, uint64_t now_ns)
{
    struct tc_overlap_report report = open_of(SECOND, inode, time_ns);

    return tc_overlap_admit(o, &report, now_ns, NULL);
}

static enum tc_overlap_admission admit_report(struct tc_overlap *o,
                                              struct tc_overlap_report report)
{
    return tc_overlap_admit(o, &report, report.time_ns, NULL);
}

static void overlap_second_report_shares_the_event_of_the_first(void **state)
{
    struct tc_overlap *o = *state;
    struct tc_overlap_report report = open_of(SECOND, 1, T + 50 * US);
    struct tc_overlap_match match = {0};

    tc_overlap_begin(o, SECOND, T);
    asks_and_passes(o, 77, 1, T);
    assert_int_equal(tc_overlap_admit(o, &report, T + 20 * MS, &match), SUPPRESS);
    assert_int_equal(match.event_id, 77);
    /* Once: a further call is another. */
    assert_int_equal(second(o, 1, T + 60 * US, T + 20 * MS), PUBLISH);
}

/* They would disagree; SECOND is not even asked. */
static void overlap_denied_call_swallows_no_other(void **state)
{
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, FIRST, T);
    asks(o, 77, 1, T);
    tc_overlap_denied(o, 77);
    assert_int_equal(second(o, 1, T + 50 * US, T + MS), PUBLISH);
}

static void overlap_call_not_answered_yet_swallows_no_other(void **state)
{
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, FIRST, T);
    asks(o, 77, 1, T);
    assert_int_equal(second(o, 1, T + 50 * US, T + MS), PUBLISH);
    tc_overlap_allowed(o, 77, T + 2 * MS);
    assert_int_equal(second(o, 1, T + 50 * US, T + 3 * MS), PUBLISH);
    assert_int_equal(second(o, 1, T + 2 * MS + US, T + 3 * MS), SUPPRESS);
}

static void overlap_everything_that_names_a_call_must_agree(void **state)
{
    struct tc_overlap *o = *state;
    struct tc_overlap_report other[5];

    tc_overlap_begin(o, SECOND, T);
    asks_and_passes(o, 77, 1, T);
    for (unsigned i = 0; i < 5; i++)
        other[i] = open_of(SECOND, 1, T + 50 * US);
    other[0].pid++;
    other[1].operation++;
    other[2].device++;
    other[3].inode++;
    other[4].start_ns += TC_OVERLAP_START_NS + 1;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(admit_report(o, other[i]), PUBLISH);
    other[4].start_ns -= 1; /* read in ticks */
    assert_int_equal(admit_report(o, other[4]), SUPPRESS);
}

static void overlap_start_that_is_not_known_matches_any(void **state)
{
    struct tc_overlap *o = *state;
    struct tc_overlap_report report = open_of(SECOND, 1, T + 50 * US);

    tc_overlap_begin(o, SECOND, T);
    asks_and_passes(o, 77, 1, T);
    report.start_ns = 0;
    assert_int_equal(admit_report(o, report), SUPPRESS);
}

static void overlap_threads_are_counted_in_whatever_order_reports_come(void **state)
{
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, SECOND, T);
    for (uint64_t i = 0; i < 8; i++)
        asks_and_passes(o, 100 + i, 1, T + i * MS);
    /* The last first: each takes the newest it can, and leaves what others need. */
    for (uint64_t i = 8; i-- > 0;)
        assert_int_equal(second(o, 1, T + i * MS + 20 * US, T + 20 * MS), SUPPRESS);
    assert_int_equal(second(o, 1, T + 9 * MS, T + 20 * MS), PUBLISH);
}

static void overlap_old_record_swallows_nothing(void **state)
{
    struct tc_overlap *o = *state;
    uint64_t answered = T + 10 * US;

    tc_overlap_begin(o, FIRST, T);
    asks_and_passes(o, 77, 1, T);
    assert_int_equal(second(o, 1, answered + TC_OVERLAP_FLIGHT_NS, T + 3000 * MS),
                     PUBLISH);
    assert_int_equal(second(o, 1, answered + TC_OVERLAP_FLIGHT_NS - 1, T + 3000 * MS),
                     SUPPRESS);
}

static void overlap_exec_that_came_through_ends_older_ones_that_failed(void **state)
{
    struct tc_overlap *o = *state;
    struct tc_overlap_report exec = open_of(SECOND, 1, T + 2 * MS);

    tc_overlap_begin(o, SECOND, T);
    asks_and_passes(o, 77, 1, T); /* fails */
    asks_and_passes(o, 78, 1, T + MS);
    exec.replaces = true;
    assert_int_equal(admit_report(o, exec), SUPPRESS);
    exec.time_ns = T + 3 * MS;
    assert_int_equal(admit_report(o, exec), PUBLISH);
}

static void overlap_record_is_good_for_one_crossing_when_first_goes(void **state)
{
    struct tc_overlap *o = *state;
    uint64_t late = T + 10 * US + TC_OVERLAP_CROSSING_NS;

    tc_overlap_begin(o, SECOND, T - 1000 * MS);
    tc_overlap_live(o);
    asks_and_passes(o, 77, 1, T);
    asks(o, 78, 2, T);
    tc_overlap_commit(o, FIRST);
    tc_overlap_allowed(o, 78, T + 10 * US);
    for (uint64_t inode = 1; inode <= 2; inode++) {
        assert_int_equal(second(o, inode, late, late), PUBLISH);
        assert_int_equal(second(o, inode, late - 1, late), SUPPRESS);
    }
}

static void overlap_late_report_matches_after_the_end_when_first_went(void **state)
{
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, SECOND, T);
    tc_overlap_live(o);
    asks_and_passes(o, 77, 1, T + 600 * MS);
    tc_overlap_commit(o, FIRST);
    tc_overlap_end(o, NULL);
    assert_int_equal(second(o, 1, T + 601 * MS, T + 700 * MS), SUPPRESS);
    assert_int_equal(second(o, 1, T + 602 * MS, T + 700 * MS), PUBLISH);
    asks(o, 78, 1, T + 800 * MS);
    tc_overlap_allowed(o, 78, T + 801 * MS);
    assert_int_equal(second(o, 1, T + 802 * MS, T + 900 * MS), PUBLISH);
}

static void overlap_counts_what_it_has_published_not_late_reports_of_before(void **state)
{
    struct tc_overlap_statistics statistics;
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, SECOND, T);
    tc_overlap_live(o);
    asks_and_passes(o, 77, 1, T + 600 * MS);
    tc_overlap_commit(o, FIRST);
    tc_overlap_end(o, &statistics);
    assert_int_equal(statistics.only_first, 1);
    tc_overlap_begin(o, FIRST, T + 601 * MS);
    asks_and_passes(o, 78, 2, T + 602 * MS);
    assert_int_equal(second(o, 1, T + 601 * MS, T + 700 * MS), SUPPRESS);
    assert_int_equal(second(o, 2, T + 603 * MS, T + 700 * MS), SUPPRESS);
    tc_overlap_commit(o, SECOND);
    tc_overlap_end(o, &statistics);
    assert_int_equal(statistics.matched, 1);
    assert_int_equal(statistics.only_first, 0);
    assert_int_equal(statistics.suppressed, 2);
}

static void overlap_matches_but_does_not_count_what_was_open_before(void **state)
{
    struct tc_overlap_report report = open_of(FIRST, 1, T - MS);
    struct tc_overlap_statistics statistics;
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, SECOND, T);
    tc_overlap_open(o, &report, 77);
    tc_overlap_live(o);
    tc_overlap_allowed(o, 77, T + MS);
    assert_int_equal(second(o, 1, T + 2 * MS, T + 2 * MS), SUPPRESS);
    assert_int_equal(second(o, 1, T + 2 * MS, T + 2 * MS), PUBLISH);
    tc_overlap_commit(o, FIRST);
    tc_overlap_end(o, &statistics);
    assert_int_equal(statistics.only_first, 0);
    assert_int_equal(statistics.matched, 0);
    assert_int_equal(statistics.suppressed, 1);
}

static void overlap_keeps_nothing_once_second_has_gone(void **state)
{
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, FIRST, T);
    asks_and_passes(o, 77, 1, T);
    tc_overlap_commit(o, SECOND);
    tc_overlap_end(o, NULL);
    assert_int_equal(second(o, 1, T + MS, T + MS), PUBLISH);
}

static void overlap_records_nothing_outside(void **state)
{
    struct tc_overlap *o = *state;

    asks_and_passes(o, 77, 1, T);
    tc_overlap_begin(o, SECOND, T + MS);
    assert_int_equal(second(o, 1, T + 2 * MS, T + 2 * MS), PUBLISH);
}

static void overlap_counts_what_it_forgets_when_it_is_full(void **state)
{
    struct tc_overlap *o = *state;
    struct tc_overlap_statistics statistics;

    tc_overlap_begin(o, SECOND, T);
    for (uint64_t i = 0; i < TC_OVERLAP_RECORDS_MAX; i++)
        asks_and_passes(o, i, i, T);
    asks(o, TC_OVERLAP_RECORDS_MAX, TC_OVERLAP_RECORDS_MAX, T);
    /* The oldest had to go: its call is published twice, not lost. */
    assert_int_equal(second(o, 0, T + MS, T + MS), PUBLISH);
    assert_int_equal(second(o, 1, T + MS, T + MS), SUPPRESS);
    tc_overlap_end(o, &statistics);
    assert_int_equal(statistics.unrecorded, 1);
}

static void overlap_refuses_a_record_when_all_are_open_questions(void **state)
{
    struct tc_overlap *o = *state;
    struct tc_overlap_statistics statistics;

    tc_overlap_begin(o, SECOND, T);
    for (uint64_t i = 0; i <= TC_OVERLAP_RECORDS_MAX; i++)
        asks(o, i, i, T);
    tc_overlap_end(o, &statistics);
    assert_int_equal(statistics.unrecorded, 1);
    assert_int_equal(statistics.only_first, TC_OVERLAP_RECORDS_MAX + 1);
}

/* ---- Events that do not block. ---- */

static void overlap_hears_nothing_of_the_coming_one_before_it_is_live(void **state)
{
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, SECOND, T);
    assert_int_equal(admit_report(o, written(FIRST, 9, T)), PUBLISH);
    assert_int_equal(admit_report(o, written(SECOND, 9, T)), SUPPRESS);
    assert_int_equal(admit_report(o, written(SECOND, 10, T)), SUPPRESS);
    tc_overlap_live(o);
    assert_int_equal(admit_report(o, written(SECOND, 11, T)), PUBLISH);
}

static void overlap_pairs_events_whoever_is_heard_first(void **state)
{
    struct tc_overlap *o = *state;
    struct tc_overlap_statistics statistics;

    tc_overlap_begin(o, FIRST, T);
    tc_overlap_live(o);
    assert_int_equal(admit_report(o, written(FIRST, 9, T)), PUBLISH);
    assert_int_equal(admit_report(o, written(FIRST, 9, T + MS)), PUBLISH);
    assert_int_equal(admit_report(o, written(SECOND, 9, T)), SUPPRESS);
    assert_int_equal(admit_report(o, written(SECOND, 9, T + MS)), SUPPRESS);
    assert_int_equal(admit_report(o, written(SECOND, 9, T + 2 * MS)), PUBLISH);
    assert_int_equal(admit_report(o, written(FIRST, 9, T + 2 * MS)), SUPPRESS);
    assert_int_equal(admit_report(o, written(SECOND, 8, T)), PUBLISH);
    tc_overlap_end(o, &statistics);
    assert_int_equal(statistics.matched, 3);
    assert_int_equal(statistics.suppressed, 3);
    assert_int_equal(statistics.only_first, 0);
    assert_int_equal(statistics.only_second, 1);
}

static void overlap_publishes_both_when_in_doubt(void **state)
{
    struct tc_overlap *o = *state;

    tc_overlap_begin(o, FIRST, T);
    tc_overlap_live(o);
    assert_int_equal(admit_report(o, written(FIRST, 9, T)), PUBLISH);
    assert_int_equal(admit_report(o, written(SECOND, 9, T + TC_OVERLAP_WINDOW_NS + 1)),
                     PUBLISH);
    assert_int_equal(admit_report(o, written(FIRST, 0, T)), PUBLISH);
    assert_int_equal(admit_report(o, written(SECOND, 0, T)), PUBLISH);
    assert_int_equal(admit_report(o, written(FIRST, 5, T)), PUBLISH);
    tc_overlap_commit(o, SECOND);
    assert_int_equal(admit_report(o, written(SECOND, 5, T)), PUBLISH);
}

static void overlap_counts_both_kinds_and_begins_anew(void **state)
{
    struct tc_overlap *o = *state;
    struct tc_overlap_statistics statistics;

    tc_overlap_begin(o, SECOND, T);
    asks_and_passes(o, 77, 1, T);
    asks_and_passes(o, 78, 2, T);
    second(o, 1, T + MS, T + MS);
    second(o, 3, T + MS, T + MS);
    tc_overlap_end(o, &statistics);
    assert_int_equal(statistics.matched, 1);
    assert_int_equal(statistics.suppressed, 1);
    assert_int_equal(statistics.only_first, 1);
    assert_int_equal(statistics.only_second, 1);
    assert_int_equal(statistics.unrecorded, 0);
    tc_overlap_begin(o, FIRST, T + 20000 * MS);
    tc_overlap_end(o, &statistics);
    assert_int_equal(statistics.matched, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(overlap_second_report_shares_the_event_of_the_first),
        test(overlap_denied_call_swallows_no_other),
        test(overlap_call_not_answered_yet_swallows_no_other),
        test(overlap_everything_that_names_a_call_must_agree),
        test(overlap_start_that_is_not_known_matches_any),
        test(overlap_threads_are_counted_in_whatever_order_reports_come),
        test(overlap_old_record_swallows_nothing),
        test(overlap_exec_that_came_through_ends_older_ones_that_failed),
        test(overlap_record_is_good_for_one_crossing_when_first_goes),
        test(overlap_late_report_matches_after_the_end_when_first_went),
        test(overlap_counts_what_it_has_published_not_late_reports_of_before),
        test(overlap_matches_but_does_not_count_what_was_open_before),
        test(overlap_keeps_nothing_once_second_has_gone),
        test(overlap_records_nothing_outside),
        test(overlap_counts_what_it_forgets_when_it_is_full),
        test(overlap_refuses_a_record_when_all_are_open_questions),
        test(overlap_hears_nothing_of_the_coming_one_before_it_is_live),
        test(overlap_pairs_events_whoever_is_heard_first),
        test(overlap_publishes_both_when_in_doubt),
        test(overlap_counts_both_kinds_and_begins_anew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
