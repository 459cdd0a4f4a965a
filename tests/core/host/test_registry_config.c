/* SPDX-License-Identifier: Apache-2.0 */
/* A new configuration, with real plugins: put in force whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/registry_rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "core/host/plugin.h"

#define ON_DEMAND "plugins: {netstub: {}}\n"

static void registry_puts_new_options_in_force_without_a_restart(void **state)
{
    struct tc_rig_outcome outcome;
    const struct tc_plugin *before;
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {word: old}}\n");
    before = tc_registry_plugin(rig.registry, "good");
    from = rig.count;
    tc_rig_apply(&rig, "plugins: {good: {word: new}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(rig.word, "new");
    assert_int_equal(rig.count, from);
    assert_ptr_equal(tc_registry_plugin(rig.registry, "good"), before);
    tc_rig_done(&rig);
}

static void registry_restarts_a_plugin_whose_options_ask_for_it(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {depth: 1}, late_ready: {}}\n");
    from = rig.count;
    tc_rig_apply(&rig, "plugins: {good: {depth: 2, word: new}, late_ready: {}}\n", false,
                 &outcome);
    assert_int_equal(outcome.status, 0);
    assert_true(tc_rig_has(&rig, from, "started good"));
    assert_int_equal(rig.count, from + 1); /* the other one was left alone */
    assert_string_equal(rig.word, "new");
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

static void registry_starts_what_is_new_and_forgets_what_is_gone(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {late_ready: {}}\n");
    tc_rig_apply(&rig, "plugins: {good: {}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_true(tc_rig_has(&rig, 0, "started good"));
    assert_true(tc_rig_has(&rig, 0, "stopped late_ready"));
    tc_rig_check_count(&rig, 1, 0);
    assert_int_equal(tc_rig_do(&rig, tc_registry_enable, "late_ready", &outcome),
                     -ENOENT);
    tc_rig_apply(&rig, "plugins: {good: {enabled: false}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(tc_rig_ask(&rig), 0);
    tc_rig_done(&rig);
}

/* Each is refused, at whichever stage, and nothing has changed. */
static void registry_takes_a_configuration_whole_or_not_at_all(void **state)
{
    static const char *const refused[] = {
        "plugins: {one: {word: new}, two: {depth: 99}}\n",          /* its table */
        "plugins: {one: {word: new}, two: {word: bad}}\n",          /* the plugin */
        "plugins: {one: {word: new}, two: {}, acme: {}}\n",         /* no file */
        "plugins: {one: {word: new}, two: {}, bad_magic: {}}\n",    /* no plugin */
        "plugins: {one: {word: new}, late_ready: {error: many}}\n", /* one not loaded */
    };
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "good", "one");
    tc_rig_install(&rig, "good", "two");
    assert_int_equal(
        tc_rig_boot(&rig, "plugins: {one: {word: old}, two: {word: old}}\n", outcome.why),
        0);
    from = rig.count;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        for (int dry = 1; dry >= 0; dry--) {
            /* Only the plugin itself knows that this word is bad. */
            if (dry && strstr(refused[i], "bad}"))
                continue;
            tc_rig_apply(&rig, refused[i], dry, &outcome);
            assert_true(outcome.status < 0);
            assert_true(outcome.why[0] != '\0');
            assert_string_equal(rig.word, "old");
            assert_int_equal(rig.count, from);
            assert_int_equal(tc_rig_ask(&rig), 2);
        }
    tc_rig_apply(&rig, "plugins: {one: {word: new, depth: 5}}\n", true, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(rig.word, "old");
    assert_int_equal(rig.count, from);
    assert_int_equal(tc_rig_ask(&rig), 2);
    tc_rig_done(&rig);
}

/* What waits for a plugin's next start is taken back with the rest. */
static void regress_options_of_a_refused_configuration_do_not_wait(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "good", "two");
    assert_int_equal(
        tc_rig_boot(&rig, "plugins: {netstub: {}, two: {word: old}}\n", outcome.why), 0);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, 0, "started netstub");
    tc_rig_apply(&rig, "plugins: {netstub: {fail: start}, two: {word: bad}}\n", false,
                 &outcome);
    assert_int_equal(outcome.status, -EINVAL);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), 0);
    (void)tc_rig_await(&rig, 0, "stopped netstub");
    from = rig.count;
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    while (rig.count == from)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_string_equal(rig.events[from], "started netstub");
    tc_rig_done(&rig);
}

