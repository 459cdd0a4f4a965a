/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the indicators in force. They are loaded on a pool thread, put into the kernel's
 * table there, and then handed to the reader; what cannot be loaded changes nothing. What
 * the command line adds and removes goes to the disk first, on the same thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netfilter.h"
#include "nf_lists.h"

static uint64_t now_s(void)
{
    return (uint64_t)time(NULL);
}

/* ---- On a pool thread. ---- */

static void change(struct tc_nf *nf, struct tc_nf_change *change)
{
    const struct tc_nf_text value = {change->value, strlen(change->value)};
    struct tc_nf_row row = {.value = value};

    if (change->remove) {
        change->err = tc_nf_store_remove(nf->store, value, change->why);
        return;
    }
    row.action = (struct tc_nf_text){change->action, strlen(change->action)};
    row.reason = (struct tc_nf_text){change->reason, strlen(change->reason)};
    row.expires = (struct tc_nf_text){change->expires, strlen(change->expires)};
    change->err = tc_nf_store_add(nf->store, &row, change->who, now_s(), change->why);
}

/* What cannot be changed still counts: its lines that can be read are loaded. */
static void make_changes(struct tc_nf *nf)
{
    nf->store_why[0] = '\0';
    if (!nf->store && tc_nf_store_open(nf->folder, &nf->store, nf->store_why))
        nf->store = NULL;
    for (struct tc_nf_change *c = nf->changes; c; c = c->next) {
        if (nf->store && !c->reload) {
            change(nf, c);
        } else if (!c->reload) {
            c->err = -EIO;
            memcpy(c->why, nf->store_why, sizeof(c->why));
        }
    }
}

static void count(struct tc_nf *nf)
{
    struct tc_nf_view view;

    memset(&nf->fresh_tally, 0, sizeof(nf->fresh_tally));
    for (uint32_t id = 0; nf->fresh && tc_nf_indicators_view(nf->fresh, id, &view); id++)
        nf->fresh_tally.counts[view.kind][view.action]++;
}

void tc_nf_lists_run(void *arg)
{
    struct tc_nf *nf = arg;
    char own[PATH_MAX + 32];
    struct tc_nf_sources sources = {
        .texts = nf->options.lists, .count = nf->options.lists_count, .own = own};

    make_changes(nf);
    tc_nf_indicators_unref(nf->fresh);
    nf->fresh = NULL;
    snprintf(own, sizeof(own), "%s/%s", nf->folder, TC_NF_STORE_FILE);
    nf->lists_status =
        tc_nf_indicators_load(&sources, now_s(), &nf->fresh, &nf->loaded, nf->lists_why);
    count(nf);
}

static int fill(struct tc_nf *nf, struct tc_nf_indicators *indicators)
{
    struct tc_nf_addresses head;
    struct tc_nf_slot *slots;
    int err =
        tc_nf_addresses_begin(&nf->programs, tc_nf_indicators_slots(indicators), &slots);

    if (!err)
        err = tc_nf_indicators_fill(indicators, slots, &head);
    return err ? err : tc_nf_addresses_commit(&nf->programs, &head);
}

void tc_nf_lists_fill(struct tc_nf *nf, struct tc_nf_indicators *indicators)
{
    int err;

    if (!indicators || !nf->programs.skeleton)
        return;
    err = fill(nf, indicators);
    if (!err)
        return;
    nf->lists_status = err;
    snprintf(nf->lists_why, sizeof(nf->lists_why),
             "the kernel's table of addresses could not be made: %s", strerror(-err));
    tc_nf_indicators_unref(nf->fresh);
    nf->fresh = NULL;
}

void tc_nf_lists_job(void *arg)
{
    struct tc_nf *nf = arg;

    if (!nf->expiring)
        tc_nf_lists_run(nf);
    pthread_mutex_lock(&nf->lock);
    if (nf->expiring)
        tc_nf_indicators_expire(
            nf->indicators, now_s(),
            nf->programs.skeleton ? tc_nf_addresses_slots(&nf->programs) : NULL);
    else
        tc_nf_lists_fill(nf, nf->fresh);
    pthread_mutex_unlock(&nf->lock);
}

/* ---- On the loop. ---- */

