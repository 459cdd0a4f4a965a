/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the watching beside the questions: mounts that come and go, names, folders that
 * need no watching, files written in a gap, and other programs that ask as well. Each is
 * a piece of work on a pool thread and what the loop makes of it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "es.h"
#include "sensor_foreign.h"
#include "sensor_scope.h"

#define NS_PER_MS 1000000ull

/* ---- Mounts. Pool thread, then loop. ---- */

/* Marks one file system; what went wrong is noted in the scan. */
static void mark_one(struct tc_es *es, const struct tc_sensor_mount *mount)
{
    struct tc_es_mount_scan *scan = &es->scan;
    int err = tc_es_source_mark(&es->source, mount->point);

    if (err) {
        scan->counts.failed++;
        scan->err = err;
        snprintf(scan->what, sizeof(scan->what), "%.400s (%s): %s", mount->point,
                 mount->type, strerror(-err));
        return;
    }
    scan->counts.marked++;
    if (!es->names_open || tc_sensor_names_mark(&es->names, mount))
        scan->counts.unnamed++;
}

/* What another namespace has mounted below the watch. One that is hidden, or has gone, is
 * none, or is found again. */
static void mark_foreign(void *arg, const struct tc_sensor_foreign *foreign)
{
    const struct tc_sensor_mount *mount = foreign->mount;
    struct tc_es *es = arg;
    struct tc_es_mount_scan *scan = &es->scan;
    int fd = tc_sensor_foreign_open(foreign);
    int err = fd < 0 ? fd : tc_es_source_mark_at(&es->source, fd);

    if (fd >= 0)
        close(fd);
    if (!err)
        err = tc_sensor_scope_add_foreign(scan->scope, mount->device, mount->root,
                                          mount->point);
    scan->counts.foreign += !err;
    if (!err || err == -ESTALE || err == -ENOENT || err == -ENOTDIR)
        return;
    snprintf(scan->foreign, sizeof(scan->foreign),
             "%.400s (%s) as process %d sees it: %s", mount->point, mount->type,
             foreign->pid, err == -ELOOP ? "a server answers for it" : strerror(-err));
}

void tc_es_scan_mounts(void *arg)
{
    struct tc_es *es = arg;
    struct tc_es_mount_scan *scan = &es->scan;
    uint64_t from_ns = es->host->now_ns(es->host);
    const struct tc_sensor_mount *mount;

    tc_sensor_watch_done(&scan->watch);
    memset(scan, 0, sizeof(*scan));
    scan->err = tc_sensor_watch_resolve(&es->places, &scan->watch);
    if (!scan->err)
        scan->err = tc_sensor_scope_read(es->mountinfo_fd, scan->watch.paths,
                                         es->places.ignored, &scan->scope);
    if (!scan->scope) {
        snprintf(scan->what, sizeof(scan->what), "the table of mounts: %s",
                 strerror(-scan->err));
        return;
    }
    for (size_t i = 0; (mount = tc_sensor_scope_file_system(scan->scope, i)) != NULL; i++)
        if (!mount->served) /* its proxy's: tc_es_served_update */
            mark_one(es, mount);
    tc_sensor_foreign_each(scan->scope, mark_foreign, es);
    if (es->names_open)
        tc_sensor_names_set_scope(&es->names, scan->scope);
    scan->took_ns = es->host->now_ns(es->host) - from_ns;
}

static void report_foreign(struct tc_es *es)
{
    char text[640];

    if (!*es->scan.foreign) {
        es->host->report(es->host, TOCSIN_REPORT_CLEAR, "es_foreign", NULL, NULL);
        return;
    }
    snprintf(text, sizeof(text), "not protected: %s", es->scan.foreign);
    es->host->report(es->host, TOCSIN_REPORT_ISSUE, "es_foreign", text,
                     "see to that process, or add the type to "
                     "plugins.es.ignore_filesystems");
}

void tc_es_scan_mounts_done(void *arg, int status)
{
    struct tc_es *es = arg;
    struct tc_es_mount_scan *scan = &es->scan;
    struct tc_sensor_scope *before = es->scope;
    char text[640];

    if (status || es->jobs.closing || !scan->scope)
        goto out;
    es->scope = scan->scope;
    scan->scope = NULL;
    tc_sensor_processes_set_scope(es->processes, es->scope);
    es->mounts = scan->counts;
    es->mounts_took_ns = scan->took_ns;
    es->counters.mount_scans++;
    es->names_complete = !scan->counts.unnamed;
    tc_sensor_watch_report(&scan->watch, &es->places, es->scope, es->host, "es");
    report_foreign(es);
    if (scan->counts.failed) {
        snprintf(text, sizeof(text), "not protected: %s", scan->what);
        es->host->report(es->host, TOCSIN_REPORT_ISSUE, "es_mark", text,
                         "add its type to plugins.es.ignore_filesystems");
    } else {
        es->host->report(es->host, TOCSIN_REPORT_CLEAR, "es_mark", NULL, NULL);
    }
    if (before && !tc_sensor_scope_same(before, es->scope))
        tc_es_cache_reset(es); /* what was outside may now be inside */
    tc_sensor_scope_unref(before);
    if (!es->draining)
        tc_es_served_update(es);
    if (es->draining) /* the marks that it has made came too late */
        tc_es_source_unmark(&es->source);
out:
    tc_sensor_scope_unref(scan->scope);
    scan->scope = NULL;
}

static void mounts_rested(void *arg)
{
    struct tc_es *es = arg;
    bool changed = es->mounts_changed;

    es->host->timer_stop(es->host, es->mounts_timer);
    es->mounts_timer = NULL;
    es->mounts_changed = false;
    if (changed)
        tc_es_mounts_changed(es, 0, TOCSIN_PRIORITY);
}

