/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what /proc shows of a process. It is how the table is filled at the start, and
 * all that there is on the lower level. Opens files: never on the loop.
 */
#ifndef TC_TRACE_PROC_H
#define TC_TRACE_PROC_H

#include "trace_process.h"

struct tc_sensor_processes;

/*
 * Fills pid, start, parent_pid, users and, in a new image, the texts; parent_start_ns is
 * unchanged. `clock` knows when the machine was started. Errors: -ENOENT or -ESRCH, it
 * has ended; -ENOMEM; -EPROTO. What was put into *process is then to be dropped.
 */
int tc_trace_proc_read(const struct tc_sensor_processes *clock, int32_t pid,
                       struct tc_trace_process *process);

/* Only when it was started: 0 when it is not there. */
uint64_t tc_trace_proc_start(const struct tc_sensor_processes *clock, int32_t pid);

/* The arguments, cut at `max` bytes; from malloc; NULL when there are none. */
char *tc_trace_proc_args(int32_t pid, size_t max, size_t *ret_len);

/* Calls fn for each process that /proc lists. Errors: those of opendir(3). */
int tc_trace_proc_each(void (*fn)(void *arg, int32_t pid), void *arg);

#endif
