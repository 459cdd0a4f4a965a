/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the beginning and the end. Start: groups and marks on a pool thread, then the
 * canary; only when the canary's open has come through is the plugin running. Stop:
 * everything that waits is allowed, then the groups are closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "es.h"
#include "sensor_scope.h"

#define NS_PER_MS 1000000ull

static void begin_close(struct tc_es *es, int status);
static bool finish_close(struct tc_es *es);

/* ---- Jobs. ---- */

static void job_run(void *arg)
{
    struct tc_es_job *job = arg;

    job->run(job->es);
}

static void job_done(void *arg, int status)
{
    struct tc_es_job *job = arg;
    struct tc_es *es = job->es;
    bool again = job->again;

    job->busy = job->again = false;
    job->done(es, status);
    if (again && !es->closing)
        tc_es_job_start(es, (enum tc_es_job_name)(job - es->jobs));
    if (es->closing && finish_close(es))
        es->host->complete(es->host, es->close_status);
}

int tc_es_job_start(struct tc_es *es, enum tc_es_job_name name)
{
    struct tc_es_job *job = &es->jobs[name];
    int err;

    if (job->busy) {
        job->again = true;
        return 0;
    }
    err = es->host->work(es->host, job_run, job_done, job);
    job->busy = !err;
    return err;
}

/* ---- The canary. ---- */

/* Opened on the upper rung; written, since only that is told of, on the lower. */
static void canary_run(struct tc_es *es)
{
    int access = es->rung == TC_ES_RUNG_PERMISSION ? O_RDONLY : O_WRONLY;
    int fd = open(es->canary_path, access | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0)
        close(fd);
}

static uint64_t canary_ns(struct tc_es *es)
{
    return es->rung == TC_ES_RUNG_PERMISSION ? tc_es_source_canary_ns(&es->source)
                                             : atomic_load(&es->names.canary_ns);
}

static void canary_lost(struct tc_es *es)
{
    es->host->report(es->host, TOCSIN_REPORT_ISSUE, "es_canary",
                     "the kernel did not tell of the canary file", "restart the agent");
}

static void canary_due(void *arg)
{
    struct tc_es *es = arg;

    /* The lower rung's event comes after the job has ended: here is where it is missed.
     */
    if (es->rung == TC_ES_RUNG_NOTIFY && canary_ns(es) == es->canary_before_ns)
        canary_lost(es);
    es->canary_before_ns = canary_ns(es);
    tc_es_questions_sweep(es);
    tc_es_job_start(es, TC_ES_JOB_CANARY);
}

static void report_running(struct tc_es *es)
{
    const struct tocsin_host *host = es->host;
    bool asks = es->rung == TC_ES_RUNG_PERMISSION;

    host->report(host, TOCSIN_REPORT_FACT, "sensor_mechanism",
                 asks ? "fanotify" : "fanotify_notify", NULL);
    host->report(host, TOCSIN_REPORT_FACT, "real_time_protection_subsystem",
                 "endpoint_security_extension", NULL);
    if (!asks)
        host->report(host, TOCSIN_REPORT_ISSUE, "detect_only",
                     "protection is detect-only: fanotify permission events need "
                     "CAP_SYS_ADMIN",
                     "run the agent as root");
    es->started = true;
    tc_es_job_start(es, TC_ES_JOB_CONFLICTS);
    host->complete(host, 0);
}

bool tc_es_canary_seen(struct tc_es *es)
{
    uint64_t seen_ns = canary_ns(es);
    char text[24];

    if (seen_ns == es->canary_before_ns)
        return false;
    snprintf(text, sizeof(text), "%llu", (unsigned long long)seen_ns);
    es->host->report(es->host, TOCSIN_REPORT_FACT, "canary_ns", text, NULL);
    es->host->report(es->host, TOCSIN_REPORT_CLEAR, "es_canary", NULL, NULL);
    if (!es->started)
        report_running(es);
    return true;
}

static void canary_done(struct tc_es *es, int status)
{
    if (status || es->closing || es->rung == TC_ES_RUNG_NOTIFY || tc_es_canary_seen(es))
        return;
    canary_lost(es);
    if (!es->started)
        begin_close(es, -EIO);
}

static void canary_too_late(void *arg)
{
    struct tc_es *es = arg;

    if (!es->started && !es->closing) {
        es->host->log(es->host, TOCSIN_LOG_ERROR, "the canary was not seen within %d ms",
                      TC_ES_CANARY_WAIT_MS);
        begin_close(es, -ETIMEDOUT);
        if (finish_close(es))
            es->host->complete(es->host, es->close_status);
    }
}

/* ---- Start. ---- */

static void forget_path(void *arg, const char *path)
{
    struct tc_es *es = arg;

    tc_es_source_forget_path(&es->source, path);
}

