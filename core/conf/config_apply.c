/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what one parsed file means for the configuration: which key goes where, what is
 * unknown, what is wrong with a value. Must not: read files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/config_priv.h"
#include "core/conf/option_value.h"
#include "ipc/nearest.h"

static int refuse_memory(char why[256])
{
    snprintf(why, 256, "out of memory");
    return -ENOMEM;
}

static const char *kind_name(const struct tc_yaml_node *node)
{
    switch (node->kind) {
    case TC_YAML_LIST:
        return "a list";
    case TC_YAML_MAP:
        return "a map";
    case TC_YAML_TEXT:
        return "one value";
    default:
        return "nothing";
    }
}

static int set_list(struct tc_options *options, const char *key,
                    const struct tc_yaml *yaml, const struct tc_yaml_node *node,
                    char why[256])
{
    const struct tocsin_option *option = tc_options_find(options, key);
    const char **items = calloc(node->count + 1, sizeof(*items));
    char reason[256];
    size_t count = 0;
    int r = 0;

    if (!items)
        return refuse_memory(why);
    for (const struct tc_yaml_node *at = node->first; at && r == 0; at = at->next) {
        if (at->kind != TC_YAML_TEXT) {
            r = tc_config_refuse(yaml, at->place, why,
                                 "%s: item %zu of the list must be a text, not %s", key,
                                 count + 1, kind_name(at));
        } else if (tc_option_check_item(option, at->text, reason) < 0 ||
                   tc_config_check_text(key, at->text, reason) < 0) {
            r = tc_config_refuse(yaml, at->place, why, "%s", reason);
        } else {
            items[count++] = at->text;
        }
    }
    if (r == 0) {
        r = tc_options_set_list(options, key, items, count, reason);
        if (r == -EINVAL)
            tc_config_refuse(yaml, node->place, why, "%s", reason);
        else if (r < 0)
            refuse_memory(why);
    }
    free(items);
    return r;
}

int tc_config_set(struct tc_options *options, const char *key, const struct tc_yaml *yaml,
                  const struct tc_yaml_node *node, char why[256])
{
    const struct tocsin_option *option = tc_options_find(options, key);
    char reason[256];
    int r;

    if (!option)
        return -ENOENT;
    if (node->kind == TC_YAML_NULL)
        return tc_config_refuse(
            yaml, node->place, why,
            "%s: there is no value; leave the key out for the default", key);
    if (node->kind == TC_YAML_LIST)
        return set_list(options, key, yaml, node, why);
    if (node->kind == TC_YAML_MAP)
        return tc_config_refuse(yaml, node->place, why, "%s: must be %s, not a map", key,
                                option->type == TOCSIN_OPTION_LIST ? "a list"
                                                                   : "one value");
    /* YAML 1.2: what is in quotes is a text, whatever it looks like. */
    if (node->quoted && option->type == TOCSIN_OPTION_BOOL &&
        strcmp(node->text, "true") && strcmp(node->text, "false"))
        return tc_config_refuse(yaml, node->place, why,
                                "%s: must be true or false, without quotes", key);
    if (node->quoted &&
        (option->type == TOCSIN_OPTION_BOOL || option->type == TOCSIN_OPTION_INT))
        return tc_config_refuse(yaml, node->place, why,
                                "%s: in quotes this is a text: write %.64s without them",
                                key, node->text);
    r = tc_options_set(options, key, node->text, reason);
    if (r == 0)
        r = tc_config_check_text(key, node->text, reason);
    if (r == -EINVAL)
        return tc_config_refuse(yaml, node->place, why, "%s", reason);
    return r < 0 ? refuse_memory(why) : 0;
}

static int refuse_not_map(const struct tc_yaml *yaml, const struct tc_yaml_node *node,
                          const char *what, char why[256])
{
    return tc_config_refuse(yaml, node->place, why, "%s must be a map of keys, not %s",
                            what, kind_name(node));
}

/* ---- The agent's own keys ---- */

/* The part of an option's name within `section` ("" for the top); NULL: not there. */
static const char *name_within(const struct tocsin_option *option, const char *section)
{
    const char *dot = strchr(option->name, '.');
    size_t len = strlen(section);

    if (!len)
        return dot ? NULL : option->name;
    if (!dot || (size_t)(dot - option->name) != len ||
        strncmp(option->name, section, len) != 0)
        return NULL;
    return dot + 1;
}

