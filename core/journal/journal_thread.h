/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the state that the journal's loop side (journal.c) and its thread
 * (journal_thread.c) share, and who may touch which part of it. Internal to
 * core/journal*.c.
 */
#ifndef TC_CORE_JOURNAL_THREAD_H
#define TC_CORE_JOURNAL_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

#include "core/journal/journal.h"
#include "core/journal/journal_store.h"
#include "core/journal/journal_writer.h"
#include "ipc/pack.h"

struct tc_event;

#define TC_JOURNAL_BATCH_MAX 1024 /* events in one transaction */
#define TC_JOURNAL_LANES_MAX 32   /* sources; the rest share the last */
#define TC_JOURNAL_SOURCE_MAX 64  /* bytes of a plugin's name */
#define TC_JOURNAL_LOOK_NS                                                               \
    (60 * UINT64_C(1000000000)) /* how often a quiet file is looked after */

/* An event that waits. */
struct tc_journal_pending {
    STAILQ_ENTRY(tc_journal_pending) next;
    struct tc_event *event;
    uint64_t number; /* handed over as the number-th, from 1 */
};
STAILQ_HEAD(tc_journal_pending_list, tc_journal_pending);

/* Those of one source. What is too much is taken from the longest lane. */
struct tc_journal_lane {
    char source[TC_JOURNAL_SOURCE_MAX];
    struct tc_journal_pending_list list;
    size_t queued, bytes;
};

/* Something to do on the thread once all events up to `after` are dealt with. */
struct tc_journal_job {
    STAILQ_ENTRY(tc_journal_job) next;
    uint64_t after;
    int (*run)(struct tc_journal_job *job, struct tc_store *store); /* NULL: a sync */
    /* On the loop; NULL: the caller waits for `finished` and owns the job. */
    void (*answer)(struct tc_journal_job *job);
    bool finished;
    int status;

    /* Of a sync or a query: who waits for it. */
    void (*stored)(void *arg, int status);
    tc_journal_answer_fn answered;
    void *arg;

    /* Of a query. */
    char kind[16]; /* longer than any that is known */
    void *params;
    size_t len;
    struct tc_pack result;

    /* About crashes. */
    const char *plugin;
    uint64_t time_ns;
    unsigned count;
};
STAILQ_HEAD(tc_journal_job_list, tc_journal_job);

struct tc_journal {
    /* The loop's. */
    uv_async_t async;
    uv_thread_t thread;
    tc_journal_health_fn health;
    void *health_arg;
    void (*closed)(void *arg);
    void *closed_arg;
    struct tc_journal_writer_issue shown;

    /* Under the lock. */
    uv_mutex_t lock;
    uv_cond_t wake;     /* the thread: there is something to do */
    uv_cond_t finished; /* whoever waits for a job: one has been done */
    struct tc_journal_lane lanes[TC_JOURNAL_LANES_MAX];
    size_t lanes_len;
    size_t queued, queued_bytes; /* in all lanes */
    size_t in_flight;            /* taken off the queue, not yet stored */
    uint64_t handed;             /* events so far */
    uint64_t stored, lost, failed_writes;
    uint64_t lost_recorded; /* of `lost`, those that a journal.lost on disk counts */
    bool lost_unreported;   /* no sync has returned the loss yet */
    uint64_t lost_at_ns;    /* when there was no room last */
    char lost_source[TC_JOURNAL_SOURCE_MAX]; /* whose events these were */
    struct tc_journal_limits limits;
    struct tc_store_usage usage;
    struct tc_journal_job_list jobs, done;
    struct tc_journal_writer_issue issue;
    bool stopping, stopped;
    uint64_t stop_by_ns;

    /* The thread's. */
    struct tc_journal_writer writer;
    struct tc_event *batch[TC_JOURNAL_BATCH_MAX];
    size_t batch_len;
    int failure; /* of the last attempt to write; 0: it worked */
    uint64_t retry_at_ns, retry_after_ns;
};

/* The thread: ends once `stopping` is set and what is pending has been tried. */
void tc_journal_work(void *journal);

/* journal_queue.c. Under the lock, or when the thread is gone. */

/* The oldest event that waits, or NULL. */
const struct tc_journal_pending *tc_journal_first(const struct tc_journal *journal);

/* Takes it off the queue, which has one, with its reference. */
struct tc_event *tc_journal_take_first(struct tc_journal *journal);

/* Puts an entry at the end; its source's lane and the queue count it. */
void tc_journal_enqueue(struct tc_journal *journal, struct tc_journal_pending *entry);

/* Drops what is beyond the limits, from whoever has most, and counts it as lost. */
void tc_journal_shed(struct tc_journal *journal);

/* Gives back the references that the batch holds. */
void tc_journal_release_batch(struct tc_journal *journal);

/* Hands a job over, which the loop gets back. */
void tc_journal_add_job(struct tc_journal *journal, struct tc_journal_job *job);

/* Passes finished jobs, and health if it has changed, to the loop. Under the lock. */
void tc_journal_hand_back(struct tc_journal *journal, struct tc_journal_job_list *jobs);

#endif
