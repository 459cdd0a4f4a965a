/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration names in the file system: refused, warned of, or right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/conf/config.h"
#include "core/conf/config_paths.h"

static const struct tocsin_option options[] = {
    {.name = "watch",
     .type = TOCSIN_OPTION_LIST,
     .flags = TOCSIN_OPTION_PATH | TOCSIN_OPTION_WATCHED,
     .fallback = "/nonexistent/default",
     .help = "h"},
    {.name = "list",
     .type = TOCSIN_OPTION_TEXT,
     .flags = TOCSIN_OPTION_PATH,
     .fallback = "",
     .help = "h"},
    {.name = "word", .type = TOCSIN_OPTION_TEXT, .fallback = "", .help = "h"},
    {.name = NULL},
};

static int check(const char *section, char warnings[512], char why[256])
{
    const struct tc_option_table table = {options, sizeof(options[0])};
    struct tc_config_paths *paths;
    struct tc_config *config;
    char text[512];
    int r;

    (void)snprintf(text, sizeof(text), "plugins:\n  acme: {%s}\n", section);
    assert_int_equal(tc_config_read_text("t.yaml", text, &config, why), 0);
    assert_int_equal(tc_config_paths_new(&paths), 0);
    assert_string_equal(tc_config_paths_warnings(paths), "");
    assert_int_equal(tc_config_paths_add(paths, config, "acme", table), 0);
    tc_config_free(config); /* nothing is borrowed */
    r = tc_config_paths_check(paths, why);
    (void)snprintf(warnings, 512, "%s", tc_config_paths_warnings(paths));
    tc_config_paths_free(paths);
    return r;
}

static void paths_that_are_there_are_no_trouble(void **state)
{
    static const char *const right[] = {"", "watch: [/tmp, /]", "list: /proc/self/stat",
                                        "list: \"\"", "word: /nonexistent"};
    char warnings[512], why[256];

    (void)state;
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        assert_int_equal(check(right[i], warnings, why), 0);
        assert_string_equal(warnings, "");
    }
}

static void paths_that_do_not_exist_are_warned_of_with_their_places(void **state)
{
    char warnings[512], why[256];

    (void)state;
    assert_int_equal(
        check("watch: [/tmp, /nonexistent/a], list: /tmp/*.none", warnings, why), 0);
    assert_string_equal(
        warnings, "t.yaml:2:24: watch: /nonexistent/a does not exist\n"
                  "t.yaml:2:47: list: /tmp/*.none does not exist (it is taken as it is "
                  "written: nothing stands for others)");
}

static void pseudo_file_systems_are_refused_where_files_are_watched(void **state)
{
    char warnings[512], why[256];

    (void)state;
    assert_int_equal(check("watch: [/tmp, /proc/self]", warnings, why), -EINVAL);
    assert_string_equal(why,
                        "t.yaml:2:24: watch: /proc/self lies on a file system of type "
                        "proc, whose files are the kernel's own: leave it out");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_that_are_there_are_no_trouble),
        cmocka_unit_test(paths_that_do_not_exist_are_warned_of_with_their_places),
        cmocka_unit_test(pseudo_file_systems_are_refused_where_files_are_watched),
    };

    return cmocka_run_group_tests_name("config_paths", tests, NULL, NULL);
}
