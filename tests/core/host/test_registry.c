/* SPDX-License-Identifier: Apache-2.0 */
/* The registry's promises, with real plugins: who is started when, what an operation ends
 * with, and that a configuration is put in force whole or not at all. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "core/host/loader.h"
#include "core/host/plugin.h"
#include "core/host/switched_off.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

#define SHORT_MS 50 /* a limit that is meant to be reached */
#define ON_DEMAND "plugins: {netstub: {}}\n"

typedef void (*operation_fn)(struct tc_registry *registry, const char *name,
                             tc_registry_done_fn done, void *arg);

/* Runs one operation to its end: its status, the sentence in *outcome. */
static int run(struct tc_rig *rig, operation_fn operation, const char *name,
               struct tc_rig_outcome *outcome)
{
    memset(outcome, 0, sizeof(*outcome));
    operation(rig->registry, name, tc_rig_ended, outcome);
    tc_rig_wait(rig, outcome);
    return outcome->status;
}

static enum tc_plugin_state state_of(const struct tc_rig *rig, const char *name)
{
    const struct tc_plugin *plugin = tc_registry_plugin(rig->registry, name);

    assert_non_null(plugin);
    return tc_plugin_state(plugin);
}

static void check_count(const struct tc_rig *rig, unsigned loaded, unsigned failed)
{
    unsigned l, f;

    tc_registry_count(rig->registry, &l, &f);
    assert_int_equal(l, loaded);
    assert_int_equal(f, failed);
}

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
    check_count(&rig, 4, 0);
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
    check_count(&rig, 1, 4);
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
    check_count(&rig, 0, 0);
    tc_rig_done(&rig);

    tc_rig_run(&rig, "plugins: {good: {enabled: false}}\n");
    assert_int_equal(rig.count, 0);
    assert_false(tc_registry_wants(rig.registry, "good"));
    assert_int_equal(run(&rig, tc_registry_enable, "good", &outcome), 0);
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
    check_count(&rig, 1, 1);
    assert_int_equal(run(&rig, tc_registry_disable, "never_ready", &outcome), 0);
    check_count(&rig, 1, 0);
    tc_rig_done(&rig);
}

/* ---- Enable, disable, reload ---- */

