/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how a plugin comes by other options: by its reload, or at its next start. */
#include "core/host/plugin.h"

#include <errno.h>
#include <string.h>

#include "core/base/why.h"
#include "core/conf/options.h"
#include "core/host/plugin_state.h"

/* Those that it runs with, or would be started with. */
static const struct tc_options *standing(const struct tc_plugin *plugin)
{
    return plugin->next && plugin->state != TC_PLUGIN_RUNNING ? plugin->next
                                                              : plugin->options;
}

static bool changed_options(const struct tc_plugin *plugin, const struct tc_options *new,
                            bool *ret_restart)
{
    const struct tocsin_option *option = plugin->calls->options;
    bool changed = false;

    *ret_restart = !plugin->calls->reload;
    while (option && option->name) {
        if (!tc_options_same(standing(plugin), new, option->name)) {
            changed = true;
            if (option->flags & TOCSIN_OPTION_RESTART)
                *ret_restart = true;
        }
        option = (const void *)((const char *)option + plugin->calls->option_size);
    }
    return changed;
}

bool tc_plugin_has_options(const struct tc_plugin *plugin,
                           const struct tc_options *options)
{
    bool ignored;

    return !changed_options(plugin, options, &ignored);
}

static int reload(struct tc_plugin *plugin, struct tc_options *options, char why[256])
{
    int rc;

    plugin->host.options = options;
    rc = tc_plugin_call(plugin, plugin->calls->reload);
    if (!rc) {
        tc_options_free(plugin->options);
        plugin->options = options;
        tc_plugin_settle(plugin);
        return 0;
    }
    rc = rc < 0 ? rc : -EPROTO;
    plugin->host.options = plugin->options;
    tc_why(why, "plugin %s: refuses the new options: %s", plugin->host.name,
           strerror(-rc));
    tc_host_complain(&plugin->host, TOCSIN_LOG_WARNING, "refuses new options: %s",
                     strerror(-rc));
    tc_plugin_settle(plugin);
    return rc;
}

void tc_plugin_keep_options(struct tc_plugin *plugin)
{
    tc_options_free(plugin->next);
    plugin->next = NULL;
}

int tc_plugin_reconfigure(struct tc_plugin *plugin, struct tc_options *options,
                          bool *ret_restart, bool *ret_changed, char why[256])
{
    bool running, restart;
    int rc;

    running = plugin->state == TC_PLUGIN_RUNNING || plugin->state == TC_PLUGIN_STARTING;
    if (!changed_options(plugin, options, &restart)) {
        /* The plugin may hold strings of the old ones: those stay. */
        tc_options_free(options);
        if (running)
            tc_plugin_keep_options(plugin);
        *ret_restart = *ret_changed = false;
        return 0;
    }
    if (plugin->state == TC_PLUGIN_RUNNING && !restart) {
        rc = reload(plugin, options, why);
        if (!rc) {
            *ret_restart = false;
            *ret_changed = true;
        }
        return rc;
    }
    *ret_changed = true;
    tc_options_free(plugin->next);
    plugin->next = options;
    *ret_restart = running;
    return 0;
}
