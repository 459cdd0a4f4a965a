/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the beginning. On a pool thread: the group, the canary's mark, the proof that it
 * asks and refuses, and only then the marks that count, so that nothing is published
 * before. On the lower level: the groups, then the canary's write. The end is es_stop.c.
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
#include "sensor_clock.h"
#include "sensor_foreign.h"
#include "sensor_scope.h"

#define NS_PER_MS 1000000ull
#define PROOF_CHECK_MS 250 /* how often the loop checks the proof */

/* ---- The canary. ---- */

/*
 * Opened and refused on the upper level, where a reset may have taken the mark away for a
 * moment; written, since only that is reported, on the lower.
 */
static void canary_run(void *arg)
{
    struct tc_es *es = arg;
    int fd;

    if (es->level == TC_ES_LEVEL_PERMISSION) {
        if (!tc_es_canary_check(&es->canary, true))
            tc_es_canary_check(&es->canary, true);
        return;
    }
    fd = open(es->canary_path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0)
        close(fd);
}

static uint64_t canary_ns(struct tc_es *es)
{
    return es->level == TC_ES_LEVEL_PERMISSION ? atomic_load(&es->canary.seen_ns)
                                               : atomic_load(&es->names.canary_ns);
}

static void canary_lost(struct tc_es *es)
{
    es->host->report(es->host, TOCSIN_REPORT_ISSUE, "es_canary",
                     "the kernel did not report the canary file",
                     "tocsin plugin reload es");
}

static void canary_due(void *arg)
{
    struct tc_es *es = arg;

    /* The lower level's event comes after the job has ended: here is where it is missed.
     */
    if (es->level == TC_ES_LEVEL_NOTIFY && canary_ns(es) == es->canary_before_ns)
        canary_lost(es);
    es->canary_before_ns = canary_ns(es);
    tc_es_questions_sweep(es);
    tc_es_intake_go_on(es);
    tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_CANARY);
}

/* Reports the lower level: what it lacks, and how to fix it. */
static void report_degraded(struct tc_es *es)
{
    static const char text[] =
        "protection is detect-only: fanotify permission events need CAP_SYS_ADMIN";
    struct tocsin_writer w;
    uint8_t buf[256];

    es->host->report(es->host, TOCSIN_REPORT_ISSUE, "detect_only", text,
                     "run the agent as root");
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "sensor", "es");
    tocsin_put_str(&w, "mechanism", "fanotify_notify");
    tocsin_put_str(&w, TOCSIN_FIELD_REASON, text);
    tocsin_end(&w);
    if (tocsin_publish(es->host, TOCSIN_TOPIC_SENSOR_DEGRADED, 0, &w))
        es->counters.publish_errors++;
}

static void report_running(struct tc_es *es)
{
    const struct tocsin_host *host = es->host;
    bool asks = es->level == TC_ES_LEVEL_PERMISSION;

    host->report(host, TOCSIN_REPORT_FACT, "sensor_mechanism",
                 asks ? "fanotify" : "fanotify_notify", NULL);
    if (!asks) {
        report_degraded(es);
        tc_sensor_watch_report(&es->scan.watch, &es->places, NULL, host, "es");
    }
    es->started = true;
    tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_CONFLICTS);
    /* What was mounted between the first scan and the watch, which is on by now: what
     * changed before that is not reported (libuv watches from its next turn on, and
     * epoll_ctl consumes what mounts_poll reports once only). */
    if (asks)
        tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_SCAN_MOUNTS);
    tc_es_catch_up_go(es);
    host->complete(host, 0);
}

/* Reports to health that the canary came through since it was last sent; else false. */
static bool canary_seen(struct tc_es *es)
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

/* On the lower level the canary's write comes among the names. */
static void names_done(void *arg, int status)
{
    struct tc_es *es = arg;

    tc_es_names_done(es, status);
    if (!es->jobs.closing && es->level == TC_ES_LEVEL_NOTIFY)
        canary_seen(es);
}

static void canary_done(void *arg, int status)
{
    struct tc_es *es = arg;

    if (status || es->jobs.closing || es->draining || es->level == TC_ES_LEVEL_NOTIFY ||
        canary_seen(es))
        return;
    canary_lost(es);
    if (!es->started)
        tc_es_close(es, -EIO);
}

