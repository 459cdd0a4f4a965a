/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: start and stop. Start, on a pool thread: the best level that lets
 * itself be loaded, then who is there already, then the reader; so whoever begins in
 * between is in the ring. Stop: nothing new comes, what came is read to the end and
 * published.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sensor_clock.h"
#include "trace.h"

/* ---- Hashes. ---- */

static void hash_run(void *arg)
{
    struct tc_trace *trace = arg;

    tc_trace_hashes_work(&trace->hashes);
}

static void hash_done(void *arg, int status)
{
    struct tc_trace *trace = arg;

    if (!status && !trace->jobs.closing && tc_trace_hashes_wanted(&trace->hashes))
        tc_sensor_jobs_start(&trace->jobs, TC_TRACE_JOB_HASH);
}

/* ---- Names of users. ---- */

static void users_run(void *arg)
{
    struct tc_trace *trace = arg;

    tc_trace_user_names_work(&trace->user_names, tc_sensor_clock_ns(CLOCK_MONOTONIC));
}

static void users_done(void *arg, int status)
{
    struct tc_trace *trace = arg;

    if (!status && !trace->jobs.closing && tc_trace_user_names_wanted(&trace->user_names))
        tc_sensor_jobs_start(&trace->jobs, TC_TRACE_JOB_USERS);
}

/* ---- Start. ---- */

static int load_best_level(struct tc_trace *trace)
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

/* Its own thing: without it, processes are reported all the same. */
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

static void open_run(void *arg)
{
    struct tc_trace *trace = arg;
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
    err = load_best_level(trace);
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

/* Of the upper level, what this kernel has no way to see. */
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
                     ? "tocsin config set plugins.trace.acts auto"
                     : "run on a kernel that lets BPF programs hook its functions or the "
                       "end of its system calls");
}

/* Of the topics that it declares, those without events now: rules of these have no
 * source.
 */
static void report_missing(struct tc_trace *trace)
{
    const struct tocsin_host *host = trace->host;
    bool acts = trace->ebpf && trace->acts != TC_TRACE_ACTS_NONE &&
                trace->programs.hooks.by < TC_TRACE_HOOKS_BY_NOTHING;

    if (!acts)
        host->report(host, TOCSIN_REPORT_FACT, "not_published",
                     "process.credentials_changed process.traced process.signalled "
                     "process.memfd_created kernel.* filesystem.*",
                     NULL);
}

static void report_level(struct tc_trace *trace)
{
    const struct tocsin_host *host = trace->host;
    char text[512];

    report_missing(trace);

    host->report(host, TOCSIN_REPORT_FACT, "supplementary_events_subsystem",
                 trace->ebpf ? "ebpf" : "netlink", NULL);
    if (trace->files_status) {
        snprintf(text, sizeof(text), "files are not reported: %s",
                 strerror(-trace->files_status));
        host->report(host, TOCSIN_REPORT_ISSUE, "trace_files", text,
                     "run on Linux 5.9 or later, with CAP_SYS_ADMIN");
    }
    if (trace->ebpf) {
        report_acts(trace);
        return;
    }
    snprintf(text, sizeof(text),
             "processes that end within milliseconds are reported without their command "
             "line: %s",
             trace->why);
    host->report(host, TOCSIN_REPORT_ISSUE, "trace_netlink", text,
                 trace->mechanism == TC_TRACE_NETLINK
                     ? "tocsin config set plugins.trace.mechanism auto"
                     : "run on a kernel with BTF, with CAP_BPF and CAP_PERFMON");
}

static void open_done(void *arg, int status)
{
    struct tc_trace *trace = arg;
    const struct tocsin_host *host = trace->host;

    if (status)
        trace->open_status = status;
    if (trace->jobs.closing)
        return;
    if (trace->open_status) {
        host->log(host, TOCSIN_LOG_ERROR, "cannot start: %s", trace->why);
        tc_sensor_jobs_close(&trace->jobs, trace->open_status);
        return;
    }
    report_level(trace);
    trace->started = true;
    host->complete(host, 0);
}

/* First nothing new comes, then what came is read. */
static void close_run(void *arg)
{
    struct tc_trace *trace = arg;

    tc_trace_detach(&trace->programs);
    tc_trace_reader_stop(&trace->reader);
    tc_trace_netlink_close(&trace->netlink);
    tc_trace_files_close(&trace->files);
}

static void jobs_init(struct tc_trace *trace)
{
    static const struct tc_sensor_job jobs[TC_TRACE_JOBS] = {
        [TC_TRACE_JOB_OPEN] = {open_run, open_done},
        [TC_TRACE_JOB_HASH] = {hash_run, hash_done},
        [TC_TRACE_JOB_USERS] = {users_run, users_done},
    };
    const struct tc_sensor_jobs_config config = {.host = trace->host,
                                                 .jobs = jobs,
                                                 .count = TC_TRACE_JOBS,
                                                 .close = close_run,
                                                 .closed = tc_trace_release,
                                                 .arg = trace};

    tc_sensor_jobs_init(&trace->jobs, &config);
}

int tc_trace_start(struct tc_trace *trace)
{
    int err;

    jobs_init(trace);
    trace->started = false;
    trace->why[0] = '\0';
    err = tc_sensor_jobs_start(&trace->jobs, TC_TRACE_JOB_OPEN);
    return err ? err : TOCSIN_PENDING;
}

/* ---- Stop. ---- */

int tc_trace_stop(struct tc_trace *trace)
{
    tc_sensor_jobs_close(&trace->jobs, 0);
    tc_sensor_jobs_go_on(&trace->jobs);
    return TOCSIN_PENDING;
}

void tc_trace_release(void *arg)
{
    struct tc_trace *trace = arg;

    tc_trace_publish_items(trace, &trace->left);
    tc_trace_domains_done(&trace->domains);
    if (trace->ready) {
        tc_trace_tracker_done(&trace->tracker);
        tc_trace_user_names_done(&trace->user_names);
        tc_trace_hashes_done(&trace->hashes);
    }
    trace->ready = false;
    tc_trace_unload(&trace->programs);
}
