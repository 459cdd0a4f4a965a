/* SPDX-License-Identifier: Apache-2.0 */
/* One plugin enabled, disabled, reloaded by hand, with real plugins: what an operation
 * ends with, and what lasts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/registry_rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/conf/config.h"
#include "core/host/plugin.h"
#include "core/host/switched_off.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

#define ON_DEMAND "plugins: {netstub: {}}\n"

static void registry_enables_and_disables_by_hand(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t before;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {word: hi}}\n");
    before = rig.count;
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_int_equal(rig.count, before); /* it runs already */

    assert_int_equal(tc_rig_do(&rig, tc_registry_disable, "good", &outcome), 0);
    assert_true(tc_rig_has(&rig, before, "stopped good"));
    assert_null(tc_registry_plugin(rig.registry, "good"));
    assert_false(tc_registry_wants(rig.registry, "good"));
    assert_int_equal(tc_rig_ask(&rig), 0);
    assert_int_equal(tc_rig_do(&rig, tc_registry_disable, "good", &outcome), 0);
    tc_rig_check_count(&rig, 0, 0);

    rig.word[0] = '\0';
    before = rig.count;
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_true(tc_rig_has(&rig, before, "started good"));
    assert_string_equal(rig.word, "hi");
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

static void registry_says_where_a_name_that_it_does_not_know_belongs(void **state)
{
    static const tc_rig_operation_fn all[] = {tc_registry_enable, tc_registry_disable,
                                              tc_registry_reload};
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {}}\n");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_int_equal(tc_rig_do(&rig, all[i], "acme", &outcome), -ENOENT);
        assert_non_null(strstr(outcome.why, "acme"));
        assert_non_null(strstr(outcome.why, "plugins:"));
    }
    tc_rig_done(&rig);
}

/* Those on another one wait for nothing. */
static void registry_does_what_is_asked_of_one_plugin_in_its_order(void **state)
{
    struct tc_rig_outcome reload = {0}, off = {0}, on = {0}, other;
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, "plugins: {late_ready: {}, good: {}}\n");
    from = rig.count;
    tc_registry_reload(rig.registry, "late_ready", tc_rig_ended, &reload);
    tc_registry_disable(rig.registry, "late_ready", tc_rig_ended, &off);
    tc_registry_enable(rig.registry, "late_ready", tc_rig_ended, &on);
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "good", &other), 0);
    assert_string_equal(other.why, "plugin good is enabled already");
    assert_int_equal(reload.count, 0);
    tc_rig_wait(&rig, &on);
    assert_int_equal(reload.count, 1);
    assert_int_equal(off.count, 1);
    assert_int_equal(reload.status, 0);
    assert_int_equal(off.status, 0);
    assert_int_equal(on.status, 0);
    from = tc_rig_await(&rig, from, "started late_ready");
    from = tc_rig_await(&rig, from + 1, "stopped late_ready");
    (void)tc_rig_await(&rig, from + 1, "started late_ready");
    assert_int_equal(tc_rig_state(&rig, "late_ready"), TC_PLUGIN_RUNNING);
    tc_rig_done(&rig);
}

static void
registry_disables_a_plugin_whose_start_is_under_way_when_it_is_up(void **state)
{
    struct tc_rig_outcome enabled = {0}, disabled = {0};
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {late_ready: {enabled: false}}\n");
    tc_registry_enable(rig.registry, "late_ready", tc_rig_ended, &enabled);
    tc_registry_disable(rig.registry, "late_ready", tc_rig_ended, &disabled);
    tc_rig_wait(&rig, &disabled);
    assert_int_equal(enabled.count, 1);
    assert_int_equal(enabled.status, 0);
    assert_int_equal(disabled.status, 0);
    assert_null(tc_registry_plugin(rig.registry, "late_ready"));
    tc_rig_done(&rig);
}

