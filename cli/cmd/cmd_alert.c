/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how one alert is told to people: what was found, by whose rule, what matched, and
 * the tree of processes that led to it. `--output json` has all of it as it is.
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

/* The answer of alert.get. */
struct alert {
    const void *data;
    size_t len;
};

static struct tocsin_str str_at(const struct alert *alert, const char *path)
{
    return tocsin_find_str(alert->data, alert->len, path);
}

static bool value_at(const struct alert *alert, const char *path,
                     struct tocsin_value *ret)
{
    return tocsin_find(alert->data, alert->len, path, ret) && ret->type != TOCSIN_NIL;
}

/* A map within the answer, to be looked into as the answer is. */
static struct alert within(const struct tocsin_value *v)
{
    return (struct alert){v->start, (size_t)(v->end - v->start)};
}

static void print_text(struct tocsin_str s)
{
    size_t n = s.len;

    if (n > TEXT_SHOWN)
        for (n = TEXT_SHOWN; n > TEXT_SHOWN - 4 && ((uint8_t)s.ptr[n] & 0xc0) == 0x80;)
            n--;
    tc_text_escape(stdout, s.ptr, n, 0);
    if (n < s.len)
        printf("... (%zu bytes more)", s.len - n);
}

static void print_value(const struct tocsin_value *v)
{
    if (v->type == TOCSIN_STR || v->type == TOCSIN_BIN)
        print_text((struct tocsin_str){v->ptr, v->len});
    else
        tc_print_value(stdout, v);
}

static void print_label(const char *label)
{
    printf("  %-*s : ", LABEL_WIDTH, label);
}

/* Prints a field, if it is there. */
static void print_field(const struct alert *alert, const char *label, const char *path)
{
    struct tocsin_value v;

    if (!value_at(alert, path, &v))
        return;
    print_label(label);
    print_value(&v);
    putchar('\n');
}

static void print_time(const struct alert *alert, const char *label, const char *path)
{
    struct tocsin_value v;

    if (!value_at(alert, path, &v) || v.type != TOCSIN_UINT)
        return;
    print_label(label);
    tc_print_time(stdout, v.u, TC_TIME_ZONE);
    putchar('\n');
}

/* ---- What was found, by whose rule ---- */

static void print_head(const struct alert *alert)
{
    struct tocsin_str title = str_at(alert, "title");

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
    print_field(alert, "description", "event.alert.description");
}

/* A text, or a list of them, a line each. */
static void print_lines(const struct alert *alert, const char *label, const char *path)
{
    struct tocsin_value list, item;
    struct tocsin_iter it;

    if (!value_at(alert, path, &list))
        return;
    if (list.type != TOCSIN_ARRAY) {
        print_field(alert, label, path);
        return;
    }
    tocsin_iter_init(&it, &list);
    for (; tocsin_iter_next(&it, NULL, &item); label = "") {
        print_label(label);
        print_value(&item);
        putchar('\n');
    }
}

static void print_rule(const struct alert *alert)
{
    struct tocsin_value rule;

    if (!value_at(alert, "event.rule", &rule))
        return;
    puts("\nRule");
    print_field(alert, "name", "event.rule.name");
    print_field(alert, "id", "event.rule.id");
    print_field(alert, "author", "event.rule.author");
    print_field(alert, "license", "event.rule.license");
    print_field(alert, "level", "event.rule.level");
    if (!value_at(alert, "event.alert.description", &rule)) /* that is the same */
        print_field(alert, "description", "event.rule.description");
    print_lines(alert, "reference", "event.rule.reference");
    print_field(alert, "file", "event.rule.file");
}

/* The ids and the names of tactics stand in two lists, in the same order. */
static void print_tactics(const struct alert *alert)
{
    struct tocsin_value ids, names, id, name;
    struct tocsin_iter id_it, name_it;
    bool first = true;

    if (!value_at(alert, "event.threat.tactic.id", &ids) ||
        !value_at(alert, "event.threat.tactic.name", &names))
        return;
    tocsin_iter_init(&id_it, &ids);
    tocsin_iter_init(&name_it, &names);
    print_label("tactic");
    while (tocsin_iter_next(&id_it, NULL, &id) &&
           tocsin_iter_next(&name_it, NULL, &name)) {
        if (!first)
            fputs(", ", stdout);
        first = false;
        print_value(&id);
        putchar(' ');
        print_value(&name);
    }
    putchar('\n');
}

