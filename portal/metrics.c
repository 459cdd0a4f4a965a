/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what monitoring reads: /metrics in Prometheus' text format, of the agent's own
 * statistics and health, and /healthz. Nothing in them names a file, a user or an alert,
 * so they need no login.
 */
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/unpack.h"
#include "portal/link.h"
#include "portal/portal.h"
#include "portal/upstream.h"
#include "portal/web.h"

#define TEXT "text/plain; version=0.0.4; charset=utf-8"

/* A reading under way: statistics first, then health. */
struct reading {
    const struct tc_portal *portal;
    struct tc_request *request;
    FILE *out;
    char *text;
    size_t len;
};

/* A number of the agent's statistics, by its place there. */
static const struct metric {
    const char *name, *type, *help, *path;
} metrics[] = {
    {"tocsin_starts_total", "counter", "Starts of the agent's core, restarts with them",
     "starts"},
    {"tocsin_events_published_total", "counter", "Events on the agent's bus",
     "bus.published"},
    {"tocsin_events_delivered_total", "counter", "Events handed to a subscriber",
     "bus.delivered"},
    {"tocsin_events_dropped_total", "counter", "Events that a full queue had no room for",
     "bus.dropped"},
    {"tocsin_verdicts_asked_total", "counter", "Questions that somebody waited on",
     "verdict.asked"},
    {"tocsin_verdicts_allowed_total", "counter", "Questions answered by all: allow",
     "verdict.allowed"},
    {"tocsin_verdicts_denied_total", "counter", "Questions answered: deny",
     "verdict.denied"},
    {"tocsin_verdicts_timeouts_total", "counter", "Questions whose time ran out",
     "verdict.timeouts"},
    {"tocsin_verdicts_open", "gauge", "Questions that wait now", "verdict.open"},
    {"tocsin_verdict_longest_nanoseconds", "gauge", "The longest that a question waited",
     "verdict.longest_ns"},
    {"tocsin_journal_stored_total", "counter", "Events in the record since the start",
     "journal.stored"},
    {"tocsin_journal_lost_total", "counter", "Events that could not be recorded",
     "journal.lost"},
    {"tocsin_journal_pending", "gauge", "Events that wait to be recorded",
     "journal.pending"},
};

/* A label's value: backslash, quote and line feed are escaped. */
static void put_label(FILE *out, struct tocsin_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\n')
            fputs("\\n", out);
        else
            fprintf(out, s.ptr[i] == '"' || s.ptr[i] == '\\' ? "\\%c" : "%c", s.ptr[i]);
    }
}

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A metric of each plugin, by the plugin's own fields. */
static void put_plugins(FILE *out, const msgpack_object *plugins, const char *name,
                        const char *type, const char *help, const char *path)
{
    put_head(out, name, type, help);
    for (uint32_t i = 0; plugins && i < plugins->via.array.size; i++) {
        const msgpack_object *plugin = &plugins->via.array.ptr[i];
        bool up = tc_unpack_is(tc_unpack_find(plugin, "state"), "running");

        fprintf(out, "%s{plugin=\"", name);
        put_label(out, tc_unpack_str(plugin, "name"));
        fprintf(out, "\"} %" PRId64 "\n", path ? tc_unpack_int(plugin, path, 0) : up);
    }
}

static void put_stats(FILE *out, const msgpack_object *stats)
{
    const msgpack_object *plugins = tc_unpack_array(stats, "plugins");

    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        put_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
        fprintf(out, "%s %" PRId64 "\n", metrics[i].name,
                tc_unpack_int(stats, metrics[i].path, 0));
    }
    put_plugins(out, plugins, "tocsin_plugin_up", "gauge", "Whether the plugin runs",
                NULL);
    put_plugins(out, plugins, "tocsin_plugin_events_delivered_total", "counter",
                "Events handed to the plugin", "delivered");
    put_plugins(out, plugins, "tocsin_plugin_events_dropped_total", "counter",
                "Events that the plugin's queue had no room for", "dropped");
}

static void put_health(FILE *out, const msgpack_object *health)
{
    const msgpack_object *issues = tc_unpack_array(health, "health_issues");

    put_head(out, "tocsin_healthy", "gauge", "Whether the agent says that all is well");
    fprintf(out, "tocsin_healthy %d\n", tc_unpack_bool(health, "healthy", false));
    put_head(out, "tocsin_health_issues", "gauge", "Issues that health names");
    fprintf(out, "tocsin_health_issues %" PRIu32 "\n",
            issues ? issues->via.array.size : 0);
    put_head(out, "tocsin_sensor_info", "gauge", "The sensor that protects now");
    fputs("tocsin_sensor_info{subsystem=\"", out);
    put_label(out, tc_unpack_str(health, "real_time_protection_subsystem"));
    fputs("\"} 1\n", out);
}

static void finish(struct reading *r, bool up)
{
    put_head(r->out, "tocsin_up", "gauge", "Whether the agent answers");
    fprintf(r->out, "tocsin_up %d\n", up);
    if (fclose(r->out))
        tc_request_fail(r->request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
                        "out of memory");
    else
        tc_request_reply(r->request, MHD_HTTP_OK, TEXT, r->text, r->len, false, NULL);
    free(r->text);
    free(r);
}

static void on_health(void *arg, const struct tc_link_answer *answer)
{
    struct reading *r = arg;

    if (answer->result)
        put_health(r->out, answer->result);
    finish(r, answer->result != NULL);
}

static void on_stats(void *arg, const struct tc_link_answer *answer)
{
    struct reading *r = arg;
    struct tc_link *link = tc_upstream_link(r->portal->upstream);

    if (answer->result)
        put_stats(r->out, answer->result);
    if (!answer->result || !link || tc_link_call(link, "health", NULL, on_health, r))
        finish(r, false);
}

void tc_metrics(void *arg, struct tc_request *request)
{
    const struct tc_portal *portal = arg;
    struct tc_link *link = tc_upstream_link(portal->upstream);
    struct reading *r = calloc(1, sizeof(*r));

    if (r)
        r->out = open_memstream(&r->text, &r->len);
    if (!r || !r->out) {
        free(r);
        tc_request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
                        "out of memory");
        return;
    }
    r->portal = portal;
    r->request = request;
    if (!link || tc_link_call(link, "diagnostic.stats", NULL, on_stats, r))
        finish(r, false);
}

static void on_alive(void *arg, const struct tc_link_answer *answer)
{
    struct tc_request *request = arg;
    bool good = answer->result && tc_unpack_bool(answer->result, "healthy", false);
    const char *text = good             ? "healthy\n"
                       : answer->result ? "unhealthy: tocsin health says why\n"
                                        : "the agent does not answer\n";

    tc_request_reply(request, good ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                     "text/plain; charset=utf-8", text, strlen(text), true, NULL);
}

void tc_metrics_alive(void *arg, struct tc_request *request)
{
    static const struct tc_link_answer gone = {.result = NULL};
    const struct tc_portal *portal = arg;
    struct tc_link *link = tc_upstream_link(portal->upstream);

    if (!link || tc_link_call(link, "health", NULL, on_alive, request))
        on_alive(request, &gone);
}
