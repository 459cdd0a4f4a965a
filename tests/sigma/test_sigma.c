/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the meaning of one rule on one event: every modifier, wildcards and escapes, all
 * forms of a selection, conditions. */
#include "test_sigma_util.h"

#define BASH "\"Image\":\"/bin/bash\""

struct row {
    const char *detection; /* of a rule; without a condition: `condition: s` */
    const char *event;
    bool matches;
};

static void check_rows(const struct row *rows, size_t count)
{
    char detection[4096];
    struct bench bench;

    for (size_t i = 0; i < count; i++) {
        snprintf(detection, sizeof(detection), "%s%s", rows[i].detection,
                 strstr(rows[i].detection, "condition:") ? "" : "\n    condition: s");
        bench_detection(&bench, detection);
        if (bench.reported)
            fail_msg("row %zu: %s\n%s", i, detection, bench.problems);
        if ((*bench_event(&bench, rows[i].event) != '\0') != rows[i].matches)
            fail_msg("row %zu: %s\n%s: %s", i, detection, rows[i].event,
                     rows[i].matches ? "no match" : "a match");
        bench_done(&bench);
    }
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof(*(rows)))
#define S(item) "    s:\n        " item

static void each_modifier_means_what_the_specification_says(void **state)
{
    static const struct row rows[] = {
        {S("a: b"), "{\"a\":\"B\"}", true},
        {S("a: b"), "{\"a\":\"bc\"}", false},
        {S("a: b"), "{\"A\":\"b\"}", false},
        {S("a|contains: ell"), "{\"a\":\"HELLO\"}", true},
        {S("a|contains: elo"), "{\"a\":\"HELLO\"}", false},
        {S("a|startswith: he"), "{\"a\":\"HELLO\"}", true},
        {S("a|startswith: el"), "{\"a\":\"HELLO\"}", false},
        {S("a|endswith: lo"), "{\"a\":\"HELLO\"}", true},
        {S("a|endswith: el"), "{\"a\":\"HELLO\"}", false},
        {S("a|contains|all: [x, y]"), "{\"a\":\"y x\"}", true},
        {S("a|contains|all: [x, y]"), "{\"a\":\"x\"}", false},
        {S("a|contains: [x, y]"), "{\"a\":\"y\"}", true},
        {S("a|cased: Ab"), "{\"a\":\"Ab\"}", true},
        {S("a|cased: Ab"), "{\"a\":\"ab\"}", false},
        {S("a|contains|cased: Ab"), "{\"a\":\"xAbx\"}", true},
        {S("a|contains|cased: Ab"), "{\"a\":\"xabx\"}", false},
        {S("a|re: b+c"), "{\"a\":\"xbbcx\"}", true},
        {S("a|re: ^b+c$"), "{\"a\":\"xbbcx\"}", false},
        {S("a|re: B"), "{\"a\":\"b\"}", false},
        {S("a|re|i: B"), "{\"a\":\"b\"}", true},
        {S("a|re|m: ^b$"), "{\"a\":\"a\\nb\"}", true},
        {S("a|re: ^b$"), "{\"a\":\"a\\nb\"}", false},
        {S("a|re|s: a.b"), "{\"a\":\"a\\nb\"}", true},
        {S("a|re: a.b"), "{\"a\":\"a\\nb\"}", false},
        {S("a|re|i|s: A.B"), "{\"a\":\"a\\nb\"}", true},
        {S("a|re: ^\\S\\W$"), "{\"a\":\"\xc3\xa9\xe6\x97\xa5\"}", true},
        {S("a|cidr: 10.0.0.0/8"), "{\"a\":\"10.200.3.4\"}", true},
        {S("a|cidr: 10.0.0.0/8"), "{\"a\":\"11.0.0.1\"}", false},
        {S("a|cidr: 10.0.0.0/8"), "{\"a\":\"10.x\"}", false},
        {S("a|cidr: 10.0.0.0/8"), "{\"a\":\"::ffff:10.1.2.3\"}", true},
        {S("a|cidr: 10.0.0.0/8"), "{\"a\":\"::FFFF:0A01:0203\"}", true},
        {S("a|cidr: 10.0.0.0/8"), "{\"a\":\"::ffff:11.0.0.1\"}", false},
        {S("a|cidr: '::ffff:10.0.0.0/104'"), "{\"a\":\"10.1.2.3\"}", true},
        {S("a|cidr: '::ffff:10.0.0.0/104'"), "{\"a\":\"::ffff:11.1.2.3\"}", false},
        {S("a|cidr: 'fe80::/10'"), "{\"a\":\"fe80::1%eth0\"}", true},
        {S("a|cidr: 'fe80::/10'"), "{\"a\":\"fe80::1%\"}", false},
        {S("a|cidr: 10.0.0.0/8"), "{\"a\":\"10.1.2.3%eth0\"}", false},
        {S("a.b: c"), "{\"a\":[{\"b\":\"x\"},{\"b\":\"c\"}]}", true},
        {S("a.b: c"), "{\"a\":[{\"b\":\"x\"},{\"d\":\"c\"},\"c\"]}", false},
        {S("a.b.c|gte: 5"), "{\"a\":[{\"b\":[{\"c\":1},{\"c\":[2,5]}]}]}", true},
        {S("a.b|exists: true"), "{\"a\":[{\"b\":null}]}", true},
        {S("a.b|exists: true"), "{\"a\":[{\"c\":1}]}", false},
        {S("a|cidr: 192.168.4.0/22"), "{\"a\":\"192.168.7.255\"}", true},
        {S("a|cidr: 192.168.4.0/22"), "{\"a\":\"192.168.8.0\"}", false},
        {S("a|cidr: 0.0.0.0/0"), "{\"a\":\"1.2.3.4\"}", true},
        {S("a|cidr: 'fe80::/10'"), "{\"a\":\"febf::1\"}", true},
        {S("a|cidr: 'fe80::/10'"), "{\"a\":\"fec0::1\"}", false},
        {S("a|cidr: '::1/128'"), "{\"a\":\"0:0::1\"}", true},
        {S("a|base64: foo"), "{\"a\":\"Zm9v\"}", true},
        {S("a|base64|contains: 'foo\\*'"), "{\"a\":\"x Zm9vKg== x\"}", true},
        {S("a|base64offset|contains: foobar"), "{\"a\":\"Zm9vYmFy\"}", true},
        {S("a|base64offset|contains: foobar"), "{\"a\":\"eGZvb2Jhcg==\"}", true},
        {S("a|base64offset|contains: foobar"), "{\"a\":\"eHhmb29iYXI=\"}", true},
        {S("a|base64offset|contains: foobar"), "{\"a\":\"eHhmb29iYg==\"}", false},
        {S("a|wide|base64offset|contains: cmd"), "{\"a\":\"YwBtAGQA\"}", true},
        {S("a|utf16le|base64: cmd"), "{\"a\":\"YwBtAGQA\"}", true},
        {S("a|utf16be|base64: cmd"), "{\"a\":\"AGMAbQBk\"}", true},
        {S("a|utf16|base64: cmd"), "{\"a\":\"//5jAG0AZAA=\"}", true},
        {S("a|wide: ab"), "{\"a\":\"A\\u0000b\\u0000\"}", true},
        {S("a|windash|contains: ' -a'"), "{\"a\":\"x /a\"}", true},
        {S("a|windash|contains: ' /a'"), "{\"a\":\"x -a\"}", true},
        {S("a|windash|contains: ' -a'"), "{\"a\":\"x \u2013a\"}", true},
        {S("a|windash|contains: ' -a'"), "{\"a\":\"x \u2014a\"}", true},
        {S("a|windash|contains: ' \u2015a'"), "{\"a\":\"x -a\"}", true},
        {S("a|windash|contains: ' -a -b'"), "{\"a\":\"x /a \u2013b\"}", true},
        {S("a|windash|contains: ' -a'"), "{\"a\":\"x +a\"}", false},
        {S("a|windash|base64: -a"), "{\"a\":\"L2E=\"}", true},
        {S("a|exists: true"), "{\"a\":[]}", true},
        {S("a|exists: false"), "{\"a\":[]}", false},
        {S("a: null"), "{\"a\":[]}", true},
        {S("a|contains|all: x"), "{\"a\":\"axb\"}", true},
        {S("a|contains|all: [x]"), "{\"a\":\"ab\"}", false},
        {S("a|exists: true"), "{\"a\":null}", true},
        {S("a|exists: true"), "{\"b\":1}", false},
        {S("a|exists: false"), "{\"b\":1}", true},
        {S("a|exists: false"), "{\"a\":\"\"}", false},
        {S("a|fieldref: b"), "{\"a\":\"X\",\"b\":\"x\"}", true},
        {S("a|fieldref: b"), "{\"a\":\"x\",\"b\":\"y\"}", false},
        {S("a|fieldref: b"), "{\"a\":\"x\"}", false},
        {S("a|fieldref: b"), "{\"a\":5,\"b\":\"5\"}", true},
        {S("a|fieldref|startswith: b"), "{\"a\":\"xyz\",\"b\":\"xy\"}", true},
        {S("a|fieldref|startswith: b"), "{\"a\":\"xyz\",\"b\":\"yz\"}", false},
        {S("a|fieldref|endswith: b"), "{\"a\":\"xyz\",\"b\":\"yz\"}", true},
        {S("a|fieldref|contains: b"), "{\"a\":\"xyz\",\"b\":\"y\"}", true},
        {S("a|fieldref|neq: b"), "{\"a\":\"x\",\"b\":\"y\"}", true},
        {S("a|fieldref|neq: b"), "{\"a\":\"x\",\"b\":\"x\"}", false},
        {S("a|fieldref|cased: b"), "{\"a\":\"X\",\"b\":\"x\"}", false},
        {S("a|gt: 5"), "{\"a\":6}", true},
        {S("a|gt: 5"), "{\"a\":5}", false},
        {S("a|gte: 5"), "{\"a\":\"5\"}", true},
        {S("a|lt: 5"), "{\"a\":4.5}", true},
        {S("a|lt: 5"), "{\"a\":\"x\"}", false},
        {S("a|lte: 5"), "{\"a\":5.1}", false},
        /* A double does not distinguish these. */
        {S("a|gt: 9007199254740992"), "{\"a\":9007199254740993}", true},
        {S("a|gt: 9007199254740993"), "{\"a\":\"9007199254740993\"}", false},
        {S("a|lt: -9007199254740992"), "{\"a\":-9007199254740993}", true},
        {S("a|lt: 18446744073709551615"), "{\"a\":18446744073709551614}", true},
        {S("a|gt: 4503599627370494.5"), "{\"a\":4503599627370495}", true},
        {S("a|neq: 5"), "{\"a\":6}", true},
        {S("a|neq: 5"), "{\"a\":\"5\"}", false},
        {S("a|neq: [x, y]"), "{\"a\":\"Y\"}", false},
        {S("a|neq: [x, y]"), "{\"a\":\"z\"}", true},
        {S("a|expand: '%Servers%'"), "{\"a\":\"srv-7\"}", true},
        {S("a|expand: '%Servers%'"), "{\"a\":\"DB01\"}", true},
        {S("a|expand: '%Servers%'"), "{\"a\":\"%Servers%\"}", false},
        {S("a|expand: 'x-%Servers%.net'"), "{\"a\":\"x-db01.net\"}", true},
        {S("a|expand: '\\%Servers%'"), "{\"a\":\"%Servers%\"}", true},
        {S("a: '%Servers%'"), "{\"a\":\"%Servers%\"}", true},
        {S("a|minute: 3"), "{\"a\":\"2026-03-01T14:03:07\"}", true},
        {S("a|hour: 14"), "{\"a\":\"2026-03-01 14:03:07\"}", true},
        {S("a|hour|gte: 20"), "{\"a\":\"2026-03-01 14:03:07\"}", false},
        {S("a|hour|lt: 20"), "{\"a\":\"2026-03-01 14:03\"}", true},
        {S("a|day: [2, 1]"), "{\"a\":\"2026-03-01\"}", true},
        {S("a|week: 9"), "{\"a\":\"2026-03-01\"}", true},
        {S("a|month: 3"), "{\"a\":\"2026-03-01\"}", true},
        {S("a|year: 2025"), "{\"a\":\"2026-03-01\"}", false},
        {S("a|year: 2026"), "{\"a\":\"yesterday\"}", false},
    };

    (void)state;
    CHECK(rows);
}