/* Over new configurations, and in the next agent; and it is said again, not refused. */
static void registry_keeps_what_is_disabled_by_hand_disabled(void **state)
{
    struct tc_rig_outcome outcome, stopped = {0};
    char why[256] = "";
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {}, late_ready: {}}\n");
    assert_int_equal(tc_rig_do(&rig, tc_registry_disable, "good", &outcome), 0);
    assert_string_equal(outcome.why, "");
    assert_int_equal(tc_rig_do(&rig, tc_registry_disable, "good", &outcome), 0);
    assert_string_equal(outcome.why, "plugin good is disabled already");
    for (int i = 0; i < 2; i++) {
        tc_rig_apply(&rig,
                     i ? "plugins: {late_ready: {}}\n"
                       : "plugins: {good: {word: new}, late_ready: {}}\n",
                     false, &outcome);
        assert_int_equal(outcome.status, 0);
        assert_false(tc_registry_wants(rig.registry, "good"));
        assert_int_equal(tc_rig_ask(&rig), 0);
    }
    tc_registry_stop(rig.registry, tc_rig_ended, &stopped);
    tc_rig_wait(&rig, &stopped);
    tc_registry_free(rig.registry);
    tc_config_free(rig.config);
    assert_int_equal(tc_rig_make(&rig), 0);
    assert_int_equal(tc_rig_boot(&rig, "plugins: {good: {}, late_ready: {}}\n", why), 0);
    assert_false(tc_registry_wants(rig.registry, "good"));
    assert_true(tc_registry_wants(rig.registry, "late_ready"));
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_apply(&rig, "plugins: {good: {word: again}}\n", false, &outcome);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

/* The file is the operator's last word, and he is told. */
static void registry_enables_against_the_file_until_that_is_read_again(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {enabled: false}}\n");
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_non_null(strstr(outcome.why, "t.yaml:1:11 says enabled: false"));
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_apply(&rig, "plugins: {good: {enabled: false}}\n", false, &outcome);
    assert_int_equal(tc_rig_ask(&rig), 0);
    tc_rig_done(&rig);
}

static void registry_disables_also_where_it_cannot_be_stored(void **state)
{
    struct tc_rig_outcome outcome;
    char path[128];
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {}}\n");
    (void)snprintf(path, sizeof(path), "%s/" TC_SWITCHED_OFF_FILE ".new", rig.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(tc_rig_do(&rig, tc_registry_disable, "good", &outcome), 0);
    assert_non_null(strstr(outcome.why, "cannot be written"));
    assert_int_equal(tc_rig_ask(&rig), 0);
    tc_rig_done(&rig);
}

/* Disabled is disabled: a new file is no reason to start it. */
static void registry_reloads_nothing_that_is_disabled(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {enabled: false}}\n");
    assert_int_equal(tc_rig_do(&rig, tc_registry_reload, "good", &outcome), -EINVAL);
    assert_non_null(strstr(outcome.why, "tocsin plugin enable good"));
    assert_int_equal(tc_rig_ask(&rig), 0);
    tc_rig_done(&rig);
}

static void registry_reload_loads_the_file_anew(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "supplement", "acme");
    assert_int_equal(tc_rig_boot(&rig, "plugins: {acme: {}}\n", outcome.why), 0);
    assert_int_equal(tc_rig_ask(&rig), 0);
    tc_rig_install(&rig, "good", "acme");
    assert_int_equal(tc_rig_ask(&rig), 0);
    assert_int_equal(tc_rig_do(&rig, tc_registry_reload, "acme", &outcome), 0);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_check_count(&rig, 1, 0);
    tc_rig_done(&rig);
}

