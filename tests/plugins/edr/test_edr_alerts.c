/* SPDX-License-Identifier: Apache-2.0 */
/* Which matches are one alert, when it is reported, and that none is reported too often
 * or not at all: with a clock that the test moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alerts/edr_alerts.h"

#define SUPPRESS_MS 1000
#define REPEAT_MS 100

static const struct tc_sigma_rule rule = {
    .id = "r1",
    .title = "A rule",
    .author = "Somebody",
    .license = "DRL 1.1",
    .file = "a.yml",
    .level = TC_SIGMA_HIGH,
};

static void new_id(void *arg, char ret[TC_EDR_ALERT_ID_BYTES])
{
    unsigned *last = arg;

    snprintf(ret, TC_EDR_ALERT_ID_BYTES, "%u", ++*last);
}

static unsigned last_id;

static struct tc_edr_alerts *make(uint64_t suppress_ms, uint64_t repeat_ms)
{
    const struct tc_edr_alerts_options options = {suppress_ms, repeat_ms};
    struct tc_edr_alerts *alerts;

    last_id = 0;
    assert_int_equal(tc_edr_alerts_new(&options, new_id, &last_id, &alerts), 0);
    return alerts;
}

static bool match(struct tc_edr_alerts *alerts, uint32_t chain, uint64_t now_ms,
                  struct tc_edr_alert *ret)
{
    uint8_t key[TC_EDR_KEY_BYTES] = {0};
    const uint32_t bucket = chain / 8; /* so that keys meet */

    memcpy(key, &bucket, sizeof(bucket));
    memcpy(key + 12, &chain, sizeof(chain));
    return tc_edr_alerts_match(alerts, key, &rule, now_ms, now_ms * 1000, ret);
}

static void alerts_report_the_first_match_at_once_with_what_the_rule_says(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    struct tc_edr_alert alert;

    (void)state;
    assert_true(match(alerts, 1, 5, &alert));
    assert_string_equal(alert.id, "1");
    assert_string_equal(alert.rule_id, "r1");
    assert_string_equal(alert.title, "A rule");
    assert_string_equal(alert.author, "Somebody");
    assert_string_equal(alert.license, "DRL 1.1");
    assert_string_equal(alert.file, "a.yml");
    assert_int_equal(alert.level, TC_SIGMA_HIGH);
    assert_int_equal(alert.count, 1);
    assert_int_equal(alert.first_ns, 5000);
    assert_int_equal(alert.last_ns, 5000);
    assert_true(tc_edr_alerts_next(alerts) == UINT64_MAX);
    assert_false(tc_edr_alerts_due(alerts, UINT64_MAX, &alert));
    tc_edr_alerts_free(alerts);
}

static void alerts_count_unreported_matches_until_they_are_due(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    struct tc_edr_alert alert;

    (void)state;
    assert_true(match(alerts, 1, 0, &alert));
    for (uint64_t now = 1; now < REPEAT_MS; now++) {
        assert_false(match(alerts, 1, now, &alert));
        assert_string_equal(alert.id, "1");
        assert_int_equal(alert.count, now + 1);
    }
    assert_int_equal(tc_edr_alerts_next(alerts), REPEAT_MS);
    assert_false(tc_edr_alerts_due(alerts, REPEAT_MS - 1, &alert));
    assert_true(tc_edr_alerts_due(alerts, REPEAT_MS, &alert));
    assert_string_equal(alert.id, "1");
    assert_string_equal(alert.author, "Somebody");
    assert_int_equal(alert.count, REPEAT_MS);
    assert_int_equal(alert.first_ns, 0);
    assert_int_equal(alert.last_ns, (REPEAT_MS - 1) * 1000);
    assert_false(tc_edr_alerts_due(alerts, UINT64_MAX, &alert));
    assert_true(tc_edr_alerts_next(alerts) == UINT64_MAX);
    tc_edr_alerts_free(alerts);
}

static void alerts_report_a_match_that_comes_when_a_repeat_is_due(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    struct tc_edr_alert alert;

    (void)state;
    assert_true(match(alerts, 1, 0, &alert));
    assert_false(match(alerts, 1, 50, &alert));
    assert_true(match(alerts, 1, REPEAT_MS, &alert));
    assert_int_equal(alert.count, 3);
    assert_true(tc_edr_alerts_next(alerts) == UINT64_MAX);
    tc_edr_alerts_free(alerts);
}

