/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one match that something is done about, from the wish to the outcomes; shared by
 * the files that act on it: edr_respond.c decides what is done, edr_job.c reports what
 * came of it, edr_ask.c asks other plugins to do it. Loop thread.
 */
#ifndef TC_EDR_JOB_H
#define TC_EDR_JOB_H

#include "alerts/edr_alerts.h"
#include "respond/edr_act.h"
#include "respond/edr_respond.h"

#define TC_EDR_REMEMBERED 256 /* so that none is done twice */

/* A request to another plugin. */
struct tc_edr_request {
    struct tc_edr_job *job;
    enum tc_edr_action action;
    uint64_t id; /* of the event that asks; 0: none */
    struct tocsin_timer *late;
};

struct tc_edr_job {
    struct tc_edr_job *next;
    struct tc_edr_responder *responder;
    char alert_id[TC_EDR_ALERT_ID_BYTES];
    char *rule_id, *rule_name;
    const char *severity;
    const struct tocsin_event *event; /* a reference */
    unsigned actions;                 /* bits, of what is not reported yet */
    struct tc_edr_act act;            /* act.exec: a reference */
    bool acting;                      /* act is in the pool, but for ISOLATE's outcome */
    struct tc_edr_request requests[TC_EDR_ACTIONS];
};

/* For whom something was done, or tried. */
struct tc_edr_done_for {
    char alert_id[TC_EDR_ALERT_ID_BYTES];
    struct tc_edr_id who;
};

struct tc_edr_responder {
    struct tc_detector_work *work;
    const struct tocsin_host *host;
    struct tc_edr_respond_counters counters;
    struct tc_edr_responses *wanted;
    int64_t isolate_for_s; /* 0: until it is released */
    unsigned issues_n;     /* reported under responses_0 and on, with gaps */
    uint64_t boot_ns, boot_ns_read;
    struct tc_edr_done_for done[TC_EDR_REMEMBERED];
    size_t done_n;
    struct tc_edr_job *jobs;
    size_t jobs_n;
};

/* ---- edr_job.c ---- */

/* References to the event and to the one that reported its last exec; NULL: no memory. */
struct tc_edr_job *tc_edr_job_new(struct tc_edr_responder *responder,
                                  const char *alert_id, const struct tc_sigma_rule *rule,
                                  const struct tocsin_event *event,
                                  struct tc_edr_processes *processes);
void tc_edr_job_free(struct tc_edr_job *job);

/* What every event about a response begins with. */
void tc_edr_job_put(struct tocsin_writer *w, const struct tc_edr_job *job);
void tc_edr_job_put_text(struct tocsin_writer *w, const char *key, struct tocsin_str s);

/* Reports all that is known. */
void tc_edr_job_report_known(struct tc_edr_job *job);

/* Those of the actions that are not reported yet get the same outcome. */
void tc_edr_job_report(struct tc_edr_job *job, unsigned actions, const char *status,
                       const char *reason);
void tc_edr_job_report_all(struct tc_edr_job *job, const char *status,
                           const char *reason);

/* Frees it when nothing is left to report. */
void tc_edr_job_settle(struct tc_edr_job *job);

/* ---- edr_ask.c ---- */

/* Asks the plugin that does the action, if it is wanted; that it could not be asked is
 * reported, and so is that nobody has answered in time. */
void tc_edr_ask(struct tc_edr_job *job, enum tc_edr_action action);

#endif
