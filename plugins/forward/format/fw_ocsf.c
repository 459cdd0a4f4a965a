/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an event as an OCSF 1.1 Detection Finding, class 2004 (schema.ocsf.io). What the
 * class has no place for is in `unmapped`, whole.
 */
#include <inttypes.h>
#include <string.h>
#include <tocsin/event.h>

#include "format/fw_format.h"

#define NS_PER_MS 1000000u

/* severity_id: 1 Informational, 2 Low, 3 Medium, 4 High, 5 Critical. */
static const char *const severities[TC_FW_SEVERITIES] = {"Informational", "Low", "Medium",
                                                         "High", "Critical"};

static void put_str(const struct tc_fw_event *event, const char *key, const char *path,
                    struct tc_fw_text *text)
{
    struct tocsin_str s = tocsin_find_str(event->data, event->len, path);

    if (!s.ptr)
        return;
    tc_fw_put_key(text, key);
    tc_fw_put_string(text, s.ptr, s.len);
}

static void put_number(const struct tc_fw_event *event, const char *key, const char *path,
                       bool quoted, struct tc_fw_text *text)
{
    int64_t n = tocsin_find_int(event->data, event->len, path, -1);

    if (n < 0)
        return;
    tc_fw_put_key(text, key);
    tc_fw_putf(text, quoted ? "\"%" PRId64 "\"" : "%" PRId64, n);
}

static void put_finding(const struct tc_fw_event *event, struct tc_fw_text *text)
{
    struct tocsin_str title = tc_fw_title(event);
    struct tocsin_str uid =
        tocsin_find_str(event->data, event->len, TOCSIN_FIELD_ALERT_ID);

    if (!uid.ptr)
        uid = tocsin_find_str(event->data, event->len, TOCSIN_FIELD_DETECTION_ID);
    if (!uid.ptr)
        uid = (struct tocsin_str){event->id, strlen(event->id)};
    tc_fw_put_key(text, "finding_info");
    tc_fw_puts(text, "{");
    tc_fw_put_key(text, "uid");
    tc_fw_put_string(text, uid.ptr, uid.len);
    tc_fw_put_key(text, "title");
    tc_fw_put_string(text, title.ptr, title.len);
    put_str(event, "desc", "alert.description", text);
    tc_fw_put_key(text, "analytic");
    tc_fw_puts(text, "{\"type_id\":1,\"type\":\"Rule\"");
    put_str(event, "uid", TOCSIN_FIELD_RULE_ID, text);
    put_str(event, "name", TOCSIN_FIELD_RULE_NAME, text);
    tc_fw_puts(text, "}");
    tc_fw_puts(text, "}");
}

static void put_attacks(const struct tc_fw_event *event, struct tc_fw_text *text)
{
    struct tocsin_value list, item;
    struct tocsin_iter it;

    if (!tocsin_find(event->data, event->len, "threat.technique.id", &list))
        return;
    tc_fw_put_key(text, "attacks");
    tc_fw_puts(text, "[");
    tocsin_iter_init(&it, &list);
    for (bool first = true; tocsin_iter_next(&it, NULL, &item);) {
        if (item.type != TOCSIN_STR)
            continue;
        tc_fw_puts(text,
                   first ? "{\"technique\":{\"uid\":" : ",{\"technique\":{\"uid\":");
        tc_fw_put_string(text, item.ptr, item.len);
        tc_fw_puts(text, "}}");
        first = false;
    }
    tc_fw_puts(text, "]");
}

static void put_process(const struct tc_fw_event *event, struct tc_fw_text *text)
{
    tc_fw_puts(text, "{\"process\":{");
    put_number(event, "pid", TOCSIN_FIELD_PROCESS_PID, false, text);
    put_str(event, "name", TOCSIN_FIELD_PROCESS_NAME, text);
    put_str(event, "cmd_line", TOCSIN_FIELD_PROCESS_COMMAND_LINE, text);
    tc_fw_put_key(text, "file");
    tc_fw_puts(text, "{\"type_id\":1");
    put_str(event, "path", TOCSIN_FIELD_PROCESS_EXECUTABLE, text);
    tc_fw_puts(text, "}");
    tc_fw_put_key(text, "user");
    tc_fw_puts(text, "{");
    put_number(event, "uid", TOCSIN_FIELD_PROCESS_USER_ID, true, text);
    put_str(event, "name", "process.user.name", text);
    tc_fw_puts(text, "}");
    tc_fw_put_key(text, "parent_process");
    tc_fw_puts(text, "{");
    put_number(event, "pid", TOCSIN_FIELD_PARENT_PID, false, text);
    put_str(event, "name", TOCSIN_FIELD_PARENT_NAME, text);
    tc_fw_puts(text, "}");
    tc_fw_puts(text, "}}");
}

