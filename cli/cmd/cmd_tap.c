/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin tap`: events off the bus, one a line, or recorded as they came. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/published.h"
#include "cli/cmd/tap.h"
#include "ipc/filter.h"
#include "ipc/follow.h"
#include "ipc/names.h"
#include "ipc/topic.h"

/* ---- What comes ---- */

static void take_missed(struct tc_tap_out *out, const struct tc_message *message)
{
    uint64_t numbers[3] = {0, 0, 0}; /* tap, count, total */
    const msgpack_object_array *params = &message->params->via.array;

    for (uint32_t i = 0; i < 3 && i < params->size; i++)
        if (params->ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER)
            numbers[i] = params->ptr[i].via.u64;
    out->missed += numbers[1];
    if (out->cli->json && !out->record)
        printf("{\"missed\":%" PRIu64 ",\"total\":%" PRIu64 "}\n", numbers[1],
               numbers[2]);
    else if (!out->record)
        fprintf(stderr, "tocsin: missed %" PRIu64 " events, %" PRIu64 " in all\n",
                numbers[1], numbers[2]);
}

static void take(void *arg, const struct tc_message *message)
{
    struct tc_tap_out *out = arg;
    struct tc_tap_event event;

    if (tc_tap_out_finished(out))
        return;
    if (!strcmp(message->method, "tap.event") &&
        !tc_tapline_read(message->params, &event))
        tc_tap_out_take(out, &event, message->data, message->len);
    else if (!strcmp(message->method, "tap.missed"))
        take_missed(out, message);
}

/* ---- What is asked for ---- */

/* Whether a plugin that runs says that it publishes such a topic. */
static bool is_of_a_plugin(struct tc_cli *cli, const char *pattern)
{
    struct tc_published *published = calloc(1, sizeof(*published));
    struct tc_answer answer;
    bool is = true; /* if it cannot be told, the agent may know better */

    if (published && !tc_call(cli, "plugin.list", NULL, NULL, NULL, &answer)) {
        tc_published_take(published, tc_unpack_array(answer.result, "items"));
        tc_published_ask(published, cli);
        is = published->unknown;
        for (size_t i = 0; !is && i < published->count; i++)
            is = tc_topic_match(pattern, published->patterns[i]) ||
                 tc_topic_match(published->patterns[i], pattern);
    }
    free(published);
    return is;
}

static int check_topics(struct tc_cli *cli)
{
    char hint[128];

    for (size_t i = 0; i < cli->arg_count; i++) {
        const char *pattern = cli->args[i];

        /* What is no topic at all the agent says. */
        if (!tc_topic_pattern_valid(pattern) || tc_names_topic(pattern) ||
            is_of_a_plugin(cli, pattern))
            continue;
        tc_names_suggest_topic(pattern, hint, sizeof(hint));
        return tc_args_wrong(cli, "there is no topic %s, and no plugin publishes it%s",
                             pattern, hint);
    }
    return TC_EXIT_DONE;
}

/* The parent of a process; 0: it has gone. */
static uint64_t parent_of(uint64_t pid)
{
    char path[64], text[512];
    unsigned long parent = 0;
    const char *end;
    FILE *file;
    size_t n;

    snprintf(path, sizeof(path), "/proc/%" PRIu64 "/stat", pid);
    file = fopen(path, "re");
    if (!file)
        return 0;
    n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    end = strrchr(text, ')'); /* behind the name, which may be anything */
    if (!end || sscanf(end, ") %*c %lu", &parent) != 1)
        return 0;
    return parent;
}

/* Whether the process is below another one, now. */
static bool is_below(uint64_t pid, uint64_t top)
{
    for (unsigned depth = 0; pid > 1 && depth < 1000; depth++) {
        pid = parent_of(pid);
        if (pid == top)
            return true;
    }
    return false;
}

/* The process, and the children that it has already. */
static void put_processes(struct tc_pack *p, uint64_t top)
{
    size_t count = 1;
    struct dirent *entry;
    uint64_t pid;
    DIR *proc;

    tc_pack_begin_array(p, "follow");
    tc_pack_uint(p, NULL, top);
    proc = opendir("/proc");
    while (proc && count < TC_FOLLOW_MAX / 2 && (entry = readdir(proc)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        pid = strtoull(entry->d_name, NULL, 10);
        if (!is_below(pid, top))
            continue;
        tc_pack_uint(p, NULL, pid);
        count++;
    }
    if (proc)
        closedir(proc);
    tc_pack_end(p);
}

/* The parameters of tap.open: all topics unless some are named. */
static int put_params(const struct tc_tap_out *out, struct tc_pack *p)
{
    const struct tc_cli *cli = out->cli;
    struct tc_filter *checked = NULL;
    const char *filter;
    uint64_t pid = 0;
    size_t at = 0;
    int r;

    r = tc_args_number(cli, "follow-process", 0, &pid);
    if (!r)
        r = tc_tap_filter(cli, &checked);
    tc_filter_free(checked);
    if (r)
        return r;
    tc_pack_begin_map(p, NULL);
    tc_pack_begin_array(p, "topics");
    for (size_t i = 0; i < cli->arg_count; i++)
        tc_pack_str(p, NULL, cli->args[i]);
    if (!cli->arg_count)
        tc_pack_str(p, NULL, "*");
    tc_pack_end(p);
    tc_pack_begin_array(p, "filter");
    while ((filter = tc_args_next(cli, "filter", &at)) != NULL)
        tc_pack_str(p, NULL, filter);
    tc_pack_end(p);
    if (pid)
        put_processes(p, pid);
    if (out->sample)
        tc_pack_uint(p, "sample", out->sample);
    tc_pack_end(p);
    return TC_EXIT_DONE;
}

/* ---- The tap ---- */

/* Opens the tap and takes events until there have been enough, Ctrl-C, the time is up, or
 * the agent goes away. */
static int follow(struct tc_tap_out *out, struct tc_client *client,
                  const struct tc_pack *p)
{
    struct tc_interrupt interrupt;
    struct tc_message message;
    struct tc_answer answer;
    bool open;
    int r;

    r = tc_interrupt_start_for(&interrupt, client,
                               out->duration_ms ? (int)out->duration_ms : -1);
    if (r)
        return tc_call_failed("cannot wait for Ctrl-C: %s", strerror(-r));
    r = tc_client_call(client, "tap.open", p->bytes.data, p->bytes.size, take, out,
                       &answer);
    open = !r && answer.result;
    while (open && !tc_tap_out_finished(out)) {
        r = tc_client_next(client, &message);
        if (!r)
            take(out, &message);
        else if (r != -EINTR)
            break;
    }
    if (tc_interrupt_stop(&interrupt) || tc_tap_out_finished(out))
        return TC_EXIT_DONE;
    return tc_call_check(r, "tap.open", &answer);
}

static int run_live(struct tc_tap_out *out, struct tc_cli *cli)
{
    struct tc_pack p;
    int r;

    if (tc_args_option(cli, "since") || tc_args_option(cli, "until"))
        return tc_args_wrong(cli, "--since and --until go with --read; `tocsin alert "
                                  "list --since` lists what was");
    tc_pack_init(&p);
    r = put_params(out, &p);
    if (!r && p.error)
        r = tc_call_failed("cannot send this: %s", strerror(-p.error));
    if (!r)
        r = tc_call_connect(cli);
    if (!r)
        r = check_topics(cli);
    if (!r)
        r = tc_tap_out_open(out);
    if (!out->record)
        setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (!r)
        r = follow(out, cli->client, &p);
    tc_pack_done(&p);
    return tc_tap_out_close(out, r);
}

int tc_run_tap(struct tc_cli *cli)
{
    struct tc_tap_out out;
    int r = tc_tap_out_init(&out, cli);

    if (r)
        return r;
    return tc_args_option(cli, "read") ? tc_tap_read(&out) : run_live(&out, cli);
}
