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

static void put_extensions(struct tc_control *control, struct tocsin_writer *w)
{
    const char *network =
        tc_registry_of_kind(control->services->registry, TOCSIN_KIND_NETWORK_EXTENSION);
    struct tc_plugin *net =
        network ? tc_registry_plugin(control->services->registry, network) : NULL;
    struct tc_protection_view view;
    bool ready;

    tc_protection_snapshot(control->protection, &view);
    ready = view.subsystem && !strcmp(view.subsystem, "endpoint_security_extension");
    tocsin_begin_map(w, "details");
    tocsin_put_bool(w, "network_extension_installed", net != NULL);
    tocsin_put_bool(w, "network_extension_enabled",
                    net && tc_plugin_state(net) == TC_PLUGIN_RUNNING);
    tocsin_put_bool(w, "endpoint_security_extension_installed",
                    tc_registry_of_kind(control->services->registry,
                                        TOCSIN_KIND_SYSTEM_EXTENSION) != NULL);
    tocsin_put_bool(w, "endpoint_security_extension_ready", ready);
    tc_approval_put_gates(
        tc_approver_approval(tc_protection_approver(control->protection)), uv_hrtime(),
        w);
    tocsin_end(w);
}

static void health(struct tc_control *control, struct tc_rpc_call *call,
                   const void *params, size_t len)
{
    struct tc_health_numbers numbers;
    struct tocsin_writer w;
    char details[64];

    tc_control_call_begin(&w);
    if (!tc_control_call_text(params, len, "details", details, sizeof(details))) {
        control->options.numbers(control->options.arg, &numbers);
        tc_health_put(control->services->notice.health, &numbers, &w);
    } else if (!strcmp(details, "system_extensions")) {
        put_extensions(control, &w);
    } else if (!strcmp(details, "plugins")) {
        tocsin_begin_array(&w, "details");
        tc_registry_put_all(control->services->registry, &w);
        tocsin_end(&w);
    } else {
        tocsin_writer_done(&w);
        tc_rpc_fail(call, "usage",
                    "no details %s: there are system_extensions and plugins", details);
        return;
    }
    tc_control_call_end(call, &w);
}

static void version(struct tc_control *control, struct tc_rpc_call *call,
                    const void *params, size_t len)
{
    const char *engine =
        tc_health_fact(control->services->notice.health, "engine_version");
    struct tocsin_writer w;
    char abi[16];

    (void)params;
    (void)len;
    snprintf(abi, sizeof(abi), "%d.%d", TOCSIN_ABI_MAJOR, TOCSIN_ABI_MINOR);
    tc_control_call_begin(&w);
    tocsin_put_str(&w, "version", TOCSIN_VERSION);
    tocsin_put_str(&w, "abi", abi);
    tocsin_put_str(&w, "engine", engine ? engine : "none");
    tc_control_call_end(call, &w);
}

/* ---- plugins ---- */

static void plugin_list(struct tc_control *control, struct tc_rpc_call *call,
                        const void *params, size_t len)
{
    struct tocsin_writer w;

    (void)params;
    (void)len;
    tc_control_call_begin(&w);
    tocsin_begin_array(&w, "items");
    tc_registry_put_all(control->services->registry, &w);
    tocsin_end(&w);
    tc_control_call_end(call, &w);
}

/* The plugin named in the parameters; the call is refused when there is none. */
static bool plugin_name(struct tc_rpc_call *call, const void *params, size_t len,
                        char name[64])
{
    if (tc_control_call_text(params, len, "name", name, 64))
        return true;
    tc_rpc_fail(call, "usage", "which plugin? Give its name");
    return false;
}

static void plugin_info(struct tc_control *control, struct tc_rpc_call *call,
                        const void *params, size_t len)
{
    struct tocsin_writer w;
    char name[64];

    if (!plugin_name(call, params, len, name))
        return;
    tc_control_call_begin(&w);
    if (tc_registry_put(control->services->registry, name, &w)) {
        tocsin_writer_done(&w);
        tc_rpc_fail(call, "not_found", "no plugin %s: tocsin plugin list names them",
                    name);
        return;
    }
    tc_control_call_end(call, &w);
}

