/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the receivers that are spoken to by HTTP: webhook, Elasticsearch (and OpenSearch)
 * bulk API, Splunk HTTP Event Collector, OTLP/HTTP logs as JSON.
 */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "format/fw_format.h"
#include "send/fw_http.h"

#define ITEMS_MAX 500
#define BYTES_MAX (900u * 1024) /* below the 1 MiB of many a receiver */
#define NS_PER_MS 1000000u

/* An answer as JSON; NULL: it is none. */
static json_object *parse(const char *text, size_t len)
{
    json_tokener *tokener = json_tokener_new();
    json_object *o = tokener ? json_tokener_parse_ex(tokener, text, (int)len) : NULL;

    json_tokener_free(tokener);
    return o;
}

static json_object *get(json_object *o, const char *key)
{
    json_object *found = NULL;

    return json_object_object_get_ex(o, key, &found) ? found : NULL;
}

/* ---- webhook: a JSON array, or lines of CEF ---- */

static void webhook_begin(struct tc_fw_sink *sink)
{
    static const struct tc_fw_http_kind json = {.path = "/",
                                                .type = "application/json",
                                                .token = "Bearer",
                                                .open = "[",
                                                .between = ",",
                                                .close = "]"};
    static const struct tc_fw_http_kind lines = {.path = "/",
                                                 .type = "text/plain; charset=utf-8",
                                                 .token = "Bearer",
                                                 .open = "",
                                                 .between = "\n",
                                                 .close = "\n"};

    tc_fw_http_begin(sink, sink->config.format == TC_FW_CEF ? &lines : &json);
}

const struct tc_fw_ops tc_fw_webhook_ops = {
    .items_max = ITEMS_MAX,
    .bytes_max = BYTES_MAX,
    .format = tc_fw_sink_put,
    .begin = webhook_begin,
    .transferred = tc_fw_http_transferred,
    .close = tc_fw_http_close,
};

/* ---- Elasticsearch: `create` with our id, so that twice is once ---- */

static void bulk_format(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                        struct tc_fw_text *text)
{
    const char *index = sink->config.set[TC_FW_SET_INDEX];

    if (!index)
        index = "tocsin-alerts";
    tc_fw_puts(text, "{\"create\":{\"_index\":");
    tc_fw_put_string(text, index, strlen(index));
    tc_fw_putf(text, ",\"_id\":\"%s\"}}\n", event->id);
    tc_fw_sink_put(sink, event, text);
    tc_fw_puts(text, "\n");
}

static void bulk_item(struct tc_fw_sink *sink, size_t i, json_object *result)
{
    long status = json_object_get_int(get(result, "status"));
    json_object *error = get(result, "error");
    const char *reason = json_object_get_string(get(error, "reason"));

    /* 409: it is there already. */
    sink->batch.items[i].outcome =
        status == 409 ? TC_FW_SENT : tc_fw_http_outcome(status);
    if (sink->batch.items[i].outcome != TC_FW_SENT && !sink->batch.why[0])
        snprintf(sink->batch.why, sizeof(sink->batch.why),
                 "the receiver answers %ld for an event%s%s", status, reason ? ": " : "",
                 reason ? reason : "");
}

static void bulk_answer(struct tc_fw_sink *sink, const char *text, size_t len)
{
    json_object *answer = parse(text, len), *items = get(answer, "items");

    if (!items || json_object_get_type(items) != json_type_array ||
        json_object_array_length(items) != sink->batch.count) {
        tc_fw_sink_end(sink, TC_FW_RETRY, "the answer is not that of a bulk request");
        json_object_put(answer);
        return;
    }
    sink->batch.why[0] = '\0';
    for (size_t i = 0; i < sink->batch.count; i++)
        bulk_item(sink, i, get(json_object_array_get_idx(items, i), "create"));
    if (!sink->batch.why[0])
        snprintf(sink->batch.why, sizeof(sink->batch.why), "the receiver has taken it");
    json_object_put(answer);
    tc_fw_sink_end_each(sink);
}

static void bulk_begin(struct tc_fw_sink *sink)
{
    static const struct tc_fw_http_kind kind = {.path = "/_bulk",
                                                .type = "application/x-ndjson",
                                                .token = "ApiKey",
                                                .open = "",
                                                .between = "",
                                                .close = "",
                                                .answer = bulk_answer};

    tc_fw_http_begin(sink, &kind);
}

const struct tc_fw_ops tc_fw_elasticsearch_ops = {
    .items_max = ITEMS_MAX,
    .bytes_max = BYTES_MAX,
    .format = bulk_format,
    .begin = bulk_begin,
    .transferred = tc_fw_http_transferred,
    .close = tc_fw_http_close,
};

/* ---- Splunk: JSON objects, one after another ---- */

