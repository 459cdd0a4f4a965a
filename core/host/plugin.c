/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine. Nothing here acts while one of the plugin's callbacks is on the
 * stack: what a callback asks for (complete) is noted, and settle, which runs when it has
 * returned, does it. So `changed` is never called from inside a plugin.
 */
#include "core/host/plugin.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/why.h"
#include "core/conf/options.h"
#include "core/host/loader.h"
#include "core/host/plugin_state.h"
#include "ipc/bus.h"
#include "ipc/event.h"

static void settle(void *arg);
static void begin_stop(struct tc_plugin *plugin);

/* The last thing a function does: the agent may start or stop the plugin in there. */
static void become(struct tc_plugin *plugin, enum tc_plugin_state state)
{
    plugin->state = state;
    plugin->env->changed(plugin->env->arg, plugin);
}

/* ---- Calls into the plugin ---- */

int tc_plugin_call(struct tc_plugin *plugin, int (*fn)(void *state))
{
    int rc;

    plugin->held_back = true;
    tc_host_enter(&plugin->host);
    rc = fn(plugin->made);
    tc_host_leave(&plugin->host);
    plugin->held_back = false;
    return rc;
}

/* As tc_plugin_call, for start and stop, which may leave the end to complete. */
static int call_pending(struct tc_plugin *plugin, int (*fn)(void *state))
{
    int rc;

    plugin->host.completed = false;
    rc = tc_plugin_call(plugin, fn);
    if (rc != TOCSIN_PENDING && plugin->host.completed) {
        plugin->host.completed = false;
        tc_host_complain(
            &plugin->host, TOCSIN_LOG_WARNING,
            "calls complete without having returned TOCSIN_PENDING: ignored");
    }
    return rc > TOCSIN_PENDING ? -EPROTO : rc;
}

static int call_init(struct tc_plugin *plugin, char why[256])
{
    int rc;

    plugin->made = NULL;
    tc_host_enter(&plugin->host);
    rc = plugin->calls->init(&plugin->host.pub, &plugin->made);
    tc_host_leave(&plugin->host);
    if (rc) {
        struct tc_last_error said;

        rc = rc < 0 ? rc : -EPROTO;
        tc_host_last_error(&plugin->host, &said);
        tc_why(why, "plugin %s: init failed: %s", plugin->host.name,
               said.text[0] ? said.text : strerror(-rc));
        return rc;
    }
    plugin->is_made = true;
    return 0;
}

static void call_destroy(struct tc_plugin *plugin)
{
    if (!plugin->is_made)
        return;
    tc_host_enter(&plugin->host);
    plugin->calls->destroy(plugin->made);
    tc_host_leave(&plugin->host);
    plugin->is_made = false;
}

void tc_plugin_show(struct tc_plugin *plugin, struct tc_event *event)
{
    tc_host_enter(&plugin->host);
    plugin->calls->event(plugin->made, &event->pub);
    tc_host_leave(&plugin->host);
}

static void deliver(void *arg, struct tc_event *event)
{
    tc_plugin_show(arg, event);
}

/* ---- Subscription ---- */

/* Who only watches, or sends on what was found, sees no secrets. */
static enum tc_bus_text sees(const struct tc_plugin *plugin)
{
    return plugin->module->plugin->kind == TOCSIN_KIND_SUPPLEMENTARY ? TC_BUS_MASKED
                                                                     : TC_BUS_TRUE;
}

/* Sensors know what they have asked; others are told with the answer. */
static int subscribe(struct tc_plugin *plugin)
{
    struct tc_subscription what = {.name = plugin->host.name,
                                   .patterns = plugin->calls->subscribes,
                                   .voter = tc_plugin_votes(plugin),
                                   .text = sees(plugin),
                                   .reader =
                                       plugin->calls->kind >= TOCSIN_KIND_SUPPLEMENTARY,
                                   .deliver = deliver,
                                   .arg = plugin};
    int rc;

    if (plugin->subscriber || !tc_plugin_subscribes(plugin))
        return 0;
    rc = tc_bus_subscribe(plugin->env->bus, &what, &plugin->subscriber);
    if (rc)
        tc_why(plugin->why, "plugin %s: cannot subscribe: %s", plugin->host.name,
               strerror(-rc));
    return rc;
}

