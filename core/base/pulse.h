/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the one page that the supervisor and the core share: the core's signs of life and
 * who was at work, and, about the core before it, how it ended. Each field says
 * who writes it; nobody else has the page.
 */
#ifndef TC_CORE_PULSE_H
#define TC_CORE_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_PULSE_EVERY_MS 2000 /* how often an idle core shows life */
#define TC_PULSE_STALE_MS 6000 /* no turn for so long: the core hangs and is killed */
#define TC_PULSE_ENDS_MAX 3

enum tc_end {                 /* how the core before this one ended */
              TC_END_NONE,    /* this is the first */
              TC_END_CRASHED, /* killed by a signal that nobody of us sent, or a bad exit
                                 code */
              TC_END_HUNG,    /* its loop hung; killed by the supervisor */
              TC_END_KILLED,  /* with its supervisor, or the machine */
              TC_END_STOPPED, /* it was asked to, and its supervisor with it */
};

struct tc_pulse {
    atomic_uint_fast64_t turned_ns; /* CLOCK_MONOTONIC of the loop's last sign of life */
    atomic_bool ready;              /* the core protects: READY=1 may be said */
    char plugin[64]; /* whose callback runs on the loop; "" none. Written by the core only
                      */
    char holder[64]; /* which sensor protects; "" none. Written by the core only */
    /* When cores ended in which the primary sensor held, CLOCK_REALTIME, the newest
     * first. Written by the core only. */
    uint64_t sensor_ends_ns[TC_PULSE_ENDS_MAX];
    pid_t supervisor;
    /* About the core before this one, written by the supervisor while none runs; by its
     * first core, if an agent before has left word: */
    uint32_t starts; /* from 1 */
    enum tc_end end;
    int signal;          /* that ended it, or 0 */
    char end_plugin[64]; /* whose callback was running */
    char end_holder[64]; /* which sensor protected */
    uint64_t end_from_ns,
        end_to_ns; /* CLOCK_REALTIME: last sign of life, and when it was gone */
};

#endif
