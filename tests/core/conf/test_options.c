/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The promises of typed values by table: what each type takes and refuses, and that no
 * table a vendor can write brings the agent down.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conf/config.h"
#include "core/conf/options.h"
#include "ipc/nearest.h"
#include "ipc/pack.h"

#define TABLE(entries) ((struct tc_option_table){entries, sizeof((entries)[0])})

static const struct tocsin_option every_type[] = {
    {.name = "truth", .type = TOCSIN_OPTION_BOOL, .fallback = "true", .help = "h"},
    {.name = "number", .type = TOCSIN_OPTION_INT, .fallback = "7", .help = "h"},
    {.name = "bounded",
     .type = TOCSIN_OPTION_INT,
     .fallback = "0",
     .help = "h",
     .min = -10,
     .max = 10},
    {.name = "text", .type = TOCSIN_OPTION_TEXT, .fallback = "a b", .help = "h"},
    {.name = "choice",
     .type = TOCSIN_OPTION_CHOICE,
     .fallback = "auto",
     .help = "h",
     .choices = "off|on|auto"},
    {.name = "wait", .type = TOCSIN_OPTION_DURATION, .fallback = "90s", .help = "h"},
    {.name = "room", .type = TOCSIN_OPTION_SIZE, .fallback = "3k", .help = "h"},
    {.name = "list", .type = TOCSIN_OPTION_LIST, .fallback = "/a, /b c", .help = "h"},
    {.name = "none", .type = TOCSIN_OPTION_LIST, .help = "h"},
    {.name = NULL},
};

static struct tc_options *new_options(void)
{
    struct tc_options *options = NULL;

    assert_int_equal(tc_options_new(TABLE(every_type), &options), 0);
    return options;
}

static void options_begin_at_their_defaults(void **state)
{
    struct tc_options *options = new_options();

    (void)state;
    assert_true(tc_options_bool(options, "truth"));
    assert_int_equal(tc_options_int(options, "number"), 7);
    assert_string_equal(tc_options_text(options, "text"), "a b");
    assert_string_equal(tc_options_text(options, "choice"), "auto");
    assert_int_equal(tc_options_int(options, "wait"), 90000);
    assert_int_equal(tc_options_int(options, "room"), 3072);
    assert_string_equal(tc_options_item(options, "list", 0), "/a");
    assert_string_equal(tc_options_item(options, "list", 1), "/b c");
    assert_null(tc_options_item(options, "list", 2));
    assert_null(tc_options_item(options, "none", 0));
    tc_options_free(options);
}

static void options_of_another_name_or_type_read_as_nothing(void **state)
{
    struct tc_options *options = new_options();

    (void)state;
    assert_false(tc_options_bool(options, "number"));
    assert_false(tc_options_bool(options, "absent"));
    assert_int_equal(tc_options_int(options, "truth"), 0);
    assert_string_equal(tc_options_text(options, "list"), "");
    assert_null(tc_options_item(options, "text", 0));
    assert_null(tc_options_find(options, "absent"));
    assert_string_equal(tc_options_find(options, "room")->name, "room");
    tc_options_free(options);
}

static void options_take_what_their_type_allows(void **state)
{
    static const struct {
        const char *key, *text;
        int64_t number;
    } cases[] = {
        {"truth", "false", 0},
        {"number", "0", 0},
        {"number", "9223372036854775807", INT64_MAX},
        {"bounded", "-10", -10},
        {"bounded", "10", 10},
        {"wait", "0s", 0},
        {"wait", "250ms", 250},
        {"wait", "10s", 10000},
        {"wait", "5m", 300000},
        {"wait", "1h", 3600000},
        {"room", "512", 512},
        {"room", "64k", 64 << 10},
        {"room", "10M", 10 << 20},
        {"room", "1G", 1 << 30},
    };
    struct tc_options *options = new_options();
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (tc_options_set(options, cases[i].key, cases[i].text, why) < 0)
            fail_msg("%s", why);
        if (!strcmp(cases[i].key, "truth"))
            assert_false(tc_options_bool(options, "truth"));
        else
            assert_int_equal(tc_options_int(options, cases[i].key), cases[i].number);
    }
    assert_int_equal(tc_options_set(options, "text", "", why), 0);
    assert_string_equal(tc_options_text(options, "text"), "");
    assert_int_equal(tc_options_set(options, "choice", "off", why), 0);
    assert_string_equal(tc_options_text(options, "choice"), "off");
    tc_options_free(options);
}

