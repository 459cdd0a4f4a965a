/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one subscription of one connection: the events that wait to be written to it, and
 * the count of those that its reader missed. Must not: copy an event's bytes, close the
 * connection, or make the bus wait. One loop, its thread.
 *
 * What goes out: [2, "tap.event", [topic, source, id, map, time_ns, reply_to]], and ahead
 * of an event that follows on missed ones [2, "tap.missed", [tap, count, total]].
 */
#ifndef TC_IPC_TAP_H
#define TC_IPC_TAP_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct tc_bus;
struct tc_tap;

#define TC_TAP_TOPICS_MAX 16

/* What one tap holds at most; an event beyond any of these is missed, and counted. */
#define TC_TAP_EVENTS_MAX 4096
#define TC_TAP_BYTES_MAX (1024 * 1024)
/* And beside these, of the events that the bus never drops (struct tc_topic, keep): what
 * floods a reader does not take the place of an alert. */
#define TC_TAP_KEPT_EVENTS_MAX 1024
#define TC_TAP_KEPT_BYTES_MAX (1024 * 1024)
/* Of events with a descriptor, which stays open for as long as the event is held. */
#define TC_TAP_DESCRIPTORS_MAX 128

struct tc_tap_options {
    struct tc_bus *bus;
    uv_stream_t *stream; /* whoever closes it closes the tap first */
    uint64_t id;
    void (*wake)(void *arg); /* tc_tap_flush is due */
    void *arg;
};

struct tc_tap_stats {
    uint64_t id;
    uint64_t sent;   /* events written */
    uint64_t missed; /* events that found no room, here or in the bus's queue */
    size_t queued;   /* events held */
    size_t queued_bytes;
};

/*
 * Opens a tap as `params`, one checked map, asks: {topics, a list of patterns; filter,
 * text or a list of texts that must all hold; follow, a list of pids, whose children are
 * followed, too; sample, for one in so many of the events}, all of which may be left out.
 * Errors: -EINVAL and -ENOSPC (of tc_bus_subscribe) with the reason in `why`; -ENOMEM.
 */
int tc_tap_open(const struct tc_tap_options *options, const void *params, size_t len,
                struct tc_tap **ret_tap, char why[256]);

/* Takes NULL. Ends the subscription; the memory goes when no write is under way. */
void tc_tap_close(struct tc_tap *tap);

/* Writes what waits, as far as the reader takes it. A negative errno when the connection
 * is broken. */
int tc_tap_flush(struct tc_tap *tap);

void tc_tap_stats(const struct tc_tap *tap, struct tc_tap_stats *ret);

#endif
