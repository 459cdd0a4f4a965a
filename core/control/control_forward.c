/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the way of a call to a plugin (rpc.<plugin>.<method>), and of its answer back. */
#include <errno.h>
#include <string.h>

#include "core/control/control_priv.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/verdict/judge.h"
#include "ipc/event.h"
#include "ipc/topic.h"

static void on_reply(struct tc_control *control, const struct tocsin_event *event)
{
    struct tc_forward *f =
        tc_forwards_find(&control->forwards, event->reply_to, event->source);
    struct tocsin_str error, code;
    char name[32];

    if (!f)
        return;
    error = tocsin_event_str(event, "error");
    code = tocsin_event_str(event, "code");
    if (error.ptr) {
        snprintf(name, sizeof(name), "%.*s", code.ptr ? (int)code.len : 7,
                 code.ptr ? code.ptr : "refused");
        tc_rpc_fail(f->call, name, "%.*s", (int)error.len, error.ptr);
    } else {
        tc_rpc_reply(f->call, event->data, event->len);
    }
    tc_forwards_remove(&control->forwards, f);
}

void tc_control_plugin_answer(void *arg, struct tc_event *event)
{
    struct tc_control *control = arg;
    struct tc_forward *f;

    if (!strcmp(event->pub.topic, TOCSIN_TOPIC_RPC_REPLY)) {
        on_reply(control, &event->pub);
        return;
    }
    f = tc_forwards_find(&control->forwards, event->pub.reply_to, event->pub.source);
    if (!f)
        return;
    tc_forwards_touch(f, uv_hrtime());
    tc_rpc_progress(f->call, event->pub.data, event->pub.len);
}

/* Publishes rpc.<plugin>.<method>; *ret_id is the event's, for the answer to name. */
static int ask_plugin(struct tc_control *control, const char *method, const void *params,
                      size_t len, uint64_t *ret_id)
{
    struct tocsin_event draft = {
        .size = sizeof(draft), .fd = -1, .data = params, .len = len};
    const struct tocsin_event *event;
    char topic[128];
    int err;

    snprintf(topic, sizeof(topic), "rpc.%s", method);
    draft.topic = topic;
    err = tc_judge_publish(control->services->judge, &draft, "core", &event);
    if (err)
        return err;
    *ret_id = event->id;
    tc_event_unref(tc_event_of(event));
    return 0;
}

/* Whether the plugin has subscribed to calls of that method; else nobody would answer. */
static bool hears(const struct tc_plugin *plugin, const char *method)
{
    const char *const *patterns = tc_plugin_module(plugin)->plugin->subscribes;
    char topic[TC_TOPIC_MAX_LEN];

    snprintf(topic, sizeof(topic), "rpc.%s", method);
    for (; patterns && *patterns; patterns++)
        if (tc_topic_match(*patterns, topic))
            return true;
    return false;
}

void tc_control_forward(struct tc_control *control, struct tc_rpc_call *call,
                        const char *method, const struct tc_rpc_params *params)
{
    bool looks = !tc_control_may_change(tc_rpc_call_peer(call));
    const char *dot = strchr(method, '.');
    struct tc_plugin *plugin;
    char name[64];
    uint64_t id;
    int err;

    snprintf(name, sizeof(name), "%.*s", (int)(dot - method), method);
    if (!tc_registry_has(control->services->registry, name)) {
        tc_rpc_fail(call, "unknown_method",
                    "there is no method %s: no plugin is called %s", method, name);
        return;
    }
    plugin = tc_registry_plugin(control->services->registry, name);
    if (!plugin || tc_plugin_state(plugin) != TC_PLUGIN_RUNNING) {
        tc_rpc_fail(call, "refused", "plugin %s does not run: tocsin plugin enable %s",
                    name, name);
        return;
    }
    if (!hears(plugin, method)) {
        tc_rpc_fail(call, "unknown_method", "plugin %s has no method %s", name,
                    method + strlen(name) + 1);
        return;
    }
    if (!tc_forwards_room(&control->forwards, looks)) {
        tc_rpc_fail(call, "refused", "too many calls wait for plugins: try again later");
        return;
    }
    err = ask_plugin(control, method, params->data, params->len, &id);
    if (err) {
        tc_rpc_fail(call, "failed", "the call could not be passed on: %s",
                    strerror(-err));
        return;
    }
    tc_forwards_add(&control->forwards, call, id, name, looks, uv_hrtime());
    tc_control_arm(control);
}

/* The plugin need not go on with it. */
static void cancel(struct tc_control *control, const struct tc_forward *f)
{
    struct tocsin_writer w;
    char method[128];
    uint8_t buf[64];
    uint64_t id;

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "call", f->id);
    tocsin_end(&w);
    snprintf(method, sizeof(method), "%s.cancel", f->plugin);
    ask_plugin(control, method, w.buf, w.len, &id);
}

/* The caller has hung up. The plugin's answer still comes, and ends the call. */
void tc_control_caller_gone(void *arg, struct tc_rpc_call *call)
{
    struct tc_control *control = arg;

    for (size_t i = 0; i < TC_FORWARDS_MAX; i++)
        if (control->forwards.slots[i].call == call)
            cancel(control, &control->forwards.slots[i]);
}

void tc_control_end_silence(struct tc_control *control, uint64_t now_ns)
{
    struct tc_forward *f;

    while ((f = tc_forwards_expire(&control->forwards, now_ns)) != NULL) {
        tc_rpc_fail(f->call, "failed",
                    "plugin %s has not answered for %d s: tocsin plugin reload %s",
                    f->plugin, (int)(TC_FORWARDS_SILENCE_NS / 1000000000), f->plugin);
        cancel(control, f);
        tc_forwards_remove(&control->forwards, f);
    }
}

void tc_control_plugin_gone(struct tc_control *control, const char *name)
{
    for (size_t i = 0; i < TC_FORWARDS_MAX; i++) {
        struct tc_forward *f = &control->forwards.slots[i];

        if (!f->call || (name && strcmp(f->plugin, name)))
            continue;
        tc_rpc_fail(f->call, "failed", "plugin %s was stopped before it answered",
                    f->plugin);
        tc_forwards_remove(&control->forwards, f);
    }
}
