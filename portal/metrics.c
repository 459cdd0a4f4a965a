/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what monitoring reads: /metrics in Prometheus' text format, of the agent's own
 * statistics and health and the scanner's counters, and /healthz. Nothing in them names a
 * file, a user or an alert, so they need no login.
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

/* A reading under way: one method of the agent after the other. */
struct reading {
    const struct tc_portal *portal;
    struct tc_request *request;
    size_t source; /* the one that is asked */
    bool up;       /* the agent has answered */
    FILE *out;
    char *text;
    size_t len;
};

/* A number of an answer, by its place there, in units of 1/`per` of the metric's. */
struct metric {
    const char *name, *type, *help, *path;
    double per; /* 0: the number is whole, and in that unit */
};

static const struct metric of_agent[] = {
    {"tocsin_starts_total", "counter", "Starts of the agent's core, restarts with them",
     "starts", 0},
    {"tocsin_resident_memory_bytes", "gauge", "Memory that the agent's core holds",
     "process.resident_bytes", 0},
    {"tocsin_cpu_seconds_total", "counter", "Processor time of the agent's core",
     "process.cpu_us", 1e6},
    {"tocsin_events_published_total", "counter", "Events on the agent's bus",
     "bus.published", 0},
    {"tocsin_events_delivered_total", "counter", "Events handed to a subscriber",
     "bus.delivered", 0},
    {"tocsin_events_dropped_total", "counter", "Events that a full queue had no room for",
     "bus.dropped", 0},
    {"tocsin_verdicts_asked_total", "counter", "Questions that somebody waited on",
     "verdict.asked", 0},
    {"tocsin_verdicts_allowed_total", "counter", "Questions answered by all: allow",
     "verdict.allowed", 0},
    {"tocsin_verdicts_denied_total", "counter", "Questions answered: deny",
     "verdict.denied", 0},
    {"tocsin_verdicts_timeouts_total", "counter", "Questions whose time ran out",
     "verdict.timeouts", 0},
    {"tocsin_verdicts_open", "gauge", "Questions that wait now", "verdict.open", 0},
    {"tocsin_verdict_longest_seconds", "gauge", "The longest that a question waited",
     "verdict.longest_ns", 1e9},
    {"tocsin_journal_stored_total", "counter", "Events in the record since the start",
     "journal.stored", 0},
    {"tocsin_journal_lost_total", "counter", "Events that could not be recorded",
     "journal.lost", 0},
    {"tocsin_journal_pending", "gauge", "Events that wait to be recorded",
     "journal.pending", 0},
    {"tocsin_journal_size_bytes", "gauge", "What the record takes of the disk",
     "journal.bytes", 0},
};

static const struct metric of_scanner[] = {
    {"tocsin_scans_total", "counter", "Files scanned", "scanned", 0},
    {"tocsin_scanned_bytes_total", "counter", "Bytes scanned", "bytes", 0},
    {"tocsin_scans_cached_total", "counter", "Questions answered without a scan",
     "answered_from_cache", 0},
    {"tocsin_scans_timeouts_total", "counter", "Scans whose time ran out", "timeouts", 0},
    {"tocsin_scans_infected_total", "counter", "Scans that found something", "infected",
     0},
    {"tocsin_quarantined_files_total", "counter", "Files put into quarantine",
     "quarantined", 0},
};

/* Metrics that are how often a topic was published. */
static const struct topic_metric {
    const char *name, *help, *topic;
} of_topics[] = {
    {"tocsin_threats_detected_total", "Bad files found", "threat.detected"},
    {"tocsin_alerts_raised_total", "Alerts raised", "alert.raised"},
    {"tocsin_sensor_swaps_total", "Times that another sensor took over",
     "sensor.swapped"},
    {"tocsin_sensor_gaps_total", "Events about times without a sensor, or that it lost",
     "sensor.gap"},
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

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

static void put_numbers(FILE *out, const msgpack_object *answer,
                        const struct metric *metrics, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t number = tc_unpack_int(answer, metrics[i].path, 0);

        put_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
        if (metrics[i].per > 0)
            fprintf(out, "%s %.9g\n", metrics[i].name, (double)number / metrics[i].per);
        else
            fprintf(out, "%s %" PRId64 "\n", metrics[i].name, number);
    }
}

/* The agent counts each question once, in the first bound that it was within; a bucket
 * has those of all shorter ones, too. */
