/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one name's plugins: the one that runs and the one that is to take its place, from
 * a start or a stop that somebody wants to its end.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/host/registry_priv.h"

#define RETIRED_LOOK_MS                                                                  \
    20 /* how often a stopped plugin is asked whether it may be freed */

struct tc_registry_entry *tc_registry_entry_find(const struct tc_registry *registry,
                                                 const char *name)
{
    struct tc_registry_entry *e = registry->entries;

    while (e && strcmp(e->name, name))
        e = e->next;
    return e;
}

int tc_registry_entry_add(struct tc_registry *registry, const char *name,
                          struct tc_registry_entry **ret_entry)
{
    struct tc_registry_entry *e = tc_registry_entry_find(registry, name),
                             **end = &registry->entries;

    if (!e) {
        e = calloc(1, sizeof(*e));
        if (!e)
            return -ENOMEM;
        snprintf(e->name, sizeof(e->name), "%s", name);
        e->registry = registry;
        while (*end)
            end = &(*end)->next;
        *end = e;
    }
    *ret_entry = e;
    return 0;
}

uint64_t tc_registry_entry_voter(const struct tc_registry_entry *e)
{
    const struct tc_plugin *const both[] = {e->fresh, e->plugin};

    for (size_t i = 0; i < 2; i++)
        if (both[i] && tc_plugin_state(both[i]) == TC_PLUGIN_RUNNING)
            return tc_plugin_voter(both[i]);
    return 0;
}

void tc_registry_entry_emit(struct tc_registry_entry *e, const char *what,
                            const char *why)
{
    struct tc_registry *registry = e->registry;

    if (*why)
        tc_last_error_set(&e->last_error, why);
    registry->options.event(registry->options.arg, what, e->name, why, e->plugin);
}

void tc_registry_entry_finish(struct tc_registry_entry *e, int status, const char *why)
{
    tc_registry_done_fn done = e->done;
    void *arg = e->arg;

    e->doing = TC_ENTRY_IDLE;
    e->done = NULL;
    snprintf(e->why, sizeof(e->why), "%s", status ? why : "");
    if (done)
        done(arg, status, status ? why : e->note);
}

void tc_registry_retire(struct tc_registry *registry, struct tc_plugin *plugin)
{
    struct tc_retired *r;

    if (!plugin)
        return;
    if (!tc_plugin_busy(plugin)) {
        tc_plugin_free(plugin);
        return;
    }
    r = malloc(sizeof(*r));
    if (!r)
        return; /* out of memory: its memory is the least of our troubles */
    r->plugin = plugin;
    r->next = registry->retired;
    registry->retired = r;
}

void tc_registry_free_retired(struct tc_registry *registry)
{
    struct tc_retired **slot = &registry->retired, *r;

    while ((r = *slot)) {
        if (tc_plugin_busy(r->plugin)) {
            slot = &r->next;
            continue;
        }
        *slot = r->next;
        tc_plugin_free(r->plugin);
        free(r);
    }
    if (registry->retired)
        tc_registry_step_soon(registry, RETIRED_LOOK_MS);
}

int tc_registry_entry_make(struct tc_registry_entry *e, struct tc_module *module,
                           struct tc_options *options, char why[256])
{
    struct tc_plugin *plugin;
    int err = tc_plugin_new(&e->registry->env, module, options, &plugin, why);

    if (err) {
        tc_options_free(options);
        tc_module_close(module);
        return err;
    }
    e->fresh = plugin;
    return 0;
}

static bool has_settled(const struct tc_plugin *plugin)
{
    enum tc_plugin_state state = tc_plugin_state(plugin);

    return state != TC_PLUGIN_STARTING && state != TC_PLUGIN_STOPPING;
}

void tc_registry_entry_start_now(struct tc_registry_entry *e)
{
    int err;

    e->doing = TC_ENTRY_STARTING;
    err = tc_plugin_start(e->fresh ? e->fresh : e->plugin);
    (void)err; /* the plugin's state says it too, and why */
    tc_registry_step_soon(e->registry, 0);
}

static bool runs(const struct tc_registry_entry *e)
{
    return e->plugin && tc_plugin_state(e->plugin) == TC_PLUGIN_RUNNING;
}

bool tc_registry_on_demand(const struct tc_plugin *plugin)
{
    uint32_t kind = tc_plugin_module(plugin)->plugin->kind;

    return kind == TOCSIN_KIND_SYSTEM_EXTENSION || kind == TOCSIN_KIND_KERNEL_EXTENSION ||
           kind == TOCSIN_KIND_NETWORK_EXTENSION;
}

/* What was made takes the place of what was there. */
static void replace(struct tc_registry_entry *e)
{
    if (!e->fresh)
        return;
    assert(!runs(e));
    tc_registry_retire(e->registry, e->plugin);
    e->plugin = e->fresh;
    e->fresh = NULL;
}

/* It is loaded, and waits to be called. */
static void park(struct tc_registry_entry *e)
{
    replace(e);
    tc_registry_entry_emit(e, "loaded", "");
    tc_registry_entry_finish(e, 0, "");
}

/* Nothing runs any more: what was made starts, or waits. */
static void start_or_park(struct tc_registry_entry *e)
{
    if (e->fresh && tc_registry_on_demand(e->fresh) && !e->demanded)
        park(e);
    else
        tc_registry_entry_start_now(e);
}