static void print_threat(const struct alert *alert)
{
    struct tocsin_value v;

    if (!value_at(alert, "event.threat", &v))
        return;
    putchar('\n');
    print_text(str_at(alert, "event.threat.framework"));
    putchar('\n');
    print_field(alert, "technique", "event.threat.technique.id");
    print_tactics(alert);
}

static void print_matched(const struct alert *alert)
{
    struct tocsin_value fields, item;
    struct tocsin_str name, value;
    struct tocsin_iter it;
    struct alert field;

    if (!value_at(alert, "event.matched", &fields))
        return;
    fputs("\nWhat matched, in ", stdout);
    print_text(str_at(alert, "event.matched.topic"));
    putchar('\n');
    print_field(alert, "events counted", "event.matched.count");
    if (!value_at(alert, "event.matched.fields", &fields))
        return;
    tocsin_iter_init(&it, &fields);
    while (tocsin_iter_next(&it, NULL, &item)) {
        field = within(&item);
        name = str_at(&field, "name");
        value = str_at(&field, "value");
        fputs("  ", stdout);
        print_text(name.len ? name : (struct tocsin_str){"(keyword)", 9});
        fputs(" = ", stdout);
        if (value.ptr)
            print_text(value);
        putchar('\n');
    }
}

/* ---- Who ---- */

/* One process of the tree, under `depth` others. */
static void print_process(const struct tocsin_value *map, unsigned depth)
{
    struct alert process = within(map);
    struct tocsin_str name = str_at(&process, "executable");
    struct tocsin_str line = str_at(&process, "command_line");
    int64_t user = tocsin_find_int(process.data, process.len, "user.id", -1);

    printf("  %*s%s%" PRId64 " ", depth ? (int)(depth - 1) * TREE_INDENT : 0, "",
           depth ? "└─ " : "", tocsin_find_int(process.data, process.len, "pid", 0));
    if (!name.ptr)
        name = str_at(&process, "name");
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

/* The ancestors stand nearest first, and are drawn from the farthest down. */
static unsigned print_ancestors(const struct tocsin_value *list)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    unsigned depth = 0;

    for (; depth < list->count; depth++) {
        tocsin_iter_init(&it, list);
        for (uint32_t skip = list->count - depth; skip; skip--)
            if (!tocsin_iter_next(&it, NULL, &item))
                return depth;
        print_process(&item, depth);
    }
    return depth;
}

static void print_tree(const struct alert *alert)
{
    struct tocsin_value process, above;
    unsigned depth = 0;

    if (!value_at(alert, "event.process", &process) || process.type != TOCSIN_MAP)
        return;
    puts("\nProcesses");
    if (value_at(alert, "event.process.ancestors", &above) &&
        above.type == TOCSIN_ARRAY) {
        above.count = above.count < TREE_MAX ? above.count : TREE_MAX;
        depth = print_ancestors(&above);
    } else if (value_at(alert, "event.process.parent", &above)) {
        print_process(&above, 0);
        depth = 1;
    }
    print_process(&process, depth);
}

/* ---- What else the event says ---- */

static bool is_one_of(const char *const *names, const struct tocsin_value *key)
{
    for (; *names; names++)
        if (tocsin_str_is((struct tocsin_str){key->ptr, key->len}, *names))
            return true;
    return false;
}

/* Of a process, `start` is one too. */
static bool is_time(const char *name, const struct tocsin_value *v)
{
    const char *dot = strrchr(name, '.');

    return v->type == TOCSIN_UINT && (tc_print_time_name(name, strlen(name)) ||
                                      !strcmp(dot ? dot + 1 : name, "start"));
}

