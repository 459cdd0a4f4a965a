/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the beginning and the end. Start, on a pool thread: the best rung that lets
 * itself be loaded, then who is there already, then the reader; so whoever begins in
 * between is in the ring. Stop: nothing new comes, what came is read to the end and
 * published.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sensor_clock.h"
#include "trace.h"

static bool finish_close(struct tc_trace *trace);

/* ---- Jobs. ---- */

static void job_run(void *arg)
{
    struct tc_trace_job *job = arg;

    job->run(job->trace);
}

static void job_done(void *arg, int status)
{
    struct tc_trace_job *job = arg;
    struct tc_trace *trace = job->trace;

    job->busy = false;
    job->done(trace, status);
    if (trace->closing && finish_close(trace))
        trace->host->complete(trace->host, trace->open_status);
}

int tc_trace_job_start(struct tc_trace *trace, enum tc_trace_job_name name)
{
    struct tc_trace_job *job = &trace->jobs[name];
    int err;

    if (job->busy)
        return 0;
    err = trace->host->work(trace->host, job_run, job_done, job);
    job->busy = !err;
    return err;
}

/* ---- Hashes. ---- */

static void hash_run(struct tc_trace *trace)
{
    tc_trace_hashes_work(&trace->hashes);
}

static void hash_done(struct tc_trace *trace, int status)
{
    if (!status && !trace->closing && tc_trace_hashes_wanted(&trace->hashes))
        tc_trace_job_start(trace, TC_TRACE_JOB_HASH);
}

/* ---- Names of users. ---- */

static void users_run(struct tc_trace *trace)
{
    tc_trace_user_names_work(&trace->user_names, tc_sensor_clock_ns(CLOCK_MONOTONIC));
}

static void users_done(struct tc_trace *trace, int status)
{
    if (!status && !trace->closing && tc_trace_user_names_wanted(&trace->user_names))
        tc_trace_job_start(trace, TC_TRACE_JOB_USERS);
}

/* ---- Start. ---- */

static int climb(struct tc_trace *trace)
{
    int err = -ENOTSUP;
    char lower[256];

    trace->ebpf = false;
    if (trace->mechanism != TC_TRACE_NETLINK) {
        err = tc_trace_load(&trace->programs, trace->ring_bytes, trace->acts, trace->host,
                            trace->why);
        trace->ebpf = !err;
        if (!err || trace->mechanism == TC_TRACE_EBPF)
            return err;
    } else {
        snprintf(trace->why, sizeof(trace->why), "mechanism: netlink is configured");
    }
    err = tc_trace_netlink_open(&trace->netlink, lower);
    if (err)
        memcpy(trace->why, lower, sizeof(lower));
    return err;
}

/* Its own thing: without it, processes are told of all the same. */
static void open_files(struct tc_trace *trace)
{
    const struct tc_trace_places places = {.watch = trace->file_places,
                                           .elsewhere = trace->told_elsewhere,
                                           .attributes = trace->attribute_places};

    trace->files_status = tc_trace_files_open(&trace->files, &places);
    trace->tracker.places = &trace->files;
}

static bool is_agent(void *arg, int32_t pid)
{
    struct tc_trace *trace = arg;

    return trace->host->is_agent(trace->host, pid);
}

static void open_run(struct tc_trace *trace)
{
    int err = tc_trace_hashes_init(&trace->hashes, trace->hash_max_bytes);

    tc_trace_user_names_init(&trace->user_names, TC_TRACE_ACCOUNTS);
    if (!err)
        err = tc_trace_tracker_init(&trace->tracker, trace->max_processes, &trace->hashes,
                                    &trace->user_names);
    if (err) {
        tc_trace_user_names_done(&trace->user_names);
        tc_trace_hashes_done(&trace->hashes);
        snprintf(trace->why, sizeof(trace->why), "%s", strerror(-err));
        goto out;
    }
    trace->ready = true;
    trace->tracker.is_agent = is_agent;
    trace->tracker.arg = trace;
    users_run(trace); /* nobody is asked for yet: it reads the local accounts */
    err = climb(trace);
    if (err)
        goto out;
    trace->reader.programs = trace->ebpf ? &trace->programs : NULL;
    trace->reader.netlink = &trace->netlink;
    trace->reader.tracker = &trace->tracker;
    trace->reader.files = &trace->files;
    trace->reader.deliver = tc_trace_deliver;
    trace->reader.arg = trace;
    open_files(trace);
    err = tc_trace_tracker_snapshot(&trace->tracker);
    if (!err)
        err = tc_trace_reader_start(&trace->reader, trace->ring_bytes);
    if (err)
        snprintf(trace->why, sizeof(trace->why), "%s", strerror(-err));
out:
    trace->open_status = err;
}