/* The section of the agent's that has `key`, for somebody who left it out; or NULL. */
static const char *find_section_of(const char *key)
{
    const struct tocsin_option *option;

    for (size_t i = 0; (option = tc_option_table_at(tc_config_core_table(), i)); i++)
        for (const char *const *s = tc_config_sections(); *s; s++) {
            const char *name = name_within(option, *s);

            if (name && !strcmp(name, key))
                return *s;
        }
    return NULL;
}

static int refuse_unknown(const struct tc_yaml *yaml, const char *section,
                          const struct tc_yaml_node *node, char why[256])
{
    const struct tocsin_option *option;
    const char *home = find_section_of(node->key);
    const char *dot = *section ? "." : "";
    struct tc_nearest nearest;

    tc_nearest_init(&nearest, node->key);
    for (size_t i = 0; (option = tc_option_table_at(tc_config_core_table(), i)); i++)
        if (name_within(option, section))
            tc_nearest_offer(&nearest, name_within(option, section));
    for (const char *const *s = tc_config_sections(); *s && !*section; s++)
        tc_nearest_offer(&nearest, *s);
    if (strchr(node->key, '.'))
        return tc_config_refuse(
            yaml, node->key_place, why,
            "unknown key \"%.64s\": write a dot as a map within a map", node->key);
    if (nearest.best)
        return tc_config_refuse(yaml, node->key_place, why,
                                "unknown key \"%s%s%.64s\"; did you mean \"%s\"?",
                                section, dot, node->key, nearest.best);
    if (home)
        return tc_config_refuse(yaml, node->key_place, why,
                                "unknown key \"%s%s%.64s\"; it belongs under \"%s:\"",
                                section, dot, node->key, home);
    return tc_config_refuse(yaml, node->key_place, why, "unknown key \"%s%s%.64s\"",
                            section, dot, node->key);
}

static int apply_section(struct tc_config *config, const struct tc_yaml *yaml,
                         const struct tc_yaml_node *section, char why[256])
{
    char name[2 * TC_OPTION_NAME_BYTES_MAX];
    int r = 0;

    if (section->kind == TC_YAML_NULL) /* all its keys are commented out */
        return 0;
    if (section->kind != TC_YAML_MAP)
        return refuse_not_map(yaml, section, section->key, why);
    for (const struct tc_yaml_node *at = section->first; at && r == 0; at = at->next) {
        snprintf(name, sizeof(name), "%s.%s", section->key, at->key);
        r = tc_config_set(config->core, name, yaml, at, why);
        if (r == -ENOENT)
            r = refuse_unknown(yaml, section->key, at, why);
        if (!strcmp(name, "sensor.primary"))
            config->primary_from = (struct tc_config_setting){yaml, at};
        else if (!strcmp(name, "sensor.fallback"))
            config->fallback_from = (struct tc_config_setting){yaml, at};
    }
    return r;
}

/* ---- exclusions ---- */

/* One text of an entry: path, process, scope or reason. */
static int read_exclusion_key(const struct tc_yaml *yaml, const struct tc_yaml_node *at,
                              struct tc_exclusion *entry, char why[256])
{
    static const char *const known[] = {"path", "process", "scope", "reason"};
    struct tc_nearest nearest;
    bool process = !strcmp(at->key, "process");

    tc_nearest_init(&nearest, at->key);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        tc_nearest_offer(&nearest, known[i]);
    if (!nearest.best || nearest.distance)
        return tc_config_refuse(
            yaml, at->key_place, why,
            "unknown key \"%.64s\": an exclusion has path or process, "
            "scope and reason",
            at->key);
    if (at->kind != TC_YAML_TEXT || !*at->text)
        return tc_config_refuse(yaml, at->place, why, "%s: must be one text", at->key);
    if (!strcmp(at->key, "scope")) {
        entry->scope = at->text;
    } else if (!strcmp(at->key, "reason")) {
        entry->reason = at->text;
    } else if (entry->pattern) {
        return tc_config_refuse(
            yaml, at->key_place, why,
            "an exclusion has either a path or a process: make it two");
    } else {
        entry->pattern = at->text;
        entry->by_process = process;
    }
    return 0;
}

