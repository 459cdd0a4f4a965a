/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the server side of the control socket: accepting, peer credentials,
 * MessagePack-RPC (request [0,id,method,params], response [1,id,error,result],
 * notification [2,method,params]), and back-pressure on what it writes. One loop, its
 * thread. Must not: know what a method does. core/control does.
 *
 * params is an array of at most one map, or such a map itself; result is one map; error
 * is nil or a map {code, message}. Codes: "usage", "refused", "not_found", "failed",
 * "unknown_method".
 */
#ifndef TC_IPC_RPC_H
#define TC_IPC_RPC_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tocsin/event.h>
#include <uv.h>

#define TC_RPC_MAX_BYTES (1024 * 1024) /* of one message from a client */
/* Values of one message, with room around those of the longest params that tc_frame_check
 * takes. msgpack-c makes objects of them, which take 6 MiB then (ipc/unpack.h). */
#define TC_RPC_MAX_VALUES (TOCSIN_EVENT_MAX_BYTES + 16)
#define TC_RPC_MAX_DEPTH 16
#define TC_RPC_CLIENTS_MAX 128 /* or an eighth of the limit of open files */
#define TC_RPC_BACKLOG_BYTES                                                             \
    (4 * 1024 * 1024)        /* unread replies; beyond it a client is cut off */
#define TC_RPC_CALLS_MAX 256 /* unanswered calls of one client; more are refused */
#define TC_RPC_TAPS_MAX 16   /* of all clients, so that plugins find room on the bus */
#define TC_RPC_PROGRESS_BYTES                                                            \
    (64 * 1024) /* a client that is so far behind gets no progress */

struct tc_bus;
struct tc_pack;
struct tc_rpc;
struct tc_rpc_call;   /* one request that waits for its answer */
struct tc_rpc_client; /* one connection */

/* Who is on the other end (SO_PEERCRED). */
struct tc_rpc_peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
};

/* The one map that a request carries, an empty one if the client sent none: read, and as
 * it came, which tc_frame_check has let through. */
struct tc_rpc_params {
    const msgpack_object *map;
    const void *data;
    size_t len;
};

/*
 * A request; `params` are valid until this returns. Every call must be answered once, now
 * or later, by tc_rpc_reply or tc_rpc_fail.
 */
typedef void (*tc_rpc_call_fn)(void *arg, struct tc_rpc_call *call, const char *method,
                               const struct tc_rpc_params *params);

/* The connection of an unanswered call has closed: stop working for it. Answer it all the
 * same. */
typedef void (*tc_rpc_gone_fn)(void *arg, struct tc_rpc_call *call);

struct tc_rpc_options {
    const char
        *path; /* of the socket; a stale one is replaced, a live one is -EADDRINUSE */
    mode_t mode;
    const char *group;  /* owner group by name; NULL or unknown: left as it is */
    struct tc_bus *bus; /* what tap.open taps */
    tc_rpc_call_fn call;
    tc_rpc_gone_fn gone;
    void *arg;
};

/* How often each limit was met, since the start. */
struct tc_rpc_counters {
    uint64_t accepted;         /* connections */
    uint64_t refused_clients;  /* that found no room */
    uint64_t malformed;        /* connections closed over what they sent */
    uint64_t cut_off;          /* connections closed over what they did not read */
    uint64_t refused_calls;    /* beyond TC_RPC_CALLS_MAX */
    uint64_t refused_taps;     /* beyond TC_RPC_TAPS_MAX */
    uint64_t progress_dropped; /* see TC_RPC_PROGRESS_BYTES */
};

/* Listens. On failure the reason is in `why`. The process must ignore SIGPIPE. */
int tc_rpc_start(uv_loop_t *loop, const struct tc_rpc_options *options,
                 struct tc_rpc **ret_rpc, char why[256]);

/* Stops listening, closes every connection, removes the socket; `done(arg)` when all is
 * closed. */
void tc_rpc_stop(struct tc_rpc *rpc, void (*done)(void *arg), void *arg);

const struct tc_rpc_peer *tc_rpc_call_peer(const struct tc_rpc_call *call);
const char *tc_rpc_call_method(const struct tc_rpc_call *call);

/* Answers with one encoded map, or with an error, and ends the call. Bytes are copied. */
void tc_rpc_reply(struct tc_rpc_call *call, const void *result, size_t len);
void tc_rpc_fail(struct tc_rpc_call *call, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Answers with the map that was packed, and frees it; where that has failed, with an
 * error. */
void tc_rpc_reply_packed(struct tc_rpc_call *call, struct tc_pack *p);

/* Sends notification ["progress", {call: id, ...map}] ahead of the answer. */
void tc_rpc_progress(struct tc_rpc_call *call, const void *map, size_t len);

void tc_rpc_counters(const struct tc_rpc *rpc, struct tc_rpc_counters *ret);

/* For each connection and tap: pid, uid, queued bytes, missed events; appended to an open
 * array. */
void tc_rpc_stats(const struct tc_rpc *rpc, struct tc_pack *p);

#endif