static void wildcards_and_backslashes_are_as_in_the_specifications_table(void **state)
{
    static const struct row rows[] = {
        {S("a: 'prog?.exe'"), "{\"a\":\"progA.exe\"}", true},
        {S("a: 'prog?.exe'"), "{\"a\":\"prog.exe\"}", false},
        {S("a: 'prog?.exe'"), "{\"a\":\"prog\u00e4.exe\"}", true},
        {S("a: 'v*.exe'"), "{\"a\":\"V1.2.exe\"}", true},
        {S("a: 'v*.exe'"), "{\"a\":\"v.exe.bak\"}", false},
        {S("a: '*'"), "{\"a\":\"\"}", true},
        {S("a: '*'"), "{\"a\":null}", false},
        {S("a: '?*'"), "{\"a\":\"\"}", false},
        {S("a: 'x*y*z'"), "{\"a\":\"x-yy-z\"}", true},
        {S("a: 'x*y*z'"), "{\"a\":\"x-z-y\"}", false},
        {S("a: 'a\\b'"), "{\"a\":\"a\\\\b\"}", true},
        {S("a: 'a\\\\b'"), "{\"a\":\"a\\\\b\"}", true},
        {S("a: 'a\\*b'"), "{\"a\":\"a*b\"}", true},
        {S("a: 'a\\*b'"), "{\"a\":\"axb\"}", false},
        {S("a: 'a\\?'"), "{\"a\":\"a?\"}", true},
        {S("a: 'a\\\\*b'"), "{\"a\":\"a\\\\xxb\"}", true},
        {S("a: 'a\\\\*b'"), "{\"a\":\"axxb\"}", false},
        {S("a: 'a\\\\\\*b'"), "{\"a\":\"a\\\\*b\"}", true},
        {S("a: 'a\\\\\\*b'"), "{\"a\":\"a\\\\xb\"}", false},
        {S("a: '\\\\\\\\x'"), "{\"a\":\"\\\\\\\\x\"}", true},
        {S("a: '\\\\\\x'"), "{\"a\":\"\\\\\\\\x\"}", true},
        {S("a: 'x\\'"), "{\"a\":\"x\\\\\"}", true},
        {S("a|contains: '%s*%s'"), "{\"a\":\"1 %s 2 %s 3\"}", true},
        {S("a: '\u00c4\u03a3'"), "{\"a\":\"\u00e4\u03c3\"}", true},
    };

    (void)state;
    CHECK(rows);
}

