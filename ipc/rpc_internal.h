/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the parts of the server share: rpc.c (listening, taps, the end of it all),
 * rpc_client.c (one connection) and rpc_call.c (one request). Nobody else includes it.
 */
#ifndef TC_IPC_RPC_INTERNAL_H
#define TC_IPC_RPC_INTERNAL_H

#include <stdbool.h>

#include "ipc/listen.h"
#include "ipc/rpc.h"
#include "ipc/topic.h"

struct tc_tap;

/* "rpc.<method>" may be a topic; see core/control. */
#define TC_RPC_METHOD_BYTES_MAX TC_TOPIC_MAX_LEN

struct tc_rpc_tap {
    struct tc_tap *tap; /* NULL: a free place */
    struct tc_rpc_client *client;
    uint64_t id;
};

struct tc_rpc {
    struct tc_rpc_options options; /* path is our copy; group is not kept */
    struct tc_listener listener;
    uv_pipe_t pipe;
    uv_idle_t flusher; /* runs while taps have something to write */
    uv_timer_t retry; /* runs while a connection waits for memory: none is taken before */
    size_t handles;   /* not yet closed: the three above and every client's */
    bool stopping;
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct tc_rpc_client *clients; /* those that are not closing */
    size_t clients_count;
    struct tc_rpc_tap taps[TC_RPC_TAPS_MAX];
    uint64_t last_tap;
    struct tc_rpc_counters counters;
};

struct tc_rpc_client {
    struct tc_rpc *rpc;
    struct tc_rpc_client *prev, *next;
    struct tc_rpc_peer peer;
    struct tc_rpc_call *calls; /* unanswered */
    size_t calls_count;
    bool closing;
    uv_pipe_t pipe;
    uint8_t *in; /* bytes read that make no whole message yet */
    size_t in_len, in_cap;
    size_t in_need;       /* with less than that there is no whole message */
    size_t backlog_bytes; /* memory that replies take up until they are read */
};

struct tc_rpc_call {
    struct tc_rpc_client *client; /* NULL once the connection has closed */
    struct tc_rpc_call *prev, *next;
    struct tc_rpc_peer peer;
    uint32_t id;
    char method[TC_RPC_METHOD_BYTES_MAX + 1];
};

/* ---- rpc.c ---- */

/* One handle of the server has closed; the last one ends it. */
void tc_rpc_handle_closed(struct tc_rpc *rpc);

/* Answers tap.open and tap.close; false for any other method. */
bool tc_rpc_tap_call(struct tc_rpc_call *call, const struct tc_rpc_params *params);

/* Closes the taps of one connection. */
void tc_rpc_close_taps(struct tc_rpc_client *client);

/* ---- rpc_client.c ---- */

/* Takes the connection that waits, or takes and closes it when there are too many.
 * -ENOMEM: it waits on, and libuv takes no other until this is called again. */
int tc_rpc_client_accept(struct tc_rpc *rpc);

/*
 * Writes a whole message, or one in two parts: what was packed, which this frees, and the
 * bytes that follow it. What the socket does not take is copied. Closes the client when
 * that fails, or the packing has.
 */
void tc_rpc_client_send(struct tc_rpc_client *client, struct tc_pack *p, const void *more,
                        size_t len);

/* Ends a connection: its taps, its calls, and, when libuv is done, its memory. */
void tc_rpc_client_close(struct tc_rpc_client *client);

/* ---- rpc_call.c ---- */

/* A new unanswered call of `client`; NULL when out of memory. */
struct tc_rpc_call *tc_rpc_call_new(struct tc_rpc_client *client, uint32_t id,
                                    const char *method, size_t method_len);

/* Takes a connection's calls from it, and says who works on them. */
void tc_rpc_calls_abandon(struct tc_rpc_client *client);

/* Writes an error response; `id` NULL: nil. */
void tc_rpc_pack_error(struct tc_pack *p, const uint32_t *id, const char *code,
                       const char *message);

#endif
