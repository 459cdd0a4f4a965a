/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see say.h. */
#include "plugintest/say.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "ipc/json.h"
#include "ipc/unpack.h"

/* The event's map as JSON text, for free(). */
static char *json_of(const struct tocsin_event *event)
{
    msgpack_unpacked unpacked;
    char *text = NULL;

    msgpack_unpacked_init(&unpacked);
    if (!tc_unpack(&unpacked, event->data, event->len))
        (void)tc_json_text(&unpacked.data, &text);
    msgpack_unpacked_destroy(&unpacked);
    return text;
}

/* A text that may be no UTF-8, as ipc/json.h has such. */
static json_object *json_text(const char *s)
{
    json_object *object = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    tc_json_string(out, s, strlen(s));
    if (!fclose(out))
        object = json_tokener_parse(text);
    free(text);
    return object;
}

json_object *tc_say_object(const struct tocsin_event *event,
                           const struct tc_run_question *question, uint64_t took_ns)
{
    json_object *object = json_object_new_object(), *about;
    char *text = json_of(event);

    if (!object || !text) {
        json_object_put(object);
        free(text);
        return NULL;
    }
    json_object_object_add(object, "topic", json_object_new_string(event->topic));
    if (question) {
        about = json_object_new_object();
        json_object_object_add(about, "id", json_object_new_uint64(question->id));
        json_object_object_add(about, "topic", json_object_new_string(question->topic));
        json_object_object_add(about, "what", json_text(question->about));
        json_object_object_add(object, "about", about);
        json_object_object_add(object, "took_ns", json_object_new_uint64(took_ns));
    }
    json_object_object_add(object, "event", json_tokener_parse(text));
    free(text);
    return object;
}

static void print_text(const char *text)
{
    tc_print_str(stdout, (struct tocsin_str){text, strlen(text)});
}

static void print_field(const struct tocsin_event *event, const char *before,
                        const char *path, const char *after)
{
    struct tocsin_str text = tocsin_event_str(event, path);

    if (!text.len)
        return;
    fputs(before, stdout);
    tc_print_str(stdout, text);
    fputs(after, stdout);
}

/* verdict deny event 7 file.exec /home/z2 (0.2 ms): matches rule A-17 */
static void print_verdict(const struct tocsin_event *event,
                          const struct tc_run_question *question, uint64_t took_ns)
{
    fputs("verdict", stdout);
    print_field(event, " ", TOCSIN_FIELD_DECISION, "");
    if (question) {
        printf(" event %" PRIu64 " %s ", question->id, question->topic);
        print_text(question->about);
        printf(" (%.1f ms)", (double)took_ns / 1e6);
    }
    if (tocsin_find_bool(event->data, event->len, TOCSIN_FIELD_CACHEABLE, false))
        fputs(" cacheable", stdout);
    print_field(event, ": ", TOCSIN_FIELD_REASON, "");
}

static void print_event(const struct tocsin_event *event)
{
    char *text = json_of(event);

    printf("event %s ", event->topic);
    print_text(text ? text : "");
    free(text);
}

void tc_say_published(bool json, json_object *object, const struct tocsin_event *event,
                      const struct tc_run_question *question, uint64_t took_ns)
{
    if (json) {
        puts(object ? json_object_to_json_string_ext(
                          object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
                    : "{}");
        return;
    }
    if (!strcmp(event->topic, TOCSIN_TOPIC_VERDICT)) {
        print_verdict(event, question, took_ns);
    } else if (!strcmp(event->topic, TOCSIN_TOPIC_ALERT_RAISED)) {
        print_field(event, "alert ", TOCSIN_FIELD_ALERT_SEVERITY, "");
        print_field(event, ": ", TOCSIN_FIELD_ALERT_TITLE, "");
        print_field(event, ": ", TOCSIN_FIELD_FILE_PATH, "");
    } else {
        print_event(event);
    }
    putchar('\n');
}

static void print_member(const char *before, const char *name, const char *text)
{
    printf("%s\"%s\":", before, name);
    tc_json_string(stdout, text, strlen(text));
}

void tc_say_reported(bool json, uint32_t what, const char *key, const char *text,
                     const char *fix)
{
    static const char *const names[] = {"?", "fact", "issue", "over"};
    const char *name = names[what < sizeof(names) / sizeof(*names) ? what : 0];

    if (json) {
        print_member("{", name, key);
        print_member(",", "text", text ? text : "");
        print_member(",", "fix", fix ? fix : "");
        puts("}");
        return;
    }
    printf("%s ", name);
    print_text(key);
    if (text) {
        fputs(": ", stdout);
        print_text(text);
    }
    if (fix) {
        fputs("; fix: ", stdout);
        print_text(fix);
    }
    putchar('\n');
}

void tc_say_wrong(bool json, const char *sentence)
{
    if (json) {
        print_member("{", "error", sentence);
        puts("}");
        return;
    }
    fputs("error: ", stdout);
    print_text(sentence);
    putchar('\n');
}

void tc_say_counts(bool json, const struct tc_run_counts *c)
{
    const struct {
        const char *name;
        uint64_t n;
    } all[] = {
        {"shown", c->shown},       {"not_subscribed", c->skipped},
        {"allow", c->allowed},     {"deny", c->denied},
        {"abstain", c->abstained}, {"unanswered", c->unanswered},
        {"alerts", c->alerts},     {"events", c->others},
        {"errors", c->wrong},
    };
    const size_t n = sizeof(all) / sizeof(*all);

    fputs(json ? "{\"summary\":{" : "summary: ", stdout);
    for (size_t i = 0; i < n; i++)
        if (json)
            printf("\"%s\":%" PRIu64 ",", all[i].name, all[i].n);
        else
            printf("%s %" PRIu64 ", ", all[i].name, all[i].n);
    if (json)
        printf("\"longest_event_ns\":%" PRIu64 "}}\n", c->longest_ns);
    else
        printf("longest_event %.1f ms\n", (double)c->longest_ns / 1e6);
}
