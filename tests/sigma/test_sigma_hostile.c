/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is no rule, or means harm: refused with a place and a sentence, or bounded;
 * and the rules beside it run on. */
#include <time.h>

#include "test_sigma_util.h"

#define HEAD "title: r\nlogsource:\n    product: linux\ndetection:\n"
#define GOOD                                                                             \
    "---\ntitle: good\nlogsource:\n    product: linux\ndetection:\n    s:\n"             \
    "        a: b\n    condition: s\n"

static void errors_are_reported_with_file_line_and_column(void **state)
{
    static const struct {
        const char *yaml, *problem; /* of which it is the beginning */
    } rows[] = {
        {"a: [1", "t.yml:2:1: "},
        {"- a", "t.yml:1:1: a rule is a map"},
        {"title: x\n", "t.yml:1:1: this document has no detection"},
        {"logsource: {}\ndetection: {}\n", "t.yml:1:1: the rule has no title"},
        {"title: x\ndetection: {}\n", "t.yml:1:1: the rule has no logsource"},
        {HEAD "    s:\n        a: b\n", "t.yml:4:1: there is no condition"},
        {HEAD "    s:\n        a: b\n    condition: t\n",
         "t.yml:7:16: there is no selection \"t\""},
        {HEAD "    s:\n        a: b\n    condition: s and\n",
         "t.yml:7:21: the condition ends here"},
        {HEAD "    s:\n        a: b\n    condition: 's or (s'\n",
         "t.yml:7:24: the condition ends here"},
        {HEAD "    s:\n        a: b\n    condition: s s\n", "t.yml:7:18: and or or"},
        {HEAD "    s:\n        a: b\n    condition: not all of t*\n",
         "t.yml:7:27: no selection is named \"t*\""},
        {HEAD "    s:\n        a: b\n    condition: not (1 of t*)\n",
         "t.yml:7:26: no selection is named \"t*\""},
        {HEAD "    s:\n        a: b\n    condition: 1 of t*\n",
         "t.yml:7:21: no selection is named \"t*\""},
        {HEAD "    s:\n        a|conains: b\n    condition: s\n",
         "t.yml:6:9: there is no modifier \"conains\""},
        {HEAD "    s:\n        a|re: '(b'\n    condition: s\n",
         "t.yml:6:15: the regular expression is wrong at its character 3"},
        {HEAD "    s:\n        a|i: b\n    condition: s\n", "t.yml:6:9: the modifier i"},
        {HEAD "    s:\n        a|re|contains: b\n    condition: s\n",
         "t.yml:6:9: re, cidr"},
        {HEAD "    s:\n        a|cidr: 10.0.0.0/33\n    condition: s\n", "t.yml:6:17: "},
        {HEAD "    s:\n        a|cidr: ten\n    condition: s\n", "t.yml:6:17: "},
        {HEAD "    s:\n        a|gt: 'x'\n    condition: s\n", "t.yml:6:15: "},
        {HEAD "    s:\n        a|exists: 1\n    condition: s\n", "t.yml:6:19: exists"},
        {HEAD "    s:\n        a|base64: 'x*'\n    condition: s\n", "t.yml:6:19: "},
        {HEAD "    s:\n        a: [x, null]\n    condition: s\n",
         "t.yml:6:16: null cannot"},
        {HEAD "    s:\n        a: []\n    condition: s\n", "t.yml:6:12: "},
        {HEAD "    s: {}\n    condition: s\n", "t.yml:5:8: this map is empty"},
        {HEAD "    s:\n        a: b\n        a: c\n    condition: s\n",
         "t.yml:7:9: the key \"a\" is already at line 6"},
        {"title: r\nlevel: fatal\nlogsource: {}\ndetection: {}\n", "t.yml:2:8: level"},
        {"title: a\x01", "t.yml:1:9: the byte 0x01"},
        {"a: *b\n", "t.yml:1:4: there is no anchor &b"},
        {"title: x\ndescription: |\n  text\n more\nlogsource: {}\n", "t.yml:4:"},
        /* What is not there has the place of its key. */
        {HEAD "    s:\n        a: b\n    condition:\n",
         "t.yml:7:5: a condition is a text"},
        {"title: r\nlogsource: {product: linux}\ndetection:\n",
         "t.yml:3:1: this needs to be a map of selections"},
        {HEAD "    s:\n    condition: s\n", "t.yml:5:5: a selection is a map"},
        {HEAD "    s:\n        a|contains:\n    condition: s\n",
         "t.yml:6:9: null goes with no modifier"},
        {HEAD "    s: {a|re: }\n    condition: s\n",
         "t.yml:5:9: null goes with no modifier"},
        {HEAD "    s:\n        a|contains:\n            -\n    condition: s\n",
         "t.yml:7:13: null cannot"},
        {HEAD "    s:\n        a: !!str\n    condition: s\n", "t.yml:6:9: tags"},
        {HEAD "    s:\n        !!str a: b\n    condition: s\n", "t.yml:6:15: tags"},
    };
    struct bench bench;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        bench_load(&bench, rows[i].yaml);
        if (strncmp(bench.problems, rows[i].problem, strlen(rows[i].problem)) != 0 ||
            bench.refused != 1 || tc_sigma_count(bench.set) != 0)
            fail_msg("row %zu: %s\n%s", i, rows[i].yaml, bench.problems);
        bench_done(&bench);
    }
}

