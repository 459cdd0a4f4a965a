/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the processes that are known, by (pid, start time). Bounded: whoever has ended
 * goes first, then the longest unused. One thread. Pure: no clock, no /proc.
 */
#ifndef TC_TRACE_TABLE_H
#define TC_TRACE_TABLE_H

#include "trace_process.h"

#define TC_TRACE_GONE_MAX 2048 /* processes that have ended and are still remembered */

TAILQ_HEAD(tc_trace_list, tc_trace_process);

struct tc_trace_table {
    struct tc_trace_process **buckets;
    size_t size, capacity; /* size: of buckets, a power of two */
    struct tc_trace_list alive, gone;
    size_t alive_count, gone_count;
    uint64_t aged, evicted; /* ended and forgotten; forgotten for want of room */
};

/* Errors: -ENOMEM. */
int tc_trace_table_init(struct tc_trace_table *table, size_t capacity);
void tc_trace_table_done(struct tc_trace_table *table);

/* NULL: not known. start_ns 0: the one alive that has that pid. Valid until the next put.
 */
struct tc_trace_process *tc_trace_table_find(struct tc_trace_table *table, int32_t pid,
                                             uint64_t start_ns);

/* The last one that had that pid, also when it has ended. NULL: not known. */
struct tc_trace_process *tc_trace_table_find_last(struct tc_trace_table *table,
                                                  int32_t pid);

/*
 * The entry of (pid, start_ns), made if need be; any other with that pid has ended. NULL:
 * no memory.
 */
struct tc_trace_process *tc_trace_table_put(struct tc_trace_table *table, int32_t pid,
                                            uint64_t start_ns);

/* It has ended: kept for a while, for those who ask for their ancestors. */
void tc_trace_table_end(struct tc_trace_table *table, struct tc_trace_process *process);

#endif
