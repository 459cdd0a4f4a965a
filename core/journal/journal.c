/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the loop's side of the journal: takes events and jobs (questions, syncs, crash
 * counts) to its thread and brings the answers back. Must not: touch the database, or
 * wait for the thread, but for the crash counts that are asked before the loop runs.
 *
 * Order: a job sees every event that was handed over before it, unless writing fails.
 */
#include "core/journal/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <tocsin/plugin.h>

#include "core/base/why.h"
#include "core/journal/journal_store.h"
#include "core/journal/journal_thread.h"
#include "ipc/event.h"
#include "ipc/mask.h"

#define CLOSE_LIMIT_NS (1000 * UINT64_C(1000000))

static void free_journal(struct tc_journal *journal)
{
    uv_cond_destroy(&journal->finished);
    uv_cond_destroy(&journal->wake);
    uv_mutex_destroy(&journal->lock);
    free(journal);
}

static void on_async_closed(uv_handle_t *handle)
{
    struct tc_journal *journal = handle->data;
    void (*closed)(void *arg) = journal->closed;
    void *arg = journal->closed_arg;

    free_journal(journal);
    if (closed)
        closed(arg);
}

/* The thread is gone: what it could not store is lost. */
static void finish(struct tc_journal *journal)
{
    (void)uv_thread_join(&journal->thread);
    tc_journal_release_batch(journal);
    while (journal->queued)
        tc_event_unref(tc_journal_take_first(journal));
    uv_close((uv_handle_t *)&journal->async, on_async_closed);
}

static void show_health(struct tc_journal *journal,
                        const struct tc_journal_writer_issue *issue)
{
    if (!strcmp(issue->why, journal->shown.why))
        return;
    journal->shown = *issue;
    if (!journal->health)
        return;
    if (issue->why[0])
        journal->health(journal->health_arg, issue->why,
                        issue->fix[0] ? issue->fix : NULL);
    else
        journal->health(journal->health_arg, NULL, NULL);
}

static void on_async(uv_async_t *async)
{
    struct tc_journal *journal = async->data;
    struct tc_journal_job_list done = STAILQ_HEAD_INITIALIZER(done);
    struct tc_journal_writer_issue issue;
    struct tc_journal_job *job;
    bool stopped;

    uv_mutex_lock(&journal->lock);
    STAILQ_CONCAT(&done, &journal->done);
    issue = journal->issue;
    stopped = journal->stopped;
    uv_mutex_unlock(&journal->lock);

    show_health(journal, &issue);
    while ((job = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, next);
        job->answer(job);
        tc_pack_done(&job->result);
        free(job->params);
        free(job);
    }
    if (stopped && !uv_is_closing((uv_handle_t *)async))
        finish(journal);
}

static int check_state_dir(const char *state_dir, char why[256])
{
    struct stat st;
    int err;

    if (stat(state_dir, &st)) {
        err = -errno;
        tc_why(why, "state folder %s: %s", state_dir, strerror(-err));
        return err;
    }
    if (!S_ISDIR(st.st_mode)) {
        tc_why(why, "state folder %s is not a folder", state_dir);
        return -ENOTDIR;
    }
    return 0;
}

static int init_locks(struct tc_journal *journal)
{
    int err;

    err = uv_mutex_init(&journal->lock);
    if (err)
        return err;
    err = uv_cond_init(&journal->wake);
    if (err)
        goto no_wake;
    err = uv_cond_init(&journal->finished);
    if (err)
        goto no_finished;
    return 0;
no_finished:
    uv_cond_destroy(&journal->wake);
no_wake:
    uv_mutex_destroy(&journal->lock);
    return err;
}

