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
#include "ipc/bus.h"

/* ---- who may call what ---- */

bool tc_control_may_change(const struct tc_rpc_peer *peer)
{
    return peer->uid == 0 || peer->uid == geteuid();
}

/* Of a plugin's methods, those that only look. All others need root. */
static bool plugin_method_changes(const char *method)
{
    static const char *const looks[] = {
        ".stats",       ".status",    ".quarantine_list", ".list",          ".allowed",
        ".definitions", ".isolation", ".indicator_list",  ".indicator_test"};
    const char *dot = strchr(method, '.');

    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
        if (!strcmp(dot, looks[i]))
            return false;
    return true;
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
        bool allowed = tc_control_may_change(tc_rpc_call_peer(call));

        tc_control_record(control, call, method, params, allowed);
        if (!allowed) {
            tc_rpc_fail(call, "refused",
                        "this changes the agent: that takes root (try sudo)");
            return;
        }
    }
    if (m && m->query)
        tc_control_query(control, call, m->query, params);
    else if (m)
        m->run(control, call, params);
    else
        tc_control_forward(control, call, method, params);
}

/* ---- what comes due ---- */

static void on_timer(uv_timer_t *timer)
{
    struct tc_control *control = timer->data;

    tc_control_end_silence(control, uv_hrtime());
    tc_control_tell_refusals(control, uv_hrtime());
    tc_control_arm(control);
}

void tc_control_arm(struct tc_control *control)
{
    uint64_t due = tc_forwards_due(&control->forwards), now = uv_hrtime();
    uint64_t told = tc_refusals_due(&control->refusals);

    if (told < due)
        due = told;
    uv_update_time(control->timer.loop);
    if (due == UINT64_MAX)
        uv_timer_stop(&control->timer);
    else
        uv_timer_start(&control->timer, on_timer,
                       due > now ? (due - now) / 1000000 + 1 : 0, 0);
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
                                         .deliver = tc_control_plugin_answer,
                                         .arg = control};
    char path[4096];
    const struct tc_rpc_options rpc = {.path = path,
                                       .mode = 0660,
                                       .group = TC_CONTROL_GROUP,
                                       .bus = services->notice.bus,
                                       .call = on_call,
                                       .gone = tc_control_caller_gone,
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
    uv_timer_init(services->loop, &control->timer);
    control->timer.data = control;
    *ret_control = control;
    control = NULL;
out:
    if (control) {
        tc_bus_unsubscribe(control->subscriber);
        free(control);
    }
    return err;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct tc_control *control = handle->data;
    void (*done)(void *) = control->done;
    void *done_arg = control->done_arg;

    tc_bus_unsubscribe(control->subscriber);
    free(control);
    done(done_arg);
}

static void on_rpc_stopped(void *arg)
{
    struct tc_control *control = arg;

    tc_control_tell_refusals(control, UINT64_MAX);
    uv_close((uv_handle_t *)&control->timer, on_timer_closed);
}

void tc_control_stop(struct tc_control *control, void (*done)(void *arg), void *arg)
{
    control->done = done;
    control->done_arg = arg;
    tc_control_plugin_gone(control, NULL);
    tc_rpc_stop(control->rpc, on_rpc_stopped, control);
}
