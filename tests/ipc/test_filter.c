/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/filter.h, ipc/names.h and ipc/follow.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include <cmocka.h>

#include "ipc/filter.h"
#include "ipc/follow.h"
#include "ipc/names.h"

/* {name: "curl", pid: 70000, neg: -5, ok: true, half: 0.5, none: nil, list: [1, "cat"],
 *  raw: bin "a\0b", empty: "", took_ns: 1500000, seconds: 2, source: {ip: "::1"},
 *  severity: "medium", process: {path: "/usr/bin/curl", args: ["curl", "a,b c"],
 *  ancestors: [{name: "sh"}, {name: "init"}]}} */
static size_t put_sample(uint8_t *buf, size_t cap)
{
    struct tocsin_writer w;

    tocsin_writer_init(&w, buf, cap);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "name", "curl");
    tocsin_put_uint(&w, "pid", 70000);
    tocsin_put_int(&w, "neg", -5);
    tocsin_put_bool(&w, "ok", true);
    tocsin_put_double(&w, "half", 0.5);
    tocsin_put_nil(&w, "none");
    tocsin_begin_array(&w, "list");
    tocsin_put_uint(&w, NULL, 1);
    tocsin_put_str(&w, NULL, "cat");
    tocsin_end(&w);
    tocsin_put_bin(&w, "raw", "a\0b", 3);
    tocsin_put_str(&w, "empty", "");
    tocsin_put_uint(&w, "took_ns", 1500000);
    tocsin_put_uint(&w, "seconds", 2);
    tocsin_begin_map(&w, "source");
    tocsin_put_str(&w, "ip", "::1");
    tocsin_end(&w);
    tocsin_put_str(&w, "severity", "medium");
    tocsin_begin_map(&w, "process");
    tocsin_put_str(&w, "path", "/usr/bin/curl");
    tocsin_begin_array(&w, "args");
    tocsin_put_str(&w, NULL, "curl");
    tocsin_put_str(&w, NULL, "a,b c");
    tocsin_end(&w);
    tocsin_begin_array(&w, "ancestors");
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "name", "sh");
    tocsin_end(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "name", "init");
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    return w.len;
}

static bool matches(const char *text)
{
    struct tc_filter *filter = NULL;
    struct tc_filter_event event = {.topic = {"file.open", 9},
                                    .source = {"es", 2},
                                    .id = 12,
                                    .reply_to = 11,
                                    .time_ns = 1700000000000000000};
    uint8_t data[1024];
    char why[256];
    bool match;

    event.data = data;
    event.len = put_sample(data, sizeof(data));
    if (tc_filter_add(&filter, text, strlen(text), NULL, why))
        fail_msg("%s: %s", text, why);
    match = tc_filter_match(filter, &event);
    tc_filter_free(filter);
    return match;
}

static void expect_all(const char *const *texts, bool match)
{
    for (; *texts; texts++)
        if (matches(*texts) != match)
            fail_msg("%s %s", *texts, match ? "should match" : "should not match");
}

static void filter_compares_text_numbers_and_booleans_with_patterns(void **state)
{
    static const char *const yes[] = {
        "name=curl",
        "name=c*",
        "name=*",
        "name=c?rl",
        "name=[a-d]url",
        "name=\\curl",
        "name = curl",
        "name=\"curl\"",
        "pid=70000",
        "pid=7*",
        "pid=70k",
        "neg=-5",
        "ok=true",
        "half=0.5",
        "empty=",
        "empty=*",
        "empty=\"\"",
        "process.path=/usr/*",
        "process.path=*curl",
        "\"name\"=curl",
        "took_ns=1.5ms",
        "seconds=2s",
        NULL,
    };
    static const char *const no[] = {
        "name=cur",    "name=curly",
        "name=c?l",    "name=C*",
        "name=\"c*\"", "process.path=/usr",
        "process=*",   "process.path.more=*",
        "pid=7",       "ok=1",
        "none=*",      "raw=a*",
        "name=",       "missing=*",
        "took_ns=1ms", NULL,
    };

    (void)state;
    expect_all(yes, true);
    expect_all(no, false);
}

static void filter_compares_numbers_with_units_and_severities(void **state)
{
    static const char *const yes[] = {
        "took_ns>1ms",     "took_ns>=1.5ms",
        "took_ns<=1500us", "took_ns<2ms",
        "took_ns<1s",      "took_ns<1m",
        "took_ns>1M",      "took_ns>1Mi",
        "pid>=70k",        "pid<70001",
        "neg<0",           "neg>-6",
        "half<1",          "seconds>1999ms",
        "seconds<=2s",     "seconds<1h",
        "severity>=low",   "severity>=medium",
        "severity<high",   "list<2",
        "reply_to>10",     NULL,
    };
    static const char *const no[] = {
        "took_ns>1.5ms", "took_ns>1s", "took_ns<1ms",     "pid>70k",    "neg>0",
        "name>1",        "name>low",   "severity>medium", "severity>1", "missing>0",
        "missing<0",     "ok>0",       "seconds>2s",      NULL,
    };

    (void)state;
    expect_all(yes, true);
    expect_all(no, false);
}

