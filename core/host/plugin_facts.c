/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what may be asked of a plugin without moving it. */
#include "core/host/plugin.h"

#include <string.h>

#include "core/host/descriptor_view.h"
#include "core/host/loader.h"
#include "core/host/plugin_state.h"
#include "ipc/bus.h"
#include "ipc/pack.h"

bool tc_plugin_subscribes(const struct tc_plugin *plugin)
{
    return plugin->calls->subscribes && *plugin->calls->subscribes;
}

bool tc_plugin_votes(const struct tc_plugin *plugin)
{
    return tc_descriptor_votes(plugin->calls);
}

bool tc_plugin_working(const struct tc_plugin *plugin)
{
    struct tc_host *host = (struct tc_host *)(uintptr_t)&plugin->host;
    bool posted;

    pthread_mutex_lock(&host->post_lock);
    posted = !STAILQ_EMPTY(&host->posts);
    pthread_mutex_unlock(&host->post_lock);
    return posted || tc_ledger_working(host);
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

void tc_plugin_last_error(const struct tc_plugin *plugin, struct tc_last_error *ret)
{
    tc_host_last_error((struct tc_host *)(uintptr_t)&plugin->host, ret);
}

const struct tc_module *tc_plugin_module(const struct tc_plugin *plugin)
{
    return plugin->module;
}

const struct tc_options *tc_plugin_options(const struct tc_plugin *plugin)
{
    return plugin->options;
}

const struct tc_options *tc_plugin_next_options(const struct tc_plugin *plugin)
{
    return plugin->next ? plugin->next : plugin->options;
}

bool tc_plugin_isolated(const struct tc_plugin *plugin)
{
    return plugin->module->put != NULL;
}

uint64_t tc_plugin_voter(const struct tc_plugin *plugin)
{
    if (!plugin->subscriber || !tc_plugin_votes(plugin))
        return 0;
    return tc_subscriber_bit(plugin->subscriber);
}

static void put_delivery(const struct tc_plugin *plugin, struct tc_pack *p)
{
    struct tc_subscriber_stats all[TC_BUS_SUBSCRIBERS_MAX];
    size_t n = tc_bus_stats(plugin->env->bus, all, TC_BUS_SUBSCRIBERS_MAX);

    for (size_t i = 0; i < n && i < TC_BUS_SUBSCRIBERS_MAX; i++) {
        if (strcmp(all[i].name, plugin->host.name) != 0)
            continue;
        tc_pack_uint(p, "delivered", all[i].delivered);
        tc_pack_uint(p, "dropped", all[i].dropped);
        tc_pack_uint(p, "queued", all[i].queued);
        return;
    }
}

void tc_plugin_put(const struct tc_plugin *plugin, struct tc_pack *p)
{
    tc_pack_str(p, "name", plugin->host.name);
    tc_pack_str(p, "version", plugin->calls->version);
    tc_pack_str(p, "summary", plugin->calls->summary);
    tc_pack_str(p, "state", tc_plugin_state_name(plugin->state));
    tc_pack_str(p, "why", tc_plugin_why(plugin));
    tc_pack_str(p, "file", plugin->module->path);
    tc_pack_str(p, "sha256", plugin->module->sha256);
    tc_pack_bool(p, "isolated", tc_plugin_isolated(plugin));
    if (plugin->module->put)
        plugin->module->put(plugin->module, p);
    tc_pack_begin_map(p, "holds");
    tc_ledger_put((struct tc_host *)(uintptr_t)&plugin->host, p);
    tc_pack_end(p);
    tc_pack_uint(p, "publish_refused", plugin->host.publish_refused);
    put_delivery(plugin, p);
}
