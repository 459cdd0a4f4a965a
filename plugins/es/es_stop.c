/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the end. First the marks go, so that nobody is asked any more; then everybody who
 * was asked gets his verdict, TC_ES_DRAIN_MS at most, or the default; only then are the
 * groups closed, since closing allows whoever still waits. Loop.
 */
#include <stdlib.h>
#include <unistd.h>

#include "es.h"
#include "sensor_scope.h"

#define DRAIN_CHECK_MS 10 /* what is posted does not arrive any more */
#define QUIET_LOOKS 2 /* a question that was on its way when the marks went has come */
#define NS_PER_MS 1000000ull

/* ---- Waiting for verdicts. ---- */

static void drain_turn(void *arg)
{
    struct tc_es *es = arg;
    bool quiet = tc_es_intake_drain(es) && !tc_es_served_waiting(es) &&
                 !tc_sensor_jobs_busy(&es->jobs, TC_ES_JOB_SCAN_MOUNTS);

    es->drain_quiet = quiet ? es->drain_quiet + 1 : 0;
    if (es->drain_quiet < QUIET_LOOKS && es->host->now_ns(es->host) < es->drained_ns)
        return;
    tc_es_close(es, 0);
    tc_sensor_jobs_go_on(&es->jobs);
}

static int drain_begin(struct tc_es *es)
{
    const struct tocsin_host *host = es->host;
    int err = host->timer_start(host, DRAIN_CHECK_MS, DRAIN_CHECK_MS, drain_turn, es,
                                &es->drain_timer);

    if (err)
        return err;
    es->draining = es->jobs.once = true;
    tc_es_answer_held(es);
    es->drain_quiet = 0;
    es->drained_ns = host->now_ns(host) + TC_ES_DRAIN_MS * NS_PER_MS;
    host->timer_stop(host, es->canary_timer);
    host->timer_stop(host, es->mounts_timer);
    host->timer_stop(host, es->look_timer);
    host->watch_stop(host, es->mountinfo_watch);
    es->canary_timer = es->mounts_timer = es->look_timer = NULL;
    es->mountinfo_watch = NULL;
    tc_sensor_catch_up_stop(&es->catch_up);
    tc_es_source_unmark(&es->source);
    tc_es_served_unmark(es);
    return 0;
}

int tc_es_stop(struct tc_es *es)
{
    if (!es->started || es->level != TC_ES_LEVEL_PERMISSION || drain_begin(es)) {
        tc_es_close(es, 0);
        tc_sensor_jobs_go_on(&es->jobs);
    }
    return TOCSIN_PENDING;
}

/* ---- Closing. ---- */

void tc_es_close(struct tc_es *es, int status)
{
    const struct tocsin_host *host = es->host;

    tc_sensor_jobs_close(&es->jobs, status);
    tc_es_answer_held(es);
    if (es->level == TC_ES_LEVEL_PERMISSION)
        tc_es_source_stop(&es->source);
    tc_sensor_catch_up_stop(&es->catch_up);
    tc_es_served_close(es);
    tc_es_questions_drop(es); /* answered above; their descriptors close now */
    host->timer_stop(host, es->canary_timer);
    host->timer_stop(host, es->start_timer);
    host->timer_stop(host, es->drain_timer);
    host->timer_stop(host, es->mounts_timer);
    host->timer_stop(host, es->names_timer);
    host->timer_stop(host, es->held.timer);
    host->timer_stop(host, es->look_timer);
    host->watch_stop(host, es->mountinfo_watch);
    host->watch_stop(host, es->names_watch);
    host->watch_stop(host, es->group_watch);
    es->canary_timer = es->start_timer = NULL;
    es->drain_timer = es->mounts_timer = es->names_timer = NULL;
    es->held.timer = es->look_timer = NULL;
    es->mountinfo_watch = es->names_watch = es->group_watch = NULL;
}

void tc_es_close_run(void *arg)
{
    struct tc_es *es = arg;

    if (es->level == TC_ES_LEVEL_PERMISSION)
        tc_es_source_close(&es->source);
    tc_es_canary_done(&es->canary); /* once nobody looks at it */
    if (es->names_open)
        tc_sensor_names_close(&es->names);
    es->names_open = false;
}

void tc_es_release(void *arg)
{
    struct tc_es *es = arg;

    if (es->canary_fd >= 0)
        close(es->canary_fd);
    if (es->mountinfo_fd >= 0)
        close(es->mountinfo_fd);
    if (es->own_fds >= 0)
        close(es->own_fds);
    es->canary_fd = es->mountinfo_fd = es->own_fds = -1;
    tc_es_canary_done(&es->canary);
    free(es->canary_path);
    free(es->conflicts);
    free(es->batch);
    free(es->questions);
    free(es->buckets);
    tc_es_turns_done(&es->turns);
    tc_es_outside_done(&es->outside);
    tc_sensor_scope_unref(es->scope);
    tc_sensor_watch_done(&es->scan.watch);
    tc_sensor_processes_free(es->processes);
    es->canary_path = es->conflicts = NULL;
    es->batch = NULL;
    es->questions = NULL;
    es->buckets = NULL;
    es->scope = NULL;
    es->processes = NULL;
    es->level = TC_ES_LEVEL_NONE;
}