static void alerts_are_apart_for_each_chain(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    struct tc_edr_alert alert;

    (void)state;
    assert_true(match(alerts, 1, 0, &alert));
    assert_true(match(alerts, 2, 0, &alert)); /* in the same bucket */
    assert_string_equal(alert.id, "2");
    assert_false(match(alerts, 1, 1, &alert));
    assert_string_equal(alert.id, "1");
    tc_edr_alerts_free(alerts);
}

static void alerts_roll_on_with_each_match_and_end_when_none_comes(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, UINT64_MAX);
    struct tc_edr_alert alert;
    uint64_t now = 0;

    (void)state;
    assert_true(match(alerts, 1, now, &alert));
    for (int i = 0; i < 10; i++) {
        now += SUPPRESS_MS - 1;
        assert_false(match(alerts, 1, now, &alert));
    }
    assert_true(match(alerts, 1, now + SUPPRESS_MS, &alert));
    assert_string_equal(alert.id, "2");
    assert_int_equal(alert.count, 1);

    /* What was counted of the first is reported, now that it is over. */
    assert_int_equal(tc_edr_alerts_next(alerts), 0);
    assert_true(tc_edr_alerts_due(alerts, now + SUPPRESS_MS, &alert));
    assert_string_equal(alert.id, "1");
    assert_int_equal(alert.count, 11);
    assert_false(tc_edr_alerts_due(alerts, now + SUPPRESS_MS, &alert));
    tc_edr_alerts_free(alerts);
}

static void alerts_are_one_each_when_nothing_is_suppressed(void **state)
{
    struct tc_edr_alerts *alerts = make(0, REPEAT_MS);
    struct tc_edr_alerts_counters counters;
    struct tc_edr_alert alert;

    (void)state;
    assert_true(match(alerts, 1, 0, &alert));
    assert_string_equal(alert.id, "1");
    assert_true(match(alerts, 1, 0, &alert));
    assert_string_equal(alert.id, "2");
    assert_int_equal(alert.count, 1);
    tc_edr_alerts_counters(alerts, &counters);
    assert_int_equal(counters.open, 0);
    assert_int_equal(counters.single, 0);
    tc_edr_alerts_free(alerts);
}

static void alerts_take_new_options_for_those_that_are_open(void **state)
{
    const struct tc_edr_alerts_options shorter = {SUPPRESS_MS / 10, REPEAT_MS / 10};
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    struct tc_edr_alert alert;

    (void)state;
    assert_true(match(alerts, 1, 0, &alert));
    assert_false(match(alerts, 1, 1, &alert));
    tc_edr_alerts_set(alerts, &shorter);
    assert_int_equal(tc_edr_alerts_next(alerts), REPEAT_MS / 10);
    assert_true(match(alerts, 1, 1 + SUPPRESS_MS / 10, &alert));
    assert_string_equal(alert.id, "2");
    tc_edr_alerts_free(alerts);
}

static void alerts_keep_no_more_of_a_text_than_they_have_room_for(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    const uint8_t key[TC_EDR_KEY_BYTES] = {9};
    struct tc_sigma_rule hostile = {0};
    struct tc_edr_alert alert;
    char *title = malloc(100002);

    (void)state;
    assert_non_null(title);
    for (size_t i = 0; i < 100001; i += 1)
        title[i] = (char)(i % 2 ? 0xc3 : 0xa9); /* from the second byte on: é each */
    title[0] = 'x';
    title[100001] = '\0';
    hostile.title = title;
    assert_true(tc_edr_alerts_match(alerts, key, &hostile, 0, 0, &alert));
    free(title);
    assert_null(alert.rule_id);
    assert_in_range(strlen(alert.title), 100, 1024);
    assert_true(tocsin_utf8_valid(alert.title, strlen(alert.title)));
    tc_edr_alerts_free(alerts);
}

