/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the thread that reads what has happened, has the tracker make events of it and
 * enqueues them. It reports losses, too.
 */
#ifndef TC_TRACE_READER_H
#define TC_TRACE_READER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "sensor_reader.h"
#include "trace_load.h"
#include "trace_netlink.h"

struct tc_trace_files;
struct tc_trace_items;
struct tc_trace_tracker;

#define TC_TRACE_POLL_MS 20      /* between polls while it is awake */
#define TC_TRACE_AWAKE_MS 60     /* without a record before it sleeps */
#define TC_TRACE_CATCH_UP_MS 100 /* at most, for a record that is not finished */
#define TC_TRACE_BATCH 64        /* events before they are enqueued */
/* Enqueued and not published yet; beyond it nothing is read, and the ring fills. */
#define TC_TRACE_UNDELIVERED 8192
#define TC_TRACE_UNDELIVERED_BYTES (32u * 1024 * 1024)

/* Called on the reader's thread; takes the items. */
typedef void (*tc_trace_deliver_fn)(void *arg, struct tc_trace_items *items);

struct tc_trace_reader {
    struct tc_trace_programs *programs; /* NULL: the process connector is read */
    struct tc_trace_netlink *netlink;
    struct tc_trace_files *files; /* its group may not be open */
    struct tc_trace_tracker *tracker;
    tc_trace_deliver_fn deliver;
    void *arg;
    struct tc_sensor_reader base;
    uint64_t complete_ns; /* since the epoch: until then all losses were reported */
    uint64_t reported_lost, reported_overflows, *by_cpu, *reported_by_cpu;
    atomic_ullong lost, gaps, overflows;
};

/* Errors: -ENOMEM; those of mmap(2), epoll_create(2), pthread_create(3). */
int tc_trace_reader_start(struct tc_trace_reader *reader, size_t ring_bytes);

/* Reads what is left and ends the thread. */
void tc_trace_reader_stop(struct tc_trace_reader *reader);

/* Items have been published. Any thread. */
void tc_trace_reader_delivered(struct tc_trace_reader *reader, size_t count,
                               size_t bytes);

#endif