static void options_refuse_what_does_not_fit_and_say_what_would(void **state)
{
    static const struct {
        const char *key, *text, *fragment;
    } cases[] = {
        {"truth", "yes", "truth: \"yes\" is neither true nor false"},
        {"truth", "True", "neither true nor false"},
        {"number", "", "is not a whole number"},
        {"number", "-", "is not a whole number"},
        {"number", "+1", "is not a whole number"},
        {"number", "1.5", "is not a whole number"},
        {"number", "0x10", "is not a whole number"},
        {"number", "12k", "is not a whole number"},
        {"number", "-1", "out of range: 0 or more"},
        {"number", "9223372036854775808", "out of range"},
        {"bounded", "11", "bounded: 11 is out of range: -10 to 10"},
        {"bounded", "-11", "out of range: -10 to 10"},
        {"wait", "10", "write a whole number and ms, s, m, h or d"},
        {"wait", "10 s", "is not a duration"},
        {"wait", "1w", "is not a duration"},
        {"wait", "s", "is not a duration"},
        {"wait", "9223372036854775807h", "out of range"},
        {"room", "10K", "with k, M or G"},
        {"room", "10MB", "is not a size"},
        {"room", "9223372036854775807G", "out of range"},
        {"choice", "of", "choice: \"of\" is not one of off, on, auto"},
        {"choice", "off|on", "is not one of"},
        {"choice", "", "is not one of"},
        {"list", "/a", "list: must be a list, as in [/a]"},
    };
    struct tc_options *options = new_options(), *before = new_options();
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int r = tc_options_set(options, cases[i].key, cases[i].text, why);

        if (r != -EINVAL || !strstr(why, cases[i].fragment))
            fail_msg("%s=%s: %d \"%s\"", cases[i].key, cases[i].text, r, why);
        assert_true(tc_options_same(options, before, cases[i].key));
    }
    tc_options_free(options);
    tc_options_free(before);
}

static void options_suggest_the_nearest_key(void **state)
{
    struct tc_options *options = new_options();
    char why[256];

    (void)state;
    assert_int_equal(tc_options_set(options, "chioce", "x", why), -ENOENT);
    assert_string_equal(why, "unknown key \"chioce\"; did you mean \"choice\"?");
    assert_int_equal(tc_options_set_list(options, "whatever", NULL, 0, why), -ENOENT);
    assert_string_equal(why, "unknown key \"whatever\"");
    tc_options_free(options);
}

static void options_replace_a_list_as_a_whole(void **state)
{
    static const char *const items[] = {"x", "y", "z"}, *const holed[] = {"x", ""};
    struct tc_options *options = new_options();
    char why[256];

    (void)state;
    assert_int_equal(tc_options_set_list(options, "list", items, 3, why), 0);
    assert_string_equal(tc_options_item(options, "list", 2), "z");
    assert_int_equal(tc_options_set_list(options, "list", holed, 2, why), -EINVAL);
    assert_string_equal(why, "list: item 2 of the list is empty");
    assert_string_equal(tc_options_item(options, "list", 2), "z");
    assert_int_equal(tc_options_set_list(options, "list", NULL, 0, why), 0);
    assert_null(tc_options_item(options, "list", 0));
    assert_int_equal(tc_options_set_list(options, "text", items, 1, why), -EINVAL);
    assert_string_equal(why, "text: must be one value, not a list");
    tc_options_free(options);
}