static int open_permission(struct tc_es *es)
{
    struct tc_es_source_config config = {.host = es->host,
                                         .max_pending = es->max_pending,
                                         .deadline_ns = es->deadline_ns,
                                         .on_timeout_allow = es->on_timeout_allow,
                                         .ready = tc_es_questions_ready,
                                         .arg = es};
    int err = tc_es_source_open(&es->source, &config);

    if (err)
        return err;
    es->rung = TC_ES_RUNG_PERMISSION;
    /* The thread first: what follows opens files that may be asked about. */
    err = tc_es_source_run(&es->source);
    if (!err)
        err = tc_es_probe_canary(es->host->state_dir(es->host), &es->canary_path,
                                 &es->canary_fd);
    if (!err)
        err = tc_es_source_mark_canary(&es->source, es->canary_fd);
    es->mountinfo_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    es->own_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!err && (es->mountinfo_fd < 0 || es->own_fds < 0))
        err = -errno;
    if (err)
        return err;
    es->names_open = !tc_sensor_names_open(&es->names, false, forget_path, es);
    tc_es_scan_mounts(es);
    if (es->scan.counts.marked)
        return 0;
    snprintf(es->open_what, sizeof(es->open_what), "nothing to protect: %.200s",
             es->scan.counts.failed ? es->scan.what : "no file system under `watch`");
    return es->scan.err ? es->scan.err : -ENODEV;
}

static int mark_canary_folder(struct tc_es *es)
{
    char *folder;
    int err = tc_es_probe_canary(es->host->state_dir(es->host), &es->canary_path,
                                 &es->canary_fd);

    if (err)
        return err;
    folder = strdup(es->canary_path);
    if (!folder)
        return -ENOMEM;
    es->names.canary_path = es->canary_path;
    err = tc_sensor_names_mark_tree(&es->names, dirname(folder), NULL);
    free(folder);
    return err;
}

static int open_notify(struct tc_es *es)
{
    int err = tc_sensor_names_open(&es->names, true, NULL, NULL), result;
    size_t marked = 0;

    if (err)
        return err;
    es->names_open = true;
    es->rung = TC_ES_RUNG_NOTIFY;
    err = mark_canary_folder(es);
    if (err)
        return err;
    for (size_t i = 0; es->watch[i]; i++) {
        result = tc_sensor_names_mark_tree(&es->names, es->watch[i], NULL);
        marked += !result;
        if (result)
            err = result;
    }
    return marked ? 0 : err;
}

static void open_run(struct tc_es *es)
{
    int err = tc_sensor_processes_new(es->max_processes, &es->processes);

    es->batch = calloc(1, sizeof(*es->batch));
    if (!err && !es->batch)
        err = -ENOMEM;
    if (!err) {
        err = open_permission(es);
        if (err == -EPERM && es->rung == TC_ES_RUNG_NONE)
            err = open_notify(es);
    }
    es->open_status = err;
}

/* Begins to watch, once everything is open. */
static int go(struct tc_es *es)
{
    const struct tocsin_host *host = es->host;
    int err = 0;

    if (es->names_open)
        err = host->watch_fd(host, es->names.group, TOCSIN_READABLE, tc_es_names_readable,
                             es, &es->names_watch);
    if (!err && es->rung == TC_ES_RUNG_PERMISSION) {
        tc_es_scan_mounts_done(es, 0);
        err = host->watch_fd(host, es->mountinfo_fd, TOCSIN_PRIORITY,
                             tc_es_mounts_changed, es, &es->mountinfo_watch);
    }
    if (!err)
        err = host->timer_start(host, TC_ES_CANARY_WAIT_MS, 0, canary_too_late, es,
                                &es->start_timer);
    if (!err)
        err = host->timer_start(host, TC_ES_CANARY_MS, TC_ES_CANARY_MS, canary_due, es,
                                &es->canary_timer);
    if (!err && es->rung == TC_ES_RUNG_PERMISSION)
        tc_es_questions_ready(es);
    return err ? err : tc_es_job_start(es, TC_ES_JOB_CANARY);
}

static void open_done(struct tc_es *es, int status)
{
    int err = status ? status : es->open_status;

    if (es->closing)
        return;
    if (!err)
        err = go(es);
    if (err) {
        es->host->log(es->host, TOCSIN_LOG_ERROR, "cannot start: %s",
                      *es->open_what ? es->open_what : strerror(-err));
        begin_close(es, err);
    }
}

static void close_run(struct tc_es *es)
{
    if (es->rung == TC_ES_RUNG_PERMISSION)
        tc_es_source_close(&es->source);
    if (es->names_open)
        tc_sensor_names_close(&es->names);
    es->names_open = false;
}

static void close_done(struct tc_es *es, int status)
{
    if (status)
        close_run(es); /* it was not run: it waits for microseconds */
}

/*
 * Questions, closed files that wait, what one read brings, and processes: each may hold
 * an eighth of the descriptors. When none is left, the kernel refuses every file in the
 * agent's name.
 */