static void filter_joins_terms_and_takes_lists(void **state)
{
    static const char *const yes[] = {
        "name=wget,curl",
        "name=wget, curl",
        "name!=wget",
        "name!=wget,cat",
        "missing!=x",
        "name=curl and pid=70000",
        "name=wget or pid=70000",
        "name=wget and pid=1 or ok=true",
        "ok=true or name=wget and pid=1",
        "name=curl  and  pid>1",
        NULL,
    };
    static const char *const no[] = {
        "name!=curl",
        "name!=wget,curl",
        "name!=c*",
        "name=curl and pid=1",
        "name=wget or pid=1",
        "ok=false or name=wget and pid=70000",
        "pid!=70k",
        "missing!=x and name=cat",
        NULL,
    };

    (void)state;
    expect_all(yes, true);
    expect_all(no, false);
}

static void filter_looks_into_lists(void **state)
{
    static const char *const yes[] = {
        "list=cat",
        "list=1",
        "process.args=curl",
        "process.args=\"a,b c\"",
        "process.args=a*",
        "process.ancestors.name=init",
        "process.ancestors.name=s*",
        "list!=dog",
        NULL,
    };
    static const char *const no[] = {
        "list=dog",
        "process.args=a",
        "process.ancestors.name=bash",
        "process.ancestors=init",
        "list!=cat",
        NULL,
    };

    (void)state;
    expect_all(yes, true);
    expect_all(no, false);
}

static void filter_knows_what_goes_with_an_event(void **state)
{
    static const char *const yes[] = {
        "topic=file.*",
        "topic=file.open,file.exec",
        "source=es",
        "source!=kext",
        "id=12",
        "reply_to=11",
        "source.ip=::1",
        "@timestamp>1",
        "id=12 or reply_to=12",
        NULL,
    };
    static const char *const no[] = {
        "topic=file.exec", "source=kext", "id=11", "reply_to=12", "source!=es", NULL,
    };

    (void)state;
    expect_all(yes, true);
    expect_all(no, false);
}

static void filter_ends_a_value_where_a_term_begins_or_is_asked_for_quotes(void **state)
{
    static const char *const yes[] = {
        "process.args=a\\,b c",
        "process.args=a\\,b c or name=x",
        "process.args=\"a,b c\" and name=curl",
        NULL,
    };

    (void)state;
    expect_all(yes, true);
}

static void filter_says_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "FIELD=VALUE"},
        {"name", "FIELD=VALUE"},
        {"name~x", "FIELD=VALUE"},
        {"name!x", "is missing before"},
        {"\"a\" x", "is missing before"},
        {"=x", "FIELD=VALUE"},
        {"name=x and", "FIELD=VALUE"},
        {"name=x or =", "FIELD=VALUE"},
        {"name=x pid=1", "`and` or `or` is missing"},
        {"name=\"x", "quote is not closed"},
        {"name=\"x\"y", "comma is missing"},
        {"\"\"=x", "a field has a name"},
        {"pid>x", "take a number"},
        {"pid>1q", "take a number"},
        {"pid>1,2", "take one value"},
        {"file.pth=x", "no field file.pth; did you mean file.path?"},
        {"process.parent.nam=x", "did you mean process.parent.name?"},
        {"decison=deny", "did you mean decision?"},
        {"args=x", "did you mean process.args?"},
        {"acme.score>1", "no field acme.score (one of a plugin's own stands in quotes)"},
    };
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *text = cases[i].text;
        struct tc_filter *filter = NULL;
        int r = tc_filter_add(&filter, text, strlen(text), &tc_names_fields, why);

        assert_int_equal(r, -EINVAL);
        if (!strstr(why, cases[i].says))
            fail_msg("%s: %s", text, why);
        tc_filter_free(filter);
    }
}

static void filter_takes_a_field_in_quotes_as_it_stands(void **state)
{
    static const char text[] = "\"acme.score\">1";
    struct tc_filter *filter = NULL;
    char why[256];

    (void)state;
    assert_int_equal(
        tc_filter_add(&filter, text, sizeof(text) - 1, &tc_names_fields, why), 0);
    tc_filter_free(filter);
}

