/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what an occurrence in the kernel becomes: the table is brought up to date, and an
 * event is written. Where it was learned, from the ring or from the process connector, is
 * the reader's matter. One thread, the reader's (before it runs: that which starts it);
 * the counters are read by any.
 */
#ifndef TC_TRACE_TRACKER_H
#define TC_TRACE_TRACKER_H

#include <stdatomic.h>

#include "bpf/trace_abi.h"
#include "trace_items.h"
#include "trace_table.h"

struct tc_sensor_processes;
struct tc_trace_event;
struct tc_trace_file_event;
struct tc_trace_files;
struct tc_trace_hashes;
struct tc_trace_user_names;

struct tc_trace_tracker {
    struct tc_trace_table table;
    struct tc_sensor_processes *clock; /* for start times only */
    struct tc_trace_hashes *hashes;
    struct tc_trace_user_names *names;
    struct tc_trace_items items; /* written, not enqueued yet */
    uint64_t sequence, epoch;
    bool (*is_agent)(void *arg, int32_t pid); /* part of the agent; may be NULL */
    void *arg;
    const struct tc_trace_files *places; /* where attributes are reported */
    uint64_t now_ns;                     /* CLOCK_MONOTONIC, see set_clock */
    uint64_t realtime_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC, at that time */

    atomic_ullong forked, started, exited, flows, acts, files; /* reported */
    atomic_ullong attributes_left_out;
    atomic_ullong exited_twice; /* reports of an end already reported */
    atomic_ullong args_cut, args_missing, path_cut;
    atomic_ullong proc_reads, proc_gone; /* gone: had ended before /proc was read */
    atomic_ullong failed, malformed;     /* no memory for it, or too long; no record */
    atomic_size_t known;
    atomic_ullong aged, evicted;
};

/* Errors: -ENOMEM; that of /proc/stat. */
int tc_trace_tracker_init(struct tc_trace_tracker *tracker, size_t capacity,
                          struct tc_trace_hashes *hashes,
                          struct tc_trace_user_names *names);
void tc_trace_tracker_done(struct tc_trace_tracker *tracker);

/* Who is there already; they are not reported. */
int tc_trace_tracker_snapshot(struct tc_trace_tracker *tracker);

/* Before a batch: times of records are turned into times of the day from here on. */
void tc_trace_tracker_set_clock(struct tc_trace_tracker *tracker);

/* A record of the ring. */
void tc_trace_tracker_record(struct tc_trace_tracker *tracker,
                             const struct tc_trace_record *record, size_t len);

/* What has happened to a file. */
void tc_trace_tracker_file(struct tc_trace_tracker *tracker,
                           const struct tc_trace_file_event *file);

/* The same as the process connector reports it: who, and when since boot. */
void tc_trace_tracker_forked(struct tc_trace_tracker *tracker, int32_t pid,
                             int32_t parent_pid, uint64_t time_ns);
void tc_trace_tracker_executed(struct tc_trace_tracker *tracker, int32_t pid,
                               uint64_t time_ns);
void tc_trace_tracker_exited(struct tc_trace_tracker *tracker, int32_t pid, int status,
                             uint64_t time_ns);

/* Events were lost between two moments (ns since the epoch); by CPU, ended by cpus. */
void tc_trace_tracker_gap(struct tc_trace_tracker *tracker, const char *reason,
                          uint64_t from_ns, uint64_t lost, const uint64_t *by_cpu,
                          size_t cpus);

#endif
