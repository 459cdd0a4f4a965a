/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which rules the operator wants something done for, and what: the option
 * `responses`, a list of "RULE-ID: action" or "RULE-ID=action". Pure. Must not: do it.
 */
#ifndef TC_EDR_RESPONSES_H
#define TC_EDR_RESPONSES_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which those of one rule are carried out. */
enum tc_edr_action {
    TC_EDR_SUSPEND,    /* SIGSTOP to the process and all below it */
    TC_EDR_KILL,       /* SIGKILL to them */
    TC_EDR_QUARANTINE, /* the program that it runs goes into quarantine */
    TC_EDR_ISOLATE,    /* the machine is cut off the network */
    TC_EDR_ACTIONS,
};

const char *tc_edr_action_name(enum tc_edr_action action);

struct tc_edr_responses;

/* Takes the entries, of which it keeps copies; what is wrong with one is kept with it.
 * -ENOMEM. */
int tc_edr_responses_new(const char *const *entries, size_t count,
                         struct tc_edr_responses **ret_responses);
void tc_edr_responses_free(struct tc_edr_responses *responses); /* takes NULL */

/* Bits, 1 << enum tc_edr_action, of what is to be done for a rule (NULL: one without an
 * id); 0: nothing. */
unsigned tc_edr_responses_find(const struct tc_edr_responses *responses,
                               const char *rule_id);

size_t tc_edr_responses_count(const struct tc_edr_responses *responses);

/* Entry `index` as it is written. */
const char *tc_edr_responses_text(const struct tc_edr_responses *responses, size_t index);

/*
 * What is wrong with entry `index`, as one sentence that names it, or NULL. is_rule says
 * whether a rule of that id is known.
 */
const char *tc_edr_responses_problem(struct tc_edr_responses *responses, size_t index,
                                     bool (*is_rule)(void *arg, const char *rule_id),
                                     void *arg);

#endif
