/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how a sensor starts a thread. */
#ifndef TC_SENSOR_THREAD_H
#define TC_SENSOR_THREAD_H

#include <pthread.h>

/* Starts a thread that no signal interrupts: those are the loop's. -errno. */
int tc_sensor_thread_start(pthread_t *ret_thread, void *(*run)(void *arg), void *arg);

#endif
