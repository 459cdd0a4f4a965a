/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the methods that the core answers itself: one function each, and the table at the
 * end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/health.h"
#include "core/base/log.h"
#include "core/base/pulse.h"
#include "core/base/why.h"
#include "core/conf/config.h"
#include "core/control/control_priv.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/journal/journal.h"
#include "core/protect/approver.h"
#include "core/protect/protection.h"
#include "core/verdict/judge.h"
#include "ipc/bus.h"

/* ---- health and version ---- */

static void put_extensions(struct tc_control *control, struct tc_pack *p)
{
    const char *network =
        tc_registry_of_kind(control->services->registry, TOCSIN_KIND_NETWORK_EXTENSION);
    struct tc_plugin *net =
        network ? tc_registry_plugin(control->services->registry, network) : NULL;
    struct tc_protection_view view;
    bool ready;

    tc_protection_snapshot(control->protection, &view);
    ready = view.subsystem && !strcmp(view.subsystem, "endpoint_security_extension");
    tc_pack_begin_map(p, "details");
    tc_pack_bool(p, "network_extension_installed", net != NULL);
    tc_pack_bool(p, "network_extension_enabled",
                 net && tc_plugin_state(net) == TC_PLUGIN_RUNNING);
    tc_pack_bool(p, "endpoint_security_extension_installed",
                 tc_registry_of_kind(control->services->registry,
                                     TOCSIN_KIND_SYSTEM_EXTENSION) != NULL);
    tc_pack_bool(p, "endpoint_security_extension_ready", ready);
    tc_approval_put_gates(
        tc_approver_approval(tc_protection_approver(control->protection)), uv_hrtime(),
        p);
    tc_pack_end(p);
}

static void health(struct tc_control *control, struct tc_rpc_call *call,
                   const struct tc_rpc_params *params)
{
    struct tc_health_numbers numbers;
    struct tc_pack p;
    char details[64];

    tc_control_call_begin(&p);
    if (!tc_control_call_text(params, "details", details, sizeof(details))) {
        control->options.numbers(control->options.arg, &numbers);
        tc_health_put(control->services->notice.health, &numbers, &p);
    } else if (!strcmp(details, "system_extensions")) {
        put_extensions(control, &p);
    } else if (!strcmp(details, "plugins")) {
        tc_pack_begin_array(&p, "details");
        tc_registry_put_all(control->services->registry, &p);
        tc_pack_end(&p);
    } else {
        tc_pack_done(&p);
        tc_rpc_fail(call, "usage",
                    "no details %s: there are system_extensions and plugins", details);
        return;
    }
    tc_control_call_end(call, &p);
}

static void version(struct tc_control *control, struct tc_rpc_call *call,
                    const struct tc_rpc_params *params)
{
    const char *engine =
        tc_health_fact(control->services->notice.health, "engine_version");
    struct tc_pack p;
    char abi[16];

    (void)params;
    snprintf(abi, sizeof(abi), "%d.%d", TOCSIN_ABI_MAJOR, TOCSIN_ABI_MINOR);
    tc_control_call_begin(&p);
    tc_pack_str(&p, "version", TOCSIN_VERSION);
    tc_pack_str(&p, "abi", abi);
    tc_pack_str(&p, "engine", engine ? engine : "none");
    tc_control_call_end(call, &p);
}

/* ---- plugins ---- */

static void plugin_list(struct tc_control *control, struct tc_rpc_call *call,
                        const struct tc_rpc_params *params)
{
    struct tc_pack p;

    (void)params;
    tc_control_call_begin(&p);
    tc_pack_begin_array(&p, "items");
    tc_registry_put_all(control->services->registry, &p);
    tc_pack_end(&p);
    tc_control_call_end(call, &p);
}

/* The plugin named in the parameters; the call is refused when there is none. */
static bool plugin_name(struct tc_rpc_call *call, const struct tc_rpc_params *params,
                        char name[64])
{
    if (tc_control_call_text(params, "name", name, 64))
        return true;
    tc_rpc_fail(call, "usage", "which plugin? Give its name");
    return false;
}

static void plugin_info(struct tc_control *control, struct tc_rpc_call *call,
                        const struct tc_rpc_params *params)
{
    struct tc_pack p;
    char name[64];

    if (!plugin_name(call, params, name))
        return;
    tc_control_call_begin(&p);
    if (tc_registry_put(control->services->registry, name, &p)) {
        tc_pack_done(&p);
        tc_rpc_fail(call, "not_found", "no plugin %s: tocsin plugin list names them",
                    name);
        return;
    }
    tc_pack_begin_map(&p, "facts");
    tc_health_put_facts(control->services->notice.health, name, &p);
    tc_pack_end(&p);
    tc_control_call_end(call, &p);
}

