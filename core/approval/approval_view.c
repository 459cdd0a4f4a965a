/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what others see of an approval. Changes nothing. */
#include <stddef.h>

#include "core/approval/approval_priv.h"

static unsigned pending(const enum tc_gate_state states[TC_GATES])
{
    unsigned set = 0;

    for (enum tc_gate g = 0; g < TC_GATES; g++)
        if (!tc_gate_passed(states[g]))
            set |= 1u << g;
    return set;
}

static bool is_in(unsigned set, enum tc_gate_state state,
                  const enum tc_gate_state states[TC_GATES], enum tc_gate *ret_first)
{
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        if (!(set & 1u << g) || states[g] != state)
            continue;
        *ret_first = g;
        return true;
    }
    return false;
}

/* Nobody is prompted: what the first gate that lacks stands for. */
static enum tc_approval_phase standing(const struct tc_approval *approval,
                                       enum tc_gate_state state)
{
    switch (state) {
    case TC_GATE_DENIED:
    case TC_GATE_REVOKED:
        return TC_APPROVAL_DENIED;
    case TC_GATE_FORBIDDEN:
        return TC_APPROVAL_FORBIDDEN;
    case TC_GATE_ERROR:
        return TC_APPROVAL_ERROR;
    default:
        return approval->timer == TC_TIMER_FIRED ? TC_APPROVAL_TIMED_OUT
                                                 : TC_APPROVAL_PROBING;
    }
}

static enum tc_approval_phase phase_of(const struct tc_approval *approval,
                                       const enum tc_gate_state states[TC_GATES],
                                       enum tc_gate *ret_gate)
{
    static const enum tc_approval_phase prompting[TC_GATES] = {
        [TC_GATE_ES_EXTENSION] = TC_APPROVAL_PROMPTING,
        [TC_GATE_NETWORK_EXTENSION] = TC_APPROVAL_PROMPTING,
        [TC_GATE_NETWORK_FILTER] = TC_APPROVAL_FILTER_WAIT,
        [TC_GATE_FULL_DISK_ACCESS] = TC_APPROVAL_DISK_WAIT,
    };
    const unsigned all = (1u << TC_GATES) - 1, lacks = pending(states);

    if (approval->prepared && tc_approval_unmet(approval))
        return TC_APPROVAL_PREREQ_FAILED;
    if (!approval->begun)
        return TC_APPROVAL_IDLE;
    if (!lacks)
        return is_in(all, TC_GATE_REBOOT_REQUIRED, states, ret_gate)
                   ? TC_APPROVAL_RESTART_NEEDED
                   : TC_APPROVAL_COMPLETE;
    if (is_in(lacks, TC_GATE_PROMPTING, states, ret_gate))
        return prompting[*ret_gate];
    *ret_gate = (enum tc_gate)__builtin_ctz(lacks);
    return standing(approval, states[*ret_gate]);
}

static bool allowed(const struct tc_approval *approval,
                    const enum tc_gate_state states[TC_GATES], unsigned needed)
{
    if (!approval->prepared || tc_approval_unmet(approval))
        return false;
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        if (needed & 1u << g && states[g] != TC_GATE_GRANTED)
            return false;
    return true;
}

void tc_approval_snapshot(const struct tc_approval *approval, uint64_t now_ns,
                          struct tc_approval_view *ret)
{
    const unsigned network =
        1u << TC_GATE_NETWORK_EXTENSION | 1u << TC_GATE_NETWORK_FILTER;
    const unsigned es = 1u << TC_GATE_ES_EXTENSION | 1u << TC_GATE_FULL_DISK_ACCESS;
    enum tc_gate_state states[TC_GATES];

    tc_approval_states(approval, states);
    *ret = (struct tc_approval_view){
        .pending = pending(states),
        .primary_allowed =
            allowed(approval, states, approval->config.all_gates ? es | network : es),
        .network_allowed = allowed(approval, states, network),
        .settled = true,
        .prerequisites = approval->prerequisites,
        .prerequisite_count = approval->prerequisite_count,
    };
    ret->phase = phase_of(approval, states, &ret->gate);
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        if (approval->gates[g].probe == TC_PROBE_OUT)
            ret->settled = false;
    if (ret->phase == TC_APPROVAL_PROMPTING)
        ret->left_ns = tc_approval_left_ns(approval, now_ns);
    ret->n = approval->gates[ret->gate].n;
    ret->of = tc_approval_prompts(approval);
}
