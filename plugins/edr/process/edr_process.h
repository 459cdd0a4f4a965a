/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: who runs, as far as alerts need it: of each process, by pid and start time, the
 * event that reported its last exec, kept by reference, so that an alert about any event
 * can say what the process was started with and from whom it descends. Of one that was
 * there before us: an event that reported a child of it. Bounded by
 * processes and by bytes; who has ended is forgotten first, after a while, then the
 * longest unused. Loop thread. Must not: judge, publish, or read /proc.
 */
#ifndef TC_EDR_PROCESS_H
#define TC_EDR_PROCESS_H

#include <tocsin/plugin.h>

#define TC_EDR_PROCESSES_MAX 8192
#define TC_EDR_PROCESS_BYTES_MAX (16u << 20) /* of the events held */
#define TC_EDR_ENDED_MAX 1024                /* that are remembered after their end */
#define TC_EDR_CHAIN_MAX 8                   /* ancestors, the parent the first */

struct tc_edr_processes;

/* -ENOMEM. The host lends event_ref and event_unref. */
int tc_edr_processes_new(const struct tocsin_host *host,
                         struct tc_edr_processes **ret_processes);
void tc_edr_processes_free(struct tc_edr_processes *processes); /* takes NULL */

/* Takes in process.started and process.exited; any other event is none of its business.
 */
void tc_edr_processes_take(struct tc_edr_processes *processes,
                           const struct tocsin_event *event);

/*
 * The event of the last exec of the process that `event` is about (itself, if it is one);
 * NULL: unknown. Borrowed, until the next take.
 */
const struct tocsin_event *tc_edr_processes_find(struct tc_edr_processes *processes,
                                                 const struct tocsin_event *event);

/* A process of a chain, nearest first. Texts point into events; see find. */
struct tc_edr_link {
    int64_t pid, start; /* start: ns since the epoch; 0: unknown */
    struct tocsin_str name, executable, command_line; /* ptr NULL: unknown */
    int64_t user;                                     /* -1: unknown */
};

/*
 * Fills in the chain of the process that `event` is about: [0] is itself, then its
 * ancestors, from what the event says and what was taken in. How many (at least 1 if the
 * event names a process, at most 1 + TC_EDR_CHAIN_MAX).
 */
size_t tc_edr_processes_chain(struct tc_edr_processes *processes,
                              const struct tocsin_event *event,
                              struct tc_edr_link ret[1 + TC_EDR_CHAIN_MAX]);

struct tc_edr_id {
    int64_t pid, start; /* start: ns since the epoch */
};

/*
 * Fills in who runs and is known to descend from a process (start 0: whoever has that
 * pid), also where those in between have ended and another is the parent by now. How
 * many, at most `max`; in no order.
 */
size_t tc_edr_processes_below(const struct tc_edr_processes *processes,
                              struct tc_edr_id above, struct tc_edr_id *ret, size_t max);

struct tc_edr_process_counters {
    uint64_t held, bytes, evicted;
};
void tc_edr_processes_counters(const struct tc_edr_processes *processes,
                               struct tc_edr_process_counters *ret);

#endif
