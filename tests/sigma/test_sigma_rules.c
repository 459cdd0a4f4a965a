/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: real rules, read from ../shared/data: that all load, and that each of the
 * regression set matches one of its recorded events; and the traps met in them. */
#include <dirent.h>
#include <unistd.h>

#include "test_sigma_util.h"

#define DATA TEST_SOURCE_DIR "/../shared/data/sigma/"
#define FILE_MAX (1 << 20)

static void need_data(void)
{
    if (access(DATA "linux", R_OK) == 0)
        return;
    print_message("skipped: there are no rules at " DATA "\n");
    skip();
}

static void every_linux_and_macos_rule_loads(void **state)
{
    struct bench bench;

    (void)state;
    need_data();
    bench_open(&bench);
    assert_int_equal(tc_sigma_loader_add(bench.loader, DATA "linux"), 0);
    assert_int_equal(tc_sigma_loader_add(bench.loader, DATA "macos"), 0);
    bench_ready(&bench);
    assert_string_equal(bench.problems, "");
    assert_int_equal(tc_sigma_count(bench.set), 228 + 75);
    for (size_t i = 0; i < tc_sigma_count(bench.set); i++) {
        const struct tc_sigma_rule *rule = tc_sigma_rule(bench.set, i);

        assert_non_null(rule->id);
        assert_non_null(rule->author);
        assert_non_null(rule->product);
        assert_null(rule->why_not);
    }
    bench_done(&bench);
}

/* ---- The regression set: a Windows event, flattened as its README says ---- */

static void put(json_object *to, const char *name, json_object *value)
{
    char flat[256];
    size_t n = 0;

    for (; *name && n < sizeof(flat) - 1; name++)
        if (*name != ' ')
            flat[n++] = *name;
    flat[n] = '\0';
    json_object_object_add(to, flat, json_object_get(value));
}

static void put_system(json_object *to, json_object *system)
{
    char name[256];

    json_object_object_foreach(system, key, value)
    {
        json_object *attributes;

        if (!json_object_object_get_ex(value, "#attributes", &attributes)) {
            put(to, key, value);
            continue;
        }
        json_object_object_foreach(attributes, attribute, of)
        {
            snprintf(name, sizeof(name), "%s_%s", key, attribute);
            put(to, name, of);
        }
    }
}

static void put_data(json_object *to, json_object *data)
{
    json_object_object_foreach(data, key, value)
    {
        if (!strcmp(key, "#attributes"))
            continue;
        if (json_object_is_type(value, json_type_object))
            put_data(to, value);
        else
            put(to, key, value);
    }
}

static json_object *flatten(json_object *recorded)
{
    json_object *flat = json_object_new_object(), *event, *part;

    assert_true(json_object_object_get_ex(recorded, "Event", &event));
    if (json_object_object_get_ex(event, "System", &part))
        put_system(flat, part);
    if (json_object_object_get_ex(event, "EventData", &part) && part)
        put_data(flat, part);
    if (json_object_object_get_ex(event, "UserData", &part) && part)
        put_data(flat, part);
    return flat;
}

/* Whether one of the recorded events, one object after another, matches. */
static bool one_matches(struct bench *bench, const char *folder)
{
    char path[512], *text = calloc(1, FILE_MAX);
    json_tokener *tokener = json_tokener_new();
    json_object *recorded, *flat;
    bool matches = false;
    size_t len, at = 0;
    FILE *file;

    snprintf(path, sizeof(path), DATA "regression/%s/event.json", folder);
    file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(text);
    len = fread(text, 1, FILE_MAX - 1, file);
    fclose(file);
    while (at < len && strchr(text + at, '{')) {
        recorded = json_tokener_parse_ex(tokener, text + at, (int)(len - at));
        assert_non_null(recorded);
        at += json_tokener_get_parse_end(tokener);
        flat = flatten(recorded);
        matches |= *bench_event(bench, json_object_to_json_string(flat)) != '\0';
        json_object_put(flat);
        json_object_put(recorded);
        json_tokener_reset(tokener);
    }
    json_tokener_free(tokener);
    free(text);
    return matches;
}

