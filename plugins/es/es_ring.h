/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the way of events from the reader thread to the loop: a bounded ring, one writer,
 * one reader, no lock.
 */
#ifndef TC_ES_RING_H
#define TC_ES_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* One event of the permission group; fd goes with it. */
struct tc_es_item {
    uint64_t time_ns; /* CLOCK_MONOTONIC when it was read */
    uint64_t mask;
    int fd;
    int32_t pid;
    uint32_t slot; /* in the gate; TC_ES_NO_SLOT: nobody waits */
};

#define TC_ES_NO_SLOT UINT32_MAX

struct tc_es_ring {
    struct tc_es_item *items;
    uint32_t mask; /* capacity - 1, a power of two */
    /* Only grow, and wrap at 2^32: tail - head counts the items all the same, as the
     * capacity divides that. */
    atomic_uint head, tail;
};

/* At least `capacity` items. Errors: -ENOMEM. */
int tc_es_ring_init(struct tc_es_ring *ring, uint32_t capacity);
void tc_es_ring_done(struct tc_es_ring *ring);

/* Writer's. False when full. */
bool tc_es_ring_push(struct tc_es_ring *ring, const struct tc_es_item *item);

/* Reader's. False when empty. */
bool tc_es_ring_pop(struct tc_es_ring *ring, struct tc_es_item *ret_item);

#endif