static void unsubscribe(struct tc_plugin *plugin)
{
    tc_bus_unsubscribe(plugin->subscriber);
    plugin->subscriber = NULL;
}

/* ---- The limit on start and stop ---- */

static uint64_t start_ms(const struct tc_plugin *plugin)
{
    return plugin->env->start_ms ? plugin->env->start_ms : TC_PLUGIN_START_MS;
}

static uint64_t stop_ms(const struct tc_plugin *plugin)
{
    return plugin->env->stop_ms ? plugin->env->stop_ms : TC_PLUGIN_STOP_MS;
}

static void limit_reached(uv_timer_t *timer)
{
    struct tc_plugin *plugin = timer->data;
    unsigned long long ms;

    switch (plugin->phase) {
    case PHASE_STARTING:
        ms = (unsigned long long)start_ms(plugin);
        tc_why(plugin->why, "plugin %s: was not ready after %llu ms", plugin->host.name,
               ms);
        plugin->end = TC_PLUGIN_FAILED;
        begin_stop(plugin);
        return;
    case PHASE_STOPPING:
    case PHASE_WORKING:
        ms = (unsigned long long)stop_ms(plugin);
        tc_host_complain(
            &plugin->host, TOCSIN_LOG_WARNING, "had not stopped after %llu ms%s", ms,
            tc_ledger_working(&plugin->host) ? ": it still has work running" : "");
        plugin->overdue = true;
        settle(plugin);
        return;
    case PHASE_NONE:
    case PHASE_CLOSING:
        return;
    }
}

static void limit_set(struct tc_plugin *plugin, uint64_t ms)
{
    uv_update_time(plugin->env->loop); /* the callbacks before may have taken long */
    (void)uv_timer_start(&plugin->limit, limit_reached, ms, 0);
}

static void limit_closed(uv_handle_t *handle)
{
    struct tc_plugin *plugin = handle->data;

    plugin->limit_open = false;
    settle(plugin);
}

/* ---- Start ---- */

/* Takes back what the plugin holds and then becomes `end`. */
static void begin_cleaning(struct tc_plugin *plugin)
{
    plugin->state = TC_PLUGIN_STOPPING;
    plugin->phase = PHASE_WORKING;
    plugin->stop_wanted = false;
    unsubscribe(plugin);
    plugin->held_back = true;
    tc_ledger_close(&plugin->host);
    plugin->held_back = false;
    settle(plugin);
}

/* start said no, so stop is not called. */
static void start_failed(struct tc_plugin *plugin, int rc)
{
    tc_why(plugin->why, "plugin %s: start failed: %s", plugin->host.name, strerror(-rc));
    plugin->end = TC_PLUGIN_FAILED;
    limit_set(plugin, stop_ms(plugin));
    begin_cleaning(plugin);
}

static void started(struct tc_plugin *plugin)
{
    plugin->phase = PHASE_NONE;
    (void)uv_timer_stop(&plugin->limit);
    /* Only now is a voter asked: nobody shall wait for one that is not ready. */
    if (subscribe(plugin)) {
        plugin->end = TC_PLUGIN_FAILED;
        begin_stop(plugin);
        return;
    }
    become(plugin, TC_PLUGIN_RUNNING);
}

/* A plugin that has run, or whose options have changed, begins anew: destroy, init. */
static int make_anew(struct tc_plugin *plugin)
{
    call_destroy(plugin);
    if (plugin->next) {
        tc_options_free(plugin->options);
        plugin->host.options = plugin->options = plugin->next;
        plugin->next = NULL;
    }
    return call_init(plugin, plugin->why);
}