static void every_rule_of_the_regression_set_matches_its_event(void **state)
{
    struct dirent **folders;
    unsigned rules = 0;
    struct bench bench;
    char path[512];
    int count;

    (void)state;
    need_data();
    count = scandir(DATA "regression", &folders, NULL, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        if (folders[i]->d_name[0] != '.') {
            snprintf(path, sizeof(path), DATA "regression/%s/rule.yml",
                     folders[i]->d_name);
            bench_open(&bench);
            assert_int_equal(tc_sigma_loader_add(bench.loader, path), 0);
            bench_ready(&bench);
            assert_string_equal(bench.problems, "");
            if (!one_matches(&bench, folders[i]->d_name))
                fail_msg("%s does not match its event", folders[i]->d_name);
            bench_done(&bench);
            rules++;
        }
        free(folders[i]);
    }
    free(folders);
    assert_int_equal(rules, 202);
}

/* ---- Traps ---- */

static void check(const char *detection, const char *event, const char *expected)
{
    struct bench bench;

    bench_detection(&bench, detection);
    assert_string_equal(bench.problems, "");
    if (strcmp(bench_event(&bench, event), expected) != 0)
        fail_msg("%s\n%s", detection, event);
    bench_done(&bench);
}

static void trap_1_backslash_before_a_letter_is_literal(void **state)
{
    static const char rule[] =
        "    s:\n        Image|endswith: '\\node'\n    condition: s";

    (void)state;
    check(rule, "{\"Image\":\"/usr/bin/node\"}", "");
    check(rule, "{\"Image\":\"C:\\\\bin\\\\node\"}", "r ");
}

static void trap_2_names_hold_dots_and_pipes(void **state)
{
    static const char rule[] =
        "    selection:\n        a: x\n    selection_b:\n        b: x\n"
        "    filter_main_mdadm.conf:\n        c: x\n"
        "    select_tree|endswith:\n        d: x\n"
        "    condition: all of selection* and not 1 of filter_main_* "
        "or select_tree|endswith";

    (void)state;
    check(rule, "{\"a\":\"x\",\"b\":\"x\"}", "r ");
    check(rule, "{\"b\":\"x\"}", "");
    check(rule, "{\"a\":\"x\",\"b\":\"x\",\"c\":\"x\"}", "");
    check(rule, "{\"d\":\"x\"}", "r ");
}

static void trap_3_regexes_are_perls_and_know_case(void **state)
{
    static const char rule[] =
        "    s:\n        a|re: '(?:^|\\s)[A-Z]{200,}'\n    condition: s";
    char event[512], run[201];

    (void)state;
    memset(run, 'Q', 200);
    run[200] = '\0';
    snprintf(event, sizeof(event), "{\"a\":\"x %s\"}", run);
    check(rule, event, "r ");
    snprintf(event, sizeof(event), "{\"a\":\"x%s\"}", run);
    check(rule, event, "");
    memset(run, 'q', 200);
    snprintf(event, sizeof(event), "{\"a\":\"x %s\"}", run);
    check(rule, event, "");
    check("    s:\n        a|re: '(?i)ABC'\n    condition: s", "{\"a\":\"xabcx\"}", "r ");
}

static void trap_4_blanks_count_and_two_keys_for_a_field_are_both_needed(void **state)
{
    static const char rule[] = "    s:\n        a|contains|all:\n            - ' -x '\n"
                               "            - y\n        a|re: 'z$'\n    condition: s";

    (void)state;
    check(rule, "{\"a\":\"y -x z\"}", "r ");
    check(rule, "{\"a\":\"y -xz\"}", "");
    check(rule, "{\"a\":\"y -x w\"}", "");
}

static void trap_5_numbers_compare_with_text(void **state)
{
    static const char number[] = "    s:\n        a: 5\n    condition: s";
    static const char text[] = "    s:\n        a: '5'\n    condition: s";
    static const char truth[] = "    s:\n        Initiated: 'true'\n    condition: s";

    (void)state;
    check(number, "{\"a\":5}", "r ");
    check(number, "{\"a\":\"5\"}", "r ");
    check(text, "{\"a\":5}", "r ");
    check(text, "{\"a\":55}", "");
    check(truth, "{\"Initiated\":true}", "r ");
    check(truth, "{\"Initiated\":\"true\"}", "r ");
}

