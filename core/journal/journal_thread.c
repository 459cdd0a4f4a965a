/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the journal's thread: what it does in which order, and when it tries again. It
 * sleeps on a condition, and wakes by itself only for what could not be written, and once
 * a minute to look after a quiet file. Must
 * not: know SQL (journal_store, journal_query) or how to repair a database
 * (journal_keeper).
 */
#include "core/journal/journal_thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/journal/journal_store.h"
#include "ipc/event.h"

#define NS_PER_MS UINT64_C(1000000)
#define BATCH_BYTES (4u * 1024 * 1024)   /* of data in one transaction */
#define RETRY_FIRST_NS (250 * NS_PER_MS) /* doubled up to */
#define RETRY_LAST_NS (30 * 1000 * NS_PER_MS)

static bool has_sync(const struct tc_journal *journal)
{
    const struct tc_journal_job *job;

    STAILQ_FOREACH(job, &journal->jobs, next)
    if (!job->run)
        return true;
    return false;
}

static bool has_pending(const struct tc_journal *journal)
{
    return journal->batch_len || journal->queued;
}

/* After a failure, writing waits for its time, unless somebody wants to know. */
static bool write_due(const struct tc_journal *journal)
{
    return has_pending(journal) &&
           (!journal->failure || uv_hrtime() >= journal->retry_at_ns ||
            journal->stopping || has_sync(journal));
}

/* Until there is something to do, or the file is to be looked after. */
static void wait_for_work(struct tc_journal *journal)
{
    uint64_t now = uv_hrtime(), look_at = now + TC_JOURNAL_LOOK_NS;

    while (!journal->stopping && STAILQ_EMPTY(&journal->jobs) && !write_due(journal) &&
           now < look_at) {
        if (has_pending(journal) && now < journal->retry_at_ns)
            (void)uv_cond_timedwait(&journal->wake, &journal->lock,
                                    journal->retry_at_ns - now);
        else
            (void)uv_cond_timedwait(&journal->wake, &journal->lock, look_at - now);
        now = uv_hrtime();
    }
}

/* What a failed attempt has left in the batch goes first, and alone. */
static void take_batch(struct tc_journal *journal)
{
    size_t bytes = 0;

    if (journal->batch_len)
        return;
    while (journal->queued && journal->batch_len < TC_JOURNAL_BATCH_MAX &&
           bytes < BATCH_BYTES) {
        journal->batch[journal->batch_len] = tc_journal_take_first(journal);
        bytes += journal->batch[journal->batch_len++]->pub.len;
    }
    journal->in_flight = journal->batch_len;
}

void tc_journal_release_batch(struct tc_journal *journal)
{
    for (size_t i = 0; i < journal->batch_len; i++)
        tc_event_unref(journal->batch[i]);
    journal->batch_len = 0;
}

static void back_off(struct tc_journal *journal)
{
    uint64_t after = journal->retry_after_ns * 2;

    if (!after)
        after = RETRY_FIRST_NS;
    else if (after > RETRY_LAST_NS)
        after = RETRY_LAST_NS;
    journal->retry_after_ns = after;
    journal->retry_at_ns = uv_hrtime() + after;
}

/* `lost`: how many events were lost that no record mentions. */
static void write_batch(struct tc_journal *journal, uint64_t lost)
{
    size_t refused = 0, n = journal->batch_len;
    const struct tc_store *store;

    journal->failure =
        tc_journal_writer_write(&journal->writer, journal->batch, n, lost, &refused);
    if (journal->failure) {
        back_off(journal);
    } else {
        journal->retry_after_ns = 0;
        tc_journal_release_batch(journal);
    }
    uv_mutex_lock(&journal->lock);
    store = journal->writer.store;
    if (store)
        journal->usage = store->usage;
    if (journal->failure) {
        journal->failed_writes++;
    } else {
        journal->in_flight = 0;
        journal->stored += n - refused;
        journal->lost_recorded += lost;
        journal->lost += refused;
        journal->lost_unreported |= refused > 0;
    }
    uv_mutex_unlock(&journal->lock);
}

/* Moves the jobs whose time has come: all of them when writing fails. */
static void take_jobs(struct tc_journal *journal, struct tc_journal_job_list *ret_jobs)
{
    const struct tc_journal_pending *first = tc_journal_first(journal);
    struct tc_journal_job *job;

    while ((job = STAILQ_FIRST(&journal->jobs)) != NULL) {
        if (!journal->failure && first && first->number <= job->after)
            break;
        STAILQ_REMOVE_HEAD(&journal->jobs, next);
        STAILQ_INSERT_TAIL(ret_jobs, job, next);
    }
}

