/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: `tocsin indicator`: what the network filter blocks, allows or audits by address
 * or name. Must not: judge what an indicator is; the plugin does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/cmd/netfilter.h"
#include "cli/print.h"
#include "cli/when.h"

#define LIMIT_DEFAULT 100
#define PAGE                                                                             \
    1000 /* entries asked for at once: an answer is one message, of bounded size */
#define NS_PER_S UINT64_C(1000000000)

static const char *const actions[] = {"block", "allow", "audit", NULL};
static const char *const kinds[] = {"address", "network", "domain", "host", NULL};

/* The option, which must be one of these words; *ret NULL: it was not given. */
static int read_word(const struct tc_cli *cli, const char *name, const char *const *words,
                     const char *sentence, const char **ret)
{
    const char *text = tc_args_option(cli, name);

    *ret = text;
    while (text && *words && strcmp(text, *words) != 0)
        words++;
    if (text && !*words)
        return tc_args_wrong(cli, "--%s is %s, not %s", name, sentence, text);
    return TC_EXIT_DONE;
}

static int read_action(const struct tc_cli *cli, const char **ret)
{
    return read_word(cli, "action", actions, "block, allow or audit", ret);
}

/* ---- list ---- */

/* What is listed, and where the reading is. */
struct listing {
    const char *action, *kind, *text;
    uint64_t from, limit;
    uint64_t total;
    struct tc_pack items; /* an open array */
};

static int ask_page(struct tc_cli *cli, const struct listing *l, uint64_t count,
                    struct tc_answer *ret_answer)
{
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    if (l->action)
        tc_pack_str(&p, "action", l->action);
    if (l->kind)
        tc_pack_str(&p, "kind", l->kind);
    if (l->text)
        tc_pack_str(&p, "text", l->text);
    tc_pack_uint(&p, "limit", count);
    if (l->from)
        tc_pack_uint(&p, "from", l->from);
    tc_pack_end(&p);
    r = tc_netfilter_call(cli, &p, ret_answer);
    tc_pack_done(&p);
    return r;
}

/* All pages up to the limit. The list may change between two: then one may be missing. */
static int read_list(struct tc_cli *cli, struct listing *l)
{
    const msgpack_object *items;
    struct tc_answer answer;
    uint64_t left = l->limit, n;
    int r;

    do {
        r = ask_page(cli, l, left < PAGE ? left : PAGE, &answer);
        if (r)
            return r;
        items = tc_unpack_array(answer.result, "indicators");
        if (!items)
            return tc_call_failed("the agent's answer has no list");
        n = items->via.array.size;
        l->total = (uint64_t)tc_unpack_int(answer.result, "total", 0);
        for (uint64_t i = 0; i < n && i < left; i++)
            tc_pack_object(&l->items, NULL, &items->via.array.ptr[i]);
        l->from += n;
        left -= n < left ? n : left;
    } while (n && left && l->from < l->total);
    return TC_EXIT_DONE;
}

static int print_list(const struct tc_cli *cli, struct listing *l)
{
    static const struct tc_column columns[] = {
        {"VALUE", "value"},   {"KIND", "kind"},
        {"ACTION", "action"}, {"EXPIRES", "expires_ns"},
        {"REASON", "reason"}, {"SOURCE", "source"},
        {NULL, NULL},
    };
    const msgpack_object *items = tc_pack_read(&l->items);
    uint64_t shown = items ? items->via.array.size : 0;

    if (!items)
        return tc_call_failed("cannot put the list together: %s",
                              strerror(-l->items.error));
    if (shown < l->total)
        fprintf(stderr,
                "tocsin: %" PRIu64 " of %" PRIu64 " are shown; --limit asks for more\n",
                shown, l->total);
    if (cli->json)
        return tc_general_json(items);
    if (shown)
        tc_print_table(stdout, columns, items);
    else
        puts("no indicators");
    return TC_EXIT_DONE;
}

