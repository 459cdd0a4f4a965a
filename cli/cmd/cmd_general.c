/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the run functions that serve many subcommands, and the helpers of general.h. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"
#include "cli/when.h"
#include "ipc/json.h"

int tc_general_json(const msgpack_object *o)
{
    int r = tc_json_write(stdout, o);

    fputc('\n', stdout);
    if (r == -EIO)
        return TC_EXIT_DONE; /* main says why stdout failed */
    if (r)
        return tc_call_failed("the agent's answer cannot be said in JSON: %s",
                              strerror(-r));
    return TC_EXIT_DONE;
}

const msgpack_object *tc_general_plugin(const msgpack_object *list, const char *name)
{
    const msgpack_object *items = tc_unpack_array(list, "items"), *item;

    for (uint32_t i = 0; items && i < items->via.array.size; i++) {
        item = &items->via.array.ptr[i];
        if (tc_unpack_is(tc_unpack_find(item, "name"), name))
            return item;
    }
    return NULL;
}

int tc_general_path(const char *path, char **ret_path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder, *real, *whole = NULL;
    int n;

    if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) {
        whole = realpath(path, NULL);
        if (!whole)
            return tc_call_failed("%s: %s", path, strerror(errno));
        *ret_path = whole;
        return TC_EXIT_DONE;
    }
    folder = slash ? strndup(path, (size_t)(name - path)) : strdup(".");
    real = folder ? realpath(folder, NULL) : NULL;
    if (!real) {
        tc_call_failed("%s: %s", folder ? folder : path, strerror(errno));
        free(folder);
        return TC_EXIT_FAILED;
    }
    n = asprintf(&whole, "%s/%s", strcmp(real, "/") != 0 ? real : "", name);
    free(folder);
    free(real);
    if (n < 0)
        return tc_call_failed("%s: %s", path, strerror(ENOMEM));
    *ret_path = whole;
    return TC_EXIT_DONE;
}

static int read_since(const struct tc_cli *cli, uint64_t *ret_ns)
{
    const char *text = tc_args_option(cli, "since");

    if (text && tc_when_past(text, (uint64_t)time(NULL), ret_ns))
        return tc_args_wrong(cli, "--since is a time, as 2026-12-31T18:00 or 24h, not %s",
                             text);
    return TC_EXIT_DONE;
}

/* A value for a filter in which only wildcards mean more than themselves. */
static void write_value(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, strchr(" ,\"", *text) ? "\\%c" : "%c", *text);
}

/* Puts "severity>=VALUE", or whatever stands before a value; `again` before it once more.
 */
static void put_filter(struct tc_pack *p, const char *before, const char *value,
                       const char *again)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return;
    fputs(before, out);
    write_value(out, value);
    if (again) {
        fputs(again, out);
        write_value(out, value);
    }
    if (!fclose(out))
        tc_pack_strn(p, NULL, text, n);
    free(text);
}

static bool takes(const struct tc_cli *cli, const char *name)
{
    const struct tc_option *option = cli->command->options;

    while (option && option->name && strcmp(option->name, name) != 0)
        option++;
    return option && option->name;
}

/* What lists of alerts and cases are asked for by name, which the journal has an index
 * for. */
static void put_wishes(const struct tc_cli *cli, struct tc_pack *p)
{
    static const char *const names[] = {"severity", "case", "before"};
    const char *state = tc_args_option(cli, "state"), *value;

    if (!takes(cli, "state"))
        return;
    tc_pack_str(p, "state", state ? state : "open");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if ((value = tc_args_option(cli, names[i])) != NULL)
            tc_pack_str(p, names[i], value);
}

/* --severity, --rule and --filter, which must all hold. */
static void put_filters(const struct tc_cli *cli, struct tc_pack *p)
{
    const char *severity = takes(cli, "state") ? NULL : tc_args_option(cli, "severity");
    const char *rule = tc_args_option(cli, "rule"), *filter;
    size_t at = 0;

    if (!severity && !rule && !tc_args_option(cli, "filter"))
        return;
    tc_pack_begin_array(p, "filter");
    if (severity)
        put_filter(p, "severity>=", severity, NULL);
    if (rule)
        put_filter(p, "rule=", rule, " or rule_id=");
    while ((filter = tc_args_next(cli, "filter", &at)) != NULL)
        tc_pack_str(p, NULL, filter);
    tc_pack_end(p);
}

