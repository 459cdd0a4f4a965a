/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how the registry describes its plugins. Changes nothing. */
#include <errno.h>
#include <string.h>

#include "core/host/descriptor_view.h"
#include "core/host/registry_priv.h"
#include "ipc/pack.h"

struct tc_plugin *tc_registry_plugin(const struct tc_registry *registry, const char *name)
{
    const struct tc_registry_entry *e = tc_registry_entry_find(registry, name);

    return e ? e->plugin : NULL;
}

bool tc_registry_has(const struct tc_registry *registry, const char *name)
{
    return tc_registry_entry_find(registry, name) != NULL;
}

struct tc_option_table tc_registry_table(const struct tc_registry *registry,
                                         const char *name)
{
    const struct tc_plugin *plugin = tc_registry_plugin(registry, name);
    struct tc_option_table table = {NULL, 0};

    if (plugin) {
        table.first = tc_plugin_module(plugin)->plugin->options;
        table.stride = tc_plugin_module(plugin)->plugin->option_size;
    }
    return table;
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

/* Of the plugin, or of what was to take its place, whichever came later. */
static void put_last_error(const struct tc_registry_entry *e,
                           const struct tc_plugin *plugin, struct tc_pack *p)
{
    struct tc_last_error last = {0};

    if (plugin)
        tc_plugin_last_error(plugin, &last);
    if (e->last_error.time_ns > last.time_ns)
        last = e->last_error;
    if (!last.time_ns)
        return;
    tc_pack_str(p, "last_error", last.text);
    tc_pack_uint(p, "last_error_time_ns", last.time_ns);
}

static void put_entry(const struct tc_registry_entry *e, struct tc_pack *p)
{
    const struct tc_plugin *plugin = e->plugin ? e->plugin : e->fresh;

    tc_pack_bool(p, "enabled", e->enabled);
    if (plugin) {
        tc_pack_str(p, "kind",
                    tc_descriptor_kind(tc_plugin_module(plugin)->plugin->kind));
        tc_pack_bool(p, "voter", tc_registry_entry_voter(e) != 0);
        tc_plugin_put(plugin, p);
        put_last_error(e, plugin, p);
        return;
    }
    tc_pack_str(p, "name", e->name);
    tc_pack_str(p, "state", failed(e) ? "failed" : "disabled");
    if (!e->why[0] && tc_switched_off_has(&e->registry->off, e->name))
        tc_pack_str(p, "why", "by a command, until tocsin plugin enable");
    else
        tc_pack_str(p, "why", e->why);
    put_last_error(e, NULL, p);
}

void tc_registry_put_all(const struct tc_registry *registry, struct tc_pack *p)
{
    for (const struct tc_registry_entry *e = registry->entries; e; e = e->next) {
        tc_pack_begin_map(p, NULL);
        put_entry(e, p);
        tc_pack_end(p);
    }
}

int tc_registry_put(const struct tc_registry *registry, const char *name,
                    struct tc_pack *p)
{
    const struct tc_registry_entry *e = tc_registry_entry_find(registry, name);

    if (!e)
        return -ENOENT;
    put_entry(e, p);
    tc_pack_str(p, "section", e->place);
    if (!e->plugin)
        return 0;
    tc_descriptor_put(tc_plugin_module(e->plugin)->plugin, p);
    tc_pack_begin_map(p, "values");
    tc_options_put(tc_plugin_options(e->plugin), p);
    tc_pack_end(p);
    return 0;
}