static void quotes_in_single_quotes_are_read_as_yaml_has_them(void **state)
{
    static const struct row rows[] = {
        {S("a: 'x''y'"), "{\"a\":\"x'y\"}", true},
        {S("a: 'x''''y'"), "{\"a\":\"x''y\"}", true},
        {S("a: '''''&'"), "{\"a\":\"''&\"}", true},
        {S("a: 'x''''''y''z'"), "{\"a\":\"x'''y'z\"}", true},
        {S("a: 'x''''\n          y  \n\n          z'"), "{\"a\":\"x'' y\\nz\"}", true},
        {S("'a''''b': c"), "{\"a''b\":\"c\"}", true},
    };

    (void)state;
    CHECK(rows);
}

static void selections_are_maps_lists_and_keywords(void **state)
{
    static const struct row rows[] = {
        {S("a: x\n        b: y"), "{\"a\":\"x\",\"b\":\"y\"}", true},
        {S("a: x\n        b: y"), "{\"a\":\"x\"}", false},
        {S("- a: x\n        - b: y"), "{\"b\":\"y\"}", true},
        {S("- a: x\n        - b: y"), "{\"b\":\"x\"}", false},
        {S("- evil\n        - worse"), "{\"q\":{\"w\":[\"so EVIL!\"]}}", true},
        {S("- evil\n        - worse"), "{\"evil\":\"x\"}", false},
        {S("- 4711"), "{\"q\":4711}", true},
        {S("- evil\n        - a: x"), "{\"a\":\"x\"}", true},
        {S("'|all':\n          - one\n          - two"), "{\"a\":\"one\",\"b\":\"two\"}",
         true},
        {S("'|all':\n          - one\n          - two"), "{\"a\":\"one\"}", false},
        {S("'|re': 'e.il'"), "{\"a\":\"evil\"}", true},
        {S("- 'e*l'"), "{\"a\":\"an evil thing\"}", true},
        {S("a: null"), "{\"b\":1}", true},
        {S("a: null"), "{\"a\":null}", true},
        {S("a: null"), "{\"a\":\"\"}", false},
        {S("a:"), "{\"b\":1}", true},
        {S("a: ''"), "{\"a\":\"\"}", true},
        {S("a: ''"), "{\"b\":1}", false},
        {S("a: ''"), "{\"a\":null}", false},
        {S("a: true"), "{\"a\":true}", true},
        {S("a: 'true'"), "{\"a\":true}", true},
        {S("a: 0x17"), "{\"a\":23}", true},
        {S("a: '0x17'"), "{\"a\":23}", false},
        {S("a: x"), "{\"a\":[\"z\",\"x\"]}", true},
        {S("a.b: x"), "{\"a\":{\"b\":\"x\"}}", true},
        {S("a.b: x"), "{\"a.b\":\"x\"}", true},
        {S("a.b.c: x"), "{\"a\":{\"b.c\":\"x\"}}", true},
    };

    (void)state;
    CHECK(rows);
}

