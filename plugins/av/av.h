/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the plugin's state, and which of its files does what with it. All of it belongs
 * to the loop thread; what runs in the pool gets copies and references.
 *
 *   av.c          descriptor, options, lifecycle
 *   av_defs.c     the definitions in force: what is loaded, what health says of it
 *   av_job.c      one question or one written file: cache, scan, answer
 *   av_known.c    what is remembered of it, and when that holds
 *   av_threat.c   what was found: one threat an inode, reported once, quarantined
 *   av_move.c     the removal of one name of it
 *   av_care.c     what could not be put away, and the quarantine folder: looked at again
 *   av_events.c     the events about threats
 *   av_selftest.c the proof that files can be scanned
 *   av_scan.c     the scan that an operator asks for
 *   av_request.c  the quarantine that another detector asks for
 *   av_rpc.c      requests: which there are; definitions, counters
 *   av_rpc_vault.c  those about the vault, and what is allowed from now on
 *   av_rpc_allowed.c  those about what is allowed already
 *
 * What edr needs too, plugins/detector has: work in the pool, when definitions are
 * loaded.
 */
#ifndef TC_AV_H
#define TC_AV_H

#include <tocsin/plugin.h>

#include "base/av_cache.h"
#include "base/av_turns.h"
#include "detector_defs.h"
#include "detector_event.h"
#include "detector_work.h"
#include "engine/av_content.h"
#include "sensor_writers.h"
#include "vault/av_vault.h"

#define TC_AV_OWN_LIST "allowed" /* in <state>/av */
#define TC_AV_JOB_BUCKETS 256
#define TC_AV_BIG_BYTES (4 * 1024 * 1024) /* a scan of more takes turns: */
#define TC_AV_WAITING_MAX                                                                \
    4096                       /* files to be scanned after the fact; more are counted   \
                                */
#define TC_AV_THREATS_MAX 4096 /* remembered, so that none is reported twice */

struct tc_av_job;
struct tc_av_threat;
struct tc_av_walk;

struct tc_av_options {
    struct tc_detector_list rules;
    char *allow_list, *block_list;
    uint64_t max_file_size, inline_max;
    unsigned timeout_s;
    uint64_t retry_ms; /* between two looks of av_care.c */
    bool quarantine, clear_immutable, scan_written;
};

struct tc_av_counters {
    uint64_t questions, cached, joined, inlined, scanned, bytes;
    uint64_t infected, unknown, timeouts, truncated, excluded, coalesced, dropped;
    uint64_t threats, quarantined, links, failed, restored, removed, reloads;
};

struct tc_av {
    const struct tocsin_host *host;
    struct tc_detector_work work;
    struct tc_detector_defs defs;
    struct tc_av_options options;
    struct tc_av_counters counters;

    struct tc_av_rules *rules; /* NULL until the first load is done */
    struct tc_av_lists *lists;
    uint64_t list_edits; /* made in memory, by restore and allow */
    uint32_t generation; /* of both; a verdict of another is not remembered */

    struct tc_av_cache *cache;
    struct tc_sensor_writers writers;
    uint8_t *inline_buf;
    struct tc_av_job *jobs[TC_AV_JOB_BUCKETS];
    struct tc_av_turns turns;
    struct tc_av_inline inlined; /* what was scanned on the loop */
    size_t jobs_n;

    struct tc_av_vault vault;
    int own_dirfd; /* <state>/av, or -1 */
    bool vault_busy;
    struct tc_av_threat *threats; /* newest first */
    size_t threats_n;
    struct tocsin_timer *care;     /* NULL: it does not run */
    bool looking;                  /* at the vault's folder */
    struct tocsin_timer *selftest; /* NULL: it does not run */
    bool testing;                  /* a self-test is under way */
    struct tc_av_walk *walks;
    size_t requests_n; /* of other detectors, under way */

    bool started;
};

/* ---- av_defs.c ---- */

/* For av->defs, of rules and lists. The first load also opens the vault. */
extern const struct tc_detector_defs_ops tc_av_defs_ops;

/* Puts other lists in force; takes over the reference. */
void tc_av_defs_set_lists(struct tc_av *av, struct tc_av_lists *lists,
                          const char *reason);

/* ---- av_job.c ---- */

void tc_av_job_question(struct tc_av *av, const struct tocsin_event *event);
void tc_av_job_after(struct tc_av *av, const struct tocsin_event *event);
void tc_av_job_path(struct tc_av *av, const char *path);

/* Answers all that wait: the plugin is going. */
void tc_av_job_stop(struct tc_av *av);

/* ---- av_known.c ---- */

/* On a served file system: the event's descriptor is a copy, and nothing lasts. */
bool tc_av_served(const struct tocsin_event *event);