/* A configuration waits for what was asked before it, and the next one for it. */
static void registry_takes_configurations_in_their_order(void **state)
{
    struct tc_rig_outcome reload = {0}, first = {0}, off = {0}, outcome;
    struct tc_config *config;
    char why[256] = "";
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {late_ready: {}, good: {}}\n");
    assert_int_equal(tc_config_read_text(
                         "first.yaml", "plugins: {good: {word: first}, late_ready: {}}\n",
                         &config, why),
                     0);
    tc_registry_reload(rig.registry, "late_ready", tc_rig_ended, &reload);
    tc_registry_apply(rig.registry, config, false, tc_rig_ended, &first);
    tc_registry_disable(rig.registry, "late_ready", tc_rig_ended, &off);
    assert_string_equal(rig.word, "hello");
    tc_rig_apply(&rig, "plugins: {good: {word: second}, late_ready: {}}\n", false,
                 &outcome);
    assert_int_equal(reload.status, 0);
    assert_int_equal(first.status, 0);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(reload.count, 1);
    assert_int_equal(first.count, 1);
    assert_int_equal(off.count, 1);
    assert_string_equal(rig.word, "second");
    tc_config_free(config);
    tc_rig_done(&rig);
}

/* One that is to be disabled is the slot's until that has found another. */
static void registry_keeps_a_configuration_waiting_for_a_sensor_that_goes(void **state)
{
    struct tc_rig_outcome off = {0}, applied = {0};
    char why[256] = "";
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, ON_DEMAND);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, 0, "started netstub");
    tc_registry_disable(rig.registry, "netstub", tc_rig_ended, &off);
    while (!rig.disabled[0])
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_int_equal(
        tc_config_read_text("t.yaml", "plugins: {good: {}}\n", &rig.next, why), 0);
    tc_registry_apply(rig.registry, rig.next, false, tc_rig_ended, &applied);
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    assert_int_equal(applied.count, 0);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), 0);
    tc_rig_wait(&rig, &applied);
    assert_int_equal(off.count, 1);
    assert_int_equal(applied.status, 0);
    tc_rig_done(&rig);
}

/* A sensor that the slot calls while files are still being opened is there once, after.
 */
static void regress_a_sensor_called_while_a_configuration_is_read_runs_once(void **state)
{
    struct tc_rig_outcome applied = {0};
    char why[256] = "";
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, "plugins: {netstub: {fail: start}}\n");
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, 0, "failed netstub");
    assert_int_equal(tc_config_read_text("t.yaml", "plugins: {netstub: {after: 1ms}}\n",
                                         &rig.next, why),
                     0);
    from = rig.count;
    tc_registry_apply(rig.registry, rig.next, false, tc_rig_ended, &applied);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    tc_rig_wait(&rig, &applied);
    assert_int_equal(applied.status, 0);
    assert_true(tc_rig_has(&rig, from, "failed netstub"));
    assert_false(tc_rig_has(&rig, from, "started netstub"));
    assert_true(tc_rig_has(&rig, from, "loaded netstub"));
    tc_config_free(rig.config);
    rig.config = rig.next;
    rig.next = NULL;
    tc_rig_done(&rig);
}

/* A file that is gone when it is called does not make the next one a sensor that nobody
 * has called. */
static void
regress_a_sensor_that_could_not_be_loaded_is_not_called_for_later(void **state)
{
    struct tc_rig_outcome outcome;
    char path[128], why[256] = "";
    struct tc_rig rig;
    size_t from;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "netstub", "eye");
    assert_int_equal(tc_rig_boot(&rig, "plugins: {eye: {fail: start}}\n", why), 0);
    assert_int_equal(tc_registry_demand(rig.registry, "eye", true), 0);
    (void)tc_rig_await(&rig, 0, "failed eye");
    (void)snprintf(path, sizeof(path), "%s/tocsin_eye.so", rig.plugins);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(tc_registry_demand(rig.registry, "eye", true), -ENOENT);
    tc_rig_install(&rig, "netstub", "eye");
    from = rig.count;
    tc_rig_apply(&rig, "plugins: {eye: {}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_string_equal(rig.events[from], "loaded eye");
    assert_int_equal(rig.count, from + 1);
    tc_rig_done(&rig);
}

