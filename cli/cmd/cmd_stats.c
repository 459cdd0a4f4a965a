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
#define KEY_MAX 96

/* Copies every field of a map but one into the map that is open. */
static void copy_fields(struct tocsin_writer *w, const struct tocsin_value *map,
                        const char *but)
{
    struct tocsin_value key = {.type = TOCSIN_NIL}, value;
    struct tocsin_iter it;
    char name[KEY_MAX];

    tocsin_iter_init(&it, map);
    while (tocsin_iter_next(&it, &key, &value)) {
        if (key.type != TOCSIN_STR || key.len >= sizeof(name))
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)key.len, key.ptr);
        if (!but || strcmp(name, but) != 0)
            tocsin_put_encoded(w, name, value.start, tocsin_value_size(&value));
    }
}

/* Asks a plugin for its own counters; one that has none has no field for them. */
static void put_counters(struct tc_cli *cli, struct tocsin_writer *w,
                         const struct tocsin_value *plugin)
{
    static const uint8_t empty_map[] = {0x80};
    size_t len = tocsin_value_size(plugin);
    struct tocsin_str name = tocsin_find_str(plugin->start, len, "name");
    struct tc_answer answer;
    char method[KEY_MAX];

    if (!tocsin_str_is(tocsin_find_str(plugin->start, len, "state"), "running"))
        return;
    snprintf(method, sizeof(method), "%.*s.stats", (int)name.len, name.ptr);
    if (!tc_client_call(cli->client, method, empty_map, sizeof(empty_map), NULL, NULL,
                        &answer) &&
        answer.result)
        tocsin_put_encoded(w, "stats", answer.result, answer.len);
}

/* The agent's answer with `stats` in each entry of `plugins`. */
static void merge(struct tc_cli *cli, struct tocsin_writer *w,
                  const struct tocsin_value *result)
{
    const struct timeval wait = {.tv_sec = PLUGIN_WAIT_S};
    struct tocsin_value plugins, plugin;
    struct tocsin_iter it;

    setsockopt(tc_client_fd(cli->client), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    tocsin_begin_map(w, NULL);
    copy_fields(w, result, "plugins");
    if (tocsin_find(result->start, tocsin_value_size(result), "plugins", &plugins)) {
        tocsin_begin_array(w, "plugins");
        tocsin_iter_init(&it, &plugins);
        while (tocsin_iter_next(&it, NULL, &plugin)) {
            tocsin_begin_map(w, NULL);
            copy_fields(w, &plugin, NULL);
            put_counters(cli, w, &plugin);
            tocsin_end(w);
        }
        tocsin_end(w);
    }
    tocsin_end(w);
}

static int print(const struct tc_cli *cli, const struct tocsin_writer *w)
{
    struct tocsin_value v;

    if (w->error || !tocsin_read(w->buf, w->buf + w->len, &v))
        return tc_call_failed("cannot put the counters together: %s",
                              strerror(w->error ? -w->error : EPROTO));
    if (cli->json)
        return tc_general_json(&v);
    tc_print_record(stdout, NULL, &v);
    return TC_EXIT_DONE;
}

int tc_run_stats(struct tc_cli *cli)
{
    struct tocsin_writer w;
    struct tocsin_value result;
    struct tc_answer answer;
    uint8_t *copy;
    int r;

    r = tc_call(cli, "diagnostic.stats", NULL, NULL, NULL, &answer);
    if (r)
        return r;
    /* The answer itself lives only until the next call. */
    copy = malloc(answer.len);
    if (!copy)
        return tc_call_failed("%s", strerror(ENOMEM));
    memcpy(copy, answer.result, answer.len);
    tocsin_writer_init_growing(&w);
    if (tocsin_read(copy, copy + answer.len, &result))
        merge(cli, &w, &result);
    r = print(cli, &w);
    tocsin_writer_done(&w);
    free(copy);
    return r;
}
