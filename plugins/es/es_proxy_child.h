/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the two processes of es_proxy.h do, each until it ends. Both have the group
 * as descriptor 0 and the agent as 1, and no other. System calls only.
 */
#ifndef TC_ES_PROXY_CHILD_H
#define TC_ES_PROXY_CHILD_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/fanotify.h>
#include <time.h>
#include <unistd.h>

#include "es_proxy.h"
#include "sensor_clock.h"

/* The only descriptors. */
#define GROUP 0
#define AGENT 1

#define NS_PER_MS 1000000ull
#define CHECK_MS 1000 /* how often the guard looks, and the reader turns */

/* Of the agent and both processes. */
struct tc_es_proxy_shared {
    /* The reader's. It turns once in a second at least while anybody waits. */
    _Atomic uint64_t busy_since_ns; /* in a call that the server has to answer; 0: not */
    _Atomic uint32_t turns;
    _Atomic int waiting[TC_ES_PROXY_PENDING_MAX]; /* descriptors asked about, or -1 */
    _Atomic bool ended;                           /* nobody waits for it any more */
    /* The guard's: nobody is asked any more. */
    _Atomic bool given_up;
};

enum tc_es_proxy_order_kind {
    TC_ES_PROXY_ALLOW = 1,
    TC_ES_PROXY_DENY,
    TC_ES_PROXY_UNMARK,
};

/* What the agent sends to the reader. */
struct tc_es_proxy_order {
    uint64_t id;
    uint32_t order; /* enum tc_es_proxy_order_kind */
    uint32_t reserved;
};

static inline uint64_t tc_es_proxy_now_ns(void)
{
    return tc_sensor_clock_ns(CLOCK_MONOTONIC);
}

static inline void tc_es_proxy_unmark_all(void)
{
    /* Cannot fail on a group: fanotify_mark(2). */
    if (fanotify_mark(GROUP, FAN_MARK_FLUSH | FAN_MARK_FILESYSTEM, 0, AT_FDCWD, "/"))
        return;
}

static inline void tc_es_proxy_respond(int fd, bool allow)
{
    const struct fanotify_response response = {fd, allow ? FAN_ALLOW : FAN_DENY};

    if (write(GROUP, &response, sizeof(response)) < 0)
        return; /* the asker has been killed, or has been answered */
}

_Noreturn void tc_es_proxy_reader(const struct tc_es_proxy_config *config,
                                  struct tc_es_proxy_shared *shared);
_Noreturn void tc_es_proxy_guard(const struct tc_es_proxy_config *config,
                                 struct tc_es_proxy_shared *shared);

#endif
