/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the plugin's state, shared by the files that act on it on the loop thread:
 *   kext.c            descriptor, options, events from the bus
 *   kext_lifecycle.c  start, stop, jobs, the heartbeat
 *   kext_levels.c     which level the machine has; the canary (pool thread)
 *   kext_watching.c   mounts, watched folders, names
 *   kext_catch_up.c   what was written while nobody looked
 *   kext_verdict.c    what a verdict leads to
 *   kext_publish.c    everything that is published
 * Below them, and without it: kext_load and kext_maps, kext_pins, kext_reader,
 * kext_resolve, kext_open, kext_item, kext_guard, kext_canary; in the kernel: kext.bpf.c,
 * with kext_abi.h between the two.
 */
#ifndef TC_KEXT_H
#define TC_KEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>

#include "kext_canary.h"
#include "kext_guard.h"
#include "kext_load.h"
#include "kext_pins.h"
#include "kext_reader.h"
#include "kext_resolve.h"
#include "sensor_catch_up.h"
#include "sensor_jobs.h"
#include "sensor_names.h"
#include "sensor_options.h"
#include "sensor_watch.h"

#define TC_KEXT_PENDING_MAX 4096 /* verdicts waited for at once */
#define TC_KEXT_PENDING_MS 60000 /* beyond any budget of the agent */
#define TC_KEXT_PEER_MAX 4096    /* questions of other sensors that are remembered */
#define TC_KEXT_CANARY_EVERY_MS 30000
#define TC_KEXT_HEARTBEAT_MS 3000 /* the deadlines are renewed so often ... */
#define TC_KEXT_PATIENCE_MS 10000 /* ... and lie at least so far ahead */

enum tc_kext_job {
    TC_KEXT_JOB_OPEN,
    TC_KEXT_JOB_SCAN,
    TC_KEXT_JOB_NAMES,
    TC_KEXT_JOB_CANARY,
    TC_KEXT_JOBS,
};

enum tc_kext_opens {
    TC_KEXT_OPENS_OFF,
    TC_KEXT_OPENS_ON,
    TC_KEXT_OPENS_AUTO, /* where they cost next to nothing: on the upper level */
};

struct tc_kext_counts {
    uint64_t opens, execs, written, renamed, created, deleted; /* published */
    uint64_t excluded, allowed, denied;
    uint64_t cached;        /* put into `good` */
    uint64_t not_cached;    /* allowed, and not to be remembered: sensor_remember.h */
    uint64_t bad, bad_full; /* put into `bad`; not put there: it was full */
    uint64_t peer;          /* of those: learned from another sensor's question */
    uint64_t resets, gaps, unanswered, publish_errors;
};

/* What is remembered of a published event until its verdict. */
struct tc_kext_pending {
    const struct tocsin_event *event; /* NULL: not in use */
    struct tc_kext_key key;
    uint64_t asked_ns; /* CLOCK_MONOTONIC */
    uint64_t start_ns;
    int32_t pid;
    uint16_t flags; /* enum tc_kext_flags */
    bool keyed, executes;
    bool changed;        /* written to since */
    unsigned file_facts; /* enum tc_remember_fact, as it was when it was published */
    uint32_t generation;
    uint32_t next; /* of the same bucket */
};

/* A question of another sensor; index: its id, so a later one replaces it. */
struct tc_kext_peer {
    uint64_t id;
    struct tc_kext_key key;
    unsigned uses; /* enum tc_kext_use: what its denial is about */
};

/* What a scan of the mounts has found. A pool thread's, but for scan_done. */
struct tc_kext_scan {
    struct tc_sensor_watch watch;
    struct tc_sensor_scope *scope;
    struct tc_kext_folder folders[TC_KEXT_FOLDERS_MAX];
    size_t folder_count, unwatched, unnamed; /* of these: no room; no names reported */
    size_t served;                           /* file systems that a server answers for */
    size_t foreign;                          /* of these: only another namespace has */
    int err;
    char what[512];  /* of the last one unnamed */
    char which[512]; /* the last one served */
};

struct tc_kext {
    const struct tocsin_host *host;
    struct tc_sensor_places places;
    struct tc_kext_sizes sizes;
    enum tc_kext_opens opens;
    bool hold, passive;
    uint64_t
        keep_refusing_ms; /* after our last sign of life; 0: our programs go with us */

    bool started;
    int open_status;
    char why[512]; /* what kept it from starting, or from the upper level */
    struct tc_sensor_jobs jobs;