#define ABC                                                                              \
    "    a:\n        f: a\n    b:\n        g: b\n    c:\n        h: c\n    condition: "

static void conditions_bind_as_the_specification_says(void **state)
{
    static const struct row rows[] = {
        {ABC "a or b and c", "{\"f\":\"a\"}", true},
        {ABC "(a or b) and c", "{\"f\":\"a\"}", false},
        {ABC "not a and b", "{\"g\":\"b\"}", true},
        {ABC "not (a and b)", "{\"f\":\"a\"}", true},
        {ABC "not not a", "{\"f\":\"a\"}", true},
        {ABC "a AND NOT b", "{\"f\":\"a\"}", true},
        {ABC "1 of them", "{\"h\":\"c\"}", true},
        {ABC "all of them", "{\"h\":\"c\"}", false},
        {ABC "all of them", "{\"f\":\"a\",\"g\":\"b\",\"h\":\"c\"}", true},
        {ABC "not 1 of them", "{}", true},
        {ABC "any of them", "{\"h\":\"c\"}", true},
        /* A rule whose filters were taken out. */
        {ABC "a and not 1 of filter_*", "{\"f\":\"a\"}", true},
        {ABC "a and not 1 of filter_*", "{\"g\":\"b\"}", false},
        {ABC "[a, b]", "{\"g\":\"b\"}", true},
        {ABC "[a, b]", "{\"h\":\"c\"}", false},
        {ABC "\n        a\n        or b", "{\"g\":\"b\"}", true},
        {"    _x:\n        f: a\n    y:\n        g: b\n    condition: all of them",
         "{\"g\":\"b\"}", true},
        {"    s_1:\n        f: a\n    s_2:\n        g: b\n    t:\n        h: c\n"
         "    condition: all of s_*",
         "{\"f\":\"a\",\"g\":\"b\"}", true},
        {"    xs1:\n        f: a\n    t:\n        h: c\n    condition: 1 of *s1",
         "{\"f\":\"a\"}", true},
        {"    and_x:\n        f: a\n    condition: and_x", "{\"f\":\"a\"}", true},
    };

    (void)state;
    CHECK(rows);
}