/* A file that does not load, or whose init fails, never touches the one that runs. */
static void registry_keeps_what_runs_when_its_new_file_cannot_be_made(void **state)
{
    static const char *const files[] = {"bad_magic", "no_symbol", "init_fails",
                                        "newer_major"};
    struct tc_rig_outcome outcome;
    const struct tc_plugin *before;
    struct tc_rig rig;
    size_t from;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "good", "acme");
    assert_int_equal(tc_rig_boot(&rig, "plugins: {acme: {}}\n", outcome.why), 0);
    before = tc_registry_plugin(rig.registry, "acme");
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        from = rig.count;
        tc_rig_install(&rig, files[i], "acme");
        assert_true(tc_rig_do(&rig, tc_registry_reload, "acme", &outcome) < 0);
        assert_true(outcome.why[0] != '\0');
        assert_true(tc_rig_has(&rig, from, "kept acme"));
        assert_int_equal(rig.count, from + 1);
        assert_ptr_equal(tc_registry_plugin(rig.registry, "acme"), before);
        assert_int_equal(tc_rig_state(&rig, "acme"), TC_PLUGIN_RUNNING);
        assert_int_equal(tc_rig_ask(&rig), 1);
    }
    tc_rig_done(&rig);
}

static void assert_last_error(const struct tc_rig *rig, const char *name,
                              const char *text)
{
    const msgpack_object *info;
    struct tocsin_str said;
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    assert_int_equal(tc_registry_put(rig->registry, name, &p), 0);
    tc_pack_end(&p);
    info = tc_pack_read(&p);
    assert_non_null(info);
    said = tc_unpack_str(info, "last_error");
    assert_int_equal(said.len, strlen(text));
    assert_memory_equal(said.ptr, text, said.len);
    assert_true(tc_unpack_int(info, "last_error_time_ns", 0) > 0);
    tc_pack_done(&p);
}

static void
registry_goes_on_with_the_old_file_when_the_new_one_does_not_start(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "good", "acme");
    assert_int_equal(tc_rig_boot(&rig, "plugins: {acme: {}}\n", outcome.why), 0);
    tc_rig_install(&rig, "start_fails", "acme");
    from = rig.count;
    assert_int_equal(tc_rig_do(&rig, tc_registry_reload, "acme", &outcome), -EIO);
    assert_non_null(strstr(outcome.why, "start failed"));
    assert_int_equal(rig.count, from + 1);
    assert_string_equal(rig.events[from], "kept acme");
    assert_string_equal(rig.whys[from], outcome.why);
    assert_last_error(&rig, "acme", outcome.why);
    assert_int_equal(tc_rig_state(&rig, "acme"), TC_PLUGIN_RUNNING);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_install(&rig, "good", "acme");
    assert_int_equal(tc_rig_do(&rig, tc_registry_reload, "acme", &outcome), 0);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

/* Nothing is told before it is clear which of the two runs; and it is the old one, with
 * the options that it had. */
static void regress_options_that_keep_a_plugin_from_starting_are_dropped(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, ON_DEMAND);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    from = tc_rig_await(&rig, 0, "started netstub") + 1;
    tc_rig_apply(&rig, "plugins: {netstub: {fail: start}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(rig.events[from], "restarting netstub");
    assert_string_equal(rig.events[from + 1], "kept netstub");
    assert_non_null(strstr(rig.whys[from + 1], "start failed"));
    assert_int_equal(rig.count, from + 2);
    assert_int_equal(tc_rig_state(&rig, "netstub"), TC_PLUGIN_RUNNING);
    tc_rig_check_count(&rig, 1, 0);
    tc_rig_apply(&rig, ON_DEMAND, false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(rig.events[from + 2], "kept netstub");
    assert_string_equal(rig.whys[from + 2], "");
    assert_int_equal(rig.count, from + 3);
    /* So it is when it is stopped and wanted again. */
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), 0);
    (void)tc_rig_await(&rig, from, "stopped netstub");
    from = rig.count;
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, from, "started netstub");
    tc_rig_done(&rig);
}