static void share_descriptors(struct tc_es *es, rlim_t limit)
{
    rlim_t share = limit / 8 ? limit / 8 : 1;

    if (es->max_pending > share)
        es->max_pending = (uint32_t)share;
    es->max_processes =
        share < TC_SENSOR_PROCESSES_MAX ? (size_t)share : TC_SENSOR_PROCESSES_MAX;
    es->fd_ceiling = limit / 2 > INT32_MAX ? INT32_MAX : (int)(limit / 2);
}

int tc_es_start(struct tc_es *es)
{
    static const struct {
        void (*run)(struct tc_es *es);
        void (*done)(struct tc_es *es, int status);
    } table[TC_ES_JOBS] = {
        [TC_ES_JOB_OPEN] = {open_run, open_done},
        [TC_ES_JOB_SCAN_MOUNTS] = {tc_es_scan_mounts, tc_es_scan_mounts_done},
        [TC_ES_JOB_CANARY] = {canary_run, canary_done},
        [TC_ES_JOB_CONFLICTS] = {tc_es_conflicts_run, tc_es_conflicts_done},
        [TC_ES_JOB_NAMES] = {tc_es_names_run, tc_es_names_done},
        [TC_ES_JOB_OUTSIDE] = {tc_es_outside_run, tc_es_outside_marked},
        [TC_ES_JOB_CLOSE] = {close_run, close_done},
    };
    struct rlimit files = {.rlim_cur = 1024};
    int err;

    for (size_t i = 0; i < TC_ES_JOBS; i++)
        es->jobs[i] =
            (struct tc_es_job){.es = es, .run = table[i].run, .done = table[i].done};
    getrlimit(RLIMIT_NOFILE, &files);
    share_descriptors(es, files.rlim_cur);
    es->questions = calloc(es->max_pending, sizeof(*es->questions));
    es->buckets = calloc(es->max_pending, sizeof(*es->buckets));
    es->source.group = es->names.group = es->canary_fd = es->mountinfo_fd = -1;
    es->own_fds = -1;
    es->rung = TC_ES_RUNG_NONE;
    es->started = es->closing = es->closed = false;
    es->open_what[0] = '\0';
    es->canary_before_ns = 0;
    es->complete_ns = tc_es_realtime_ns();
    es->epoch = es->complete_ns / NS_PER_MS;
    err = es->questions && es->buckets ? 0 : -ENOMEM;
    if (!err) {
        tc_es_questions_drop(es);
        err = tc_es_job_start(es, TC_ES_JOB_OPEN);
    }
    if (err) {
        free(es->questions);
        free(es->buckets);
        es->questions = NULL;
        es->buckets = NULL;
    }
    return err ? err : TOCSIN_PENDING;
}

/* ---- Stop. ---- */

static void begin_close(struct tc_es *es, int status)
{
    const struct tocsin_host *host = es->host;

    es->closing = true;
    es->close_status = status;
    if (es->rung == TC_ES_RUNG_PERMISSION)
        tc_es_source_stop(&es->source);
    tc_es_questions_drop(es); /* answered above; their descriptors close now */
    host->timer_stop(host, es->canary_timer);
    host->timer_stop(host, es->start_timer);
    host->watch_stop(host, es->mountinfo_watch);
    host->watch_stop(host, es->names_watch);
    host->watch_stop(host, es->group_watch);
    es->canary_timer = es->start_timer = NULL;
    es->mountinfo_watch = es->names_watch = es->group_watch = NULL;
}

/* Goes on once no job runs: closes the groups, then what they used. True when all is
 * done. */
static bool finish_close(struct tc_es *es)
{
    for (size_t i = 0; i < TC_ES_JOBS; i++)
        if (es->jobs[i].busy)
            return false;
    if (!es->closed) {
        es->closed = true;
        if (!tc_es_job_start(es, TC_ES_JOB_CLOSE))
            return false;
        close_run(es); /* no pool thread for it: it waits for microseconds */
    }
    tc_es_release(es);
    return true;
}

int tc_es_stop(struct tc_es *es)
{
    begin_close(es, 0);
    return finish_close(es) ? 0 : TOCSIN_PENDING;
}

void tc_es_release(struct tc_es *es)
{
    if (es->canary_fd >= 0)
        close(es->canary_fd);
    if (es->mountinfo_fd >= 0)
        close(es->mountinfo_fd);
    if (es->own_fds >= 0)
        close(es->own_fds);
    es->canary_fd = es->mountinfo_fd = es->own_fds = -1;
    free(es->canary_path);
    free(es->conflicts);
    free(es->batch);
    free(es->questions);
    free(es->buckets);
    tc_es_outside_done(&es->outside);
    tc_sensor_scope_unref(es->scope);
    tc_sensor_processes_free(es->processes);
    es->canary_path = es->conflicts = NULL;
    es->batch = NULL;
    es->questions = NULL;
    es->buckets = NULL;
    es->scope = NULL;
    es->processes = NULL;
    es->rung = TC_ES_RUNG_NONE;
}
