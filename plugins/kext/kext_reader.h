/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the thread that reads the ring, has each record resolved and enqueues the
 * outcome; and that executes what the loop has decided about processes. A program wakes
 * it for an exec, and otherwise only when it sleeps: a wake-up is ten times the record.
 */
#ifndef TC_KEXT_READER_H
#define TC_KEXT_READER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kext_item.h"
#include "sensor_reader.h"

struct tc_kext_programs;
struct tc_kext_resolver;

#define TC_KEXT_POLL_MS 5        /* between polls while it is awake */
#define TC_KEXT_AWAKE_MS 50      /* without a record before it sleeps */
#define TC_KEXT_BATCH 64         /* records before they are enqueued */
#define TC_KEXT_UNDELIVERED 4096 /* items enqueued that nobody has published yet */
#define TC_KEXT_ORDERS_MAX 4096

enum tc_kext_order_what {
    TC_KEXT_ORDER_KILL,   /* the process and all below it */
    TC_KEXT_ORDER_RESUME, /* SIGCONT to one that was held */
};

struct tc_kext_order {
    enum tc_kext_order_what what;
    int32_t pid;
    uint64_t start_ns;
};

/* Called on the reader's thread with what it has found; takes the items. */
typedef void (*tc_kext_deliver_fn)(void *arg, struct tc_kext_items *items);

struct tc_kext_reader {
    struct tc_kext_programs *programs;
    struct tc_kext_resolver *resolver;
    tc_kext_deliver_fn deliver;
    void *arg;
    struct tc_sensor_reader base;
    struct tc_kext_items items;
    atomic_bool muted; /* nothing but the canary gets through */
    atomic_ullong killed, not_killed;
    atomic_ullong orders_full; /* there was no room for */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t seen;
    struct tc_kext_order *orders;
    size_t order_count;
    bool has_canary;
    struct tc_kext_key canary;
    uint64_t canary_opened_ns, canary_executed_ns; /* CLOCK_MONOTONIC */
};

/* Errors: -ENOMEM; those of mmap(2), epoll_create(2), pthread_create(3). */
int tc_kext_reader_start(struct tc_kext_reader *reader, size_t ring_bytes);

/* Reads what is left, executes what was ordered, and ends the thread. */
void tc_kext_reader_stop(struct tc_kext_reader *reader);

/*
 * Has the thread execute it, as that takes a while. What there is no room for is executed
 * at once, of a tree for its root alone, and counted. A process that is held stays in the
 * map of those until then, so that the guard knows of it. Any thread.
 */
void tc_kext_reader_order(struct tc_kext_reader *reader,
                          const struct tc_kext_order *order);

/* Items have been published. Any thread. */
void tc_kext_reader_delivered(struct tc_kext_reader *reader, size_t count);

/* Which file is the canary: its records go to nobody. Any thread. */
void tc_kext_reader_set_canary(struct tc_kext_reader *reader,
                               const struct tc_kext_key *key);

/* Waits until its open, or its exec, was reported after `since_ns`. -ETIMEDOUT. */
int tc_kext_reader_await_canary(struct tc_kext_reader *reader, bool exec,
                                uint64_t since_ns, unsigned ms);

#endif
