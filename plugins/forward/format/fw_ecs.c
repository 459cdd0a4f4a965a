/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an event as a document of the Elastic Common Schema 8.11: our fields have ECS's
 * names already, so maps that ECS knows stay where they are, and all others go below
 * "tocsin". Field reference: elastic.co/guide/en/ecs/8.11.
 */
#include <string.h>
#include <tocsin/event.h>

#include "format/fw_format.h"

/* Field sets of ECS that our events have. */
static const char *const sets[] = {
    "process", "file",      "rule",   "threat", "source", "destination",
    "network", "container", "cgroup", "dns",    "user",   "group",
};

/* ECS's event.severity is a number that only its source defines; these are those that
 * Elastic's own rules give. */
static const int severities[TC_FW_SEVERITIES] = {1, 21, 47, 73, 99};

static bool is_set(const struct tocsin_value *key)
{
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
        if (key->type == TOCSIN_STR && strlen(sets[i]) == key->len &&
            !memcmp(sets[i], key->ptr, key->len))
            return true;
    return false;
}

static bool is(const struct tocsin_value *key, const char *name)
{
    return key->type == TOCSIN_STR && key->len == strlen(name) &&
           !memcmp(key->ptr, name, key->len);
}

static void put_entry(struct tc_fw_text *text, const struct tocsin_value *key,
                      const struct tocsin_value *value)
{
    if (text->len && text->p[text->len - 1] != '{')
        tc_fw_put(text, ",", 1);
    tc_fw_put_string(text, key->ptr, key->len);
    tc_fw_put(text, ":", 1);
    if (value->type == TOCSIN_UINT && tc_fw_is_time(key->ptr, key->len)) {
        tc_fw_put(text, "\"", 1);
        tc_fw_put_time(text, value->u);
        tc_fw_put(text, "\"", 1);
    } else {
        tc_fw_put_value(text, value, tc_fw_is_time);
    }
}

/* The top level's maps: `known` to ECS, or the others. */
static void put_maps(const struct tc_fw_event *event, bool known, struct tc_fw_text *text)
{
    struct tocsin_value top, key = {.type = TOCSIN_NIL}, value;
    struct tocsin_iter it;

    if (!tocsin_read(event->data, (const uint8_t *)event->data + event->len, &top))
        return;
    tocsin_iter_init(&it, &top);
    while (tocsin_iter_next(&it, &key, &value)) {
        if ((key.type != TOCSIN_STR && key.type != TOCSIN_BIN) || is_set(&key) != known)
            continue;
        if (!is(&key, "@timestamp") && !is(&key, "host"))
            put_entry(text, &key, &value);
    }
}

static void put_event(const struct tc_fw_event *event, struct tc_fw_text *text)
{
    bool alert = !strncmp(event->topic, "alert.", 6);
    struct tocsin_str category =
        tocsin_find_str(event->data, event->len, "alert.category");

    tc_fw_put_key(text, "event");
    tc_fw_puts(text, "{");
    tc_fw_put_pair(text, "id", event->id);
    tc_fw_put_pair(text, "kind", alert ? "alert" : "event");
    tc_fw_put_pair(text, "module", "tocsin");
    tc_fw_put_pair(text, "dataset", "tocsin.events");
    tc_fw_put_pair(text, "action", event->topic);
    tc_fw_put_pair(text, "provider", event->source);
    tc_fw_put_key(text, "severity");
    tc_fw_putf(text, "%d", severities[event->severity]);
    if (tocsin_str_is(category, "malware") || !strncmp(event->topic, "threat.", 7))
        tc_fw_puts(text, ",\"category\":[\"malware\"],\"type\":[\"info\"]");
    else if (alert)
        tc_fw_puts(text, ",\"category\":[\"intrusion_detection\"],\"type\":[\"info\"]");
    tc_fw_puts(text, "}");
}

static void put_host(const struct tc_fw_event *event, const char *host,
                     struct tc_fw_text *text)
{
    struct tocsin_value v;

    tc_fw_put_key(text, "host");
    if (tocsin_find(event->data, event->len, "host", &v) && v.type == TOCSIN_MAP) {
        tc_fw_put_value(text, &v, NULL);
        return;
    }
    tc_fw_puts(text, "{");
    tc_fw_put_pair(text, "name", host);
    tc_fw_puts(text, "}");
}

void tc_fw_ecs(const struct tc_fw_event *event, const char *host, struct tc_fw_text *text)
{
    struct tocsin_str title = tc_fw_title(event);

    tc_fw_puts(text, "{\"@timestamp\":\"");
    tc_fw_put_time(text, event->time_ns);
    tc_fw_puts(text, "\",\"ecs\":{\"version\":\"8.11.0\"}");
    tc_fw_put_key(text, "message");
    tc_fw_put_string(text, title.ptr, title.len);
    put_event(event, text);
    tc_fw_puts(text,
               ",\"agent\":{\"type\":\"tocsin\",\"version\":\"" TC_FW_PRODUCT_VERSION
               "\"}");
    tc_fw_puts(text, ",\"observer\":{\"vendor\":\"" TC_FW_PRODUCT
                     "\",\"type\":\"endpoint protection\"}");
    put_host(event, host, text);
    put_maps(event, true, text);
    tc_fw_put_key(text, "tocsin");
    tc_fw_puts(text, "{");
    put_maps(event, false, text);
    tc_fw_puts(text, "}}");
}
