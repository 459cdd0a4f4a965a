/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what may be asked of a plugin without moving it. */
#include "core/host/plugin.h"

#include <string.h>

#include "core/host/loader.h"
#include "core/host/plugin_state.h"
#include "ipc/bus.h"

bool tc_plugin_subscribes(const struct tc_plugin *plugin)
{
    return plugin->calls->subscribes && *plugin->calls->subscribes;
}

bool tc_plugin_votes(const struct tc_plugin *plugin)
{
    return tc_plugin_subscribes(plugin) &&
           tc_host_may_publish(&plugin->host, TOCSIN_TOPIC_VERDICT);
}

enum tc_plugin_state tc_plugin_state(const struct tc_plugin *plugin)
{
    return plugin->state;
}

const char *tc_plugin_state_name(enum tc_plugin_state state)
{
    static const char *const names[] = {
        [TC_PLUGIN_LOADED] = "loaded",   [TC_PLUGIN_STARTING] = "starting",
        [TC_PLUGIN_RUNNING] = "running", [TC_PLUGIN_STOPPING] = "stopping",
        [TC_PLUGIN_STOPPED] = "stopped", [TC_PLUGIN_FAILED] = "failed",
    };

    return names[state];
}

const char *tc_plugin_name(const struct tc_plugin *plugin)
{
    return plugin->host.name;
}

const char *tc_plugin_why(const struct tc_plugin *plugin)
{
    return plugin->state == TC_PLUGIN_FAILED ? plugin->why : "";
}

const struct tc_module *tc_plugin_module(const struct tc_plugin *plugin)
{
    return plugin->module;
}

const struct tc_options *tc_plugin_options(const struct tc_plugin *plugin)
{
    return plugin->options;
}

uint64_t tc_plugin_voter(const struct tc_plugin *plugin)
{
    if (!plugin->subscriber || !tc_plugin_votes(plugin))
        return 0;
    return tc_subscriber_bit(plugin->subscriber);
}

static void put_delivery(const struct tc_plugin *plugin, struct tocsin_writer *w)
{
    struct tc_subscriber_stats all[TC_BUS_SUBSCRIBERS_MAX];
    size_t n = tc_bus_stats(plugin->env->bus, all, TC_BUS_SUBSCRIBERS_MAX);

    for (size_t i = 0; i < n && i < TC_BUS_SUBSCRIBERS_MAX; i++) {
        if (strcmp(all[i].name, plugin->host.name) != 0)
            continue;
        tocsin_put_uint(w, "delivered", all[i].delivered);
        tocsin_put_uint(w, "dropped", all[i].dropped);
        tocsin_put_uint(w, "queued", all[i].queued);
        return;
    }
}

void tc_plugin_put(const struct tc_plugin *plugin, struct tocsin_writer *w)
{
    tocsin_put_str(w, "name", plugin->host.name);
    tocsin_put_str(w, "version", plugin->calls->version);
    tocsin_put_str(w, "summary", plugin->calls->summary);
    tocsin_put_str(w, "state", tc_plugin_state_name(plugin->state));
    tocsin_put_str(w, "why", tc_plugin_why(plugin));
    tocsin_put_str(w, "file", plugin->module->path);
    tocsin_put_str(w, "sha256", plugin->module->sha256);
    tocsin_begin_map(w, "holds");
    tc_ledger_put((struct tc_host *)(uintptr_t)&plugin->host, w);
    tocsin_end(w);
    put_delivery(plugin, w);
}