/* A configuration is freed when the next one is in force. */
static void regress_folders_of_plugins_outlive_their_configuration(void **state)
{
    char dir[96], other[] = "/nonexistent/other", why[256] = "";
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    tc_rig_install(&rig, "good", "acme");
    (void)snprintf(dir, sizeof(dir), "%s", rig.plugins);
    rig.folder = dir;
    assert_int_equal(tc_rig_make(&rig), 0);
    memcpy(dir, other, sizeof(other));
    assert_int_equal(tc_rig_boot(&rig, "plugins: {}\n", why), 0);
    tc_rig_apply(&rig, "plugins: {acme: {}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

/* A file of another kind, whose plugin waits to be called, is no reason to let go of one
 * that runs. */
static void regress_what_runs_is_stopped_before_a_parked_one_takes_its_place(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "good", "acme");
    assert_int_equal(tc_rig_boot(&rig, "plugins: {acme: {}}\n", outcome.why), 0);
    tc_rig_install(&rig, "netstub", "acme");
    from = rig.count;
    assert_int_equal(tc_rig_do(&rig, tc_registry_reload, "acme", &outcome), 0);
    assert_true(tc_rig_has(&rig, from, "loaded acme"));
    assert_int_equal(tc_rig_ask(&rig), 0);
    assert_int_equal(rig.voters, 0);
    tc_rig_done(&rig);
}

static void registry_starts_one_that_has_failed_when_it_is_enabled(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "start_fails", "acme");
    assert_int_equal(tc_rig_boot(&rig, "plugins: {acme: {}}\n", outcome.why), 0);
    tc_rig_check_count(&rig, 0, 1);
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "acme", &outcome), -EIO);
    tc_rig_check_count(&rig, 0, 1);
    tc_rig_install(&rig, "good", "acme");
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "acme", &outcome), 0);
    tc_rig_check_count(&rig, 1, 0);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

static void registry_leaves_out_what_crashed_until_it_is_enabled_by_hand(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    assert_int_equal(
        tc_registry_disable_crashed(rig.registry, "good", "it took the agent down"), 0);
    assert_int_equal(tc_rig_boot(&rig, "plugins: {good: {}}\n", outcome.why), 0);
    assert_string_equal(rig.whys[tc_rig_await(&rig, 0, "refused good")],
                        "it took the agent down");
    tc_rig_check_count(&rig, 0, 1);
    /* Nor does a new configuration start it. */
    tc_rig_apply(&rig, "plugins: {good: {word: new}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(tc_rig_ask(&rig), 0);

    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_int_equal(tc_rig_ask(&rig), 1);
    assert_string_equal(rig.word, "new");
    tc_rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_enables_and_disables_by_hand),
        cmocka_unit_test(registry_says_where_a_name_that_it_does_not_know_belongs),
        cmocka_unit_test(registry_does_what_is_asked_of_one_plugin_in_its_order),
        cmocka_unit_test(
            registry_disables_a_plugin_whose_start_is_under_way_when_it_is_up),
        cmocka_unit_test(registry_keeps_what_is_disabled_by_hand_disabled),
        cmocka_unit_test(registry_enables_against_the_file_until_that_is_read_again),
        cmocka_unit_test(registry_disables_also_where_it_cannot_be_stored),
        cmocka_unit_test(registry_reloads_nothing_that_is_disabled),
        cmocka_unit_test(registry_reload_loads_the_file_anew),
        cmocka_unit_test(registry_keeps_what_runs_when_its_new_file_cannot_be_made),
        cmocka_unit_test(
            registry_goes_on_with_the_old_file_when_the_new_one_does_not_start),
        cmocka_unit_test(regress_options_that_keep_a_plugin_from_starting_are_dropped),
        cmocka_unit_test(regress_folders_of_plugins_outlive_their_configuration),
        cmocka_unit_test(
            regress_what_runs_is_stopped_before_a_parked_one_takes_its_place),
        cmocka_unit_test(registry_starts_one_that_has_failed_when_it_is_enabled),
        cmocka_unit_test(registry_leaves_out_what_crashed_until_it_is_enabled_by_hand),
    };

    return cmocka_run_group_tests_name("registry_orders", tests, NULL, NULL);
}
