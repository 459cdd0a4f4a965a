/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's promises, with real plugins: who is started when, on demand too, how all
 * is stopped, and what it says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/registry_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "core/host/loader.h"
#include "core/host/plugin.h"
#include "ipc/pack.h"

#define SHORT_MS 50 /* a limit that is meant to be reached */
#define ON_DEMAND "plugins: {netstub: {}}\n"

/* ---- Boot ---- */

static void registry_waits_at_its_start_for_every_plugin(void **state)
{
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig,
               "plugins: {supplement: {}, netstub: {}, late_ready: {}, good: {}}\n");
    assert_true(tc_rig_has(&rig, 0, "started late_ready"));
    assert_true(tc_rig_has(&rig, 0, "started good"));
    assert_true(tc_rig_has(&rig, 0, "started supplement"));
    assert_true(tc_rig_has(&rig, 0, "loaded netstub"));
    assert_int_equal(rig.count, 4);
    tc_rig_check_count(&rig, 4, 0);
    tc_rig_done(&rig);
}

/* never_ready is not within the time of this test. */
static void regress_a_detector_that_is_not_ready_holds_no_sensor_up(void **state)
{
    struct tc_rig_outcome booted = {0}, stopped = {0};
    char why[256] = "";
    struct tc_rig rig;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    assert_int_equal(
        tc_config_read_text("t.yaml",
                            "plugins: {never_ready: {}, netstub: {}, supplement: {}}\n",
                            &rig.config, why),
        0);
    assert_int_equal(
        tc_registry_boot(rig.registry, rig.config, tc_rig_ended, &booted, why), 0);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, 0, "started netstub");
    (void)tc_rig_await(&rig, 0, "started supplement");
    assert_int_equal(booted.count, 0);
    /* Nor does it hold up the end. */
    tc_registry_stop(rig.registry, tc_rig_ended, &stopped);
    tc_rig_wait(&rig, &stopped);
    assert_int_equal(booted.count, 0);
    tc_rig_done(&rig);
}

/* What was killed leaves drafts, and copies of files that there are no more. */
static void regress_copies_that_nobody_maps_are_removed_at_the_start(void **state)
{
    static const char *const left[] = {
        ".draft-1-2",
        "acme-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.so"};
    static const char *const kept[] = {"acme-1.so", "notes"};
    char path[256], why[256] = "";
    struct tc_rig rig;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", rig.dir, left[i]);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        (void)snprintf(path, sizeof(path), "%s/%s", rig.dir, kept[i]);
        close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    }
    assert_int_equal(tc_rig_boot(&rig, "plugins: {good: {}}\n", why), 0);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", rig.dir, left[i]);
        assert_int_equal(access(path, F_OK), -1);
        (void)snprintf(path, sizeof(path), "%s/%s", rig.dir, kept[i]);
        assert_int_equal(access(path, F_OK), 0);
    }
    assert_int_equal(
        access(tc_plugin_module(tc_registry_plugin(rig.registry, "good"))->private_path,
               F_OK),
        0);
    tc_rig_done(&rig);
}

