/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is done about a match, from the operator's wish to the outcome: each is
 * published once, as alert.response, whatever came of it. Loop thread. Must not: know
 * processes (edr_act.c does), the vault or the network (av and netfilter do, who are
 * asked by quarantine.requested and isolation.requested).
 */
#ifndef TC_EDR_RESPOND_H
#define TC_EDR_RESPOND_H

#include "detector_work.h"
#include "process/edr_process.h"
#include "sigma/base/sigma.h"

struct tc_edr_responder;

struct tc_edr_respond_counters {
    uint64_t responses, done, repeated; /* published; of which done; not done again */
    uint64_t publish_errors;
};

/* Reads the options `responses` and `isolate_for`. `work` outlives it. -ENOMEM. */
int tc_edr_respond_new(struct tc_detector_work *work,
                       struct tc_edr_responder **ret_responder);
void tc_edr_respond_free(struct tc_edr_responder *responder); /* takes NULL */

/* Reads the options again. -ENOMEM: all is as it was. */
int tc_edr_respond_configure(struct tc_edr_responder *responder);

void tc_edr_respond_start(struct tc_edr_responder *responder);

/* What is in the pool ends by itself. */
void tc_edr_respond_stop(struct tc_edr_responder *responder);

/* Reports to health which entries of the option cannot come true with these rules. */
void tc_edr_respond_check(struct tc_edr_responder *responder,
                          const struct tc_sigma_set *set);

/*
 * Does what the operator asked for this rule; publishes each outcome as alert.response,
 * once for an alert and a process. `event` has matched; `processes` say who its process
 * is.
 */
void tc_edr_respond(struct tc_edr_responder *responder, const char *alert_id,
                    const struct tc_sigma_rule *rule, const struct tocsin_event *event,
                    struct tc_edr_processes *processes);

/* quarantine.done, isolation.done */
void tc_edr_respond_answer(struct tc_edr_responder *responder,
                           const struct tocsin_event *answer);

void tc_edr_respond_counters(const struct tc_edr_responder *responder,
                             struct tc_edr_respond_counters *ret);

#endif
