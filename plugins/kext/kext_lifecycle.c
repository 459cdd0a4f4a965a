/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: start and stop. Start: programs, reader and canary on a pool thread;
 * only when the canary has come through is the plugin running, and only then does it
 * publish. Stop: the programs are detached, what they have reported is read to the end
 * and published, whoever was stopped goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kext.h"
#include "sensor_clock.h"
#include "sensor_foreign.h"
#include "sensor_scope.h"
#include "sensor_signal.h"

#define NS_PER_MS 1000000ull
#define SCAN_EVERY                                                                       \
    (TC_SENSOR_FOREIGN_EVERY_MS / TC_KEXT_HEARTBEAT_MS + 1) /* heartbeats */

static void begin_close(struct tc_kext *kext, int status);

/* ---- The heartbeat: from the loop, so that a hung agent holds nobody. ---- */

void tc_kext_set_mode(struct tc_kext *kext)
{
    kext->passive = kext->host->passive(kext->host);
    tc_kext_levels_set_mode(kext);
}

/* This agent's own verdicts count by now. */
static void forget_inherited(struct tc_kext *kext)
{
    if (!kext->inherited_until_ns ||
        kext->host->now_ns(kext->host) < kext->inherited_until_ns)
        return;
    tc_kext_forget_inherited(&kext->programs);
    kext->inherited_until_ns = 0;
}

static void heartbeat(void *arg)
{
    struct tc_kext *kext = arg;
    uint64_t counters[TC_KEXT_COUNTERS];

    tc_kext_set_mode(kext);
    tc_kext_verdicts_sweep(kext);
    forget_inherited(kext);
    tc_kext_read_counters(&kext->programs, counters);
    if (counters[TC_KEXT_LOST] != kext->seen_lost)
        tc_kext_publish_gap(kext, "the ring was full",
                            counters[TC_KEXT_LOST] - kext->seen_lost);
    kext->seen_lost = counters[TC_KEXT_LOST];
    kext->complete_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    if (++kext->heartbeats % SCAN_EVERY == 0) /* what no event tells of */
        tc_sensor_jobs_start(&kext->jobs, TC_KEXT_JOB_SCAN);
}

/* ---- The canary. ---- */

static void canary_run(void *arg)
{
    struct tc_kext *kext = arg;

    kext->canary_status = tc_kext_prove(kext);
}

static void canary_came(struct tc_kext *kext)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu",
             (unsigned long long)kext->host->now_ns(kext->host));
    kext->host->report(kext->host, TOCSIN_REPORT_FACT, "canary_ns", text, NULL);
    kext->host->report(kext->host, TOCSIN_REPORT_CLEAR, "kext_canary", NULL, NULL);
}

static void canary_done(void *arg, int status)
{
    struct tc_kext *kext = arg;
    char text[600];

    if (status || kext->jobs.closing)
        return;
    if (!kext->canary_status) {
        canary_came(kext);
        return;
    }
    snprintf(text, sizeof(text), "the sensor failed its self-test: %s", kext->why);
    kext->host->report(kext->host, TOCSIN_REPORT_ISSUE, "kext_canary", text,
                       "tocsin plugin reload kext");
}

static void canary_due(void *arg)
{
    struct tc_kext *kext = arg;

    tc_sensor_jobs_start(&kext->jobs, TC_KEXT_JOB_CANARY);
}

/* ---- Start. ---- */

static void remember_running(void *arg, const struct tc_kext_running *running)
{
    tc_kext_resolve_process(arg, (pid_t)running->pid);
}

