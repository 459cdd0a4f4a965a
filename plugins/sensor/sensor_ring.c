/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

/* Positions only grow; a record is 8 bytes of header and its data, padded to 8. */
#define LEN_BITS (~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT))

int tc_sensor_ring_open(struct tc_sensor_ring *ring, int fd, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    ring->page = page;
    ring->bytes = bytes;
    ring->producer = NULL;
    ring->consumer = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring->consumer == MAP_FAILED) {
        ring->consumer = NULL;
        return -errno;
    }
    /* The kernel maps the data twice in a row, so that no record is ever split. */
    ring->producer = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, fd, (off_t)page);
    if (ring->producer == MAP_FAILED) {
        int err = -errno;

        ring->producer = NULL;
        tc_sensor_ring_close(ring);
        return err;
    }
    return 0;
}

void tc_sensor_ring_close(struct tc_sensor_ring *ring)
{
    if (ring->consumer)
        munmap(ring->consumer, ring->page);
    if (ring->producer)
        munmap(ring->producer, ring->page + 2 * ring->bytes);
    ring->consumer = ring->producer = NULL;
}

static unsigned long position(const uint8_t *page)
{
    return __atomic_load_n((const unsigned long *)(const void *)page, __ATOMIC_ACQUIRE);
}

static void advance(struct tc_sensor_ring *ring, unsigned long by)
{
    unsigned long *at = (unsigned long *)(void *)ring->consumer;

    __atomic_store_n(at, position(ring->consumer) + by, __ATOMIC_RELEASE);
}

static unsigned long whole(uint32_t len)
{
    return (BPF_RINGBUF_HDR_SZ + (unsigned long)len + 7) & ~7ul;
}

const void *tc_sensor_ring_next(struct tc_sensor_ring *ring, size_t *ret_len)
{
    const uint8_t *at;
    uint32_t header;

    for (;;) {
        if (position(ring->consumer) >= position(ring->producer))
            return NULL;
        at = ring->producer + ring->page + (position(ring->consumer) & (ring->bytes - 1));
        header = __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE);
        if (header & BPF_RINGBUF_BUSY_BIT)
            return NULL;
        if (!(header & BPF_RINGBUF_DISCARD_BIT)) {
            *ret_len = header;
            return at + BPF_RINGBUF_HDR_SZ;
        }
        advance(ring, whole(header & LEN_BITS));
    }
}

void tc_sensor_ring_release(struct tc_sensor_ring *ring, const void *record)
{
    const uint8_t *at = (const uint8_t *)record - BPF_RINGBUF_HDR_SZ;

    advance(ring, whole(*(const uint32_t *)(const void *)at & LEN_BITS));
}

unsigned long tc_sensor_ring_head(const struct tc_sensor_ring *ring)
{
    return position(ring->producer);
}

bool tc_sensor_ring_has_read(const struct tc_sensor_ring *ring, unsigned long head)
{
    return position(ring->consumer) >= head;
}

bool tc_sensor_ring_idle(const struct tc_sensor_ring *ring)
{
    return position(ring->consumer) >= position(ring->producer);
}
