/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: correlations and filters, and files of several documents. */
#include "test_sigma_util.h"

/* A rule named NAME that matches events with x: VALUE. */
#define RULE(name, value)                                                                \
    "title: " name "\nname: " name "\nlogsource:\n    product: linux\ndetection:\n"      \
    "    s:\n        x: " value "\n    condition: s\n---\n"

/* A correlation titled "c". */
#define CORRELATION(type, rules, rest)                                                   \
    "title: c\nname: c\ncorrelation:\n    type: " type "\n    rules: [" rules            \
    "]\n    timespan: 10s\n" rest

/* One event: time in seconds, x, user, and what it brings on. */
struct step {
    double time;
    const char *x, *user, *expected;
    const char *more; /* fields, each behind a comma */
};

static void check_steps(const char *yaml, const struct step *steps, size_t count)
{
    struct bench bench;
    char event[256];

    bench_load(&bench, yaml);
    if (bench.reported)
        fail_msg("%s", bench.problems);
    for (size_t i = 0; i < count; i++) {
        snprintf(event, sizeof(event),
                 "{\"@timestamp\":%.3f,\"x\":\"%s\",\"user\":\"%s\"%s}",
                 1e9 + steps[i].time, steps[i].x, steps[i].user,
                 steps[i].more ? steps[i].more : "");
        if (strcmp(bench_event(&bench, event), steps[i].expected) != 0)
            fail_msg("step %zu: %s: \"%s\", not \"%s\"", i, event, bench.found,
                     steps[i].expected);
    }
    bench_done(&bench);
}

#define CHECK(yaml, steps) check_steps(yaml, steps, sizeof(steps) / sizeof(*(steps)))

static void event_count_counts_each_group_within_the_timespan(void **state)
{
    static const struct step steps[] = {
        {0, "a", "u", "", NULL},    {1, "a", "v", "", NULL},
        {2, "a", "u", "", NULL},    {3, "a", "u", "c ", NULL},
        {11, "a", "u", "c ", NULL}, {30, "a", "u", "", NULL},
        {31, "b", "u", "", NULL},   {40, "a", "u", "", NULL},
        {40, "a", "u", "c ", NULL}, {50.5, "a", "u", "", NULL},
    };

    (void)state;
    CHECK(RULE("a", "a") CORRELATION("event_count", "a",
                                     "    group-by: [user]\n    condition:\n"
                                     "        gte: 3\n"),
          steps);
}

static void event_that_matches_two_rules_counts_once(void **state)
{
    static const struct step steps[] = {{0, "a", "u", "", NULL},
                                        {1, "a", "u", "c ", NULL}};

    (void)state;
    CHECK(RULE("a", "a") RULE("b", "a*")
              CORRELATION("event_count", "a, b", "    condition:\n        eq: 2\n"),
          steps);
}

static void bounds_of_a_condition_all_hold(void **state)
{
    static const struct step steps[] = {
        {0, "a", "u", "", NULL},
        {1, "a", "u", "c ", NULL},
        {2, "a", "u", "c ", NULL},
        {3, "a", "u", "", NULL},
    };

    (void)state;
    CHECK(RULE("a", "a") CORRELATION("event_count", "a",
                                     "    condition:\n        gt: 1\n        lte: 3\n"),
          steps);
}

static void generate_has_the_rules_match_by_themselves(void **state)
{
    static const struct step steps[] = {{0, "a", "u", "a ", NULL},
                                        {1, "a", "u", "a c ", NULL}};

    (void)state;
    CHECK(RULE("a", "a") CORRELATION("event_count", "a",
                                     "    condition:\n        gte: 2\ngenerate: true\n"),
          steps);
}

static void value_count_counts_different_values(void **state)
{
    static const struct step steps[] = {
        {0, "a", "u", "", ",\"f\":\"1\""},    {1, "a", "u", "", ",\"f\":\"1\""},
        {2, "a", "u", "c ", ",\"f\":\"2\""},  {3, "a", "u", "c ", NULL},
        {11.5, "a", "u", "", ",\"f\":\"3\""},
    };
    struct step last[5];

    (void)state;
    memcpy(last, steps, sizeof(last));
    last[3].expected = ""; /* without the field it is not counted */
    last[4] = (struct step){11.5, "a", "u", "c ", ",\"f\":\"3\""};
    CHECK(RULE("a", "a") CORRELATION("value_count", "a",
                                     "    group-by: [user]\n    condition:\n"
                                     "        field: f\n        gte: 2\n"),
          last);
}

