/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a new configuration means for each plugin: what it is to do, its options,
 * taken with a way back, and its start or stop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/host/registry_plan.h"

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

/* It is loaded, and waits to be called. */
static bool parked(const struct tc_registry_entry *e)
{
    return e->plugin && (tc_plugin_state(e->plugin) == TC_PLUGIN_LOADED ||
                         tc_plugin_state(e->plugin) == TC_PLUGIN_STOPPED);
}

/* The file that the new configuration means, in place of what it meant before. */
static int find_file(struct tc_registry_plan *plan, struct tc_registry_item *item)
{
    char path[sizeof(item->path)];
    int err = tc_registry_file(plan->registry, plan->config, item->entry->name, path,
                               sizeof(path), plan->why);

    if (!err && strcmp(path, item->path)) {
        tc_module_close(item->module);
        item->module = NULL;
        memcpy(item->path, path, sizeof(path));
    }
    return err;
}

/* Decides what the new configuration means for one plugin, as that is now. */
static int plan_item(struct tc_registry_plan *plan, struct tc_registry_item *item)
{
    struct tc_registry_entry *e = item->entry;
    struct tc_plugin_settings settings;
    bool runs = e->plugin && tc_plugin_state(e->plugin) == TC_PLUGIN_RUNNING;
    bool there = runs || parked(e);
    bool named = !tc_config_plugin_settings(plan->config, e->name, &settings);
    int err;

    item->wanted =
        named && settings.enabled && !tc_switched_off_has(&plan->registry->off, e->name);
    item->change = item->wanted ? (there ? TC_CHANGE_TAKE : TC_CHANGE_START)
                                : (e->plugin ? TC_CHANGE_STOP : TC_CHANGE_KEEP);
    item->load = false;
    if (!named)
        return 0;
    err = find_file(plan, item);
    if (err && !runs && missing_already(plan->registry, e)) {
        /* Health has said so since the start; it must not keep other changes out. */
        item->change = TC_CHANGE_KEEP;
        return 0;
    }
    if (err)
        return err;
    item->load = !there || strcmp(item->path, tc_plugin_module(e->plugin)->path) ||
                 settings.isolate != tc_plugin_isolated(e->plugin);
    if (there && item->load && item->change == TC_CHANGE_TAKE)
        item->change = TC_CHANGE_START;
    /* One that runs is not asked, but one that is made of the same file. */
    if (plan->dry && item->wanted && !settings.isolate)
        item->load = true;
    return 0;
}

int tc_registry_plan_decide(struct tc_registry_plan *plan)
{
    struct tc_registry_item *item = plan->items;
    int err = 0;

    /* While there is a plan, no entry comes or goes. */
    for (struct tc_registry_entry *e = plan->registry->entries; e && !err; e = e->next) {
        item->entry = e;
        err = plan_item(plan, item++);
    }
    return err;
}

int tc_registry_plan_items(struct tc_registry_plan *plan)
{
    struct tc_registry *registry = plan->registry;
    struct tc_registry_entry *e;
    const char *name;
    size_t n = 0;
    int err;

    for (size_t i = 0; (name = tc_config_plugin(plan->config, i)); i++) {
        err = tc_registry_entry_add(registry, name, &e);
        if (err)
            return err;
    }
    for (e = registry->entries; e; e = e->next)
        n++;
    plan->items = calloc(n + 1, sizeof(*plan->items));
    if (!plan->items)
        return -ENOMEM;
    plan->count = n;
    return tc_registry_plan_decide(plan);
}

bool tc_registry_plan_must_load(const struct tc_registry_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->items[i].load && !plan->items[i].module)
            return true;
    return false;
}

/* Only what can protect is called for that. */
static int check_kind(const struct tc_registry_plan *plan,
                      const struct tc_registry_item *item,
                      const struct tocsin_plugin *plugin, char why[256])
{
    struct tc_plugin_settings settings;

    if (!tc_config_is_sensor(plan->config, item->entry->name) ||
        plugin->kind == TOCSIN_KIND_SYSTEM_EXTENSION ||
        plugin->kind == TOCSIN_KIND_KERNEL_EXTENSION)
        return 0;
    tc_config_plugin_settings(plan->config, item->entry->name, &settings);
    return tc_why_refuse(why,
                         "%s: %s is no sensor: it can be neither sensor.primary nor in "
                         "sensor.fallback",
                         settings.place, item->entry->name);
}

/* The options of one plugin; item->options stays NULL where nobody knows its table. */
static int bind_item(struct tc_registry_plan *plan, struct tc_registry_item *item)
{
    const struct tc_module *module = item->module ? item->module
                                     : !item->load && item->entry->plugin
                                         ? tc_plugin_module(item->entry->plugin)
                                         : NULL;
    struct tc_option_table table;

    tc_options_free(item->options);
    item->options = NULL;
    if (!module || !item->path[0])
        return 0;
    table.first = module->plugin->options;
    table.stride = module->plugin->option_size;
    if (plan->stage == TC_STAGE_LOADING &&
        tc_config_paths_add(plan->paths, plan->config, item->entry->name, table)) {
        tc_why(plan->why, "out of memory");
        return -ENOMEM;
    }
    if (check_kind(plan, item, module->plugin, plan->why))
        return -EINVAL;
    return tc_config_bind(plan->config, item->entry->name, table, &item->options,
                          plan->why);
}

