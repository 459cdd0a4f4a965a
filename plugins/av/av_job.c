/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how one file is handled: whether its verdict is known, whether it is being
 * scanned already, or scanned here and now, else in the pool; and the answer to all who
 * asked. Loop thread but for run(). Must not: say what a hit leads to; av_threat.c does.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "av.h"
#include "sensor_clock.h"
#include "sensor_remember.h"
#include "sensor_served.h"

struct waiter {
    struct waiter *next;
    const struct tocsin_event *event; /* a reference */
};

struct tc_av_job {
    struct tc_av_turn turn; /* first: a turn is a job */
    struct tc_av *av;
    struct tc_av_job *next;           /* of its bucket */
    struct tc_av_key key;             /* as the event has it; zero: it has none */
    uint64_t event_id;                /* of the event that it was begun for, or 0 */
    const struct tocsin_event *event; /* a reference, or NULL */
    const struct tocsin_event *again; /* a later write of the same file, or NULL */
    char *path;                       /* to open it by, when the event has none open */
    int own_fd;
    struct waiter *waiters;
    struct tc_av_judges judges; /* references */
    uint32_t generation;
    struct tc_av_result result;
};

static struct tc_av_job **bucket(struct tc_av *av, const struct tc_av_key *key)
{
    return &av->jobs[(key->ino ^ key->ino >> 8 ^ key->dev) % TC_AV_JOB_BUCKETS];
}

static struct tc_av_job *find(struct tc_av *av, const struct tc_av_key *key)
{
    struct tc_av_job *job = *bucket(av, key);

    while (job && (job->key.ino != key->ino || job->key.dev != key->dev))
        job = job->next;
    return job;
}

/* What the file is, without looking at it where the sensor has done so. */
static bool key_of(const struct tocsin_event *event, struct tc_av_key *ret)
{
    int64_t dev = tocsin_event_int(event, TOCSIN_FIELD_FILE_DEVICE, -1);
    int64_t ino = tocsin_event_int(event, TOCSIN_FIELD_FILE_INODE, -1);
    int64_t size = tocsin_event_int(event, TOCSIN_FIELD_FILE_SIZE, -1);
    int64_t ctime_ns = tocsin_event_int(event, TOCSIN_FIELD_FILE_CTIME, -1);
    struct stat st;

    if (dev >= 0 && ino > 0 && size >= 0 && ctime_ns >= 0) {
        *ret = (struct tc_av_key){.dev = (uint64_t)dev,
                                  .ino = (uint64_t)ino,
                                  .size = (uint64_t)size,
                                  .ctime_ns = ctime_ns};
        return true;
    }
    if (event->fd < 0 || fstat(event->fd, &st))
        return false;
    *ret = tc_av_key_of(&st);
    return true;
}

/* A denial; in passive mode what would have been one is allowed, but not remembered. */
static void deny(struct tc_av *av, const struct tocsin_event *event, unsigned facts,
                 const char *reason)
{
    if (av->host->passive(av->host))
        tocsin_vote(av->host, event, true, false, reason);
    else
        tocsin_vote(av->host, event, false, tc_remember_may(TC_REMEMBER_KEXT_BAD, facts),
                    reason);
}

static void vote(struct tc_av *av, const struct tocsin_event *event,
                 const struct tc_av_result *result, unsigned facts)
{
    char reason[TC_AV_WHY];

    switch (result->found) {
    case TC_AV_CLEAN:
        tocsin_vote(av->host, event, true, tc_remember_may(TC_REMEMBER_AV_CLEAN, facts),
                    NULL);
        return;
    case TC_AV_INFECTED:
        tc_av_known_reason(result, reason, sizeof(reason));
        deny(av, event, facts, reason);
        return;
    case TC_AV_UNKNOWN:
        snprintf(reason, sizeof(reason), "not scanned: %s",
                 result->error == -ETIMEDOUT ? "it took too long"
                                             : strerror(-result->error));
        tocsin_abstain(av->host, event, reason);
        return;
    }
}