static void alerts_close_the_longest_unused_when_too_many_are_open(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    struct tc_edr_alerts_counters counters;
    struct tc_edr_alert alert;

    (void)state;
    for (uint32_t i = 0; i < TC_EDR_ALERTS_MAX; i++)
        assert_true(match(alerts, i, 0, &alert));
    assert_false(match(alerts, 0, 1, &alert)); /* used, but the next is not */
    assert_false(match(alerts, 1, 1, &alert));
    assert_false(match(alerts, 0, 2, &alert));
    assert_true(match(alerts, TC_EDR_ALERTS_MAX, 2, &alert));
    tc_edr_alerts_counters(alerts, &counters);
    assert_int_equal(counters.evicted, 1);
    assert_int_equal(counters.open, TC_EDR_ALERTS_MAX);
    assert_false(match(alerts, 0, 3, &alert));
    assert_false(match(alerts, 1, 3, &alert));
    assert_true(match(alerts, 2, 3, &alert));

    /* One that goes with unreported matches has them reported first. */
    for (uint32_t i = 0; i < TC_EDR_ALERTS_MAX; i++)
        assert_true(match(alerts, i + 100000, 4, &alert));
    assert_int_equal(tc_edr_alerts_next(alerts), 0);
    assert_true(tc_edr_alerts_due(alerts, 4, &alert));
    assert_int_equal(alert.count, 4);
    assert_string_equal(alert.id, "1");
    assert_true(tc_edr_alerts_due(alerts, 4, &alert));
    assert_int_equal(alert.count, 3);
    assert_string_equal(alert.id, "2");
    assert_false(tc_edr_alerts_due(alerts, 4, &alert));
    tc_edr_alerts_free(alerts);
}

/* Nobody asks what is due: neither memory nor a count goes astray. */
static void alerts_report_each_match_alone_when_too_many_wait(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, UINT64_MAX);
    struct tc_edr_alerts_counters counters;
    struct tc_edr_alert alert;
    uint64_t sum = 0, singles = 0;

    (void)state;
    for (uint32_t i = 0; i < 3 * TC_EDR_ALERTS_MAX; i++) {
        assert_true(match(alerts, i, 1, &alert));
        if (match(alerts, i, 1, &alert)) {
            assert_int_equal(alert.count, 1);
            singles += 2; /* and the one before it */
        }
    }
    tc_edr_alerts_counters(alerts, &counters);
    assert_int_equal(counters.open, TC_EDR_ALERTS_MAX);
    assert_int_equal(counters.single, singles);
    assert_int_equal(singles, 2 * TC_EDR_ALERTS_MAX);
    while (tc_edr_alerts_due(alerts, UINT64_MAX - 1, &alert))
        sum += alert.count;
    sum += singles;
    /* The open ones have never been due: repeat_ms is for ever. */
    assert_int_equal(sum + 2 * TC_EDR_ALERTS_MAX, counters.matches);
    tc_edr_alerts_free(alerts);
}

#define IDS_MAX 200000

/* Random matches, times and askings: each alert is reported as often as it matched. */
static void alerts_report_exactly_as_many_matches_as_there_were(void **state)
{
    static uint64_t counts[IDS_MAX], reported_at[IDS_MAX];
    uint64_t now = 1, sum = 0, matches = 0, opened = 0;
    struct tc_edr_alerts_counters counters;
    struct tc_edr_alerts *alerts;
    struct tc_edr_alert alert;
    unsigned id;

    (void)state;
    for (unsigned seed = 1; seed <= 8; seed++) {
        const uint32_t chains = seed % 2 ? 50 : 20000;

        srand(seed);
        alerts = make(SUPPRESS_MS, seed % 3 ? REPEAT_MS : 5 * SUPPRESS_MS);
        memset(counts, 0, sizeof(counts));
        memset(reported_at, 0, sizeof(reported_at));
        sum = opened = 0;
        for (matches = 0; matches < 60000; matches++) {
            now += (uint64_t)(rand() % 4 ? 0 : rand() % (seed % 2 ? seed * 20 : 2));
            if (match(alerts, (uint32_t)rand() % chains, now, &alert)) {
                id = (unsigned)strtoul(alert.id, NULL, 10);
                assert_true(id < IDS_MAX);
                assert_true(alert.count > counts[id]);
                if (counts[id])
                    assert_true(now - reported_at[id] >=
                                (seed % 3 ? REPEAT_MS : 5 * SUPPRESS_MS));
                opened += !counts[id];
                counts[id] = alert.count;
                reported_at[id] = now;
            }
            while (rand() % 10 == 0 && tc_edr_alerts_next(alerts) <= now) {
                assert_true(tc_edr_alerts_due(alerts, now, &alert));
                id = (unsigned)strtoul(alert.id, NULL, 10);
                assert_true(alert.count > counts[id]);
                counts[id] = alert.count;
                reported_at[id] = now;
            }
        }
        while (tc_edr_alerts_due(alerts, UINT64_MAX, &alert))
            counts[strtoul(alert.id, NULL, 10)] = alert.count;
        for (id = 0; id < IDS_MAX; id++)
            sum += counts[id];
        assert_int_equal(sum, matches);
        tc_edr_alerts_counters(alerts, &counters);
        assert_int_equal(counters.matches, matches);
        assert_int_equal(counters.raised, opened);
        assert_true(counters.open <= TC_EDR_ALERTS_MAX);
        assert_true((counters.evicted > 0) == (chains > TC_EDR_ALERTS_MAX));
        tc_edr_alerts_free(alerts);
    }
}