static void on_status(void *arg, int status, const char *why)
{
    tc_control_call_end_status(arg, status, why);
}

static void plugin_enable(struct tc_control *control, struct tc_rpc_call *call,
                          const struct tc_rpc_params *params)
{
    char name[64];

    if (plugin_name(call, params, name))
        tc_registry_enable(control->services->registry, name, on_status, call);
}

static void plugin_disable(struct tc_control *control, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params)
{
    char name[64];

    if (plugin_name(call, params, name))
        tc_registry_disable(control->services->registry, name, on_status, call);
}

static void plugin_reload(struct tc_control *control, struct tc_rpc_call *call,
                          const struct tc_rpc_params *params)
{
    char name[64];

    if (plugin_name(call, params, name))
        tc_registry_reload(control->services->registry, name, on_status, call);
}

/* ---- threats, alerts, events ---- */

void tc_control_answer(struct tc_rpc_call *call, int status, const void *result,
                       size_t len)
{
    if (status == -ENOENT)
        tc_rpc_fail(call, "not_found", "the journal knows nothing by that id");
    else if (status == -ENOTUNIQ)
        tc_rpc_fail(call, "not_found", "several ids begin so; give more of it");
    else if (status)
        tc_rpc_fail(call, "failed", "the journal cannot be read: %s", strerror(-status));
    else
        tc_rpc_reply(call, result, len);
}

static void on_answer(void *arg, int status, const void *result, size_t len)
{
    tc_control_answer(arg, status, result, len);
}

void tc_control_query(struct tc_control *control, struct tc_rpc_call *call,
                      const char *kind, const struct tc_rpc_params *params)
{
    char why[256];
    int err;

    if (tc_journal_may_ask(kind, params->map, why)) {
        tc_rpc_fail(call, "usage", "%s", why);
        return;
    }
    err = control->services->journal
              ? tc_journal_query(control->services->journal, kind, params->data,
                                 params->len, on_answer, call)
              : -EIO;

    if (err)
        on_answer(call, err, NULL, 0);
}

static const struct tc_control_method methods[] = {
    {"health", .run = health},
    {"version", .run = version},
    {"plugin.list", .run = plugin_list},
    {"plugin.info", .run = plugin_info},
    {"plugin.enable", true, .run = plugin_enable},
    {"plugin.disable", true, .run = plugin_disable},
    {"plugin.reload", true, .run = plugin_reload},
    {"config.validate", true,
     .run = tc_control_config_validate}, /* reads any file, loads any plugin it names */
    {"config.reload", true, .run = tc_control_config_reload},
    {"config.set", true, .run = tc_control_config_set},
    {"config.unset", true, .run = tc_control_config_unset},
    {"config.add", true, .run = tc_control_config_add},
    {"config.remove", true, .run = tc_control_config_remove},
    {"config.show", .run = tc_control_config_show},
    {"approval.list", .run = tc_control_approval_list},
    {"approval.grant", true, .run = tc_control_approval_grant},
    {"approval.deny", true, .run = tc_control_approval_deny},
    {"approval.revoke", true, .run = tc_control_approval_revoke},
    {"approval.retry", true, .run = tc_control_approval_retry},
    {"profile.list", .run = tc_control_profile_list},
    {"profile.check", .run = tc_control_profile_check},
    {"threat.list", .query = "threats"},
    {"threat.get", .query = "threat"},
    {"alert.list", .query = "alerts"},
    {"alert.get", .query = "alert"},
    {"alert.unmasked", true, .query = "alert.unmasked"}, /* tells secrets: root's alone */
    {"alert.close", true, .run = tc_control_alert_close},
    {"alert.reopen", true, .run = tc_control_alert_reopen},
    {"case.list", .query = "cases"},
    {"case.get", .query = "case"},
    {"case.close", true, .run = tc_control_case_close},
    {"case.reopen", true, .run = tc_control_case_reopen},
    {"event.list", .query = "events"},
    {"diagnostic.stats", .run = tc_control_stats},
};

const struct tc_control_method *tc_control_method(const char *name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (!strcmp(methods[i].name, name))
            return &methods[i];
    return NULL;
}
