/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the journal's thread, and what goes between it and the loop: events that wait to
 * be stored, jobs (questions, syncs, crash counts) and their answers. The thread sleeps
 * on a condition; it wakes by itself only to try again what could not be written. Must
 * not: know SQL (journal_store, journal_query) or how to mend a database
 * (journal_keeper).
 *
 * Order: a job sees every event that was handed over before it, unless writing fails.
 */
#include "core/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include <tocsin/plugin.h>

#include "core/journal_keeper.h"
#include "core/journal_store.h"
#include "core/why.h"
#include "ipc/event.h"

#define NS_PER_MS UINT64_C(1000000)
#define BATCH_MAX 1024                   /* events in one transaction */
#define BATCH_BYTES (4u * 1024 * 1024)   /* of their data, likewise */
#define RETRY_FIRST_NS (250 * NS_PER_MS) /* doubled up to */
#define RETRY_LAST_NS (30 * 1000 * NS_PER_MS)
#define CLOSE_LIMIT_NS (1000 * NS_PER_MS)

/* An event that waits. */
struct pending {
    STAILQ_ENTRY(pending) next;
    struct tc_event *event;
    uint64_t number; /* handed over as the number-th, from 1 */
};
STAILQ_HEAD(pending_list, pending);

/* Something to do on the thread once all events up to `after` are dealt with. */
struct job {
    STAILQ_ENTRY(job) next;
    uint64_t after;
    int (*run)(struct job *job, struct tc_store *store); /* NULL: a sync */
    void (*answer)(
        struct job *job); /* on the loop; NULL: somebody waits for `finished` */
    bool finished;
    int status;

    void (*stored)(void *arg, int status);
    tc_journal_answer_fn answered;
    void *arg;

    char kind[16];
    void *params;
    size_t len;
    struct tocsin_writer result;

    const char *plugin; /* the waiting caller's */
    uint64_t time_ns;
    unsigned count;
};
STAILQ_HEAD(job_list, job);

struct tc_journal {
    /* The loop's. */
    uv_loop_t *loop;
    uv_async_t async;
    uv_thread_t thread;
    tc_journal_health_fn health;
    void *health_arg;
    void (*closed)(void *arg);
    void *closed_arg;
    struct tc_keeper_issue shown;

    /* Under the lock. */
    uv_mutex_t lock;
    uv_cond_t wake;     /* the thread: there is something to do */
    uv_cond_t finished; /* whoever waits for a job: one has been done */
    struct pending_list queue;
    size_t queued, queued_bytes;
    size_t in_flight; /* taken off the queue, not yet stored */
    uint64_t handed;  /* events so far */
    uint64_t stored, lost, failed_writes;
    bool lost_untold; /* no sync has been told of a loss yet */
    struct job_list jobs, done;
    struct tc_keeper_issue issue;
    bool stopping, stopped;
    uint64_t stop_by_ns;

    /* The thread's. */
    struct tc_keeper keeper;
    struct tc_event *batch[BATCH_MAX];
    size_t batch_len;
    int failure; /* of the last attempt to write; 0: it worked */
    uint64_t retry_at_ns, retry_after_ns;
};

/* ---- The thread ---- */

