/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how one threat is shown to people: what was found where, by which rule, who had
 * it, and what was done. `--output json` has all of it as it is.
 */
#include <stdio.h>

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"

#define LABEL_WIDTH 12 /* columns of a field's name */

/* The first of the paths that has a value; they end with NULL. */
static const msgpack_object *first_of(const msgpack_object *map, const char *const *paths)
{
    const msgpack_object *o = NULL;

    for (; *paths && (!o || o->type == MSGPACK_OBJECT_NIL); paths++)
        o = tc_unpack_find(map, *paths);
    return o && o->type != MSGPACK_OBJECT_NIL ? o : NULL;
}

/* A line of a section, whose heading (NULL: none) comes before the first. */
static void print_line(const msgpack_object *map, const char **heading, const char *label,
                       const char *path, const char *other)
{
    const char *const paths[] = {path, other, NULL};
    const msgpack_object *o = first_of(map, paths);

    if (!o)
        return;
    if (*heading)
        printf("\n%s\n", *heading);
    *heading = NULL;
    printf("  %-*s : ", LABEL_WIDTH, label);
    if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
        (tc_print_time_name(path, strlen(path)) || !strcmp(label, "started")))
        tc_print_time(stdout, o->via.u64, TC_TIME_ZONE);
    else
        tc_print_value(stdout, o);
    putchar('\n');
}

static void print_found(const msgpack_object *threat)
{
    struct tocsin_str name = tc_unpack_str(threat, "name");
    const msgpack_object *paths = tc_unpack_array(threat, "paths");
    const char *none = NULL;

    if (name.ptr)
        tc_print_str(stdout, name);
    else
        fputs("A threat without a name", stdout);
    putchar('\n');
    print_line(threat, &none, "severity", "severity", NULL);
    print_line(threat, &none, "status", "status", NULL);
    print_line(threat, &none, "reason", "reason", NULL);
    print_line(threat, &none, "id", "id", NULL);
    print_line(threat, &none, "count", "count", NULL);
    print_line(threat, &none, "first seen", "first_seen_ns", NULL);
    print_line(threat, &none, "last seen", "last_seen_ns", NULL);
    if (!paths || paths->via.array.size < 2) {
        print_line(threat, &none, "path", "path", "paths");
        return;
    }
    for (uint32_t i = 0; i < paths->via.array.size; i++) {
        printf("  %-*s : ", LABEL_WIDTH, i ? "" : "paths");
        tc_print_value(stdout, &paths->via.array.ptr[i]);
        putchar('\n');
    }
}

static void print_rest(const msgpack_object *threat)
{
    const char *file = "File", *rule = "Rule", *process = "Process", *done = "Done";

    print_line(threat, &file, "sha256", "sha256", NULL);
    print_line(threat, &file, "size", "detected.file.size", NULL);
    print_line(threat, &rule, "name", "rule", "detected.rule.name");
    print_line(threat, &rule, "id", "detected.rule.id", NULL);
    print_line(threat, &rule, "description", "detected.rule.description", NULL);
    print_line(threat, &rule, "reference", "detected.rule.reference", NULL);
    print_line(threat, &process, "pid", "pid", "detected.process.pid");
    print_line(threat, &process, "executable", "process", "detected.process.executable");
    print_line(threat, &process, "command line", "command_line",
               "detected.process.command_line");
    print_line(threat, &process, "user", "user", "detected.process.user.id");
    print_line(threat, &process, "started", "detected.process.start", NULL);
    print_line(threat, &process, "parent", "detected.process.parent.executable",
               "detected.process.parent.name");
    print_line(threat, &done, "when", "remediated.@timestamp", NULL);
    print_line(threat, &done, "action", "remediated.detection.action", "action");
    print_line(threat, &done, "status", "remediated.detection.status", NULL);
    print_line(threat, &done, "reason", "remediated.detection.reason", NULL);
}

int tc_run_threat_get(struct tc_cli *cli)
{
    struct tc_answer answer;
    int r = tc_general_call(cli, &answer);

    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    print_found(answer.result);
    print_rest(answer.result);
    return TC_EXIT_DONE;
}
