/* SPDX-License-Identifier: Apache-2.0 */
#include "format/fw_format.h"

#include <string.h>
#include <tocsin/event.h>

void tc_fw_format(enum tc_fw_format format, const struct tc_fw_event *event,
                  const char *host, struct tc_fw_text *text)
{
    static void (*const formats[TC_FW_FORMATS])(
        const struct tc_fw_event *event, const char *host, struct tc_fw_text *text) = {
        [TC_FW_ECS] = tc_fw_ecs, [TC_FW_OCSF] = tc_fw_ocsf, [TC_FW_CEF] = tc_fw_cef};

    formats[format](event, host, text);
}

struct tocsin_str tc_fw_title(const struct tc_fw_event *event)
{
    static const char *const paths[] = {TOCSIN_FIELD_ALERT_TITLE,
                                        TOCSIN_FIELD_DETECTION_NAME,
                                        TOCSIN_FIELD_RULE_NAME, TOCSIN_FIELD_REASON};
    struct tocsin_str s = {NULL, 0};

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && !s.len; i++)
        s = tocsin_find_str(event->data, event->len, paths[i]);
    if (!s.len)
        s = (struct tocsin_str){event->topic, strlen(event->topic)};
    return s;
}

struct tocsin_str tc_fw_host(const struct tc_fw_event *event, const char *host)
{
    struct tocsin_str s = tocsin_find_str(event->data, event->len, "host.name");

    return s.len ? s : (struct tocsin_str){host, strlen(host)};
}

/* The names of our fields that are nanoseconds since the epoch, docs/events.md. */
bool tc_fw_is_time(const char *key, size_t len)
{
    static const char *const names[] = {"start", "mtime",      "ctime",    "@timestamp",
                                        "end",   "first_seen", "last_seen"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i]) == len && !memcmp(names[i], key, len))
            return true;
    return false;
}