static void options_bound_texts_and_lists(void **state)
{
    char *text = malloc(TC_OPTION_TEXT_BYTES_MAX + 2);
    const char **items = calloc(TC_OPTION_ITEMS_MAX + 1, sizeof(*items));
    struct tc_options *options = new_options();
    char why[256];

    (void)state;
    assert_non_null(text);
    assert_non_null(items);
    memset(text, 'x', TC_OPTION_TEXT_BYTES_MAX + 1);
    text[TC_OPTION_TEXT_BYTES_MAX + 1] = '\0';
    assert_int_equal(tc_options_set(options, "text", text, why), -EINVAL);
    items[0] = text;
    assert_int_equal(tc_options_set_list(options, "list", items, 1, why), -EINVAL);
    for (size_t i = 0; i <= TC_OPTION_ITEMS_MAX; i++)
        items[i] = "x";
    assert_int_equal(
        tc_options_set_list(options, "list", items, TC_OPTION_ITEMS_MAX + 1, why),
        -EINVAL);
    assert_int_equal(
        tc_options_set_list(options, "list", items, TC_OPTION_ITEMS_MAX, why), 0);
    text[TC_OPTION_TEXT_BYTES_MAX] = '\0';
    assert_int_equal(tc_options_set(options, "text", text, why), 0);
    tc_options_free(options);
    free(items);
    free(text);
}

static void options_are_the_same_by_value(void **state)
{
    static const char *const items[] = {"/a", "/b c"}, *const other[] = {"/a", "/b d"};
    struct tc_options *a = new_options(), *b = new_options();
    char why[256];

    (void)state;
    assert_int_equal(tc_options_set(a, "wait", "90000ms", why), 0);
    assert_int_equal(tc_options_set_list(a, "list", items, 2, why), 0);
    for (const struct tocsin_option *o = every_type; o->name; o++)
        assert_true(tc_options_same(a, b, o->name));
    assert_int_equal(tc_options_set_list(a, "list", other, 2, why), 0);
    assert_int_equal(tc_options_set(a, "text", "a c", why), 0);
    assert_int_equal(tc_options_set(a, "truth", "false", why), 0);
    assert_false(tc_options_same(a, b, "list"));
    assert_false(tc_options_same(a, b, "text"));
    assert_false(tc_options_same(a, b, "truth"));
    assert_true(tc_options_same(a, b, "absent"));
    tc_options_free(a);
    tc_options_free(b);
}

static void options_put_every_value_by_name(void **state)
{
    struct tc_options *options = new_options();
    struct tc_pack p;

    (void)state;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_options_put(options, &p);
    tc_pack_end(&p);
    assert_int_equal(p.error, 0);
    assert_int_equal(tocsin_find_int(p.bytes.data, p.bytes.size, "wait", -1), 90000);
    assert_int_equal(tocsin_find_int(p.bytes.data, p.bytes.size, "room", -1), 3072);
    assert_int_equal(tocsin_find_str(p.bytes.data, p.bytes.size, "text").len, 3);
    assert_int_equal(tocsin_find_str(p.bytes.data, p.bytes.size, "choice").len, 4);
    tc_pack_done(&p);
    tc_options_free(options);
}

static void options_write_numbers_as_one_would(void **state)
{
    static const struct {
        uint32_t type;
        int64_t number;
        const char *text;
    } cases[] = {
        {TOCSIN_OPTION_DURATION, 0, "0ms"},      {TOCSIN_OPTION_DURATION, 250, "250ms"},
        {TOCSIN_OPTION_DURATION, 90000, "90s"},  {TOCSIN_OPTION_DURATION, 60000, "1m"},
        {TOCSIN_OPTION_DURATION, 7200000, "2h"}, {TOCSIN_OPTION_SIZE, 512, "512"},
        {TOCSIN_OPTION_SIZE, 3072, "3k"},        {TOCSIN_OPTION_SIZE, 1 << 30, "1G"},
        {TOCSIN_OPTION_INT, -4, "-4"},           {TOCSIN_OPTION_INT, 0, "0"},
    };
    char buf[TC_OPTION_NUMBER_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tc_option_format(cases[i].type, cases[i].number, buf);
        assert_string_equal(buf, cases[i].text);
    }
}