static void match_reports_the_values_that_matched(void **state)
{
    struct bench bench;

    (void)state;
    bench_detection(&bench, "    s:\n        Image|endswith: /bash\n        a:\n"
                            "            - x\n            - y\n"
                            "    k:\n        - word\n    f:\n        q: z\n"
                            "    condition: s and k and not f");
    assert_string_equal(bench_event(&bench, "{" BASH ",\"a\":\"Y\",\"z\":\"a word\"}"),
                        "r ");
    assert_string_equal(bench.fields, "Image=/bin/bash;a=Y;=a word;");
    bench_done(&bench);
}

static void log_source_limits_the_rules_where_both_give_it(void **state)
{
    static const char rule[] = "title: r\nlogsource:\n    category: process_creation\n"
                               "    product: linux\ndetection:\n    s:\n        a: b\n"
                               "    condition: s\n";
    struct bench bench;

    (void)state;
    bench_load(&bench, rule);
    assert_string_equal(bench_event(&bench, "{\"a\":\"b\"}"), "r ");
    assert_string_equal(
        bench_event(&bench, "{\"a\":\"b\",\"logsource\":{\"product\":\"Linux\"}}"), "r ");
    assert_string_equal(
        bench_event(&bench, "{\"a\":\"b\",\"logsource\":{\"product\":\"macos\"}}"), "");
    assert_string_equal(
        bench_event(&bench, "{\"a\":\"b\",\"logsource\":{\"category\":\"file_event\"}}"),
        "");
    assert_string_equal(
        bench_event(&bench, "{\"a\":\"b\",\"logsource\":{\"service\":\"auditd\"}}"),
        "r ");
    bench_done(&bench);
}