static void value_sum_and_average_take_numbers(void **state)
{
    static const struct step sum[] = {
        {0, "a", "u", "", ",\"n\":60"},
        {1, "a", "u", "c ", ",\"n\":\"41\""},
        {2, "a", "u", "", ",\"n\":\"x\""},
        {10.5, "a", "u", "", ",\"n\":1"},
    };
    static const struct step average[] = {
        {0, "a", "u", "", ",\"n\":10"},
        {1, "a", "u", "c ", ",\"n\":31"},
        {2, "a", "u", "", ",\"n\":10"},
    };

    (void)state;
    CHECK(RULE("a", "a") CORRELATION(
              "value_sum", "a", "    condition:\n        field: n\n        gt: 100\n"),
          sum);
    CHECK(RULE("a", "a") CORRELATION(
              "value_avg", "a", "    condition:\n        field: n\n        gt: 20\n"),
          average);
}

static void temporal_needs_all_rules_in_any_order(void **state)
{
    static const struct step steps[] = {
        {0, "b", "u", "", NULL},  {1, "a", "v", "", NULL},    {2, "a", "u", "c ", NULL},
        {11, "a", "u", "", NULL}, {12, "b", "u", "c ", NULL},
    };

    (void)state;
    CHECK(RULE("a", "a") RULE("b", "b")
              CORRELATION("temporal", "a, b", "    group-by: [user]\n"),
          steps);
}

static void temporal_ordered_needs_them_in_order(void **state)
{
    static const struct step steps[] = {
        {0, "b", "u", "", NULL},  {1, "a", "u", "", NULL},  {2, "c", "u", "", NULL},
        {3, "b", "u", "", NULL},  {4, "a", "u", "", NULL},  {5, "c", "u", "c ", NULL},
        {13, "c", "u", "", NULL}, {14, "b", "u", "", NULL}, {15, "c", "u", "", NULL},
    };

    (void)state;
    CHECK(RULE("ra", "a") RULE("rb", "b") RULE("rc", "c")
              CORRELATION("temporal_ordered", "ra, rb, rc", "    group-by: [user]\n"),
          steps);
}

static void aliases_name_the_groups_field_of_each_rule(void **state)
{
    static const struct step steps[] = {
        {0, "a", "u", "", ",\"src\":\"1\",\"dst\":\"2\""},
        {1, "b", "u", "", ",\"src\":\"1\",\"dst\":\"2\""},
        {2, "b", "u", "c ", ",\"src\":\"2\",\"dst\":\"1\""},
    };

    (void)state;
    CHECK(RULE("a", "a") RULE("b", "b")
              CORRELATION("temporal", "a, b",
                          "    group-by: [ip]\n    aliases:\n        ip:\n"
                          "            a: src\n            b: dst\n"),
          steps);
}

static void event_counts_in_the_group_of_each_rule_that_it_matches(void **state)
{
    /* By rule a it is of `user`, by rule b of `other`; where these are one, it counts
     * once. */
    static const struct step steps[] = {
        {0, "a", "u", "", ",\"y\":\"b\",\"other\":\"v\""},
        {1, "a", "w", "", NULL},
        {2, "a", "v", "c ", NULL},
        {20, "a", "u", "", ",\"y\":\"b\",\"other\":\"u\""},
        {21, "a", "u", "c ", NULL},
    };

    (void)state;
    CHECK(
        RULE("a",
             "a") "title: b\nname: b\nlogsource:\n    product: linux\n"
                  "detection:\n    s:\n        y: b\n    condition: s\n---\n" CORRELATION(
                      "event_count", "a, b",
                      "    group-by: [who]\n    aliases:\n        who:\n"
                      "            a: user\n            b: other\n"
                      "    condition:\n        gte: 2\n"),
        steps);
}

