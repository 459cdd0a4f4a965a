/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/held.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "ipc/event.h"

/* Without it uthash ends the process. The element that was to be added is then not in. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) (no_memory = true)
#include <uthash.h>

struct tc_held_entry {
    struct tc_event *event;
    size_t refs;
    UT_hash_handle hh; /* by event */
};

int tc_held_init(struct tc_held *held)
{
    *held = (struct tc_held){0};
    return -pthread_mutex_init(&held->lock, NULL);
}

void tc_held_done(struct tc_held *held)
{
    (void)pthread_mutex_destroy(&held->lock);
}

/* The event's entry, a new one where there is none; NULL when out of memory. */
static struct tc_held_entry *entry_of(struct tc_held *held, struct tc_event *event)
{
    struct tc_held_entry *entry;
    bool no_memory = false;

    HASH_FIND_PTR(held->entries, &event, entry);
    if (entry)
        return entry;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return NULL;
    entry->event = event;
    HASH_ADD_PTR(held->entries, event, entry);
    if (no_memory) {
        free(entry);
        return NULL;
    }
    return entry;
}

int tc_held_adopt(struct tc_held *held, struct tc_event *event)
{
    struct tc_held_entry *entry;

    pthread_mutex_lock(&held->lock);
    entry = entry_of(held, event);
    if (entry) {
        entry->refs++;
        if (++held->refs > held->refs_max)
            held->refs_max = held->refs;
    }
    pthread_mutex_unlock(&held->lock);
    return entry ? 0 : -ENOMEM;
}

bool tc_held_unref(struct tc_held *held, struct tc_event *event)
{
    struct tc_held_entry *entry;

    pthread_mutex_lock(&held->lock);
    HASH_FIND_PTR(held->entries, &event, entry);
    if (entry) {
        held->refs--;
        if (!--entry->refs) {
            HASH_DEL(held->entries, entry);
            free(entry);
        }
    }
    pthread_mutex_unlock(&held->lock);
    if (!entry)
        return false;
    tc_event_unref(event);
    return true;
}

size_t tc_held_release_all(struct tc_held *held)
{
    struct tc_held_entry *entries, *entry, *next;
    size_t refs;

    pthread_mutex_lock(&held->lock);
    entries = held->entries;
    refs = held->refs;
    held->entries = NULL;
    held->refs = 0;
    pthread_mutex_unlock(&held->lock);
    HASH_ITER(hh, entries, entry, next)
    {
        HASH_DEL(entries, entry);
        for (; entry->refs; entry->refs--)
            tc_event_unref(entry->event);
        free(entry);
    }
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
