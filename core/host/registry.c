/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config.h"
#include "core/host/registry_priv.h"

/* ---- stepping ---- */

static bool is_detector(const struct tc_plugin *plugin)
{
    return tc_plugin_module(plugin)->plugin->kind == TOCSIN_KIND_DETECTOR;
}

bool tc_registry_idle(const struct tc_registry *registry)
{
    for (const struct tc_registry_entry *e = registry->entries; e; e = e->next)
        if (e->doing != TC_ENTRY_IDLE)
            return false;
    return true;
}

static void start_kind(struct tc_registry *registry, bool detectors)
{
    for (struct tc_registry_entry *e = registry->entries; e; e = e->next)
        if (e->doing == TC_ENTRY_IDLE && e->fresh && is_detector(e->fresh) == detectors)
            tc_registry_entry_start(e);
}

/* True when there was one to stop. */
static bool stop_kind(struct tc_registry *registry, bool detectors)
{
    bool any = false;

    for (struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        if (e->doing != TC_ENTRY_IDLE || !e->plugin ||
            is_detector(e->plugin) != detectors)
            continue;
        tc_registry_entry_stop(e);
        any = true;
    }
    return any;
}

/* All are idle: the next stage of what the whole registry is doing. */
static void all_idle(struct tc_registry *registry)
{
    tc_registry_done_fn done = registry->done;

    /* A configuration on its way has plugins in hand: it ends before they go. */
    if (registry->stopping && registry->plan) {
        registry->plan_continue(registry);
        return;
    }
    /* Sensors first: nobody is asked any more when the judges go. */
    if (registry->stopping &&
        (stop_kind(registry, false) || stop_kind(registry, true) || registry->retired))
        return;
    if (registry->booting || registry->stopping) {
        registry->stopped = registry->stopping;
        registry->booting = registry->stopping = false;
        registry->done = NULL;
        done(registry->arg, 0, "");
        return;
    }
    if (registry->plan_continue)
        registry->plan_continue(registry);
}

static void on_step(uv_timer_t *timer)
{
    struct tc_registry *registry = timer->data;
    uint64_t voters = 0;

    tc_registry_free_retired(registry);
    for (struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        voters |= tc_registry_entry_voter(e);
        tc_registry_entry_settle(e);
    }
    registry->options.voters(registry->options.arg, voters);
    if (tc_registry_idle(registry))
        all_idle(registry);
    tc_registry_serve(registry);
}

void tc_registry_step_soon(struct tc_registry *registry, uint64_t ms)
{
    if (ms && uv_is_active((uv_handle_t *)&registry->step))
        return;
    uv_timer_start(&registry->step, on_step, ms, 0);
}

void tc_registry_changed(struct tc_registry *registry)
{
    tc_registry_step_soon(registry, 0);
}

/* ---- operations ---- */

int tc_registry_demand(struct tc_registry *registry, const char *name, bool run)
{
    struct tc_registry_entry *e = tc_registry_entry_find(registry, name);
    int err = 0;

    if (!e || !e->plugin || (run && !e->enabled))
        return -ENOENT;
    if (e->doing != TC_ENTRY_IDLE || registry->stopping)
        return -EBUSY;
    if (run && tc_plugin_busy(e->plugin))
        return -EBUSY; /* of its last life, which had to be ended */
    e->demanded = run;
    if (!run)
        tc_registry_entry_stop(e);
    else if (tc_plugin_state(e->plugin) == TC_PLUGIN_FAILED)
        err = tc_registry_entry_load(e); /* anew, since a failed one starts no more */
    else
        tc_registry_entry_start_now(e);
    if (err)
        e->demanded = false;
    return err;
}

int tc_registry_disable_crashed(struct tc_registry *registry, const char *name,
                                const char *why)
{
    struct tc_registry_entry *e;
    int err = tc_registry_entry_add(registry, name, &e);

    if (err)
        return err;
    e->crash_disabled = true;
    snprintf(e->why, sizeof(e->why), "%s", why);
    return 0;
}

int tc_registry_boot(struct tc_registry *registry, const struct tc_config *config,
                     tc_registry_done_fn done, void *arg, char why[256])
{
    struct tc_plugin_settings settings;
    struct tc_registry_entry *e;
    const char *name;
    int err = 0;

    registry->config = config;
    tc_switched_off_read(registry->env.state_dir, &registry->off);
    for (size_t i = 0; !err && (name = tc_config_plugin(config, i)); i++) {
        tc_config_plugin_settings(config, name, &settings);
        err = tc_registry_entry_add(registry, name, &e);
        if (err) {
            tc_why(why, "plugin %s: out of memory", name);
            break;
        }
        snprintf(e->place, sizeof(e->place), "%s", settings.place);
        e->enabled = settings.enabled && !tc_switched_off_has(&registry->off, name);
        if (!e->enabled)
            continue;
        if (e->crash_disabled)
            tc_registry_entry_emit(e, "refused", e->why);
        else
            err = tc_registry_entry_load_now(e, why);
    }
    if (err)
        return err;
    tc_registry_sweep(registry);
    registry->booting = true;
    registry->done = done;
    registry->arg = arg;
    /* Detectors first, so that they miss nothing; but nobody waits for them. */
    start_kind(registry, true);
    start_kind(registry, false);
    tc_registry_step_soon(registry, 0);
    return 0;
}

void tc_registry_stop(struct tc_registry *registry, tc_registry_done_fn done, void *arg)
{
    registry->booting = false;
    registry->stopping = true;
    registry->done = done;
    registry->arg = arg;
    tc_registry_cancel(registry);
    for (struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        /* Made, but never started. */
        if (e->doing == TC_ENTRY_IDLE && e->fresh) {
            tc_registry_retire(registry, e->fresh);
            e->fresh = NULL;
        } else if (e->doing == TC_ENTRY_STARTING) {
            tc_plugin_stop(e->fresh ? e->fresh : e->plugin);
        }
    }
    tc_registry_step_soon(registry, 0);
}

int tc_registry_new(const struct tc_registry_options *options,
                    struct tc_registry **ret_registry)
{
    struct tc_registry *registry = calloc(1, sizeof(*registry));

    if (!registry)
        return -ENOMEM;
    registry->options = *options;
    registry->env = options->env;
    if (tc_registry_copy_dirs(registry)) {
        tc_registry_free_dirs(registry);
        free(registry);
        return -ENOMEM;
    }
    uv_timer_init(options->env.loop, &registry->step);
    registry->step.data = registry;
    *ret_registry = registry;
    return 0;
}

static void on_step_gone(uv_handle_t *handle)
{
    free(handle->data);
}

void tc_registry_free(struct tc_registry *registry)
{
    struct tc_registry_entry *e;

    if (!registry)
        return;
    while ((e = registry->entries)) {
        registry->entries = e->next;
        tc_plugin_free(e->plugin);
        tc_plugin_free(e->fresh);
        free(e);
    }
    tc_registry_free_dirs(registry);
    uv_close((uv_handle_t *)&registry->step, on_step_gone);
}
