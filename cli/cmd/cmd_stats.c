/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin diagnostic stats`: the agent's counters, and those of its plugins. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"

#define PLUGIN_WAIT_S 2 /* for a plugin's counters; one that is busy goes without */
#define METHOD_MAX 96

/* Asks a plugin for its own counters; one that has none has no field for them. */
static void pack_counters(struct tc_cli *cli, struct tc_pack *p,
                          const msgpack_object *plugin)
{
    static const uint8_t empty_map[] = {0x80};
    struct tocsin_str name = tc_unpack_str(plugin, "name");
    struct tc_answer answer;
    char method[METHOD_MAX];

    if (!tc_unpack_is(tc_unpack_find(plugin, "state"), "running"))
        return;
    snprintf(method, sizeof(method), "%.*s.stats", (int)name.len, name.ptr);
    if (!tc_client_call(cli->client, method, empty_map, sizeof(empty_map), NULL, NULL,
                        &answer) &&
        answer.result)
        tc_pack_object(p, "stats", answer.result);
}

static void pack_plugin(struct tc_cli *cli, struct tc_pack *p,
                        const msgpack_object *plugin)
{
    tc_pack_begin_map(p, NULL);
    if (plugin->type == MSGPACK_OBJECT_MAP)
        for (uint32_t i = 0; i < plugin->via.map.size; i++)
            tc_pack_pair(p, &plugin->via.map.ptr[i]);
    pack_counters(cli, p, plugin);
    tc_pack_end(p);
}

/* The agent's answer with `stats` in each entry of `plugins`. */
static void merge(struct tc_cli *cli, struct tc_pack *p, const msgpack_object *result)
{
    const struct timeval wait = {.tv_sec = PLUGIN_WAIT_S};
    const msgpack_object *plugins = tc_unpack_array(result, "plugins");
    const msgpack_object_kv *kv = result->via.map.ptr;

    setsockopt(tc_client_fd(cli->client), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    tc_pack_begin_map(p, NULL);
    for (uint32_t i = 0; i < result->via.map.size; i++, kv++)
        if (&kv->val != plugins)
            tc_pack_pair(p, kv);
    if (plugins) {
        tc_pack_begin_array(p, "plugins");
        for (uint32_t i = 0; i < plugins->via.array.size; i++)
            pack_plugin(cli, p, &plugins->via.array.ptr[i]);
        tc_pack_end(p);
    }
    tc_pack_end(p);
}

static int print(const struct tc_cli *cli, struct tc_pack *p)
{
    const msgpack_object *all = tc_pack_read(p);

    if (!all)
        return tc_call_failed("cannot put the counters together: %s",
                              strerror(-p->error));
    if (cli->json)
        return tc_general_json(all);
    tc_print_record(stdout, NULL, all);
    return TC_EXIT_DONE;
}

int tc_run_stats(struct tc_cli *cli)
{
    const msgpack_object *result;
    struct tc_pack copy, p;
    struct tc_answer answer;
    int r;

    r = tc_call(cli, "diagnostic.stats", NULL, NULL, NULL, &answer);
    if (r)
        return r;
    /* The answer itself lives only until the next call. */
    tc_pack_init(&copy);
    tc_pack_init(&p);
    tc_pack_object(&copy, NULL, answer.result);
    result = tc_pack_read(&copy);
    if (result)
        merge(cli, &p, result);
    else
        p.error = copy.error;
    r = print(cli, &p);
    tc_pack_done(&p);
    tc_pack_done(&copy);
    return r;
}