/* ---- Tables ---- */

static void table_of_every_type_is_right(void **state)
{
    struct tc_option_table none = {NULL, 0};
    struct tc_options *options = NULL;
    char why[256] = "";

    (void)state;
    if (tc_option_table_check(TABLE(every_type), why) < 0)
        fail_msg("%s", why);
    assert_int_equal(tc_option_table_check(none, why), 0);
    assert_int_equal(tc_options_new(none, &options), 0);
    assert_int_equal(tc_options_set(options, "x", "y", why), -ENOENT);
    tc_options_free(options);
}

static void table_of_a_later_minor_is_walked_by_its_stride(void **state)
{
    struct longer {
        struct tocsin_option option;
        uint64_t later[3];
    };
    static const struct longer table[] = {
        {{.name = "one", .type = TOCSIN_OPTION_INT, .fallback = "1", .help = "h"}, {9}},
        {{.name = "two", .type = TOCSIN_OPTION_INT, .fallback = "2", .help = "h"}, {9}},
        {{.name = NULL}, {0}},
    };
    struct tc_option_table longer = {&table[0].option, sizeof(table[0])};
    struct tc_options *options = NULL;
    char why[256];

    (void)state;
    assert_int_equal(tc_option_table_check(longer, why), 0);
    assert_int_equal(tc_options_new(longer, &options), 0);
    assert_int_equal(tc_options_int(options, "two"), 2);
    tc_options_free(options);
}