static void value_that_is_counted_may_have_aliases(void **state)
{
    static const struct step steps[] = {
        {0, "a", "u", "", NULL},
        {1, "b", "x", "", ",\"other\":\"u\""},
        {2, "b", "x", "c ", ",\"other\":\"v\""},
    };

    (void)state;
    CHECK(RULE("a", "a") RULE("b", "b")
              CORRELATION("value_count", "a, b",
                          "    aliases:\n        who:\n            a: user\n"
                          "            b: other\n    condition:\n        field: who\n"
                          "        gte: 2\n"),
          steps);
}

static void correlations_feed_each_other_in_whatever_order_they_stand(void **state)
{
    static const struct step steps[] = {
        {0, "bad", "u", "", NULL},
        {1, "bad", "u", "", NULL},
        {2, "good", "v", "", NULL},
        {3, "good", "u", "outer ", NULL},
    };

    (void)state;
    CHECK(
        "title: outer\ncorrelation:\n    type: temporal_ordered\n"
        "    rules: [c, good]\n    group-by: [user]\n    timespan: 1m\n---\n" CORRELATION(
            "event_count", "bad",
            "    group-by: [user]\n    condition:\n        gte: 2\n") "---\n" RULE("bad",
                                                                                   "bad")
            RULE("good", "good"),
        steps);
}

static void correlation_that_cannot_run_says_why(void **state)
{
    static const char *const rows[][2] = {
        {CORRELATION("temporal", "a, b", ""), "there is no rule \"b\""},
        {CORRELATION("temporal", "a, c", ""), "refers to itself"},
        {CORRELATION("value_percentile", "a",
                     "    condition:\n        field: f\n        gte: 2\n"),
         "value_percentile is not run"},
        {CORRELATION("event_count", "a", "    condition:\n        gte: 1000000\n"),
         "not remembered"},
    };
    static const char *const wrong[][2] = {
        {CORRELATION("event_count", "a", ""), "needs a condition"},
        {CORRELATION("some", "a", ""), "needs a type"},
        {CORRELATION("value_count", "a", "    condition:\n        gte: 1\n"),
         "the field"},
        {CORRELATION("event_count", "a", "    condition:\n        gte: x\n"), "a number"},
        {CORRELATION("temporal", "a, a", ""), "twice"},
        {"title: c\ncorrelation:\n    type: temporal\n    rules: [a]\n    timespan: 5\n",
         "needs a timespan"},
    };
    struct bench bench;
    char yaml[2048];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        snprintf(yaml, sizeof(yaml), "%s%s", RULE("a", "a"), rows[i][0]);
        bench_load(&bench, yaml);
        assert_int_equal(bench.refused, 0);
        assert_non_null(tc_sigma_rule(bench.set, 1)->why_not);
        if (!strstr(bench.problems, rows[i][1]))
            fail_msg("row %zu: %s", i, bench.problems);
        bench_done(&bench);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        snprintf(yaml, sizeof(yaml), "%s%s", RULE("a", "a"), wrong[i][0]);
        bench_load(&bench, yaml);
        assert_int_equal(bench.refused, 1);
        if (!strstr(bench.problems, wrong[i][1]))
            fail_msg("wrong %zu: %s", i, bench.problems);
        bench_done(&bench);
    }
}

static void memory_of_groups_is_bounded_and_evictions_are_counted(void **state)
{
    struct tc_sigma_counters counters;
    struct bench bench;
    char event[128];

    (void)state;
    bench_load(&bench, RULE("a", "a") CORRELATION("event_count", "a",
                                                  "    group-by: [user]\n    condition:\n"
                                                  "        gte: 2\n"));
    for (int i = 0; i < 20000; i++) {
        snprintf(event, sizeof(event), "{\"@timestamp\":1e9,\"x\":\"a\",\"user\":%d}", i);
        assert_string_equal(bench_event(&bench, event), "");
    }
    tc_sigma_counters(bench.scratch, &counters);
    assert_int_equal(counters.correlations_evicted, 20000 - 16384);
    assert_string_equal(bench_event(&bench, event), "c ");
    bench_done(&bench);
}