static void canary_too_late(struct tc_es *es)
{
    es->host->log(es->host, TOCSIN_LOG_ERROR, "the canary was not seen within %d ms",
                  TC_ES_CANARY_WAIT_MS);
    canary_lost(es);
    tc_es_close(es, -ETIMEDOUT);
    tc_sensor_jobs_go_on(&es->jobs);
}

/* Upper level: somebody else, whom the kernel asks too, may hold the proof up. */
static void check_proof(void *arg)
{
    struct tc_es *es = arg;

    if (!es->jobs.closing &&
        tc_es_canary_overdue(&es->canary, es->host->now_ns(es->host)))
        canary_too_late(es);
}

/* Lower level. */
static void check_write(void *arg)
{
    struct tc_es *es = arg;

    if (!es->started && !es->jobs.closing)
        canary_too_late(es);
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
                                         .canary = &es->canary,
                                         .max_pending = es->max_pending,
                                         .deadline_ns = es->deadline_ns,
                                         .on_timeout_allow = es->on_timeout_allow,
                                         .ready = tc_es_intake_ready,
                                         .arg = es};
    int err = tc_es_source_open(&es->source, &config);

    if (err)
        return err;
    es->level = TC_ES_LEVEL_PERMISSION;
    /* The thread first: what follows opens files that may be asked about. */
    err = tc_es_source_run(&es->source);
    if (!err)
        err = tc_es_canary_make(&es->canary, es->host->state_dir(es->host));
    if (!err)
        err = tc_es_source_mark_canary(&es->source);
    if (!err)
        err = tc_es_canary_prove(&es->canary, es->open_what);
    if (err)
        return err;
    es->mountinfo_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    es->own_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (es->mountinfo_fd < 0 || es->own_fds < 0)
        return -errno;
    es->names_open = !tc_sensor_names_open(&es->names, false, forget_path, es);
    es->names.watch = es->places.watch;
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
    es->level = TC_ES_LEVEL_NOTIFY;
    err = mark_canary_folder(es);
    if (!err)
        err = tc_sensor_watch_resolve(&es->places, &es->scan.watch);
    if (err)
        return err;
    for (size_t i = 0; es->scan.watch.paths[i]; i++) {
        result = tc_sensor_names_mark_tree(&es->names, es->scan.watch.paths[i], NULL);
        marked += !result;
        if (result)
            err = result;
    }
    return marked ? 0 : err;
}

static void open_run(void *arg)
{
    struct tc_es *es = arg;
    int err = tc_sensor_processes_new(es->max_processes, &es->processes);

    es->batch = calloc(1, sizeof(*es->batch));
    if (!err && !es->batch)
        err = -ENOMEM;
    if (!err) {
        err = open_permission(es);
        if (err == -EPERM && es->level == TC_ES_LEVEL_NONE)
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
    if (!err && es->level == TC_ES_LEVEL_PERMISSION) {
        tc_es_scan_mounts_done(es, 0);
        err = host->watch_fd(host, es->mountinfo_fd, TOCSIN_PRIORITY,
                             tc_es_mounts_changed, es, &es->mountinfo_watch);
    }
    if (!err && es->level == TC_ES_LEVEL_NOTIFY)
        err = host->timer_start(host, TC_ES_CANARY_WAIT_MS, 0, check_write, es,
                                &es->start_timer);
    if (!err)
        err = host->timer_start(host, TC_ES_CANARY_MS, TC_ES_CANARY_MS, canary_due, es,
                                &es->canary_timer);
    if (!err && es->level == TC_ES_LEVEL_PERMISSION)
        err = host->timer_start(host, TC_SENSOR_FOREIGN_EVERY_MS,
                                TC_SENSOR_FOREIGN_EVERY_MS, tc_es_look_again, es,
                                &es->look_timer);
    if (!err && es->level == TC_ES_LEVEL_PERMISSION) {
        es->canary_before_ns = canary_ns(es);
        tc_es_intake_ready(es);
    }
    return err ? err : tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_CANARY);
}

