/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin definitions list` and `reload`: what the detectors judge by, as they say
 * it, and which log sources its rules can fire on. Must not: read a rule.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"
#include "cli/sources.h"

#define KEY_MAX 96
#define AGAIN_MAX                                                                        \
    5 /* times that a list is read anew because it has changed meanwhile                 \
       */

/* The rules of plugin edr, put together of the pages of its answers. */
struct listing {
    struct tc_cli *cli;
    struct tocsin_writer items; /* an open array */
    uint64_t generation, next;
    struct tc_sources sources;
};

static const char *const detectors[] = {"edr", "av"};
#define DETECTORS (sizeof(detectors) / sizeof(detectors[0]))

static const struct tc_column rule_columns[] = {
    {"ID", "id"},       {"LEVEL", "level"}, {"STATE", "state"}, {"LOG SOURCE", "source"},
    {"TITLE", "title"}, {NULL, NULL},
};

/* ---- One rule ---- */

/* The log source of a rule as the agent tells it. */
static void name_source(const struct tocsin_value *rule, char ret[TC_SOURCE_NAME_BYTES])
{
    size_t len = tocsin_value_size(rule);
    const struct tocsin_str parts[] = {tocsin_find_str(rule->start, len, "product"),
                                       tocsin_find_str(rule->start, len, "category"),
                                       tocsin_find_str(rule->start, len, "service")};

    tc_source_name(parts, tocsin_find_bool(rule->start, len, "correlation", false), ret);
}

static void take_item(struct listing *l, const struct tocsin_value *item)
{
    struct tocsin_value key = {.type = TOCSIN_NIL}, value;
    size_t len = tocsin_value_size(item);
    struct tocsin_str state = tocsin_find_str(item->start, len, "state");
    char source[TC_SOURCE_NAME_BYTES], name[KEY_MAX];
    struct tocsin_iter it;

    tocsin_begin_map(&l->items, NULL);
    tocsin_iter_init(&it, item);
    while (tocsin_iter_next(&it, &key, &value)) {
        if (key.type != TOCSIN_STR || key.len >= sizeof(name))
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)key.len, key.ptr);
        tocsin_put_encoded(&l->items, name, value.start, tocsin_value_size(&value));
    }
    if (!tocsin_str_is(state, "refused")) {
        name_source(item, source);
        tocsin_put_str(&l->items, "source", source);
        tc_sources_count(&l->sources, source, tocsin_str_is(state, "runs"));
    }
    tocsin_end(&l->items);
}

/* ---- The pages ---- */

/* One page, into `items`; `totals` gets the rest of the first one. -EAGAIN: the rules
 * have changed since. */
static int take_page(struct listing *l, const struct tc_answer *answer,
                     struct tocsin_writer *totals)
{
    struct tocsin_value result, key = {.type = TOCSIN_NIL}, value, item;
    uint64_t generation =
        (uint64_t)tocsin_find_int(answer->result, answer->len, "generation", 0);
    struct tocsin_iter it, items;
    char name[KEY_MAX];
    uint64_t next = (uint64_t)tocsin_find_int(answer->result, answer->len, "next", 0);
    bool first = !l->next;

    if (!first && generation != l->generation)
        return -EAGAIN;
    if ((next && next <= l->next) ||
        !tocsin_read(answer->result, answer->result + answer->len, &result))
        return -EPROTO;
    l->generation = generation;
    l->next = next;
    tocsin_iter_init(&it, &result);
    while (tocsin_iter_next(&it, &key, &value)) {
        snprintf(name, sizeof(name), "%.*s", (int)key.len, key.ptr);
        if (!strcmp(name, "items")) {
            tocsin_iter_init(&items, &value);
            while (tocsin_iter_next(&items, NULL, &item))
                take_item(l, &item);
        } else if (first && strcmp(name, "next") != 0) {
            tocsin_put_encoded(totals, name, value.start, tocsin_value_size(&value));
        }
    }
    return 0;
}

static void begin_listing(struct listing *l, struct tocsin_writer *totals)
{
    tocsin_writer_done(&l->items);
    tocsin_writer_done(totals);
    tocsin_writer_init_growing(&l->items);
    tocsin_writer_init_growing(totals);
    tocsin_begin_map(totals, NULL);
    tocsin_begin_array(&l->items, NULL);
    l->next = l->sources.count = 0;
    if (l->sources.items)
        memset(l->sources.items, 0, TC_SOURCES_MAX * sizeof(*l->sources.items));
}

/* Asks a detector for a page. Its own refusal is said with its name. */
static int ask(struct tc_cli *cli, const char *method, uint64_t offset,
               struct tc_answer *ret_answer)
{
    struct tocsin_writer w;
    uint8_t buf[64];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    if (offset)
        tocsin_put_uint(&w, "offset", offset);
    tocsin_end(&w);
    return tc_call(cli, method, &w, NULL, NULL, ret_answer);
}

/* Which of the detectors run; what does not has no definitions in force. */
static int find_running(struct tc_cli *cli, bool ret_running[DETECTORS])
{
    struct tocsin_value items, item;
    struct tc_answer answer;
    struct tocsin_iter it;
    int r = tc_call(cli, "plugin.list", NULL, NULL, NULL, &answer);

    memset(ret_running, 0, DETECTORS * sizeof(*ret_running));
    if (r || !tocsin_find(answer.result, answer.len, "items", &items))
        return r;
    tocsin_iter_init(&it, &items);
    while (tocsin_iter_next(&it, NULL, &item)) {
        size_t len = tocsin_value_size(&item);

        for (size_t i = 0; i < DETECTORS; i++)
            ret_running[i] |=
                tocsin_str_is(tocsin_find_str(item.start, len, "name"), detectors[i]) &&
                tocsin_str_is(tocsin_find_str(item.start, len, "state"), "running");
    }
    return TC_EXIT_DONE;
}

/* All that a detector says of its definitions, as one map under its name. */
static int put_detector(struct listing *l, const char *name, struct tocsin_writer *w)
{
    struct tocsin_writer totals = {.buf = NULL};
    struct tc_answer answer;
    char method[KEY_MAX];
    int r = TC_EXIT_DONE, error = 0;

    snprintf(method, sizeof(method), "%s.definitions", name);
    begin_listing(l, &totals);
    for (int again = 0; !r;) {
        r = ask(l->cli, method, l->next, &answer);
        error = r ? 0 : take_page(l, &answer, &totals);
        if (error == -EAGAIN && again++ < AGAIN_MAX)
            begin_listing(l, &totals);
        else if (error)
            r = tc_call_failed("the list of %s: %s", name, strerror(-error));
        else if (!l->next)
            break;
    }
    tocsin_end(&l->items);
    tocsin_put_encoded(&totals, "items", l->items.buf, l->items.len);
    if (l->sources.count)
        tc_sources_put(&l->sources, &totals, "sources");
    tocsin_end(&totals);
    error = l->items.error ? l->items.error : totals.error;
    if (!r && error)
        r = tc_call_failed("the list of %s: %s", name, strerror(-error));
    if (!r)
        tocsin_put_encoded(w, name, totals.buf, totals.len);
    tocsin_writer_done(&totals);
    tocsin_writer_done(&l->items);
    return r;
}

/* ---- As text ---- */

static void print_totals(const char *name, const struct tocsin_value *detector)
{
    size_t len = tocsin_value_size(detector);
    struct tocsin_str version = tocsin_find_str(detector->start, len, "version");
    int64_t updated = tocsin_find_int(detector->start, len, "updated_ns", 0);
    int64_t refused = tocsin_find_int(detector->start, len, "refused", 0);

    printf("%s: %" PRId64 " rules of %" PRId64 " files, version ", name,
           tocsin_find_int(detector->start, len, "rules", 0),
           tocsin_find_int(detector->start, len, "files", 0));
    tc_print_str(stdout, version);
    if (updated > 0) {
        fputs(", of ", stdout);
        tc_print_time(stdout, (uint64_t)updated, TC_TIME_DATE);
    }
    if (refused)
        printf(", %" PRId64 " left out", refused);
    if (tocsin_find_bool(detector->start, len, "loading", false))
        fputs("; they are being loaded anew", stdout);
    fputc('\n', stdout);
}

/* file:line:column: why, of a rule that does not run. */
static void print_why(const struct tocsin_value *item)
{
    size_t len = tocsin_value_size(item);
    int64_t line = tocsin_find_int(item->start, len, "line", 0);

    struct tocsin_str file = tocsin_find_str(item->start, len, "file");

    fputs("  ", stdout);
    tc_print_str(stdout, file);
    if (line)
        printf(":%" PRId64 ":%" PRId64, line,
               tocsin_find_int(item->start, len, "column", 0));
    fputs(file.ptr ? ": " : "", stdout);
    tc_print_str(stdout, tocsin_find_str(item->start, len, "why"));
    fputc('\n', stdout);
}

/* Those of the items that are rules, for the table. */
static void print_rules(const struct tocsin_value *items)
{
    struct tocsin_value item, rules;
    struct tocsin_writer w;
    struct tocsin_iter it;
    size_t n = 0;

    tocsin_writer_init_growing(&w);
    tocsin_begin_array(&w, NULL);
    tocsin_iter_init(&it, items);
    while (tocsin_iter_next(&it, NULL, &item)) {
        if (!tocsin_find(item.start, tocsin_value_size(&item), "title", &rules))
            continue;
        tocsin_put_encoded(&w, NULL, item.start, tocsin_value_size(&item));
        n++;
    }
    tocsin_end(&w);
    if (n && !w.error && tocsin_read(w.buf, w.buf + w.len, &rules)) {
        fputc('\n', stdout);
        tc_print_table(stdout, rule_columns, &rules);
    }
    tocsin_writer_done(&w);
}

static void print_reasons(const struct tocsin_value *items)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    size_t n = 0;

    tocsin_iter_init(&it, items);
    while (tocsin_iter_next(&it, NULL, &item)) {
        if (!tocsin_find_str(item.start, tocsin_value_size(&item), "why").ptr)
            continue;
        if (!n++)
            puts("\nnot running:");
        print_why(&item);
    }
}

static void print_detector(const char *name, const struct tocsin_value *detector)
{
    size_t len = tocsin_value_size(detector);
    struct tocsin_value items, sources;

    print_totals(name, detector);
    if (tocsin_find(detector->start, len, "items", &items)) {
        print_rules(&items);
        print_reasons(&items);
    }
    if (tocsin_find(detector->start, len, "sources", &sources)) {
        puts("\nwhat can fire here, by log source:");
        tc_sources_print(&sources);
    }
}

static int print(const struct tc_cli *cli, const struct tocsin_writer *w,
                 const bool running[DETECTORS])
{
    struct tocsin_value all, detector;
    bool more = false;

    if (w->error || !tocsin_read(w->buf, w->buf + w->len, &all))
        return tc_call_failed("cannot put the list together: %s",
                              strerror(w->error ? -w->error : EPROTO));
    if (cli->json)
        return tc_general_json(&all);
    for (size_t i = 0; i < DETECTORS; i++) {
        bool known = tocsin_find(w->buf, w->len, detectors[i], &detector);

        if (!known && running[i])
            continue; /* it has not answered, which was said */
        fputs(more ? "\n" : "", stdout);
        more = true;
        if (known)
            print_detector(detectors[i], &detector);
        else
            printf("%s: not running\n", detectors[i]);
    }
    return TC_EXIT_DONE;
}

int tc_run_definitions_list(struct tc_cli *cli)
{
    struct listing l = {.cli = cli};
    struct tocsin_writer w;
    bool running[DETECTORS];
    int r = find_running(cli, running), one;

    if (r)
        return r;
    if (tc_sources_init(&l.sources))
        return tc_call_failed("%s", strerror(ENOMEM));
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    for (size_t i = 0; i < DETECTORS; i++) {
        if (!running[i])
            continue;
        one = put_detector(&l, detectors[i], &w);
        r = r ? r : one;
        if (one == TC_EXIT_NO_AGENT)
            break;
    }
    tocsin_end(&w);
    if (r != TC_EXIT_NO_AGENT) {
        one = print(cli, &w, running);
        r = r ? r : one;
    }
    tocsin_writer_done(&w);
    tc_sources_done(&l.sources);
    return r;
}

/* ---- reload ---- */

int tc_run_definitions_reload(struct tc_cli *cli)
{
    struct tocsin_writer w;
    struct tc_answer answer;
    char method[KEY_MAX];
    bool running[DETECTORS];
    int r = find_running(cli, running), one;

    if (r)
        return r;
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    for (size_t i = 0; i < DETECTORS; i++) {
        if (!running[i])
            continue;
        snprintf(method, sizeof(method), "%s.reload", detectors[i]);
        one = ask(cli, method, 0, &answer);
        r = r ? r : one;
        if (one == TC_EXIT_NO_AGENT)
            break;
        if (!one)
            tocsin_put_encoded(&w, detectors[i], answer.result, answer.len);
    }
    tocsin_end(&w);
    if (r != TC_EXIT_NO_AGENT) {
        one = print(cli, &w, running);
        r = r ? r : one;
    }
    tocsin_writer_done(&w);
    return r;
}
