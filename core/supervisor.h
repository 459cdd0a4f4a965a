/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the parent process: it forks the core, restarts one that crashed with back-off,
 * kills one whose loop has not turned, and speaks to systemd. It is single-threaded,
 * opens nothing once the core runs, and has no part in any verdict.
 */
#ifndef TC_CORE_SUPERVISOR_H
#define TC_CORE_SUPERVISOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_PULSE_EVERY_MS 2000 /* how often an idle core shows life */
#define TC_PULSE_ENDS_MAX 3
#define TC_PULSE_STALE_MS 6000  /* no turn for so long: the core hangs and is killed */
#define TC_RESTART_FIRST_MS 100 /* back-off: doubled at each crash ... */
/* ... up to this: a machine is not left alone for longer. Anew after TC_HEALTHY_MS. */
#define TC_RESTART_LAST_MS 5000
#define TC_HEALTHY_MS 10000 /* a core that has lived so long is no crash loop */

enum tc_end {                 /* how the core before this one ended */
              TC_END_NONE,    /* this is the first */
              TC_END_CRASHED, /* killed by a signal that nobody of us sent, or a bad exit
                                 code */
              TC_END_HUNG,    /* its loop stood still; killed by the supervisor */
};

/* One page shared by supervisor and core. */
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
    /* About the core before this one, written by the supervisor while none runs: */
    uint32_t starts; /* from 1 */
    enum tc_end end;
    int signal;          /* that ended it, or 0 */
    char end_plugin[64]; /* whose callback was running */
    char end_holder[64]; /* which sensor protected */
    uint64_t end_from_ns,
        end_to_ns; /* CLOCK_REALTIME: last sign of life, and when it was gone */
};

/* Runs in the child. Its return value is the core's exit status. */
typedef int (*tc_core_fn)(struct tc_pulse *pulse, void *arg);

/*
 * Forks cores running core(pulse, arg) until one exits by itself (its status is
 * returned), or SIGTERM or SIGINT comes (passed on; the core has 5 s, then is killed; 0
 * is returned). SIGHUP is passed on.
 */
int tc_supervise(tc_core_fn core, void *arg);

/* One state line to systemd (sd_notify(3)); nothing without NOTIFY_SOCKET. */
void tc_notify(const char *state);

#endif
