/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a control socket with a bus behind it, on a loop in a thread of its own, for
 * tests of clients and taps. Its methods:
 *   echo          answers with its params
 *   fail          is refused
 *   hold          stays unanswered until `release`, which answers the latest first
 *   held          {held, gone}: how many calls wait, and for how many the caller has left
 *   big           {bytes}: answers with so many bytes
 *   progress      {count}: that many notifications, then the answer
 *   publish       {topic, count, every, data}: publishes `data` so many times, delivering
 *                 after `every` events; answers {first, last}: the ids
 *   stats         {connections, malformed, cut_off, ...}
 */
#ifndef TESTS_SUPPORT_RPC_SERVER_H
#define TESTS_SUPPORT_RPC_SERVER_H

#include <pthread.h>
#include <uv.h>

#include "ipc/bus.h"
#include "ipc/client.h"
#include "ipc/rpc.h"

#define RPC_SERVER_HELD_MAX 512

struct rpc_server {
    char folder[64];
    char path[96]; /* of the socket */
    pthread_t thread;
    uv_loop_t loop;
    uv_async_t quit;
    uv_idle_t turner;
    struct tc_bus *bus;
    struct tc_rpc *rpc;
    struct tc_rpc_call *held[RPC_SERVER_HELD_MAX];
    size_t held_count;
    uint64_t gone;
};

/* Both fail the running test when anything goes wrong; stop also if anything leaked. */
void rpc_server_start(struct rpc_server *server);
void rpc_server_stop(struct rpc_server *server);

/* A socket connected to it whose reads give up after 20 s. */
int rpc_server_connect(const struct rpc_server *server);

struct tc_client *rpc_server_client(const struct rpc_server *server);

/* Calls a method with an encoded map; fails the test when there is no answer. */
void rpc_server_call(struct tc_client *client, const char *method, const void *params,
                     size_t len, struct tc_answer *ret_answer);

/* The whole number `path` of the answer to a call without params. */
int64_t rpc_server_ask(struct tc_client *client, const char *method, const char *path);

/* Waits, asking again and again, until `method` gives at least `value` at `path`. */
void rpc_server_await(struct tc_client *client, const char *method, const char *path,
                      int64_t value);

#endif