static void put_latency(FILE *out, const msgpack_object *stats)
{
    const msgpack_object *bounds = tc_unpack_array(stats, "verdict.latency");
    const char *name = "tocsin_verdict_latency_seconds";
    int64_t count = 0;

    put_head(out, name, "histogram", "From a question to its verdict");
    for (uint32_t i = 0; bounds && i < bounds->via.array.size; i++) {
        const msgpack_object *bound = &bounds->via.array.ptr[i];
        int64_t within_ns = tc_unpack_int(bound, "within_ns", 0);

        count += tc_unpack_int(bound, "count", 0);
        if (within_ns)
            fprintf(out, "%s_bucket{le=\"%g\"} %" PRId64 "\n", name,
                    (double)within_ns / 1e9, count);
    }
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRId64 "\n", name, count);
    fprintf(out, "%s_sum %.9g\n", name,
            (double)tc_unpack_int(stats, "verdict.took_ns", 0) / 1e9);
    fprintf(out, "%s_count %" PRId64 "\n", name, count);
}

static int64_t published(const msgpack_object *topics, const char *name)
{
    for (uint32_t i = 0; topics && i < topics->via.array.size; i++)
        if (tc_unpack_is(tc_unpack_find(&topics->via.array.ptr[i], "name"), name))
            return tc_unpack_int(&topics->via.array.ptr[i], "published", 0);
    return 0;
}

static void put_topics(FILE *out, const msgpack_object *topics)
{
    const char *name = "tocsin_topic_events_published_total";

    for (size_t i = 0; i < LENGTH(of_topics); i++) {
        put_head(out, of_topics[i].name, "counter", of_topics[i].help);
        fprintf(out, "%s %" PRId64 "\n", of_topics[i].name,
                published(topics, of_topics[i].topic));
    }
    put_head(out, name, "counter", "Events on the agent's bus, by topic");
    for (uint32_t i = 0; topics && i < topics->via.array.size; i++) {
        struct tocsin_str topic = tc_unpack_str(&topics->via.array.ptr[i], "name");

        /* Calls of plugins go over the bus, too, by whatever name somebody calls. */
        if (topic.len >= 4 && !memcmp(topic.ptr, "rpc.", 4))
            continue;
        fprintf(out, "%s{topic=\"", name);
        put_label(out, topic);
        fprintf(out, "\"} %" PRId64 "\n",
                tc_unpack_int(&topics->via.array.ptr[i], "published", 0));
    }
}

static void put_stats(FILE *out, const msgpack_object *stats)
{
    const msgpack_object *plugins = tc_unpack_array(stats, "plugins");

    put_numbers(out, stats, of_agent, LENGTH(of_agent));
    put_latency(out, stats);
    put_topics(out, tc_unpack_array(stats, "bus.topics"));
    put_plugins(out, plugins, "tocsin_plugin_up", "gauge", "Whether the plugin runs",
                NULL);
    put_plugins(out, plugins, "tocsin_plugin_events_delivered_total", "counter",
                "Events handed to the plugin", "delivered");
    put_plugins(out, plugins, "tocsin_plugin_events_dropped_total", "counter",
                "Events that the plugin's queue had no room for", "dropped");
}

static void put_scanner(FILE *out, const msgpack_object *stats)
{
    put_numbers(out, stats, of_scanner, LENGTH(of_scanner));
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

/* What is asked, in this order. One that is not there has no metrics. */
static const struct source {
    const char *method;
    void (*put)(FILE *out, const msgpack_object *answer);
} sources[] = {
    {"diagnostic.stats", put_stats}, {"health", put_health}, {"av.stats", put_scanner}};

static void finish(struct reading *r)
{
    put_head(r->out, "tocsin_up", "gauge", "Whether the agent answers");
    fprintf(r->out, "tocsin_up %d\n", r->up);
    if (fclose(r->out))
        tc_request_fail(r->request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
                        "out of memory");
    else
        tc_request_reply(r->request, MHD_HTTP_OK, TEXT, r->text, r->len, false, NULL);
    free(r->text);
    free(r);
}

static void on_source(void *arg, const struct tc_link_answer *answer);

static void ask(struct reading *r)
{
    struct tc_link *link = tc_upstream_link(r->portal->upstream);

    if (r->source == LENGTH(sources) || !link ||
        tc_link_call(link, sources[r->source].method, NULL, on_source, r))
        finish(r);
}

static void on_source(void *arg, const struct tc_link_answer *answer)
{
    struct reading *r = arg;

    if (answer->result) {
        sources[r->source].put(r->out, answer->result);
        r->up = true;
    }
    r->source++;
    ask(r);
}

void tc_metrics(void *arg, struct tc_request *request)
{
    struct reading *r = calloc(1, sizeof(*r));

    if (r)
        r->out = open_memstream(&r->text, &r->len);
    if (!r || !r->out) {
        free(r);
        tc_request_fail(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "failed",
                        "out of memory");
        return;
    }
    r->portal = arg;
    r->request = request;
    ask(r);
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