static bool has_sync(const struct tc_journal *journal)
{
    const struct job *job;

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

static void wait_for_work(struct tc_journal *journal)
{
    uint64_t now;

    while (!journal->stopping && STAILQ_EMPTY(&journal->jobs) && !write_due(journal)) {
        now = uv_hrtime();
        if (has_pending(journal) && now < journal->retry_at_ns)
            (void)uv_cond_timedwait(&journal->wake, &journal->lock,
                                    journal->retry_at_ns - now);
        else
            uv_cond_wait(&journal->wake, &journal->lock);
    }
}

static struct tc_event *take_first(struct tc_journal *journal)
{
    struct pending *first = STAILQ_FIRST(&journal->queue);
    struct tc_event *event = first->event;

    STAILQ_REMOVE_HEAD(&journal->queue, next);
    journal->queued--;
    journal->queued_bytes -= event->pub.len;
    free(first);
    return event;
}

/* What a failed attempt has left in the batch goes first, and alone. */
static void take_batch(struct tc_journal *journal)
{
    size_t bytes = 0;

    if (journal->batch_len)
        return;
    while (journal->queued && journal->batch_len < BATCH_MAX && bytes < BATCH_BYTES) {
        journal->batch[journal->batch_len] = take_first(journal);
        bytes += journal->batch[journal->batch_len++]->pub.len;
    }
    journal->in_flight = journal->batch_len;
}

static void release_batch(struct tc_journal *journal)
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

static void write_batch(struct tc_journal *journal)
{
    size_t refused = 0, n = journal->batch_len;

    journal->failure = tc_keeper_write(&journal->keeper, journal->batch, n, &refused);
    if (journal->failure) {
        back_off(journal);
    } else {
        journal->retry_after_ns = 0;
        release_batch(journal);
    }
    uv_mutex_lock(&journal->lock);
    if (journal->failure) {
        journal->failed_writes++;
    } else {
        journal->in_flight = 0;
        journal->stored += n - refused;
        journal->lost += refused;
        journal->lost_untold |= refused > 0;
    }
    uv_mutex_unlock(&journal->lock);
}

/* Moves the jobs whose time has come: all of them when writing fails. */
static void take_jobs(struct tc_journal *journal, struct job_list *ret_jobs)
{
    const struct pending *first = STAILQ_FIRST(&journal->queue);
    struct job *job;

    while ((job = STAILQ_FIRST(&journal->jobs)) != NULL) {
        if (!journal->failure && first && first->number <= job->after)
            break;
        STAILQ_REMOVE_HEAD(&journal->jobs, next);
        STAILQ_INSERT_TAIL(ret_jobs, job, next);
    }
}

/* What a sync is told; under the lock. */
static int sync_status(struct tc_journal *journal)
{
    if (journal->failure)
        return journal->failure;
    if (journal->keeper.memory)
        return -EPROTONOSUPPORT;
    if (journal->lost_untold) {
        journal->lost_untold = false;
        return -ENOBUFS;
    }
    return 0;
}

static void run_job(struct tc_journal *journal, struct job *job)
{
    int err;

    if (!job->run) {
        uv_mutex_lock(&journal->lock);
        job->status = sync_status(journal);
        uv_mutex_unlock(&journal->lock);
        return;
    }
    err = tc_keeper_ready(&journal->keeper);
    if (!err) {
        err = job->run(job, journal->keeper.store);
        tc_keeper_failed(&journal->keeper, err);
    }
    job->status = err;
}

/* Hands back what the thread has found out; under the lock. */
static void hand_back(struct tc_journal *journal, struct job_list *jobs)
{
    const struct tc_keeper_issue *issue = tc_keeper_issue(&journal->keeper);
    struct job *job;
    bool changed;

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

static void work(void *arg)
{
    struct tc_journal *journal = arg;
    struct job_list jobs = STAILQ_HEAD_INITIALIZER(jobs);
    struct job *job;

    uv_mutex_lock(&journal->lock);
    do {
        wait_for_work(journal);
        if (write_due(journal)) {
            take_batch(journal);
            uv_mutex_unlock(&journal->lock);
            write_batch(journal);
            uv_mutex_lock(&journal->lock);
        }
        take_jobs(journal, &jobs);
        uv_mutex_unlock(&journal->lock);
        STAILQ_FOREACH(job, &jobs, next)
        run_job(journal, job);
        uv_mutex_lock(&journal->lock);
        hand_back(journal, &jobs);
    } while (!may_stop(journal));
    uv_mutex_unlock(&journal->lock);

    tc_keeper_done(&journal->keeper);
    uv_mutex_lock(&journal->lock);
    journal->stopped = true;
    (void)uv_async_send(&journal->async);
    uv_mutex_unlock(&journal->lock);
}

/* ---- The loop ---- */

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
    release_batch(journal);
    while (journal->queued)
        tc_event_unref(take_first(journal));
    uv_close((uv_handle_t *)&journal->async, on_async_closed);
}

static void show_health(struct tc_journal *journal, const struct tc_keeper_issue *issue)
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
    struct job_list done = STAILQ_HEAD_INITIALIZER(done);
    struct tc_keeper_issue issue;
    struct job *job;
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
        tocsin_writer_done(&job->result);
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
    struct job_list none = STAILQ_HEAD_INITIALIZER(none);
    int err;

    err = check_state_dir(state_dir, why);
    if (err)
        return err;
    journal = calloc(1, sizeof(*journal));
    err = journal ? tc_keeper_init(&journal->keeper, state_dir) : -ENOMEM;
    if (!err)
        err = init_locks(journal);
    if (err) {
        free(journal);
        goto failed;
    }
    journal->loop = loop;
    journal->health = health;
    journal->health_arg = arg;
    STAILQ_INIT(&journal->queue);
    STAILQ_INIT(&journal->jobs);
    STAILQ_INIT(&journal->done);
    err = uv_async_init(loop, &journal->async, on_async);
    if (err) {
        free_journal(journal);
        goto failed;
    }
    journal->async.data = journal;
    /* A database that cannot be opened is health's business, not a reason to fail. */
    (void)tc_keeper_ready(&journal->keeper);
    hand_back(journal, &none);
    err = uv_thread_create(&journal->thread, work, journal);
    if (err) {
        tc_keeper_done(&journal->keeper);
        uv_close((uv_handle_t *)&journal->async, on_async_closed);
        goto failed;
    }
    *ret_journal = journal;
    return 0;
failed:
    tc_why(why, "journal in %s: %s", state_dir, strerror(-err));
    return err;
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
    struct tocsin_event draft = event->pub;
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
    struct pending *entry = malloc(sizeof(*entry));
    struct tc_event *held = entry ? hold(event) : NULL;
    bool lost = !held;

    uv_mutex_lock(&journal->lock);
    journal->handed++;
    if (held) {
        entry->event = held;
        entry->number = journal->handed;
        STAILQ_INSERT_TAIL(&journal->queue, entry, next);
        journal->queued++;
        journal->queued_bytes += held->pub.len;
    } else {
        free(entry);
    }
    while (journal->queued + journal->in_flight > TC_JOURNAL_PENDING_MAX ||
           journal->queued_bytes > TC_JOURNAL_PENDING_BYTES) {
        tc_event_unref(take_first(journal));
        journal->lost++;
        journal->lost_untold = true;
    }
    if (lost) {
        journal->lost++;
        journal->lost_untold = true;
    }
    uv_cond_signal(&journal->wake);
    uv_mutex_unlock(&journal->lock);
}

