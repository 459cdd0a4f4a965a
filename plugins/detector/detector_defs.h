/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: when a detector's definitions are loaded: at the start, when somebody asks, and
 * when the folders they come from have changed (a timer runs only after that). One load
 * at a time runs in the pool, and one waits behind it; what was read is put in force
 * whole, on the loop. Each request is answered; one that waits when the plugin stops, the
 * agent answers. Loop thread, but for load. Must not: know what definitions are; the
 * plugin's operations do.
 */
#ifndef TC_DETECTOR_DEFS_H
#define TC_DETECTOR_DEFS_H

#include <stdatomic.h>

#include "detector_watch.h"
#include "detector_work.h"

/* What a plugin does for a load, in the order of the calls. */
struct tc_detector_defs_ops {
    /* Of the names of rule files, as ".yml"; NULL ends them. */
    const char *const *suffixes;

    /* Makes a job: copies of all that load needs. `first`: the load that ends the start.
     * NULL: out of memory. */
    void *(*prepare)(void *owner, bool first);

    /*
     * Reads the definitions into the job, and watches what they come from. Pool thread. A
     * negative errno: there is nothing to adopt. Soon after `cancelled` was set nobody
     * wants it any more.
     */
    int (*load)(void *job, struct tc_detector_watch *watch, const atomic_bool *cancelled);

    /*
     * Puts what was read in force, and reports to health: tc_detector_defs_issue for what
     * is wrong with the definitions. `error`: there is nothing, and what is in force
     * stays. `reason` says why this load was. NULL, or a sentence: why what is in force
     * stays all the same.
     */
    const char *(*adopt)(void *owner, void *job, const char *reason, int error);

    /* Writes what is in force into the map of an answer to whoever asked for the load. */
    void (*answer)(void *owner, struct tocsin_writer *w);

    /* Frees the job, with what was not adopted. */
    void (*discard)(void *job);
};

struct tc_detector_load;

struct tc_detector_defs {
    struct tc_detector_work *work;
    const struct tc_detector_defs_ops *ops;
    void *owner;
    bool begun;                              /* the first load has */
    struct tc_detector_load *running, *next; /* or NULL */
    unsigned issues_n;                       /* reported under rules_0 and on */
    struct tc_detector_watch folders;        /* those of what was loaded last */
    struct tocsin_watch *watch;
    struct tocsin_timer *timer; /* from the first change to the load */
};

/* `work` and `owner` (for ops) outlive it. Acquires nothing. */
void tc_detector_defs_init(struct tc_detector_defs *defs, struct tc_detector_work *work,
                           const struct tc_detector_defs_ops *ops, void *owner);

/*
 * Begins a load, or has it wait for the one that runs; `request` (may be NULL) is
 * answered. The first one ends the start (host->complete). Errors: -ENOMEM and those of
 * tc_detector_work_submit; nothing is begun then, nor answered.
 */
int tc_detector_defs_load(struct tc_detector_defs *defs, const char *reason,
                          const struct tocsin_event *request);

/* The same, for a request that says "reload": it is answered in any case. */
void tc_detector_defs_reload(struct tc_detector_defs *defs,
                             const struct tocsin_event *request);

/* Loads soon, once for all that changes until then. */
void tc_detector_defs_changed(struct tc_detector_defs *defs);

/* Nothing is begun from here on; a load that runs ends as work does. In the plugin's
 * stop; a start that failed has nothing to stop. */
void tc_detector_defs_stop(struct tc_detector_defs *defs);

/* One thing that is wrong with the definitions, as an issue in health. In adopt only:
 * what is not reported again there is cleared. */
void tc_detector_defs_issue(struct tc_detector_defs *defs, const char *text,
                            const char *fix);

/*
 * The health facts <prefix>_version, <prefix>_updated (`updated_s` since the epoch; 0:
 * never) and <prefix>_status.
 */
void tc_detector_defs_facts(const struct tocsin_host *host, const char *prefix,
                            const char *version, int64_t updated_s, const char *status);

#endif