/* The outcome of a sync; under the lock. */
static int sync_status(struct tc_journal *journal)
{
    if (journal->failure)
        return journal->failure;
    if (journal->writer.memory)
        return -EPROTONOSUPPORT;
    if (journal->lost_unreported) {
        journal->lost_unreported = false;
        return -ENOBUFS;
    }
    return 0;
}

static void run_job(struct tc_journal *journal, struct tc_journal_job *job)
{
    int err;

    if (!job->run) {
        uv_mutex_lock(&journal->lock);
        job->status = sync_status(journal);
        uv_mutex_unlock(&journal->lock);
        return;
    }
    err = tc_journal_writer_ready(&journal->writer);
    if (!err) {
        err = job->run(job, journal->writer.store);
        tc_journal_writer_failed(&journal->writer, err);
    } else if (err == -ENOENT) {
        err = -EIO; /* no state folder; to who asks, ENOENT is an unknown id */
    }
    job->status = err;
}

/* For a while after events were lost for want of room; under the lock. */
static const struct tc_journal_writer_issue *
loss_issue(const struct tc_journal *journal, struct tc_journal_writer_issue *issue)
{
    const char *source = journal->lost_source;

    if (!journal->lost_at_ns ||
        uv_hrtime() - journal->lost_at_ns > TC_JOURNAL_LOST_SHOWN_MS * NS_PER_MS)
        return NULL;
    (void)snprintf(issue->why, sizeof(issue->why),
                   "events of %s were not recorded: they came faster than they could be "
                   "stored; tocsin diagnostic stats counts them",
                   source);
    if (!strcmp(source, "core"))
        (void)snprintf(issue->fix, sizeof(issue->fix),
                       "tocsin tap 'agent.*' 'sensor.*' shows what floods");
    else
        (void)snprintf(issue->fix, sizeof(issue->fix), "tocsin plugin disable %s",
                       source);
    return issue;
}

/* Hands back what the thread has found out; under the lock. */
void tc_journal_hand_back(struct tc_journal *journal, struct tc_journal_job_list *jobs)
{
    const struct tc_journal_writer_issue *issue =
        tc_journal_writer_issue(&journal->writer);
    struct tc_journal_writer_issue loss;
    struct tc_journal_job *job;
    bool changed;

    if (!issue)
        issue = loss_issue(journal, &loss);
    changed = strcmp(issue ? issue->why : "", journal->issue.why) != 0;
    if (changed && issue)
        journal->issue = *issue;
    else if (changed)
        memset(&journal->issue, 0, sizeof(journal->issue));
    while ((job = STAILQ_FIRST(jobs)) != NULL) {
        STAILQ_REMOVE_HEAD(jobs, next);
        job->finished = true;
        if (job->answer)
            STAILQ_INSERT_TAIL(&journal->done, job, next);
    }
    uv_cond_broadcast(&journal->finished);
    if (changed || !STAILQ_EMPTY(&journal->done))
        (void)uv_async_send(&journal->async);
}

static bool may_stop(const struct tc_journal *journal)
{
    return journal->stopping &&
           (!has_pending(journal) || journal->failure ||
            uv_hrtime() >= journal->stop_by_ns) &&
           STAILQ_EMPTY(&journal->jobs);
}

void tc_journal_work(void *arg)
{
    struct tc_journal *journal = arg;
    struct tc_journal_job_list jobs = STAILQ_HEAD_INITIALIZER(jobs);
    struct tc_journal_job *job;
    uint64_t lost;

    uv_mutex_lock(&journal->lock);
    do {
        wait_for_work(journal);
        if (write_due(journal)) {
            take_batch(journal);
            lost = journal->lost - journal->lost_recorded;
            tc_journal_writer_configure(&journal->writer, &journal->limits);
            uv_mutex_unlock(&journal->lock);
            write_batch(journal, lost);
            uv_mutex_lock(&journal->lock);
        } else if (STAILQ_EMPTY(&journal->jobs) && !journal->failure) {
            tc_journal_writer_configure(&journal->writer, &journal->limits);
            uv_mutex_unlock(&journal->lock);
            (void)tc_journal_writer_tend(&journal->writer);
            uv_mutex_lock(&journal->lock);
            if (journal->writer.store)
                journal->usage = journal->writer.store->usage;
        }
        take_jobs(journal, &jobs);
        uv_mutex_unlock(&journal->lock);
        STAILQ_FOREACH(job, &jobs, next)
        run_job(journal, job);
        uv_mutex_lock(&journal->lock);
        tc_journal_hand_back(journal, &jobs);
    } while (!may_stop(journal));
    uv_mutex_unlock(&journal->lock);

    tc_journal_writer_done(&journal->writer);
    uv_mutex_lock(&journal->lock);
    journal->stopped = true;
    (void)uv_async_send(&journal->async);
    uv_mutex_unlock(&journal->lock);
}