static void put_file(const struct tc_fw_event *event, struct tc_fw_text *text)
{
    struct tocsin_str sha256 =
        tocsin_find_str(event->data, event->len, TOCSIN_FIELD_FILE_SHA256);

    tc_fw_puts(text, "{\"file\":{\"type_id\":1");
    put_str(event, "path", TOCSIN_FIELD_FILE_PATH, text);
    put_str(event, "name", "file.name", text);
    put_number(event, "size", TOCSIN_FIELD_FILE_SIZE, false, text);
    if (sha256.ptr) {
        tc_fw_puts(text, ",\"hashes\":[{\"algorithm_id\":3,\"algorithm\":\"SHA-256\","
                         "\"value\":");
        tc_fw_put_string(text, sha256.ptr, sha256.len);
        tc_fw_puts(text, "}]");
    }
    tc_fw_puts(text, "}}");
}

static void put_evidences(const struct tc_fw_event *event, struct tc_fw_text *text)
{
    struct tocsin_value v;
    bool process = tocsin_find(event->data, event->len, "process", &v);
    bool file = tocsin_find(event->data, event->len, "file", &v);

    if (!process && !file)
        return;
    tc_fw_put_key(text, "evidences");
    tc_fw_puts(text, "[");
    if (process)
        put_process(event, text);
    if (process && file)
        tc_fw_puts(text, ",");
    if (file)
        put_file(event, text);
    tc_fw_puts(text, "]");
}

/* activity_id: 1 Create, 2 Update, 3 Close; status_id: 1 New, 2 In Progress, 4 Resolved.
 */
static void put_class(const struct tc_fw_event *event, struct tc_fw_text *text)
{
    bool again = tocsin_find_int(event->data, event->len, "alert.count", 1) > 1;
    bool closed = !strcmp(event->topic, TOCSIN_TOPIC_THREAT_REMEDIATED);
    int activity = closed ? 3 : again ? 2 : 1;

    tc_fw_putf(text,
               "{\"class_uid\":2004,\"class_name\":\"Detection Finding\","
               "\"category_uid\":2,\"category_name\":\"Findings\",\"activity_id\":%d,"
               "\"type_uid\":%d,\"severity_id\":%d,\"severity\":\"%s\",\"status_id\":%d,"
               "\"time\":%" PRIu64,
               activity, 200400 + activity, (int)event->severity + 1,
               severities[event->severity],
               closed  ? 4
               : again ? 2
                       : 1,
               event->time_ns / NS_PER_MS);
}

void tc_fw_ocsf(const struct tc_fw_event *event, const char *host,
                struct tc_fw_text *text)
{
    struct tocsin_str title = tc_fw_title(event), name = tc_fw_host(event, host);
    struct tocsin_value top;

    put_class(event, text);
    tc_fw_put_key(text, "message");
    tc_fw_put_string(text, title.ptr, title.len);
    tc_fw_put_key(text, "metadata");
    tc_fw_puts(text, "{\"version\":\"1.1.0\",\"product\":{\"name\":\"" TC_FW_PRODUCT
                     "\",\"vendor_name\":\"" TC_FW_PRODUCT
                     "\",\"version\":\"" TC_FW_PRODUCT_VERSION "\"}");
    tc_fw_put_pair(text, "uid", event->id);
    tc_fw_put_pair(text, "log_name", event->topic);
    tc_fw_put_pair(text, "log_provider", event->source);
    tc_fw_puts(text, "},\"device\":{\"type_id\":0,\"hostname\":");
    tc_fw_put_string(text, name.ptr, name.len);
    tc_fw_puts(text, "}");
    put_finding(event, text);
    put_attacks(event, text);
    put_evidences(event, text);
    if (tocsin_read(event->data, (const uint8_t *)event->data + event->len, &top)) {
        tc_fw_put_key(text, "unmapped");
        tc_fw_put_value(text, &top, NULL);
    }
    tc_fw_puts(text, "}");
}
