/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the server as a whole: listening, the table of taps and when they are flushed,
 * and the orderly end. Must not: know what a method does, but for tap.open and tap.close,
 * which are about connections.
 */
#include "ipc/rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc/pack.h"
#include "ipc/rpc_internal.h"
#include "ipc/tap.h"
#include "ipc/unpack.h"

#define RETRY_MS 100 /* until memory is looked for again, for who wants to connect */

/* ---- Taps ---- */

static void on_flush(uv_idle_t *handle)
{
    struct tc_rpc *rpc = handle->data;

    uv_idle_stop(handle);
    for (size_t i = 0; i < TC_RPC_TAPS_MAX; i++)
        if (rpc->taps[i].tap && tc_tap_flush(rpc->taps[i].tap) < 0)
            tc_rpc_client_close(rpc->taps[i].client);
}

/* An idle handle rather than a write for every event: what one turn of the bus delivers
 * goes out together. */
static void on_tap_wake(void *arg)
{
    struct tc_rpc *rpc = arg;

    if (!rpc->stopping)
        uv_idle_start(&rpc->flusher, on_flush);
}

static void close_tap(struct tc_rpc_tap *place)
{
    tc_tap_close(place->tap);
    place->tap = NULL;
    place->client = NULL;
}

void tc_rpc_close_taps(struct tc_rpc_client *client)
{
    struct tc_rpc *rpc = client->rpc;

    for (size_t i = 0; i < TC_RPC_TAPS_MAX; i++)
        if (rpc->taps[i].tap && rpc->taps[i].client == client)
            close_tap(&rpc->taps[i]);
}

static void reply_tap(struct tc_rpc_call *call, uint64_t id)
{
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_uint(&p, "tap", id);
    tc_pack_end(&p);
    tc_rpc_reply_packed(call, &p);
}

static const char *open_error_code(int r)
{
    switch (r) {
    case -EINVAL:
        return "usage";
    case -ENOSPC:
        return "refused";
    default:
        return "failed";
    }
}

static void open_tap(struct tc_rpc_call *call, const struct tc_rpc_params *params)
{
    struct tc_rpc_client *client = call->client;
    struct tc_rpc *rpc = client->rpc;
    struct tc_tap_options options = {
        .bus = rpc->options.bus,
        .stream = (uv_stream_t *)&client->pipe,
        .id = rpc->last_tap + 1,
        .wake = on_tap_wake,
        .arg = rpc,
    };
    struct tc_rpc_tap *place = rpc->taps;
    char why[256];
    int r;

    while (place < rpc->taps + TC_RPC_TAPS_MAX && place->tap)
        place++;
    if (place == rpc->taps + TC_RPC_TAPS_MAX) {
        rpc->counters.refused_taps++;
        tc_rpc_fail(call, "refused", "%d taps are open already", TC_RPC_TAPS_MAX);
        return;
    }
    r = tc_tap_open(&options, params->data, params->len, &place->tap, why);
    if (r) {
        tc_rpc_fail(call, open_error_code(r), "%s", why);
        return;
    }
    rpc->last_tap = options.id;
    place->client = client;
    place->id = options.id;
    reply_tap(call, options.id);
}

static void shut_tap(struct tc_rpc_call *call, const struct tc_rpc_params *params)
{
    struct tc_rpc *rpc = call->client->rpc;
    int64_t id = tc_unpack_int(params->map, "tap", -1);

    for (size_t i = 0; i < TC_RPC_TAPS_MAX; i++) {
        struct tc_rpc_tap *place = &rpc->taps[i];

        if (place->tap && place->client == call->client && (int64_t)place->id == id) {
            close_tap(place);
            reply_tap(call, (uint64_t)id);
            return;
        }
    }
    tc_rpc_fail(call, "not_found", "tap.close: this connection has no such tap");
}

bool tc_rpc_tap_call(struct tc_rpc_call *call, const struct tc_rpc_params *params)
{
    if (!strcmp(call->method, "tap.open"))
        open_tap(call, params);
    else if (!strcmp(call->method, "tap.close"))
        shut_tap(call, params);
    else
        return false;
    return true;
}

/* ---- Beginning and end ---- */

void tc_rpc_handle_closed(struct tc_rpc *rpc)
{
    if (--rpc->handles)
        return;
    if (rpc->stopped)
        rpc->stopped(rpc->stopped_arg);
    free((char *)(uintptr_t)rpc->options.path);
    free(rpc);
}

static void accept_one(struct tc_rpc *rpc);