static void report(struct tc_nf *nf)
{
    const struct tocsin_host *host = nf->host;
    char text[512];

    if (nf->lists_status) {
        snprintf(text, sizeof(text), "indicators could not be loaded: %s", nf->lists_why);
        host->log(host, TOCSIN_LOG_ERROR, "%s", text);
        host->report(host, TOCSIN_REPORT_ISSUE, "netfilter_indicators", text,
                     "tocsin indicator reload");
    } else if (*nf->store_why) {
        snprintf(text, sizeof(text),
                 "what tocsin indicator has added cannot be changed: %s", nf->store_why);
        host->report(host, TOCSIN_REPORT_ISSUE, "netfilter_indicators", text,
                     "tocsin indicator reload");
    } else if (nf->loaded.refused) {
        snprintf(text, sizeof(text), "%llu entries of indicator lists were left out: %s",
                 (unsigned long long)nf->loaded.refused,
                 nf->loaded.problems ? nf->loaded.problem[0] : "");
        host->report(host, TOCSIN_REPORT_ISSUE, "netfilter_indicators", text,
                     "tocsin indicator reload");
    } else {
        host->report(host, TOCSIN_REPORT_CLEAR, "netfilter_indicators", NULL, NULL);
    }
}

/* Answers them. */
static void finish_changes(struct tc_nf *nf)
{
    struct tc_nf_change *c;

    while ((c = nf->changes) != NULL) {
        nf->changes = c->next;
        c->done(nf, c);
        free(c);
    }
}

/* What has waited for the end of a load. */
static void go_on(struct tc_nf *nf)
{
    if (nf->jobs.closing)
        return;
    if (nf->changes_next)
        (void)tc_nf_lists_start(nf);
    (void)tc_nf_go_on(nf);
}

void tc_nf_lists_job_done(void *arg, int status)
{
    struct tc_nf *nf = arg;

    if (!nf->expiring) {
        tc_nf_lists_done(nf, status);
        return;
    }
    nf->expiring = false;
    tc_nf_want(nf);
    go_on(nf);
}

void tc_nf_lists_done(void *arg, int status)
{
    struct tc_nf *nf = arg;

    if (status) {
        nf->lists_status = status;
        snprintf(nf->lists_why, sizeof(nf->lists_why), "%s", strerror(-status));
    }
    if (!nf->jobs.closing)
        report(nf);
    if (nf->fresh) {
        tc_nf_indicators_unref(nf->indicators);
        nf->indicators = nf->fresh;
        nf->in_force = nf->fresh_tally;
        nf->fresh = NULL;
        tc_nf_want(nf);
    }
    finish_changes(nf);
    go_on(nf);
}

int tc_nf_lists_start(struct tc_nf *nf)
{
    int err;

    /* The end of either begins what is left. */
    if (tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_LISTS) ||
        tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_OPEN))
        return 0;
    nf->changes = nf->changes_next;
    nf->changes_next = NULL;
    err = tc_sensor_jobs_start(&nf->jobs, TC_NF_JOB_LISTS);
    if (!err)
        return 0;
    for (struct tc_nf_change *c = nf->changes; c; c = c->next) {
        c->err = err;
        snprintf(c->why, sizeof(c->why), "%s", strerror(-err));
    }
    finish_changes(nf);
    return err;
}

int tc_nf_lists_change(struct tc_nf *nf, struct tc_nf_change *c)
{
    struct tc_nf_change **end = &nf->changes_next;

    while (*end)
        end = &(*end)->next;
    c->next = NULL;
    *end = c;
    return tc_nf_lists_start(nf);
}

/* By the thread that loads, so that neither meets the other's half of the slots. */
void tc_nf_lists_expire(struct tc_nf *nf)
{
    if (!nf->indicators || tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_LISTS) ||
        tc_sensor_jobs_busy(&nf->jobs, TC_NF_JOB_OPEN) ||
        tc_nf_indicators_next_expiry_s(nf->indicators) > now_s())
        return;
    nf->expiring = true;
    if (tc_sensor_jobs_start(&nf->jobs, TC_NF_JOB_LISTS))
        nf->expiring = false;
}

void tc_nf_lists_release(struct tc_nf *nf)
{
    struct tc_nf_change *c;

    while ((c = nf->changes_next) != NULL) {
        nf->changes_next = c->next;
        nf->host->event_unref(nf->host, c->request);
        free(c);
    }
    tc_nf_indicators_unref(nf->indicators);
    tc_nf_indicators_unref(nf->fresh);
    tc_nf_store_close(nf->store);
    nf->indicators = nf->fresh = NULL;
    nf->store = NULL;
}