static void table_refuses_what_a_vendor_may_get_wrong(void **state)
{
    static const struct {
        struct tocsin_option option;
        const char *fragment;
    } cases[] = {
        {{.name = ""}, "must have 1 to 64 letters, not none"},
        {{.name = "Upper", .type = 1}, "\"Upper\" may have lower-case"},
        {{.name = "a.b", .type = 1}, "may have lower-case"},
        {{.name = "a\nb", .type = 1}, "may have lower-case"},
        {{.name = "0123456789012345678901234567890123456789012345678901234567890123456"},
         "not more"},
        {{.name = "enabled", .type = 1, .fallback = "true", .help = "h"}, "agent's own"},
        {{.name = "file", .type = 3, .fallback = "", .help = "h"}, "agent's own"},
        {{.name = "isolate", .type = 1, .fallback = "true", .help = "h"}, "agent's own"},
        {{.name = "x", .type = 0, .fallback = "", .help = "h"}, "type 0 is not known"},
        {{.name = "x", .type = 99, .fallback = "", .help = "h"}, "type 99 is not known"},
        {{.name = "x", .type = UINT32_MAX}, "is not known"},
        {{.name = "x", .type = TOCSIN_OPTION_TEXT, .fallback = ""}, "no help"},
        {{.name = "x", .type = TOCSIN_OPTION_BOOL, .help = "h"},
         "the default of x: \"\" is neither"},
        {{.name = "x", .type = TOCSIN_OPTION_INT, .help = "h"}, "the default of x"},
        {{.name = "x",
          .type = TOCSIN_OPTION_INT,
          .fallback = "5",
          .help = "h",
          .min = 6,
          .max = 9},
         "the default of x: 5 is out of range: 6 to 9"},
        {{.name = "x",
          .type = TOCSIN_OPTION_INT,
          .fallback = "5",
          .help = "h",
          .min = 6,
          .max = 1},
         "min 6 is above max 1"},
        {{.name = "x",
          .type = TOCSIN_OPTION_DURATION,
          .fallback = "5s",
          .help = "h",
          .min = -6,
          .max = 1},
         "min -6 is negative"},
        {{.name = "x", .type = TOCSIN_OPTION_CHOICE, .fallback = "a", .help = "h"},
         "must say what can be chosen"},
        {{.name = "x",
          .type = TOCSIN_OPTION_CHOICE,
          .fallback = "a",
          .help = "h",
          .choices = "a||b"},
         "is empty"},
        {{.name = "x",
          .type = TOCSIN_OPTION_CHOICE,
          .fallback = "a",
          .help = "h",
          .choices = "|"},
         "is empty"},
        {{.name = "x",
          .type = TOCSIN_OPTION_CHOICE,
          .fallback = "c",
          .help = "h",
          .choices = "a|b"},
         "\"c\" is not one of a, b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tocsin_option table[] = {cases[i].option, {.name = NULL}};
        struct tc_options *options = NULL;
        char why[256] = "";

        if (tc_option_table_check(TABLE(table), why) != -EINVAL ||
            !strstr(why, cases[i].fragment))
            fail_msg("case %zu: \"%s\" without \"%s\"", i, why, cases[i].fragment);
        /* Nobody should, but it must not bring the agent down. */
        if (tc_options_new(TABLE(table), &options) == 0)
            tc_options_free(options);
    }
}

static void table_refuses_a_name_twice_no_end_and_a_wrong_stride(void **state)
{
    struct tocsin_option twice[] = {
        {.name = "x", .type = TOCSIN_OPTION_TEXT, .fallback = "", .help = "h"},
        {.name = "x", .type = TOCSIN_OPTION_TEXT, .fallback = "", .help = "h"},
        {.name = NULL},
    };
    struct tocsin_option *endless = calloc(TC_OPTIONS_MAX, sizeof(*endless));
    char names[TC_OPTIONS_MAX][8], why[256];
    struct tc_option_table wrong = TABLE(twice);

    (void)state;
    assert_non_null(endless);
    assert_int_equal(tc_option_table_check(TABLE(twice), why), -EINVAL);
    assert_string_equal(why, "the option \"x\" is in the table twice");

    for (size_t i = 0; i < TC_OPTIONS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "x%zu", i);
        endless[i] = (struct tocsin_option){
            .name = names[i], .type = TOCSIN_OPTION_TEXT, .fallback = "", .help = "h"};
    }
    assert_int_equal(tc_option_table_check(TABLE(endless), why), -EINVAL);
    assert_non_null(strstr(why, "no end"));
    free(endless);

    wrong.stride = 0;
    assert_int_equal(tc_option_table_check(wrong, why), -EINVAL);
    wrong.stride = sizeof(struct tocsin_option) - 8;
    assert_int_equal(tc_option_table_check(wrong, why), -EINVAL);
    wrong.stride = sizeof(struct tocsin_option) + 1;
    assert_int_equal(tc_option_table_check(wrong, why), -EINVAL);
    assert_non_null(strstr(why, "option_size"));
}

static void table_of_the_agent_has_help_and_good_defaults(void **state)
{
    struct tc_option_table table = tc_config_core_table();
    const struct tocsin_option *option;
    struct tc_options *options = NULL;

    (void)state;
    assert_int_equal(tc_options_new(table, &options), 0);
    for (size_t i = 0; (option = tc_option_table_at(table, i)); i++) {
        assert_true(option->help && *option->help);
        assert_true(option->fallback && *option->fallback);
    }
    tc_options_free(options);
}

static void nearest_takes_slips_and_leaves_other_words(void **state)
{
    static const struct {
        const char *wanted, *candidate;
        bool near;
    } cases[] = {
        {"mode", "mode", true}, {"moed", "mode", true},
        {"mod", "mode", true},  {"timeot", "timeout", true},
        {"foo", "log", false},  {"es", "av", false},
        {"", "a", false},       {"budget", "timeout", false},
    };
    struct tc_nearest nearest;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tc_nearest_init(&nearest, cases[i].wanted);
        tc_nearest_offer(&nearest, cases[i].candidate);
        if (!nearest.best == cases[i].near)
            fail_msg("%s and %s", cases[i].wanted, cases[i].candidate);
    }
}

/* ---- What flags ask ---- */

