/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the plugin's state, shared by the files that act on it on the loop thread:
 *   es.c            descriptor, options, events from the bus, statistics
 *   es_lifecycle.c  start, and the canary's later turns
 *   es_stop.c       stop: everybody is answered before the groups are closed
 *   es_watching.c   mounts that come and go, names, folders outside, other such programs
 *   es_intake.c     in which order what has come is handled
 *   es_questions.c  the way of a question: place, publication, verdict
 *   es_answer.c     how the kernel is given the answers
 *   es_cache.c      what the kernel remembers of the answers
 *   es_publish.c    everything that is published
 *   es_served.c     file systems that a server answers for, each by a proxy
 * Below them, and without it: es_source, es_gate, es_ring, es_turns, es_canary,
 * es_outside, es_probe, es_proxy; and what all sensors share, plugins/sensor.
 */
#ifndef TC_ES_H
#define TC_ES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>

#include "es_canary.h"
#include "es_outside.h"
#include "es_served.h"
#include "es_source.h"
#include "es_turns.h"
#include "sensor_catch_up.h"
#include "sensor_encode.h"
#include "sensor_jobs.h"
#include "sensor_names.h"
#include "sensor_options.h"
#include "sensor_process.h"
#include "sensor_watch.h"

#define TC_ES_CANARY_MS 30000
#define TC_ES_MOUNTS_REST_MS 25 /* between two reads of the mounts; while they take */
#define TC_ES_MOUNTS_REST_MAX_MS 250 /* more than a tenth of that, up to so long */
#define TC_ES_NAMES_REST_MS 5        /* between two reads of names */
#define TC_ES_DRAIN_MS 3000          /* that a stop waits for verdicts */
#define TC_ES_WRITTEN_MAX 8192       /* files whose last write is known */

enum tc_es_level {
    TC_ES_LEVEL_NONE,
    TC_ES_LEVEL_PERMISSION, /* asked before every open: fanotify permission events */
    TC_ES_LEVEL_NOTIFY,     /* notified afterwards: unprivileged fanotify */
};

enum tc_es_job {
    TC_ES_JOB_OPEN,
    TC_ES_JOB_SCAN_MOUNTS,
    TC_ES_JOB_CANARY,
    TC_ES_JOB_CONFLICTS,
    TC_ES_JOB_NAMES,
    TC_ES_JOB_OUTSIDE,
    TC_ES_JOBS,
};

struct tc_es_counters {
    uint64_t asked, allowed, denied; /* by a verdict */
    uint64_t cached;                 /* allowed and remembered by the kernel */
    uint64_t not_cached; /* allowed, and not to be remembered: sensor_remember.h */
    uint64_t out_of_scope, excluded, special; /* allowed without a verdict */
    uint64_t resets;                          /* all remembered files forgotten */
    uint64_t written, renamed, created, deleted;
    uint64_t path_cut; /* files whose path is longer than the kernel says */
    uint64_t no_fd;    /* file.written without its descriptor: few were left */
    uint64_t gaps;     /* sensor.gap published */
    uint64_t mount_scans;
    uint64_t unanswered; /* questions that the agent never closed */
    uint64_t user_full;  /* questions answered by default: too many of one user */
    uint64_t held;       /* answers that were given together with others */
    uint64_t publish_errors;
};

/* What is remembered of a question until its answer; index: the gate's slot. */
struct tc_es_question {
    const struct tocsin_event *event; /* NULL: not published */
    int fd;         /* of one that was never published, closed with its answer; or -1 */
    bool judged;    /* there is a verdict */
    bool remember;  /* the kernel is to: it is an allow */
    unsigned facts; /* enum tc_remember_fact, of the verdict */
    bool allow;     /* the answer, once it is held */
    uint32_t next_held;
    uint64_t asked_ns, device, inode, size, ctime_ns;
    uint32_t generation;
    uint32_t next; /* of the same bucket */
    uint32_t uses; /* enum tc_remember_use: what an allow answers */
    bool changed;  /* written to since it was asked */
    bool upper;    /* TC_REMEMBER_UPPER */
};