int tc_registry_plan_bind(struct tc_registry_plan *plan)
{
    int err = 0;

    for (size_t i = 0; !err && i < plan->count; i++)
        err = bind_item(plan, &plan->items[i]);
    return err;
}

static int try_item(struct tc_registry_plan *plan, struct tc_registry_item *item)
{
    struct tc_plugin *plugin = NULL;
    struct tc_plugin_settings settings;
    char why[TC_WHY_MAX];
    int err;

    if (!item->wanted || !item->module || !item->options)
        return 0;
    err = tc_plugin_new(&plan->registry->env, item->module, item->options, &plugin, why);
    if (!err) {
        item->module = NULL;
        item->options = NULL;
        tc_plugin_free(plugin);
        return 0;
    }
    /* Any other failure is the machine's, and may be over when the plugin is started. */
    if (err != -EINVAL)
        return 0;
    tc_config_plugin_settings(plan->config, item->entry->name, &settings);
    return tc_why_refuse(plan->why, "%s: %s", settings.place, why);
}

int tc_registry_plan_try(struct tc_registry_plan *plan)
{
    int err = 0;

    for (size_t i = 0; !err && i < plan->count; i++)
        err = try_item(plan, &plan->items[i]);
    return err;
}

/* Gives running plugins their old options back, after one of them has refused its new
 * ones. */
static void take_back(struct tc_registry_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct tc_registry_item *item = &plan->items[i];
        const struct tocsin_plugin *descriptor;
        struct tc_options *old;
        char why[TC_WHY_MAX];
        bool ignored;

        item->restart = false;
        if (!item->took)
            continue;
        descriptor = tc_plugin_module(item->entry->plugin)->plugin;
        if (tc_config_bind(
                plan->registry->config, item->entry->name,
                (struct tc_option_table){descriptor->options, descriptor->option_size},
                &old, why))
            continue;
        if (tc_plugin_reconfigure(item->entry->plugin, old, &ignored, &ignored, why)) {
            /* It was started with these, and takes them only so. */
            tc_options_free(old);
            item->restart = true;
        }
    }
}

int tc_registry_plan_take_options(struct tc_registry_plan *plan)
{
    int err;

    for (size_t i = 0; i < plan->count; i++) {
        struct tc_registry_item *item = &plan->items[i];
        bool changed;

        if (item->change != TC_CHANGE_TAKE)
            continue;
        err = tc_plugin_reconfigure(item->entry->plugin, item->options, &item->restart,
                                    &changed, plan->why);
        if (err) {
            take_back(plan);
            return err;
        }
        item->options = NULL; /* the plugin's, also where they wait for its new start */
        item->took = true;
        item->mended = changed && parked(item->entry);
    }
    return 0;
}

/* One on demand that has failed as it would be started now: whoever demands it tries it
 * again. */
static bool failed_so(const struct tc_registry_item *item)
{
    const struct tc_plugin *plugin = item->entry->plugin;

    return item->entry->enabled && plugin && tc_registry_on_demand(plugin) &&
           tc_plugin_state(plugin) == TC_PLUGIN_FAILED &&
           !strcmp(item->module->sha256, tc_plugin_module(plugin)->sha256) &&
           tc_plugin_has_options(plugin, item->options);
}

static void start_item(struct tc_registry_item *item)
{
    struct tc_registry_entry *e = item->entry;
    int err;

    if (failed_so(item))
        return;
    e->enabled = true;
    if (e->crash_disabled) {
        tc_registry_entry_emit(e, "refused", e->why);
        return;
    }
    err = tc_registry_entry_make(e, item->module, item->options, e->why);
    item->module = NULL;
    item->options = NULL;
    if (err)
        tc_registry_entry_refused(e, e->why);
    else
        tc_registry_entry_start(e);
}

static void stop_item(struct tc_registry_entry *e)
{
    e->enabled = false;
    if (e->plugin) {
        tc_registry_entry_disabled(e);
    } else if (e->why[0]) {
        /* That it did not run is no trouble any more. */
        tc_registry_entry_emit(e, "stopped", "");
        if (!e->crash_disabled)
            e->why[0] = '\0';
    }
}

/* Its options are in force, or will be when it is called. */
static void took_item(struct tc_registry_item *item)
{
    struct tc_registry_entry *e = item->entry;

    e->enabled = true;
    if (!parked(e)) {
        if (!item->restart)
            tc_registry_entry_content(e);
    } else if (item->mended || e->why[0]) {
        e->why[0] = '\0';
        tc_registry_entry_emit(e, "loaded", "");
    }
}

/* From here nothing can be refused any more: a plugin that fails now is its own trouble.
 */
void tc_registry_plan_start_and_stop(struct tc_registry_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct tc_registry_item *item = &plan->items[i];
        struct tc_plugin_settings settings;

        tc_config_plugin_settings(plan->config, item->entry->name, &settings);
        snprintf(item->entry->place, sizeof(item->entry->place), "%s", settings.place);
        if (!item->wanted)
            stop_item(item->entry);
        else if (item->change == TC_CHANGE_TAKE)
            took_item(item);
        else if (item->change == TC_CHANGE_START && item->module)
            start_item(item);
        else
            item->entry->enabled = true;
    }
}
