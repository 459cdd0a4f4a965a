/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the plugin's state, and which of its files does what with it. All of it belongs
 * to the loop thread; loading runs in the pool, on copies of its own.
 *
 *   edr.c          descriptor, options, lifecycle, which event goes where
 *   edr_defs.c     the rules in force: loading, watching their folders, swapping, health
 *   edr_judge.c    an event against the rules: records, evaluation, matches
 *   edr_tell.c     a match as alert.raised: rule, what matched, who, from whom, where
 *   edr_respond.c  what is done about a match, where the operator asked for it
 *   edr_rpc.c      requests
 *
 * Below them, and without it: edr_alerts (which matches are one alert), edr_process (who
 * descends from whom); the engine itself is sigma/.
 */
#ifndef TC_EDR_H
#define TC_EDR_H

#include <tocsin/plugin.h>

#include "edr_alerts.h"
#include "edr_process.h"
#include "sigma/sigma.h"

struct tc_edr_load;

struct tc_edr_options {
    char **rules; /* copies, as loading reads them in the pool */
    size_t rules_n;
    struct tc_edr_alerts_options alerts;
};

struct tc_edr_counters {
    uint64_t events, matches, told, publish_errors, reloads;
};

/* A set in force, with what belongs to it. Swapped whole. */
struct tc_edr_rules {
    struct tc_sigma_set *set;
    struct tc_sigma_scratch *scratch;
    uint64_t version; /* from 1, a new one each load */
};

struct tc_edr {
    const struct tocsin_host *host;
    struct tc_edr_options options;
    struct tc_edr_counters counters;

    struct tc_edr_rules *rules;           /* NULL until the first load is done */
    struct tc_edr_load *load, *load_next; /* running, and the one to follow it */
    int inotify;
    struct tocsin_watch *watch;
    struct tocsin_timer *settle;

    struct tc_edr_processes *processes;
    struct tc_edr_alerts *alerts;
    struct tocsin_timer *due; /* of alerts that wait to be told again */

    bool started, stopping;
};

/* ---- edr_defs.c ---- */

/* Loads the rules and puts them in force; `request` (may be NULL) is answered. The first
 * load ends the start. */
int tc_edr_load(struct tc_edr *edr, const char *reason,
                const struct tocsin_event *request);
void tc_edr_defs_stop(struct tc_edr *edr);

/* ---- edr_judge.c ---- */

void tc_edr_judge(struct tc_edr *edr, const struct tocsin_event *event);

/* ---- edr_tell.c ---- */

/* A match of a rule that runs. */
void tc_edr_tell_match(struct tc_edr *edr, const struct tocsin_event *event,
                       const struct tc_sigma_match *match);
void tc_edr_tell_due(struct tc_edr *edr); /* all that wait, when the plugin stops */

/* ---- edr_respond.c ---- */

/* Does what the operator asked for this rule; tells each outcome as alert.response. */
void tc_edr_respond(struct tc_edr *edr, const char *alert_id,
                    const struct tc_sigma_rule *rule, const struct tocsin_event *event);

/* ---- edr_rpc.c ---- */

void tc_edr_rpc(struct tc_edr *edr, const struct tocsin_event *request);

#endif