static void on_status(void *arg, int status, const char *why)
{
    tc_control_call_end_status(arg, status, why);
}

static void plugin_enable(struct tc_control *control, struct tc_rpc_call *call,
                          const void *params, size_t len)
{
    char name[64];

    if (plugin_name(call, params, len, name))
        tc_registry_enable(control->services->registry, name, on_status, call);
}

static void plugin_disable(struct tc_control *control, struct tc_rpc_call *call,
                           const void *params, size_t len)
{
    char name[64];

    if (plugin_name(call, params, len, name))
        tc_registry_disable(control->services->registry, name, on_status, call);
}

static void plugin_reload(struct tc_control *control, struct tc_rpc_call *call,
                          const void *params, size_t len)
{
    char name[64];

    if (plugin_name(call, params, len, name))
        tc_registry_reload(control->services->registry, name, on_status, call);
}

/* A file that the loader looks at, on a pool thread. */
struct check {
    uv_work_t work;
    struct tc_rpc_call *call;
    const char *private_dir;
    char path[4096];
    struct tc_module *module;
    int err;
    char why[TC_WHY_MAX];
};

static void check_run(uv_work_t *work)
{
    struct check *c = work->data;

    c->err = tc_module_open(c->path, c->private_dir, &c->module, c->why);
}

static void check_done(uv_work_t *work, int status)
{
    struct check *c = work->data;
    struct tocsin_writer w;
    char abi[16];

    (void)status; /* nothing cancels it */
    tc_control_call_begin(&w);
    tocsin_put_bool(&w, "ok", !c->err);
    tocsin_put_str(&w, "why", c->err ? c->why : "");
    if (!c->err) {
        snprintf(abi, sizeof(abi), "%u.%u", c->module->plugin->abi_major,
                 c->module->plugin->abi_minor);
        tocsin_put_str(&w, "name", c->module->plugin->name);
        tocsin_put_str(&w, "version", c->module->plugin->version);
        tocsin_put_str(&w, "summary", c->module->plugin->summary);
        tocsin_put_str(&w, "abi", abi);
        tocsin_put_str(&w, "sha256", c->module->sha256);
        tc_module_close(c->module);
    }
    tc_control_call_end(c->call, &w);
    free(c);
}

static void plugin_check(struct tc_control *control, struct tc_rpc_call *call,
                         const void *params, size_t len)
{
    struct check *c = calloc(1, sizeof(*c));

    if (!c) {
        tc_rpc_fail(call, "failed", "out of memory");
        return;
    }
    c->work.data = c;
    c->call = call;
    c->private_dir = control->services->private_dir;
    if (!tc_control_call_text(params, len, "path", c->path, sizeof(c->path)) ||
        c->path[0] != '/') {
        tc_rpc_fail(call, "usage", "which file? Give its absolute path");
        free(c);
        return;
    }
    if (uv_queue_work(control->services->loop, &c->work, check_run, check_done)) {
        tc_rpc_fail(call, "failed", "no thread to look at the file");
        free(c);
    }
}

/* ---- configuration ---- */

static void on_validated(void *arg, int status, const char *why,
                         const struct tc_config_changes *changes)
{
    struct tocsin_writer w;

    (void)changes;
    tc_control_call_begin(&w);
    tocsin_put_bool(&w, "ok", !status);
    tocsin_put_str(&w, "why", status ? why : "");
    tc_control_call_end(arg, &w);
}

static void config_validate(struct tc_control *control, struct tc_rpc_call *call,
                            const void *params, size_t len)
{
    char path[4096];

    control->options.reload(
        control->options.arg,
        tc_control_call_text(params, len, "path", path, sizeof(path)) ? path : NULL, true,
        on_validated, call);
}

