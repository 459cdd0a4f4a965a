/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how one alert is shown to people: what was found, by whose rule, what matched,
 * and the tree of processes that led to it. `--output json` has all of it as it is.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"
#include "ipc/text.h"

#define LABEL_WIDTH 18  /* columns of a field's name */
#define TEXT_SHOWN 1000 /* bytes of one text */
#define DEPTH_SHOWN 4   /* maps within each other, whose fields stand on lines */
#define TREE_INDENT 3
#define TREE_MAX 32 /* ancestors */

/* The value of a field, if it has one. */
static const msgpack_object *value_at(const msgpack_object *map, const char *path)
{
    const msgpack_object *o = tc_unpack_find(map, path);

    return o && o->type != MSGPACK_OBJECT_NIL ? o : NULL;
}

static void print_text(struct tocsin_str s)
{
    size_t left = tc_print_beginning(stdout, s, TEXT_SHOWN);

    if (left)
        printf("... (%zu bytes more)", left);
}

static void print_value(const msgpack_object *o)
{
    struct tocsin_str text = tc_unpack_text(o);

    if (text.ptr)
        print_text(text);
    else
        tc_print_value(stdout, o);
}

static void print_label(const char *label)
{
    printf("  %-*s : ", LABEL_WIDTH, label);
}

/* Prints a field, if it is there. */
static void print_field(const msgpack_object *alert, const char *label, const char *path)
{
    const msgpack_object *o = value_at(alert, path);

    if (!o)
        return;
    print_label(label);
    print_value(o);
    putchar('\n');
}

static void print_time(const msgpack_object *alert, const char *label, const char *path)
{
    const msgpack_object *o = tc_unpack_find(alert, path);

    if (!o || o->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return;
    print_label(label);
    tc_print_time(stdout, o->via.u64, TC_TIME_ZONE);
    putchar('\n');
}

/* ---- What was found, by whose rule ---- */

/* One that is open may have been closed before: its note is still of interest. */
static void print_state(const msgpack_object *alert)
{
    print_field(alert, "state", "state");
    print_time(alert, "closed", "closed_ns");
    print_field(alert, "closed by user", "closed_by");
    print_field(alert, "note", "note");
}

static void print_head(const msgpack_object *alert)
{
    struct tocsin_str title = tc_unpack_str(alert, "title");

    if (title.ptr)
        print_text(title);
    else
        fputs("An alert without a title", stdout);
    putchar('\n');
    print_field(alert, "severity", "severity");
    print_field(alert, "id", "id");
    print_field(alert, "count", "count");
    print_time(alert, "first seen", "time_ns");
    print_time(alert, "last seen", "last_seen_ns");
    print_field(alert, "raised by", "detected_from");
    print_field(alert, "category", "category");
    print_field(alert, "case", "case");
    print_state(alert);
    print_field(alert, "description", "event.alert.description");
}

/* A text, or a list of them, a line each. */
static void print_lines(const msgpack_object *alert, const char *label, const char *path)
{
    const msgpack_object *list = tc_unpack_array(alert, path);

    if (!list) {
        print_field(alert, label, path);
        return;
    }
    for (uint32_t i = 0; i < list->via.array.size; i++) {
        print_label(i ? "" : label);
        print_value(&list->via.array.ptr[i]);
        putchar('\n');
    }
}

static void print_rule(const msgpack_object *alert)
{
    if (!value_at(alert, "event.rule"))
        return;
    puts("\nRule");
    print_field(alert, "name", "event.rule.name");
    print_field(alert, "id", "event.rule.id");
    print_field(alert, "author", "event.rule.author");
    print_field(alert, "license", "event.rule.license");
    print_field(alert, "level", "event.rule.level");
    if (!value_at(alert, "event.alert.description")) /* that is the same */
        print_field(alert, "description", "event.rule.description");
    print_lines(alert, "reference", "event.rule.reference");
    print_field(alert, "file", "event.rule.file");
}

/* The ids and the names of tactics stand in two lists, in the same order. */
static void print_tactics(const msgpack_object *alert)
{
    const msgpack_object *ids = value_at(alert, "event.threat.tactic.id");
    const msgpack_object *names = value_at(alert, "event.threat.tactic.name");
    uint32_t count = 0;

    if (!ids || !names)
        return;
    if (ids->type == MSGPACK_OBJECT_ARRAY && names->type == MSGPACK_OBJECT_ARRAY)
        count = ids->via.array.size < names->via.array.size ? ids->via.array.size
                                                            : names->via.array.size;
    print_label("tactic");
    for (uint32_t i = 0; i < count; i++) {
        if (i)
            fputs(", ", stdout);
        print_value(&ids->via.array.ptr[i]);
        putchar(' ');
        print_value(&names->via.array.ptr[i]);
    }
    putchar('\n');
}

static void print_threat(const msgpack_object *alert)
{
    if (!value_at(alert, "event.threat"))
        return;
    putchar('\n');
    print_text(tc_unpack_str(alert, "event.threat.framework"));
    putchar('\n');
    print_field(alert, "technique", "event.threat.technique.id");
    print_tactics(alert);
}

static void print_matched(const msgpack_object *alert)
{
    const msgpack_object *fields = tc_unpack_array(alert, "event.matched.fields"), *field;
    struct tocsin_str name, value;

    if (!value_at(alert, "event.matched"))
        return;
    fputs("\nWhat matched, in ", stdout);
    print_text(tc_unpack_str(alert, "event.matched.topic"));
    putchar('\n');
    print_field(alert, "events counted", "event.matched.count");
    for (uint32_t i = 0; fields && i < fields->via.array.size; i++) {
        field = &fields->via.array.ptr[i];
        name = tc_unpack_str(field, "name");
        value = tc_unpack_str(field, "value");
        fputs("  ", stdout);
        print_text(name.len ? name : (struct tocsin_str){"(keyword)", 9});
        fputs(" = ", stdout);
        if (value.ptr)
            print_text(value);
        putchar('\n');
    }
}

/* What the matches of one alert differ in: at most so many of each as the agent keeps. */
static void print_matches(const msgpack_object *alert)
{
    static const struct {
        const char *label, *list, *more;
    } kinds[] = {{"command line", "matches.command_lines", "matches.command_lines_more"},
                 {"path", "matches.paths", "matches.paths_more"},
                 {"address", "matches.addresses", "matches.addresses_more"}};
    int64_t more;

    if (!value_at(alert, "matches"))
        return;
    puts("\nAll its matches");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        print_lines(alert, kinds[i].label, kinds[i].list);
        more = tc_unpack_int(alert, kinds[i].more, 0);
        if (more) {
            print_label("");
            printf("and %" PRId64 " matches with others\n", more);
        }
    }
}