/*
 * What speaks against remembering (enum tc_remember_fact) of a file that was read for
 * `event` (NULL: for none) as `result` says. `current`: by the rules in force.
 */
unsigned tc_av_facts(const struct tocsin_event *event, const struct tc_av_result *result,
                     bool current);

/* Whether it counts that the event's file is not what it was before it was read, and it
 * is not. */
bool tc_av_may_have_changed(const struct tocsin_event *event,
                            const struct tc_av_result *result);

/* The event since which the file's content counts; what was read for an earlier one may
 * differ, though the file's state is the same: by a mapping. */
uint64_t tc_av_since(const struct tocsin_event *event);

/* True when the verdict is known and still holds; *ret_reason as tc_av_cache_find. */
bool tc_av_known(struct tc_av *av, const struct tocsin_event *event,
                 const struct tc_av_key *key, const char **ret_reason);

/* Remembers the result of what was read for that event, if it may be. */
void tc_av_known_put(struct tc_av *av, uint64_t event_id,
                     const struct tc_av_result *result, unsigned facts);

/* Writes the reason of a denial. */
void tc_av_known_reason(const struct tc_av_result *result, char *ret, size_t cap);

/* ---- av_threat.c ---- */

/* Where and how an infected file was seen. */
struct tc_av_sighting {
    const struct tocsin_event *event; /* borrowed; NULL: none reported it */
    int own_fd;                       /* becomes the callee's; -1: the event's is it */
    const char *path;                 /* if neither descriptor nor event knows better */
    const struct tc_av_result *result;
    bool requested; /* by another detector, whose alert it is */
    /* Called with what became of it: detected, quarantined, failed or excluded; `why` may
     * be NULL. May be NULL. */
    void (*done)(void *arg, const char *status, const char *why);
    void *arg;
};
void tc_av_threat_found(struct tc_av *av, const struct tc_av_sighting *sighting);

/* An infected file is asked about whose verdict is known. What stays is tried again soon;
 * true when it has another name than the one known, and so is to be found anew. */
bool tc_av_threat_asked(struct tc_av *av, const struct tc_av_key *key,
                        const struct tocsin_event *event);

/* Remembers what was in the vault at the start; reports again what a crash had cut off.
 */
void tc_av_threat_known(struct tc_av *av, const struct tc_av_record *record);
void tc_av_threat_recovered(struct tc_av *av, const struct tc_av_record *record);

/* A crash has left it where it was: when it is found again it is that same threat. */
void tc_av_threat_back(struct tc_av *av, const struct tc_av_record *record);

/* Forgets one that has left the vault; what had no room is tried again soon. */
void tc_av_threat_forget(struct tc_av *av, const char *id);
/* That content is no threat any more: nothing of it is tried again. */
void tc_av_threat_allowed(struct tc_av *av, const uint8_t hash[TC_AV_HASH_BYTES]);
bool tc_av_threat_hash(const struct tc_av *av, const char *id,
                       uint8_t ret[TC_AV_HASH_BYTES]);
void tc_av_threat_free(struct tc_av *av);

/* ---- av_care.c ---- */

/* Begins, or begins anew with other options. What cannot be is logged. */
void tc_av_care_start(struct tc_av *av);
void tc_av_care_stop(struct tc_av *av);

/* Tells health what stays where it is. */
void tc_av_care_report(struct tc_av *av);

/* ---- av_selftest.c ---- */

/* Begins to test what is in force, from time to time. What cannot be is logged. */
void tc_av_selftest_start(struct tc_av *av);
void tc_av_selftest_stop(struct tc_av *av);

/* Tells health what tc_av_content_selftest has said. */
void tc_av_selftest_report(struct tc_av *av, int result);

/* ---- av_scan.c ---- */

void tc_av_scan_request(struct tc_av *av, const struct tocsin_event *request);
void tc_av_scan_cancel(struct tc_av *av, const struct tocsin_event *request);
void tc_av_scan_stop(struct tc_av *av);

/* ---- av_request.c ---- */

void tc_av_request(struct tc_av *av, const struct tocsin_event *event);

/* ---- av_rpc_vault.c ---- */

void tc_av_rpc_restore(struct tc_av *av, const struct tocsin_event *request);
void tc_av_rpc_remove(struct tc_av *av, const struct tocsin_event *request);
void tc_av_rpc_allow(struct tc_av *av, const struct tocsin_event *request);
void tc_av_rpc_allowed(struct tc_av *av, const struct tocsin_event *request);
void tc_av_rpc_disallow(struct tc_av *av, const struct tocsin_event *request);
void tc_av_rpc_list(struct tc_av *av, const struct tocsin_event *request);

/* ---- av_rpc.c ---- */

void tc_av_rpc(struct tc_av *av, const struct tocsin_event *request);

#endif
