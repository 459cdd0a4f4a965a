/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the plugin's state, and which of its files does what with it. All of it belongs
 * to the loop thread; loading runs in the pool, on copies of its own.
 *
 *   edr.c         descriptor, options, lifecycle, which event goes where
 *   edr_load.c    folders of rule files into a set, in the pool
 *   edr_defs.c    the rules in force: what is loaded, swapping, what health says of it
 *   edr_match.c   an event against the rules: records, evaluation, matches
 *   edr_selftest.c  the proof that an event can be judged
 *   edr_report.c  a match as alert.raised: of which alert, and when that is reported
 *   edr_resume.c  rpc.edr.resume: what was suspended goes on
 *   edr_rpc.c     requests
 *
 * Below them, and without it:
 *
 *   respond/      what the operator asked for (edr_responses), doing it (edr_act,
 *                 edr_program) or having it done (edr_ask), and what came of it
 *                 (edr_respond, edr_job)
 *   alerts/       which matches are one alert, and the wording of alert.raised
 *   process/      who descends from whom; the machine; copying from events
 *
 * The engine itself is sigma/. What av needs too, plugins/detector has: work in the pool,
 * and when rules are loaded.
 */
#ifndef TC_EDR_H
#define TC_EDR_H

#include <tocsin/plugin.h>

#include "alerts/edr_alerts.h"
#include "detector_defs.h"
#include "detector_event.h"
#include "detector_work.h"
#include "process/edr_machine.h"
#include "process/edr_process.h"
#include "respond/edr_respond.h"
#include "sigma/base/sigma.h"

#define TC_EDR_OWN_RULES                                                                 \
    "/etc/tocsin/rules/sigma"    /* the operator's; need not be there                    \
                                  */
#define TC_EDR_PROBLEMS_MAX 1000 /* of one load, that are kept; the rest are counted */
#define TC_EDR_DIGEST_BYTES 17   /* 16 hex digits and their NUL */

struct tc_edr_options {
    struct tc_detector_list rules, placeholders; /* placeholders: "name=value" */
    bool filters_are_joined;                     /* struct tc_sigma_options */
    struct tc_edr_alerts_options alerts;
};

struct tc_edr_counters {
    uint64_t events, unjudged, records, matches, excluded, reported, publish_errors;
    uint64_t reloads,
        reloads_kept; /* kept: nothing could be loaded, the old rules stay */
};

/* What is wrong with a rule file. */
struct tc_edr_problem {
    char *file, *text;
    unsigned line, column; /* 0: of the whole file */
    bool refused;          /* else a rule that is listed and cannot run */
};

enum tc_edr_state {
    TC_EDR_RUNS,
    TC_EDR_CANNOT_RUN, /* the engine cannot */
    TC_EDR_NO_SOURCE,  /* no sensor reports what it is about */
    TC_EDR_STATES,
};

/* A set in force, with what belongs to it. Swapped whole. */
struct tc_edr_rules {
    struct tc_sigma_set *set;
    struct tc_sigma_scratch *scratch;
    uint64_t version;                 /* from 1, a new one each load */
    char digest[TC_EDR_DIGEST_BYTES]; /* of names and contents of its files */
    uint64_t updated_ns;              /* its newest file; since the epoch, 0: none */
    size_t files;
    size_t states[TC_EDR_STATES]; /* how many rules */
};

/* What came of reading the rule folders. */
struct tc_edr_reading {
    struct tc_edr_rules *rules; /* taken out when it is put in force */
    struct tc_edr_problem *problems;
    size_t problems_n, skipped; /* skipped: those that are not kept */
    size_t refused;             /* files and rules that are not in the set */
};

struct tc_edr {
    const struct tocsin_host *host;
    struct tc_detector_work work;
    struct tc_detector_defs defs;
    struct tc_edr_options options;
    struct tc_edr_counters counters;

    struct tc_edr_rules *rules;     /* NULL until the first load is done */
    struct tc_edr_reading *reading; /* the latest; NULL until then, too */

    struct tc_edr_processes *processes;
    struct tc_edr_alerts *alerts;
    struct tocsin_timer *due; /* of alerts that wait to be reported again */
    uint64_t due_ms;          /* when it runs out, on host->now_ns's clock */
    struct tc_edr_machine machine;
    struct tc_edr_responder *responder;
    struct tocsin_timer *selftest; /* NULL: it does not run */
};

/* ---- edr_load.c ---- */

/*
 * Reads the rules of `options` and makes them ready for use. What is wrong with one of
 * them is a problem, and the others are there; when nothing could be made, it is the last
 * problem, and `rules` is NULL. `watch` gets the folders. Pool thread; -ECANCELED soon
 * after `cancelled` was set; -ENOMEM.
 */
int tc_edr_read(const struct tc_edr_options *options, struct tc_detector_watch *watch,
                const atomic_bool *cancelled, struct tc_edr_reading **ret_reading);
void tc_edr_reading_free(struct tc_edr_reading *reading); /* takes NULL */
void tc_edr_rules_free(struct tc_edr_rules *rules);       /* takes NULL */

/* The state of a rule of the set, and why it does not run (NULL: it does). */
enum tc_edr_state tc_edr_rule_state(const struct tc_edr_rules *rules, size_t rule,
                                    const char **ret_why);

/* ---- edr_defs.c ---- */

/* For edr->defs. */
extern const struct tc_detector_defs_ops tc_edr_defs_ops;

/* ---- edr_match.c ---- */

void tc_edr_match(struct tc_edr *edr, const struct tocsin_event *event);

/* ---- edr_selftest.c ---- */

/* Tests what is in force, and tells health; and does so from time to time. */
void tc_edr_selftest(struct tc_edr *edr);
void tc_edr_selftest_start(struct tc_edr *edr);
void tc_edr_selftest_stop(struct tc_edr *edr);

/* ---- edr_report.c ---- */

int tc_edr_report_start(struct tc_edr *edr); /* makes alerts and processes; -ENOMEM */
/* Reports what waits; takes a failed start. */
void tc_edr_report_stop(struct tc_edr *edr);
void tc_edr_report_options(struct tc_edr *edr); /* they have changed */

/* A match of a rule that runs. */
void tc_edr_report_match(struct tc_edr *edr, const struct tocsin_event *event,
                         const struct tc_sigma_match *match);

/* ---- edr_resume.c ---- */

void tc_edr_resume(struct tc_edr *edr, const struct tocsin_event *request);

/* ---- edr_rpc.c ---- */

void tc_edr_rpc(struct tc_edr *edr, const struct tocsin_event *request);

#endif