static void filter_takes_matches_from_the_rules_it_names(void **state)
{
    static const char yaml[] = RULE("a", "'*'")
        RULE("b", "'*'") "title: f\nlogsource:\n    product: linux\nfilter:\n    "
                         "rules:\n        - a\n"
                         "    selection:\n        user|startswith: adm_\n    condition: "
                         "selection\n---\n"
                         "title: g\nlogsource:\n    product: windows\nfilter:\n    "
                         "rules:\n        - b\n"
                         "    selection:\n        user: '*'\n    condition: selection\n";
    static const struct step steps[] = {
        {0, "1", "root", "a b ", NULL},
        {1, "1", "adm_joe", "b ", NULL},
    };
    struct bench bench;

    (void)state;
    CHECK(yaml, steps);
    bench_load(&bench, "title: f\nlogsource:\n    product: linux\nfilter:\n"
                       "    rules: [q]\n    s: {a: b}\n    condition: s\n");
    assert_int_equal(bench.refused, 0);
    assert_non_null(strstr(bench.problems, "there is no rule \"q\" for this filter"));
    bench_done(&bench);
}

/* A filter of rules a (and b), with the lines `rules` and `condition`. */
#define FILTER(rules, condition)                                                         \
    RULE("a", "1")                                                                       \
    RULE("b", "2")                                                                       \
    "title: f\nlogsource:\n    product: linux\nfilter:\n    rules: " rules               \
    "\n    s: {user: adm}\n    t: {user: bot}\n    condition: " condition "\n"

static void filter_names_one_rule_or_any(void **state)
{
    static const struct step one[] = {{0, "1", "adm", "", NULL},
                                      {0, "2", "adm", "b ", NULL},
                                      {0, "1", "joe", "a ", NULL}};
    static const struct step any[] = {{0, "1", "adm", "", NULL},
                                      {0, "2", "adm", "", NULL},
                                      {0, "2", "joe", "b ", NULL}};

    (void)state;
    CHECK(FILTER("a", "s"), one);
    CHECK(FILTER("any", "s"), any);
    CHECK(FILTER("[any]", "s"), any);
}

static void filter_that_is_a_negation_is_refused_with_both_readings(void **state)
{
    static const char *const refused[] = {
        FILTER("a", "not s"),
        FILTER("a", "not 1 of them"),
        FILTER("a", "not s and not t"),
        FILTER("a", "not (not (not s))"),
    };
    static const char *const taken[] = {
        FILTER("a", "s and not t"),
        FILTER("a", "not (not s)"),
    };
    struct bench bench;

    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        bench_load(&bench, refused[i]);
        assert_int_equal(bench.refused, 1);
        assert_non_null(strstr(bench.problems, "t.yml:26:16: "));
        assert_non_null(strstr(bench.problems, "filters: pysigma"));
        bench_done(&bench);
    }
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        bench_load(&bench, taken[i]);
        assert_string_equal(bench.problems, "");
        assert_string_equal(bench_event(&bench, "{\"x\":\"1\",\"user\":\"adm\"}"), "");
        bench_done(&bench);
    }
}

static void filters_can_be_read_as_pysigma_does(void **state)
{
    struct bench bench;

    (void)state;
    bench_open_with(&bench, true);
    bench_add(&bench, FILTER("a", "not 1 of them"));
    bench_ready(&bench);
    assert_string_equal(bench.problems, "");
    assert_string_equal(bench_event(&bench, "{\"x\":\"1\",\"user\":\"adm\"}"), "");
    assert_string_equal(bench_event(&bench, "{\"x\":\"1\",\"user\":\"joe\"}"), "a ");
    assert_string_equal(bench_event(&bench, "{\"x\":\"2\",\"user\":\"adm\"}"), "b ");
    bench_done(&bench);
}

