/* SPDX-License-Identifier: Apache-2.0 */
/* What may be remembered, line by line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <tocsin/event.h>
#include <tocsin/plugin.h>

#include "sensor_remember.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

static const struct {
    unsigned fact;
    bool may[TC_REMEMBER_BYS]; /* es allow, kext good, kext bad, av clean, av infected */
} table[] = {
    {0, {true, true, true, true, true}},
    {TC_REMEMBER_DEFAULT, {false, false, false, false, false}},
    {TC_REMEMBER_NO_VOTER, {false, false, false, false, false}},
    {TC_REMEMBER_ONCE, {false, false, false, false, false}},
    {TC_REMEMBER_OUTDATED, {false, false, false, false, false}},
    {TC_REMEMBER_CHANGED, {false, false, false, false, false}},
    {TC_REMEMBER_UNSETTLED, {true, false, true, false, false}},
    {TC_REMEMBER_WRITABLE, {false, false, true, false, false}},
    {TC_REMEMBER_SERVED, {false, false, true, false, false}},
    {TC_REMEMBER_UPPER, {false, true, true, true, true}},
};

static void remember_each_fact_counts_for_whom_it_must(void **state)
{
    (void)state;
    assert_int_equal(sizeof(table) / sizeof(table[0]), TC_REMEMBER_FACTS + 1);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        for (int by = 0; by < TC_REMEMBER_BYS; by++)
            if (tc_remember_may(by, table[i].fact) != table[i].may[by])
                fail_msg("fact %#x, by %d", table[i].fact, by);
}

/* One that speaks against it is enough. */
static void remember_no_fact_makes_up_for_another(void **state)
{
    (void)state;
    for (unsigned facts = 0; facts < 1u << TC_REMEMBER_FACTS; facts++)
        for (int by = 0; by < TC_REMEMBER_BYS; by++) {
            bool may = true;

            for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
                may &= !(facts & table[i].fact) || table[i].may[by];
            assert_int_equal(tc_remember_may(by, facts), may);
        }
}

static unsigned of(const char *why, int voters, bool cacheable)
{
    struct tocsin_event event = {.size = sizeof(event),
                                 .topic = TOCSIN_TOPIC_VERDICT_FINAL};
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    if (why)
        tocsin_put_str(&w, TOCSIN_FIELD_WHY, why);
    tocsin_put_bool(&w, TOCSIN_FIELD_CACHEABLE, cacheable);
    tocsin_put_int(&w, "voters", voters);
    tocsin_end(&w);
    event.data = w.buf;
    event.len = w.len;
    return tc_remember_of_verdict(&event);
}

static void remember_only_what_a_detector_has_said(void **state)
{
    static const char *const defaults[] = {
        "timeout", "overflow", "absent", "abstained", "a reason of a later version",
        NULL};

    (void)state;
    assert_int_equal(of("allowed", 1, true), 0);
    assert_int_equal(of("denied", 2, true), 0);
    assert_int_equal(of("allowed", 1, false), TC_REMEMBER_ONCE);
    assert_int_equal(of("allowed", 0, true), TC_REMEMBER_NO_VOTER);
    for (size_t i = 0; defaults[i]; i++)
        assert_int_equal(of(defaults[i], 1, true), TC_REMEMBER_DEFAULT);
    assert_int_equal(of(NULL, 1, true), TC_REMEMBER_DEFAULT);
}

static void remember_an_answer_for_what_was_asked_only(void **state)
{
    static const struct {
        const char *topic;
        bool allowed;
        unsigned uses;
    } rows[] = {
        {TOCSIN_TOPIC_FILE_OPEN, true, TC_REMEMBER_OPEN},
        {TOCSIN_TOPIC_FILE_EXEC, true, TC_REMEMBER_EXEC},
        {TOCSIN_TOPIC_FILE_WRITTEN, true, 0},
        {TOCSIN_TOPIC_FILE_OPEN, false, TC_REMEMBER_OPEN | TC_REMEMBER_EXEC},
        {TOCSIN_TOPIC_FILE_EXEC, false, TC_REMEMBER_EXEC},
        {TOCSIN_TOPIC_FILE_WRITTEN, false, TC_REMEMBER_OPEN | TC_REMEMBER_EXEC},
        {TOCSIN_TOPIC_THREAT_DETECTED, false, TC_REMEMBER_OPEN | TC_REMEMBER_EXEC},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(tc_remember_uses(rows[i].topic, rows[i].allowed), rows[i].uses);
}

static void remember_nothing_within_a_tick_of_the_clock(void **state)
{
    static const struct {
        uint64_t ctime_ns, now_ns;
        bool settled;
    } rows[] = {
        {5 * SECOND + 1, 5 * SECOND + 1, false},
        {5 * SECOND + 1, 5 * SECOND + 20 * MS, false},
        {5 * SECOND + 1, 5 * SECOND + 21 * MS, true},
        {5 * SECOND + 1, 4 * SECOND, false}, /* of the future: the clock was set back */
        {5 * SECOND, 5 * SECOND + 21 * MS, false}, /* whole seconds: perhaps no finer */
        {5 * SECOND, 7 * SECOND, false},
        {5 * SECOND, 7 * SECOND + 21 * MS, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(!tc_remember_settled(rows[i].ctime_ns, rows[i].now_ns),
                         rows[i].settled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remember_each_fact_counts_for_whom_it_must),
        cmocka_unit_test(remember_no_fact_makes_up_for_another),
        cmocka_unit_test(remember_only_what_a_detector_has_said),
        cmocka_unit_test(remember_an_answer_for_what_was_asked_only),
        cmocka_unit_test(remember_nothing_within_a_tick_of_the_clock),
    };

    return cmocka_run_group_tests_name("sensor_remember", tests, NULL, NULL);
}
