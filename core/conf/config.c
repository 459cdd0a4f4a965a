/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a configuration's life and what is asked of it. How files become one is in
 * config_files.c, config_yaml.c and config_apply.c, the agent's own keys in
 * config_keys.c, the way back to YAML in config_show.c, where a value is from in
 * config_origin.c, what is different in another one in config_changes.c, a change of one
 * key in config_edit.c.
 */
#include "core/conf/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config_edit.h"
#include "core/conf/config_priv.h"
#include "ipc/nearest.h"
#include "yaml/edit.h"

static int new_config(struct tc_config **ret_config)
{
    struct tc_config *config = calloc(1, sizeof(*config));
    int r = -ENOMEM;

    if (!config)
        return r;
    r = tc_options_new(tc_config_core_table(), &config->core);
    if (r == 0)
        r = tc_exclusions_new(&config->exclusions);
    if (r < 0) {
        tc_config_free(config);
        return r;
    }
    *ret_config = config;
    return 0;
}

void tc_config_free(struct tc_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->plugin_count; i++) {
        tc_options_free(config->plugins[i].common);
        free(config->plugins[i].settings);
        free(config->plugins[i].place);
    }
    free(config->plugins);
    for (size_t i = 0; i < config->file_count; i++)
        tc_yaml_free(config->files[i]);
    free(config->files);
    tc_exclusions_free(config->exclusions);
    tc_options_free(config->core);
    free(config);
}

/* ---- what only shows once all files are in ---- */

static int check_scopes(const struct tc_config *config, char why[256])
{
    const struct tc_config_setting *from = &config->exclusions_from;

    for (const struct tc_yaml_node *at = from->node ? from->node->first : NULL; at;
         at = at->next) {
        const struct tc_yaml_node *scope = tc_yaml_get(at, "scope");

        if (scope && strcmp(scope->text, TC_EXCLUSION_ALL) &&
            !tc_config_find_plugin(config, scope->text))
            return tc_config_refuse(from->yaml, scope->place, why,
                                    "scope: \"%s\" is not among the plugins of this "
                                    "configuration",
                                    scope->text);
    }
    return 0;
}

/* The default may be without a section: then nobody protects. */
static bool is_there(const struct tc_config *config, const char *key, const char *name)
{
    return tc_config_find_plugin(config, name) ||
           !strcmp(tc_options_find(config->core, key)->fallback, name);
}

static int check_sensors(const struct tc_config *config, char why[256])
{
    const struct tc_config_setting *from = &config->primary_from;
    const char *primary = tc_options_text(config->core, "sensor.primary");

    if (from->node && !is_there(config, "sensor.primary", primary))
        return tc_config_refuse(from->yaml, from->node->place, why,
                                "sensor.primary: \"%s\" is not among the plugins of "
                                "this configuration",
                                primary);
    from = &config->fallback_from;
    for (const struct tc_yaml_node *at = from->node ? from->node->first : NULL; at;
         at = at->next) {
        if (!strcmp(at->text, primary))
            return tc_config_refuse(from->yaml, at->place, why,
                                    "sensor.fallback: \"%s\" is the primary", at->text);
        if (!is_there(config, "sensor.fallback", at->text))
            return tc_config_refuse(from->yaml, at->place, why,
                                    "sensor.fallback: \"%s\" is not among the plugins "
                                    "of this configuration",
                                    at->text);
    }
    return 0;
}

static int check_whole(const struct tc_config *config, char why[256])
{
    int r = check_scopes(config, why);

    return r < 0 ? r : check_sensors(config, why);
}

/* Hands `config` out if it is right as a whole, frees it otherwise. */
static int finish(struct tc_config *config, int r, struct tc_config **ret_config,
                  char why[256])
{
    if (r == 0)
        r = check_whole(config, why);
    if (r < 0)
        tc_config_free(config);
    else
        *ret_config = config;
    return r;
}

