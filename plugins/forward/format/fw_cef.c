/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an event in ArcSight's Common Event Format, version 0: a header of seven fields
 * with | between them, then KEY=VALUE. Dictionary: Micro Focus Security ArcSight Common
 * Event Format, version 25.
 */
#include <inttypes.h>
#include <string.h>
#include <tocsin/event.h>

#include "format/fw_format.h"

#define NS_PER_MS 1000000u

static const int severities[TC_FW_SEVERITIES] = {1, 3, 5, 8, 10};

/* What stands where. The labels of custom strings (cs1Label) come with their values. */
static const struct {
    const char *key, *path, *label;
} extension[] = {
    {"msg", "alert.description", NULL},
    {"cat", "alert.category", NULL},
    {"cnt", "alert.count", NULL},
    {"act", "detection.action", NULL},
    {"outcome", "detection.status", NULL},
    {"filePath", "file.path", NULL},
    {"fname", "file.name", NULL},
    {"fsize", "file.size", NULL},
    {"fileHash", "file.hash.sha256", NULL},
    {"sproc", "process.executable", NULL},
    {"spid", "process.pid", NULL},
    {"suid", "process.user.id", NULL},
    {"suser", "process.user.name", NULL},
    {"src", "source.ip", NULL},
    {"spt", "source.port", NULL},
    {"dst", "destination.ip", NULL},
    {"dpt", "destination.port", NULL},
    {"dhost", "destination.domain", NULL},
    {"proto", "network.transport", NULL},
    {"cs1", "process.command_line", "Command line"},
    {"cs2", "threat.technique.id", "ATT&CK technique"},
    {"cs3", "alert.id", "Alert"},
    {"cs4", "detection.id", "Threat"},
    {"cs5", "process.parent.executable", "Parent process"},
};

/* Of the header: \ before | and \; of the extension: before = and \. A line feed is a
 * space there, \n here. */
static void put_escaped(struct tc_fw_text *text, const char *s, size_t n, char also)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\\' || s[i] == also)
            tc_fw_put(text, "\\", 1);
        if (s[i] == '\n' && also == '=')
            tc_fw_puts(text, "\\n");
        else if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f)
            tc_fw_put(text, " ", 1);
        else
            tc_fw_put(text, s + i, 1);
    }
}

static void put_header(struct tc_fw_text *text, struct tocsin_str s)
{
    put_escaped(text, s.ptr, s.len, '|');
    tc_fw_put(text, "|", 1);
}

static void put_list(struct tc_fw_text *text, const struct tocsin_value *list)
{
    struct tocsin_value item;
    struct tocsin_iter it;

    tocsin_iter_init(&it, list);
    for (bool first = true; tocsin_iter_next(&it, NULL, &item); first = false) {
        if (!first)
            tc_fw_put(text, ",", 1);
        if (item.type == TOCSIN_STR)
            put_escaped(text, item.ptr, item.len, '=');
    }
}

static void put_extension(struct tc_fw_text *text, const struct tc_fw_event *event,
                          size_t i)
{
    struct tocsin_value v;

    if (!tocsin_find(event->data, event->len, extension[i].path, &v) ||
        v.type == TOCSIN_NIL || v.type == TOCSIN_MAP)
        return;
    if (extension[i].label)
        tc_fw_putf(text, " %sLabel=%s", extension[i].key, extension[i].label);
    tc_fw_putf(text, " %s=", extension[i].key);
    if (v.type == TOCSIN_UINT)
        tc_fw_putf(text, "%" PRIu64, v.u);
    else if (v.type == TOCSIN_STR || v.type == TOCSIN_BIN)
        put_escaped(text, v.ptr, v.len, '=');
    else if (v.type == TOCSIN_ARRAY)
        put_list(text, &v);
}

void tc_fw_cef(const struct tc_fw_event *event, const char *host, struct tc_fw_text *text)
{
    struct tocsin_str name = tc_fw_host(event, host);
    struct tocsin_str rule =
        tocsin_find_str(event->data, event->len, TOCSIN_FIELD_RULE_ID);

    if (!rule.len)
        rule = (struct tocsin_str){event->topic, strlen(event->topic)};
    tc_fw_puts(text,
               "CEF:0|" TC_FW_PRODUCT "|" TC_FW_PRODUCT "|" TC_FW_PRODUCT_VERSION "|");
    put_header(text, rule);
    put_header(text, tc_fw_title(event));
    tc_fw_putf(text, "%d|rt=%" PRIu64 " externalId=%s deviceEventCategory=",
               severities[event->severity], event->time_ns / NS_PER_MS, event->id);
    put_escaped(text, event->topic, strlen(event->topic), '=');
    tc_fw_puts(text, " dvchost=");
    put_escaped(text, name.ptr, name.len, '=');
    for (size_t i = 0; i < sizeof(extension) / sizeof(extension[0]); i++)
        put_extension(text, event, i);
}