/* It was started with a word that it does not take while it runs. */
static void
regress_a_plugin_that_does_not_take_its_old_options_is_started_anew(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    assert_int_equal(tc_rig_init(&rig), 0);
    assert_int_equal(tc_rig_make(&rig), 0);
    tc_rig_install(&rig, "good", "one");
    tc_rig_install(&rig, "good", "two");
    assert_int_equal(
        tc_rig_boot(&rig, "plugins: {one: {word: bad}, two: {word: old}}\n", outcome.why),
        0);
    from = rig.count;
    tc_rig_apply(&rig, "plugins: {one: {word: new}, two: {word: bad}}\n", false,
                 &outcome);
    assert_int_equal(outcome.status, -EINVAL);
    assert_true(tc_rig_has(&rig, from, "started one"));
    assert_string_equal(
        tc_options_text(tc_plugin_options(tc_registry_plugin(rig.registry, "one")),
                        "word"),
        "bad");
    assert_string_equal(
        tc_options_text(tc_plugin_options(tc_registry_plugin(rig.registry, "two")),
                        "word"),
        "old");
    tc_rig_done(&rig);
}

/* Only what has changed is told: whoever waits for a mended file hears of that one. */
static void registry_tells_of_a_parked_sensor_only_when_its_options_change(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, ON_DEMAND);
    from = rig.count;
    tc_rig_apply(&rig, ON_DEMAND, false, &outcome);
    assert_int_equal(rig.count, from);
    for (int i = 0; i < 2; i++) {
        tc_rig_apply(&rig, "plugins: {netstub: {mute: true}}\n", false, &outcome);
        assert_int_equal(outcome.status, 0);
        assert_int_equal(rig.count, from + 1);
        assert_string_equal(rig.events[from], "loaded netstub");
    }
    tc_rig_apply(&rig, "plugins: {netstub: {fail: start}}\n", false, &outcome);
    assert_int_equal(rig.count, from + 2);
    from = rig.count;
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
    (void)tc_rig_await(&rig, from, "failed netstub");
    /* One that has failed, too: whoever calls it tries it again. */
    tc_rig_apply(&rig, "plugins: {netstub: {fail: start}}\n", false, &outcome);
    assert_int_equal(rig.count, from + 1);
    tc_rig_apply(&rig, ON_DEMAND, false, &outcome);
    assert_int_equal(rig.count, from + 2);
    assert_string_equal(rig.events[from + 1], "loaded netstub");
    tc_rig_done(&rig);
}

/* Neither one that has failed nor one that was refused stays, when nobody wants it. */
static void registry_forgets_the_trouble_of_what_is_no_longer_named(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t from;

    (void)state;
    tc_rig_run(&rig, "plugins: {start_fails: {}, nowhere: {}, good: {}}\n");
    tc_rig_check_count(&rig, 1, 2);
    from = rig.count;
    tc_rig_apply(&rig, "plugins: {good: {}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_true(tc_rig_has(&rig, from, "stopped start_fails"));
    assert_true(tc_rig_has(&rig, from, "stopped nowhere"));
    tc_rig_check_count(&rig, 1, 0);
    tc_rig_done(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_puts_new_options_in_force_without_a_restart),
        cmocka_unit_test(registry_restarts_a_plugin_whose_options_ask_for_it),
        cmocka_unit_test(registry_starts_what_is_new_and_forgets_what_is_gone),
        cmocka_unit_test(registry_takes_a_configuration_whole_or_not_at_all),
        cmocka_unit_test(regress_options_of_a_refused_configuration_do_not_wait),
        cmocka_unit_test(registry_takes_configurations_in_their_order),
        cmocka_unit_test(registry_keeps_a_configuration_waiting_for_a_sensor_that_goes),
        cmocka_unit_test(regress_a_sensor_called_while_a_configuration_is_read_runs_once),
        cmocka_unit_test(
            regress_a_sensor_that_could_not_be_loaded_is_not_called_for_later),
        cmocka_unit_test(
            regress_a_plugin_that_does_not_take_its_old_options_is_started_anew),
        cmocka_unit_test(registry_tells_of_a_parked_sensor_only_when_its_options_change),
        cmocka_unit_test(registry_forgets_the_trouble_of_what_is_no_longer_named),
    };

    return cmocka_run_group_tests_name("registry_config", tests, NULL, NULL);
}
