/* SPDX-License-Identifier: Apache-2.0 */
#include "es_ring.h"

#include <errno.h>
#include <stdlib.h>

int tc_es_ring_init(struct tc_es_ring *ring, uint32_t capacity)
{
    uint32_t size = 1;

    while (size < capacity)
        size *= 2;
    ring->items = calloc(size, sizeof(*ring->items));
    if (!ring->items)
        return -ENOMEM;
    ring->mask = size - 1;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    return 0;
}

void tc_es_ring_done(struct tc_es_ring *ring)
{
    free(ring->items);
    ring->items = NULL;
}

bool tc_es_ring_push(struct tc_es_ring *ring, const struct tc_es_item *item)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    if (tail - atomic_load_explicit(&ring->head, memory_order_acquire) > ring->mask)
        return false;
    ring->items[tail & ring->mask] = *item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

bool tc_es_ring_pop(struct tc_es_ring *ring, struct tc_es_item *ret_item)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    if (head == atomic_load_explicit(&ring->tail, memory_order_acquire))
        return false;
    *ret_item = ring->items[head & ring->mask];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return true;
}