/* An array of the names in "a, b". */
static void put_names(struct tocsin_writer *w, const char *key, const char *names)
{
    tocsin_begin_array(w, key);
    while (*names) {
        size_t n = strcspn(names, ",");

        tocsin_put_strn(w, NULL, names, n);
        names += n;
        names += strspn(names, ", ");
    }
    tocsin_end(w);
}

static void on_reloaded(void *arg, int status, const char *why,
                        const struct tc_config_changes *changes)
{
    struct tocsin_writer w;

    if (status) {
        tc_control_call_end_status(arg, status, why);
        return;
    }
    tc_control_call_begin(&w);
    put_names(&w, "changed", changes->changed);
    put_names(&w, "restart", changes->restart);
    tc_control_call_end(arg, &w);
}

static void config_reload(struct tc_control *control, struct tc_rpc_call *call,
                          const void *params, size_t len)
{
    (void)params;
    (void)len;
    control->options.reload(control->options.arg, NULL, false, on_reloaded, call);
}

static void config_show(struct tc_control *control, struct tc_rpc_call *call,
                        const void *params, size_t len)
{
    char *yaml = tc_config_show(control->services->config);
    struct tocsin_writer w;

    (void)params;
    (void)len;
    if (!yaml) {
        tc_rpc_fail(call, "failed", "out of memory");
        return;
    }
    tc_control_call_begin(&w);
    tocsin_put_str(&w, "yaml", yaml);
    tc_control_call_end(call, &w);
    free(yaml);
}

/* ---- threats, alerts, events ---- */

static void on_answer(void *arg, int status, const void *result, size_t len)
{
    if (status == -ENOENT)
        tc_rpc_fail(arg, "not_found", "the journal knows nothing by that id");
    else if (status)
        tc_rpc_fail(arg, "failed", "the journal cannot be read: %s", strerror(-status));
    else
        tc_rpc_reply(arg, result, len);
}

static void query(struct tc_control *control, struct tc_rpc_call *call, const char *kind,
                  const void *params, size_t len)
{
    int err = control->services->journal
                  ? tc_journal_query(control->services->journal, kind, params, len,
                                     on_answer, call)
                  : -EIO;

    if (err)
        on_answer(call, err, NULL, 0);
}

static void threat_list(struct tc_control *control, struct tc_rpc_call *call,
                        const void *params, size_t len)
{
    query(control, call, "threats", params, len);
}

static void threat_get(struct tc_control *control, struct tc_rpc_call *call,
                       const void *params, size_t len)
{
    query(control, call, "threat", params, len);
}

static void alert_list(struct tc_control *control, struct tc_rpc_call *call,
                       const void *params, size_t len)
{
    query(control, call, "alerts", params, len);
}

static void alert_get(struct tc_control *control, struct tc_rpc_call *call,
                      const void *params, size_t len)
{
    query(control, call, "alert", params, len);
}

static void event_list(struct tc_control *control, struct tc_rpc_call *call,
                       const void *params, size_t len)
{
    query(control, call, "events", params, len);
}

/* ---- statistics ---- */

static void put_bus(const struct tc_control *control, struct tocsin_writer *w)
{
    struct tc_subscriber_stats subscribers[TC_BUS_SUBSCRIBERS_MAX];
    size_t n =
        tc_bus_stats(control->services->notice.bus, subscribers, TC_BUS_SUBSCRIBERS_MAX);
    struct tc_bus_counters bus;

    tc_bus_counters(control->services->notice.bus, &bus);
    tocsin_begin_map(w, "bus");
    tocsin_put_uint(w, "published", bus.published);
    tocsin_put_uint(w, "delivered", bus.delivered);
    tocsin_put_uint(w, "dropped", bus.dropped);
    tocsin_begin_array(w, "subscribers");
    for (size_t i = 0; i < n && i < TC_BUS_SUBSCRIBERS_MAX; i++) {
        tocsin_begin_map(w, NULL);
        tocsin_put_str(w, "name", subscribers[i].name);
        tocsin_put_uint(w, "delivered", subscribers[i].delivered);
        tocsin_put_uint(w, "dropped", subscribers[i].dropped);
        tocsin_put_uint(w, "queued", subscribers[i].queued);
        tocsin_end(w);
    }
    tocsin_end(w);
    tocsin_end(w);
}

