/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/why.h"
#include "core/conf/config.h"
#include "core/conf/options.h"
#include "core/control/control_priv.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/verdict/judge.h"
#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/topic.h"

/* ---- calls to plugins ---- */

static struct tc_forwarded *find_forwarded(struct tc_control *control, uint64_t id)
{
    for (size_t i = 0; i < TC_CONTROL_FORWARDED_MAX; i++)
        if (control->forwarded[i].call && control->forwarded[i].id == id)
            return &control->forwarded[i];
    return NULL;
}

static void on_reply(struct tc_control *control, const struct tocsin_event *event)
{
    struct tc_forwarded *f = find_forwarded(control, event->reply_to);
    struct tocsin_str error, code;
    char name[32];

    if (!f || strcmp(f->plugin, event->source))
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
    f->call = NULL;
}

static void on_plugin_answer(void *arg, struct tc_event *event)
{
    struct tc_control *control = arg;
    struct tc_forwarded *f;

    if (!strcmp(event->pub.topic, TOCSIN_TOPIC_RPC_REPLY)) {
        on_reply(control, &event->pub);
        return;
    }
    f = find_forwarded(control, event->pub.reply_to);
    if (f && !strcmp(f->plugin, event->pub.source))
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

static void forward(struct tc_control *control, struct tc_rpc_call *call,
                    const char *method, const struct tc_rpc_params *params)
{
    const char *dot = strchr(method, '.');
    struct tc_forwarded *f = control->forwarded;
    struct tc_plugin *plugin;
    char name[64];
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
    while (f < control->forwarded + TC_CONTROL_FORWARDED_MAX && f->call)
        f++;
    if (f == control->forwarded + TC_CONTROL_FORWARDED_MAX) {
        tc_rpc_fail(call, "refused", "too many calls wait for plugins: try again later");
        return;
    }
    err = ask_plugin(control, method, params->data, params->len, &f->id);
    if (err) {
        tc_rpc_fail(call, "failed", "the call could not be passed on: %s",
                    strerror(-err));
        return;
    }
    snprintf(f->plugin, sizeof(f->plugin), "%s", name);
    f->call = call;
}

/* The caller has hung up: the plugin need not go on. Its answer still comes, and ends the
 * call. */
static void on_gone(void *arg, struct tc_rpc_call *call)
{
    struct tc_control *control = arg;
    struct tocsin_writer w;
    char method[128];
    uint8_t buf[64];
    uint64_t id;

    for (size_t i = 0; i < TC_CONTROL_FORWARDED_MAX; i++) {
        const struct tc_forwarded *f = &control->forwarded[i];

        if (f->call != call)
            continue;
        tocsin_writer_init(&w, buf, sizeof(buf));
        tocsin_begin_map(&w, NULL);
        tocsin_put_uint(&w, "call", f->id);
        tocsin_end(&w);
        snprintf(method, sizeof(method), "%s.cancel", f->plugin);
        ask_plugin(control, method, w.buf, w.len, &id);
    }
}

void tc_control_plugin_gone(struct tc_control *control, const char *name)
{
    for (size_t i = 0; i < TC_CONTROL_FORWARDED_MAX; i++) {
        struct tc_forwarded *f = &control->forwarded[i];

        if (!f->call || (name && strcmp(f->plugin, name)))
            continue;
        tc_rpc_fail(f->call, "failed", "plugin %s was stopped before it answered",
                    f->plugin);
        f->call = NULL;
    }
}

/* ---- who may call what ---- */

static bool may_change(const struct tc_rpc_peer *peer)
{
    return peer->uid == 0 || peer->uid == geteuid();
}

/* Of a plugin's methods, those that only look. All others need root. */
static bool plugin_method_changes(const char *method)
{
    static const char *const looks[] = {
        ".stats",       ".status",    ".quarantine_list", ".list",
        ".definitions", ".isolation", ".indicator_list",  ".indicator_test"};
    const char *dot = strchr(method, '.');

    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
        if (!strcmp(dot, looks[i]))
            return false;
    return true;
}

/* Everything that changes something is journalled, with who asked; refusals too. */
static void record_command(struct tc_control *control, const struct tc_rpc_call *call,
                           const char *method, const struct tc_rpc_params *params,
                           bool allowed)
{
    const struct tc_rpc_peer *peer = tc_rpc_call_peer(call);
    struct tocsin_writer w;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "method", method);
    tocsin_put_bool(&w, "allowed", allowed);
    tocsin_put_uint(&w, "user_id", peer->uid);
    tocsin_put_int(&w, "pid", peer->pid);
    if (params->len < 4096)
        tocsin_put_encoded(&w, "params", params->data, params->len);
    tocsin_end(&w);
    tc_notice_publish(&control->services->notice, "agent.command", &w);
    tocsin_writer_done(&w);
}