static void registry_starts_the_others_when_some_fail(void **state)
{
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {nowhere: {}, init_fails: {}, start_fails: {},\n"
                     "          late_ready: {error: 5}, good: {}}\n");
    assert_true(tc_rig_has(&rig, 0, "refused nowhere"));
    assert_true(tc_rig_has(&rig, 0, "refused init_fails"));
    assert_true(tc_rig_has(&rig, 0, "failed start_fails"));
    assert_true(tc_rig_has(&rig, 0, "failed late_ready"));
    assert_true(tc_rig_has(&rig, 0, "started good"));
    assert_int_equal(rig.count, 5);
    assert_non_null(strstr(rig.whys[tc_rig_await(&rig, 0, "refused nowhere")],
                           "tocsin_nowhere.so is in no folder"));
    assert_non_null(
        strstr(rig.whys[tc_rig_await(&rig, 0, "failed start_fails")], "start failed"));
    tc_rig_check_count(&rig, 1, 4);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

static void registry_starts_nothing_when_a_section_does_not_fit(void **state)
{
    char why[256] = "";
    struct tc_rig rig;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    assert_int_equal(
        tc_rig_boot(&rig, "plugins: {late_ready: {}, good: {depth: 99}}\n", why),
        -EINVAL);
    assert_non_null(strstr(why, "t.yaml:1:"));
    assert_non_null(strstr(why, "depth"));
    assert_int_equal(tc_rig_ask(&rig), 0);
    assert_int_equal(rig.count, 0);
    tc_rig_done(&rig);
}

static void registry_boots_with_no_plugins_and_with_disabled_ones(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {}\n");
    tc_rig_check_count(&rig, 0, 0);
    tc_rig_done(&rig);

    tc_rig_run(&rig, "plugins: {good: {enabled: false}}\n");
    assert_int_equal(rig.count, 0);
    assert_false(tc_registry_wants(rig.registry, "good"));
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_true(tc_registry_wants(rig.registry, "good"));
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

static void registry_gives_up_on_a_plugin_that_is_never_ready(void **state)
{
    struct tc_rig_outcome outcome;
    char why[256] = "";
    struct tc_rig rig;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    rig.start_ms = SHORT_MS;
    assert_int_equal(tc_rig_make(&rig), 0);
    assert_int_equal(tc_rig_boot(&rig, "plugins: {never_ready: {}, good: {}}\n", why), 0);
    assert_non_null(
        strstr(rig.whys[tc_rig_await(&rig, 0, "failed never_ready")], "was not ready"));
    tc_rig_check_count(&rig, 1, 1);
    assert_int_equal(tc_rig_do(&rig, tc_registry_disable, "never_ready", &outcome), 0);
    tc_rig_check_count(&rig, 1, 0);
    tc_rig_done(&rig);
}

/* ---- On demand ---- */

static void registry_starts_a_sensor_on_demand_only(void **state)
{
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, ON_DEMAND);
    assert_true(tc_rig_has(&rig, 0, "loaded netstub"));
    assert_int_equal(tc_rig_state(&rig, "netstub"), TC_PLUGIN_LOADED);
    assert_string_equal(tc_registry_of_kind(rig.registry, TOCSIN_KIND_NETWORK_EXTENSION),
                        "netstub");
    assert_null(tc_registry_of_kind(rig.registry, TOCSIN_KIND_SYSTEM_EXTENSION));
    for (int i = 0; i < 3; i++) {
        from = rig.count;
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), -EBUSY);
        (void)tc_rig_await(&rig, from, "started netstub");
        assert_int_equal(tc_rig_state(&rig, "netstub"), TC_PLUGIN_RUNNING);
        from = rig.count;
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), 0);
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), -EBUSY);
        (void)tc_rig_await(&rig, from, "stopped netstub");
        assert_int_equal(tc_rig_state(&rig, "netstub"),
                         TC_PLUGIN_STOPPED); /* still loaded */
    }
    assert_int_equal(tc_registry_demand(rig.registry, "acme", true), -ENOENT);
    tc_rig_done(&rig);
}

static void registry_loads_a_failed_sensor_anew_on_demand(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, "plugins: {netstub: {fail: start}}\n");
    for (int i = 0; i < 2; i++) {
        from = rig.count;
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
        (void)tc_rig_await(&rig, from, "failed netstub");
        tc_rig_check_count(&rig, 0, 1);
    }
    /* Whether it is still to run is not the registry's to say. */
    from = rig.count;
    tc_rig_apply(&rig, ON_DEMAND, false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(rig.events[from], "loaded netstub");
    assert_int_equal(rig.count, from + 1);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, from, "started netstub");
    tc_rig_done(&rig);
}