static void rules_of_several_log_sources_share_what_they_look_for(void **state)
{
    /* The same text is a key of one rule, and beside a longer one in the other. */
    static const char rules[] =
        "title: l\nlogsource:\n    product: linux\n    category: c\ndetection:\n  "
        "  s:\n        a|contains: "
        "sh\n    condition: s\n---\n"
        "title: w\nlogsource:\n    product: "
        "windows\ndetection:\n    s:\n        a|contains|all: "
        "[sh, powershell]\n    condition: s\n---\n"
        "title: s\nlogsource:\n    product: linux\n    service: "
        "sshd\ndetection:\n    k: [sh]\n"
        "    condition: k\n";
    struct bench bench;

    (void)state;
    bench_load(&bench, rules);
    assert_string_equal(bench_event(&bench, "{\"a\":\"powershell\"}"), "l w s ");
    assert_string_equal(
        bench_event(&bench,
                    "{\"a\":\"powershell\",\"logsource\":{\"product\":\"linux\"}}"),
        "l s ");
    assert_string_equal(
        bench_event(&bench,
                    "{\"a\":\"powershell\",\"logsource\":{\"product\":\"windows\"}}"),
        "w ");
    assert_string_equal(
        bench_event(&bench, "{\"a\":\"sh\",\"logsource\":{\"product\":\"windows\"}}"),
        "");
    bench_done(&bench);
}

