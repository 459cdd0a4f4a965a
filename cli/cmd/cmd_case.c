/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how a case is shown to people: its alerts, what was done about them and what was
 * found, in order of time, and the processes of all of them as one tree.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"
#include "ipc/text.h"

#define LABEL_WIDTH 10    /* columns of a field's name */
#define TEXT_SHOWN 200    /* bytes of one text */
#define TREE_INDENT 3     /* columns of a generation */
#define PROCESSES_MAX 512 /* of one tree */
#define NONE SIZE_MAX

static void print_text(struct tocsin_str s)
{
    if (tc_print_beginning(stdout, s, TEXT_SHOWN))
        fputs("...", stdout);
}

/* ---- What happened when ---- */

enum kind { ALERT, RESPONSE, THREAT, REMEDY };

struct moment {
    uint64_t time_ns;
    enum kind kind;
    size_t number; /* of its alert, from 1; 0: none */
    const msgpack_object *what;
};

struct timeline {
    struct moment *all;
    size_t n;
};

/* Which of the alerts has that id, from 1. */
static size_t number_of(const msgpack_object *alerts, struct tocsin_str id)
{
    for (uint32_t i = 0; id.ptr && i < alerts->via.array.size; i++) {
        struct tocsin_str other = tc_unpack_str(&alerts->via.array.ptr[i], "id");

        if (other.len == id.len && !memcmp(other.ptr, id.ptr, id.len))
            return i + 1;
    }
    return 0;
}

