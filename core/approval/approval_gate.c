/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what others see of one gate. Changes nothing. */
#include "core/approval/approval_priv.h"

static enum tc_gate_source source_of(const struct tc_gate_facts *gate)
{
    if (gate->managed == TC_GATE_PROFILE_ALLOWS)
        return TC_GATE_BY_PROFILE;
    if (gate->managed != TC_GATE_UNMANAGED || !gate->consent)
        return TC_GATE_BY_NOBODY;
    return gate->consent_earlier ? TC_GATE_BY_EARLIER_USER : TC_GATE_BY_USER;
}

/* Whether the state is what somebody has made it. */
static bool is_answered(enum tc_gate_state state)
{
    return state != TC_GATE_UNKNOWN && state != TC_GATE_UNREQUESTED &&
           state != TC_GATE_QUEUED && state != TC_GATE_PROMPTING;
}

void tc_approval_gate(const struct tc_approval *approval, enum tc_gate gate,
                      struct tc_gate_view *ret)
{
    const struct tc_gate_facts *facts = &approval->gates[gate];
    bool by_people = facts->managed == TC_GATE_UNMANAGED &&
                     !(facts->refusal != TC_NOT_REFUSED && facts->refused_by_profile);

    *ret = (struct tc_gate_view){
        .state = facts->state,
        .source = source_of(facts),
        .asked = facts->asked,
        .consent = facts->consent,
        .since_ns = facts->since_ns,
        .managed = facts->managed,
        .result = facts->result,
        .error = facts->error,
        .who = by_people && is_answered(facts->state) ? facts->who : "",
        .profile = facts->profile,
    };
}