static void count(struct tc_av *av, const struct tc_av_result *result)
{
    av->counters.scanned++;
    av->counters.bytes += result->bytes;
    av->counters.truncated += result->truncated;
    av->counters.infected += result->found == TC_AV_INFECTED;
    av->counters.unknown += result->found == TC_AV_UNKNOWN;
    av->counters.timeouts += result->error == -ETIMEDOUT;
}

static void job_free(struct tc_av_job *job)
{
    struct tc_av *av = job->av;
    struct tc_av_job **at = bucket(av, &job->key);

    while (*at && *at != job)
        at = &(*at)->next;
    if (*at) {
        *at = job->next;
        av->jobs_n--;
    }
    tc_av_rules_unref(job->judges.rules);
    tc_av_lists_unref(job->judges.lists);
    av->host->event_unref(av->host, job->event);
    av->host->event_unref(av->host, job->again);
    if (job->own_fd >= 0)
        close(job->own_fd);
    free(job->path);
    free(job);
}

static struct tc_av_job *job_new(struct tc_av *av, const struct tocsin_event *event,
                                 const struct tc_av_key *key)
{
    struct tc_av_job *job = calloc(1, sizeof(*job));
    struct tc_av_job **at;

    if (!job)
        return NULL;
    job->av = av;
    job->own_fd = -1;
    if (key)
        job->key = *key;
    if (event) {
        av->host->event_ref(av->host, event);
        job->event = event;
        job->event_id = event->id;
    }
    at = bucket(av, &job->key);
    job->next = *at;
    *at = job;
    av->jobs_n++;
    return job;
}

static bool add_waiter(struct tc_av_job *job, const struct tocsin_event *event)
{
    struct waiter *waiter = malloc(sizeof(*waiter));

    if (!waiter)
        return false;
    job->av->host->event_ref(job->av->host, event);
    waiter->event = event;
    waiter->next = job->waiters;
    job->waiters = waiter;
    return true;
}

static void answer(struct tc_av_job *job, const struct tc_av_result *result,
                   unsigned facts)
{
    struct waiter *waiter;

    while ((waiter = job->waiters)) {
        job->waiters = waiter->next;
        vote(job->av, waiter->event, result, facts);
        job->av->host->event_unref(job->av->host, waiter->event);
        free(waiter);
    }
}

/* By its path; where a sensor has not looked, somebody may have mounted what a server
 * answers for. */
static int open_by_path(struct tc_av_job *job)
{
    if (!job->path)
        return -EBADF;
    if (!job->event && tc_sensor_served_path(job->path))
        return -EOPNOTSUPP;
    return tc_av_content_open(job->path, job->key.ino ? &job->key : NULL, &job->own_fd);
}

/* In the pool. */
static void run(void *arg)
{
    struct tc_av_job *job = arg;
    int fd = job->event ? job->event->fd : -1, r = 0;

    if (fd < 0) {
        r = open_by_path(job);
        fd = job->own_fd;
    }
    if (r) {
        job->result.found = TC_AV_UNKNOWN;
        job->result.error = r;
        return;
    }
    tc_av_content_scan(fd, &job->judges, &job->result);
    if (job->event && tc_av_served(job->event))
        job->result.key = job->key; /* what was scanned is a copy */
}

static void finish(struct tc_av_job *job)
{
    struct tc_av *av = job->av;
    unsigned facts =
        tc_av_facts(job->event, &job->result, job->generation == av->generation);
    struct tc_av_sighting seen = {.event = job->event,
                                  .own_fd = job->own_fd,
                                  .path = job->path,
                                  .result = &job->result};
    const struct tocsin_event *again = job->again;

    tc_av_turns_end(&av->turns, &job->turn);
    count(av, &job->result);
    tc_av_known_put(av, job->event_id, &job->result, facts);
    answer(job, &job->result, facts);
    if (job->result.found == TC_AV_INFECTED && !av->work.stopping) {
        job->own_fd = -1;
        tc_av_threat_found(av, &seen);
    }
    job->again = NULL;
    job_free(job);
    if (again && !av->work.stopping)
        tc_av_job_after(av, again);
    av->host->event_unref(av->host, again);
}