int tc_run_indicator_list(struct tc_cli *cli)
{
    struct listing l = {.text = cli->arg_count ? cli->args[0] : NULL};
    int r = tc_args_number(cli, "limit", LIMIT_DEFAULT, &l.limit);

    if (!r)
        r = read_action(cli, &l.action);
    if (!r)
        r = read_word(cli, "kind", kinds, "address, network, domain or host", &l.kind);
    if (r)
        return r;
    tc_pack_init(&l.items);
    tc_pack_begin_array(&l.items, NULL);
    r = read_list(cli, &l);
    tc_pack_end(&l.items);
    if (!r)
        r = print_list(cli, &l);
    tc_pack_done(&l.items);
    return r;
}

/* ---- add, remove, test ---- */

static int read_expiry(const struct tc_cli *cli, uint64_t *ret_s)
{
    const char *text = tc_args_option(cli, "expires");
    int r;

    *ret_s = 0;
    r = text ? tc_when_time(text, (uint64_t)time(NULL), ret_s) : 0;
    if (r == -ERANGE)
        return tc_args_wrong(cli, "--expires %s is in the past, or too far away", text);
    if (r)
        return tc_args_wrong(cli,
                             "--expires is a duration as 7d, or a time as "
                             "2026-12-31T18:00, not %s",
                             text);
    return TC_EXIT_DONE;
}

/* Calls with {value} and what goes with it. */
static int call_value(struct tc_cli *cli, const char *action, uint64_t expires_s,
                      struct tc_answer *ret_answer)
{
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "value", cli->args[0]);
    if (action)
        tc_pack_str(&p, "action", action);
    if (expires_s)
        tc_pack_uint(&p, "expires_ns", expires_s * NS_PER_S);
    tc_netfilter_pack_reason(cli, &p);
    tc_pack_end(&p);
    r = tc_netfilter_call(cli, &p, ret_answer);
    tc_pack_done(&p);
    return r;
}

/* The value as it was given: the answer may have it in another form. */
static void print_value(const struct tc_cli *cli)
{
    tc_print_str(stdout, (struct tocsin_str){cli->args[0], strlen(cli->args[0])});
    fputs(": ", stdout);
}

int tc_run_indicator_add(struct tc_cli *cli)
{
    struct tc_answer answer;
    const char *action;
    uint64_t expires_s;
    int r = read_action(cli, &action);

    if (!r && !action)
        r = tc_args_wrong(cli, "--action is missing: block, allow or audit");
    if (!r)
        r = read_expiry(cli, &expires_s);
    if (!r)
        r = call_value(cli, action, expires_s, &answer);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    print_value(cli);
    fputs(action, stdout);
    if (expires_s) {
        fputs(" until ", stdout);
        tc_print_time(stdout, expires_s * NS_PER_S, TC_TIME_ZONE);
    }
    putchar('\n');
    return TC_EXIT_DONE;
}

int tc_run_indicator_remove(struct tc_cli *cli)
{
    struct tc_answer answer;
    int r = call_value(cli, NULL, 0, &answer);

    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    print_value(cli);
    puts("removed");
    return TC_EXIT_DONE;
}

int tc_run_indicator_test(struct tc_cli *cli)
{
    struct tocsin_str action, reason, source, matched;
    struct tc_answer answer;
    int r = call_value(cli, NULL, 0, &answer);

    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    action = tc_unpack_str(answer.result, "action");
    matched = tc_unpack_str(answer.result, "value");
    reason = tc_unpack_str(answer.result, "reason");
    source = tc_unpack_str(answer.result, "source");
    print_value(cli);
    if (!action.len || tocsin_str_is(action, "none")) {
        puts("no indicator matches");
        return TC_EXIT_DONE;
    }
    tc_print_str(stdout, action);
    fputs(" by ", stdout);
    tc_print_str(stdout, matched);
    if (reason.len) {
        fputs(", ", stdout);
        tc_print_str(stdout, reason);
    }
    if (source.len) {
        fputs(" (", stdout);
        tc_print_str(stdout, source);
        putchar(')');
    }
    putchar('\n');
    return TC_EXIT_DONE;
}
