/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the thread in which a sensor reads what the kernel reports: its ring, how it
 * waits for descriptors, how it is woken, and how much it has enqueued that nobody has
 * taken yet. While something comes it looks every few milliseconds by itself, since being
 * woken is what costs whoever causes it; over a BPF ring it sleeps when nothing does, and
 * a program that sees that wakes it. The thread's, but for what says otherwise.
 */
#ifndef TC_SENSOR_READER_H
#define TC_SENSOR_READER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sensor_ring.h"

struct tc_sensor_reader_limits {
    unsigned poll_ms;  /* between polls while it is awake */
    unsigned awake_ms; /* without a record before it sleeps */
    unsigned sleep_ms; /* at most at one time; 0: until something comes */
    size_t items_max;  /* enqueued and not taken yet: then nothing is read */
    size_t bytes_max;  /* of these; 0: any */
};

struct tc_sensor_reader {
    struct tc_sensor_reader_limits limits;
    uint32_t *asleep; /* what the programs look at; NULL: there is no ring */
    struct tc_sensor_ring ring;
    int epoll, wakeup; /* wakeup: an eventfd */
    bool running;
    pthread_t thread;
    atomic_bool stopping;
    atomic_size_t items, bytes; /* enqueued and not taken yet */
    atomic_ullong sleeps;
};

/*
 * Opens what the thread waits with, and the ring of `ring_bytes` if there is one
 * (`asleep` is not NULL); `fd` is the ring's, or another to wait for, or -1. Errors:
 * those of mmap(2), epoll_create(2), eventfd(2); then nothing is open.
 */
int tc_sensor_reader_open(struct tc_sensor_reader *reader,
                          const struct tc_sensor_reader_limits *limits, uint32_t *asleep,
                          int fd, size_t ring_bytes);
void tc_sensor_reader_close(struct tc_sensor_reader *reader); /* if it was not started */

/* One more descriptor to wait for, or one less before it is closed; it stays the
 * caller's. Errors: those of epoll_ctl(2). */
int tc_sensor_reader_add(struct tc_sensor_reader *reader, int fd);
void tc_sensor_reader_remove(struct tc_sensor_reader *reader, int fd);

/* Runs the thread, which ends when `stopping` is set. On failure all is closed. */
int tc_sensor_reader_start(struct tc_sensor_reader *reader, void *(*run)(void *arg),
                           void *arg);

/* Has it end, waits for that, and closes. False: it did not run. */
bool tc_sensor_reader_stop(struct tc_sensor_reader *reader);

void tc_sensor_reader_wake(struct tc_sensor_reader *reader); /* any thread */

/* Items are enqueued; have been taken (any thread). */
void tc_sensor_reader_handed(struct tc_sensor_reader *reader, size_t items, size_t bytes);
void tc_sensor_reader_taken(struct tc_sensor_reader *reader, size_t items, size_t bytes);

/* So much has been enqueued that nothing more is read until some of it is taken. It is
 * not when the thread is to end. */
bool tc_sensor_reader_full(struct tc_sensor_reader *reader);

/* Waits as befits one that has last found something at last_ns (CLOCK_MONOTONIC). */
void tc_sensor_reader_wait(struct tc_sensor_reader *reader, uint64_t last_ns);

#endif
