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

/* A map of the answer, and what is asked of it. */
struct map {
    const void *data;
    size_t len;
};

static struct map map_of(const struct tocsin_value *v)
{
    return (struct map){v->start, (size_t)(v->end - v->start)};
}

static struct tocsin_str text_of(struct map map, const char *field)
{
    struct tocsin_str s = tocsin_find_str(map.data, map.len, field);

    return s.len ? s : (struct tocsin_str){NULL, 0};
}

static bool list_of(struct map map, const char *field, struct tocsin_value *ret)
{
    return tocsin_find(map.data, map.len, field, ret) && ret->type == TOCSIN_ARRAY &&
           ret->count;
}

/* "40s", "3m", "2h", "5d": an age need not be exact. */
static void put_age(struct tocsin_writer *w, int64_t seconds)
{
    char text[TEXT_MAX];

    if (seconds < 0)
        tocsin_put_nil(w, "age");
    else if (seconds < 2 * MINUTE)
        snprintf(text, sizeof(text), "%" PRId64 "s", seconds);
    else if (seconds < 2 * HOUR)
        snprintf(text, sizeof(text), "%" PRId64 "m", seconds / MINUTE);
    else if (seconds < 2 * DAY)
        snprintf(text, sizeof(text), "%" PRId64 "h", seconds / HOUR);
    else
        snprintf(text, sizeof(text), "%" PRId64 "d", seconds / DAY);
    if (seconds >= 0)
        tocsin_put_str(w, "age", text);
}

/* The state, and what there is to say of it: the time that is left, the system's answer.
 */
static void put_state(struct tocsin_writer *w, struct map whole, struct map gate)
{
    struct tocsin_str state = text_of(gate, "state"), result = text_of(gate, "result");
    int64_t left = tocsin_find_int(whole.data, whole.len, "left_seconds", -1);
    char text[TEXT_MAX];
    int n;

    if (!tocsin_find_bool(gate.data, gate.len, "asked", true)) {
        tocsin_put_str(w, "state", "not needed");
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
    tocsin_put_strn(w, "state", text, (size_t)n);
}

/* Who is behind it: the profile, or the person and whether in this run. */
static void put_by(struct tocsin_writer *w, struct map gate)
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
        tocsin_put_strn(w, "by", text, (size_t)n);
    } else {
        tocsin_put_strn(w, "by", who.ptr ? who.ptr : source.ptr,
                        who.ptr ? who.len : source.len);
    }
}

/* The gates as people read them, into an array of maps for a table. */
static void put_gates(struct tocsin_writer *w, struct map whole,
                      const struct tocsin_value *gates)
{
    struct tocsin_value item, v;
    struct tocsin_iter it;
    struct tocsin_str name;
    struct map gate;

    tocsin_begin_array(w, NULL);
    tocsin_iter_init(&it, gates);
    while (tocsin_iter_next(&it, NULL, &item)) {
        gate = map_of(&item);
        name = text_of(gate, "gate");
        tocsin_begin_map(w, NULL);
        tocsin_put_strn(w, "gate", name.ptr, name.len);
        put_state(w, whole, gate);
        put_by(w, gate);
        put_age(w, tocsin_find_int(gate.data, gate.len, "age_seconds", -1));
        if (tocsin_find(gate.data, gate.len, "extension_state", &v))
            tocsin_put_encoded(w, "extension_state", v.start, tocsin_value_size(&v));
        tocsin_end(w);
    }
    tocsin_end(w);
}

static int print_gates(struct map whole)
{
    static const struct tc_column columns[] = {
        {"GATE", "gate"},
        {"STATE", "state"},
        {"BY", "by"},
        {"AGE", "age"},
        {"EXTENSION", "extension_state"},
        {NULL, NULL},
    };
    struct tocsin_value gates, table;
    struct tocsin_writer w;
    int r = TC_EXIT_DONE;

    if (!list_of(whole, "gates", &gates))
        return tc_call_failed("the agent's answer has no gates");
    tocsin_writer_init_growing(&w);
    put_gates(&w, whole, &gates);
    if (!w.error && tocsin_read(w.buf, w.buf + w.len, &table))
        tc_print_table(stdout, columns, &table);
    else
        r = tc_call_failed("%s", strerror(w.error ? -w.error : EBADMSG));
    tocsin_writer_done(&w);
    return r;
}

static bool any_unmet(const struct tocsin_value *prerequisites)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    struct map map;

    tocsin_iter_init(&it, prerequisites);
    while (tocsin_iter_next(&it, NULL, &item)) {
        map = map_of(&item);
        if (!tocsin_find_bool(map.data, map.len, "met", true))
            return true;
    }
    return false;
}

static void print_prerequisites(struct map whole)
{
    static const struct tc_column columns[] = {
        {"PREREQUISITE", "name"}, {"HAVE", "have"}, {"NEED", "need"},
        {"MET", "met"},           {NULL, NULL},
    };
    struct tocsin_value prerequisites;

    if (!list_of(whole, "prerequisites", &prerequisites) || !any_unmet(&prerequisites))
        return;
    fputc('\n', stdout);
    tc_print_table(stdout, columns, &prerequisites);
}

/* What is wrong and, last, what helps. */
static void print_issues(struct map whole)
{
    struct tocsin_value issues, item;
    struct tocsin_str fix;
    struct tocsin_iter it;
    struct map map;

    if (!list_of(whole, "issues", &issues))
        return;
    tocsin_iter_init(&it, &issues);
    while (tocsin_iter_next(&it, NULL, &item)) {
        map = map_of(&item);
        fputc('\n', stdout);
        tc_print_str(stdout, text_of(map, "text"));
        fix = text_of(map, "fix");
        if (fix.ptr) {
            fputs("\n  fix: ", stdout);
            tc_print_str(stdout, fix);
        }
        fputc('\n', stdout);
    }
}

int tc_run_approval_list(struct tc_cli *cli)
{
    struct tocsin_value result;
    struct tc_answer answer;
    struct map whole;
    int r;

    r = tc_call(cli, cli->command->method, NULL, NULL, NULL, &answer);
    if (!r)
        r = tc_call_value(&answer, &result);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(&result);
    whole = (struct map){answer.result, answer.len};
    r = print_gates(whole);
    if (r)
        return r;
    print_prerequisites(whole);
    if (!tocsin_find_bool(whole.data, whole.len, "required", true))
        puts("\nno approval is required (approval.required: false)");
    print_issues(whole);
    return TC_EXIT_DONE;
}
