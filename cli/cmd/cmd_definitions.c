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
#include "cli/cmd/published.h"
#include "cli/print.h"
#include "cli/sources.h"

#define KEY_MAX 96
#define AGAIN_MAX                                                                        \
    5 /* times that a list is read anew because it has changed meanwhile                 \
       */

/* The rules of plugin edr, put together of the pages of its answers. */
struct listing {
    struct tc_cli *cli;
    struct tc_pack items; /* an open array */
    uint64_t generation, next;
    struct tc_sources sources;
    struct tc_published published;
    int64_t runs, no_source; /* as the detector counts them; -1: it does not */
    int64_t lacking;         /* of those that run: nothing that is about them runs */
};

static const char *const detectors[] = {"edr", "av"};
#define DETECTORS (sizeof(detectors) / sizeof(detectors[0]))

static const struct tc_column rule_columns[] = {
    {"ID", "id"},       {"LEVEL", "level"}, {"STATE", "state"}, {"LOG SOURCE", "source"},
    {"TITLE", "title"}, {NULL, NULL},
};

/* ---- One rule ---- */

/* The log source of a rule as the agent reports it. */
static void name_source(const msgpack_object *rule, char ret[TC_SOURCE_NAME_BYTES])
{
    const struct tocsin_str parts[] = {tc_unpack_str(rule, "product"),
                                       tc_unpack_str(rule, "category"),
                                       tc_unpack_str(rule, "service")};

    tc_source_name(parts, tc_unpack_bool(rule, "correlation", false), ret);
}

/* True, and the reason, when the rule could run and no plugin that runs feeds it. */
static bool is_lacking(const struct listing *l, const msgpack_object *item,
                       char ret_why[TC_PUBLISHED_WHY_BYTES])
{
    return tc_unpack_is(tc_unpack_find(item, "state"), "runs") &&
           (tc_published_lacks(&l->published, tc_unpack_str(item, "category"),
                               tc_unpack_str(item, "service"), ret_why) ||
            tc_published_lacks_all(&l->published, tc_unpack_array(item, "topics"),
                                   ret_why));
}

static void take_item(struct listing *l, const msgpack_object *item)
{
    const msgpack_object *state = tc_unpack_find(item, "state");
    char source[TC_SOURCE_NAME_BYTES], why[TC_PUBLISHED_WHY_BYTES];
    bool lacking = is_lacking(l, item, why);
    const msgpack_object_kv *kv;

    tc_pack_begin_map(&l->items, NULL);
    for (uint32_t i = 0; item->type == MSGPACK_OBJECT_MAP && i < item->via.map.size;
         i++) {
        kv = &item->via.map.ptr[i];
        if (lacking && tc_unpack_is(&kv->key, "state"))
            tc_pack_str(&l->items, "state", "no_source");
        else
            tc_pack_pair(&l->items, kv);
    }
    if (lacking)
        tc_pack_str(&l->items, "why", why);
    l->lacking += lacking;
    if (!tc_unpack_is(state, "refused")) {
        name_source(item, source);
        tc_pack_str(&l->items, "source", source);
        tc_sources_count(&l->sources, source, tc_unpack_is(state, "runs") && !lacking);
    }
    tc_pack_end(&l->items);
}

/* ---- The pages ---- */

/* What is put together here, of all pages. */
static bool is_own(const msgpack_object *key)
{
    static const char *const own[] = {"items", "next", "runs", "no_source"};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (tc_unpack_is(key, own[i]))
            return true;
    return false;
}

/* One page, into `items`; `totals` gets the rest of the first one. -EAGAIN: the rules
 * have changed since. */
static int take_page(struct listing *l, const msgpack_object *page,
                     struct tc_pack *totals)
{
    uint64_t generation = (uint64_t)tc_unpack_int(page, "generation", 0);
    uint64_t next = (uint64_t)tc_unpack_int(page, "next", 0);
    const msgpack_object *items = tc_unpack_array(page, "items");
    const msgpack_object_kv *kv = page->via.map.ptr;
    bool first = !l->next;

    if (!first && generation != l->generation)
        return -EAGAIN;
    if (next && next <= l->next)
        return -EPROTO;
    l->generation = generation;
    l->next = next;
    for (uint32_t i = 0; items && i < items->via.array.size; i++)
        take_item(l, &items->via.array.ptr[i]);
    if (!first)
        return 0;
    l->runs = tc_unpack_int(page, "runs", -1);
    l->no_source = tc_unpack_int(page, "no_source", -1);
    for (uint32_t i = 0; i < page->via.map.size; i++, kv++)
        if (!is_own(&kv->key))
            tc_pack_pair(totals, kv);
    return 0;
}