static void run_next(struct tc_av *av);

static void done(void *arg, int status)
{
    struct tc_av_job *job = arg;
    struct tc_av *av = job->av;

    if (status) {
        job->result.found = TC_AV_UNKNOWN;
        job->result.error = status;
    }
    finish(job);
    run_next(av);
}

static void submit(struct tc_av_job *job)
{
    struct tc_av *av = job->av;
    int r;

    tc_av_rules_ref(av->rules);
    tc_av_lists_ref(av->lists);
    job->judges = (struct tc_av_judges){.rules = av->rules,
                                        .lists = av->lists,
                                        .max_file_size = av->options.max_file_size,
                                        .timeout_s = av->options.timeout_s};
    job->generation = av->generation;
    r = tc_detector_work_submit(&av->work, run, done, job);
    if (!r)
        return;
    job->result.found = TC_AV_UNKNOWN;
    job->result.error = r;
    finish(job);
}

/* Fills the threads that scans may have. */
static void run_next(struct tc_av *av)
{
    struct tc_av_turn *turn;

    while (!av->work.stopping && (turn = tc_av_turns_next(&av->turns)))
        submit((struct tc_av_job *)turn);
}

/* Sends a job to the pool, in its user's turn. */
static void dispatch(struct tc_av_job *job)
{
    int64_t user =
        job->event ? tocsin_event_int(job->event, TOCSIN_FIELD_PROCESS_USER_ID, -1) : -1;

    tc_av_turns_push(&job->av->turns, (uint64_t)user, &job->turn,
                     job->key.size > TC_AV_BIG_BYTES);
    run_next(job->av);
}

static bool set_path(struct tc_av_job *job, const struct tocsin_event *event)
{
    char path[PATH_MAX];

    if (event->fd >= 0)
        return true;
    if (tc_av_served(event) ||
        !tc_detector_text(event, TOCSIN_FIELD_FILE_PATH, path, sizeof(path)))
        return false;
    job->path = strdup(path);
    return job->path != NULL;
}

static void next_turn(void *arg)
{
    struct tc_av *av = arg;

    tc_av_inline_turn(&av->inlined);
}

/* Small, and in the page cache: done before a thread would have woken up. */
static bool scan_here(struct tc_av *av, const struct tocsin_event *event,
                      const struct tc_av_key *key)
{
    struct tc_av_judges judges = {.rules = av->rules,
                                  .lists = av->lists,
                                  .max_file_size = av->options.max_file_size,
                                  .timeout_s = av->options.timeout_s};
    struct tc_av_result result;
    struct tc_av_sighting seen = {.event = event, .own_fd = -1, .result = &result};
    uint64_t from_ns, took_ns;
    unsigned facts;
    clockid_t clock;
    bool judged;

    if (event->fd < 0 || key->size > av->options.inline_max ||
        !tc_av_inline_may(&av->inlined, key->size, av->host->now_ns(av->host)))
        return false;
    clock = tc_av_inline_clock(&av->inlined, key->size);
    from_ns = tc_sensor_clock_ns(clock);
    judged = tc_av_content_cached(event->fd, key, &judges, av->inline_buf,
                                  (size_t)av->options.inline_max, &result);
    took_ns = tc_sensor_clock_ns(clock) - from_ns;
    if (tc_av_inline_took(&av->inlined, key->size, took_ns, av->host->now_ns(av->host)) &&
        av->host->post(av->host, next_turn, av))
        tc_av_inline_turn(&av->inlined); /* it is being stopped, or out of memory */
    if (!judged)
        return false;
    result.changed = tc_av_may_have_changed(event, &result);
    av->counters.inlined++;
    facts = tc_av_facts(event, &result, true);
    count(av, &result);
    tc_av_known_put(av, event->id, &result, facts);
    if (event->flags & TOCSIN_EVENT_AUTH)
        vote(av, event, &result, facts);
    if (result.found == TC_AV_INFECTED)
        tc_av_threat_found(av, &seen);
    return true;
}