static void registry_enables_and_disables_by_hand(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_rig rig;
    size_t before;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {word: hi}}\n");
    before = rig.count;
    assert_int_equal(run(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_int_equal(rig.count, before); /* it runs already */

    assert_int_equal(run(&rig, tc_registry_disable, "good", &outcome), 0);
    assert_true(tc_rig_has(&rig, before, "stopped good"));
    assert_null(tc_registry_plugin(rig.registry, "good"));
    assert_false(tc_registry_wants(rig.registry, "good"));
    assert_int_equal(tc_rig_ask(&rig), 0);
    assert_int_equal(run(&rig, tc_registry_disable, "good", &outcome), 0);
    check_count(&rig, 0, 0);

    rig.word[0] = '\0';
    before = rig.count;
    assert_int_equal(run(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_true(tc_rig_has(&rig, before, "started good"));
    assert_string_equal(rig.word, "hi");
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_done(&rig);
}

static void registry_says_where_a_name_that_it_does_not_know_belongs(void **state)
{
    static const operation_fn all[] = {tc_registry_enable, tc_registry_disable,
                                       tc_registry_reload};
    struct tc_rig_outcome outcome;
    struct tc_rig rig;

    (void)state;
    tc_rig_run(&rig, "plugins: {good: {}}\n");
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        assert_int_equal(run(&rig, all[i], "acme", &outcome), -ENOENT);
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
    assert_int_equal(run(&rig, tc_registry_enable, "good", &other), 0);
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
    assert_int_equal(state_of(&rig, "late_ready"), TC_PLUGIN_RUNNING);
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
    assert_int_equal(run(&rig, tc_registry_disable, "good", &outcome), 0);
    assert_string_equal(outcome.why, "");
    assert_int_equal(run(&rig, tc_registry_disable, "good", &outcome), 0);
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
    assert_int_equal(run(&rig, tc_registry_enable, "good", &outcome), 0);
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
    assert_int_equal(run(&rig, tc_registry_enable, "good", &outcome), 0);
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
    assert_int_equal(run(&rig, tc_registry_disable, "good", &outcome), 0);
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
    assert_int_equal(run(&rig, tc_registry_reload, "good", &outcome), -EINVAL);
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
    assert_int_equal(run(&rig, tc_registry_reload, "acme", &outcome), 0);
    assert_int_equal(tc_rig_ask(&rig), 1);
    check_count(&rig, 1, 0);
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
        assert_true(run(&rig, tc_registry_reload, "acme", &outcome) < 0);
        assert_true(outcome.why[0] != '\0');
        assert_true(tc_rig_has(&rig, from, "kept acme"));
        assert_int_equal(rig.count, from + 1);
        assert_ptr_equal(tc_registry_plugin(rig.registry, "acme"), before);
        assert_int_equal(state_of(&rig, "acme"), TC_PLUGIN_RUNNING);
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
    assert_int_equal(run(&rig, tc_registry_reload, "acme", &outcome), -EIO);
    assert_non_null(strstr(outcome.why, "start failed"));
    assert_int_equal(rig.count, from + 1);
    assert_string_equal(rig.events[from], "kept acme");
    assert_string_equal(rig.whys[from], outcome.why);
    assert_last_error(&rig, "acme", outcome.why);
    assert_int_equal(state_of(&rig, "acme"), TC_PLUGIN_RUNNING);
    assert_int_equal(tc_rig_ask(&rig), 1);
    tc_rig_install(&rig, "good", "acme");
    assert_int_equal(run(&rig, tc_registry_reload, "acme", &outcome), 0);
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
    assert_int_equal(state_of(&rig, "netstub"), TC_PLUGIN_RUNNING);
    check_count(&rig, 1, 0);
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
    assert_int_equal(run(&rig, tc_registry_reload, "acme", &outcome), 0);
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
    check_count(&rig, 0, 1);
    assert_int_equal(run(&rig, tc_registry_enable, "acme", &outcome), -EIO);
    check_count(&rig, 0, 1);
    tc_rig_install(&rig, "good", "acme");
    assert_int_equal(run(&rig, tc_registry_enable, "acme", &outcome), 0);
    check_count(&rig, 1, 0);
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
    check_count(&rig, 0, 1);
    /* Nor does a new configuration start it. */
    tc_rig_apply(&rig, "plugins: {good: {word: new}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_int_equal(tc_rig_ask(&rig), 0);

    assert_int_equal(run(&rig, tc_registry_enable, "good", &outcome), 0);
    assert_int_equal(tc_rig_ask(&rig), 1);
    assert_string_equal(rig.word, "new");
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
    assert_int_equal(state_of(&rig, "netstub"), TC_PLUGIN_LOADED);
    assert_string_equal(tc_registry_of_kind(rig.registry, TOCSIN_KIND_NETWORK_EXTENSION),
                        "netstub");
    assert_null(tc_registry_of_kind(rig.registry, TOCSIN_KIND_SYSTEM_EXTENSION));
    for (int i = 0; i < 3; i++) {
        from = rig.count;
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), 0);
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), -EBUSY);
        (void)tc_rig_await(&rig, from, "started netstub");
        assert_int_equal(state_of(&rig, "netstub"), TC_PLUGIN_RUNNING);
        from = rig.count;
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), 0);
        assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), -EBUSY);
        (void)tc_rig_await(&rig, from, "stopped netstub");
        assert_int_equal(state_of(&rig, "netstub"), TC_PLUGIN_STOPPED); /* still loaded */
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
        check_count(&rig, 0, 1);
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
    assert_int_equal(state_of(&rig, "netstub"), TC_PLUGIN_RUNNING);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", false), 0);
    tc_rig_wait(&rig, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_null(tc_registry_plugin(rig.registry, "netstub"));
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), -ENOENT);
    tc_rig_done(&rig);
}

/* ---- A new configuration ---- */

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
    check_count(&rig, 1, 0);
    assert_int_equal(run(&rig, tc_registry_enable, "late_ready", &outcome), -ENOENT);
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
    check_count(&rig, 1, 2);
    from = rig.count;
    tc_rig_apply(&rig, "plugins: {good: {}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    assert_true(tc_rig_has(&rig, from, "stopped start_fails"));
    assert_true(tc_rig_has(&rig, from, "stopped nowhere"));
    check_count(&rig, 1, 0);
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
    check_count(&rig, 0, 0);
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
    assert_int_equal(run(&rig, tc_registry_reload, "good", &outcome), -ECANCELED);
    tc_rig_apply(&rig, "plugins: {}\n", false, &outcome);
    assert_int_equal(outcome.status, -ECANCELED);
    assert_int_equal(tc_registry_demand(rig.registry, "netstub", true), -EBUSY);
    tc_rig_wait(&rig, &stopped);
    /* Nor when it has: a configuration may have been read until then. */
    assert_int_equal(run(&rig, tc_registry_enable, "good", &outcome), -ECANCELED);
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
    assert_int_equal(run(&rig, tc_registry_disable, "good", &outcome), 0);
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
    check_count(&rig, 2, 2);
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
        cmocka_unit_test(registry_starts_a_sensor_on_demand_only),
        cmocka_unit_test(registry_loads_a_failed_sensor_anew_on_demand),
        cmocka_unit_test(registry_asks_before_it_stops_a_demanded_sensor),
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