/* Answers that are held, to be given together: see es_answer.c. */
struct tc_es_held {
    uint32_t first, n;          /* slots, by next_held */
    uint64_t given_ns, cost_ns; /* the last time: when it ended, how long it took */
    struct tocsin_timer *timer;
};

struct tc_es_mount_counts {
    size_t marked, failed, unnamed; /* unnamed: without the group of names */
    size_t foreign;                 /* marked, and only another namespace has them */
};

/* A pool thread's, but for scan_mounts_done. */
struct tc_es_mount_scan {
    struct tc_sensor_watch watch;
    struct tc_sensor_scope *scope;
    struct tc_es_mount_counts counts;
    uint64_t took_ns;
    int err; /* the last failure's */
    char what[512];
    char foreign[512]; /* the last one that could not be marked */
};

struct tc_es {
    const struct tocsin_host *host;
    struct tc_sensor_places places;
    uint32_t max_pending;
    size_t max_processes; /* kept; each holds a descriptor */
    bool on_timeout_allow;
    uint64_t deadline_ns;
    int fd_ceiling; /* descriptors above it are given up rather than published */

    enum tc_es_level level;
    bool started;
    bool draining; /* stopping: nothing is marked, verdicts are waited for */
    int open_status;
    char open_what[256];        /* why it could not be opened */
    struct tc_sensor_jobs jobs; /* closing: whoever waits has been answered */

    struct tc_es_source source;
    struct tc_sensor_names names;
    bool names_open;     /* the group is there */
    bool names_complete; /* it covers every file system that is marked */
    struct tc_sensor_name_batch *batch;
    int names_status;
    struct tc_sensor_scope *scope;
    struct tc_es_outside outside;
    struct tc_es_served served;
    struct tc_sensor_catch_up catch_up;
    struct tc_es_mount_scan scan;
    struct tc_es_mount_counts mounts; /* of the scan that is in force, */
    uint64_t mounts_took_ns;          /* and how long that took */
    struct tc_sensor_processes *processes;

    struct tc_es_question *questions; /* max_pending */
    uint32_t *buckets;                /* event id -> slot, max_pending */
    uint32_t published;               /* questions that wait for a verdict */
    struct tc_es_turns turns;
    bool turns_posted;  /* the loop will go on with them */
    int32_t line_pid;   /* whose line was looked for last, */
    uint64_t line_user; /* and whose it is */
    struct tc_es_held held;
    bool
        overlays_silent; /* what is written through one is not told of its upper folder */
    uint64_t written[TC_ES_WRITTEN_MAX]; /* id of the last file.written, by hash */
    uint64_t last_id;                    /* of a question or file.written */
    uint32_t generation;                 /* of remembered verdicts */

    uint64_t sequence;
    uint64_t epoch; /* of this start, in ms since 1970 */
    uint64_t seen_overflow, seen_read_errors, seen_writes_lost;
    struct tc_es_counters counters;
    uint64_t complete_ns; /* since the epoch: until then nothing is known to be lost */

    struct tc_es_canary canary; /* of the upper level */
    char *canary_path;          /* of the lower */
    int canary_fd, mountinfo_fd;
    int own_fds; /* /proc/self/fd */
    uint64_t canary_before_ns;
    char *conflicts; /* names joined by ", "; "" for none */
    struct tocsin_timer *canary_timer, *start_timer, *drain_timer, *mounts_timer,
        *names_timer, *look_timer;
    bool mounts_changed;      /* again, since the last check */
    uint64_t drained_ns;      /* when waiting for verdicts ends */
    unsigned int drain_quiet; /* checks in a row that found nothing */
    struct tocsin_watch *mountinfo_watch, *names_watch, *group_watch;
    const struct tocsin_event *stats_request;

    uint8_t encoded[TC_SENSOR_EVENT_MAX];
};

/* es_lifecycle.c */
int tc_es_start(struct tc_es *es);

/* es_stop.c */
int tc_es_stop(struct tc_es *es);
void tc_es_release(void *arg); /* frees what start made; jobs must be idle */

/* Answers whoever waits, by default, and begins to end everything. */
void tc_es_close(struct tc_es *es, int status);
void tc_es_close_run(void *arg); /* the last job */

