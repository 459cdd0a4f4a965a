/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: where each value in force is from: the file and line that has it, the default, a
 * command, or the start of an agent that waits for its next.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config_priv.h"
#include "ipc/pack.h"

#define FROM_BYTES 512

struct rows {
    const struct tc_config *config;
    struct tc_pack *p;
};

/* ---- places ---- */

/* What the last file that has it says; `node` NULL: none does. "" stands for no key. */
static struct tc_config_setting find(const struct tc_config *config, const char *first,
                                     const char *second, const char *third)
{
    const char *const path[] = {first, second, third};
    const struct tc_yaml_node *node = NULL;

    for (size_t i = config->file_count; i-- > 0;) {
        node = config->files[i]->documents;
        for (size_t k = 0; k < 3 && node; k++)
            if (*path[k])
                node = tc_yaml_get(node, path[k]);
        if (node)
            return (struct tc_config_setting){config->files[i], node};
    }
    return (struct tc_config_setting){NULL, NULL};
}

static void name_place(const struct tc_yaml *yaml, struct tc_yaml_place place,
                       char from[FROM_BYTES])
{
    snprintf(from, FROM_BYTES, "%s:%u", yaml->name, place.line);
}

static void name_setting(const struct tc_config_setting *setting, char from[FROM_BYTES])
{
    if (setting->node)
        name_place(setting->yaml, setting->node->key_place, from);
    else
        snprintf(from, FROM_BYTES, "default");
}

/* ---- rows ---- */

static void put_row(struct rows *rows, const char *key, const char *value,
                    const char *from)
{
    tc_pack_begin_map(rows->p, NULL);
    tc_pack_str(rows->p, "key", key);
    tc_pack_str(rows->p, "value", value);
    tc_pack_str(rows->p, "from", from);
    tc_pack_end(rows->p);
}

/* Takes `value`; NULL: there was no memory for it. */
static void put(struct rows *rows, const char *key, char *value, const char *from)
{
    if (value)
        put_row(rows, key, value, from);
    else
        rows->p->error = -ENOMEM;
    free(value);
}

static void put_core(struct rows *rows)
{
    const struct tocsin_option *option;
    char from[FROM_BYTES], section[TC_OPTION_NAME_BYTES_MAX];

    for (size_t i = 0; (option = tc_option_table_at(tc_config_core_table(), i)); i++) {
        const char *dot = strchr(option->name, '.');
        struct tc_config_setting found;

        snprintf(section, sizeof(section), "%.*s", dot ? (int)(dot - option->name) : 0,
                 option->name);
        found = find(rows->config, section, dot ? dot + 1 : option->name, "");
        name_setting(&found, from);
        if (rows->config->kept & (UINT64_C(1) << i))
            snprintf(from, sizeof(from), "the agent's start");
        put(rows, option->name, tc_config_value_text(rows->config->core, option), from);
    }
}

static void put_exclusions(struct rows *rows)
{
    const struct tc_config_setting *list = &rows->config->exclusions_from;
    const struct tc_yaml_node *at = list->node ? list->node->first : NULL;
    struct tc_exclusion entry;
    char from[FROM_BYTES];
    char *value;

    name_setting(list, from);
    if (!at)
        put_row(rows, "exclusions", "[]", from);
    for (size_t i = 0; at && tc_exclusions_get(rows->config->exclusions, i, &entry);
         i++) {
        name_place(list->yaml, at->place, from);
        if (asprintf(&value, "%s %s, for %s", entry.by_process ? "process" : "path",
                     entry.pattern, entry.scope) < 0)
            value = NULL;
        put(rows, "exclusions", value, from);
        at = at->next;
    }
}

/* `enabled`: as it is now, whatever the files say. */
static void put_common(struct rows *rows, const struct tc_config_plugin *plugin,
                       bool enabled)
{
    const struct tocsin_option *option;
    char key[2 * TC_OPTION_NAME_BYTES_MAX], from[FROM_BYTES];

    for (size_t i = 0; (option = tc_option_table_at(tc_config_common_table(), i)); i++) {
        const struct tc_config_setting found =
            find(rows->config, "plugins", plugin->name, option->name);

        snprintf(key, sizeof(key), "plugins.%s.%s", plugin->name, option->name);
        name_setting(&found, from);
        if (!strcmp(option->name, "enabled") &&
            tc_options_bool(plugin->common, option->name) != enabled)
            put_row(rows, key, enabled ? "true" : "false", "command");
        else
            put(rows, key, tc_config_value_text(plugin->common, option), from);
    }
}

/* Of the plugin's own section, or of the one that it takes the value over from. */
static void name_option(const struct tc_config *config, const char *plugin,
                        const char *key, char from[FROM_BYTES])
{
    struct tc_config_setting found = find(config, "plugins", plugin, key);
    const char *theirs = found.node ? NULL : tc_config_inherits(config, plugin, key);

    if (theirs)
        found = find(config, "plugins", tc_options_text(config->core, "sensor.primary"),
                     theirs);
    name_setting(&found, from);
}

static void put_options(struct rows *rows, const char *name, struct tc_option_table table)
{
    const struct tocsin_option *option;
    struct tc_options *options = NULL;
    char key[2 * TC_OPTION_NAME_BYTES_MAX], from[FROM_BYTES], why[256];

    if (tc_config_bind(rows->config, name, table, &options, why))
        return; /* what does not fit its plugin was refused before it was in force */
    for (size_t i = 0; (option = tc_option_table_at(table, i)); i++) {
        snprintf(key, sizeof(key), "plugins.%s.%s", name, option->name);
        name_option(rows->config, name, option->name, from);
        put(rows, key, tc_config_value_text(options, option), from);
    }
    tc_options_free(options);
}

/* Of a plugin whose table nobody knows: what the files say. */
static void put_settings(struct rows *rows, const struct tc_config_plugin *plugin)
{
    char key[2 * TC_OPTION_NAME_BYTES_MAX], from[FROM_BYTES];

    for (size_t i = 0; i < plugin->setting_count; i++) {
        const struct tc_config_setting *setting = &plugin->settings[i];

        snprintf(key, sizeof(key), "plugins.%s.%.64s", plugin->name, setting->node->key);
        name_setting(setting, from);
        put(rows, key, tc_config_node_text(setting->node), from);
    }
}

void tc_config_put_values(const struct tc_config *config,
                          const struct tc_config_view *view, const char *key,
                          struct tc_pack *p)
{
    struct rows rows = {.config = config, .p = p};

    tc_pack_begin_array(p, key);
    put_core(&rows);
    put_exclusions(&rows);
    for (size_t i = 0; i < config->plugin_count; i++) {
        const struct tc_config_plugin *plugin = &config->plugins[i];
        struct tc_option_table table = view->table(view->arg, plugin->name);

        put_common(&rows, plugin, view->enabled(view->arg, plugin->name));
        if (table.first)
            put_options(&rows, plugin->name, table);
        else
            put_settings(&rows, plugin);
    }
    tc_pack_end(p);
}