/* ---- What matches differ in ---- */

static void note_line(struct tc_edr_alerts *alerts, const char *line)
{
    const uint8_t key[TC_EDR_KEY_BYTES] = {0};
    struct tocsin_str texts[TC_EDR_DISTINCT_KINDS] = {
        [TC_EDR_COMMAND_LINES] = {line, strlen(line)}, [TC_EDR_PATHS] = {"/a", 2}};

    tc_edr_alerts_note(alerts, key, texts);
}

static void alerts_keep_what_their_matches_differ_in(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    struct tc_edr_alert alert;
    char line[1024];

    (void)state;
    for (uint64_t i = 0; i < 2 * TC_EDR_DISTINCT_MAX + 3; i++) {
        (void)match(alerts, 0, i, &alert);
        (void)snprintf(line, sizeof(line), "line %d", (int)(i / 2));
        note_line(alerts, line);
    }
    assert_int_equal(alert.distinct->n[TC_EDR_COMMAND_LINES], TC_EDR_DISTINCT_MAX);
    assert_int_equal(alert.distinct->more[TC_EDR_COMMAND_LINES], 3);
    assert_int_equal(alert.distinct->n[TC_EDR_PATHS], 1);
    assert_int_equal(alert.distinct->n[TC_EDR_ADDRESSES], 0);
    tc_edr_alerts_free(alerts);
}

static void alerts_keep_no_more_than_they_have_room_for(void **state)
{
    struct tc_edr_alerts *alerts = make(SUPPRESS_MS, REPEAT_MS);
    struct tc_edr_alert alert;
    char line[1024] = "";

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    for (int i = 0; i < 12; i++) {
        (void)match(alerts, 0, 1, &alert);
        line[0] = (char)('a' + i);
        note_line(alerts, line);
    }
    assert_int_equal(alert.distinct->n[TC_EDR_COMMAND_LINES], 7);
    assert_int_equal(alert.distinct->more[TC_EDR_COMMAND_LINES], 5);
    assert_true(alert.distinct->len <= TC_EDR_DISTINCT_BYTES);
    assert_true(alert.distinct->cap <= TC_EDR_DISTINCT_BYTES);
    tc_edr_alerts_free(alerts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alerts_report_the_first_match_at_once_with_what_the_rule_says),
        cmocka_unit_test(alerts_count_unreported_matches_until_they_are_due),
        cmocka_unit_test(alerts_report_a_match_that_comes_when_a_repeat_is_due),
        cmocka_unit_test(alerts_are_apart_for_each_chain),
        cmocka_unit_test(alerts_roll_on_with_each_match_and_end_when_none_comes),
        cmocka_unit_test(alerts_are_one_each_when_nothing_is_suppressed),
        cmocka_unit_test(alerts_take_new_options_for_those_that_are_open),
        cmocka_unit_test(alerts_keep_no_more_of_a_text_than_they_have_room_for),
        cmocka_unit_test(alerts_keep_what_their_matches_differ_in),
        cmocka_unit_test(alerts_keep_no_more_than_they_have_room_for),
        cmocka_unit_test(alerts_close_the_longest_unused_when_too_many_are_open),
        cmocka_unit_test(alerts_report_each_match_alone_when_too_many_wait),
        cmocka_unit_test(alerts_report_exactly_as_many_matches_as_there_were),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