int tc_general_call(struct tc_cli *cli, struct tc_answer *ret_answer)
{
    struct tc_pack p;
    uint64_t limit, since_ns = 0;
    int r;

    r = tc_args_number(cli, "limit", 0, &limit);
    if (!r)
        r = read_since(cli, &since_ns);
    if (r)
        return r;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    if (cli->command->param && cli->arg_count)
        tc_pack_str(&p, cli->command->param, cli->args[0]);
    if (limit)
        tc_pack_uint(&p, "limit", limit);
    if (since_ns)
        tc_pack_uint(&p, "since_ns", since_ns);
    if (tc_args_option(cli, "note"))
        tc_pack_str(&p, "note", tc_args_option(cli, "note"));
    put_wishes(cli, &p);
    put_filters(cli, &p);
    tc_pack_end(&p);
    r = tc_call(cli,
                tc_args_option(cli, "unmasked") ? "alert.unmasked" : cli->command->method,
                &p, NULL, NULL, ret_answer);
    tc_pack_done(&p);
    return r;
}

/* Says that there is more than is shown. */
static void say_cut(const msgpack_object *result, const msgpack_object *items)
{
    int64_t total = tc_unpack_int(result, "total", 0);
    struct tocsin_str next = tc_unpack_str(result, "next");
    int64_t shown = items->via.array.size;

    if (next.ptr && total > shown)
        fprintf(stderr,
                "tocsin: %" PRId64 " of %" PRId64 " are shown; --limit N asks for more, "
                "--before %.*s for older ones\n",
                shown, total, (int)next.len, next.ptr);
    else if (total > shown)
        fprintf(stderr, "tocsin: %" PRId64 " of %" PRId64 " are shown; --limit N %s\n",
                shown, total,
                tc_unpack_bool(result, "truncated", false)
                    ? "would show no more: they are too large for one answer"
                    : "asks for more");
    else if (tc_unpack_bool(result, "truncated", false))
        fputs("tocsin: the agent has cut the list short\n", stderr);
}

int tc_run_list(struct tc_cli *cli)
{
    const msgpack_object *items;
    struct tc_answer answer;
    int r;

    r = tc_general_call(cli, &answer);
    if (r)
        return r;
    items = tc_unpack_array(answer.result, "items");
    if (!items)
        return tc_call_failed("the agent's answer has no list");
    say_cut(answer.result, items);
    if (cli->json)
        return tc_general_json(items);
    if (items->via.array.size)
        tc_print_table(stdout, cli->command->columns, items);
    else
        puts(cli->command->said);
    return TC_EXIT_DONE;
}

/* True when there is an answer to print as text; else *ret_exit is the end. */
static bool call_for_text(struct tc_cli *cli, struct tc_answer *answer, int *ret_exit)
{
    *ret_exit = tc_general_call(cli, answer);
    if (*ret_exit || !cli->json)
        return !*ret_exit;
    *ret_exit = tc_general_json(answer->result);
    return false;
}

int tc_run_record(struct tc_cli *cli)
{
    struct tc_answer answer;
    int r;

    if (!call_for_text(cli, &answer, &r))
        return r;
    tc_print_record(stdout, NULL, answer.result);
    return TC_EXIT_DONE;
}

int tc_run_action(struct tc_cli *cli)
{
    struct tc_answer answer;
    struct tocsin_str note;
    int r;

    if (!call_for_text(cli, &answer, &r))
        return r;
    note = tc_unpack_str(answer.result, "note");
    if (note.ptr) {
        tc_print_str(stdout, note);
        fputc('\n', stdout);
        return TC_EXIT_DONE;
    }
    if (cli->arg_count) {
        tc_print_str(stdout, (struct tocsin_str){cli->args[0], strlen(cli->args[0])});
        fputs(": ", stdout);
    }
    puts(cli->command->said);
    return TC_EXIT_DONE;
}
