/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of one value in a YAML text: what is asked for is so afterwards, and every
 * other byte is as it was.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "yaml/edit.h"

static const struct tc_yaml_limits limits = {
    .text_bytes = 1 << 20,
    .arena_bytes = 1 << 20,
    .nodes = 1000,
    .documents = 1,
    .depth = 8,
    .too_large = "too large",
    .too_many_keys = "too many keys",
};

/* `key` has dots between its parts; `value` NULL: none. The result is the caller's. */
static int edit(const char *text, enum tc_yaml_change change, const char *key,
                const char *value, char **ret_text)
{
    struct tc_yaml *yaml = NULL;
    struct tc_yaml_error error;
    const char *path[8];
    char *parts = strdup(key), *rest = parts;
    size_t n = 0;
    int r;

    while ((path[n] = strsep(&rest, ".")))
        n++;
    if (value)
        assert_int_equal(tc_yaml_parse("", value, strlen(value), &limits, &yaml, &error),
                         0);
    r = tc_yaml_edit(text, strlen(text), &limits, change, path,
                     yaml ? yaml->documents : NULL, ret_text);
    tc_yaml_free(yaml);
    free(parts);
    return r;
}

struct step {
    const char *before;
    enum tc_yaml_change change;
    const char *key, *value;
    const char *after; /* NULL: refused */
    int error;
};

static void take(const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *text = NULL;
        int r =
            edit(steps[i].before, steps[i].change, steps[i].key, steps[i].value, &text);

        assert_int_equal(r, steps[i].error);
        if (steps[i].after)
            assert_string_equal(text, steps[i].after);
        else
            assert_null(text);
        free(text);
    }
}

#define TAKE(steps) take(steps, sizeof(steps) / sizeof((steps)[0]))

static void a_value_is_replaced_and_all_else_stays(void **state)
{
    static const struct step steps[] = {
        {"# head\nmode: block  # why\nlog: {level: info}\n", TC_YAML_SET, "mode",
         "passive", "# head\nmode: passive  # why\nlog: {level: info}\n", 0},
        {"mode: 'block'\n", TC_YAML_SET, "mode", "passive", "mode: passive\n", 0},
        {"mode: \"block\" # x\n", TC_YAML_SET, "mode", "a b", "mode: \"a b\" # x\n", 0},
        {"mode: block\n", TC_YAML_SET, "mode", "block", "mode: block\n", 0},
        {"mode: block\n", TC_YAML_SET, "mode", "'true'", "mode: \"true\"\n", 0},
        {"a: {b: 1, c: [x, y]} # z\n", TC_YAML_SET, "a.c", "[z]",
         "a: {b: 1, c: [z]} # z\n", 0},
        {"a:\n  # first\n  b: 1\n  # second\n  c: 2\n", TC_YAML_SET, "a.b", "3",
         "a:\n  # first\n  b: 3\n  # second\n  c: 2\n", 0},
        {"a:\n  - x\n  - y # last\nb: 1\n", TC_YAML_SET, "a", "[z]",
         "a:\n  [z] # last\nb: 1\n", 0},
        {"a:\n  b: 1\nc: 2\n", TC_YAML_SET, "a", "{d: 4}", "a:\n  {d: 4}\nc: 2\n", 0},
        {"\xc3\xa4: \xc3\xb6 # \xc3\xbc\nmode: x\n", TC_YAML_SET, "mode", "y",
         "\xc3\xa4: \xc3\xb6 # \xc3\xbc\nmode: y\n", 0},
        {"a: # none\nb: 1\n", TC_YAML_SET, "a", "[x]", "a: [x] # none\nb: 1\n", 0},
        {"a: ~\n", TC_YAML_SET, "a", "1", "a: 1\n", 0},
        {"mode: block", TC_YAML_SET, "mode", "passive", "mode: passive", 0},
        {"mode: block\r\nx: 1\r\n", TC_YAML_SET, "mode", "y", "mode: y\r\nx: 1\r\n", 0},
    };

    (void)state;
    TAKE(steps);
}

static void a_key_that_is_missing_is_written_where_it_belongs(void **state)
{
    static const struct step steps[] = {
        {"", TC_YAML_SET, "mode", "passive", "mode: passive\n", 0},
        {"# only this\n", TC_YAML_SET, "a.b", "1", "# only this\na: {b: 1}\n", 0},
        {"# only this", TC_YAML_SET, "a", "1", "# only this\na: 1\n", 0},
        {"mode: x # c\n", TC_YAML_SET, "a.b.c", "1", "mode: x # c\na: {b: {c: 1}}\n", 0},
        {"p:\n    es: {}\n    av:\n      x: 1 # c\n\n# tail\nq: 2\n", TC_YAML_SET,
         "p.av.y", "[1]",
         "p:\n    es: {}\n    av:\n      x: 1 # c\n      y: [1]\n\n# tail\nq: 2\n", 0},
        {"p:\n    es: {}\nq: 2\n", TC_YAML_SET, "p.es.watch", "[/a]",
         "p:\n    es: {watch: [/a]}\nq: 2\n", 0},
        {"p:\n  es: {a: 1}\nq: 2\n", TC_YAML_SET, "p.edr", "{}",
         "p:\n  es: {a: 1}\n  edr: {}\nq: 2\n", 0},
        {"p:\n  es:  # the sensor\n  av: {}\n", TC_YAML_SET, "p.es.a", "1",
         "p:\n  es: {a: 1}  # the sensor\n  av: {}\n", 0},
        {"p: {es: {a: 1}}\n", TC_YAML_SET, "p.es.b", "2", "p: {es: {a: 1, b: 2}}\n", 0},
        {"{}", TC_YAML_SET, "a", "1", "{a: 1}", 0},
        {"{a: 1,\n b: 2, # c\n}\n", TC_YAML_SET, "c", "3",
         "{a: 1,\n b: 2, c: 3, # c\n}\n", 0},
    };

    (void)state;
    TAKE(steps);
}

