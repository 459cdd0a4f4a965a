/* SPDX-License-Identifier: Apache-2.0 */
/* Of each value in force: where it is from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/conf/config.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"
#include "tests/support/child.h"
#include "tests/support/harness.h"

static const struct tocsin_option keys[] = {
    {.name = "watch", .type = TOCSIN_OPTION_LIST, .fallback = "/a, /b", .help = "x"},
    {.name = "depth", .type = TOCSIN_OPTION_INT, .fallback = "3", .help = "x", .max = 9},
    {.name = NULL},
};

/* Of every plugin but "stranger", which nobody knows. */
static struct tc_option_table table_of(void *arg, const char *plugin)
{
    (void)arg;
    return (struct tc_option_table){strcmp(plugin, "stranger") ? keys : NULL,
                                    sizeof(keys[0])};
}

static bool is_enabled(void *arg, const char *plugin)
{
    return !arg || strcmp(plugin, arg) != 0;
}

/* What there is to say about `config` while the plugin `off` is disabled by a command. */
static void put(const struct tc_config *config, const char *off, struct tc_pack *ret)
{
    char name[32] = "";
    const struct tc_config_view view = {table_of, is_enabled, off ? name : NULL};

    if (off)
        (void)snprintf(name, sizeof(name), "%s", off);
    tc_pack_init(ret);
    tc_pack_begin_map(ret, NULL);
    tc_config_put_values(config, &view, "values", ret);
    tc_pack_end(ret);
    assert_int_equal(ret->error, 0);
}

/* The n-th row of that key must say so. */
static void check(struct tc_pack *p, const char *key, size_t n, const char *value,
                  const char *from)
{
    const msgpack_object *rows = tc_unpack_array(tc_pack_read(p), "values");

    assert_non_null(rows);
    for (uint32_t i = 0; i < rows->via.array.size; i++) {
        const msgpack_object *row = &rows->via.array.ptr[i];

        if (!tc_unpack_is(tc_unpack_find(row, "key"), key) || n--)
            continue;
        if (!tc_unpack_is(tc_unpack_find(row, "value"), value) ||
            !tc_unpack_is(tc_unpack_find(row, "from"), from))
            fail_msg("%s is %.*s from %.*s", key, (int)tc_unpack_str(row, "value").len,
                     tc_unpack_str(row, "value").ptr, (int)tc_unpack_str(row, "from").len,
                     tc_unpack_str(row, "from").ptr);
        return;
    }
    fail_msg("there is no such row of %s", key);
}

static struct tc_config *read_good(const char *text)
{
    struct tc_config *config = NULL;
    char why[256] = "";

    if (tc_config_read_text("t.yaml", text, &config, why))
        fail_msg("%s", why);
    return config;
}

static void origin_is_the_line_or_the_default(void **state)
{
    struct tc_config *config = read_good("mode: passive\n"
                                         "verdict:\n"
                                         "  budget: 2s\n"
                                         "exclusions:\n"
                                         "  - {path: \"/srv/**\"}\n"
                                         "  - {process: /usr/bin/cc, scope: acme}\n"
                                         "plugins:\n"
                                         "  acme: {isolate: true,\n"
                                         "         depth: 5}\n"
                                         "  stranger:\n"
                                         "    note: ~\n");
    struct tc_pack p;

    (void)state;
    put(config, NULL, &p);
    check(&p, "mode", 0, "passive", "t.yaml:1");
    check(&p, "verdict.budget", 0, "2s", "t.yaml:3");
    check(&p, "verdict.on_timeout", 0, "allow", "default");
    check(&p, "exclusions", 0, "path /srv/**, for all", "t.yaml:5");
    check(&p, "exclusions", 1, "process /usr/bin/cc, for acme", "t.yaml:6");
    check(&p, "plugins.acme.enabled", 0, "true", "default");
    check(&p, "plugins.acme.isolate", 0, "true", "t.yaml:8");
    check(&p, "plugins.acme.depth", 0, "5", "t.yaml:9");
    check(&p, "plugins.acme.watch", 0, "[/a, /b]", "default");
    check(&p, "plugins.stranger.note", 0, "null", "t.yaml:11");
    tc_pack_done(&p);
    tc_config_free(config);
}