void tc_registry_entry_start(struct tc_registry_entry *e)
{
    if (!runs(e)) {
        start_or_park(e);
        return;
    }
    if (tc_registry_on_demand(e->plugin))
        tc_registry_entry_emit(e, "restarting", "");
    e->doing = TC_ENTRY_STOPPING;
    tc_plugin_stop(e->plugin);
    tc_registry_step_soon(e->registry, 0);
}

void tc_registry_entry_stop(struct tc_registry_entry *e)
{
    e->doing = TC_ENTRY_STOPPING;
    if (runs(e))
        tc_plugin_stop(e->plugin);
    tc_registry_step_soon(e->registry, 0);
}

void tc_registry_entry_disabled(struct tc_registry_entry *e)
{
    if (runs(e) && e->demanded)
        e->registry->options.disabled(e->registry->options.arg, e->name);
    else
        tc_registry_entry_stop(e);
}

void tc_registry_entry_content(struct tc_registry_entry *e)
{
    if (!e->why[0])
        return;
    e->why[0] = '\0';
    tc_registry_entry_emit(e, "kept", "");
}

/* What one life of a plugin has reported is nothing to the next. */
static void forget_reports(const struct tc_registry_entry *e)
{
    const struct tc_plugin_env *env = &e->registry->env;

    env->report(env->arg, e->name, TOCSIN_REPORT_CLEAR, NULL, NULL, NULL);
}

/* The old one has stopped: the fresh one's turn, or the end. */
static void after_stop(struct tc_registry_entry *e)
{
    if (e->fresh) {
        forget_reports(e);
        start_or_park(e);
        return;
    }
    tc_registry_entry_emit(e, "stopped", "");
    if (!e->enabled || !tc_registry_on_demand(e->plugin) || e->registry->stopping) {
        tc_registry_retire(e->registry, e->plugin);
        e->plugin = NULL;
    }
    tc_registry_entry_finish(e, 0, "");
}

/* The one that worked goes on, as it was. */
static void put_back(struct tc_registry_entry *e)
{
    snprintf(e->why, sizeof(e->why), "%s", tc_plugin_why(e->fresh));
    tc_registry_retire(e->registry, e->fresh);
    e->fresh = NULL;
    e->putting_back = true;
    forget_reports(e);
    tc_plugin_keep_options(e->plugin);
    tc_registry_entry_start_now(e);
}

/* The whole registry stops: nothing takes the place of one that was not ready yet. */
static void stopped_early(struct tc_registry_entry *e)
{
    replace(e);
    e->putting_back = false;
    tc_registry_entry_emit(e, "stopped", "");
    tc_registry_entry_finish(e, -ECANCELED, "the agent is stopping");
}

/* Nothing runs: whoever has demanded it hears of it, and demands it again or does not. */
static void give_up(struct tc_registry_entry *e, const char *what, const char *why)
{
    e->demanded = false;
    tc_registry_entry_emit(e, what, why);
}

static void after_start(struct tc_registry_entry *e)
{
    bool put_back_now = e->putting_back, runs_now;
    struct tc_plugin *tried = e->fresh ? e->fresh : e->plugin;
    char why[TC_WHY_MAX];

    runs_now = tc_plugin_state(tried) == TC_PLUGIN_RUNNING;
    if (!runs_now && e->registry->stopping) {
        stopped_early(e);
        return;
    }
    if (!runs_now && e->fresh && e->plugin &&
        tc_plugin_state(e->plugin) == TC_PLUGIN_STOPPED) {
        put_back(e);
        return;
    }
    tc_why(why, "%s", put_back_now ? e->why : tc_plugin_why(tried));
    e->putting_back = false;
    replace(e);
    if (!runs_now)
        give_up(e, "failed", why);
    else if (put_back_now)
        tc_registry_entry_emit(e, "kept", why);
    else
        tc_registry_entry_emit(e, "started", "");
    e->watched = runs_now;
    tc_registry_entry_finish(e, runs_now && !put_back_now ? 0 : -EIO, why);
}

/* What it was to replace is untouched: where that runs, nothing has changed for others.
 */
void tc_registry_entry_refused(struct tc_registry_entry *e, const char *why)
{
    if (e->plugin)
        tc_plugin_keep_options(e->plugin);
    if (runs(e))
        tc_registry_entry_emit(e, "kept", why);
    else
        give_up(e, "refused", why);
}

/* It ran, and has failed by itself. */
static void after_failure(struct tc_registry_entry *e)
{
    char why[TC_WHY_MAX];

    e->watched = false;
    tc_why(why, "%s", tc_plugin_why(e->plugin));
    give_up(e, "failed", why);
    tc_registry_entry_finish(e, -EIO, why);
}

void tc_registry_entry_settle(struct tc_registry_entry *e)
{
    if (e->doing == TC_ENTRY_STOPPING && (!e->plugin || has_settled(e->plugin)))
        after_stop(e);
    else if (e->doing == TC_ENTRY_STARTING &&
             has_settled(e->fresh ? e->fresh : e->plugin))
        after_start(e);
    else if (e->doing == TC_ENTRY_IDLE && e->watched && e->plugin &&
             tc_plugin_state(e->plugin) == TC_PLUGIN_FAILED)
        after_failure(e);
}