int tc_journal_open(uv_loop_t *loop, const char *state_dir, tc_journal_health_fn health,
                    void *arg, struct tc_journal **ret_journal, char why[256])
{
    struct tc_journal *journal = NULL;
    struct tc_journal_job_list none = STAILQ_HEAD_INITIALIZER(none);
    int err;

    err = check_state_dir(state_dir, why);
    if (err)
        return err;
    journal = calloc(1, sizeof(*journal));
    err = journal ? tc_journal_writer_init(&journal->writer, state_dir) : -ENOMEM;
    if (!err)
        err = init_locks(journal);
    if (err) {
        free(journal);
        goto failed;
    }
    journal->health = health;
    journal->health_arg = arg;
    journal->limits.bytes = TC_JOURNAL_KEEP_BYTES;
    STAILQ_INIT(&journal->jobs);
    STAILQ_INIT(&journal->done);
    err = uv_async_init(loop, &journal->async, on_async);
    if (err) {
        free_journal(journal);
        goto failed;
    }
    journal->async.data = journal;
    /* A database that cannot be opened is health's business, not a reason to fail. */
    (void)tc_journal_writer_ready(&journal->writer);
    tc_journal_hand_back(journal, &none);
    err = uv_thread_create(&journal->thread, tc_journal_work, journal);
    if (err) {
        tc_journal_writer_done(&journal->writer);
        uv_close((uv_handle_t *)&journal->async, on_async_closed);
        goto failed;
    }
    *ret_journal = journal;
    return 0;
failed:
    tc_why(why, "journal in %s: %s", state_dir, strerror(-err));
    return err;
}

void tc_journal_configure(struct tc_journal *journal,
                          const struct tc_journal_limits *limits)
{
    uv_mutex_lock(&journal->lock);
    journal->limits = *limits;
    if (!limits->bytes)
        journal->limits.bytes = TC_JOURNAL_KEEP_BYTES;
    uv_mutex_unlock(&journal->lock);
}

void tc_journal_close(struct tc_journal *journal, void (*done)(void *arg), void *arg)
{
    journal->closed = done;
    journal->closed_arg = arg;
    uv_mutex_lock(&journal->lock);
    journal->stopping = true;
    journal->stop_by_ns = uv_hrtime() + CLOSE_LIMIT_NS;
    uv_cond_signal(&journal->wake);
    uv_mutex_unlock(&journal->lock);
}

/* A reference for the queue. It may wait for long, and a descriptor that waited with it
 * would be missed elsewhere: an event that has one is copied without. */
static struct tc_event *hold(struct tc_event *event)
{
    struct tocsin_event draft = tc_event_shown(event)->pub;
    struct tc_event *copy;

    if (event->pub.fd < 0) {
        tc_event_ref(event);
        return event;
    }
    draft.fd = -1;
    if (tc_event_new(&draft, event->topic, event->pub.source, event->pub.id, &copy))
        return NULL;
    return copy;
}

void tc_journal_store(struct tc_journal *journal, struct tc_event *event)
{
    struct tc_journal_pending *entry = malloc(sizeof(*entry));
    struct tc_event *held = entry ? hold(event) : NULL;
    bool lost = !held;

    uv_mutex_lock(&journal->lock);
    journal->handed++;
    if (held) {
        entry->event = held;
        entry->number = journal->handed;
        tc_journal_enqueue(journal, entry);
        tc_journal_shed(journal);
    } else {
        free(entry);
    }
    if (lost) {
        journal->lost++;
        journal->lost_unreported = true;
    }
    uv_cond_signal(&journal->wake);
    uv_mutex_unlock(&journal->lock);
}

void tc_journal_add_job(struct tc_journal *journal, struct tc_journal_job *job)
{
    uv_mutex_lock(&journal->lock);
    job->after = journal->handed;
    STAILQ_INSERT_TAIL(&journal->jobs, job, next);
    uv_cond_signal(&journal->wake);
    uv_mutex_unlock(&journal->lock);
}

static void answer_sync(struct tc_journal_job *job)
{
    job->stored(job->arg, job->status);
}

int tc_journal_sync(struct tc_journal *journal, void (*stored)(void *arg, int status),
                    void *arg)
{
    struct tc_journal_job *job = calloc(1, sizeof(*job));

    if (!job)
        return -ENOMEM;
    job->answer = answer_sync;
    job->stored = stored;
    job->arg = arg;
    tc_journal_add_job(journal, job);
    return 0;
}

static int run_query(struct tc_journal_job *job, struct tc_store *store)
{
    return tc_store_query(store, job->kind, job->params, job->len, &job->result);
}

