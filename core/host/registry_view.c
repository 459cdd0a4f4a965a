/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how the registry describes its plugins. Changes nothing. */
#include <errno.h>
#include <string.h>

#include "core/host/registry_priv.h"
#include "ipc/pack.h"

struct tc_plugin *tc_registry_plugin(const struct tc_registry *registry, const char *name)
{
    const struct tc_registry_entry *e = tc_registry_entry_find(registry, name);

    return e ? e->plugin : NULL;
}

bool tc_registry_wants(const struct tc_registry *registry, const char *name)
{
    const struct tc_registry_entry *e = tc_registry_entry_find(registry, name);

    return e && e->enabled;
}

const char *tc_registry_of_kind(const struct tc_registry *registry, uint32_t kind)
{
    for (const struct tc_registry_entry *e = registry->entries; e; e = e->next)
        if (e->enabled && e->plugin && tc_plugin_module(e->plugin)->plugin->kind == kind)
            return e->name;
    return NULL;
}

uint64_t tc_registry_voter(const struct tc_registry *registry, const char *name)
{
    const struct tc_registry_entry *e = tc_registry_entry_find(registry, name);

    return e ? tc_registry_entry_voter(e) : 0;
}

void tc_registry_voter_names(const struct tc_registry *registry, uint64_t set, char *buf,
                             size_t cap)
{
    size_t used = 0;

    buf[0] = '\0';
    for (const struct tc_registry_entry *e = registry->entries; e && used < cap;
         e = e->next)
        if (tc_registry_entry_voter(e) & set)
            used += (size_t)snprintf(buf + used, cap - used, "%s%s", used ? ", " : "",
                                     e->name);
}

static bool failed(const struct tc_registry_entry *e)
{
    return e->plugin ? tc_plugin_state(e->plugin) == TC_PLUGIN_FAILED
                     : e->enabled && e->why[0] != '\0';
}

void tc_registry_count(const struct tc_registry *registry, unsigned *ret_loaded,
                       unsigned *ret_failed)
{
    *ret_loaded = *ret_failed = 0;
    for (const struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        if (failed(e))
            (*ret_failed)++;
        else if (e->plugin)
            (*ret_loaded)++;
    }
}

static const char *kind_name(uint32_t kind)
{
    switch (kind) {
    case TOCSIN_KIND_SYSTEM_EXTENSION:
        return "system_extension";
    case TOCSIN_KIND_KERNEL_EXTENSION:
        return "kernel_extension";
    case TOCSIN_KIND_NETWORK_EXTENSION:
        return "network_extension";
    case TOCSIN_KIND_SUPPLEMENTARY:
        return "supplementary";
    case TOCSIN_KIND_DETECTOR:
        return "detector";
    default:
        return "?";
    }
}

static void put_entry(const struct tc_registry_entry *e, struct tc_pack *p)
{
    const struct tc_plugin *plugin = e->plugin ? e->plugin : e->fresh;

    tc_pack_bool(p, "enabled", e->enabled);
    if (plugin) {
        tc_pack_str(p, "kind", kind_name(tc_plugin_module(plugin)->plugin->kind));
        tc_pack_bool(p, "voter", tc_registry_entry_voter(e) != 0);
        tc_plugin_put(plugin, p);
        return;
    }
    tc_pack_str(p, "name", e->name);
    tc_pack_str(p, "state", failed(e) ? "failed" : "disabled");
    tc_pack_str(p, "why", e->why);
}

void tc_registry_put_all(const struct tc_registry *registry, struct tc_pack *p)
{
    for (const struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        tc_pack_begin_map(p, NULL);
        put_entry(e, p);
        tc_pack_end(p);
    }
}

static void put_topics(const char *key, const char *const *topics, struct tc_pack *p)
{
    tc_pack_begin_array(p, key);
    for (; topics && *topics; topics++)
        tc_pack_str(p, NULL, *topics);
    tc_pack_end(p);
}

static const char *type_name(uint32_t type)
{
    static const char *const names[] = {"?",      "bool",     "number", "text",
                                        "choice", "duration", "size",   "list"};

    return type < sizeof(names) / sizeof(names[0]) ? names[type] : names[0];
}

static void put_options(const struct tc_plugin *plugin, struct tc_pack *p)
{
    const struct tocsin_plugin *descriptor = tc_plugin_module(plugin)->plugin;
    const char *at = (const char *)descriptor->options;
    const struct tocsin_option *o;

    tc_pack_begin_array(p, "options");
    for (; at; at += descriptor->option_size) {
        o = (const struct tocsin_option *)(const void *)at;
        if (!o->name)
            break;
        tc_pack_begin_map(p, NULL);
        tc_pack_str(p, "name", o->name);
        tc_pack_str(p, "type", type_name(o->type));
        tc_pack_str(p, "choices", o->choices);
        tc_pack_str(p, "default", o->fallback);
        tc_pack_str(p, "help", o->help);
        tc_pack_bool(p, "restart", o->flags & TOCSIN_OPTION_RESTART);
        tc_pack_end(p);
    }
    tc_pack_end(p);
    tc_pack_begin_map(p, "values");
    tc_options_put(tc_plugin_options(plugin), p);
    tc_pack_end(p);
}

int tc_registry_put(const struct tc_registry *registry, const char *name,
                    struct tc_pack *p)
{
    const struct tc_registry_entry *e = tc_registry_entry_find(registry, name);
    const struct tocsin_plugin *descriptor;

    if (!e)
        return -ENOENT;
    put_entry(e, p);
    tc_pack_str(p, "section", e->place);
    if (!e->plugin)
        return 0;
    descriptor = tc_plugin_module(e->plugin)->plugin;
    put_topics("publishes", descriptor->publishes, p);
    put_topics("subscribes", descriptor->subscribes, p);
    put_options(e->plugin, p);
    return 0;
}
