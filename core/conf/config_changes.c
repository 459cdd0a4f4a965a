/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: naming what is different between two configurations. */
#include <stdio.h>
#include <string.h>

#include "core/conf/config_priv.h"

/* Names with ", " between, as many as fit whole. */
struct names {
    char *buf;
    size_t cap, len;
    size_t count; /* also of those that do not fit */
};

static void names_init(struct names *names, char *buf, size_t cap)
{
    *names = (struct names){.buf = buf, .cap = cap};
    if (cap)
        buf[0] = '\0';
}

/* Adds `plugins.<plugin>.<key>`; without a plugin the key alone, without a key the
 * plugin.
 */
static void add(struct names *names, const char *plugin, const char *key)
{
    char name[sizeof("plugins..") + TC_PLUGIN_NAME_BYTES_MAX + TC_OPTION_NAME_BYTES_MAX];
    const char *comma = names->len ? ", " : "";
    size_t n;

    n = (size_t)snprintf(name, sizeof(name), "%s%s%s%s", plugin ? "plugins." : "",
                         plugin ? plugin : "", plugin && *key ? "." : "", key);
    n += strlen(comma);
    names->count++;
    if (n >= names->cap - names->len || !names->cap)
        return;
    snprintf(names->buf + names->len, names->cap - names->len, "%s%s", comma, name);
    names->len += n;
}

/* ---- the agent's own keys ---- */

static void add_core(struct names *names, const struct tc_config *old_config,
                     const struct tc_config *new_config, uint32_t flags)
{
    const struct tocsin_option *option;

    for (size_t i = 0; (option = tc_option_table_at(tc_config_core_table(), i)); i++)
        if ((option->flags & flags) == flags &&
            !tc_options_same(old_config->core, new_config->core, option->name))
            add(names, NULL, option->name);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static bool same_exclusions(const struct tc_exclusions *a, const struct tc_exclusions *b)
{
    struct tc_exclusion of_a, of_b;
    bool more = true;

    for (size_t i = 0; more; i++) {
        more = tc_exclusions_get(a, i, &of_a);
        if (more != tc_exclusions_get(b, i, &of_b))
            return false;
        if (more &&
            (of_a.by_process != of_b.by_process || strcmp(of_a.pattern, of_b.pattern) ||
             strcmp(of_a.scope, of_b.scope) || !same_text(of_a.reason, of_b.reason)))
            return false;
    }
    return true;
}

/* ---- plugins ---- */

/* Options are texts or lists of texts (config_apply.c refuses the rest), so one level
 * below the node is all there is. */
static bool same_node(const struct tc_yaml_node *a, const struct tc_yaml_node *b)
{
    const struct tc_yaml_node *in_a = a->first, *in_b = b->first;

    if (a->kind != b->kind || !same_text(a->text, b->text))
        return false;
    for (; in_a && in_b; in_a = in_a->next, in_b = in_b->next)
        if (!same_text(in_a->text, in_b->text))
            return false;
    return in_a == in_b;
}

static const struct tc_yaml_node *find_setting(const struct tc_config_plugin *plugin,
                                               const char *key)
{
    for (size_t i = 0; i < plugin->setting_count; i++)
        if (!strcmp(plugin->settings[i].node->key, key))
            return plugin->settings[i].node;
    return NULL;
}

static void add_plugin(struct names *names, const struct tc_config_plugin *old_plugin,
                       const struct tc_config_plugin *new_plugin)
{
    const struct tc_yaml_node *was, *is;
    const struct tocsin_option *option;

    for (size_t i = 0; (option = tc_option_table_at(tc_config_common_table(), i)); i++)
        if (!tc_options_same(old_plugin->common, new_plugin->common, option->name))
            add(names, new_plugin->name, option->name);
    for (size_t i = 0; i < new_plugin->setting_count; i++) {
        is = new_plugin->settings[i].node;
        was = find_setting(old_plugin, is->key);
        if (!was || !same_node(was, is))
            add(names, new_plugin->name, is->key);
    }
    for (size_t i = 0; i < old_plugin->setting_count; i++)
        if (!find_setting(new_plugin, old_plugin->settings[i].node->key))
            add(names, new_plugin->name, old_plugin->settings[i].node->key);
}

static void add_plugins(struct names *names, const struct tc_config *old_config,
                        const struct tc_config *new_config)
{
    const struct tc_config_plugin *plugin, *old_plugin;

    for (size_t i = 0; i < new_config->plugin_count; i++) {
        plugin = &new_config->plugins[i];
        old_plugin = tc_config_find_plugin(old_config, plugin->name);
        if (old_plugin)
            add_plugin(names, old_plugin, plugin);
        else
            add(names, plugin->name, "");
    }
    for (size_t i = 0; i < old_config->plugin_count; i++)
        if (!tc_config_find_plugin(new_config, old_config->plugins[i].name))
            add(names, old_config->plugins[i].name, "");
}

/* ---- for the agent ---- */

size_t tc_config_changed_keys(const struct tc_config *old_config,
                              const struct tc_config *new_config, char *buf, size_t cap)
{
    struct names names;

    names_init(&names, buf, cap);
    add_core(&names, old_config, new_config, 0);
    if (!same_exclusions(old_config->exclusions, new_config->exclusions))
        add(&names, NULL, "exclusions");
    add_plugins(&names, old_config, new_config);
    return names.count;
}

size_t tc_config_restart_keys(const struct tc_config *old_config,
                              const struct tc_config *new_config, char *buf, size_t cap)
{
    struct names names;

    names_init(&names, buf, cap);
    add_core(&names, old_config, new_config, TOCSIN_OPTION_RESTART);
    return names.count;
}

int tc_config_keep_restart_keys(struct tc_config *config, const struct tc_config *old)
{
    const struct tocsin_option *option;
    int err = 0;

    for (size_t i = 0; !err && (option = tc_option_table_at(tc_config_core_table(), i));
         i++)
        if (option->flags & TOCSIN_OPTION_RESTART &&
            !tc_options_same(config->core, old->core, option->name)) {
            err = tc_options_copy(config->core, old->core, option->name);
            config->kept |= UINT64_C(1) << i;
        }
    return err;
}