/* ---- Who ---- */

/* One process of the tree, under `depth` others. */
static void print_process(const msgpack_object *process, unsigned depth)
{
    struct tocsin_str name = tc_unpack_str(process, "executable");
    struct tocsin_str line = tc_unpack_str(process, "command_line");
    int64_t user = tc_unpack_int(process, "user.id", -1);

    printf("  %*s%s%" PRId64 " ", depth ? (int)(depth - 1) * TREE_INDENT : 0, "",
           depth ? (tc_print_ascii() ? "`- " : "└─ ") : "",
           tc_unpack_int(process, "pid", 0));
    if (!name.ptr)
        name = tc_unpack_str(process, "name");
    if (name.ptr)
        print_text(name);
    else
        putchar('?');
    if (user >= 0)
        printf(" (user %" PRId64 ")", user);
    if (line.ptr) {
        fputs(": ", stdout);
        print_text(line);
    }
    putchar('\n');
}

static void print_tree(const msgpack_object *alert)
{
    const msgpack_object *process = tc_unpack_find(alert, "event.process");
    const msgpack_object *above = tc_unpack_array(process, "ancestors");
    uint32_t depth = 0, count;

    if (!process || process->type != MSGPACK_OBJECT_MAP)
        return;
    puts("\nProcesses");
    if (above) {
        /* The ancestors stand nearest first, and are drawn from the farthest down. */
        count = above->via.array.size < TREE_MAX ? above->via.array.size : TREE_MAX;
        for (; depth < count; depth++)
            print_process(&above->via.array.ptr[count - 1 - depth], depth);
    } else if ((above = value_at(process, "parent")) != NULL) {
        print_process(above, 0);
        depth = 1;
    }
    print_process(process, depth);
}

/* ---- What else the event says ---- */

static bool is_one_of(const char *const *names, const msgpack_object *key)
{
    for (; *names; names++)
        if (tc_unpack_is(key, *names))
            return true;
    return false;
}

/* Whether a field of a section is printed: not one of those named in `not`. */
static bool is_shown(const msgpack_object *key, const char *const * not )
{
    return key->type == MSGPACK_OBJECT_STR && !is_one_of(not, key);
}

/* Of a process, `start` is one too. */
static bool is_time(const char *name, const msgpack_object *o)
{
    const char *dot = strrchr(name, '.');

    return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
           (tc_print_time_name(name, strlen(name)) ||
            !strcmp(dot ? dot + 1 : name, "start"));
}

