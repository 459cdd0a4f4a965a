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
static void print_bare(const msgpack_object *o)
{
    const msgpack_object *item;
    struct tocsin_str text;

    if (o->type != MSGPACK_OBJECT_ARRAY) {
        tc_print_value(stdout, o);
        fputc('\n', stdout);
        return;
    }
    for (uint32_t i = 0; i < o->via.array.size; i++) {
        item = &o->via.array.ptr[i];
        text = tc_unpack_str(item, "text");
        if (text.ptr)
            tc_print_str(stdout, text);
        else
            tc_print_value(stdout, item);
        fputc('\n', stdout);
    }
}

static int print_details(const struct tc_cli *cli, const msgpack_object *result)
{
    const msgpack_object *details = tc_unpack_find(result, "details");

    if (cli->json)
        return tc_general_json(result);
    if (!details)
        return tc_call_failed("the agent's answer has no details");
    tc_print_record(stdout, tc_args_option(cli, "details"), details);
    return TC_EXIT_DONE;
}

int tc_run_health(struct tc_cli *cli)
{
    const char *field = tc_args_option(cli, "field");
    const char *details = tc_args_option(cli, "details");
    const msgpack_object *o;
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    if (field && details)
        return tc_args_wrong(cli, "--field and --details exclude each other");
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    if (details)
        tc_pack_str(&p, "details", details);
    tc_pack_end(&p);
    r = tc_call(cli, "health", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    if (r)
        return r;
    if (details)
        return print_details(cli, answer.result);
    o = field ? tc_unpack_find(answer.result, field) : answer.result;
    if (!o)
        return tc_call_failed("health has no field %s", field);
    if (cli->json)
        r = tc_general_json(o);
    else if (field)
        print_bare(o);
    else
        tc_print_marked_record(stdout, "managed", o);
    /* A monitor need not read; who asks for a field has it. */
    if (!r && !field && !tc_unpack_bool(o, "healthy", true))
        return TC_EXIT_FAILED;
    return r;
}

static void print_version_json(const msgpack_object *agent)
{
    fputs("{\"client\":\"" TOCSIN_VERSION "\",\"agent\":", stdout);
    if (agent)
        tc_json_write(stdout, agent);
    else
        fputs("null", stdout);
    fputs("}\n", stdout);
}

int tc_run_version(struct tc_cli *cli)
{
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
    if (r)
        return r;
    if (cli->json) {
        print_version_json(answer.result);
        return TC_EXIT_DONE;
    }
    printf("tocsin %s\nagent ", TOCSIN_VERSION);
    tc_print_str(stdout, tc_unpack_str(answer.result, "version"));
    fputs(", plugin ABI ", stdout);
    tc_print_str(stdout, tc_unpack_str(answer.result, "abi"));
    fputs(", engine ", stdout);
    tc_print_str(stdout, tc_unpack_str(answer.result, "engine"));
    fputc('\n', stdout);
    return TC_EXIT_DONE;
}