/* es_watching.c: run, done and watch callbacks of the jobs of those names */
void tc_es_scan_mounts(void *arg);
void tc_es_scan_mounts_done(void *arg, int status);
void tc_es_mounts_changed(void *arg, int status, uint32_t events);
void tc_es_look_again(void *arg); /* a timer's */
void tc_es_names_run(void *arg);
void tc_es_names_done(void *arg, int status);
void tc_es_names_readable(void *arg, int status, uint32_t events);
void tc_es_conflicts_run(void *arg);
void tc_es_conflicts_done(void *arg, int status);

/* Looks for what was written in a gap, if one is known of. */
void tc_es_catch_up_go(struct tc_es *es);
void tc_es_catch_up_ended(void *arg);

/* A file outside, or in a folder that is excluded whole, was opened: has its folder
 * marked, so that it was the last question. */
void tc_es_outside_opened(struct tc_es *es, const char *path, bool excluded);
void tc_es_outside_run(void *arg);
void tc_es_outside_marked(void *arg, int status);

/* es_intake.c */
void tc_es_intake_ready(void *arg);        /* the source's `ready` */
void tc_es_intake_go_on(struct tc_es *es); /* somebody's turn has come */

/* While stopping: handles what there is. True when nothing was, and nobody waits. */
bool tc_es_intake_drain(struct tc_es *es);

/* es_answer.c */

/* Answers a question, whose slot, descriptor and event end with that. */
void tc_es_answer(struct tc_es *es, uint32_t slot, bool allow);
void tc_es_answer_held(struct tc_es *es); /* all that are held */

/* es_questions.c */
void tc_es_questions_handle(struct tc_es *es, const struct tc_es_item *item);
/* A file that was open for writing has been closed, and its turn comes later. */
void tc_es_written_waits(struct tc_es *es, const struct tc_es_item *item);
/* Its turn has come; `waited`: that was said before. */
void tc_es_written_handle(struct tc_es *es, const struct tc_es_item *item, bool waited);
/* facts: enum tc_remember_fact, of the verdict. */
void tc_es_questions_answer(struct tc_es *es, uint64_t id, bool allow, unsigned facts);
void tc_es_questions_changed(struct tc_es *es, uint64_t device, uint64_t inode);
void tc_es_questions_sweep(struct tc_es *es); /* gives up what was never closed */
void tc_es_questions_drop(struct tc_es *es);  /* all of them, answered or not */

/* es_cache.c */
/* Has the kernel remember an allow, unless sensor_remember.h says otherwise. */
void tc_es_cache_remember(struct tc_es *es, const struct tc_es_question *question,
                          unsigned facts);
bool tc_es_cache_overlays_silent(void);    /* of struct tc_es */
void tc_es_cache_reset(struct tc_es *es);  /* verdicts may differ from here on */
void tc_es_cache_forget(struct tc_es *es); /* takes all that is remembered back */

/* es_publish.c */
/*
 * Publishes one file event; the descriptor goes with it on success only. `ret_event` as
 * host->publish.
 */
int tc_es_publish(struct tc_es *es, const char *topic, uint32_t flags,
                  const struct tc_sensor_file *file,
                  const struct tc_sensor_process *process, int32_t pid, int fd,
                  const struct tocsin_event **ret_event);
void tc_es_publish_names(struct tc_es *es, struct tc_sensor_name_batch *batch);
/* A file that was written while nobody looked; of the catch-up's configuration. */
bool tc_es_publish_found(void *arg, struct tc_sensor_found *found);
void tc_es_publish_losses(struct tc_es *es); /* sensor.gap for what counters now show */
void tc_es_publish_stats(struct tc_es *es, const struct tocsin_event *request);

/* es_probe.c: any thread, may block. */

/* Other processes that hold a fanotify group, names joined by ", "; "" for none. */
char *tc_es_probe_conflicts(const struct tocsin_host *host);

/* Makes <state_dir>/es/canary; opens it. The path is the caller's to free. */
int tc_es_probe_canary(const char *state_dir, char **ret_path, int *ret_fd);

#endif
