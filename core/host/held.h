/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which events a plugin holds references to, and how many, so that they can be
 * taken back and a reference never held cannot be given back. Any thread. Must not: know
 * plugins.
 */
#ifndef TC_CORE_HELD_H
#define TC_CORE_HELD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct tc_event;

struct tc_held_entry;

/* In the caller's memory. */
struct tc_held {
    pthread_mutex_t lock;
    struct tc_held_entry *entries; /* uthash's, one for each event */
    size_t refs;                   /* references in all */
    size_t refs_max;
};

int tc_held_init(struct tc_held *held);

/* Everything must have been given back (tc_held_release_all). */
void tc_held_done(struct tc_held *held);

/* Keeps a reference that the caller has taken. -ENOMEM: it is still the caller's. */
int tc_held_adopt(struct tc_held *held, struct tc_event *event);

/* Gives one back. False when none of this event was held: nothing was touched. */
bool tc_held_unref(struct tc_held *held, struct tc_event *event);

/* Gives all back and returns how many there were. */
size_t tc_held_release_all(struct tc_held *held);

/* References held now; the most there ever were in ret_max, which may be NULL. */
size_t tc_held_count(struct tc_held *held, size_t *ret_max);

#endif