/* Those that are counted anew. */
static void put_states(const struct listing *l, struct tc_pack *totals)
{
    if (l->runs >= 0)
        tc_pack_int(totals, "runs", l->runs - l->lacking);
    if (l->no_source >= 0)
        tc_pack_int(totals, "no_source", l->no_source + l->lacking);
}

static void begin_listing(struct listing *l, struct tc_pack *totals)
{
    tc_pack_done(&l->items);
    tc_pack_done(totals);
    tc_pack_init(&l->items);
    tc_pack_init(totals);
    tc_pack_begin_map(totals, NULL);
    tc_pack_begin_array(&l->items, NULL);
    l->next = l->sources.count = 0;
    l->runs = l->no_source = -1;
    l->lacking = 0;
    if (l->sources.items)
        memset(l->sources.items, 0, TC_SOURCES_MAX * sizeof(*l->sources.items));
}

/* Asks a detector for a page. Its own refusal is said with its name. */
static int ask(struct tc_cli *cli, const char *method, uint64_t offset,
               struct tc_answer *ret_answer)
{
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    if (offset)
        tc_pack_uint(&p, "offset", offset);
    tc_pack_end(&p);
    r = tc_call(cli, method, &p, NULL, NULL, ret_answer);
    tc_pack_done(&p);
    return r;
}

/* Which of the detectors run; what does not has no definitions in force. `published`
 * gets all that run; NULL: nobody wants to know. */
static int find_running(struct tc_cli *cli, bool ret_running[DETECTORS],
                        struct tc_published *published)
{
    const msgpack_object *items, *item;
    struct tc_answer answer;
    int r = tc_call(cli, "plugin.list", NULL, NULL, NULL, &answer);

    memset(ret_running, 0, DETECTORS * sizeof(*ret_running));
    items = r ? NULL : tc_unpack_array(answer.result, "items");
    if (published)
        tc_published_take(published, items);
    for (uint32_t k = 0; items && k < items->via.array.size; k++) {
        item = &items->via.array.ptr[k];
        for (size_t i = 0; i < DETECTORS; i++)
            ret_running[i] |= tc_unpack_is(tc_unpack_find(item, "name"), detectors[i]) &&
                              tc_unpack_is(tc_unpack_find(item, "state"), "running");
    }
    return r;
}

/* All that a detector says of its definitions, as one map under its name. */
static int put_detector(struct listing *l, const char *name, struct tc_pack *p)
{
    struct tc_pack totals = {.error = 0};
    struct tc_answer answer;
    char method[KEY_MAX];
    int r = TC_EXIT_DONE, error = 0;

    snprintf(method, sizeof(method), "%s.definitions", name);
    begin_listing(l, &totals);
    for (int again = 0; !r;) {
        r = ask(l->cli, method, l->next, &answer);
        error = r ? 0 : take_page(l, answer.result, &totals);
        if (error == -EAGAIN && again++ < AGAIN_MAX)
            begin_listing(l, &totals);
        else if (error)
            r = tc_call_failed("the list of %s: %s", name, strerror(-error));
        else if (!l->next)
            break;
    }
    put_states(l, &totals);
    tc_pack_end(&l->items);
    tc_pack_encoded(&totals, "items", l->items.bytes.data, l->items.bytes.size);
    if (l->sources.count)
        tc_sources_put(&l->sources, &totals, "sources");
    tc_pack_end(&totals);
    error = l->items.error ? l->items.error : totals.error;
    if (!r && error)
        r = tc_call_failed("the list of %s: %s", name, strerror(-error));
    if (!r)
        tc_pack_encoded(p, name, totals.bytes.data, totals.bytes.size);
    tc_pack_done(&totals);
    tc_pack_done(&l->items);
    return r;
}

/* ---- As text ---- */

static void print_totals(const char *name, const msgpack_object *detector)
{
    int64_t updated = tc_unpack_int(detector, "updated_ns", 0);
    int64_t refused = tc_unpack_int(detector, "refused", 0);

    printf("%s: %" PRId64 " rules of %" PRId64 " files, version ", name,
           tc_unpack_int(detector, "rules", 0), tc_unpack_int(detector, "files", 0));
    tc_print_str(stdout, tc_unpack_str(detector, "version"));
    if (updated > 0) {
        fputs(", of ", stdout);
        tc_print_time(stdout, (uint64_t)updated, TC_TIME_DATE);
    }
    if (refused)
        printf(", %" PRId64 " refused", refused);
    if (tc_unpack_bool(detector, "loading", false))
        fputs("; they are being loaded anew", stdout);
    fputc('\n', stdout);
}

