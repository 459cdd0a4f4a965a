/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: putting a new configuration in force for all plugins, whole or not at all: what
 * has to be loaded is loaded off the loop, every section is checked, running plugins take
 * their options with a way back, and only then do plugins start and stop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config.h"
#include "core/host/registry_priv.h"

enum item_change {
    KEEP,  /* nothing to do */
    TAKE,  /* runs: takes its new options */
    START, /* newly enabled */
    STOP,  /* disabled, or no longer named */
};

struct item {
    struct tc_registry_entry *entry;
    enum item_change change;
    bool wanted;  /* the new configuration enables it */
    bool load;    /* the file has to be opened, if only to check the section */
    bool restart; /* its new options need a new start */
    bool took;    /* its new options are in force, or wait for its new start */
    char path[4096];
    struct tc_module *module;
    struct tc_options *options;
};

struct tc_registry_plan {
    uv_work_t work;
    struct tc_registry *registry;
    const struct tc_config *config;
    bool dry;
    tc_registry_done_fn done;
    void *arg;
    struct item *items;
    size_t count;
    bool restarting; /* the second round: plugins whose options need a new start */
    int err;
    char why[TC_WHY_MAX];
};

static void plan_free(struct tc_registry_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        tc_options_free(plan->items[i].options);
        tc_module_close(plan->items[i].module);
    }
    free(plan->items);
    free(plan);
}

/* Names that the configuration in force does not have, and nothing runs by. */
static void forget_unnamed(struct tc_registry *registry)
{
    struct tc_registry_entry **slot = &registry->entries, *e;
    struct tc_plugin_settings settings;

    while ((e = *slot)) {
        if (e->plugin || e->fresh || e->doing != TC_ENTRY_IDLE ||
            tc_config_plugin_settings(registry->config, e->name, &settings) != -ENOENT) {
            slot = &e->next;
            continue;
        }
        *slot = e->next;
        free(e);
    }
}

static void plan_end(struct tc_registry_plan *plan)
{
    plan->registry->plan = NULL;
    forget_unnamed(plan->registry);
    tc_registry_step_soon(plan->registry, 0); /* a stop may have waited for it */
    if (plan->err && !plan->why[0])
        tc_why(plan->why, "plugins cannot be changed: %s", strerror(-plan->err));
    plan->done(plan->arg, plan->err, plan->why);
    plan_free(plan);
}

/* Whether the configuration in force enables the plugin although it is not installed. */
static bool missing_already(const struct tc_registry *registry,
                            const struct tc_registry_entry *e)
{
    struct tc_plugin_settings settings;
    char path[4096], why[TC_WHY_MAX];

    return !tc_config_plugin_settings(registry->config, e->name, &settings) &&
           settings.enabled &&
           tc_registry_file(registry, registry->config, e->name, path, sizeof(path), why);
}

/* Decides what the new configuration means for one plugin. */
static int plan_item(struct tc_registry_plan *plan, struct item *item)
{
    struct tc_registry_entry *e = item->entry;
    struct tc_plugin_settings settings;
    bool runs = e->plugin && tc_plugin_state(e->plugin) == TC_PLUGIN_RUNNING;
    bool named = !tc_config_plugin_settings(plan->config, e->name, &settings);
    int err;

    item->wanted = named && settings.enabled;
    item->change = item->wanted ? (runs ? TAKE : START) : (runs ? STOP : KEEP);
    if (!named)
        return 0;
    err = tc_registry_file(plan->registry, plan->config, e->name, item->path,
                           sizeof(item->path), plan->why);
    if (err && !runs && missing_already(plan->registry, e)) {
        /* Health has said so since the start; it must not keep other changes out. */
        item->change = KEEP;
        return 0;
    }
    if (err)
        return err;
    item->load = !runs || strcmp(item->path, tc_plugin_module(e->plugin)->path);
    if (runs && item->load && item->change == TAKE)
        item->change = START;
    return 0;
}

static int plan_items(struct tc_registry_plan *plan)
{
    struct tc_registry *registry = plan->registry;
    struct tc_registry_entry *e;
    const char *name;
    int err;

    for (size_t i = 0; (name = tc_config_plugin(plan->config, i)); i++) {
        err = tc_registry_entry_add(registry, name, &e);
        if (err)
            return err;
    }
    for (e = registry->entries; e; e = e->next)
        plan->count++;
    plan->items = calloc(plan->count ? plan->count : 1, sizeof(*plan->items));
    if (!plan->items) {
        plan->count = 0;
        return -ENOMEM;
    }
    e = registry->entries;
    for (size_t i = 0; e && i < plan->count; i++, e = e->next) {
        plan->items[i].entry = e;
        err = plan_item(plan, &plan->items[i]);
        if (err)
            return err;
    }
    return 0;
}

static void plan_load(uv_work_t *work)
{
    struct tc_registry_plan *plan = work->data;

    for (size_t i = 0; !plan->err && i < plan->count; i++)
        if (plan->items[i].load)
            plan->err =
                tc_module_open(plan->items[i].path, plan->registry->options.private_dir,
                               &plan->items[i].module, plan->why);
}