static void on_call(void *arg, struct tc_rpc_call *call, const char *method,
                    const struct tc_rpc_params *params)
{
    struct tc_control *control = arg;
    const struct tc_control_method *m = tc_control_method(method);
    const char *dot = strchr(method, '.');
    bool changes;

    if (!m && (!dot || !dot[1] || strlen(method) > 64)) {
        tc_rpc_fail(call, "unknown_method", "there is no method %.64s", method);
        return;
    }
    changes = m ? m->changes : plugin_method_changes(method);
    if (changes) {
        bool allowed = may_change(tc_rpc_call_peer(call));

        record_command(control, call, method, params, allowed);
        if (!allowed) {
            tc_rpc_fail(call, "refused",
                        "%s changes the agent: that takes root (try sudo)", method);
            return;
        }
    }
    if (m && m->query)
        tc_control_query(control, call, m->query, params);
    else if (m)
        m->run(control, call, params);
    else
        forward(control, call, method, params);
}

/* ---- start and stop ---- */

int tc_control_start(const struct tc_control_options *options,
                     struct tc_control **ret_control, char why[256])
{
    static const char *const patterns[] = {TOCSIN_TOPIC_RPC_REPLY,
                                           TOCSIN_TOPIC_RPC_PROGRESS, NULL};
    const struct tc_services *services = options->services;
    const char *runtime =
        tc_options_text(tc_config_core(services->config), "paths.runtime");
    struct tc_control *control = calloc(1, sizeof(*control));
    const struct tc_subscription what = {.name = "control",
                                         .patterns = patterns,
                                         .deliver = on_plugin_answer,
                                         .arg = control};
    char path[4096];
    const struct tc_rpc_options rpc = {.path = path,
                                       .mode = 0660,
                                       .group = TC_CONTROL_GROUP,
                                       .bus = services->notice.bus,
                                       .call = on_call,
                                       .gone = on_gone,
                                       .arg = control};
    int err = -ENOMEM;

    tc_why(why, "out of memory");
    if (!control)
        goto out;
    control->options = *options;
    control->services = services;
    control->protection = options->protection;
    snprintf(path, sizeof(path), "%s/" TC_CONTROL_SOCKET, runtime);
    err = tc_bus_subscribe(services->notice.bus, &what, &control->subscriber);
    if (!err)
        err = tc_rpc_start(services->loop, &rpc, &control->rpc, why);
    if (err)
        goto out;
    *ret_control = control;
    control = NULL;
out:
    if (control) {
        tc_bus_unsubscribe(control->subscriber);
        free(control);
    }
    return err;
}

static void on_rpc_stopped(void *arg)
{
    struct tc_control *control = arg;
    void (*done)(void *) = control->done;
    void *done_arg = control->done_arg;

    tc_bus_unsubscribe(control->subscriber);
    free(control);
    done(done_arg);
}

void tc_control_stop(struct tc_control *control, void (*done)(void *arg), void *arg)
{
    control->done = done;
    control->done_arg = arg;
    tc_control_plugin_gone(control, NULL);
    tc_rpc_stop(control->rpc, on_rpc_stopped, control);
}