static int open_all(struct tc_kext *kext)
{
    struct rlimit files = {.rlim_cur = 1024};
    size_t processes;
    int err;

    getrlimit(RLIMIT_NOFILE, &files);
    processes = files.rlim_cur / (8 * TC_SENSOR_PROCESS_FDS);
    if (processes > TC_SENSOR_PROCESSES_MAX)
        processes = TC_SENSOR_PROCESSES_MAX;
    err = tc_kext_resolver_init(
        &kext->resolver, kext->host, &kext->programs, processes,
        files.rlim_cur / 2 > INT32_MAX ? INT32_MAX : (int)(files.rlim_cur / 2));
    kext->resolver_ready = true;
    if (err)
        return err;
    kext->mountinfo_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    kext->batch = calloc(1, sizeof(*kext->batch));
    if (kext->mountinfo_fd < 0)
        return -errno;
    if (!kext->batch)
        return -ENOMEM;
    kext->names_open = !tc_sensor_names_open(&kext->names, false, NULL, NULL);
    kext->names.written = true;
    kext->names.watch = kext->places.watch;
    tc_kext_scan_run(kext);
    err = kext->scan.err;
    if (!err)
        err = tc_kext_canary_init(&kext->canary, kext->host->state_dir(kext->host));
    if (err)
        snprintf(kext->why, sizeof(kext->why), "%s", strerror(-err));
    return err;
}

static void open_run(void *arg)
{
    struct tc_kext *kext = arg;
    int err = open_all(kext);

    if (!err)
        err = tc_kext_levels_enter(kext);
    if (!err)
        tc_kext_each_running(&kext->programs, remember_running, &kext->resolver);
    kext->open_status = err;
}

/* Begins to watch, once everything is open. */
static int go(struct tc_kext *kext)
{
    const struct tocsin_host *host = kext->host;
    int err = 0;

    if (kext->names_open)
        err = host->watch_fd(host, kext->names.group, TOCSIN_READABLE,
                             tc_kext_names_readable, kext, &kext->names_watch);
    if (!err)
        err = host->watch_fd(host, kext->mountinfo_fd, TOCSIN_PRIORITY,
                             tc_kext_mounts_changed, kext, &kext->mountinfo_watch);
    if (!err)
        err = host->timer_start(host, TC_KEXT_HEARTBEAT_MS, TC_KEXT_HEARTBEAT_MS,
                                heartbeat, kext, &kext->heartbeat);
    if (!err)
        err = host->timer_start(host, TC_KEXT_CANARY_EVERY_MS, TC_KEXT_CANARY_EVERY_MS,
                                canary_due, kext, &kext->canary_timer);
    return err;
}

/* Reports the lower level: what it lacks, and why. */
static void report_degraded(struct tc_kext *kext)
{
    struct tocsin_writer w;
    char text[256];
    uint8_t buf[512];

    snprintf(text, sizeof(text),
             "opens are not refused, only executions are ended: %.160s", kext->why);
    kext->host->report(kext->host, TOCSIN_REPORT_ISSUE, "kext_rung", text,
                       "boot a kernel with BPF LSM (lsm=...,bpf on its command line)");
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "sensor", "kext");
    tocsin_put_str(&w, "mechanism", "bpf_tracing");
    tocsin_put_str(&w, TOCSIN_FIELD_REASON, text);
    tocsin_end(&w);
    if (tocsin_publish(kext->host, TOCSIN_TOPIC_SENSOR_DEGRADED, 0, &w))
        kext->counts.publish_errors++;
}

static void open_done(void *arg, int status)
{
    struct tc_kext *kext = arg;
    const struct tocsin_host *host = kext->host;
    bool lsm = kext->programs.level == TC_KEXT_LEVEL_LSM;
    int err = status ? status : kext->open_status;

    if (kext->jobs.closing)
        return;
    if (!err)
        err = go(kext);
    if (err) {
        host->log(host, TOCSIN_LOG_ERROR, "cannot start: %s",
                  *kext->why ? kext->why : strerror(-err));
        begin_close(kext, err);
        return;
    }
    tc_kext_scan_done(kext, 0);
    tc_kext_set_mode(kext);
    if (!lsm)
        report_degraded(kext);
    host->report(host, TOCSIN_REPORT_FACT, "sensor_mechanism",
                 lsm ? "bpf_lsm" : "bpf_tracing", NULL);
    canary_came(kext);
    kext->started = true;
    kext->reader.muted = false;
    tc_kext_catch_up_go(kext);
    host->complete(host, 0);
}