/* Who has demanded it sees to a successor first, and stops it then. */
static void registry_asks_before_it_stops_a_demanded_sensor(void **state)
{
    struct tc_rig_outcome outcome = {0};
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, ON_DEMAND);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, 0, "started netstub");
    tc_registry_disable(rig.registry, "netstub", tc_rig_ended, &outcome);
    while (!rig.disabled[0])
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_string_equal(rig.disabled, "netstub");
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    assert_int_equal(outcome.count, 0);
    assert_int_equal(tc_rig_state(&rig, "netstub"), TC_PLUGIN_RUNNING);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), 0);
    tc_rig_wait(&rig, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_null(tc_registry_plugin(rig.registry, "netstub"));
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), -ENOENT);
    tc_rig_done(&rig);
}

/* ---- Stop ---- */

static void registry_stops_sensors_before_detectors(void **state)
{
    struct tc_rig_outcome stopped = {0};
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {}, netstub: {}, supplement: {}}\n");
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, 0, "started netstub");
    tc_registry_stop(rig.registry, tc_rig_ended, &stopped);
    tc_rig_wait(&rig, &stopped);
    assert_true(tc_rig_await(&rig, 0, "stopped netstub") <
                tc_rig_await(&rig, 0, "stopped good"));
    assert_true(tc_rig_await(&rig, 0, "stopped supplement") <
                tc_rig_await(&rig, 0, "stopped good"));
    tc_rig_check_count(&rig, 0, 0);
    assert_int_equal(rig.voters, 0);
    tc_rig_done(&rig); /* a second stop, of nothing */
}

/* The plugin's code is not unmapped under the thread that runs it. */
static void registry_waits_for_work_that_outlives_the_stop_limit(void **state)
{
    struct tc_rig_outcome stopped = {0};
    char gate[96], yaml[192], why[256] = "";
    struct tc_rig rig;
    int fd;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    rig.stop_ms = SHORT_MS;
    assert_int_equal(tc_rig_make(&rig), 0);
    (void)snprintf(gate, sizeof(gate), "%s/gate", rig.dir);
    assert_int_equal(mkfifo(gate, 0600), 0);
    fd = open(gate, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    (void)snprintf(yaml, sizeof(yaml), "plugins: {works: {gate: %s}}\n", gate);
    assert_int_equal(tc_rig_boot(&rig, yaml, why), 0);
    tc_registry_stop(rig.registry, tc_rig_ended, &stopped);
    (void)tc_rig_await(&rig, 0, "stopped works");
    for (int i = 0; i < 3; i++)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_int_equal(stopped.count, 0);
    assert_int_equal(write(fd, "................", 16), 16);
    tc_rig_wait(&rig, &stopped);
    close(fd);
    tc_rig_done(&rig);
}

static void registry_takes_no_operation_once_it_stops(void **state)
{
    struct tc_rig_outcome stopped = {0}, outcome;
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {}, netstub: {}}\n");
    tc_registry_stop(rig.registry, tc_rig_ended, &stopped);
    assert_int_equal(tc_rig_do(&rig, tc_registry_reload, "good", &outcome), -ECANCELED);
    tc_rig_apply(&rig, "plugins: {}\n", false, &outcome);
    assert_int_equal(outcome.status, -ECANCELED);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), -EBUSY);
    tc_rig_wait(&rig, &stopped);
    /* Nor when it has: a configuration may have been read until then. */
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "good", &outcome), -ECANCELED);
    tc_rig_apply(&rig, "plugins: {good: {}}\n", false, &outcome);
    assert_int_equal(outcome.status, -ECANCELED);
    tc_rig_done(&rig);
}

static void registry_stops_while_a_file_is_being_loaded(void **state)
{
    struct tc_rig_outcome reload = {0}, stopped = {0};
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {}}\n");
    tc_registry_reload(rig.registry, "good", tc_rig_ended, &reload);
    tc_registry_stop(rig.registry, tc_rig_ended, &stopped);
    tc_rig_wait(&rig, &stopped);
    assert_int_equal(reload.count, 1);
    assert_null(tc_registry_plugin(rig.registry, "good"));
    tc_rig_done(&rig);
}