/* The fields of a map, but those named in `not`; nested ones by their dotted names. */
static void print_fields(const struct tocsin_value *map, const char *prefix,
                         const char *const * not, unsigned depth)
{
    static const char *const nothing[] = {NULL};
    struct tocsin_value key = {.type = TOCSIN_NIL}, item;
    struct tocsin_iter it;
    char name[128];

    tocsin_iter_init(&it, map);
    while (tocsin_iter_next(&it, &key, &item)) {
        if (key.type != TOCSIN_STR || is_one_of(not, &key))
            continue;
        (void)snprintf(name, sizeof(name), "%s%s%.*s", prefix, *prefix ? "." : "",
                       (int)(key.len < sizeof(name) ? key.len : sizeof(name)), key.ptr);
        if (item.type == TOCSIN_MAP && depth < DEPTH_SHOWN) {
            print_fields(&item, name, nothing, depth + 1);
            continue;
        }
        fputs("  ", stdout);
        for (size_t n = tc_text_escape(stdout, name, strlen(name), 0); n < LABEL_WIDTH;
             n++)
            putchar(' ');
        fputs(" : ", stdout);
        if (is_time(name, &item))
            tc_print_time(stdout, item.u, TC_TIME_ZONE);
        else
            print_value(&item);
        putchar('\n');
    }
}

static bool has_fields(const struct tocsin_value *map, const char *const * not )
{
    struct tocsin_value key = {.type = TOCSIN_NIL}, item;
    struct tocsin_iter it;

    tocsin_iter_init(&it, map);
    while (tocsin_iter_next(&it, &key, &item))
        if (key.type == TOCSIN_STR && !is_one_of(not, &key))
            return true;
    return false;
}

/* A map of the event as a section, under its own name. */
static void print_section(struct tocsin_str name, const struct tocsin_value *map,
                          const char *const * not )
{
    if (!has_fields(map, not ))
        return;
    putchar('\n');
    print_text(name);
    putchar('\n');
    print_fields(map, "", not, 1);
}

/* All but what the tree, or a section of its own, has said. */
static void print_rest(const struct alert *alert)
{
    static const char *const told[] = {"alert",   "rule", "threat",
                                       "matched", "host", NULL};
    static const char *const in_tree[] = {"pid",          "name",      "executable",
                                          "command_line", "args",      "args_count",
                                          "parent",       "ancestors", NULL};
    static const char *const nothing[] = {NULL};
    struct tocsin_value event, key = {.type = TOCSIN_NIL}, item;
    struct tocsin_iter it;
    struct tocsin_str name;

    if (!value_at(alert, "event", &event))
        return;
    tocsin_iter_init(&it, &event);
    while (tocsin_iter_next(&it, &key, &item)) {
        if (key.type != TOCSIN_STR || item.type != TOCSIN_MAP || is_one_of(told, &key))
            continue;
        name = (struct tocsin_str){key.ptr, key.len};
        print_section(name, &item, tocsin_str_is(name, "process") ? in_tree : nothing);
    }
    if (value_at(alert, "event.host", &item))
        print_section((struct tocsin_str){"Machine", 7}, &item, nothing);
}

static void print_responses(const struct alert *alert)
{
    struct tocsin_value list, item, at;
    struct alert response;
    struct tocsin_iter it;

    if (!value_at(alert, "responses", &list) || list.type != TOCSIN_ARRAY || !list.count)
        return;
    puts("\nResponses");
    tocsin_iter_init(&it, &list);
    while (tocsin_iter_next(&it, NULL, &item)) {
        response = within(&item);
        fputs("  ", stdout);
        if (value_at(&response, "time_ns", &at) && at.type == TOCSIN_UINT)
            tc_print_time(stdout, at.u, TC_TIME_ZONE);
        fputs("  ", stdout);
        tc_print_str(stdout, str_at(&response, "action"));
        if (value_at(&response, "pid", &at)) {
            fputs(" of process ", stdout);
            print_value(&at);
        }
        if (value_at(&response, "processes", &at) && at.type == TOCSIN_UINT && at.u > 1)
            printf(" and %" PRIu64 " below it", at.u - 1);
        fputs(": ", stdout);
        tc_print_str(stdout, str_at(&response, "status"));
        if (str_at(&response, "reason").ptr) {
            fputs(", ", stdout);
            print_text(str_at(&response, "reason"));
        }
        putchar('\n');
    }
}

int tc_run_alert_get(struct tc_cli *cli)
{
    struct tocsin_value result;
    struct tc_answer answer;
    struct alert alert;
    int r;

    r = tc_general_call(cli, &answer, &result);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(&result);
    alert = (struct alert){answer.result, answer.len};
    print_head(&alert);
    print_rule(&alert);
    print_threat(&alert);
    print_matched(&alert);
    print_tree(&alert);
    print_rest(&alert);
    print_responses(&alert);
    return TC_EXIT_DONE;
}
