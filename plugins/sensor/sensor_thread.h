/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the thread in which a sensor reads: how it is started, how it waits for
 * descriptors, and how it is woken: by a bell that any thread may ring, or, over a BPF
 * ring, by a program that sees that it sleeps.
 */
#ifndef TC_SENSOR_THREAD_H
#define TC_SENSOR_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct tc_sensor_ring;

/* Starts a thread that no signal interrupts: those are the loop's. -errno. */
int tc_sensor_thread_start(pthread_t *ret_thread, void *(*run)(void *arg), void *arg);

struct tc_sensor_waiter {
    int epoll, bell; /* -1: closed */
};

/* Errors: those of epoll_create(2) and eventfd(2); then it is closed. */
int tc_sensor_waiter_open(struct tc_sensor_waiter *waiter);
void tc_sensor_waiter_close(struct tc_sensor_waiter *waiter); /* takes a closed one */

/* One more descriptor to wait for; it stays the caller's. Errors: those of epoll_ctl(2).
 */
int tc_sensor_waiter_add(struct tc_sensor_waiter *waiter, int fd);

void tc_sensor_waiter_ring(struct tc_sensor_waiter *waiter); /* any thread */

/* Waits for any of them, or the bell, at most `ms`; -1: for ever. */
void tc_sensor_waiter_wait(struct tc_sensor_waiter *waiter, int ms);
void tc_sensor_waiter_wait_for_bell(struct tc_sensor_waiter *waiter);

/*
 * Says in *asleep, which the programs look at, that it sleeps, and does so unless
 * something has come before that was heard, or *stopping.
 */
void tc_sensor_waiter_sleep(struct tc_sensor_waiter *waiter,
                            const struct tc_sensor_ring *ring, uint32_t *asleep,
                            const atomic_bool *stopping);

#endif