/* A configuration that a pool thread still checks ends first, and starts nothing. */
static void regress_stop_waits_for_a_configuration_under_way(void **state)
{
    struct tc_rig_outcome apply = {0}, stopped = {0};
    char why[256] = "";
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {late_ready: {}}\n");
    assert_int_equal(
        tc_config_read_text("t.yaml", "plugins: {good: {}}\n", &rig.next, why), 0);
    tc_registry_apply(rig.registry, rig.next, false, tc_rig_ended, &apply);
    tc_registry_stop(rig.registry, tc_rig_ended, &stopped);
    tc_rig_wait(&rig, &stopped);
    assert_int_equal(apply.count, 1);
    assert_int_equal(apply.status, -ECANCELED);
    assert_false(tc_rig_has(&rig, 0, "started good"));
    tc_rig_done(&rig);
}

/* ---- What it says of them ---- */

static void registry_knows_who_votes(void **state)
{
    struct tc_rig_outcome outcome;
    char names[64];
    struct tc_rig rig;
    uint64_t bit;

    (void)state;
    tc_rig_run(&rig, "plugins: {late_ready: {}, good: {}}\n");
    bit = tc_registry_voter(rig.registry, "good");
    assert_true(bit != 0);
    assert_int_equal(rig.voters, bit);
    assert_int_equal(tc_registry_voter(rig.registry, "late_ready"), 0);
    assert_int_equal(tc_registry_voter(rig.registry, "acme"), 0);
    tc_registry_voter_names(rig.registry, bit, names, sizeof(names));
    assert_string_equal(names, "good");
    assert_int_equal(tc_rig_do(&rig, tc_registry_disable, "good", &outcome), 0);
    assert_int_equal(rig.voters, 0);
    tc_registry_voter_names(rig.registry, bit, names, sizeof(names));
    assert_string_equal(names, "");
    tc_rig_done(&rig);
}

static void registry_describes_every_plugin_that_it_was_given(void **state)
{
    static const char *const names[] = {"good", "netstub", "start_fails", "nowhere",
                                        "off"};
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {}, netstub: {}, start_fails: {}, nowhere: {},\n"
                     "          off: {enabled: false}}\n");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct tc_pack p;

        tc_pack_init(&p);
        tc_pack_begin_map(&p, NULL);
        assert_int_equal(tc_registry_put(rig.registry, names[i], &p), 0);
        tc_pack_end(&p);
        assert_int_equal(p.error, 0);
        assert_non_null(memmem(p.bytes.data, p.bytes.size, names[i], strlen(names[i])));
        tc_pack_done(&p);
    }
    assert_int_equal(tc_registry_put(rig.registry, "acme", NULL), -ENOENT);
    tc_rig_check_count(&rig, 2, 2);
    tc_rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_waits_at_its_start_for_every_plugin),
        cmocka_unit_test(regress_a_detector_that_is_not_ready_holds_no_sensor_up),
        cmocka_unit_test(regress_copies_that_nobody_maps_are_removed_at_the_start),
        cmocka_unit_test(registry_starts_the_others_when_some_fail),
        cmocka_unit_test(registry_starts_nothing_when_a_section_does_not_fit),
        cmocka_unit_test(registry_boots_with_no_plugins_and_with_disabled_ones),
        cmocka_unit_test(registry_gives_up_on_a_plugin_that_is_never_ready),
        cmocka_unit_test(registry_starts_a_sensor_on_demand_only),
        cmocka_unit_test(registry_loads_a_failed_sensor_anew_on_demand),
        cmocka_unit_test(registry_asks_before_it_stops_a_demanded_sensor),
        cmocka_unit_test(registry_stops_sensors_before_detectors),
        cmocka_unit_test(registry_waits_for_work_that_outlives_the_stop_limit),
        cmocka_unit_test(registry_takes_no_operation_once_it_stops),
        cmocka_unit_test(registry_stops_while_a_file_is_being_loaded),
        cmocka_unit_test(regress_stop_waits_for_a_configuration_under_way),
        cmocka_unit_test(registry_knows_who_votes),
        cmocka_unit_test(registry_describes_every_plugin_that_it_was_given),
    };

    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
