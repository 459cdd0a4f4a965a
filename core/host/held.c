/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linear probing; an entry that goes is filled from behind, so that a search ends at the
 * first hole and nothing needs to be swept (Knuth, TAOCP 3, 6.4 algorithm R).
 */
#include "core/host/held.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "ipc/event.h"

#define FIRST_CAP 64

int tc_held_init(struct tc_held *held)
{
    *held = (struct tc_held){0};
    return -pthread_mutex_init(&held->lock, NULL);
}

void tc_held_done(struct tc_held *held)
{
    free(held->entries);
    held->entries = NULL;
    (void)pthread_mutex_destroy(&held->lock);
}

/* Allocations differ in the upper bits of the address; Fibonacci hashing spreads them. */
static size_t home(const struct tc_held *held, const struct tc_event *event)
{
    uint64_t mixed = (uint64_t)(uintptr_t)event * 0x9e3779b97f4a7c15u;

    return (size_t)(mixed >> 32) & (held->cap - 1);
}

/* Where the event is, or the hole where it belongs. The table is never full. */
static size_t locate(const struct tc_held *held, const struct tc_event *event)
{
    size_t i = home(held, event);

    while (held->entries[i].event && held->entries[i].event != event)
        i = (i + 1) & (held->cap - 1);
    return i;
}

static int grow(struct tc_held *held)
{
    struct tc_held_entry *old = held->entries, *entries;
    size_t old_cap = held->cap;
    size_t cap = old_cap ? 2 * old_cap : FIRST_CAP;

    entries = calloc(cap, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    held->entries = entries;
    held->cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].event)
            held->entries[locate(held, old[i].event)] = old[i];
    free(old);
    return 0;
}

/* Closes the hole at i. */
static void take_out(struct tc_held *held, size_t i)
{
    size_t mask = held->cap - 1;
    size_t next = i;

    held->used--;
    for (;;) {
        held->entries[i] = (struct tc_held_entry){0};
        do {
            next = (next + 1) & mask;
            if (!held->entries[next].event)
                return;
            /* One that is nearer to its home than the hole is stays. */
        } while (((next - home(held, held->entries[next].event)) & mask) <
                 ((next - i) & mask));
        held->entries[i] = held->entries[next];
        i = next;
    }
}

int tc_held_adopt(struct tc_held *held, struct tc_event *event)
{
    struct tc_held_entry *entry;
    int rc = 0;

    pthread_mutex_lock(&held->lock);
    if (2 * (held->used + 1) > held->cap)
        rc = grow(held);
    if (rc)
        goto out;
    entry = &held->entries[locate(held, event)];
    if (!entry->event) {
        entry->event = event;
        held->used++;
    }
    entry->refs++;
    held->refs++;
    if (held->refs > held->refs_max)
        held->refs_max = held->refs;
out:
    pthread_mutex_unlock(&held->lock);
    return rc;
}

bool tc_held_unref(struct tc_held *held, struct tc_event *event)
{
    struct tc_held_entry *entry;
    bool held_it = false;
    size_t i;

    pthread_mutex_lock(&held->lock);
    if (held->cap) {
        i = locate(held, event);
        entry = &held->entries[i];
        held_it = entry->event != NULL;
        if (held_it) {
            held->refs--;
            if (!--entry->refs)
                take_out(held, i);
        }
    }
    pthread_mutex_unlock(&held->lock);
    if (held_it)
        tc_event_unref(event);
    return held_it;
}

size_t tc_held_release_all(struct tc_held *held)
{
    struct tc_held_entry *entries;
    size_t cap, refs;

    pthread_mutex_lock(&held->lock);
    entries = held->entries;
    cap = held->cap;
    refs = held->refs;
    held->entries = NULL;
    held->cap = held->used = held->refs = 0;
    pthread_mutex_unlock(&held->lock);
    for (size_t i = 0; i < cap; i++)
        for (; entries[i].refs; entries[i].refs--)
            tc_event_unref(entries[i].event);
    free(entries);
    return refs;
}

size_t tc_held_count(struct tc_held *held, size_t *ret_max)
{
    size_t refs;

    pthread_mutex_lock(&held->lock);
    refs = held->refs;
    if (ret_max)
        *ret_max = held->refs_max;
    pthread_mutex_unlock(&held->lock);
    return refs;
}
