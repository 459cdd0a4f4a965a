/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin health` and `tocsin version`. */
#include <stdio.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"
#include "ipc/json.h"

/* A field by itself: entries of a list one a line, of an issue its sentence. */
static void print_bare(const struct tocsin_value *v)
{
    struct tocsin_value item;
    struct tocsin_iter it;
    struct tocsin_str text;

    if (v->type != TOCSIN_ARRAY) {
        tc_print_value(stdout, v);
        fputc('\n', stdout);
        return;
    }
    tocsin_iter_init(&it, v);
    while (tocsin_iter_next(&it, NULL, &item)) {
        text = tocsin_find_str(item.start, (size_t)(item.end - item.start), "text");
        if (text.ptr)
            tc_print_str(stdout, text);
        else
            tc_print_value(stdout, &item);
        fputc('\n', stdout);
    }
}

static int print_details(const struct tc_cli *cli, const struct tc_answer *answer,
                         const struct tocsin_value *result)
{
    struct tocsin_value details;

    if (cli->json)
        return tc_general_json(result);
    if (!tocsin_find(answer->result, answer->len, "details", &details))
        return tc_call_failed("the agent's answer has no details");
    tc_print_record(stdout, tc_args_option(cli, "details"), &details);
    return TC_EXIT_DONE;
}

int tc_run_health(struct tc_cli *cli)
{
    const char *field = tc_args_option(cli, "field");
    const char *details = tc_args_option(cli, "details");
    struct tocsin_value v;
    struct tc_answer answer;
    struct tocsin_writer w;
    int r;

    if (field && details)
        return tc_args_wrong(cli, "--field and --details exclude each other");
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    if (details)
        tocsin_put_str(&w, "details", details);
    tocsin_end(&w);
    r = tc_call(cli, "health", &w, NULL, NULL, &answer);
    tocsin_writer_done(&w);
    if (!r)
        r = tc_call_value(&answer, &v);
    if (r)
        return r;
    if (details)
        return print_details(cli, &answer, &v);
    if (field && !tocsin_find(answer.result, answer.len, field, &v))
        return tc_call_failed("health has no field %s", field);
    if (cli->json)
        return tc_general_json(&v);
    if (field)
        print_bare(&v);
    else
        tc_print_marked_record(stdout, "managed", &v);
    return TC_EXIT_DONE;
}

static void print_version_json(const struct tocsin_value *agent)
{
    fputs("{\"client\":\"" TOCSIN_VERSION "\",\"agent\":", stdout);
    if (agent)
        tc_json_write(stdout, agent->start, tocsin_value_size(agent));
    else
        fputs("null", stdout);
    fputs("}\n", stdout);
}

int tc_run_version(struct tc_cli *cli)
{
    struct tocsin_value result;
    struct tc_answer answer;
    int r;

    r = tc_client_open(cli->socket, &cli->client);
    if (r) {
        if (cli->json)
            print_version_json(NULL);
        else
            printf("tocsin %s\nagent: not reached at %s (%s)\n", TOCSIN_VERSION,
                   cli->socket, strerror(-r));
        return TC_EXIT_DONE;
    }
    r = tc_call(cli, "version", NULL, NULL, NULL, &answer);
    if (!r)
        r = tc_call_value(&answer, &result);
    if (r)
        return r;
    if (cli->json) {
        print_version_json(&result);
        return TC_EXIT_DONE;
    }
    printf("tocsin %s\nagent ", TOCSIN_VERSION);
    tc_print_str(stdout, tocsin_find_str(answer.result, answer.len, "version"));
    fputs(", plugin ABI ", stdout);
    tc_print_str(stdout, tocsin_find_str(answer.result, answer.len, "abi"));
    fputs(", engine ", stdout);
    tc_print_str(stdout, tocsin_find_str(answer.result, answer.len, "engine"));
    fputc('\n', stdout);
    return TC_EXIT_DONE;
}