/* The fields of a map, but those named in `not`; nested ones by their dotted names. */
static void print_fields(const msgpack_object_map *map, const char *prefix,
                         const char *const * not, unsigned depth)
{
    static const char *const nothing[] = {NULL};
    const msgpack_object_kv *kv, *end = map->ptr + map->size;
    struct tocsin_str key;
    char name[128];

    for (kv = map->ptr; kv < end; kv++) {
        if (!is_shown(&kv->key, not ))
            continue;
        key = tc_unpack_text(&kv->key);
        (void)snprintf(name, sizeof(name), "%s%s%.*s", prefix, *prefix ? "." : "",
                       (int)(key.len < sizeof(name) ? key.len : sizeof(name)), key.ptr);
        if (kv->val.type == MSGPACK_OBJECT_MAP && depth < DEPTH_SHOWN) {
            print_fields(&kv->val.via.map, name, nothing, depth + 1);
            continue;
        }
        fputs("  ", stdout);
        for (size_t n = tc_text_escape(stdout, name, strlen(name), 0); n < LABEL_WIDTH;
             n++)
            putchar(' ');
        fputs(" : ", stdout);
        if (is_time(name, &kv->val))
            tc_print_time(stdout, kv->val.via.u64, TC_TIME_ZONE);
        else
            print_value(&kv->val);
        putchar('\n');
    }
}

/* A map of the event as a section, under its own name. */
static void print_section(struct tocsin_str name, const msgpack_object_map *map,
                          const char *const * not )
{
    uint32_t i = 0;

    while (i < map->size && !is_shown(&map->ptr[i].key, not ))
        i++;
    if (i == map->size)
        return;
    putchar('\n');
    print_text(name);
    putchar('\n');
    print_fields(map, "", not, 1);
}

/* All but what the tree, or a section of its own, has said. */
static void print_rest(const msgpack_object *alert)
{
    static const char *const elsewhere[] = {"alert",   "rule", "threat",
                                            "matched", "host", NULL};
    static const char *const in_tree[] = {"pid",          "name",      "executable",
                                          "command_line", "args",      "args_count",
                                          "parent",       "ancestors", NULL};
    static const char *const nothing[] = {NULL};
    const msgpack_object *event = tc_unpack_find(alert, "event"), *host;
    const msgpack_object_kv *kv;

    if (!event || event->type != MSGPACK_OBJECT_MAP)
        return;
    for (uint32_t i = 0; i < event->via.map.size; i++) {
        kv = &event->via.map.ptr[i];
        if (is_shown(&kv->key, elsewhere) && kv->val.type == MSGPACK_OBJECT_MAP)
            print_section(tc_unpack_text(&kv->key), &kv->val.via.map,
                          tc_unpack_is(&kv->key, "process") ? in_tree : nothing);
    }
    host = tc_unpack_find(event, "host");
    if (host && host->type == MSGPACK_OBJECT_MAP)
        print_section((struct tocsin_str){"Machine", 7}, &host->via.map, nothing);
}

static void print_response(const msgpack_object *response)
{
    const msgpack_object *time = tc_unpack_find(response, "time_ns");
    const msgpack_object *pid = value_at(response, "pid");
    struct tocsin_str reason = tc_unpack_str(response, "reason");
    int64_t processes = tc_unpack_int(response, "processes", 0);

    fputs("  ", stdout);
    if (time && time->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        tc_print_time(stdout, time->via.u64, TC_TIME_ZONE);
    fputs("  ", stdout);
    tc_print_str(stdout, tc_unpack_str(response, "action"));
    if (pid) {
        fputs(" of process ", stdout);
        print_value(pid);
    }
    if (processes > 1)
        printf(" and %" PRId64 " below it", processes - 1);
    fputs(": ", stdout);
    tc_print_str(stdout, tc_unpack_str(response, "status"));
    if (reason.ptr) {
        fputs(", ", stdout);
        print_text(reason);
    }
    putchar('\n');
}

static void print_responses(const msgpack_object *alert)
{
    const msgpack_object *list = tc_unpack_array(alert, "responses");

    if (!list || !list->via.array.size)
        return;
    puts("\nResponses");
    for (uint32_t i = 0; i < list->via.array.size; i++)
        print_response(&list->via.array.ptr[i]);
}

int tc_run_alert_state(struct tc_cli *cli)
{
    struct tc_answer answer;
    int64_t changed;
    int r;

    r = tc_general_call(cli, &answer);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    tc_print_str(stdout, tc_unpack_str(answer.result, "id"));
    printf(": %s", cli->command->said);
    changed = tc_unpack_int(answer.result, "alerts", 1);
    if (changed != 1)
        printf(" (%" PRId64 " alerts)", changed);
    putchar('\n');
    return TC_EXIT_DONE;
}

int tc_run_alert_get(struct tc_cli *cli)
{
    const msgpack_object *alert;
    struct tc_answer answer;
    int r;

    r = tc_general_call(cli, &answer);
    if (r)
        return r;
    alert = answer.result;
    if (cli->json)
        return tc_general_json(alert);
    print_head(alert);
    print_rule(alert);
    print_threat(alert);
    print_matched(alert);
    print_matches(alert);
    print_tree(alert);
    print_rest(alert);
    print_responses(alert);
    return TC_EXIT_DONE;
}