static void a_wrong_document_does_not_take_its_neighbours_with_it(void **state)
{
    struct bench bench;

    (void)state;
    bench_load(&bench, "title: bad\n" GOOD);
    assert_int_equal(bench.refused, 1);
    assert_string_equal(bench_event(&bench, "{\"a\":\"b\"}"), "good ");
    bench_done(&bench);
}

static void the_second_rule_of_an_id_is_refused(void **state)
{
    static const char yaml[] = "title: a\nid: x\nlogsource: {product: l}\n"
                               "detection: {s: {a: b}, condition: s}\n---\n"
                               "title: b\nid: x\nlogsource: {product: l}\n"
                               "detection: {s: {a: b}, condition: s}\n";
    struct bench bench;

    (void)state;
    bench_load(&bench, yaml);
    assert_string_equal(bench.problems, "t.yml:7:5: another rule has the id x\n");
    assert_string_equal(bench_event(&bench, "{\"a\":\"b\"}"), "a ");
    bench_done(&bench);
}

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Loads text that is put together at run time, and a good rule behind it. */
static void load_hostile(struct bench *bench, char *yaml, const char *problem)
{
    double start = now_s();

    bench_open(bench);
    bench_add(bench, yaml);
    bench_add(bench, GOOD);
    bench_ready(bench);
    free(yaml);
    if (problem && !strstr(bench->problems, problem))
        fail_msg("%s", bench->problems);
    assert_true(now_s() - start < 20);
    assert_non_null(strstr(bench_event(bench, "{\"a\":\"b\"}"), "good "));
}

/* Such a text, as it is put together. */
struct hostile {
    FILE *out;
    char *yaml;
    size_t len;
};

static FILE *hostile_open(struct hostile *h)
{
    h->out = open_memstream(&h->yaml, &h->len);
    assert_non_null(h->out);
    return h->out;
}

static void hostile_refused(struct hostile *h, const char *problem)
{
    struct bench bench;

    fclose(h->out);
    load_hostile(&bench, h->yaml, problem);
    bench_done(&bench);
}