static void hec_format(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                       struct tc_fw_text *text)
{
    static const char *const types[TC_FW_FORMATS] = {"tocsin:ecs", "tocsin:ocsf", "cef"};
    struct tocsin_str host = tc_fw_host(event, sink->host);
    const char *index = sink->config.set[TC_FW_SET_INDEX];
    struct tc_fw_text line = {.p = NULL};

    tc_fw_putf(text, "{\"time\":%" PRIu64 ".%03" PRIu64, event->time_ns / 1000000000u,
               event->time_ns / NS_PER_MS % 1000);
    tc_fw_puts(text, ",\"host\":");
    tc_fw_put_string(text, host.ptr, host.len);
    tc_fw_puts(text, ",\"source\":\"tocsin\"");
    tc_fw_put_pair(text, "sourcetype", types[sink->config.format]);
    if (index)
        tc_fw_put_pair(text, "index", index);
    tc_fw_putf(text, ",\"fields\":{\"tocsin_id\":\"%s\"},\"event\":", event->id);
    if (sink->config.format == TC_FW_CEF) {
        tc_fw_sink_put(sink, event, &line);
        tc_fw_put_string(text, line.p ? line.p : "", line.len);
        tc_fw_text_done(&line);
    } else {
        tc_fw_sink_put(sink, event, text);
    }
    tc_fw_puts(text, "}");
}

static void hec_begin(struct tc_fw_sink *sink)
{
    static const struct tc_fw_http_kind kind = {.path = "/services/collector/event",
                                                .type = "application/json",
                                                .token = "Splunk",
                                                .open = "",
                                                .between = "\n",
                                                .close = ""};

    tc_fw_http_begin(sink, &kind);
}

const struct tc_fw_ops tc_fw_splunk_ops = {
    .items_max = ITEMS_MAX,
    .bytes_max = BYTES_MAX,
    .format = hec_format,
    .begin = hec_begin,
    .transferred = tc_fw_http_transferred,
    .close = tc_fw_http_close,
};

/* ---- OTLP/HTTP: ExportLogsServiceRequest as JSON ---- */

static void otlp_attribute(struct tc_fw_text *text, const char *key, const char *value)
{
    tc_fw_puts(text, text->p[text->len - 1] == '[' ? "{\"key\":" : ",{\"key\":");
    tc_fw_put_string(text, key, strlen(key));
    tc_fw_puts(text, ",\"value\":{\"stringValue\":");
    tc_fw_put_string(text, value, strlen(value));
    tc_fw_puts(text, "}}");
}

/* SeverityNumber: INFO 9, INFO4 12, WARN 13, ERROR 17, FATAL 21. */
static void otlp_format(const struct tc_fw_sink *sink, const struct tc_fw_event *event,
                        struct tc_fw_text *text)
{
    static const int numbers[TC_FW_SEVERITIES] = {9, 12, 13, 17, 21};
    struct tc_fw_text body = {.p = NULL};

    tc_fw_sink_put(sink, event, &body);
    tc_fw_putf(text,
               "{\"timeUnixNano\":\"%" PRIu64 "\",\"severityNumber\":%d,"
               "\"severityText\":\"%s\",\"attributes\":[",
               event->time_ns, numbers[event->severity],
               tc_fw_severity_names[event->severity]);
    if (!text->failed) {
        otlp_attribute(text, "event.id", event->id);
        otlp_attribute(text, "event.name", event->topic);
        otlp_attribute(text, "host.name", sink->host);
    }
    tc_fw_puts(text, "],\"body\":{\"stringValue\":");
    tc_fw_put_string(text, body.p ? body.p : "", body.len);
    tc_fw_puts(text, "}}");
    tc_fw_text_done(&body);
}

/* What was rejected is not to be sent again, and nobody says which it was: with one event
 * it is that one, else all of the batch are kept as dead letters. */
static void otlp_answer(struct tc_fw_sink *sink, const char *text, size_t len)
{
    json_object *answer = parse(text, len), *partial = get(answer, "partialSuccess");
    int64_t rejected = json_object_get_int64(get(partial, "rejectedLogRecords"));
    const char *message = json_object_get_string(get(partial, "errorMessage"));

    if (rejected > 0) {
        tc_fw_sink_end(sink, TC_FW_REFUSED,
                       "the receiver has rejected %" PRId64 " of %zu: %s", rejected,
                       sink->batch.count, message ? message : "");
        sink->batch.whole = false; /* not to be divided */
    } else {
        tc_fw_sink_end(sink, TC_FW_SENT, "the receiver has taken it");
    }
    json_object_put(answer);
}

static void otlp_begin(struct tc_fw_sink *sink)
{
    static const struct tc_fw_http_kind kind = {
        .path = "/v1/logs",
        .type = "application/json",
        .token = "Bearer",
        .open = "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":"
                "\"service.name\",\"value\":{\"stringValue\":\"tocsin\"}}]},"
                "\"scopeLogs\":[{\"scope\":{\"name\":\"tocsin\",\"version\":"
                "\"" TC_FW_PRODUCT_VERSION "\"},\"logRecords\":[",
        .between = ",",
        .close = "]}]}]}",
        .answer = otlp_answer};

    tc_fw_http_begin(sink, &kind);
}

const struct tc_fw_ops tc_fw_otlp_ops = {
    .items_max = ITEMS_MAX,
    .bytes_max = BYTES_MAX,
    .format = otlp_format,
    .begin = otlp_begin,
    .transferred = tc_fw_http_transferred,
    .close = tc_fw_http_close,
};
