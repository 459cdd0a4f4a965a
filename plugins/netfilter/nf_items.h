/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: events on their way from the reader's thread to the loop: written, and not
 * published yet, in order. No lock.
 */
#ifndef TC_NF_ITEMS_H
#define TC_NF_ITEMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct tocsin_writer;

struct tc_nf_item {
    STAILQ_ENTRY(tc_nf_item) next;
    const char *topic;    /* lives for ever */
    uint64_t time_ns;     /* since the epoch */
    uint64_t ticket;      /* a packet waits for the verdict under this number; 0: none */
    uint64_t deadline_ns; /* CLOCK_MONOTONIC, with a ticket */
    size_t len;
    uint8_t data[];
};

struct tc_nf_items {
    STAILQ_HEAD(, tc_nf_item) list;
    size_t count, bytes;
    bool awaited; /* there is one with a ticket */
};

void tc_nf_items_init(struct tc_nf_items *items);
void tc_nf_items_clear(struct tc_nf_items *items);

/* Adds a copy of what the writer has. Its error, or -ENOMEM. */
int tc_nf_items_add(struct tc_nf_items *items, const struct tc_nf_item *head,
                    const struct tocsin_writer *w);

/* The first one, to be freed with free(3); NULL: there is none. */
struct tc_nf_item *tc_nf_items_take(struct tc_nf_items *items);

/* Moves all of `from` to the end of `to`. */
void tc_nf_items_append(struct tc_nf_items *to, struct tc_nf_items *from);

#endif
