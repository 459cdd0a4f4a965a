/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bus here carries nothing: it lends its table of names, which events and hosts need.
 * Events are shown to the plugin at once, with the ids that they came with.
 */
#include "core/lone/lone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/why.h"
#include "core/conf/options.h"
#include "core/host/loader.h"
#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/topic.h"

struct tc_lone {
    struct tc_lone_sink sink;
    struct tc_plugin_env env;
    struct tc_bus *bus;
    struct tc_module *module;   /* until the plugin is made */
    struct tc_options *options; /* likewise */
    struct tc_plugin *plugin;
    bool votes;
};

/* ---- What the plugin calls ---- */

/* The event that the plugin has published, as one that it may hold. */
static int make_event(struct tc_lone *lone, const struct tocsin_event *draft,
                      const char *source, uint64_t id, struct tc_event **ret_event)
{
    const struct tc_topic *topic;
    int err = tc_topic_intern(tc_bus_topics(lone->bus), draft->topic, &topic);

    return err ? err : tc_event_new(draft, topic, source, id, ret_event);
}

static int on_publish(void *arg, const struct tocsin_event *draft, const char *source,
                      const struct tocsin_event **ret_event)
{
    struct tc_lone *lone = arg;
    struct tocsin_event bare = *draft;
    struct tc_event *made;
    uint64_t id = 0;
    int err;

    bare.fd = -1; /* the sink has it */
    err = make_event(lone, &bare, source, 0, &made);
    if (err)
        return err;
    if (lone->sink.publish)
        err = lone->sink.publish(lone->sink.arg, draft, ret_event ? &id : NULL);
    else if (draft->fd >= 0)
        close(draft->fd);
    made->pub.id = id;
    if (ret_event && !err)
        *ret_event = &made->pub;
    else
        tc_event_unref(made);
    return err;
}

static void on_report(void *arg, const char *plugin, uint32_t what, const char *key,
                      const char *text, const char *fix)
{
    struct tc_lone *lone = arg;

    (void)plugin;
    if (lone->sink.report)
        lone->sink.report(lone->sink.arg, what, key, text, fix);
}

static int on_excluded(void *arg, const char *plugin, const char *path,
                       const char *executable)
{
    struct tc_lone *lone = arg;

    (void)plugin;
    return lone->sink.excluded ? lone->sink.excluded(lone->sink.arg, path, executable)
                               : TOCSIN_NOT_EXCLUDED;
}

static bool on_passive(void *arg)
{
    struct tc_lone *lone = arg;

    return lone->sink.passive && lone->sink.passive(lone->sink.arg);
}

static bool on_is_agent(void *arg, int32_t pid)
{
    struct tc_lone *lone = arg;

    return lone->sink.is_agent ? lone->sink.is_agent(lone->sink.arg, pid)
                               : pid == getpid();
}

static void on_changed(void *arg, struct tc_plugin *plugin)
{
    struct tc_lone *lone = arg;

    if (lone->sink.changed)
        lone->sink.changed(lone->sink.arg, tc_plugin_state(plugin),
                           tc_plugin_why(plugin));
}

static void on_entering(void *arg, const char *plugin)
{
    (void)arg;
    (void)plugin;
}

static void on_wake(void *arg)
{
    (void)arg;
}

/* ---- Its life ---- */

int tc_lone_new(const struct tc_lone_options *options, struct tc_lone **ret_lone)
{
    struct tc_lone *lone = calloc(1, sizeof(*lone));

    if (!lone)
        return -ENOMEM;
    lone->bus = tc_bus_new(on_wake, lone);
    if (!lone->bus) {
        free(lone);
        return -ENOMEM;
    }
    lone->sink = options->sink;
    lone->env = (struct tc_plugin_env){.loop = options->loop,
                                       .bus = lone->bus,
                                       .state_dir = options->state_dir,
                                       .arg = lone,
                                       .publish = on_publish,
                                       .report = on_report,
                                       .excluded = on_excluded,
                                       .passive = on_passive,
                                       .is_agent = on_is_agent,
                                       .changed = on_changed,
                                       .entering = on_entering,
                                       .start_ms = options->start_ms,
                                       .stop_ms = options->stop_ms};
    *ret_lone = lone;
    return 0;
}

void tc_lone_free(struct tc_lone *lone)
{
    if (!lone)
        return;
    tc_plugin_free(lone->plugin);
    tc_options_free(lone->options);
    tc_module_close(lone->module);
    tc_bus_free(lone->bus);
    free(lone);
}

static bool lists(const char *const *patterns, const char *topic)
{
    for (; patterns && *patterns; patterns++)
        if (!strcmp(*patterns, topic) || tc_topic_match(*patterns, topic))
            return true;
    return false;
}

int tc_lone_take(struct tc_lone *lone, struct tc_module *module, char why[256])
{
    const struct tc_option_table table = {module->plugin->options,
                                          module->plugin->option_size};
    int err = tc_options_new(table, &lone->options);

    if (err) {
        tc_why(why, "plugin %s: its options: %s", module->plugin->name, strerror(-err));
        return err;
    }
    lone->module = module;
    lone->votes = lists(module->plugin->publishes, TOCSIN_TOPIC_VERDICT);
    return 0;
}

int tc_lone_set(struct tc_lone *lone, const char *key, const char *text, char why[256])
{
    return tc_options_set(lone->options, key, text, why);
}

int tc_lone_set_list(struct tc_lone *lone, const char *key, const char *const *items,
                     size_t count, char why[256])
{
    return tc_options_set_list(lone->options, key, items, count, why);
}

int tc_lone_start(struct tc_lone *lone, char why[256])
{
    int err = tc_plugin_new(&lone->env, lone->module, lone->options, &lone->plugin, why);

    if (err)
        return err;
    lone->module = NULL;
    lone->options = NULL;
    err = tc_plugin_start(lone->plugin);
    if (err)
        tc_why(why, "plugin %s: cannot be started: %s", tc_plugin_name(lone->plugin),
               strerror(-err));
    return err;
}

int tc_lone_show(struct tc_lone *lone, const struct tocsin_event *event)
{
    const struct tc_topic *source;
    enum tc_plugin_state state;
    struct tc_event *made;
    int err;

    state = lone->plugin ? tc_plugin_state(lone->plugin) : TC_PLUGIN_LOADED;
    if (state != TC_PLUGIN_RUNNING && (lone->votes || state != TC_PLUGIN_STARTING))
        return -ESHUTDOWN;
    if (!lists(tc_plugin_module(lone->plugin)->plugin->subscribes, event->topic))
        return -ENOMSG;
    err = tc_topic_intern(tc_bus_topics(lone->bus), event->source, &source);
    if (!err)
        err = make_event(lone, event, source->name, event->id, &made);
    if (err)
        return err;
    tc_plugin_show(lone->plugin, made);
    tc_event_unref(made);
    return 0;
}

int tc_lone_stop(struct tc_lone *lone)
{
    return lone->plugin ? tc_plugin_stop(lone->plugin) : -EALREADY;
}

bool tc_lone_busy(const struct tc_lone *lone)
{
    enum tc_plugin_state state;

    if (!lone->plugin)
        return false;
    state = tc_plugin_state(lone->plugin);
    return state == TC_PLUGIN_STARTING || state == TC_PLUGIN_RUNNING ||
           state == TC_PLUGIN_STOPPING || tc_plugin_busy(lone->plugin);
}

const struct tc_plugin *tc_lone_plugin(const struct tc_lone *lone)
{
    return lone->plugin;
}