static void add(struct timeline *line, enum kind kind, const char *time, size_t number,
                const msgpack_object *what)
{
    const msgpack_object *when = tc_unpack_find(what, time);

    if (when && when->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        line->all[line->n++] = (struct moment){when->via.u64, kind, number, what};
}

static int by_time(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;

    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

static uint32_t count(const msgpack_object *list)
{
    return list ? list->via.array.size : 0;
}

/* False: no memory. */
static bool make_timeline(const msgpack_object *result, const msgpack_object *alerts,
                          struct timeline *line)
{
    const msgpack_object *responses = tc_unpack_array(result, "responses");
    const msgpack_object *threats = tc_unpack_array(result, "threats"), *o;

    line->n = 0;
    line->all = calloc((size_t)count(alerts) + count(responses) + 2 * count(threats) + 1,
                       sizeof(*line->all));
    if (!line->all)
        return false;
    for (uint32_t i = 0; i < count(alerts); i++)
        add(line, ALERT, "time_ns", i + 1, &alerts->via.array.ptr[i]);
    for (uint32_t i = 0; i < count(responses); i++) {
        o = &responses->via.array.ptr[i];
        add(line, RESPONSE, "time_ns", number_of(alerts, tc_unpack_str(o, "alert")), o);
    }
    for (uint32_t i = 0; i < count(threats); i++) {
        o = &threats->via.array.ptr[i];
        add(line, THREAT, "first_seen_ns", number_of(alerts, tc_unpack_str(o, "id")), o);
        add(line, REMEDY, "remediated_ns", number_of(alerts, tc_unpack_str(o, "id")), o);
    }
    qsort(line->all, line->n, sizeof(*line->all), by_time);
    return true;
}

static void print_key(const msgpack_object *map, const char *before, const char *key)
{
    struct tocsin_str text = tc_unpack_str(map, key);

    if (!text.ptr)
        return;
    fputs(before, stdout);
    print_text(text);
}

static void print_moment(const struct moment *moment)
{
    static const char *const names[] = {"alert", "response", "threat", "threat"};
    int64_t often = tc_unpack_int(moment->what, "count", 1);

    fputs("  ", stdout);
    tc_print_time(stdout, moment->time_ns, TC_TIME_DATE);
    printf("  %-8s ", names[moment->kind]);
    if (moment->number)
        printf("[%zu]", moment->number);
    switch (moment->kind) {
    case ALERT:
        print_key(moment->what, " ", "severity");
        print_key(moment->what, ": ", "title");
        if (often > 1)
            printf(" (%" PRId64 " times)", often);
        if (tc_unpack_is(tc_unpack_find(moment->what, "state"), "closed"))
            print_key(moment->what, ", closed: ", "note");
        break;
    case RESPONSE:
        print_key(moment->what, " ", "action");
        print_key(moment->what, ": ", "status");
        print_key(moment->what, ", ", "reason");
        break;
    case THREAT:
        print_key(moment->what, " ", "name");
        print_key(moment->what, " in ", "path");
        break;
    case REMEDY:
        print_key(moment->what, " ", "status");
        print_key(moment->what, ": ", "path");
        break;
    }
    putchar('\n');
}

/* ---- Who ---- */

struct process {
    int64_t pid, start;
    const msgpack_object *what;
    size_t parent;             /* in the tree; NONE */
    unsigned long long alerts; /* the first 64, a bit each */
};

struct tree {
    struct process all[PROCESSES_MAX];
    size_t n;
};

/* Finds or makes it; NONE: there is no room. A later sight of it may know more. */
static size_t place(struct tree *tree, const msgpack_object *what)
{
    int64_t pid = tc_unpack_int(what, "pid", 0), start = tc_unpack_int(what, "start", 0);
    struct process *process;

    for (size_t i = 0; i < tree->n; i++) {
        process = &tree->all[i];
        if (process->pid != pid || process->start != start)
            continue;
        if (tc_unpack_str(what, "command_line").ptr &&
            !tc_unpack_str(process->what, "command_line").ptr)
            process->what = what;
        return i;
    }
    if (tree->n == PROCESSES_MAX || pid <= 0)
        return NONE;
    tree->all[tree->n] =
        (struct process){.pid = pid, .start = start, .what = what, .parent = NONE};
    return tree->n++;
}

/* Unless that would make a ring of them. */
static void set_parent(struct tree *tree, size_t child, size_t parent)
{
    if (child == NONE || parent == NONE || tree->all[child].parent != NONE)
        return;
    for (size_t i = parent; i != NONE; i = tree->all[i].parent)
        if (i == child)
            return;
    tree->all[child].parent = parent;
}

static void add_chain(struct tree *tree, const msgpack_object *alert, uint32_t number)
{
    const msgpack_object *process = tc_unpack_find(alert, "event.process");
    const msgpack_object *above = tc_unpack_array(process, "ancestors");
    size_t child, parent;

    if (!process || process->type != MSGPACK_OBJECT_MAP)
        return;
    child = place(tree, process);
    if (child != NONE && number < 64)
        tree->all[child].alerts |= 1ull << number;
    if (!above && tc_unpack_find(process, "parent"))
        set_parent(tree, child, place(tree, tc_unpack_find(process, "parent")));
    for (uint32_t i = 0; i < count(above); i++) {
        parent = place(tree, &above->via.array.ptr[i]);
        set_parent(tree, child, parent);
        child = parent;
    }
}

static void print_process(const struct process *process, unsigned depth)
{
    printf("  %*s%s%" PRId64 " ", depth ? (int)(depth - 1) * TREE_INDENT : 0, "",
           depth ? (tc_print_ascii() ? "`- " : "└─ ") : "", process->pid);
    print_key(process->what, "",
              tc_unpack_str(process->what, "executable").ptr ? "executable" : "name");
    print_key(process->what, ": ", "command_line");
    for (unsigned i = 0; i < 64; i++)
        if (process->alerts >> i & 1)
            printf(" [%u]", i + 1);
    putchar('\n');
}

static void print_below(const struct tree *tree, size_t parent, unsigned depth)
{
    for (size_t i = 0; i < tree->n; i++) {
        if (tree->all[i].parent != parent)
            continue;
        print_process(&tree->all[i], depth);
        print_below(tree, i, depth + 1);
    }
}

static void print_tree(const msgpack_object *alerts)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    for (uint32_t i = 0; tree && i < count(alerts); i++)
        add_chain(tree, &alerts->via.array.ptr[i], i);
    if (tree && tree->n) {
        puts("\nProcesses");
        print_below(tree, NONE, 0);
    }
    free(tree);
}

/* ---- All of it ---- */

static void print_field(const msgpack_object *map, const char *label, const char *key)
{
    const msgpack_object *o = tc_unpack_find(map, key);

    if (!o || o->type == MSGPACK_OBJECT_NIL)
        return;
    printf("  %-*s : ", LABEL_WIDTH, label);
    if (tc_print_time_name(key, strlen(key)) &&
        o->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        tc_print_time(stdout, o->via.u64, TC_TIME_ZONE);
    else
        tc_print_value(stdout, o);
    putchar('\n');
}

int tc_run_case_get(struct tc_cli *cli)
{
    const msgpack_object *result, *alerts;
    struct tc_answer answer;
    struct timeline line;
    int r;

    r = tc_general_call(cli, &answer);
    if (r)
        return r;
    result = answer.result;
    if (cli->json)
        return tc_general_json(result);
    alerts = tc_unpack_array(result, "timeline");
    if (!make_timeline(result, alerts, &line))
        return tc_call_failed("%s", strerror(ENOMEM));
    print_key(result, "", "title");
    putchar('\n');
    print_field(result, "severity", "severity");
    print_field(result, "id", "id");
    print_field(result, "state", "state");
    print_field(result, "alerts", "alerts");
    print_field(result, "first seen", "first_seen_ns");
    print_field(result, "last seen", "last_seen_ns");
    puts("\nTimeline");
    for (size_t i = 0; i < line.n; i++)
        print_moment(&line.all[i]);
    if (tc_unpack_bool(result, "truncated", false))
        puts("  and more: tocsin alert list --state all --case ID");
    free(line.all);
    print_tree(alerts);
    return TC_EXIT_DONE;
}
