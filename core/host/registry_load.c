/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: from a plugin's name to a plugin that is made: where its file is, and opening it,
 * on a pool thread or, at the agent's start, at once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/conf/config.h"
#include "core/host/registry_priv.h"

void tc_registry_free_dirs(struct tc_registry *registry)
{
    for (size_t i = 0; i < TC_REGISTRY_DIRS_MAX; i++)
        free(registry->dirs[i]);
}

int tc_registry_copy_dirs(struct tc_registry *registry)
{
    for (size_t i = 0; i < TC_REGISTRY_DIRS_MAX && registry->options.dirs[i]; i++) {
        registry->dirs[i] = strdup(registry->options.dirs[i]);
        if (!registry->dirs[i])
            return -ENOMEM;
    }
    return 0;
}

int tc_registry_file(const struct tc_registry *registry, const struct tc_config *config,
                     const char *name, char *path, size_t cap, char why[256])
{
    struct tc_plugin_settings settings;

    if (!tc_config_plugin_settings(config, name, &settings) && settings.file) {
        snprintf(path, cap, "%s", settings.file);
        return 0;
    }
    for (size_t i = 0; i < TC_REGISTRY_DIRS_MAX && registry->dirs[i]; i++) {
        snprintf(path, cap, "%s/tocsin_%s.so", registry->dirs[i], name);
        if (!access(path, F_OK))
            return 0;
    }
    tc_why(why,
           "%s: no plugin %s: tocsin_%s.so is in no folder of paths.plugins (first: %s)",
           settings.place ? settings.place : "configuration", name, name,
           registry->dirs[0] ? registry->dirs[0] : "none given");
    return -ENOENT;
}

int tc_registry_open(const struct tc_registry *registry, const struct tc_config *config,
                     const char *name, const char *path, struct tc_module **ret_module,
                     char why[256])
{
    struct tc_plugin_settings settings;
    char reason[TC_WHY_MAX] = "this agent runs no plugin in a process of its own";
    int err = -ENOTSUP;

    if (tc_config_plugin_settings(config, name, &settings) || !settings.isolate)
        return tc_module_open(path, registry->options.private_dir, ret_module, why);
    if (registry->options.isolate)
        err = registry->options.isolate(registry->options.isolate_arg, name, path,
                                        ret_module, reason);
    if (err == -ENOTSUP)
        tc_why(why, "%s: %s: isolate: %.160s", settings.place, name, reason);
    else if (err)
        tc_why(why, "%s", reason);
    return err;
}

/* A file being opened by a pool thread. */
struct load {
    uv_work_t work;
    struct tc_registry_entry *entry;
    char path[4096];
    struct tc_module *module;
    int err;
    char why[TC_WHY_MAX];
};

static void load_run(uv_work_t *work)
{
    struct load *load = work->data;

    const struct tc_registry *registry = load->entry->registry;

    load->err = tc_registry_open(registry, registry->config, load->entry->name,
                                 load->path, &load->module, load->why);
}

static void load_done(uv_work_t *work, int status)
{
    struct load *load = work->data;
    struct tc_registry_entry *e = load->entry;
    struct tc_option_table table;
    struct tc_options *options;

    if (status && !load->err)
        load->err = status;
    if (!load->err) {
        table.first = load->module->plugin->options;
        table.stride = load->module->plugin->option_size;
        load->err =
            tc_config_bind(e->registry->config, e->name, table, &options, load->why);
        if (load->err)
            tc_module_close(load->module);
    }
    if (!load->err)
        load->err = tc_registry_entry_make(e, load->module, options, load->why);
    if (load->err) {
        tc_registry_entry_refused(e, load->why);
        tc_registry_entry_finish(e, load->err, load->why);
    } else {
        e->enabled = true;
        tc_registry_entry_start(e);
    }
    free(load);
    tc_registry_step_soon(e->registry, 0);
}

int tc_registry_entry_load(struct tc_registry_entry *e)
{
    struct tc_registry *registry = e->registry;
    struct load *load = calloc(1, sizeof(*load));
    char why[TC_WHY_MAX] = "out of memory";
    int err = load ? 0 : -ENOMEM;

    if (!err)
        err = tc_registry_file(registry, registry->config, e->name, load->path,
                               sizeof(load->path), why);
    if (!err) {
        load->entry = e;
        load->work.data = load;
        e->doing = TC_ENTRY_LOADING;
        err = uv_queue_work(registry->env.loop, &load->work, load_run, load_done);
    }
    if (!err)
        return 0;
    free(load);
    tc_registry_entry_finish(e, err, why);
    return err;
}

int tc_registry_entry_load_now(struct tc_registry_entry *e, char why[256])
{
    struct tc_registry *registry = e->registry;
    struct tc_option_table table;
    struct tc_options *options;
    struct tc_module *module;
    char path[4096];
    int err;

    err =
        tc_registry_file(registry, registry->config, e->name, path, sizeof(path), e->why);
    if (!err)
        err =
            tc_registry_open(registry, registry->config, e->name, path, &module, e->why);
    if (err == -ENOTSUP) {
        tc_why(why, "%s", e->why);
        return -EINVAL;
    }
    if (err) {
        tc_registry_entry_emit(e, "refused", e->why);
        return 0;
    }
    table.first = module->plugin->options;
    table.stride = module->plugin->option_size;
    err = tc_config_bind(registry->config, e->name, table, &options, why);
    if (err) {
        tc_module_close(module);
        return err;
    }
    if (tc_registry_entry_make(e, module, options, e->why))
        tc_registry_entry_emit(e, "refused", e->why);
    return 0;
}

static bool is_mapped(void *arg, const char *name)
{
    const struct tc_registry *registry = arg;

    for (const struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        const char *path = e->fresh ? tc_plugin_module(e->fresh)->private_path : "";
        const char *slash = strrchr(path, '/'); /* an isolated one has no copy here */

        if (slash && !strcmp(slash + 1, name))
            return true;
    }
    return false;
}

void tc_registry_sweep(struct tc_registry *registry)
{
    tc_module_sweep(registry->options.private_dir, is_mapped, registry);
}