static void a_key_is_taken_away_with_its_line(void **state)
{
    static const struct step steps[] = {
        {"a: 1\n# of b\nb: 2 # c\nd: 3\n", TC_YAML_UNSET, "b", NULL,
         "a: 1\n# of b\nd: 3\n", 0},
        {"p:\n  es:\n    a:\n      - x\n      - y\n    b: 1\n", TC_YAML_UNSET, "p.es.a",
         NULL, "p:\n  es:\n    b: 1\n", 0},
        {"p:\n  es:\n    a: 1\nq: 1\n", TC_YAML_UNSET, "p.es.a", NULL,
         "p:\n  es:\nq: 1\n", 0},
        {"p: {a: 1, b: 2, c: 3}\n", TC_YAML_UNSET, "p.a", NULL, "p: {b: 2, c: 3}\n", 0},
        {"p: {a: 1, b: 2, c: 3}\n", TC_YAML_UNSET, "p.b", NULL, "p: {a: 1, c: 3}\n", 0},
        {"p: {a: 1, b: 2, c: 3}\n", TC_YAML_UNSET, "p.c", NULL, "p: {a: 1, b: 2}\n", 0},
        {"p: {a: 1}\n", TC_YAML_UNSET, "p.a", NULL, "p: {}\n", 0},
        {"a: 1", TC_YAML_UNSET, "a", NULL, "", 0},
        {"a: 1\n", TC_YAML_UNSET, "b.c", NULL, "a: 1\n", 0},
    };

    (void)state;
    TAKE(steps);
}

static void items_come_and_go(void **state)
{
    static const struct step steps[] = {
        {"a: [x, y] # c\n", TC_YAML_ADD, "a", "z", "a: [x, y, z] # c\n", 0},
        {"a: []\n", TC_YAML_ADD, "a", "{path: \"/**\"}", "a: [{path: \"/**\"}]\n", 0},
        {"a: [x, y]\n", TC_YAML_ADD, "a", "y", "a: [x, y]\n", 0},
        {"a:\n- x\n- y # c\nb: 1\n", TC_YAML_ADD, "a", "z",
         "a:\n- x\n- y # c\n- z\nb: 1\n", 0},
        {"a:\n  - path: /x\n    scope: av\nb: 1\n", TC_YAML_ADD, "a", "{path: /y}",
         "a:\n  - path: /x\n    scope: av\n  - {path: /y}\nb: 1\n", 0},
        {"a:\n  - path: /x\n    scope: av\n  # of y\n  - {path: /y}\n", TC_YAML_REMOVE,
         "a", "{scope: av, path: /x}", "a:\n  # of y\n  - {path: /y}\n", 0},
        {"a: [x, {path: \"/**\"}, y]\n", TC_YAML_REMOVE, "a", "{path: '/**'}",
         "a: [x, y]\n", 0},
        {"a: # c\n  # d\n  - x # e\nb: 1\n", TC_YAML_REMOVE, "a", "x",
         "a: [] # c\n  # d\nb: 1\n", 0},
        {"a: [x]\n", TC_YAML_REMOVE, "a", "x", "a: []\n", 0},
        {"a: [x]\n", TC_YAML_REMOVE, "a", "y", NULL, -ENOENT},
        {"b: [x]\n", TC_YAML_ADD, "a", "y", NULL, -ENOENT},
        {"a: x\n", TC_YAML_ADD, "a", "y", NULL, -ENOENT},
    };

    (void)state;
    TAKE(steps);
}

static void what_would_change_more_is_refused(void **state)
{
    static const struct step steps[] = {
        {"a: &x {b: 1}\nc: *x\n", TC_YAML_SET, "a.b", "2", NULL, -ENOTSUP},
        {"a: &x {b: 1}\nc: *x\n", TC_YAML_SET, "c.b", "2", NULL, -ENOTSUP},
        {"a: &x {b: 1}\nc: *x\n", TC_YAML_UNSET, "a", NULL, NULL, -ENOTSUP},
        {"a: &x {b: 1}\nc: *x\n", TC_YAML_SET, "c", "2", "a: &x {b: 1}\nc: 2\n", 0},
        {"a: 1\n...\n", TC_YAML_SET, "b", "2", "a: 1\nb: 2\n...\n", 0},
        {"a: &x {b: 1}\nc: *x\n", TC_YAML_UNSET, "c.b", NULL, NULL, -ENOTSUP},
        {"a: 1\n", TC_YAML_SET, "a.b", "2", NULL, -EINVAL},
        {"a:\n  -\nb: 1\n", TC_YAML_ADD, "a", "x", NULL, -ENOTSUP},
        {"a:\n  -\n  - y\nb: 1\n", TC_YAML_REMOVE, "a", "y", "a:\n  -\nb: 1\n", 0},
        {"a: [1\n", TC_YAML_SET, "b", "2", NULL, -ENOTSUP},
    };

    (void)state;
    TAKE(steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_replaced_and_all_else_stays),
        cmocka_unit_test(a_key_that_is_missing_is_written_where_it_belongs),
        cmocka_unit_test(a_key_is_taken_away_with_its_line),
        cmocka_unit_test(items_come_and_go),
        cmocka_unit_test(what_would_change_more_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