static void open_done(void *arg, int status)
{
    struct tc_es *es = arg;
    int err = status ? status : es->open_status;

    es->host->timer_stop(es->host, es->start_timer);
    es->start_timer = NULL;
    if (es->jobs.closing)
        return;
    if (!err)
        err = go(es);
    if (err) {
        es->host->log(es->host, TOCSIN_LOG_ERROR, "cannot start: %s",
                      *es->open_what ? es->open_what : strerror(-err));
        tc_es_close(es, err);
    }
}

/*
 * Questions may hold a quarter of the descriptors; closed files that wait, what one read
 * brings, and processes, an eighth each; all else gets none beyond three eighths. When
 * none is left, the kernel refuses every file in the agent's name.
 */
static void share_descriptors(struct tc_es *es, rlim_t limit)
{
    rlim_t share = limit / 8 ? limit / 8 : 1;

    if (es->max_pending > 2 * share)
        es->max_pending = (uint32_t)(2 * share);
    es->max_processes = share / TC_SENSOR_PROCESS_FDS < TC_SENSOR_PROCESSES_MAX
                            ? (size_t)(share + 1) / TC_SENSOR_PROCESS_FDS
                            : TC_SENSOR_PROCESSES_MAX;
    es->fd_ceiling = 3 * share > INT32_MAX ? INT32_MAX : (int)(3 * share);
}

static bool is_busy(void *arg)
{
    struct tc_es *es = arg;

    return tc_sensor_catch_up_busy(&es->catch_up);
}

static void jobs_init(struct tc_es *es)
{
    static const struct tc_sensor_job jobs[TC_ES_JOBS] = {
        [TC_ES_JOB_OPEN] = {open_run, open_done},
        [TC_ES_JOB_SCAN_MOUNTS] = {tc_es_scan_mounts, tc_es_scan_mounts_done},
        [TC_ES_JOB_CANARY] = {canary_run, canary_done},
        [TC_ES_JOB_CONFLICTS] = {tc_es_conflicts_run, tc_es_conflicts_done},
        [TC_ES_JOB_NAMES] = {tc_es_names_run, names_done},
        [TC_ES_JOB_OUTSIDE] = {tc_es_outside_run, tc_es_outside_marked},
    };
    const struct tc_sensor_jobs_config config = {.host = es->host,
                                                 .jobs = jobs,
                                                 .count = TC_ES_JOBS,
                                                 .busy = is_busy,
                                                 .close = tc_es_close_run,
                                                 .closed = tc_es_release,
                                                 .arg = es};

    tc_sensor_jobs_init(&es->jobs, &config);
}

int tc_es_start(struct tc_es *es)
{
    struct rlimit files = {.rlim_cur = 1024};
    int err;

    jobs_init(es);
    getrlimit(RLIMIT_NOFILE, &files);
    share_descriptors(es, files.rlim_cur);
    es->questions = calloc(es->max_pending, sizeof(*es->questions));
    es->overlays_silent = tc_es_cache_overlays_silent();
    es->buckets = calloc(es->max_pending, sizeof(*es->buckets));
    es->source.group = es->names.group = es->canary_fd = es->mountinfo_fd = -1;
    es->own_fds = -1;
    es->level = TC_ES_LEVEL_NONE;
    es->started = es->draining = false;
    es->open_what[0] = '\0';
    es->canary_before_ns = 0;
    es->complete_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    es->epoch = es->complete_ns / NS_PER_MS;
    es->held = (struct tc_es_held){0};
    es->turns_posted = false;
    err = es->questions && es->buckets ? tc_es_turns_init(&es->turns, es->max_pending)
                                       : -ENOMEM;
    for (uint32_t i = 0; !err && i < es->max_pending; i++)
        es->questions[i].fd = -1;
    if (!err) {
        tc_es_questions_drop(es);
        err = es->host->timer_start(es->host, PROOF_CHECK_MS, PROOF_CHECK_MS, check_proof,
                                    es, &es->start_timer);
    }
    if (!err)
        err = tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_OPEN);
    if (err) {
        es->host->timer_stop(es->host, es->start_timer);
        es->start_timer = NULL;
        free(es->questions);
        free(es->buckets);
        tc_es_turns_done(&es->turns);
        es->questions = NULL;
        es->buckets = NULL;
    }
    return err ? err : TOCSIN_PENDING;
}