/* file:line:column: why, of a rule that does not run. */
static void print_why(const msgpack_object *item)
{
    struct tocsin_str file = tc_unpack_str(item, "file");
    int64_t line = tc_unpack_int(item, "line", 0);

    fputs("  ", stdout);
    if (file.ptr)
        tc_print_str(stdout, file);
    if (line)
        printf(":%" PRId64 ":%" PRId64, line, tc_unpack_int(item, "column", 0));
    fputs(file.ptr ? ": " : "", stdout);
    tc_print_str(stdout, tc_unpack_str(item, "why"));
    fputc('\n', stdout);
}

/* Those of the items that are rules, as a table. */
static void print_rules(const msgpack_object_array *items)
{
    const msgpack_object *rules;
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_begin_array(&p, NULL);
    for (uint32_t i = 0; i < items->size; i++)
        if (tc_unpack_find(&items->ptr[i], "title"))
            tc_pack_object(&p, NULL, &items->ptr[i]);
    tc_pack_end(&p);
    rules = tc_pack_read(&p);
    if (rules && rules->via.array.size) {
        fputc('\n', stdout);
        tc_print_table(stdout, rule_columns, rules);
    }
    tc_pack_done(&p);
}

static void print_reasons(const msgpack_object_array *items)
{
    size_t n = 0;

    for (uint32_t i = 0; i < items->size; i++) {
        if (!tc_unpack_str(&items->ptr[i], "why").ptr)
            continue;
        if (!n++)
            puts("\nnot running:");
        print_why(&items->ptr[i]);
    }
}

static void print_detector(const char *name, const msgpack_object *detector)
{
    const msgpack_object *items = tc_unpack_array(detector, "items");
    const msgpack_object *sources = tc_unpack_find(detector, "sources");

    print_totals(name, detector);
    if (items) {
        print_rules(&items->via.array);
        print_reasons(&items->via.array);
    }
    if (sources) {
        puts("\nwhat can fire here, by log source:");
        tc_sources_print(sources);
    }
}

static void print_text(const msgpack_object *all, const bool running[DETECTORS])
{
    const msgpack_object *detector;
    bool more = false;

    for (size_t i = 0; i < DETECTORS; i++) {
        detector = tc_unpack_find(all, detectors[i]);
        if (!detector && running[i])
            continue; /* it has not answered, which was said */
        fputs(more ? "\n" : "", stdout);
        more = true;
        if (detector)
            print_detector(detectors[i], detector);
        else
            printf("%s: not running\n", detectors[i]);
    }
}

static int print(const struct tc_cli *cli, struct tc_pack *p,
                 const bool running[DETECTORS])
{
    const msgpack_object *all = tc_pack_read(p);

    if (!all)
        return tc_call_failed("cannot put the list together: %s", strerror(-p->error));
    if (cli->json)
        return tc_general_json(all);
    print_text(all, running);
    return TC_EXIT_DONE;
}

int tc_run_definitions_list(struct tc_cli *cli)
{
    struct listing l = {.cli = cli};
    struct tc_pack p;
    bool running[DETECTORS];
    int r = find_running(cli, running, &l.published), one;

    if (r)
        return r;
    tc_published_ask(&l.published, cli);
    if (tc_sources_init(&l.sources))
        return tc_call_failed("%s", strerror(ENOMEM));
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    for (size_t i = 0; i < DETECTORS; i++) {
        if (!running[i])
            continue;
        one = put_detector(&l, detectors[i], &p);
        r = r ? r : one;
        if (one == TC_EXIT_NO_AGENT)
            break;
    }
    tc_pack_end(&p);
    if (r != TC_EXIT_NO_AGENT) {
        one = print(cli, &p, running);
        r = r ? r : one;
    }
    tc_pack_done(&p);
    tc_sources_done(&l.sources);
    return r;
}

/* ---- reload ---- */

int tc_run_definitions_reload(struct tc_cli *cli)
{
    struct tc_pack p;
    struct tc_answer answer;
    char method[KEY_MAX];
    bool running[DETECTORS];
    int64_t broken = 0;
    int r = find_running(cli, running, NULL), one;

    if (r)
        return r;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    for (size_t i = 0; i < DETECTORS; i++) {
        if (!running[i])
            continue;
        snprintf(method, sizeof(method), "%s.reload", detectors[i]);
        one = ask(cli, method, 0, &answer);
        r = r ? r : one;
        if (one == TC_EXIT_NO_AGENT)
            break;
        if (!one) {
            tc_pack_object(&p, detectors[i], answer.result);
            broken += tc_unpack_int(answer.result, "failed", 0) +
                      tc_unpack_int(answer.result, "refused", 0);
        }
    }
    tc_pack_end(&p);
    if (r != TC_EXIT_NO_AGENT) {
        one = print(cli, &p, running);
        r = r ? r : one;
    }
    tc_pack_done(&p);
    if (!r && broken)
        r = tc_call_failed("%" PRId64 " of them could not be used: tocsin definitions "
                           "list says which, and why",
                           broken);
    return r;
}