static void event_that_comes_late_moves_no_window_back(void **state)
{
    static const struct step pair[] = {
        {100, "a", "u", "", NULL}, {50, "a", "u", "", NULL}, {105, "b", "u", "c ", NULL}};
    static const struct step ordered[] = {
        {100, "a", "u", "", NULL}, {95, "a", "u", "", NULL}, {109, "b", "u", "c ", NULL}};
    static const struct step count[] = {{100, "a", "u", "", NULL},
                                        {101, "a", "u", "", NULL},
                                        {102, "a", "u", "c ", NULL},
                                        {20, "a", "u", "", NULL},
                                        {95, "a", "u", "c ", NULL}};

    (void)state;
    CHECK(RULE("a", "a") RULE("b", "b") CORRELATION("temporal", "a, b", ""), pair);
    CHECK(RULE("a", "a") RULE("b", "b") CORRELATION("temporal_ordered", "a, b", ""),
          ordered);
    CHECK(RULE("a", "a")
              CORRELATION("event_count", "a", "    condition:\n        gte: 3\n"),
          count);
}

static void words_that_no_correlation_or_source_has_are_refused(void **state)
{
    struct bench bench;

    (void)state;
    bench_load(&bench, RULE("a", "a") CORRELATION("event_count", "a",
                                                  "    group_by: [user]\n"
                                                  "    condition:\n        gte: 3\n"));
    assert_int_equal(bench.refused, 1);
    assert_non_null(strstr(bench.problems, "has no \"group_by\""));
    bench_done(&bench);
    bench_load(&bench, "title: t\nlogsource:\n    catagory: x\n    product: linux\n"
                       "detection:\n    s: {a: b}\n    condition: s\n");
    assert_int_equal(bench.refused, 1);
    assert_non_null(strstr(bench.problems, "t.yml:3:5: "));
    assert_non_null(strstr(bench.problems, "has no \"catagory\""));
    bench_done(&bench);
}

static void global_document_lends_to_those_behind_it(void **state)
{
    static const char yaml[] =
        "action: global\ntitle: g\nlogsource:\n    product: linux\n"
        "detection:\n    condition: s\n---\n"
        "detection:\n    s:\n        a: 1\n---\n"
        "title: own\ndetection:\n    s:\n        a: 2\n---\n"
        "action: repeat\ntitle: again\n---\n"
        "action: reset\n---\n"
        "title: alone\nlogsource:\n    product: linux\ndetection:\n    s:\n        a: 1\n"
        "    condition: s\n";
    struct bench bench;

    (void)state;
    bench_load(&bench, yaml);
    assert_string_equal(bench.problems, "");
    assert_string_equal(bench_event(&bench, "{\"a\":1}"), "g alone ");
    assert_string_equal(bench_event(&bench, "{\"a\":2}"), "own again ");
    bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_count_counts_each_group_within_the_timespan),
        cmocka_unit_test(event_that_matches_two_rules_counts_once),
        cmocka_unit_test(bounds_of_a_condition_all_hold),
        cmocka_unit_test(generate_has_the_rules_match_by_themselves),
        cmocka_unit_test(value_count_counts_different_values),
        cmocka_unit_test(value_sum_and_average_take_numbers),
        cmocka_unit_test(temporal_needs_all_rules_in_any_order),
        cmocka_unit_test(temporal_ordered_needs_them_in_order),
        cmocka_unit_test(aliases_name_the_groups_field_of_each_rule),
        cmocka_unit_test(event_counts_in_the_group_of_each_rule_that_it_matches),
        cmocka_unit_test(value_that_is_counted_may_have_aliases),
        cmocka_unit_test(correlations_feed_each_other_in_whatever_order_they_stand),
        cmocka_unit_test(correlation_that_cannot_run_says_why),
        cmocka_unit_test(memory_of_groups_is_bounded_and_evictions_are_counted),
        cmocka_unit_test(filter_takes_matches_from_the_rules_it_names),
        cmocka_unit_test(filter_names_one_rule_or_any),
        cmocka_unit_test(filter_that_is_a_negation_is_refused_with_both_readings),
        cmocka_unit_test(filters_can_be_read_as_pysigma_does),
        cmocka_unit_test(event_that_comes_late_moves_no_window_back),
        cmocka_unit_test(words_that_no_correlation_or_source_has_are_refused),
        cmocka_unit_test(global_document_lends_to_those_behind_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