static void on_closed(uv_handle_t *handle)
{
    tc_rpc_handle_closed(handle->data);
}

static void on_retry(uv_timer_t *timer)
{
    accept_one(timer->data);
}

static void accept_one(struct tc_rpc *rpc)
{
    if (tc_rpc_client_accept(rpc))
        uv_timer_start(&rpc->retry, on_retry, RETRY_MS, 0);
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        accept_one(stream->data);
}

/* Hands the listening socket to the loop. From here on only tc_rpc_stop undoes it. */
static int attach(struct tc_rpc *rpc, uv_loop_t *loop)
{
    int r;

    uv_idle_init(loop, &rpc->flusher);
    rpc->flusher.data = rpc;
    uv_timer_init(loop, &rpc->retry);
    rpc->retry.data = rpc;
    r = uv_pipe_init(loop, &rpc->pipe, 0);
    rpc->pipe.data = rpc;
    rpc->handles = 3;
    if (!r)
        r = uv_pipe_open(&rpc->pipe, rpc->listener.fd);
    if (r) {
        close(rpc->listener.fd);
        return r;
    }
    return uv_listen((uv_stream_t *)&rpc->pipe, TC_RPC_CLIENTS_MAX, on_connection);
}

int tc_rpc_start(uv_loop_t *loop, const struct tc_rpc_options *options,
                 struct tc_rpc **ret_rpc, char why[256])
{
    struct tc_rpc *rpc = NULL;
    char *path = strdup(options->path);
    int r = -ENOMEM;

    rpc = calloc(1, sizeof(*rpc));
    if (!path || !rpc) {
        snprintf(why, 256, "out of memory");
        goto fail;
    }
    rpc->options = *options;
    rpc->options.path = path;
    rpc->options.group = NULL;
    r = tc_listen_open(path, options->mode, options->group, &rpc->listener, why);
    if (r)
        goto fail;
    r = attach(rpc, loop);
    if (r) {
        snprintf(why, 256, "cannot listen on %s: %s", options->path, uv_strerror(r));
        tc_rpc_stop(rpc, NULL, NULL);
        return r;
    }
    *ret_rpc = rpc;
    return 0;

fail:
    free(rpc);
    free(path);
    return r;
}

void tc_rpc_stop(struct tc_rpc *rpc, void (*done)(void *arg), void *arg)
{
    rpc->stopping = true;
    rpc->stopped = done;
    rpc->stopped_arg = arg;
    tc_listen_unlink(&rpc->listener, rpc->options.path);
    uv_close((uv_handle_t *)&rpc->flusher, on_closed);
    uv_close((uv_handle_t *)&rpc->retry, on_closed);
    uv_close((uv_handle_t *)&rpc->pipe, on_closed);
    while (rpc->clients)
        tc_rpc_client_close(rpc->clients);
}

/* ---- Numbers ---- */

void tc_rpc_counters(const struct tc_rpc *rpc, struct tc_rpc_counters *ret)
{
    *ret = rpc->counters;
}

static void pack_tap_stats(struct tc_pack *p, const struct tc_tap *tap)
{
    struct tc_tap_stats stats;

    tc_tap_stats(tap, &stats);
    tc_pack_begin_map(p, NULL);
    tc_pack_uint(p, "tap", stats.id);
    tc_pack_uint(p, "sent", stats.sent);
    tc_pack_uint(p, "missed", stats.missed);
    tc_pack_uint(p, "queued", stats.queued);
    tc_pack_uint(p, "queued_bytes", stats.queued_bytes);
    tc_pack_end(p);
}

void tc_rpc_stats(const struct tc_rpc *rpc, struct tc_pack *p)
{
    const struct tc_rpc_client *client;

    for (client = rpc->clients; client; client = client->next) {
        tc_pack_begin_map(p, NULL);
        tc_pack_int(p, "pid", client->peer.pid);
        tc_pack_uint(p, "uid", client->peer.uid);
        tc_pack_uint(p, "queued_bytes",
                     uv_stream_get_write_queue_size((const uv_stream_t *)&client->pipe));
        tc_pack_uint(p, "calls", client->calls_count);
        tc_pack_begin_array(p, "taps");
        for (size_t i = 0; i < TC_RPC_TAPS_MAX; i++)
            if (rpc->taps[i].tap && rpc->taps[i].client == client)
                pack_tap_stats(p, rpc->taps[i].tap);
        tc_pack_end(p);
        tc_pack_end(p);
    }
}
