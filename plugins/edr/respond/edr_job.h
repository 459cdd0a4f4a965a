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

struct tc_edr_job {
    struct tc_edr_job *next;
    struct tc_edr_responder *responder;
    char alert_id[TC_EDR_ALERT_ID_BYTES];
    char *rule_id, *rule_name;
    const char *severity;
    const struct tocsin_event *event; /* a reference */
    struct tc_edr_act act;            /* act.exec: a reference */
    bool acting;                      /* in the pool */
    uint64_t request;                 /* the id of quarantine.requested; 0: none */
    struct tocsin_timer *late;
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
    unsigned issues_n; /* reported under responses_0 and on, with gaps */
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

/* Everything that is not reported yet gets the same outcome. */
void tc_edr_job_report_all(struct tc_edr_job *job, const char *status,
                           const char *reason);

/* ---- edr_ask.c ---- */

int tc_edr_ask(struct tc_edr_job *job);

#endif