static void add_job(struct tc_journal *journal, struct job *job)
{
    uv_mutex_lock(&journal->lock);
    job->after = journal->handed;
    STAILQ_INSERT_TAIL(&journal->jobs, job, next);
    uv_cond_signal(&journal->wake);
    uv_mutex_unlock(&journal->lock);
}

static void answer_sync(struct job *job)
{
    job->stored(job->arg, job->status);
}

int tc_journal_sync(struct tc_journal *journal, void (*stored)(void *arg, int status),
                    void *arg)
{
    struct job *job = calloc(1, sizeof(*job));

    if (!job)
        return -ENOMEM;
    job->answer = answer_sync;
    job->stored = stored;
    job->arg = arg;
    add_job(journal, job);
    return 0;
}

static int run_query(struct job *job, struct tc_store *store)
{
    return tc_store_query(store, job->kind, job->params, job->len, &job->result);
}

static void answer_query(struct job *job)
{
    if (job->status)
        job->answered(job->arg, job->status, NULL, 0);
    else
        job->answered(job->arg, 0, job->result.buf, job->result.len);
}

int tc_journal_query(struct tc_journal *journal, const char *kind, const void *params,
                     size_t len, tc_journal_answer_fn done, void *arg)
{
    struct job *job = calloc(1, sizeof(*job));

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
    tocsin_writer_init_growing(&job->result);
    job->run = run_query;
    job->answer = answer_query;
    job->answered = done;
    job->arg = arg;
    add_job(journal, job);
    return 0;
}

/* ---- Crashes: the caller waits. ---- */

static int wait_for(struct tc_journal *journal, struct job *job)
{
    add_job(journal, job);
    uv_mutex_lock(&journal->lock);
    while (!job->finished)
        uv_cond_wait(&journal->finished, &journal->lock);
    uv_mutex_unlock(&journal->lock);
    return job->status;
}

static int run_add_crash(struct job *job, struct tc_store *store)
{
    return tc_store_add_crash(store, job->plugin, job->time_ns);
}

static int run_count_crashes(struct job *job, struct tc_store *store)
{
    return tc_store_count_crashes(store, job->plugin, job->time_ns, &job->count);
}

static int run_forget_crashes(struct job *job, struct tc_store *store)
{
    return tc_store_forget_crashes(store, job->plugin);
}

int tc_journal_add_crash(struct tc_journal *journal, const char *plugin, uint64_t time_ns)
{
    struct job job = {.run = run_add_crash, .plugin = plugin, .time_ns = time_ns};

    return wait_for(journal, &job);
}

int tc_journal_count_crashes(struct tc_journal *journal, const char *plugin,
                             uint64_t since_ns, unsigned *ret_count)
{
    struct job job = {.run = run_count_crashes, .plugin = plugin, .time_ns = since_ns};
    int err = wait_for(journal, &job);

    if (!err)
        *ret_count = job.count;
    return err;
}

int tc_journal_forget_crashes(struct tc_journal *journal, const char *plugin)
{
    struct job job = {.run = run_forget_crashes, .plugin = plugin};

    return wait_for(journal, &job);
}

void tc_journal_counters(struct tc_journal *journal, struct tc_journal_counters *ret)
{
    uv_mutex_lock(&journal->lock);
    ret->stored = journal->stored;
    ret->lost = journal->lost;
    ret->failed_writes = journal->failed_writes;
    ret->pending = journal->queued + journal->in_flight;
    uv_mutex_unlock(&journal->lock);
}
