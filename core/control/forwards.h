/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the calls that wait for a plugin's answer, who may have how many of them, and
 * until when each waits. Pure: time is an argument, and a call a pointer.
 */
#ifndef TC_CORE_CONTROL_FORWARDS_H
#define TC_CORE_CONTROL_FORWARDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_rpc_call;

#define TC_FORWARDS_MAX 256     /* calls that wait */
#define TC_FORWARDS_LOOKING 192 /* of them, of callers that may only look */
/* Since a plugin was asked, or has last told of progress. */
#define TC_FORWARDS_SILENCE_NS (120 * UINT64_C(1000000000))

/* A call that waits; free when `call` is NULL. */
struct tc_forward {
    struct tc_rpc_call *call;
    uint64_t id; /* of the request event */
    uint64_t until_ns;
    bool looks;
    char plugin[64];
};

struct tc_forwards {
    struct tc_forward slots[TC_FORWARDS_MAX];
    size_t waiting, looking;
    uint64_t expired; /* in all */
};

/* Whether there is a place for one more. */
bool tc_forwards_room(const struct tc_forwards *forwards, bool looks);

/* Takes a place, which there is. */
void tc_forwards_add(struct tc_forwards *forwards, struct tc_rpc_call *call, uint64_t id,
                     const char *plugin, bool looks, uint64_t now_ns);

/* The one whose request that plugin was asked by the event `id`, or NULL. */
struct tc_forward *tc_forwards_find(struct tc_forwards *forwards, uint64_t id,
                                    const char *plugin);

/* The plugin is at it: the time begins anew. */
void tc_forwards_touch(struct tc_forward *forward, uint64_t now_ns);

/* Gives the place back. */
void tc_forwards_remove(struct tc_forwards *forwards, struct tc_forward *forward);

/* When the next has waited for too long; UINT64_MAX: none waits. */
uint64_t tc_forwards_due(const struct tc_forwards *forwards);

/* One that has waited for too long, counted: to be answered and removed. Or NULL. */
struct tc_forward *tc_forwards_expire(struct tc_forwards *forwards, uint64_t now_ns);

#endif
