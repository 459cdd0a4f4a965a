/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin es, the system extension: asks before every open and execution under the watched
 * paths (fanotify permission events), and reports files written, created, renamed and
 * deleted there. This file owns the descriptor, the options, and what comes from the bus.
 */
#include "es.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sensor_remember.h"

#define NS_PER_MS 1000000ull

static const char *const publishes[] = {TC_SENSOR_FILE_TOPICS, NULL};

/* plugin.* and config.*: other detectors or exclusions may judge otherwise. */
static const char *const subscribes[] = {TOCSIN_TOPIC_VERDICT_FINAL,
                                         TOCSIN_TOPIC_VERDICT_RESET,
                                         TOCSIN_TOPIC_SENSOR_GAP,
                                         "plugin.*",
                                         "config.*",
                                         "rpc.es.*",
                                         NULL};

static const struct tocsin_option options[] = {
    TC_SENSOR_PLACES_OPTIONS,
    {.name = "max_pending",
     .type = TOCSIN_OPTION_INT,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "16384",
     .help = "questions open at once; beyond it the answer is on_timeout; at most a "
             "quarter of the limit of open files",
     .min = 1,
     .max = 65536},
    {.name = "deadline",
     .type = TOCSIN_OPTION_DURATION,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "15s",
     .help = "how long a stuck agent may leave a question open; then it is answered "
             "on_timeout",
     .min = 100,
     .max = 120000},
    {.name = "on_timeout",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "allow",
     .help = "the answer to a question that got no verdict in time",
     .choices = "allow|deny"},
    {.name = "served_filesystems",
     .type = TOCSIN_OPTION_CHOICE,
     .flags = TOCSIN_OPTION_RESTART,
     .fallback = "ask",
     .help = "file systems that a server answers for, as FUSE, NFS and SMB: ask before "
             "each open, or let all pass",
     .choices = "ask|pass"},
    {.name = NULL}};

static int es_init(const struct tocsin_host *host, void **ret_state)
{
    struct tc_es *es = calloc(1, sizeof(*es));
    struct tc_sensor_catch_up_config catch_up = {
        .host = host, .publish = tc_es_publish_found, .ended = tc_es_catch_up_ended};
    int err;

    if (!es)
        return -ENOMEM;
    es->host = host;
    tc_es_canary_init(&es->canary);
    catch_up.arg = es;
    tc_sensor_catch_up_init(&es->catch_up, &catch_up);
    es->canary_fd = es->mountinfo_fd = es->own_fds = -1;
    err = tc_sensor_places_read(host, &es->places);
    es->max_pending = (uint32_t)host->option_int(host, "max_pending");
    es->deadline_ns = (uint64_t)host->option_int(host, "deadline") * NS_PER_MS;
    es->on_timeout_allow = strcmp(host->option_text(host, "on_timeout"), "deny") != 0;
    es->served.pass = !strcmp(host->option_text(host, "served_filesystems"), "pass");
    if (err)
        free(es);
    else
        *ret_state = es;
    return err;
}

static int es_start(void *state)
{
    return tc_es_start(state);
}

static int es_stop(void *state)
{
    return tc_es_stop(state);
}

static void refuse(struct tc_es *es, const struct tocsin_event *request)
{
    if (tocsin_refuse(es->host, request, "unknown_method",
                      "no such method; there are rpc.es.stats and rpc.es.catch_up"))
        es->counters.publish_errors++;
}

/* Answered after a check who else holds fanotify groups, which takes a pool thread. */
static void stats_asked(struct tc_es *es, const struct tocsin_event *request)
{
    if (es->stats_request || tc_sensor_jobs_start(&es->jobs, TC_ES_JOB_CONFLICTS)) {
        tc_es_publish_stats(es, request);
        return;
    }
    es->host->event_ref(es->host, request);
    es->stats_request = request;
}

static void es_event(void *state, const struct tocsin_event *event)
{
    struct tc_es *es = state;

    if (es->jobs.closing)
        return;
    if (!strcmp(event->topic, TOCSIN_TOPIC_VERDICT_FINAL)) {
        tc_es_questions_answer(
            es, event->reply_to,
            tocsin_str_is(tocsin_event_str(event, TOCSIN_FIELD_DECISION), "allow"),
            tc_remember_of_verdict(event));
    } else if (tc_sensor_catch_up_event(&es->catch_up, event, "rpc.es.catch_up")) {
        if (es->started)
            tc_es_catch_up_go(es);
    } else if (!es->started) {
        return; /* nothing is remembered yet */
    } else if (!strcmp(event->topic, "rpc.es.stats")) {
        stats_asked(es, event);
    } else if (!strncmp(event->topic, "rpc.", 4)) {
        refuse(es, event);
    } else {
        tc_es_cache_reset(es);
    }
}

static void es_destroy(void *state)
{
    struct tc_es *es = state;

    tc_es_release(es);
    free(es);
}

TOCSIN_EXPORT extern const struct tocsin_plugin tocsin_plugin;
const struct tocsin_plugin tocsin_plugin = {
    TOCSIN_PLUGIN_HEADER(TOCSIN_KIND_SYSTEM_EXTENSION),
    .name = "es",
    .version = "0.1.0",
    .summary = "asks before files are opened or executed (fanotify)",
    .publishes = publishes,
    .subscribes = subscribes,
    .options = options,
    .init = es_init,
    .start = es_start,
    .event = es_event,
    .stop = es_stop,
    .destroy = es_destroy,
};