/* Nothing tells what other namespaces mount, nor of a link on an unwatched file system.
 */
void tc_es_look_again(void *arg)
{
    struct tc_es *es = arg;

    tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_SCAN_MOUNTS);
}

static uint64_t mounts_rest_ms(const struct tc_es *es)
{
    uint64_t rest_ms = 10 * es->mounts_took_ns / NS_PER_MS;

    if (rest_ms < TC_ES_MOUNTS_REST_MS)
        return TC_ES_MOUNTS_REST_MS;
    return rest_ms < TC_ES_MOUNTS_REST_MAX_MS ? rest_ms : TC_ES_MOUNTS_REST_MAX_MS;
}

/* The first at once; a host that mounts without end must not keep us at it. */
void tc_es_mounts_changed(void *arg, int status, uint32_t events)
{
    struct tc_es *es = arg;

    (void)status;
    (void)events;
    if (es->mounts_timer) {
        es->mounts_changed = true;
        return;
    }
    tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_SCAN_MOUNTS);
    if (es->host->timer_start(es->host, mounts_rest_ms(es), 0, mounts_rested, es,
                              &es->mounts_timer))
        es->mounts_timer = NULL;
}

/* ---- Names. ---- */

static void names_rested(void *arg)
{
    struct tc_es *es = arg;

    es->host->timer_stop(es->host, es->names_timer);
    es->names_timer = NULL;
    tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_NAMES);
}

/* The first at once; who makes many files gets many of them read together, until there is
 * nothing to read. */
static void names_wait(struct tc_es *es)
{
    const struct tocsin_host *host = es->host;

    if (es->jobs.closing || es->names_watch || es->names_timer ||
        (!es->names_status && !host->timer_start(host, TC_ES_NAMES_REST_MS, 0,
                                                 names_rested, es, &es->names_timer)))
        return;
    es->names_timer = NULL;
    host->watch_fd(host, es->names.group, TOCSIN_READABLE, tc_es_names_readable, es,
                   &es->names_watch);
}

void tc_es_names_readable(void *arg, int status, uint32_t events)
{
    struct tc_es *es = arg;

    (void)status;
    (void)events;
    /* Not watched while a pool thread reads, or it would be reported again and again. */
    es->host->watch_stop(es->host, es->names_watch);
    es->names_watch = NULL;
    tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_NAMES);
}

void tc_es_names_run(void *arg)
{
    struct tc_es *es = arg;

    es->names_status = tc_sensor_names_read(&es->names, es->batch);
}

void tc_es_names_done(void *arg, int status)
{
    struct tc_es *es = arg;

    if (!status && !es->names_status && !es->jobs.closing) {
        if (es->batch->folder_renamed)
            tc_es_cache_reset(es);
        if (es->batch->area_changed && es->level == TC_ES_LEVEL_PERMISSION)
            tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_SCAN_MOUNTS);
        tc_es_publish_names(es, es->batch);
    }
    tc_sensor_name_batch_clear(es->batch);
    names_wait(es);
}

/* ---- Folders outside. ---- */

static void outside_start(struct tc_es *es)
{
    if (tc_sensor_jobs_busy(&es->jobs, TC_ES_JOB_OUTSIDE) || !es->outside.waiting_count)
        return;
    tc_es_outside_begin(&es->outside, es->scope, es->generation);
    if (tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_OUTSIDE))
        tc_es_outside_end(&es->outside); /* asked again when somebody opens there */
}

void tc_es_outside_opened(struct tc_es *es, const char *path, bool excluded)
{
    /* Without names no folder would be reported that is moved to where it counts. */
    if (es->names_complete &&
        tc_es_outside_add(&es->outside, path, excluded, es->host->now_ns(es->host)))
        outside_start(es);
}

void tc_es_outside_run(void *arg)
{
    struct tc_es *es = arg;

    tc_es_outside_mark(&es->outside, &es->source, es->places.ignored, es->mountinfo_fd,
                       es->own_fds);
}

void tc_es_outside_marked(void *arg, int status)
{
    struct tc_es *es = arg;
    bool outdated = es->outside.generation != es->generation;

    (void)status;
    tc_es_outside_end(&es->outside);
    if (es->jobs.closing)
        return;
    if (outdated) /* all marks were to be forgotten; some have come after that */
        tc_es_cache_forget(es);
    outside_start(es);
}

/* ---- What was written while nobody looked. ---- */

void tc_es_catch_up_go(struct tc_es *es)
{
    /* Not the scan's own where there is a scope: a pool thread may be making them anew.
     */
    tc_sensor_catch_up_go(
        &es->catch_up,
        es->scope ? tc_sensor_scope_roots(es->scope) : es->scan.watch.paths, es->scope);
}

void tc_es_catch_up_ended(void *arg)
{
    struct tc_es *es = arg;

    if (es->jobs.closing)
        tc_sensor_jobs_go_on(&es->jobs);
    else
        tc_es_catch_up_go(es);
}

/* ---- Other holders of fanotify groups. ---- */

void tc_es_conflicts_run(void *arg)
{
    struct tc_es *es = arg;

    free(es->conflicts);
    es->conflicts = tc_es_probe_conflicts(es->host);
}

void tc_es_conflicts_done(void *arg, int status)
{
    struct tc_es *es = arg;

    if (!status && !es->jobs.closing) {
        es->host->report(es->host, TOCSIN_REPORT_FACT, "conflicting_applications",
                         es->conflicts && *es->conflicts ? es->conflicts : NULL, NULL);
        if (es->stats_request)
            tc_es_publish_stats(es, es->stats_request);
    }
    es->host->event_unref(es->host, es->stats_request);
    es->stats_request = NULL;
}