static int bind_item(struct tc_registry_plan *plan, struct item *item)
{
    const struct tc_module *module =
        item->module
            ? item->module
            : (item->entry->plugin ? tc_plugin_module(item->entry->plugin) : NULL);
    struct tc_option_table table;

    if (!module || (item->change == KEEP && !item->load) ||
        (item->change == STOP && !item->load))
        return 0;
    table.first = module->plugin->options;
    table.stride = module->plugin->option_size;
    return tc_config_bind(plan->config, item->entry->name, table, &item->options,
                          plan->why);
}

/* Gives running plugins their old options back, after one of them has refused its new
 * ones. */
static void take_back(struct tc_registry_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct item *item = &plan->items[i];
        const struct tocsin_plugin *descriptor;
        struct tc_options *old;
        char why[TC_WHY_MAX];
        bool restart;

        if (!item->took)
            continue;
        descriptor = tc_plugin_module(item->entry->plugin)->plugin;
        if (tc_config_bind(
                plan->registry->config, item->entry->name,
                (struct tc_option_table){descriptor->options, descriptor->option_size},
                &old, why))
            continue;
        if (tc_plugin_reconfigure(item->entry->plugin, old, &restart, why))
            tc_options_free(old);
    }
}

static int take_options(struct tc_registry_plan *plan)
{
    int err;

    for (size_t i = 0; i < plan->count; i++) {
        struct item *item = &plan->items[i];

        if (item->change != TAKE)
            continue;
        err = tc_plugin_reconfigure(item->entry->plugin, item->options, &item->restart,
                                    plan->why);
        if (err) {
            take_back(plan);
            return err;
        }
        item->options = NULL; /* the plugin's, also where they wait for its new start */
        item->took = true;
    }
    return 0;
}

/* From here nothing can be refused any more: a plugin that fails now is its own trouble.
 */
static void start_and_stop(struct tc_registry_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct item *item = &plan->items[i];
        struct tc_registry_entry *e = item->entry;
        int err;

        e->enabled = item->wanted;
        if (item->change == STOP) {
            tc_registry_entry_disabled(e);
            continue;
        }
        if (item->took && !item->restart)
            tc_registry_entry_content(e);
        if (item->change != START || e->crash_disabled)
            continue;
        err = tc_registry_entry_make(e, item->module, item->options, e->why);
        item->module = NULL;
        item->options = NULL;
        if (!err)
            tc_registry_entry_start(e);
    }
}

static void ignore_outcome(void *arg, int status, const char *why)
{
    (void)arg;
    (void)status;
    (void)why; /* it was the registry's event */
}

static void plan_continue(struct tc_registry *registry)
{
    struct tc_registry_plan *plan = registry->plan;

    if (!plan || plan->work.data)
        return;
    if (plan->restarting || registry->stopping) {
        plan_end(plan);
        return;
    }
    plan->restarting = true;
    registry->plan = NULL; /* so that the reloads below are allowed */
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].restart)
            tc_registry_reload(registry, plan->items[i].entry->name, ignore_outcome,
                               NULL);
    registry->plan = plan;
    tc_registry_step_soon(registry, 0);
}

static void plan_loaded(uv_work_t *work, int status)
{
    struct tc_registry_plan *plan = work->data;

    plan->work.data = NULL;
    if (status && !plan->err)
        plan->err = status;
    if (plan->registry->stopping && !plan->err) {
        plan->err = -ECANCELED;
        tc_why(plan->why, "the agent is stopping");
    }
    for (size_t i = 0; !plan->err && i < plan->count; i++)
        plan->err = bind_item(plan, &plan->items[i]);
    if (!plan->err && !plan->dry)
        plan->err = take_options(plan);
    if (plan->err || plan->dry) {
        plan_end(plan);
        return;
    }
    plan->registry->config = plan->config;
    start_and_stop(plan);
    tc_registry_step_soon(plan->registry, 0);
}

void tc_registry_apply(struct tc_registry *registry, const struct tc_config *config,
                       bool dry, tc_registry_done_fn done, void *arg)
{
    struct tc_registry_plan *plan;
    int err;

    if (registry->plan || registry->booting || registry->stopping || registry->stopped ||
        !tc_registry_idle(registry)) {
        done(arg, -EBUSY, "plugins are being changed already: try again in a moment");
        return;
    }
    plan = calloc(1, sizeof(*plan));
    if (!plan) {
        done(arg, -ENOMEM, "out of memory");
        return;
    }
    plan->registry = registry;
    plan->config = config;
    plan->dry = dry;
    plan->done = done;
    plan->arg = arg;
    plan->work.data = plan;
    registry->plan = plan;
    registry->plan_continue = plan_continue;
    err = plan_items(plan);
    if (!err)
        err = uv_queue_work(registry->env.loop, &plan->work, plan_load, plan_loaded);
    if (!err)
        return; /* from here plan->err is the pool thread's */
    plan->err = err;
    plan_end(plan);
}
