/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the plugin's state, shared by the files that act on it on the loop thread:
 *   trace.c            descriptor, options, requests
 *   trace_lifecycle.c  start, stop, jobs
 *   trace_publish.c    everything that is published
 * Below them, and without it: trace_files, trace_load, trace_hooks, trace_netlink,
 * trace_reader, trace_tracker, trace_table, trace_process, trace_proc, trace_record,
 * trace_encode, trace_put, trace_hash, trace_user_names, trace_domains, trace_items; in
 * the kernel: trace.bpf.c, with trace_abi.h between the two.
 */
#ifndef TC_TRACE_H
#define TC_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>

#include "sensor_jobs.h"
#include "sensor_options.h"
#include "trace_domains.h"
#include "trace_files.h"
#include "trace_hash.h"
#include "trace_load.h"
#include "trace_netlink.h"
#include "trace_reader.h"
#include "trace_tracker.h"
#include "trace_user_names.h"

enum tc_trace_mechanism {
    TC_TRACE_AUTO,
    TC_TRACE_EBPF,
    TC_TRACE_NETLINK,
};

enum tc_trace_job {
    TC_TRACE_JOB_OPEN,
    TC_TRACE_JOB_HASH,
    TC_TRACE_JOB_USERS,
    TC_TRACE_JOBS,
};

struct tc_trace {
    const struct tocsin_host *host;
    enum tc_trace_mechanism mechanism;
    enum tc_trace_acts acts;
    uint32_t ring_bytes;
    size_t max_processes;
    uint64_t hash_max_bytes;
    const char *file_places[TC_SENSOR_WATCH_MAX + 1];
    const char *told_elsewhere[TC_SENSOR_WATCH_MAX + 1];
    const char *attribute_places[TC_SENSOR_WATCH_MAX + 1];

    bool ready; /* reader, tracker, hashes and names are there */
    bool ebpf;  /* on the upper level */
    bool started;
    int open_status, files_status;
    char why[256]; /* what kept it from starting, or from the upper level */
    struct tc_sensor_jobs jobs;

    struct tc_trace_programs programs;
    struct tc_trace_netlink netlink;
    struct tc_trace_files files;
    struct tc_trace_hashes hashes;
    struct tc_trace_user_names user_names;
    struct tc_trace_tracker tracker;
    struct tc_trace_reader reader;

    pthread_mutex_t left_lock;
    struct tc_trace_items left; /* found while the plugin stops: published last */
    struct tc_trace_domains domains;
    uint64_t published, publish_errors;
};

/* trace_lifecycle.c */
int tc_trace_start(struct tc_trace *trace);
int tc_trace_stop(struct tc_trace *trace);
void tc_trace_release(void *arg); /* frees what start made; jobs are idle */

/* trace_publish.c */
void tc_trace_deliver(void *arg, struct tc_trace_items *items); /* reader's thread */
void tc_trace_publish_items(struct tc_trace *trace, struct tc_trace_items *items);
void tc_trace_publish_stats(struct tc_trace *trace, const struct tocsin_event *request);

#endif