static int add_exclusion(struct tc_exclusions *exclusions, const struct tc_yaml *yaml,
                         const struct tc_yaml_node *node, char why[256])
{
    struct tc_exclusion entry = {.scope = TC_EXCLUSION_ALL};
    char reason[256];
    int r = 0;

    if (node->kind != TC_YAML_MAP)
        return refuse_not_map(yaml, node, "an exclusion", why);
    for (const struct tc_yaml_node *at = node->first; at && r == 0; at = at->next)
        r = read_exclusion_key(yaml, at, &entry, why);
    if (r < 0)
        return r;
    if (!entry.pattern)
        return tc_config_refuse(yaml, node->place, why,
                                "an exclusion must have a path or a process");
    if (strcmp(entry.scope, TC_EXCLUSION_ALL) && !tc_config_is_plugin_name(entry.scope))
        return tc_config_refuse(yaml, tc_yaml_get(node, "scope")->place, why,
                                "scope: \"%.64s\" must be all or the name of a plugin",
                                entry.scope);
    r = tc_exclusions_add(exclusions, &entry, reason);
    if (r == -EINVAL)
        return tc_config_refuse(
            yaml, tc_yaml_get(node, entry.by_process ? "process" : "path")->place, why,
            "%s: %s", entry.by_process ? "process" : "path", reason);
    return r < 0 ? refuse_memory(why) : 0;
}

static int apply_exclusions(struct tc_config *config, const struct tc_yaml *yaml,
                            const struct tc_yaml_node *node, char why[256])
{
    struct tc_exclusions *exclusions = NULL;
    int r;

    if (node->kind != TC_YAML_LIST && node->kind != TC_YAML_NULL)
        return tc_config_refuse(yaml, node->place, why,
                                "exclusions must be a list, as in [{path: \"/srv/**\"}]");
    r = tc_exclusions_new(&exclusions);
    if (r < 0)
        return refuse_memory(why);
    for (const struct tc_yaml_node *at = node->first; at && r == 0; at = at->next)
        r = add_exclusion(exclusions, yaml, at, why);
    if (r < 0) {
        tc_exclusions_free(exclusions);
        return r;
    }
    tc_exclusions_free(config->exclusions);
    config->exclusions = exclusions;
    config->exclusions_from = (struct tc_config_setting){yaml, node};
    return 0;
}

/* ---- plugins ---- */

static struct tc_config_plugin *get_plugin(const struct tc_config *config,
                                           const char *name)
{
    for (size_t i = 0; i < config->plugin_count; i++)
        if (!strcmp(config->plugins[i].name, name))
            return &config->plugins[i];
    return NULL;
}

const struct tc_config_plugin *tc_config_find_plugin(const struct tc_config *config,
                                                     const char *name)
{
    return get_plugin(config, name);
}

static int add_plugin(struct tc_config *config, const char *name,
                      struct tc_config_plugin **ret_plugin)
{
    struct tc_config_plugin *plugins =
        reallocarray(config->plugins, config->plugin_count + 1, sizeof(*plugins));
    struct tc_config_plugin *plugin;
    int r;

    if (!plugins)
        return -ENOMEM;
    config->plugins = plugins;
    plugin = &plugins[config->plugin_count];
    *plugin = (struct tc_config_plugin){.name = name};
    r = tc_options_new(tc_config_common_table(), &plugin->common);
    if (r < 0)
        return r;
    config->plugin_count++;
    *ret_plugin = plugin;
    return 0;
}

static int add_setting(struct tc_config_plugin *plugin, const struct tc_yaml *yaml,
                       const struct tc_yaml_node *node)
{
    struct tc_config_setting *settings;

    for (size_t i = 0; i < plugin->setting_count; i++)
        if (!strcmp(plugin->settings[i].node->key, node->key)) {
            plugin->settings[i] = (struct tc_config_setting){yaml, node};
            return 0;
        }
    settings =
        reallocarray(plugin->settings, plugin->setting_count + 1, sizeof(*settings));
    if (!settings)
        return -ENOMEM;
    plugin->settings = settings;
    settings[plugin->setting_count++] = (struct tc_config_setting){yaml, node};
    return 0;
}

