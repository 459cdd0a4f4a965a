/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a tap from inside; shared by tap.c, which delivers, and tap_open.c. */
#ifndef TC_IPC_TAP_PRIV_H
#define TC_IPC_TAP_PRIV_H

#include <stdbool.h>

#include "ipc/tap.h"
#include "ipc/topic.h"

struct tc_event;

#define BATCH_EVENTS 64
#define RING_SLOTS (TC_TAP_EVENTS_MAX + TC_TAP_KEPT_EVENTS_MAX)
#define SOURCE_BYTES_MAX 255 /* of a plugin's name, in a header */
/* The longest header: "tap.missed" with three numbers, "tap.event" with two names and
 * three. */
#define HEAD_BYTES_MAX (64 + 80 + TC_TOPIC_MAX_LEN + SOURCE_BYTES_MAX)
#define PATTERN_BYTES (TC_TOPIC_MAX_LEN + sizeof(".*"))

struct entry {
    struct tc_event *event;
    uint64_t missed_before; /* events missed between this one and the one before */
};

/* The messages that one write carries: the first `events` of the ring, or, when it is
 * empty, a tap.missed alone. */
struct batch {
    size_t events;
    unsigned bufs_count;
    uv_buf_t bufs[2 * BATCH_EVENTS + 1];
    uint8_t heads[32 * HEAD_BYTES_MAX];
};

/* The patterns of tap.open, each ended. */
struct tc_tap_topics {
    char names[TC_TAP_TOPICS_MAX][PATTERN_BYTES];
    const char
        *patterns[TC_TAP_TOPICS_MAX + 1]; /* into `names`, or a constant; then NULL */
};

struct tc_tap {
    struct tc_tap_options options;
    struct tc_subscriber *subscriber;
    struct tc_filter *filter; /* NULL: all */
    struct tc_follow *follow; /* NULL: of everybody */
    struct tc_tap_topics topics;
    uint64_t sample; /* one in so many, from 2 on */
    uint64_t matched;
    uint64_t sent;
    uint64_t missed;        /* in all */
    uint64_t reported;      /* of these, what the reader knows of */
    uint64_t missed_latest; /* missed since the newest entry of the ring */
    uint64_t bus_dropped; /* the part of `missed` that the bus's queue had no room for */
    size_t bytes;         /* held */
    size_t descriptors;
    bool writing; /* the batch is libuv's; its buffers must stay as they are */
    bool closed;  /* ... and then the tap is freed */
    bool broken;
    uv_write_t request;
    struct batch batch;
    size_t first, count;
    struct entry ring[RING_SLOTS];
};

/* The bus's delivery to the tap, which is `arg`. */
void tc_tap_deliver(void *arg, struct tc_event *event);

/* Frees one that is not subscribed. */
void tc_tap_free(struct tc_tap *tap);

#endif