static void answer_query(struct tc_journal_job *job)
{
    if (job->status)
        job->answered(job->arg, job->status, NULL, 0);
    else
        job->answered(job->arg, 0, job->result.bytes.data, job->result.bytes.size);
}

static int run_change(struct tc_journal_job *job, struct tc_store *store)
{
    return tc_store_change(store, job->kind, job->params, job->len, &job->result);
}

static int add_asked(struct tc_journal *journal, const char *kind, const void *params,
                     size_t len,
                     int (*run)(struct tc_journal_job *job, struct tc_store *store),
                     tc_journal_answer_fn done, void *arg)
{
    struct tc_journal_job *job = calloc(1, sizeof(*job));

    if (!job)
        return -ENOMEM;
    job->params = malloc(len + 1);
    if (!job->params) {
        free(job);
        return -ENOMEM;
    }
    if (len)
        memcpy(job->params, params, len);
    job->len = len;
    (void)snprintf(job->kind, sizeof(job->kind), "%s", kind);
    tc_pack_init(&job->result);
    job->run = run;
    job->answer = answer_query;
    job->answered = done;
    job->arg = arg;
    tc_journal_add_job(journal, job);
    return 0;
}

int tc_journal_query(struct tc_journal *journal, const char *kind, const void *params,
                     size_t len, tc_journal_answer_fn done, void *arg)
{
    return add_asked(journal, kind, params, len, run_query, done, arg);
}

int tc_journal_change(struct tc_journal *journal, const char *kind, const void *params,
                      size_t len, tc_journal_answer_fn done, void *arg)
{
    return add_asked(journal, kind, params, len, run_change, done, arg);
}

/* ---- Crashes: the caller waits. ---- */

static int wait_for(struct tc_journal *journal, struct tc_journal_job *job)
{
    tc_journal_add_job(journal, job);
    uv_mutex_lock(&journal->lock);
    while (!job->finished)
        uv_cond_wait(&journal->finished, &journal->lock);
    uv_mutex_unlock(&journal->lock);
    return job->status;
}

static int run_add_crash(struct tc_journal_job *job, struct tc_store *store)
{
    return tc_store_add_crash(store, job->plugin, job->time_ns);
}

static int run_count_crashes(struct tc_journal_job *job, struct tc_store *store)
{
    return tc_store_count_crashes(store, job->plugin, job->time_ns, &job->count);
}

static int run_forget_crashes(struct tc_journal_job *job, struct tc_store *store)
{
    return tc_store_forget_crashes(store, job->plugin);
}

int tc_journal_add_crash(struct tc_journal *journal, const char *plugin, uint64_t time_ns)
{
    struct tc_journal_job job = {
        .run = run_add_crash, .plugin = plugin, .time_ns = time_ns};

    return wait_for(journal, &job);
}

int tc_journal_count_crashes(struct tc_journal *journal, const char *plugin,
                             uint64_t since_ns, unsigned *ret_count)
{
    struct tc_journal_job job = {
        .run = run_count_crashes, .plugin = plugin, .time_ns = since_ns};
    int err = wait_for(journal, &job);

    if (!err)
        *ret_count = job.count;
    return err;
}

int tc_journal_forget_crashes(struct tc_journal *journal, const char *plugin)
{
    struct tc_journal_job job = {.run = run_forget_crashes, .plugin = plugin};

    return wait_for(journal, &job);
}

void tc_journal_counters(struct tc_journal *journal, struct tc_journal_counters *ret)
{
    uv_mutex_lock(&journal->lock);
    ret->stored = journal->stored;
    ret->lost = journal->lost;
    ret->failed_writes = journal->failed_writes;
    ret->pending = journal->queued + journal->in_flight;
    ret->events = (uint64_t)journal->usage.events;
    ret->bytes = (uint64_t)(journal->usage.used_bytes + journal->usage.free_bytes);
    ret->pruned_events = (uint64_t)journal->usage.pruned_events;
    ret->pruned_threats = (uint64_t)journal->usage.pruned_threats;
    ret->pruned_alerts = (uint64_t)journal->usage.pruned_alerts;
    uv_mutex_unlock(&journal->lock);
}