/* Of the upper rung, what this kernel has no way to see. */
static void report_acts(struct tc_trace *trace)
{
    const struct tocsin_host *host = trace->host;

    if (trace->acts == TC_TRACE_ACTS_NONE ||
        trace->programs.hooks.by < TC_TRACE_HOOKS_BY_NOTHING)
        return;
    host->report(host, TOCSIN_REPORT_ISSUE, "trace_acts",
                 "not seen: changed credentials, tracing, modules and BPF programs "
                 "loaded, files in memory, mounts",
                 trace->acts == TC_TRACE_ACTS_CHEAP
                     ? "set plugins.trace.acts to auto; each system call costs more then"
                     : "run on a kernel that lets BPF programs hook its functions or the "
                       "end of its system calls");
}

static void report_rung(struct tc_trace *trace)
{
    const struct tocsin_host *host = trace->host;
    char text[512];

    host->report(host, TOCSIN_REPORT_FACT, "supplementary_events_subsystem",
                 trace->ebpf ? "ebpf" : "netlink", NULL);
    if (trace->files_status) {
        snprintf(text, sizeof(text), "files are not told of: %s",
                 strerror(-trace->files_status));
        host->report(host, TOCSIN_REPORT_ISSUE, "trace_files", text,
                     "run on Linux 5.9 or later, with CAP_SYS_ADMIN");
    }
    if (trace->ebpf) {
        report_acts(trace);
        return;
    }
    snprintf(text, sizeof(text),
             "processes that end within milliseconds are told of without their command "
             "line: %s",
             trace->why);
    host->report(host, TOCSIN_REPORT_ISSUE, "trace_netlink", text,
                 trace->mechanism == TC_TRACE_NETLINK
                     ? "set plugins.trace.mechanism to auto"
                     : "run on a kernel with BTF, with CAP_BPF and CAP_PERFMON");
}

static void open_done(struct tc_trace *trace, int status)
{
    const struct tocsin_host *host = trace->host;

    if (status)
        trace->open_status = status;
    if (trace->closing)
        return;
    if (trace->open_status) {
        host->log(host, TOCSIN_LOG_ERROR, "cannot start: %s", trace->why);
        trace->closing = true;
        return;
    }
    report_rung(trace);
    trace->started = true;
    host->complete(host, 0);
}

/* First nothing new comes, then what came is read. */
static void close_run(struct tc_trace *trace)
{
    tc_trace_detach(&trace->programs);
    tc_trace_reader_stop(&trace->reader);
    tc_trace_netlink_close(&trace->netlink);
    tc_trace_files_close(&trace->files);
}

static void close_done(struct tc_trace *trace, int status)
{
    if (status)
        close_run(trace); /* it was not run */
}

int tc_trace_start(struct tc_trace *trace)
{
    static const struct {
        void (*run)(struct tc_trace *trace);
        void (*done)(struct tc_trace *trace, int status);
    } table[TC_TRACE_JOBS] = {
        [TC_TRACE_JOB_OPEN] = {open_run, open_done},
        [TC_TRACE_JOB_HASH] = {hash_run, hash_done},
        [TC_TRACE_JOB_USERS] = {users_run, users_done},
        [TC_TRACE_JOB_CLOSE] = {close_run, close_done},
    };
    int err;

    for (size_t i = 0; i < TC_TRACE_JOBS; i++)
        trace->jobs[i] = (struct tc_trace_job){
            .trace = trace, .run = table[i].run, .done = table[i].done};
    trace->started = trace->closing = trace->closed = false;
    trace->why[0] = '\0';
    err = tc_trace_job_start(trace, TC_TRACE_JOB_OPEN);
    return err ? err : TOCSIN_PENDING;
}

/* ---- Stop. ---- */

/* Goes on once no job runs: closes, then publishes what was left. True: all is done. */
static bool finish_close(struct tc_trace *trace)
{
    for (size_t i = 0; i < TC_TRACE_JOBS; i++)
        if (trace->jobs[i].busy)
            return false;
    if (!trace->closed) {
        trace->closed = true;
        if (!tc_trace_job_start(trace, TC_TRACE_JOB_CLOSE))
            return false;
        close_run(trace); /* no pool thread for it */
    }
    tc_trace_release(trace);
    return true;
}

int tc_trace_stop(struct tc_trace *trace)
{
    trace->closing = true;
    trace->open_status = 0;
    return finish_close(trace) ? 0 : TOCSIN_PENDING;
}

void tc_trace_release(struct tc_trace *trace)
{
    tc_trace_publish_items(trace, &trace->left);
    if (trace->ready) {
        tc_trace_tracker_done(&trace->tracker);
        tc_trace_user_names_done(&trace->user_names);
        tc_trace_hashes_done(&trace->hashes);
    }
    trace->ready = false;
    tc_trace_unload(&trace->programs);
}
