/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the table of everything that can be asked for: pages, the JSON API
 * (docs/portal.md describes it), streams, and what monitoring reads.
 */
#include "portal/assets.h"
#include "portal/portal.h"
#include "portal/web.h"

#define ASSET(path, name)                                                                \
    {                                                                                    \
        "GET", path, TC_ACCESS_PUBLIC, tc_assets_send, &tc_asset_##name                  \
    }
#define METHOD(name, params)                                                             \
    &(const struct tc_api_method)                                                        \
    {                                                                                    \
        name, params                                                                     \
    }
#define LOOK(path, name, params)                                                         \
    {                                                                                    \
        "GET", path, TC_ACCESS_VIEWER, tc_api_call, METHOD(name, params)                 \
    }
#define CHANGE(path, name, params)                                                       \
    {                                                                                    \
        "POST", path, TC_ACCESS_OPERATOR, tc_api_call, METHOD(name, params)              \
    }

static const struct tc_route routes[] = {
    ASSET("/", page),
    ASSET("/login", login),
    ASSET("/style.css", style),
    ASSET("/icon.svg", icon),
    ASSET("/app.js", app),
    ASSET("/login.js", login_script),
    ASSET("/dom.js", dom),
    ASSET("/api.js", api),
    ASSET("/machine.js", machine),
    ASSET("/alert.js", alert),
    ASSET("/alerts.js", alerts),
    ASSET("/case.js", the_case),
    ASSET("/closing.js", closing),
    ASSET("/history.js", history),
    ASSET("/sensors.js", sensors),
    ASSET("/tap.js", tap),
    ASSET("/network.js", network),
    ASSET("/config.js", config),
    ASSET("/chart.js", chart),
    ASSET("/techniques.js", techniques),

    {"GET", "/metrics", TC_ACCESS_PUBLIC, tc_metrics, NULL},
    {"GET", "/healthz", TC_ACCESS_PUBLIC, tc_metrics_alive, NULL},

    {"POST", "/api/login", TC_ACCESS_PUBLIC, tc_api_login, NULL},
    {"POST", "/api/logout", TC_ACCESS_VIEWER, tc_api_logout, NULL},
    {"GET", "/api/session", TC_ACCESS_VIEWER, tc_api_session, NULL},
    {"GET", "/api/changes", TC_ACCESS_VIEWER, tc_hub_stream, NULL},
    {"GET", "/api/tap", TC_ACCESS_VIEWER, tc_tap_stream, NULL},

    LOOK("/api/health", "health", ""),
    LOOK("/api/alerts", "alert.list",
         "limit:int severity state rule case before since_ns:int"),
    LOOK("/api/alert", "alert.get", "id"),
    LOOK("/api/cases", "case.list", "limit:int severity state before since_ns:int"),
    LOOK("/api/case", "case.get", "id"),
    LOOK("/api/threats", "threat.list", "limit:int"),
    LOOK("/api/threat", "threat.get", "id"),
    LOOK("/api/events", "event.list", "topic limit:int"),
    LOOK("/api/approvals", "approval.list", ""),
    LOOK("/api/profiles", "profile.list", ""),
    LOOK("/api/plugins", "plugin.list", ""),
    LOOK("/api/statistics", "diagnostic.stats", ""),
    LOOK("/api/config", "config.show", ""),
    LOOK("/api/network", "netfilter.status", ""),
    LOOK("/api/isolation", "netfilter.isolation", ""),
    LOOK("/api/indicators", "netfilter.indicator_list", ""),

    CHANGE("/api/approval/grant", "approval.grant", "gate"),
    CHANGE("/api/approval/deny", "approval.deny", "gate"),
    CHANGE("/api/approval/revoke", "approval.revoke", "gate"),
    CHANGE("/api/approval/retry", "approval.retry", ""),
    CHANGE("/api/alert/close", "alert.close", "id note"),
    CHANGE("/api/alert/reopen", "alert.reopen", "id"),
    CHANGE("/api/case/close", "case.close", "id note"),
    CHANGE("/api/case/reopen", "case.reopen", "id"),
    CHANGE("/api/threat/restore", "av.restore", "id"),
    CHANGE("/api/threat/remove", "av.remove", "id"),
    CHANGE("/api/threat/allow", "av.allow", "id"),
    CHANGE("/api/plugin/enable", "plugin.enable", "name"),
    CHANGE("/api/plugin/disable", "plugin.disable", "name"),
    CHANGE("/api/network/isolate", "netfilter.isolate", ""),
    CHANGE("/api/network/release", "netfilter.release", ""),
};

const struct tc_route *tc_routes(size_t *ret_count)
{
    *ret_count = sizeof(routes) / sizeof(routes[0]);
    return routes;
}