/* The files that a configuration is read from, and the one that is to be another. */
struct files {
    struct tc_config *config;
    const struct tc_config_edit *edit; /* or NULL */
};

static int apply_file(void *arg, const char *path, const char *text, size_t len,
                      char why[256])
{
    const struct files *files = arg;
    const struct tc_config_edit *edit = files->edit;
    struct tc_yaml *yaml = NULL;
    int r;

    if (edit && !strcmp(edit->path, path))
        r = tc_config_parse(path, edit->after, strlen(edit->after), &yaml, why);
    else
        r = tc_config_parse(path, text, len, &yaml, why);
    if (r == 0) {
        r = tc_config_apply(files->config, yaml, why);
        if (r < 0)
            tc_yaml_free(yaml);
    }
    return r;
}

int tc_config_read_edited(const char *path, const struct tc_config_edit *edit,
                          struct tc_config **ret_config, char why[256])
{
    struct files files = {.edit = edit};
    int r = new_config(&files.config);

    if (r < 0) {
        snprintf(why, 256, "%.200s:1:1: out of memory", path);
        return r;
    }
    r = tc_config_each_file(path, apply_file, &files, why);
    return finish(files.config, r, ret_config, why);
}

int tc_config_read(const char *path, struct tc_config **ret_config, char why[256])
{
    return tc_config_read_edited(path, NULL, ret_config, why);
}

int tc_config_read_text(const char *name, const char *text, struct tc_config **ret_config,
                        char why[256])
{
    struct tc_config *config = NULL;
    struct tc_yaml *yaml = NULL;
    int r = new_config(&config);

    if (r < 0) {
        snprintf(why, 256, "%.200s:1:1: out of memory", name);
        return r;
    }
    r = tc_config_parse(name, text, strlen(text), &yaml, why);
    if (r == 0) {
        r = tc_config_apply(config, yaml, why);
        if (r < 0)
            tc_yaml_free(yaml);
    }
    return finish(config, r, ret_config, why);
}

const struct tc_options *tc_config_core(const struct tc_config *config)
{
    return config->core;
}

const char *tc_config_plugin(const struct tc_config *config, size_t index)
{
    return index < config->plugin_count ? config->plugins[index].name : NULL;
}

int tc_config_plugin_settings(const struct tc_config *config, const char *name,
                              struct tc_plugin_settings *ret_settings)
{
    const struct tc_config_plugin *plugin = tc_config_find_plugin(config, name);
    const char *file;

    if (!plugin) {
        *ret_settings = (struct tc_plugin_settings){.enabled = true, .place = ""};
        return -ENOENT;
    }
    file = tc_options_text(plugin->common, "file");
    ret_settings->enabled = tc_options_bool(plugin->common, "enabled");
    ret_settings->isolate = tc_options_bool(plugin->common, "isolate");
    ret_settings->file = *file ? file : NULL;
    ret_settings->place = plugin->place;
    return 0;
}

static int refuse_setting(const struct tc_config_setting *setting,
                          struct tc_option_table table, char why[256])
{
    struct tc_option_table tables[] = {table, tc_config_common_table()};
    const char *key = setting->node->key;
    const struct tocsin_option *option;
    struct tc_nearest nearest;

    tc_nearest_init(&nearest, key);
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; (option = tc_option_table_at(tables[t], i)); i++)
            tc_nearest_offer(&nearest, option->name);
    if (nearest.best)
        return tc_config_refuse(setting->yaml, setting->node->key_place, why,
                                "unknown key \"%.64s\"; did you mean \"%s\"?", key,
                                nearest.best);
    return tc_config_refuse(setting->yaml, setting->node->key_place, why,
                            "unknown key \"%.64s\"; `tocsin plugin info` lists those of "
                            "the plugin",
                            key);
}

static bool is_fallback(const struct tc_config *config, const char *name)
{
    const char *item;

    for (size_t i = 0; (item = tc_options_item(config->core, "sensor.fallback", i)); i++)
        if (!strcmp(item, name))
            return true;
    return false;
}

