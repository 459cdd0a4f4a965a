/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/registry_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "core/isolate/isolate.h"
#include "ipc/bus.h"
#include "ipc/event.h"
#include "tests/support/empty_host.h"
#include "tests/support/harness.h"

#define ALARM_S 100
#define TURN_EVENTS 256
#define TICK_MS 5

/* ---- What the registry and its plugins call ---- */

static int rig_publish(void *arg, const struct tocsin_event *draft, const char *source,
                       const struct tocsin_event **ret_event)
{
    struct tc_rig *rig = arg;
    struct tc_event *event;
    int err = tc_bus_publish(rig->bus, draft, source, NULL, &event);

    if (err)
        return err;
    if (ret_event)
        *ret_event = &event->pub;
    else
        tc_event_unref(event);
    return 0;
}

static void rig_report(void *arg, const char *plugin, uint32_t what, const char *key,
                       const char *text, const char *fix)
{
    struct tc_rig *rig = arg;

    (void)plugin;
    (void)fix;
    if (what == TOCSIN_REPORT_FACT && !strcmp(key, "word"))
        (void)snprintf(rig->word, sizeof(rig->word), "%s", text);
}

static void rig_changed(void *arg, struct tc_plugin *plugin)
{
    struct tc_rig *rig = arg;

    (void)plugin;
    tc_registry_changed(rig->registry);
}

static void rig_event(void *arg, const char *what, const char *name, const char *why,
                      const struct tc_plugin *plugin)
{
    struct tc_rig *rig = arg;

    (void)plugin;
    assert_true(rig->count < TC_RIG_EVENTS_MAX);
    (void)snprintf(rig->events[rig->count], sizeof(rig->events[0]), "%s %s", what, name);
    (void)snprintf(rig->whys[rig->count++], sizeof(rig->whys[0]), "%s", why);
}

static void rig_disabled(void *arg, const char *name)
{
    struct tc_rig *rig = arg;

    (void)snprintf(rig->disabled, sizeof(rig->disabled), "%s", name);
}

static void rig_voters(void *arg, uint64_t set)
{
    ((struct tc_rig *)arg)->voters = set;
}

/* ---- Loop and bus ---- */

static void wake(void *arg)
{
    (void)uv_async_send(&((struct tc_rig *)arg)->turn);
}

static void turn(uv_async_t *async)
{
    struct tc_rig *rig = async->data;

    if (tc_bus_turn(rig->bus, TURN_EVENTS))
        (void)uv_async_send(&rig->turn);
}

static void hear(void *arg, struct tc_event *event)
{
    (void)event;
    ((struct tc_rig *)arg)->answers++;
}

static void tick(uv_timer_t *timer)
{
    (void)timer;
}

