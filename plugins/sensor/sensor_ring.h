/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the reading end of a BPF ring, shared with the kernel. Its own rather than
 * libbpf's, because a reader that means to sleep must know that nobody is about to write
 * (tc_sensor_ring_idle), which libbpf does not report. One thread.
 */
#ifndef TC_SENSOR_RING_H
#define TC_SENSOR_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_sensor_ring {
    uint8_t *consumer, *producer; /* mapped pages; records follow the producer's */
    size_t bytes, page;
};

/* `fd` is the map's, and `bytes` its size. Errors: those of mmap(2). */
int tc_sensor_ring_open(struct tc_sensor_ring *ring, int fd, size_t bytes);
void tc_sensor_ring_close(struct tc_sensor_ring *ring);

/* The next record and its length; NULL when none is complete. It stays valid, and first,
 * until it is released. */
const void *tc_sensor_ring_next(struct tc_sensor_ring *ring, size_t *ret_len);
void tc_sensor_ring_release(struct tc_sensor_ring *ring, const void *record);

/* Where the next record will begin, and whether all before there was read. */
unsigned long tc_sensor_ring_head(const struct tc_sensor_ring *ring);
bool tc_sensor_ring_has_read(const struct tc_sensor_ring *ring, unsigned long head);

/* Nothing is there, and no program has taken a place for what it is going to write. */
bool tc_sensor_ring_idle(const struct tc_sensor_ring *ring);

#endif