/* First nothing new comes, then what came is read; then nothing holds anybody. */
static void close_run(void *arg)
{
    struct tc_kext *kext = arg;
    struct tc_kext_held held;
    struct tc_sensor_who who;
    uint32_t pid;

    tc_kext_levels_leave(kext);
    while (kext->programs.skeleton && tc_kext_any_held(&kext->programs, &pid, &held) &&
           tc_kext_take_held(&kext->programs, pid, held.start_ns)) {
        who = (struct tc_sensor_who){(pid_t)pid, held.start_ns};
        tc_sensor_signal(&who, SIGCONT);
    }
    tc_kext_canary_done(&kext->canary);
    if (kext->names_open)
        tc_sensor_names_close(&kext->names);
    kext->names_open = false;
}

static bool is_busy(void *arg)
{
    struct tc_kext *kext = arg;

    return tc_sensor_catch_up_busy(&kext->catch_up);
}

static void jobs_init(struct tc_kext *kext)
{
    static const struct tc_sensor_job jobs[TC_KEXT_JOBS] = {
        [TC_KEXT_JOB_OPEN] = {open_run, open_done},
        [TC_KEXT_JOB_SCAN] = {tc_kext_scan_run, tc_kext_scan_done},
        [TC_KEXT_JOB_NAMES] = {tc_kext_names_run, tc_kext_names_done},
        [TC_KEXT_JOB_CANARY] = {canary_run, canary_done},
    };
    const struct tc_sensor_jobs_config config = {.host = kext->host,
                                                 .jobs = jobs,
                                                 .count = TC_KEXT_JOBS,
                                                 .busy = is_busy,
                                                 .close = close_run,
                                                 .closed = tc_kext_release,
                                                 .arg = kext};

    tc_sensor_jobs_init(&kext->jobs, &config);
}

int tc_kext_start(struct tc_kext *kext)
{
    int err;

    jobs_init(kext);
    kext->reader.programs = &kext->programs;
    kext->reader.resolver = &kext->resolver;
    kext->reader.deliver = tc_kext_deliver;
    kext->reader.arg = kext;
    kext->names.group = kext->mountinfo_fd = -1;
    kext->started = false;
    kext->why[0] = '\0';
    kext->complete_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    kext->epoch = kext->complete_ns / NS_PER_MS;
    kext->seen_lost = 0;
    kext->passive = kext->host->passive(kext->host);
    tc_kext_items_init(&kext->named);
    tc_kext_items_init(&kext->left);
    err = tc_kext_verdicts_init(kext);
    if (!err)
        err = tc_sensor_jobs_start(&kext->jobs, TC_KEXT_JOB_OPEN);
    if (err)
        tc_kext_verdicts_done(kext);
    return err ? err : TOCSIN_PENDING;
}

/* ---- Stop. ---- */

static void begin_close(struct tc_kext *kext, int status)
{
    const struct tocsin_host *host = kext->host;

    tc_sensor_jobs_close(&kext->jobs, status);
    tc_sensor_catch_up_stop(&kext->catch_up);
    host->timer_stop(host, kext->heartbeat);
    host->timer_stop(host, kext->canary_timer);
    host->watch_stop(host, kext->mountinfo_watch);
    host->watch_stop(host, kext->names_watch);
    kext->heartbeat = kext->canary_timer = NULL;
    kext->mountinfo_watch = kext->names_watch = NULL;
}

int tc_kext_stop(struct tc_kext *kext)
{
    begin_close(kext, 0);
    tc_sensor_jobs_go_on(&kext->jobs);
    return TOCSIN_PENDING;
}

void tc_kext_release(void *arg)
{
    struct tc_kext *kext = arg;

    tc_kext_publish_items(kext, &kext->left);
    tc_kext_verdicts_done(kext);
    tc_kext_unload(&kext->programs);
    if (kext->resolver_ready)
        tc_kext_resolver_done(&kext->resolver);
    kext->resolver_ready = false;
    if (kext->mountinfo_fd >= 0)
        close(kext->mountinfo_fd);
    kext->mountinfo_fd = -1;
    tc_kext_items_clear(&kext->named);
    tc_sensor_scope_unref(kext->scope);
    tc_sensor_scope_unref(kext->scan.scope);
    kext->scope = kext->scan.scope = NULL;
    tc_sensor_watch_done(&kext->scan.watch);
    free(kext->batch);
    kext->batch = NULL;
}
