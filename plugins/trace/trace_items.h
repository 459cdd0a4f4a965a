/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: events that are written but not published yet, in order. No lock. */
#ifndef TC_TRACE_ITEMS_H
#define TC_TRACE_ITEMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct tc_trace_item {
    const char *topic; /* lives for ever */
    uint64_t time_ns;  /* since the epoch */
    uint8_t *data;     /* from malloc */
    size_t len;
    STAILQ_ENTRY(tc_trace_item) next;
};

struct tc_trace_items {
    STAILQ_HEAD(, tc_trace_item) list;
    size_t count, bytes;
};

void tc_trace_items_init(struct tc_trace_items *items);
void tc_trace_items_clear(struct tc_trace_items *items);

/* Takes over `data`, also when there is no memory: -ENOMEM. */
int tc_trace_items_add(struct tc_trace_items *items, const char *topic, uint64_t time_ns,
                       uint8_t *data, size_t len);

/* The first one, which is the caller's from then on; NULL: there is none. */
struct tc_trace_item *tc_trace_items_take(struct tc_trace_items *items);
void tc_trace_item_free(struct tc_trace_item *item);

/* Moves all of `from` to the end of `to`. */
void tc_trace_items_append(struct tc_trace_items *to, struct tc_trace_items *from);

#endif