static int open_all(struct tc_plugin *plugin)
{
    int rc = tc_ledger_open(&plugin->host);

    if (rc)
        return rc;
    (void)uv_timer_init(plugin->env->loop, &plugin->limit);
    plugin->limit.data = plugin;
    plugin->limit_open = true;
    return 0;
}

int tc_plugin_start(struct tc_plugin *plugin)
{
    int rc;

    if (plugin->state != TC_PLUGIN_LOADED && plugin->state != TC_PLUGIN_STOPPED)
        return -EALREADY;
    if (tc_plugin_busy(plugin))
        return -EBUSY;
    if ((plugin->state == TC_PLUGIN_STOPPED || plugin->next) && make_anew(plugin)) {
        become(plugin, TC_PLUGIN_FAILED);
        return 0;
    }
    rc = open_all(plugin);
    if (rc)
        return rc;
    plugin->end = TC_PLUGIN_STOPPED;
    plugin->overdue = plugin->stop_wanted = false;
    plugin->held_back = true; /* a stop in there waits for start to have been called */
    become(plugin, TC_PLUGIN_STARTING);
    plugin->held_back = false;
    if (!tc_plugin_votes(plugin) && subscribe(plugin)) {
        plugin->end = TC_PLUGIN_FAILED;
        begin_cleaning(plugin);
        return 0;
    }
    limit_set(plugin, start_ms(plugin));
    plugin->phase = PHASE_STARTING;
    rc = call_pending(plugin, plugin->calls->start);
    if (rc < 0)
        start_failed(plugin, rc);
    else if (rc == 0)
        started(plugin);
    settle(plugin);
    return 0;
}

/* ---- Stop ---- */

static void begin_stop(struct tc_plugin *plugin)
{
    int rc;

    plugin->stop_wanted = false;
    plugin->phase = PHASE_NONE;
    become(plugin, TC_PLUGIN_STOPPING);
    /* One that is asked is asked no more; a sensor that stops still needs its verdicts.
     */
    if (tc_plugin_votes(plugin))
        unsubscribe(plugin);
    plugin->held_back = true;
    tc_ledger_drain(&plugin->host);
    plugin->held_back = false;
    limit_set(plugin, stop_ms(plugin));
    plugin->phase = PHASE_STOPPING;
    rc = call_pending(plugin, plugin->calls->stop);
    if (rc == TOCSIN_PENDING) {
        settle(plugin);
        return;
    }
    if (rc)
        tc_host_complain(&plugin->host, TOCSIN_LOG_WARNING, "stop failed: %s",
                         strerror(-rc));
    begin_cleaning(plugin);
}

int tc_plugin_stop(struct tc_plugin *plugin)
{
    if (plugin->state != TC_PLUGIN_RUNNING && plugin->state != TC_PLUGIN_STARTING)
        return -EALREADY;
    plugin->stop_wanted = true;
    settle(plugin);
    return 0;
}

/* ---- What follows, once no callback of the plugin is on the stack ---- */

static void take_completion(struct tc_plugin *plugin)
{
    int status = plugin->host.completed_status;

    plugin->host.completed = false;
    switch (plugin->phase) {
    case PHASE_STARTING:
        if (status)
            start_failed(plugin, status < 0 ? status : -EPROTO);
        else
            started(plugin);
        return;
    case PHASE_STOPPING:
        if (status)
            tc_host_complain(&plugin->host, TOCSIN_LOG_WARNING, "stop failed: %s",
                             strerror(status < 0 ? -status : EPROTO));
        begin_cleaning(plugin);
        return;
    case PHASE_NONE:
    case PHASE_WORKING:
    case PHASE_CLOSING:
        tc_host_complain(&plugin->host, TOCSIN_LOG_WARNING,
                         "calls complete when nothing is pending: ignored");
        return;
    }
}