static void origin_of_what_a_sensor_takes_over_is_the_primarys_line(void **state)
{
    struct tc_config *config = read_good("plugins:\n"
                                         "  es: {watch: [/srv]}\n"
                                         "  kext:\n"
                                         "  acme:\n");
    struct tc_pack p;

    (void)state;
    put(config, NULL, &p);
    check(&p, "plugins.kext.watch", 0, "[/srv]", "t.yaml:2");
    check(&p, "plugins.kext.depth", 0, "3", "default");
    check(&p, "plugins.acme.watch", 0, "[/a, /b]", "default"); /* no sensor */
    tc_pack_done(&p);
    tc_config_free(config);
}

static void origin_is_the_file_that_wins(void **state)
{
    char dir[] = "/tmp/tocsin-origin-XXXXXX", name[64], path[96], from[128], why[256];
    struct tc_config *config = NULL;
    struct tc_pack p;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(name, sizeof(name), "%s/conf.d", dir);
    assert_int_equal(mkdir(name, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/a.yaml", name);
    tc_child_put(path, "\nmode: passive\n");
    (void)snprintf(from, sizeof(from), "%s:2", path);
    (void)snprintf(path, sizeof(path), "%s/tocsin.yaml", dir);
    tc_child_put(path, "mode: block\nlog: {level: debug}\n");
    assert_int_equal(tc_config_read(path, &config, why), 0);
    put(config, NULL, &p);
    check(&p, "mode", 0, "passive", from);
    (void)snprintf(from, sizeof(from), "%s:2", path);
    check(&p, "log.level", 0, "debug", from);
    check(&p, "exclusions", 0, "[]", "default");
    tc_pack_done(&p);
    tc_config_free(config);
    tc_harness_remove_folder(dir);
}

static void origin_of_a_plugin_that_was_disabled_is_the_command(void **state)
{
    struct tc_config *config = read_good("plugins: {acme: {enabled: true}, beta: }\n");
    struct tc_pack p;

    (void)state;
    put(config, "acme", &p);
    check(&p, "plugins.acme.enabled", 0, "false", "command");
    check(&p, "plugins.beta.enabled", 0, "true", "default");
    tc_pack_done(&p);
    tc_config_free(config);
}

static void origin_of_what_waits_for_the_next_start_is_this_one(void **state)
{
    struct tc_config *first = read_good("release_ring: beta\n");
    struct tc_config *second = read_good("release_ring: preview\npaths: {state: /s}\n");
    struct tc_config *third = read_good("release_ring: beta\n");
    struct tc_pack p;

    (void)state;
    assert_int_equal(tc_config_keep_restart_keys(second, first), 0);
    put(second, NULL, &p);
    check(&p, "release_ring", 0, "beta", "the agent's start");
    check(&p, "paths.state", 0, "/var/lib/tocsin", "the agent's start");
    check(&p, "paths.runtime", 0, "/run/tocsin", "default");
    tc_pack_done(&p);
    /* Taken back: nothing waits any more. */
    assert_int_equal(tc_config_keep_restart_keys(third, second), 0);
    put(third, NULL, &p);
    check(&p, "release_ring", 0, "beta", "t.yaml:1");
    tc_pack_done(&p);
    tc_config_free(first);
    tc_config_free(second);
    tc_config_free(third);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origin_is_the_line_or_the_default),
        cmocka_unit_test(origin_of_what_a_sensor_takes_over_is_the_primarys_line),
        cmocka_unit_test(origin_is_the_file_that_wins),
        cmocka_unit_test(origin_of_a_plugin_that_was_disabled_is_the_command),
        cmocka_unit_test(origin_of_what_waits_for_the_next_start_is_this_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