static int set_place(struct tc_config_plugin *plugin, const struct tc_yaml *yaml,
                     const struct tc_yaml_node *node)
{
    char *place;

    if (asprintf(&place, "%s:%u:%u", yaml->name, node->key_place.line,
                 node->key_place.column) < 0)
        return -ENOMEM;
    free(plugin->place);
    plugin->place = place;
    return 0;
}

static int apply_plugin_key(struct tc_config_plugin *plugin, const struct tc_yaml *yaml,
                            const struct tc_yaml_node *node, char why[256])
{
    int r = tc_config_set(plugin->common, node->key, yaml, node, why);

    if (r == -ENOENT) {
        if (plugin->setting_count == TC_CONFIG_SETTINGS_MAX)
            return tc_config_refuse(yaml, node->key_place, why,
                                    "the section of a plugin has more than %d keys",
                                    TC_CONFIG_SETTINGS_MAX);
        r = add_setting(plugin, yaml, node);
        return r < 0 ? refuse_memory(why) : 0;
    }
    return r;
}

static int apply_plugin(struct tc_config *config, const struct tc_yaml *yaml,
                        const struct tc_yaml_node *node, char why[256])
{
    struct tc_config_plugin *plugin = get_plugin(config, node->key);
    int r = 0;

    if (!tc_config_is_plugin_name(node->key))
        return tc_config_refuse(
            yaml, node->key_place, why,
            "\"%.64s\" cannot be a plugin's name: 1 to %d lower-case "
            "letters, digits and underscores, a letter first, and not "
            "all",
            node->key, TC_PLUGIN_NAME_BYTES_MAX);
    if (node->kind != TC_YAML_NULL && node->kind != TC_YAML_MAP)
        return refuse_not_map(yaml, node, node->key, why);
    if (!plugin && config->plugin_count == TC_CONFIG_PLUGINS_MAX)
        return tc_config_refuse(yaml, node->key_place, why,
                                "there are more than %d plugins", TC_CONFIG_PLUGINS_MAX);
    if (!plugin)
        r = add_plugin(config, node->key, &plugin);
    if (r == 0)
        r = set_place(plugin, yaml, node);
    if (r < 0)
        return refuse_memory(why);
    for (const struct tc_yaml_node *at = node->first; at && r == 0; at = at->next)
        r = apply_plugin_key(plugin, yaml, at, why);
    return r;
}

static int apply_plugins(struct tc_config *config, const struct tc_yaml *yaml,
                         const struct tc_yaml_node *node, char why[256])
{
    int r = 0;

    if (node->kind != TC_YAML_NULL && node->kind != TC_YAML_MAP)
        return refuse_not_map(yaml, node, "plugins", why);
    for (const struct tc_yaml_node *at = node->first; at && r == 0; at = at->next)
        r = apply_plugin(config, yaml, at, why);
    return r;
}

/* ---- The whole file ---- */

static bool is_section(const char *key)
{
    const char *const *s = tc_config_sections();

    while (*s && strcmp(*s, key))
        s++;
    return *s;
}

static int apply_top(struct tc_config *config, const struct tc_yaml *yaml,
                     const struct tc_yaml_node *node, char why[256])
{
    int r;

    if (!strcmp(node->key, "exclusions"))
        return apply_exclusions(config, yaml, node, why);
    if (!strcmp(node->key, "plugins"))
        return apply_plugins(config, yaml, node, why);
    if (is_section(node->key))
        return apply_section(config, yaml, node, why);
    /* A dot is how the table says "within": the file never does. */
    r = strchr(node->key, '.') ? -ENOENT
                               : tc_config_set(config->core, node->key, yaml, node, why);
    return r == -ENOENT ? refuse_unknown(yaml, "", node, why) : r;
}

int tc_config_apply(struct tc_config *config, struct tc_yaml *yaml, char why[256])
{
    const struct tc_yaml_node *root = yaml->documents;
    struct tc_yaml **files;
    int r = 0;

    files = reallocarray(config->files, config->file_count + 1, sizeof(*files));
    if (!files)
        return refuse_memory(why);
    config->files = files;
    if (root->kind != TC_YAML_NULL && root->kind != TC_YAML_MAP)
        return refuse_not_map(yaml, root, "the file", why);
    for (const struct tc_yaml_node *at = root->first; at && r == 0; at = at->next)
        r = apply_top(config, yaml, at, why);
    if (r == 0)
        config->files[config->file_count++] = yaml;
    return r;
}