bool tc_config_is_sensor(const struct tc_config *config, const char *name)
{
    return is_fallback(config, name) ||
           !strcmp(tc_options_text(config->core, "sensor.primary"), name);
}

/*
 * What others take over from the primary sensor, unless their own section says otherwise:
 * a fallback watches what it watches, and who reports what it does not see leaves that
 * out.
 */
static const struct {
    const char *from, *to;
    bool fallback; /* a fallback's */
} inherited[] = {{"watch", "watch", true},
                 {"ignore_filesystems", "ignore_filesystems", true},
                 {"watch", "told_elsewhere", false}};

static int inherit(const struct tc_config *config, const char *name,
                   struct tc_options *options, char why[256])
{
    const char *sensor = tc_options_text(config->core, "sensor.primary");
    const struct tc_config_plugin *primary = tc_config_find_plugin(config, sensor);
    bool fallback = is_fallback(config, name);
    int r = 0;

    if (!primary || !strcmp(name, sensor))
        return 0;
    for (size_t i = 0; i < primary->setting_count && r == 0; i++) {
        const struct tc_config_setting *setting = &primary->settings[i];

        for (size_t k = 0; k < sizeof(inherited) / sizeof(inherited[0]) && r == 0; k++)
            if (inherited[k].fallback == fallback &&
                !strcmp(setting->node->key, inherited[k].from))
                r = tc_config_set(options, inherited[k].to, setting->yaml, setting->node,
                                  why);
        if (r == -ENOENT)
            r = 0; /* it has no such option */
    }
    return r;
}

const char *tc_config_inherits(const struct tc_config *config, const char *plugin,
                               const char *key)
{
    bool fallback = is_fallback(config, plugin);

    if (!strcmp(plugin, tc_options_text(config->core, "sensor.primary")))
        return NULL;
    for (size_t k = 0; k < sizeof(inherited) / sizeof(inherited[0]); k++)
        if (inherited[k].fallback == fallback && !strcmp(key, inherited[k].to))
            return inherited[k].from;
    return NULL;
}

int tc_config_bind(const struct tc_config *config, const char *name,
                   struct tc_option_table table, struct tc_options **ret_options,
                   char why[256])
{
    const struct tc_config_plugin *plugin = tc_config_find_plugin(config, name);
    struct tc_options *options = NULL;
    int r = tc_options_new(table, &options);

    if (r < 0) {
        snprintf(why, 256, "plugin %.32s: %s", name,
                 r == -ENOMEM ? "out of memory" : "its own option table is wrong");
        return r;
    }
    r = inherit(config, name, options, why);
    for (size_t i = 0; plugin && i < plugin->setting_count && r == 0; i++) {
        const struct tc_config_setting *setting = &plugin->settings[i];

        r = tc_config_set(options, setting->node->key, setting->yaml, setting->node, why);
        if (r == -ENOENT)
            r = refuse_setting(setting, table, why);
    }
    if (r < 0)
        tc_options_free(options);
    else
        *ret_options = options;
    return r;
}

int tc_config_excluded(const struct tc_config *config, const char *scope,
                       const char *path, const char *executable)
{
    return tc_exclusions_match(config->exclusions, scope, path, executable);
}

bool tc_config_has_exclusions(const struct tc_config *config, const char *scope)
{
    return tc_exclusions_any(config->exclusions, scope);
}

bool tc_config_excludes_all(const struct tc_config *config, const char *scope,
                            const char *folder)
{
    return tc_exclusions_cover(config->exclusions, scope, folder);
}

char *tc_config_excluding(const struct tc_config *config, const char *scope,
                          const char *folder)
{
    int index = tc_exclusions_covering(config->exclusions, scope, folder);
    const struct tc_yaml_node *entry = config->exclusions_from.node;

    if (index < 0 || !entry)
        return NULL;
    for (entry = entry->first; entry && index--; entry = entry->next)
        ;
    return entry ? tc_yaml_line(entry) : NULL;
}