int tc_rig_init(struct tc_rig *rig)
{
    static const char *const topics[] = {"test.out", NULL};
    struct tc_subscription what = {
        .name = "rig", .patterns = topics, .deliver = hear, .arg = rig};
    int err;

    memset(rig, 0, sizeof(*rig));
    alarm(ALARM_S);
    rig->bus = tc_bus_new(wake, rig);
    if (!rig->bus)
        return -ENOMEM;
    err = tc_bus_subscribe(rig->bus, &what, &rig->ear);
    if (err) {
        tc_bus_free(rig->bus);
        return err;
    }
    (void)snprintf(rig->dir, sizeof(rig->dir), "/tmp/tocsin-registry-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    (void)snprintf(rig->plugins, sizeof(rig->plugins), "%s/plugins", rig->dir);
    assert_int_equal(mkdir(rig->plugins, 0755), 0);
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    assert_int_equal(uv_async_init(&rig->loop, &rig->turn, turn), 0);
    rig->turn.data = rig;
    assert_int_equal(uv_timer_init(&rig->loop, &rig->tick), 0);
    assert_int_equal(uv_timer_start(&rig->tick, tick, TICK_MS, TICK_MS), 0);
    return 0;
}

int tc_rig_make(struct tc_rig *rig)
{
    struct tc_registry_options options = {
        .env = {.loop = &rig->loop,
                .bus = rig->bus,
                .state_dir = rig->dir,
                .arg = rig,
                .publish = rig_publish,
                .report = rig_report,
                .changed = rig_changed,
                .start_ms = rig->start_ms,
                .stop_ms = rig->stop_ms},
        .isolate = rig->isolate ? tc_isolate_open : NULL,
        .isolate_arg = rig->isolate,
        .private_dir = rig->dir,
        .dirs = {rig->folder ? rig->folder : rig->plugins, TEST_FIXTURES},
        .event = rig_event,
        .disabled = rig_disabled,
        .voters = rig_voters,
        .arg = rig,
    };

    tc_empty_host(&options.env);
    return tc_registry_new(&options, &rig->registry);
}

void tc_rig_done(struct tc_rig *rig)
{
    struct tc_rig_outcome stopped = {0};

    if (rig->registry) {
        tc_registry_stop(rig->registry, tc_rig_ended, &stopped);
        tc_rig_wait(rig, &stopped);
        assert_int_equal(stopped.status, 0);
        tc_registry_free(rig->registry);
    }
    tc_bus_unsubscribe(rig->ear);
    uv_close((uv_handle_t *)&rig->turn, NULL);
    uv_close((uv_handle_t *)&rig->tick, NULL);
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    tc_bus_free(rig->bus);
    tc_config_free(rig->config);
    tc_config_free(rig->next);
    tc_harness_remove_folder(rig->dir);
    alarm(0);
}

/* ---- Operations ---- */

void tc_rig_ended(void *outcome, int status, const char *why)
{
    struct tc_rig_outcome *o = outcome;

    o->count++;
    o->status = status;
    (void)snprintf(o->why, sizeof(o->why), "%s", why ? why : "");
}

void tc_rig_wait(struct tc_rig *rig, const struct tc_rig_outcome *outcome)
{
    while (!outcome->count)
        (void)uv_run(&rig->loop, UV_RUN_ONCE);
    assert_int_equal(outcome->count, 1);
}

int tc_rig_boot(struct tc_rig *rig, const char *yaml, char why[256])
{
    struct tc_rig_outcome booted = {0};
    int err;

    err = tc_config_read_text("t.yaml", yaml, &rig->config, why);
    if (!err)
        err = tc_registry_boot(rig->registry, rig->config, tc_rig_ended, &booted, why);
    if (err)
        return err;
    tc_rig_wait(rig, &booted);
    return booted.status;
}

void tc_rig_run(struct tc_rig *rig, const char *yaml)
{
    char why[256] = "";

    assert_int_equal(tc_rig_init(rig), 0);
    assert_int_equal(tc_rig_make(rig), 0);
    if (tc_rig_boot(rig, yaml, why))
        fail_msg("%s", why);
}

void tc_rig_apply(struct tc_rig *rig, const char *yaml, bool dry,
                  struct tc_rig_outcome *outcome)
{
    char why[256] = "";
    int err;

    memset(outcome, 0, sizeof(*outcome));
    err = tc_config_read_text("t.yaml", yaml, &rig->next, why);
    if (err) {
        tc_rig_ended(outcome, err, why);
        return;
    }
    tc_registry_apply(rig->registry, rig->next, dry, tc_rig_ended, outcome);
    tc_rig_wait(rig, outcome);
    if (outcome->status == 0 && !dry) {
        tc_config_free(rig->config);
        rig->config = rig->next;
    } else {
        tc_config_free(rig->next);
    }
    rig->next = NULL;
}

bool tc_rig_has(const struct tc_rig *rig, size_t from, const char *event)
{
    for (size_t i = from; i < rig->count; i++)
        if (!strcmp(rig->events[i], event))
            return true;
    return false;
}

size_t tc_rig_await(struct tc_rig *rig, size_t from, const char *event)
{
    for (size_t i = from;; i++) {
        while (i >= rig->count)
            (void)uv_run(&rig->loop, UV_RUN_ONCE);
        if (!strcmp(rig->events[i], event))
            return i;
    }
}

size_t tc_rig_ask(struct tc_rig *rig)
{
    static const uint8_t empty_map = 0x80;
    struct tocsin_event draft = {.size = sizeof(draft),
                                 .fd = -1,
                                 .topic = "test.in",
                                 .data = &empty_map,
                                 .len = 1};
    size_t before = rig->answers;

    assert_int_equal(tc_bus_publish(rig->bus, &draft, "test", NULL, NULL), 0);
    while (tc_bus_turn(rig->bus, TURN_EVENTS))
        ;
    return rig->answers - before;
}

void tc_rig_install(struct tc_rig *rig, const char *from, const char *name)
{
    char source[512], target[192], draft[200], buf[65536];
    int in, out;
    ssize_t n;

    (void)snprintf(source, sizeof(source), "%s/tocsin_%s.so", TEST_FIXTURES, from);
    (void)snprintf(target, sizeof(target), "%s/tocsin_%s.so", rig->plugins, name);
    (void)snprintf(draft, sizeof(draft), "%s.new", target);
    in = open(source, O_RDONLY | O_CLOEXEC);
    out = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, buf, sizeof(buf))) > 0)
        assert_int_equal(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
    assert_int_equal(rename(draft, target), 0);
}

int tc_rig_do(struct tc_rig *rig, tc_rig_operation_fn operation, const char *name,
              struct tc_rig_outcome *outcome)
{
    memset(outcome, 0, sizeof(*outcome));
    operation(rig->registry, name, tc_rig_ended, outcome);
    tc_rig_wait(rig, outcome);
    return outcome->status;
}

enum tc_plugin_state tc_rig_state(const struct tc_rig *rig, const char *name)
{
    const struct tc_plugin *plugin = tc_registry_plugin(rig->registry, name);

    assert_non_null(plugin);
    return tc_plugin_state(plugin);
}

void tc_rig_check_count(const struct tc_rig *rig, unsigned loaded, unsigned failed)
{
    unsigned l, f;

    tc_registry_count(rig->registry, &l, &f);
    assert_int_equal(l, loaded);
    assert_int_equal(f, failed);
}