static void filters_that_are_added_must_all_hold(void **state)
{
    static const char *const texts[] = {"name=wget or name=curl", "pid=1 or pid=2"};
    struct tc_filter_event event = {.id = 1};
    struct tc_filter *filter = NULL;
    uint8_t data[1024];
    char why[256];

    (void)state;
    event.data = data;
    event.len = put_sample(data, sizeof(data));
    assert_true(tc_filter_match(NULL, &event));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tc_filter_add(&filter, texts[i], strlen(texts[i]), NULL, why),
                         0);
        assert_int_equal(tc_filter_match(filter, &event), i == 0);
    }
    tc_filter_free(filter);
}

static void filter_refuses_more_than_it_holds(void **state)
{
    struct tc_filter *filter = NULL;
    char why[256], *text = calloc(1, TC_FILTER_BYTES_MAX + 2);

    (void)state;
    for (int i = 0; i < TC_FILTER_TERMS_MAX; i++)
        assert_int_equal(tc_filter_add(&filter, "k=v", 3, NULL, why), 0);
    assert_int_equal(tc_filter_add(&filter, "k=v", 3, NULL, why), -EINVAL);
    tc_filter_free(filter);
    filter = NULL;
    memset(text, ',', TC_FILTER_VALUES_MAX + 2);
    text[0] = 'k';
    text[1] = '=';
    assert_int_equal(tc_filter_add(&filter, text, strlen(text), NULL, why), -EINVAL);
    assert_non_null(strstr(why, "more values"));
    tc_filter_free(filter);
    filter = NULL;
    memset(text, 'k', TC_FILTER_BYTES_MAX + 1);
    assert_int_equal(tc_filter_add(&filter, text, strlen(text), NULL, why), -EINVAL);
    tc_filter_free(filter);
    free(text);
}

static void topics_that_nobody_knows_have_a_neighbour(void **state)
{
    static const struct {
        const char *topic, *says;
    } unknown[] = {
        {"verdict.finl", "; did you mean verdict.final?"},
        {"files.*", "; did you mean file.*?"},
        {"file.opened", "; did you mean file.open?"},
        {"nosuch.topic", ""},
    };
    char buf[128];

    (void)state;
    assert_true(tc_names_topic("*"));
    assert_true(tc_names_topic("file.*"));
    assert_true(tc_names_topic("verdict.final"));
    assert_true(tc_names_topic("rpc.av.scan"));
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        assert_false(tc_names_topic(unknown[i].topic));
        tc_names_suggest_topic(unknown[i].topic, buf, sizeof(buf));
        assert_string_equal(buf, unknown[i].says);
    }
}

/* ---- Following ---- */

/* {process: {pid, start, parent: {pid}}} */
static bool follows(struct tc_follow *follow, uint64_t pid, uint64_t start_ns,
                    uint64_t parent)
{
    struct tocsin_writer w;
    uint8_t buf[128];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "process");
    tocsin_put_uint(&w, "pid", pid);
    if (start_ns)
        tocsin_put_uint(&w, "start", start_ns);
    tocsin_begin_map(&w, "parent");
    tocsin_put_uint(&w, "pid", parent);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    return tc_follow_match(follow, w.buf, w.len);
}

static void children_are_followed_and_a_pid_used_again_is_not(void **state)
{
    struct tc_follow *follow = tc_follow_new();
    const uint64_t s = UINT64_C(1700000000000000000);

    (void)state;
    assert_int_equal(tc_follow_add(follow, 10, 0), 0);
    assert_false(follows(follow, 20, s, 1));
    assert_true(follows(follow, 10, s, 1));
    assert_true(follows(follow, 20, s + 1000000000, 10));
    assert_true(follows(follow, 30, s + 2000000000, 20));
    assert_true(follows(follow, 30, s + 2009000000, 1)); /* as another sensor has it */
    assert_true(follows(follow, 30, 0, 1));
    assert_false(follows(follow, 30, s + 5000000000, 1)); /* another process by now */
    assert_false(follows(follow, 40, s + 5000000000, 41));
    tc_follow_free(follow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filter_compares_text_numbers_and_booleans_with_patterns),
        cmocka_unit_test(filter_compares_numbers_with_units_and_severities),
        cmocka_unit_test(filter_joins_terms_and_takes_lists),
        cmocka_unit_test(filter_looks_into_lists),
        cmocka_unit_test(filter_knows_what_goes_with_an_event),
        cmocka_unit_test(filter_ends_a_value_where_a_term_begins_or_is_asked_for_quotes),
        cmocka_unit_test(filter_says_what_is_wrong),
        cmocka_unit_test(filter_takes_a_field_in_quotes_as_it_stands),
        cmocka_unit_test(filters_that_are_added_must_all_hold),
        cmocka_unit_test(filter_refuses_more_than_it_holds),
        cmocka_unit_test(topics_that_nobody_knows_have_a_neighbour),
        cmocka_unit_test(children_are_followed_and_a_pid_used_again_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
