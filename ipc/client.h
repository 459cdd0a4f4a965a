/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the client side of the control socket, blocking, for command-line programs and
 * tests. One thread at a time.
 */
#ifndef TC_IPC_CLIENT_H
#define TC_IPC_CLIENT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_client;

/* A message from the agent. It lives until the next call on the same client. */
struct tc_message {
    const char *method; /* of a notification: "progress", "tap.event", "tap.missed" */
    const msgpack_object *params; /* an array */
    const uint8_t *data;          /* the same as it came */
    size_t len;
};

/* The agent's answer to one call. It lives until the next call on the same client. */
struct tc_answer {
    const msgpack_object *result; /* a map; NULL when the agent refused */
    const uint8_t *data;          /* the same as it came */
    size_t len;
    char code[32]; /* of a refusal: see ipc/rpc.h */
    char message[512];
};

typedef void (*tc_client_notify_fn)(void *arg, const struct tc_message *message);

/* Connects. -ENOENT and -ECONNREFUSED mean that no agent runs there. */
int tc_client_open(const char *path, struct tc_client **ret_client);
void tc_client_close(struct tc_client *client);

/* The socket, to poll for reading when no call is under way. */
int tc_client_fd(const struct tc_client *client);

/*
 * Calls a method with one encoded map and waits for the answer; notifications that come
 * meanwhile go to `notify` (may be NULL). 0 also for a refusal: look at
 * ret_answer->result. Errors: -EPIPE, the agent went away; -EPROTO, what came is no
 * MessagePack-RPC; -EINTR, a signal.
 */
int tc_client_call(struct tc_client *client, const char *method, const void *params,
                   size_t len, tc_client_notify_fn notify, void *arg,
                   struct tc_answer *ret_answer);

/* Waits for the next notification. Errors: as tc_client_call. */
int tc_client_next(struct tc_client *client, struct tc_message *ret_message);

#endif