    struct tc_kext_programs programs;
    struct tc_kext_resolver resolver;
    bool resolver_ready;
    struct tc_kext_reader reader;
    struct tc_kext_canary canary;
    struct tc_kext_guard guard;
    struct tc_kext_pins pins;
    size_t inherited;            /* files known bad by an agent that died */
    uint64_t inherited_until_ns; /* CLOCK_MONOTONIC; 0: nothing is left of that */
    struct tc_sensor_catch_up catch_up;
    struct tc_sensor_names names;
    bool names_open;
    struct tc_sensor_name_batch *batch;
    struct tc_kext_items named; /* made of the batch */
    bool names_lost, area_changed, folder_renamed;
    int names_status, canary_status, mountinfo_fd;
    struct tc_kext_scan scan;
    struct tc_sensor_scope *scope;
    size_t foreign; /* folders of the scope that only another namespace has */

    pthread_mutex_t left_lock;
    struct tc_kext_items left; /* found while the plugin stops: published last */

    struct tc_kext_pending *pending; /* TC_KEXT_PENDING_MAX */
    uint32_t *buckets;               /* event id -> slot, as many */
    uint32_t free_slot, pending_count;
    struct tc_kext_peer *peers; /* TC_KEXT_PEER_MAX */
    uint32_t generation;        /* of remembered verdicts */

    uint64_t sequence, epoch;
    uint64_t complete_ns; /* since the epoch: until then nothing is known to be lost */
    uint64_t seen_lost;
    struct tc_kext_counts counts;
    struct tocsin_timer *heartbeat, *canary_timer;
    unsigned heartbeats; /* so many, so far */
    struct tocsin_watch *mountinfo_watch, *names_watch;
    uint8_t encoded[TC_SENSOR_EVENT_MAX];
};

/* kext_lifecycle.c */
int tc_kext_start(struct tc_kext *kext);
int tc_kext_stop(struct tc_kext *kext);
void tc_kext_release(void *arg); /* frees what start made; jobs must be idle */

/* Brings what the programs have been given into line with the agent's mode, and renews
 * their deadline. */
void tc_kext_set_mode(struct tc_kext *kext);

/* kext_levels.c: pool thread, but for set_mode: the mode as it was known last */
void tc_kext_levels_set_mode(struct tc_kext *kext);
int tc_kext_levels_enter(struct tc_kext *kext); /* the best that proves itself */
void tc_kext_levels_leave(struct tc_kext *kext);
int tc_kext_prove(struct tc_kext *kext); /* the canary */

/* kext_watching.c: run, done and watch callbacks of the jobs of those names */
void tc_kext_scan_run(void *arg);
void tc_kext_scan_done(void *arg, int status);
void tc_kext_mounts_changed(void *arg, int status, uint32_t events);
void tc_kext_names_run(void *arg);
void tc_kext_names_done(void *arg, int status);
void tc_kext_names_readable(void *arg, int status, uint32_t events);

/* kext_catch_up.c: event: true when it was one that asks for it; go: does what has been
 * asked, once everything is watched */
void tc_kext_catch_up_init(struct tc_kext *kext);
bool tc_kext_catch_up_event(struct tc_kext *kext, const struct tocsin_event *event);
void tc_kext_catch_up_go(struct tc_kext *kext);

/* kext_verdict.c */
int tc_kext_verdicts_init(struct tc_kext *kext);
void tc_kext_verdicts_done(struct tc_kext *kext);
void tc_kext_verdict_expect(struct tc_kext *kext, const struct tc_kext_item *item,
                            const struct tocsin_event *event);
void tc_kext_verdict_came(struct tc_kext *kext, const struct tocsin_event *event);
/* Gives up what was never answered: not published after all, or forgotten. */
void tc_kext_verdicts_sweep(struct tc_kext *kext);
void tc_kext_verdict_changed(struct tc_kext *kext, const struct tc_kext_key *key);
void tc_kext_verdicts_reset(struct tc_kext *kext); /* verdicts may differ from here on */
/* Files may be watched, or not excluded, that were not: what is bad stays bad. */
void tc_kext_places_changed(struct tc_kext *kext);
void tc_kext_peer_asked(struct tc_kext *kext, const struct tocsin_event *event);
void tc_kext_threat_found(struct tc_kext *kext, const struct tocsin_event *event);
/* The process of an item that nobody will judge, if it was stopped, goes on. */
void tc_kext_resume(struct tc_kext *kext, int32_t pid, uint64_t start_ns, uint16_t flags);

/* kext_publish.c */
void tc_kext_deliver(void *arg, struct tc_kext_items *items); /* reader's thread */
void tc_kext_publish_items(struct tc_kext *kext, struct tc_kext_items *items);
void tc_kext_publish_gap(struct tc_kext *kext, const char *reason, uint64_t lost);
void tc_kext_publish_stats(struct tc_kext *kext, const struct tocsin_event *request);

#endif
