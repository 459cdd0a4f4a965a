/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin approval list`: the gates as a table, and the command that helps. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"

#define TEXT_MAX 256
#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* The text of a field; empty as if there were none. */
static struct tocsin_str text_of(const msgpack_object *map, const char *field)
{
    struct tocsin_str s = tc_unpack_str(map, field);

    return s.len ? s : (struct tocsin_str){NULL, 0};
}

/* "40s", "3m", "2h", "5d": an age need not be exact. */
static void pack_age(struct tc_pack *p, int64_t seconds)
{
    char text[TEXT_MAX];

    if (seconds < 0)
        tc_pack_nil(p, "age");
    else if (seconds < 2 * MINUTE)
        snprintf(text, sizeof(text), "%" PRId64 "s", seconds);
    else if (seconds < 2 * HOUR)
        snprintf(text, sizeof(text), "%" PRId64 "m", seconds / MINUTE);
    else if (seconds < 2 * DAY)
        snprintf(text, sizeof(text), "%" PRId64 "h", seconds / HOUR);
    else
        snprintf(text, sizeof(text), "%" PRId64 "d", seconds / DAY);
    if (seconds >= 0)
        tc_pack_str(p, "age", text);
}

/* The state, and what there is to say of it: the time that is left, the system's answer.
 */
static void pack_state(struct tc_pack *p, const msgpack_object *whole,
                       const msgpack_object *gate)
{
    struct tocsin_str state = text_of(gate, "state"), result = text_of(gate, "result");
    int64_t left = tc_unpack_int(whole, "left_seconds", -1);
    char text[TEXT_MAX];
    int n;

    if (!tc_unpack_bool(gate, "asked", true)) {
        tc_pack_str(p, "state", "not needed");
        return;
    }
    if (tocsin_str_is(state, "prompting") && left >= 0)
        n = snprintf(text, sizeof(text), "prompting, %" PRId64 " s left", left);
    else if (state.ptr && result.ptr)
        n = snprintf(text, sizeof(text), "%.*s: %.*s", (int)state.len, state.ptr,
                     (int)result.len, result.ptr);
    else
        n = snprintf(text, sizeof(text), "%.*s", (int)state.len,
                     state.ptr ? state.ptr : "");
    n = n < (int)sizeof(text) ? n : (int)sizeof(text) - 1;
    tc_pack_strn(p, "state", text, (size_t)n);
}

/* Who is behind it: the profile, or the person and whether in this run. */
static void pack_by(struct tc_pack *p, const msgpack_object *gate)
{
    struct tocsin_str source = text_of(gate, "source"), who = text_of(gate, "profile");
    char text[TEXT_MAX];
    int n;

    if (!who.ptr)
        who = text_of(gate, "who");
    if (source.ptr && who.ptr) {
        n = snprintf(text, sizeof(text), "%.*s (%.*s)", (int)who.len, who.ptr,
                     (int)source.len, source.ptr);
        n = n < (int)sizeof(text) ? n : (int)sizeof(text) - 1;
        tc_pack_strn(p, "by", text, (size_t)n);
    } else {
        tc_pack_strn(p, "by", who.ptr ? who.ptr : source.ptr,
                     who.ptr ? who.len : source.len);
    }
}

/* The gates as people read them, into an array of maps for a table. */
static void pack_gates(struct tc_pack *p, const msgpack_object *whole,
                       const msgpack_object_array *gates)
{
    const msgpack_object *gate, *state;
    struct tocsin_str name;

    tc_pack_begin_array(p, NULL);
    for (uint32_t i = 0; i < gates->size; i++) {
        gate = &gates->ptr[i];
        name = text_of(gate, "gate");
        state = tc_unpack_find(gate, "extension_state");
        tc_pack_begin_map(p, NULL);
        tc_pack_strn(p, "gate", name.ptr, name.len);
        pack_state(p, whole, gate);
        pack_by(p, gate);
        pack_age(p, tc_unpack_int(gate, "age_seconds", -1));
        if (state)
            tc_pack_object(p, "extension_state", state);
        tc_pack_end(p);
    }
    tc_pack_end(p);
}

static int print_gates(const msgpack_object *whole)
{
    static const struct tc_column columns[] = {
        {"GATE", "gate"},
        {"STATE", "state"},
        {"BY", "by"},
        {"AGE", "age"},
        {"EXTENSION", "extension_state"},
        {NULL, NULL},
    };
    const msgpack_object *gates = tc_unpack_array(whole, "gates");
    const msgpack_object *table;
    struct tc_pack p;
    int r = TC_EXIT_DONE;

    if (!gates || !gates->via.array.size)
        return tc_call_failed("the agent's answer has no gates");
    tc_pack_init(&p);
    pack_gates(&p, whole, &gates->via.array);
    table = tc_pack_read(&p);
    if (table)
        tc_print_table(stdout, columns, table);
    else
        r = tc_call_failed("%s", strerror(-p.error));
    tc_pack_done(&p);
    return r;
}

static bool any_unmet(const msgpack_object_array *prerequisites)
{
    for (uint32_t i = 0; i < prerequisites->size; i++)
        if (!tc_unpack_bool(&prerequisites->ptr[i], "met", true))
            return true;
    return false;
}

static void print_prerequisites(const msgpack_object *whole)
{
    static const struct tc_column columns[] = {
        {"PREREQUISITE", "name"}, {"HAVE", "have"}, {"NEED", "need"},
        {"MET", "met"},           {NULL, NULL},
    };
    const msgpack_object *prerequisites = tc_unpack_array(whole, "prerequisites");

    if (!prerequisites || !any_unmet(&prerequisites->via.array))
        return;
    fputc('\n', stdout);
    tc_print_table(stdout, columns, prerequisites);
}

/* What is wrong and, last, what helps. */
static void print_issues(const msgpack_object *whole)
{
    const msgpack_object *issues = tc_unpack_array(whole, "issues");
    const msgpack_object *issue;
    struct tocsin_str fix;

    for (uint32_t i = 0; issues && i < issues->via.array.size; i++) {
        issue = &issues->via.array.ptr[i];
        fputc('\n', stdout);
        tc_print_str(stdout, text_of(issue, "text"));
        fix = text_of(issue, "fix");
        if (fix.ptr) {
            fputs("\n  fix: ", stdout);
            tc_print_str(stdout, fix);
        }
        fputc('\n', stdout);
    }
}

int tc_run_approval_list(struct tc_cli *cli)
{
    struct tc_answer answer;
    int r;

    r = tc_call(cli, cli->command->method, NULL, NULL, NULL, &answer);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    r = print_gates(answer.result);
    if (r)
        return r;
    print_prerequisites(answer.result);
    if (!tc_unpack_bool(answer.result, "required", true))
        puts("\nno approval is required (approval.required: false)");
    print_issues(answer.result);
    return TC_EXIT_DONE;
}