/* No code of the plugin runs any more, so what it left can be taken back. */
static void reclaim(struct tc_plugin *plugin)
{
    char left[TC_WHY_MAX];

    if (tc_ledger_reclaim(&plugin->host, left, sizeof(left)))
        tc_host_complain(&plugin->host, TOCSIN_LOG_WARNING, "left %s behind", left);
    plugin->phase = PHASE_CLOSING;
    uv_close((uv_handle_t *)&plugin->limit, limit_closed);
}

/* What the plugin says of itself (tc_host_fail): as if it had not been ready in time. */
static void take_failure(struct tc_plugin *plugin)
{
    char why[TC_WHY_MAX];

    memcpy(why, plugin->host.failure, sizeof(why));
    plugin->host.failure[0] = '\0';
    if (plugin->state != TC_PLUGIN_RUNNING && plugin->state != TC_PLUGIN_STARTING)
        return;
    tc_why(plugin->why, "%s", why);
    plugin->end = TC_PLUGIN_FAILED;
    begin_stop(plugin);
}

static void count_lost(struct tc_plugin *plugin)
{
    if (plugin->host.lost && plugin->subscriber)
        tc_subscriber_lose(plugin->subscriber, plugin->host.lost,
                           plugin->host.lost_time_ns);
    plugin->host.lost = 0;
}

static void settle(void *arg)
{
    struct tc_plugin *plugin = arg;

    if (plugin->held_back || plugin->host.depth)
        return;
    count_lost(plugin);
    if (plugin->host.failure[0]) {
        take_failure(plugin);
    } else if (plugin->host.completed) {
        take_completion(plugin);
        settle(plugin);
    } else if (plugin->stop_wanted)
        begin_stop(plugin);
    else if (plugin->phase == PHASE_STOPPING && plugin->overdue)
        begin_cleaning(plugin);
    else if (plugin->phase == PHASE_WORKING && !tc_ledger_working(&plugin->host))
        reclaim(plugin);
    else if (plugin->phase == PHASE_WORKING && plugin->overdue &&
             plugin->state == TC_PLUGIN_STOPPING)
        become(plugin, plugin->end);
    else if (plugin->phase == PHASE_CLOSING && !tc_plugin_busy(plugin)) {
        plugin->phase = PHASE_NONE;
        become(plugin, plugin->end);
    }
}

void tc_plugin_settle(struct tc_plugin *plugin)
{
    settle(plugin);
}

/* ---- The whole ---- */

int tc_plugin_new(const struct tc_plugin_env *env, struct tc_module *module,
                  struct tc_options *options, struct tc_plugin **ret_plugin,
                  char why[256])
{
    struct tc_plugin *plugin = calloc(1, sizeof(*plugin));
    int rc;

    if (!plugin) {
        tc_why(why, "plugin %s: out of memory", module->plugin->name);
        return -ENOMEM;
    }
    plugin->env = env;
    plugin->calls = module->plugin;
    rc = tc_host_init(&plugin->host, env, module->plugin, options, settle, plugin);
    if (rc) {
        tc_why(why, "plugin %s: %s", module->plugin->name, strerror(-rc));
        goto out;
    }
    tc_ledger_bind(&plugin->host.pub);
    rc = call_init(plugin, why);
    if (rc) {
        assert(!tc_ledger_busy(&plugin->host));
        tc_host_done(&plugin->host);
        goto out;
    }
    plugin->module = module;
    plugin->options = options;
    *ret_plugin = plugin;
    plugin = NULL;
out:
    free(plugin);
    return rc;
}

void tc_plugin_free(struct tc_plugin *plugin)
{
    if (!plugin)
        return;
    assert(!tc_plugin_busy(plugin));
    call_destroy(plugin);
    tc_host_done(&plugin->host);
    tc_options_free(plugin->options);
    tc_options_free(plugin->next);
    tc_module_close(plugin->module);
    free(plugin);
}

bool tc_plugin_busy(const struct tc_plugin *plugin)
{
    return tc_ledger_busy(&plugin->host) || plugin->limit_open;
}
