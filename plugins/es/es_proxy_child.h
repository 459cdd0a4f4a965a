/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the two processes of es_proxy.h do, each until it ends. Both have the group
 * as descriptor 0 and the agent as 1, and no other. System calls only.
 */
#ifndef TC_ES_PROXY_CHILD_H
#define TC_ES_PROXY_CHILD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "es_proxy.h"

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

_Noreturn void tc_es_proxy_reader(const struct tc_es_proxy_config *config,
                                  struct tc_es_proxy_shared *shared);
_Noreturn void tc_es_proxy_guard(const struct tc_es_proxy_config *config,
                                 struct tc_es_proxy_shared *shared);

#endif