static void trap_6_a_thousand_values_are_one_pass(void **state)
{
    char detection[UTIL_TEXT_MAX], event[64];
    struct tc_sigma_counters counters;
    struct bench bench;
    int len = 0;

    (void)state;
    len += snprintf(detection, sizeof(detection), "    s:\n        a|endswith:\n");
    for (int i = 0; i < 1093; i++)
        len += snprintf(detection + len, sizeof(detection) - (size_t)len,
                        "            - '.domain-%d.example'\n", i);
    snprintf(detection + len, sizeof(detection) - (size_t)len, "    condition: s");
    bench_detection(&bench, detection);
    snprintf(event, sizeof(event), "{\"a\":\"www.domain-%d.example\"}", 1092);
    assert_string_equal(bench_event(&bench, event), "r ");
    assert_string_equal(bench_event(&bench, "{\"a\":\"www.domain-1093.example\"}"), "");
    tc_sigma_counters(bench.scratch, &counters);
    assert_int_equal(counters.looked_at, 1);
    bench_done(&bench);
}

static void trap_7_a_source_of_only_a_product_is_kept(void **state)
{
    struct bench bench;

    (void)state;
    bench_detection(&bench, "    s:\n        - evil\n    condition: s");
    assert_null(tc_sigma_rule(bench.set, 0)->category);
    assert_string_equal(
        bench_event(&bench, "{\"m\":\"evil\",\"logsource\":{\"product\":\"linux\","
                            "\"category\":\"process_creation\"}}"),
        "r ");
    bench_done(&bench);
}

static void trap_8_image_is_the_kernels_path_or_the_one_asked_for(void **state)
{
    static const char rule[] = "    s:\n        Image|endswith: /sh\n    condition: s";

    (void)state;
    check(rule, "{\"process\":{\"executable\":\"/bin/dash\",\"exec_path\":\"/bin/sh\"}}",
          "r ");
    check(rule, "{\"process\":{\"executable\":\"/bin/sh\",\"exec_path\":\"/x\"}}", "r ");
    check(rule, "{\"process\":{\"executable\":\"/bin/dash\",\"exec_path\":\"/x\"}}", "");
}

static void trap_9_old_aggregations_are_refused_with_a_sentence(void **state)
{
    static const char *const rows[][2] = {
        {"    s:\n        a: b\n    condition: s | count() by c > 5", "correlation rule"},
        {"    s:\n        a: b\n    timeframe: 5m\n    condition: s", "timespan"},
        {"    s:\n        a: b\n    t:\n        a: c\n    condition: s near t", "near"},
        {"    s:\n        a: b\n    condition: 2 of s*", "1 of and all of only"},
    };
    struct bench bench;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        bench_detection(&bench, rows[i][0]);
        assert_int_equal(bench.refused, 1);
        assert_int_equal(tc_sigma_count(bench.set), 0);
        if (!strstr(bench.problems, rows[i][1]))
            fail_msg("%s", bench.problems);
        bench_done(&bench);
    }
}

static void trap_10_logon_id_is_the_uid(void **state)
{
    (void)state;
    check("    s:\n        LogonId: 0\n    condition: s",
          "{\"process\":{\"user\":{\"id\":0}}}", "r ");
    check("    s:\n        LogonId: 0\n    condition: s",
          "{\"process\":{\"user\":{\"id\":1000}}}", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_linux_and_macos_rule_loads),
        cmocka_unit_test(every_rule_of_the_regression_set_matches_its_event),
        cmocka_unit_test(trap_1_backslash_before_a_letter_is_literal),
        cmocka_unit_test(trap_2_names_hold_dots_and_pipes),
        cmocka_unit_test(trap_3_regexes_are_perls_and_know_case),
        cmocka_unit_test(trap_4_blanks_count_and_two_keys_for_a_field_are_both_needed),
        cmocka_unit_test(trap_5_numbers_compare_with_text),
        cmocka_unit_test(trap_6_a_thousand_values_are_one_pass),
        cmocka_unit_test(trap_7_a_source_of_only_a_product_is_kept),
        cmocka_unit_test(trap_8_image_is_the_kernels_path_or_the_one_asked_for),
        cmocka_unit_test(trap_9_old_aggregations_are_refused_with_a_sentence),
        cmocka_unit_test(trap_10_logon_id_is_the_uid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
