/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the files of the approval share. approval.c takes what is new and keeps it
 * as facts; approval_flow.c makes the gates' states of the facts and emits what changed;
 * approval_text.c says it in words. Nobody else includes this.
 */
#ifndef TC_CORE_APPROVAL_PRIV_H
#define TC_CORE_APPROVAL_PRIV_H

#include "core/approval/approval.h"

/* What somebody has last said against a gate. Never together with a consent. */
enum tc_gate_refusal {
    TC_NOT_REFUSED,
    TC_REFUSED_DENIED,
    TC_REFUSED_REVOKED,
};

enum tc_gate_probe {
    TC_NOT_PROBED,
    TC_PROBE_OUT, /* the answer to `ticket` is awaited */
    TC_PROBE_GOOD,
    TC_PROBE_BAD,
};

struct tc_gate_facts {
    bool asked;
    bool consent;         /* by a person ... */
    bool consent_earlier; /* ... in a run before */
    enum tc_gate_refusal refusal;
    bool refused_by_profile; /* the profile that allowed it is gone */
    enum tc_gate_managed managed;
    enum tc_gate_probe probe;
    unsigned ticket;
    enum tc_probe_result result;
    int error;
    bool late;    /* was refused since it was last prompted: a grant comes late */
    bool restart; /* with a good probe: granted late, so that it waits for a restart */
    unsigned n;   /* of its prompt in this flow; 0: none yet */
    char who[TC_APPROVAL_WHO_MAX]; /* of the consent or the refusal */
    char profile[TC_APPROVAL_PROFILE_MAX];

    /* Made of the above by approval_flow.c, and emitted already. */
    enum tc_gate_state state;
    bool by_profile;
    uint64_t since_ns;
};

/* The minute of a flow. */
enum tc_approval_timer {
    TC_TIMER_NOT_STARTED,
    TC_TIMER_RUNS,
    TC_TIMER_FIRED, /* and an extension is still missing */
    TC_TIMER_ENDED, /* both extensions are granted */
};

struct tc_approval {
    struct tc_approval_config config;
    struct tc_approval_callbacks callbacks;
    struct tc_gate_facts gates[TC_GATES];
    struct tc_prerequisite prerequisites[TC_PREREQUISITES_MAX];
    bool prerequisite_reported[TC_PREREQUISITES_MAX];
    size_t prerequisite_count;
    bool prepared, begun;
    bool flow;      /* one is under way, or has completed */
    bool completed; /* emitted */
    enum tc_approval_timer timer;
    uint64_t timer_started_ns;
    unsigned prompts; /* shown in this flow */
    unsigned ticket;  /* the last one given out */
    uint64_t now_ns;
    bool settling, changed;
};

/*
 * Makes the states of the facts, emits every change, and asks for the probes that are
 * due. Callbacks may call in again: what they change is settled before the outermost call
 * returns.
 */
void tc_approval_reconcile(struct tc_approval *approval, uint64_t now_ns);

void tc_approval_emit(struct tc_approval *approval,
                      const struct tc_approval_event *event);

/* Emits that the gate's prompt is gone without having been answered. */
void tc_approval_withdraw(struct tc_approval *approval, enum tc_gate gate,
                          const char *reason);

/* The first prerequisite that is not met, or NULL. */
const struct tc_prerequisite *tc_approval_unmet(const struct tc_approval *approval);

/* Someone who may has said yes, and nobody who may overrule that has said no. */
bool tc_gate_consented(const struct tc_gate_facts *gate);

/* Its state lets those after it go on: granted, if only from the next start on. */
bool tc_gate_passed(enum tc_gate_state state);

/* The first gate for which `gate` must wait by those states, or TC_GATES. */
enum tc_gate tc_approval_blocker(const struct tc_approval *approval, enum tc_gate gate,
                                 const enum tc_gate_state states[TC_GATES]);

/* The states as they are now, unneeded gates counting as granted. */
void tc_approval_states(const struct tc_approval *approval,
                        enum tc_gate_state ret[TC_GATES]);

/* Until the minute ends; 0 when it does not run. */
uint64_t tc_approval_left_ns(const struct tc_approval *approval, uint64_t now_ns);

/* How many prompts this flow shows in all, as far as is known now. */
unsigned tc_approval_prompts(const struct tc_approval *approval);

static inline bool tc_gate_is_extension(enum tc_gate gate)
{
    return gate == TC_GATE_ES_EXTENSION || gate == TC_GATE_NETWORK_EXTENSION;
}

#endif
