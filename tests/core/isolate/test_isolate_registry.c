/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry makes of `isolate: true`: the configuration says it, and nothing of
 * the agent is started anew for one that crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/host/loader.h"
#include "core/isolate/isolate.h"
#include "core/isolate/proxy.h"
#include "ipc/bus.h"
#include "tests/support/registry_rig.h"

static void prepare(struct tc_rig *rig, struct tc_isolate *isolate)
{
    assert_int_equal(tc_rig_init(rig), 0);
    tc_isolate_init(isolate, TEST_BUILD_DIR "/lib/tocsin/tocsin-host", rig->plugins, 0);
    isolate->retry_ms = 1;
    rig->isolate = isolate;
    assert_int_equal(tc_rig_make(rig), 0);
}

static void boot(struct tc_rig *rig, struct tc_isolate *isolate, const char *yaml)
{
    char why[256] = "";

    prepare(rig, isolate);
    if (tc_rig_boot(rig, yaml, why))
        fail_msg("%s", why);
}

/* It wrecks its process at test.in whose file.path says so. */
static void trigger(struct tc_rig *rig)
{
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1, .topic = "test.in"};
    struct tocsin_writer w;
    uint8_t buf[64];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", "/trigger");
    tocsin_end(&w);
    tocsin_end(&w);
    draft.data = w.buf;
    draft.len = w.len;
    assert_int_equal(tc_bus_publish(rig->bus, &draft, "test", NULL, NULL), 0);
}

static const struct tc_proxy *proxy_of(const struct tc_rig *rig, const char *name)
{
    struct tc_plugin *plugin = tc_registry_plugin(rig->registry, name);

    return ((const struct tc_cell *)(const void *)tc_plugin_module(plugin))->proxy;
}

static void await_up(struct tc_rig *rig, unsigned restarts)
{
    while (proxy_of(rig, "wrecks")->state != TC_PROXY_UP ||
           proxy_of(rig, "wrecks")->restarts != restarts)
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
}

static void registry_leaves_out_one_that_crashes_and_enable_brings_it_back(void **state)
{
    struct tc_rig_outcome enabled = {0};
    struct tc_isolate isolate;
    struct tc_rig rig;
    size_t at;

    (void)state;
    boot(&rig, &isolate, "plugins: {good: {}, wrecks: {isolate: true, how: event}}\n");
    assert_true(tc_plugin_isolated(tc_registry_plugin(rig.registry, "wrecks")));
    assert_false(tc_plugin_isolated(tc_registry_plugin(rig.registry, "good")));
    for (unsigned i = 0; i < 3; i++) {
        await_up(&rig, i);
        trigger(&rig);
        while (proxy_of(&rig, "wrecks")->state == TC_PROXY_UP)
            (void)uv_run(&rig.loop, UV_RUN_ONCE);
    }
    at = tc_rig_await(&rig, 0, "failed wrecks");
    assert_non_null(strstr(rig.whys[at], "left out after 3"));
    assert_int_equal(tc_registry_voter(rig.registry, "wrecks"), 0);
    assert_int_equal(tc_rig_ask(&rig), 1); /* good goes on */
    tc_registry_enable(rig.registry, "wrecks", tc_rig_ended, &enabled);
    tc_rig_wait(&rig, &enabled);
    assert_int_equal(enabled.status, 0);
    assert_true(tc_rig_has(&rig, at + 1, "started wrecks"));
    assert_int_not_equal(tc_registry_voter(rig.registry, "wrecks"), 0);
    tc_rig_done(&rig);
}

static void registry_moves_a_plugin_into_a_process_and_back_by_a_reload(void **state)
{
    struct tc_rig_outcome outcome;
    struct tc_isolate isolate;
    struct tc_rig rig;

    (void)state;
    boot(&rig, &isolate, "plugins: {good: {word: a}}\n");
    assert_string_equal(rig.word, "a");
    tc_rig_apply(&rig, "plugins: {good: {word: b, isolate: true}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    while (strcmp(rig.word, "b") != 0)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    (void)tc_rig_await(&rig, 1, "started good");
    assert_true(tc_plugin_isolated(tc_registry_plugin(rig.registry, "good")));
    tc_rig_apply(&rig, "plugins: {good: {word: c}}\n", false, &outcome);
    assert_int_equal(outcome.status, 0);
    while (strcmp(rig.word, "c") != 0)
        (void)uv_run(&rig.loop, UV_RUN_ONCE);
    assert_false(tc_plugin_isolated(tc_registry_plugin(rig.registry, "good")));
    tc_rig_done(&rig);
}

static void registry_refuses_a_configuration_that_isolates_a_sensor_or_av(void **state)
{
    static const char *const sections[] = {
        "plugins: {netstub: {isolate: true}}\n",
        "plugins: {av: {isolate: true, file: " TEST_FIXTURES "/tocsin_good.so}}\n"};
    struct tc_rig_outcome outcome;
    struct tc_isolate isolate;
    char why[256];
    struct tc_rig rig;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        prepare(&rig, &isolate);
        assert_int_equal(tc_rig_boot(&rig, sections[i], why), -EINVAL);
        assert_non_null(strstr(why, "t.yaml:1:11: "));
        assert_non_null(strstr(why, "isolate: "));
        assert_non_null(strstr(why, "write false or leave it out"));
        tc_rig_done(&rig);
        boot(&rig, &isolate, "plugins: {}\n");
        tc_rig_apply(&rig, sections[i], false, &outcome);
        assert_int_equal(outcome.status, -ENOTSUP);
        assert_non_null(strstr(outcome.why, "write false or leave it out"));
        tc_rig_done(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registry_leaves_out_one_that_crashes_and_enable_brings_it_back),
        cmocka_unit_test(registry_moves_a_plugin_into_a_process_and_back_by_a_reload),
        cmocka_unit_test(registry_refuses_a_configuration_that_isolates_a_sensor_or_av),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