static void put_verdicts(const struct tc_control *control, struct tocsin_writer *w)
{
    struct tc_verdict_counters c;

    tc_judge_counters(control->services->judge, &c);
    tocsin_begin_map(w, "verdict");
    tocsin_put_uint(w, "asked", c.opened);
    tocsin_put_uint(w, "allowed", c.closed[TC_VERDICT_ALL_ALLOWED]);
    tocsin_put_uint(w, "denied", c.closed[TC_VERDICT_DENIED]);
    tocsin_put_uint(w, "timeouts", c.closed[TC_VERDICT_TIMEOUT]);
    tocsin_put_uint(w, "overflows", c.closed[TC_VERDICT_OVERFLOW]);
    tocsin_put_uint(w, "late", c.late);
    tocsin_put_uint(w, "open", c.open);
    tocsin_put_uint(w, "open_max", c.open_max);
    tocsin_put_uint(w, "longest_ns", c.longest_ns);
    tocsin_end(w);
}

static void put_journal(const struct tc_control *control, struct tocsin_writer *w)
{
    struct tc_journal_counters c = {0};

    if (control->services->journal)
        tc_journal_counters(control->services->journal, &c);
    tocsin_begin_map(w, "journal");
    tocsin_put_uint(w, "stored", c.stored);
    tocsin_put_uint(w, "pending", c.pending);
    tocsin_put_uint(w, "lost", c.lost);
    tocsin_put_uint(w, "failed_writes", c.failed_writes);
    tocsin_end(w);
}

static void diagnostic_stats(struct tc_control *control, struct tc_rpc_call *call,
                             const void *params, size_t len)
{
    struct tocsin_writer w;

    (void)params;
    (void)len;
    tc_control_call_begin(&w);
    tocsin_put_uint(&w, "starts", control->services->pulse->starts);
    tocsin_put_uint(&w, "log_lines_lost", tc_log_lost());
    put_bus(control, &w);
    put_verdicts(control, &w);
    put_journal(control, &w);
    tocsin_begin_array(&w, "clients");
    tc_rpc_stats(control->rpc, &w);
    tocsin_end(&w);
    tocsin_begin_array(&w, "plugins");
    tc_registry_put_all(control->services->registry, &w);
    tocsin_end(&w);
    tc_control_call_end(call, &w);
}

static const struct tc_control_method methods[] = {
    {"health", false, health},
    {"version", false, version},
    {"plugin.list", false, plugin_list},
    {"plugin.info", false, plugin_info},
    {"plugin.enable", true, plugin_enable},
    {"plugin.disable", true, plugin_disable},
    {"plugin.reload", true, plugin_reload},
    {"plugin.check", true, plugin_check}, /* loading a file runs its constructors */
    {"config.validate", true,
     config_validate}, /* reads any file, loads any plugin it names */
    {"config.reload", true, config_reload},
    {"config.show", false, config_show},
    {"approval.list", false, tc_control_approval_list},
    {"approval.grant", true, tc_control_approval_grant},
    {"approval.deny", true, tc_control_approval_deny},
    {"approval.revoke", true, tc_control_approval_revoke},
    {"approval.retry", true, tc_control_approval_retry},
    {"profile.list", false, tc_control_profile_list},
    {"profile.check", false, tc_control_profile_check},
    {"threat.list", false, threat_list},
    {"threat.get", false, threat_get},
    {"alert.list", false, alert_list},
    {"alert.get", false, alert_get},
    {"event.list", false, event_list},
    {"diagnostic.stats", false, diagnostic_stats},
};

const struct tc_control_method *tc_control_method(const char *name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (!strcmp(methods[i].name, name))
            return &methods[i];
    return NULL;
}