static void an_alias_bomb_is_refused(void **state)
{
    struct hostile h;
    FILE *out = hostile_open(&h);

    (void)state;
    fprintf(out, "title: x\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 30; i++)
        fprintf(out, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1,
                i - 1, i - 1, i - 1);
    hostile_refused(&h, "with its aliases written out");
}

static void deep_nesting_is_refused(void **state)
{
    struct hostile h;
    FILE *out = hostile_open(&h);

    (void)state;
    for (int i = 0; i < 5000; i++)
        fputc('[', out);
    hostile_refused(&h, "deep");
    out = hostile_open(&h);
    fputs(HEAD "    s:\n        a: b\n    condition: ", out);
    for (int i = 0; i < 5000; i++)
        fputc('(', out);
    fputs("\n", out);
    hostile_refused(&h, "the condition is nested more than");
}

static void ten_thousand_selections_are_refused(void **state)
{
    struct hostile h;
    FILE *out = hostile_open(&h);

    (void)state;
    fputs(HEAD, out);
    for (int i = 0; i < 10000; i++)
        fprintf(out, "    s%d:\n        a: b\n", i);
    fputs("    condition: 1 of them\n", out);
    hostile_refused(&h, "more than 1024 keys");
}

static void too_many_values_and_too_long_ones_are_refused(void **state)
{
    struct hostile h;
    FILE *out = hostile_open(&h);

    (void)state;
    fputs(HEAD "    s:\n        a:\n", out);
    for (int i = 0; i < 25000; i++)
        fprintf(out, "            - v%d\n", i);
    fputs("    condition: s\n", out);
    hostile_refused(&h, "more than 20000 values");
    out = hostile_open(&h);
    fputs(HEAD "    s:\n        a: '", out);
    for (int i = 0; i < 1 << 20; i++)
        fputc('x', out);
    fputs("'\n    condition: s\n", out);
    hostile_refused(&h, "more than 64 KiB");
}

static void condition_that_asks_the_same_without_end_is_refused(void **state)
{
    struct hostile h;
    FILE *out = hostile_open(&h);

    (void)state;
    fputs(HEAD, out);
    for (int i = 0; i < 500; i++)
        fprintf(out, "    s%d: {a: v%d, b: v%d}\n", i, i, i);
    fputs("    condition: 1 of s*", out);
    for (int i = 0; i < 4000; i++)
        fputs(" and 1 of s*", out);
    fputs("\n", out);
    hostile_refused(&h, "with its selections written out");
}

static void windash_of_many_dashes_is_one_pattern(void **state)
{
    struct bench bench;

    (void)state;
    bench_detection(&bench, "    s:\n        a|windash|contains: "
                            "'-------------------------------- x'\n    condition: s");
    assert_int_equal(bench.reported, 0);
    assert_string_equal(
        bench_event(&bench, "{\"a\":\"-/-/-/-/-/-/-/-/-/-/-/-/-/-/-/-/ x\"}"), "r ");
    bench_done(&bench);
    bench_detection(&bench, "    s:\n        a|windash|base64: "
                            "'-------------------------------- x'\n    condition: s");
    assert_non_null(strstr(bench.problems, "more than 4096 values"));
    bench_done(&bench);
}

static void a_regex_that_explodes_is_no_match_and_counted(void **state)
{
    struct tc_sigma_counters counters;
    struct bench bench;
    double start;

    (void)state;
    bench_load(&bench, HEAD "    s:\n        a|re: '^(a+)+$'\n    condition: s\n" GOOD);
    start = now_s();
    assert_string_equal(
        bench_event(&bench,
                    "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"}"),
        "");
    assert_true(now_s() - start < 2);
    tc_sigma_counters(bench.scratch, &counters);
    assert_int_equal(counters.regex_limits, 1);
    assert_string_equal(bench_event(&bench, "{\"a\":\"b\"}"), "good ");
    bench_done(&bench);
}

/* An event whose field `a` is `len` times the letter a, then `end`; for free(). */
static char *long_event(size_t len, const char *end)
{
    char *event = calloc(1, len + strlen(end) + 16);

    assert_non_null(event);
    strcpy(event, "{\"a\":\"");
    memset(event + 6, 'a', len);
    strcpy(event + 6 + len, end);
    strcat(event, "\"}");
    return event;
}

static void a_regex_that_is_slow_at_every_place_is_bounded_by_time(void **state)
{
    char *event = long_event(1 << 20, "!");
    struct tc_sigma_counters counters;
    struct bench bench;
    double start;

    (void)state;
    bench_load(&bench,
               HEAD "    s:\n        a|re: '(?:a?){14}b'\n    condition: s\n" GOOD);
    start = now_s();
    assert_string_equal(bench_event(&bench, event), "");
    assert_true(now_s() - start < 5); /* without the bound it is a minute */
    tc_sigma_counters(bench.scratch, &counters);
    assert_int_equal(counters.regex_limits, 1);
    /* The next event has time of its own. */
    assert_string_equal(bench_event(&bench, "{\"a\":\"aab\"}"), "r ");
    free(event);
    bench_done(&bench);
}

static void a_regex_finds_what_stands_far_back_in_a_long_value(void **state)
{
    struct bench bench;
    char *event;

    (void)state;
    bench_load(&bench,
               HEAD "    s:\n        a|re: '(?<=a)\u00e4+b$'\n    condition: s\n");
    for (size_t len = 8190; len < 8194; len++) { /* around a boundary of its steps */
        event = long_event(len, "\u00e4\u00e4\u00e4b");
        assert_string_equal(bench_event(&bench, event), "r ");
        free(event);
    }
    bench_done(&bench);
    bench_load(&bench, HEAD "    s:\n        a|re: '^\\z|^a.*b$'\n    condition: s\n");
    event = long_event(20000, "b");
    assert_string_equal(bench_event(&bench, event), "r ");
    free(event);
    bench_done(&bench);
}

static void a_pattern_of_many_stars_is_bounded(void **state)
{
    char *event = calloc(1, 1 << 21), *yaml = NULL;
    struct tc_sigma_counters counters;
    struct bench bench;
    double start;
    size_t len;
    FILE *out = open_memstream(&yaml, &len);

    (void)state;
    fputs(HEAD "    s:\n        a: '", out);
    for (int i = 0; i < 20000; i++)
        fputs("*a?", out);
    fputs("b'\n    condition: s\n", out);
    fclose(out);
    load_hostile(&bench, yaml, NULL);
    assert_non_null(event);
    strcpy(event, "{\"a\":\"b");
    memset(event + 7, 'a', (1 << 20) - 1);
    strcpy(event + 7 + (1 << 20) - 1, "\"}");
    start = now_s();
    assert_string_equal(bench_event(&bench, event), "");
    assert_true(now_s() - start < 2);
    tc_sigma_counters(bench.scratch, &counters);
    free(event);
    bench_done(&bench);
}

static void a_rule_that_cannot_run_is_listed_with_the_reason(void **state)
{
    struct bench bench;

    (void)state;
    bench_load(&bench, HEAD "    s:\n        a|expand: '%nobody%'\n    condition: s\n");
    assert_int_equal(bench.refused, 0);
    assert_int_equal(bench.reported, 1);
    assert_int_equal(tc_sigma_count(bench.set), 1);
    assert_string_equal(tc_sigma_rule(bench.set, 0)->why_not,
                        "the placeholder %nobody% has no values here");
    assert_string_equal(bench_event(&bench, "{\"a\":\"%nobody%\"}"), "");
    bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_reported_with_file_line_and_column),
        cmocka_unit_test(a_wrong_document_does_not_take_its_neighbours_with_it),
        cmocka_unit_test(the_second_rule_of_an_id_is_refused),
        cmocka_unit_test(an_alias_bomb_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(ten_thousand_selections_are_refused),
        cmocka_unit_test(too_many_values_and_too_long_ones_are_refused),
        cmocka_unit_test(condition_that_asks_the_same_without_end_is_refused),
        cmocka_unit_test(windash_of_many_dashes_is_one_pattern),
        cmocka_unit_test(a_regex_that_explodes_is_no_match_and_counted),
        cmocka_unit_test(a_regex_that_is_slow_at_every_place_is_bounded_by_time),
        cmocka_unit_test(a_regex_finds_what_stands_far_back_in_a_long_value),
        cmocka_unit_test(a_pattern_of_many_stars_is_bounded),
        cmocka_unit_test(a_rule_that_cannot_run_is_listed_with_the_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