static const struct tocsin_option flagged[] = {
    {.name = "hashes",
     .type = TOCSIN_OPTION_TEXT,
     .flags = TOCSIN_OPTION_PATH,
     .fallback = "",
     .help = "h"},
    {.name = "folders",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_PATH | TOCSIN_OPTION_NEEDED,
     .fallback = "/a,/b",
     .help = "h"},
    {.name = "word",
     .type = TOCSIN_OPTION_TEXT,
     .flags = TOCSIN_OPTION_NEEDED,
     .fallback = "w",
     .help = "h"},
    {.name = "pairs",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_PAIRS,
     .fallback = "",
     .help = "h",
     .choices = "kill|isolate"},
    {.name = "few", .type = TOCSIN_OPTION_LIST, .fallback = "", .help = "h", .max = 2},
    {.name = NULL},
};

static void options_are_refused_as_their_flags_say(void **state)
{
    static const struct {
        const char *key, *item; /* NULL: an empty list */
        const char *why;        /* NULL: taken */
    } cases[] = {
        {"folders", "/home", NULL},
        {"folders", "home", "\"home\" is no absolute path"},
        {"folders", "~/x", "\"~/x\" is no absolute path"},
        {"folders", NULL, "at least one"},
        {"pairs", "rule=kill", NULL},
        {"pairs", "a:rule = isolate ", NULL},
        {"pairs", "rule: kill", NULL},
        {"pairs", "rule=shoot", "one of kill, isolate"},
        {"pairs", "rule=kill isolate", "one of kill, isolate"},
        {"pairs", "rule=", "NAME=ACTION"},
        {"pairs", "=kill", "NAME=ACTION"},
        {"pairs", "rule", "NAME=ACTION"},
        {"pairs", NULL, NULL},
    };
    static const char *const three[] = {"a", "b", "c"};
    struct tc_options *options;
    char why[256];

    (void)state;
    assert_int_equal(
        tc_option_table_check((struct tc_option_table){flagged, sizeof(flagged[0])}, why),
        0);
    assert_int_equal(
        tc_options_new((struct tc_option_table){flagged, sizeof(flagged[0])}, &options),
        0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int r = tc_options_set_list(options, cases[i].key, &cases[i].item,
                                    cases[i].item != NULL, why);

        assert_int_equal(r, cases[i].why ? -EINVAL : 0);
        if (cases[i].why)
            assert_non_null(strstr(why, cases[i].why));
    }
    assert_int_equal(tc_options_set(options, "hashes", "x/y", why), -EINVAL);
    assert_int_equal(tc_options_set(options, "hashes", "", why), 0);
    assert_int_equal(tc_options_set(options, "word", "", why), -EINVAL);
    assert_int_equal(tc_options_set_list(options, "few", three, 2, why), 0);
    assert_int_equal(tc_options_set_list(options, "few", three, 3, why), -EINVAL);
    assert_non_null(strstr(why, "longer than 2"));
    tc_options_free(options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_begin_at_their_defaults),
        cmocka_unit_test(options_of_another_name_or_type_read_as_nothing),
        cmocka_unit_test(options_take_what_their_type_allows),
        cmocka_unit_test(options_refuse_what_does_not_fit_and_say_what_would),
        cmocka_unit_test(options_suggest_the_nearest_key),
        cmocka_unit_test(options_replace_a_list_as_a_whole),
        cmocka_unit_test(options_bound_texts_and_lists),
        cmocka_unit_test(options_are_the_same_by_value),
        cmocka_unit_test(options_put_every_value_by_name),
        cmocka_unit_test(options_write_numbers_as_one_would),
        cmocka_unit_test(table_of_every_type_is_right),
        cmocka_unit_test(table_of_a_later_minor_is_walked_by_its_stride),
        cmocka_unit_test(table_refuses_what_a_vendor_may_get_wrong),
        cmocka_unit_test(table_refuses_a_name_twice_no_end_and_a_wrong_stride),
        cmocka_unit_test(table_of_the_agent_has_help_and_good_defaults),
        cmocka_unit_test(nearest_takes_slips_and_leaves_other_words),
        cmocka_unit_test(options_are_refused_as_their_flags_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