static void rule_is_not_looked_at_for_what_many_rules_ask(void **state)
{
    struct tc_sigma_counters counters;
    struct bench bench;
    char rule[256];

    (void)state;
    bench_open(&bench);
    for (char name = 'a'; name < 'i'; name++) {
        snprintf(rule, sizeof(rule),
                 "title: %c\nlogsource:\n    product: linux\ndetection:\n    s:\n"
                 "        type: EXECVE\n        a0: %c\n    condition: s\n",
                 name, name);
        bench_add(&bench, rule);
    }
    bench_ready(&bench);
    assert_string_equal(bench_event(&bench, "{\"type\":\"EXECVE\",\"a0\":\"ls\"}"), "");
    tc_sigma_counters(bench.scratch, &counters);
    assert_int_equal(counters.looked_at, 0);
    assert_string_equal(bench_event(&bench, "{\"type\":\"EXECVE\",\"a0\":\"c\"}"), "c ");
    tc_sigma_counters(bench.scratch, &counters);
    assert_int_equal(counters.looked_at, 1);
    bench_done(&bench);
}

static void regress_what_is_a_key_of_other_log_sources_is_still_looked_for(void **state)
{
    struct bench bench;

    (void)state;
    bench_load(&bench,
               "title: p\nlogsource: {category: process_creation}\n"
               "detection:\n    s:\n        Image|endswith: /shell\n    condition: s\n"
               "---\ntitle: f\nlogsource: {category: file_event}\n"
               "detection:\n    s:\n        TargetFilename|startswith: /etc/cron.d/\n"
               "        Image|endswith: /shell\n    condition: s\n"
               "---\ntitle: n\nlogsource: {category: file_event}\n"
               "detection:\n    s:\n        TargetFilename|startswith: /etc/cron.d/\n"
               "    own:\n        Image|endswith: [/shell, /crontab]\n"
               "    condition: s and not own\n");
    assert_string_equal(
        bench_event(&bench, "{\"topic\":\"file.created\",\"event\":{\"file\":{\"path\":"
                            "\"/etc/cron.d/x\"},\"process\":{\"executable\":"
                            "\"/bin/shell\"}}}"),
        "f ");
    assert_string_equal(
        bench_event(&bench, "{\"topic\":\"file.created\",\"event\":{\"file\":{\"path\":"
                            "\"/etc/cron.d/x\"},\"process\":{\"executable\":"
                            "\"/bin/cp\"}}}"),
        "n ");
    bench_done(&bench);
}

static void our_own_events_are_known_by_sigmas_names(void **state)
{
    struct bench bench;

    (void)state;
    bench_load(&bench,
               "title: r\nlogsource: {product: linux, category: process_creation}\n"
               "detection:\n    s:\n        Image|endswith: /awk\n"
               "        CommandLine|contains: system\n"
               "    condition: s\n");
    /* The kernel's path, and the one that was asked for: either will do. */
    assert_string_equal(
        bench_event(&bench,
                    "{\"topic\":\"process.started\",\"source\":\"trace\",\"id\":7,"
                    "\"event\":{\"process\":{\"executable\":\"/usr/bin/mawk\","
                    "\"exec_path\":\"/usr/bin/awk\","
                    "\"command_line\":\"awk BEGIN{system(1)}\"}}}"),
        "r ");
    assert_string_equal(bench.fields,
                        "Image=/usr/bin/awk;CommandLine=awk BEGIN{system(1)};");
    bench_done(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_modifier_means_what_the_specification_says),
        cmocka_unit_test(wildcards_and_backslashes_are_as_in_the_specifications_table),
        cmocka_unit_test(quotes_in_single_quotes_are_read_as_yaml_has_them),
        cmocka_unit_test(selections_are_maps_lists_and_keywords),
        cmocka_unit_test(conditions_bind_as_the_specification_says),
        cmocka_unit_test(match_reports_the_values_that_matched),
        cmocka_unit_test(log_source_limits_the_rules_where_both_give_it),
        cmocka_unit_test(rules_of_several_log_sources_share_what_they_look_for),
        cmocka_unit_test(rule_is_not_looked_at_for_what_many_rules_ask),
        cmocka_unit_test(regress_what_is_a_key_of_other_log_sources_is_still_looked_for),
        cmocka_unit_test(our_own_events_are_known_by_sigmas_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