/* True when the answer is known without reading the file. */
static bool known(struct tc_av *av, const struct tocsin_event *event,
                  const struct tc_av_key *key)
{
    struct tc_av_result empty = {.key = *key};
    const char *reason;

    if (!key->size) {
        empty.read_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
        vote(av, event, &empty, tc_av_facts(event, &empty, true));
        return true;
    }
    if (!tc_av_known(av, event, key, &reason) ||
        (reason && tc_av_threat_asked(av, key, event)))
        return false;
    av->counters.cached++;
    if (reason)
        deny(av, event, 0, reason);
    else
        tocsin_vote(av->host, event, true, true, NULL);
    return true;
}

void tc_av_job_question(struct tc_av *av, const struct tocsin_event *event)
{
    struct tc_av_job *job;
    struct tc_av_key key;
    bool keyed;
    int why;

    av->counters.questions++;
    why = tc_detector_excluded(av->host, event);
    if (why || !av->rules) {
        av->counters.excluded += why != 0;
        if (why)
            tocsin_vote(av->host, event, true, why == TOCSIN_EXCLUDED_BY_PATH,
                        "excluded");
        else
            tocsin_abstain(av->host, event, "rules are being loaded");
        return;
    }
    keyed = key_of(event, &key);
    if (keyed && known(av, event, &key))
        return;
    job = keyed ? find(av, &key) : NULL;
    if (job && tc_av_key_same(&job->key, &key) && job->event_id >= tc_av_since(event) &&
        add_waiter(job, event)) {
        av->counters.joined++;
        return;
    }
    if (keyed && scan_here(av, event, &key))
        return;
    job = job_new(av, event, keyed ? &key : NULL);
    if (job && set_path(job, event) && add_waiter(job, event)) {
        dispatch(job);
        return;
    }
    if (job)
        job_free(job);
    av->counters.unknown++;
    tocsin_abstain(av->host, event, "not scanned: nothing to read it by");
}

void tc_av_job_after(struct tc_av *av, const struct tocsin_event *event)
{
    struct tc_av_key key;
    bool keyed = key_of(event, &key);
    struct tc_av_job *job;
    const char *reason;

    if (!av->rules || (keyed && !key.size) ||
        tc_av_served(event)) /* judged when opened */
        return;
    if (tc_detector_excluded(av->host, event)) {
        av->counters.excluded++;
        return;
    }
    if (keyed && tc_av_known(av, event, &key, &reason))
        return;
    job = keyed ? find(av, &key) : NULL;
    if (job) {
        av->counters.coalesced++;
        if (tc_av_key_same(&job->key, &key) && job->event_id >= tc_av_since(event))
            return;
        /* The one that runs may have read the old content: once more, after it. */
        av->host->event_ref(av->host, event);
        av->host->event_unref(av->host, job->again);
        job->again = event;
        return;
    }
    if (keyed && scan_here(av, event, &key))
        return;
    if (av->jobs_n >= TC_AV_WAITING_MAX) {
        av->counters.dropped++;
        return;
    }
    job = job_new(av, event, keyed ? &key : NULL);
    if (job && set_path(job, event)) {
        dispatch(job);
        return;
    }
    if (job)
        job_free(job);
    av->counters.unknown++;
}

void tc_av_job_path(struct tc_av *av, const char *path)
{
    struct tc_av_job *job = av->rules ? job_new(av, NULL, NULL) : NULL;

    if (job && (job->path = strdup(path)))
        dispatch(job);
    else if (job)
        job_free(job);
}

void tc_av_job_stop(struct tc_av *av)
{
    struct tc_av_result unknown = {.found = TC_AV_UNKNOWN, .error = -ECANCELED};
    struct tc_av_turn *turn;
    struct tc_av_job *job;

    for (size_t i = 0; i < TC_AV_JOB_BUCKETS; i++)
        for (job = av->jobs[i]; job; job = job->next)
            answer(job, &unknown, 0);
    while ((turn = tc_av_turns_drop(&av->turns)))
        job_free((struct tc_av_job *)turn);
}
