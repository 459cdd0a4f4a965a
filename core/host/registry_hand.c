/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what somebody does to one plugin by a command: enable, disable, reload. That one
 * is disabled is stored first, so that neither a new configuration nor the next agent
 * starts it; where nothing can be stored it is disabled all the same, and the answer says
 * so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config.h"
#include "core/host/registry_priv.h"

/* The plugin of the request, which has ended when there is none; one that is no longer
 * named may still be on its way out. */
static struct tc_registry_entry *begin(struct tc_registry *registry,
                                       const struct tc_registry_request *request,
                                       struct tc_plugin_settings *ret_settings)
{
    struct tc_registry_entry *e = tc_registry_entry_find(registry, request->name);
    char why[TC_WHY_MAX];

    if (!e || tc_config_plugin_settings(registry->config, request->name, ret_settings)) {
        tc_why(why, "no plugin %s: name it under plugins: in the configuration first",
               request->name);
        request->done(request->arg, -ENOENT, why);
        return NULL;
    }
    e->done = request->done;
    e->arg = request->arg;
    e->note[0] = '\0';
    return e;
}

/* ---- what lasts ---- */

static void store_run(uv_work_t *work)
{
    struct tc_registry *registry = work->data;

    registry->store.err = tc_switched_off_write(
        registry->env.state_dir, &registry->store.off, registry->store.why);
}

static void not_stored(struct tc_registry_entry *e, const char *why)
{
    tc_why(e->note, "plugin %s: done, but the next start of the agent will not know: %s",
           e->name, why);
}

static void store_done(uv_work_t *work, int status)
{
    struct tc_registry *registry = work->data;
    struct tc_registry_entry *e = registry->store.entry;

    if (status || registry->store.err)
        not_stored(e, registry->store.err ? registry->store.why : strerror(-status));
    registry->store.entry = NULL;
    e->doing = TC_ENTRY_IDLE;
    if (registry->stopping)
        tc_registry_entry_finish(e, -ECANCELED, "the agent is stopping");
    else
        registry->store.then(e);
    tc_registry_step_soon(registry, 0);
}

/* Remembers whether the plugin is disabled by hand, and goes on with `then`. Nothing else
 * is asked of the registry meanwhile. */
static void remember(struct tc_registry_entry *e, bool off,
                     void (*then)(struct tc_registry_entry *e))
{
    struct tc_registry *registry = e->registry;

    if (!tc_switched_off_set(&registry->off, e->name, off)) {
        then(e);
        return;
    }
    registry->store.work.data = registry;
    registry->store.off = registry->off;
    registry->store.then = then;
    if (uv_queue_work(registry->env.loop, &registry->store.work, store_run, store_done)) {
        not_stored(e, "no thread to write it down");
        then(e);
        return;
    }
    registry->store.entry = e;
    e->doing = TC_ENTRY_STORING;
}

/* ---- operations ---- */

static void enable_now(struct tc_registry_entry *e)
{
    e->crash_disabled = false;
    if (!e->plugin || tc_plugin_state(e->plugin) != TC_PLUGIN_RUNNING) {
        tc_registry_entry_load(e);
        return;
    }
    if (e->enabled && !e->note[0])
        tc_why(e->note, "plugin %s is enabled already", e->name);
    e->enabled = true; /* it may have been on its way out */
    tc_registry_entry_finish(e, 0, "");
}

static void enable(struct tc_registry *registry,
                   const struct tc_registry_request *request)
{
    struct tc_plugin_settings settings;
    struct tc_registry_entry *e = begin(registry, request, &settings);

    if (!e)
        return;
    if (!settings.enabled)
        tc_why(e->note,
               "plugin %s: enabled until the configuration is read again: %.120s says "
               "enabled: false",
               e->name, settings.place);
    remember(e, false, enable_now);
}

static void disable_now(struct tc_registry_entry *e)
{
    e->enabled = false;
    if (e->plugin)
        tc_registry_entry_disabled(e);
    else
        tc_registry_entry_finish(e, 0, "");
}

static void disable(struct tc_registry *registry,
                    const struct tc_registry_request *request)
{
    struct tc_plugin_settings settings;
    struct tc_registry_entry *e = begin(registry, request, &settings);

    if (!e)
        return;
    if (tc_switched_off_has(&registry->off, e->name))
        tc_why(e->note, "plugin %s is disabled already", e->name);
    remember(e, true, disable_now);
}

static void reload(struct tc_registry *registry,
                   const struct tc_registry_request *request)
{
    struct tc_plugin_settings settings;
    struct tc_registry_entry *e = begin(registry, request, &settings);
    char why[TC_WHY_MAX];

    if (!e)
        return;
    if (e->enabled && !e->crash_disabled) {
        tc_registry_entry_load(e);
        return;
    }
    tc_why(why, "plugin %s is disabled: tocsin plugin enable %s starts it", e->name,
           e->name);
    tc_registry_entry_finish(e, -EINVAL, why);
}

static void ask(struct tc_registry *registry, const char *name,
                void (*run)(struct tc_registry *registry,
                            const struct tc_registry_request *request),
                tc_registry_done_fn done, void *arg)
{
    struct tc_registry_request request = {.run = run, .done = done, .arg = arg};

    snprintf(request.name, sizeof(request.name), "%s", name);
    tc_registry_ask(registry, &request);
}

void tc_registry_enable(struct tc_registry *registry, const char *name,
                        tc_registry_done_fn done, void *arg)
{
    ask(registry, name, enable, done, arg);
}

void tc_registry_disable(struct tc_registry *registry, const char *name,
                         tc_registry_done_fn done, void *arg)
{
    ask(registry, name, disable, done, arg);
}

void tc_registry_reload(struct tc_registry *registry, const char *name,
                        tc_registry_done_fn done, void *arg)
{
    ask(registry, name, reload, done, arg);
}
