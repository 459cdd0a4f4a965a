/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: an approval as the control socket shows it: the map that approval.list answers
 * with. Changes nothing. */
#include "core/approval/approval_priv.h"
#include "ipc/pack.h"

#define NS_PER_S 1000000000u

static uint64_t seconds_up(uint64_t ns)
{
    return ns / NS_PER_S + (ns % NS_PER_S != 0);
}

static void put_text(struct tc_pack *p, const char *key, const char *text)
{
    if (*text)
        tc_pack_str(p, key, text);
}

static void put_gate(struct tc_pack *p, enum tc_gate g, const struct tc_gate_view *gate,
                     uint64_t now_ns)
{
    uint64_t age_ns = now_ns > gate->since_ns ? now_ns - gate->since_ns : 0;

    tc_pack_begin_map(p, NULL);
    tc_pack_str(p, "gate", tc_gate_name(g));
    tc_pack_str(p, "state", tc_gate_state_name(gate->state));
    tc_pack_str(p, "source", tc_gate_source_name(gate->source));
    put_text(p, "who", gate->who);
    put_text(p, "profile", gate->profile);
    tc_pack_uint(p, "age_seconds", gate->since_ns ? age_ns / NS_PER_S : 0);
    tc_pack_bool(p, "asked", gate->asked);
    if (gate->state == TC_GATE_ERROR) {
        tc_pack_str(p, "result", tc_probe_result_name(gate->result));
        tc_pack_int(p, "error", gate->error);
    }
    tc_pack_str(p, "extension_state", tc_gate_extension_state(gate));
    tc_pack_end(p);
}

static void put_prerequisites(struct tc_pack *p, const struct tc_approval_view *view)
{
    const struct tc_prerequisite *one;

    tc_pack_begin_array(p, "prerequisites");
    for (size_t i = 0; i < view->prerequisite_count; i++) {
        one = &view->prerequisites[i];
        tc_pack_begin_map(p, NULL);
        tc_pack_str(p, "name", one->name);
        tc_pack_str(p, "have", one->have);
        tc_pack_str(p, "need", one->need);
        tc_pack_bool(p, "met", one->met);
        tc_pack_end(p);
    }
    tc_pack_end(p);
}

/* As health has them. */
static void put_issues(struct tc_pack *p, const struct tc_approval_view *view,
                       const struct tc_gate_view gates[TC_GATES])
{
    char text[256], fix[128];

    tc_pack_begin_array(p, "issues");
    for (size_t i = 0; tc_approval_issue(view, gates, i, text, fix); i++) {
        tc_pack_begin_map(p, NULL);
        tc_pack_str(p, "text", text);
        put_text(p, "fix", fix);
        tc_pack_end(p);
    }
    tc_pack_end(p);
}

/* Whether the phase is about one gate. */
static bool has_gate(enum tc_approval_phase phase)
{
    return phase != TC_APPROVAL_IDLE && phase != TC_APPROVAL_PREREQ_FAILED &&
           phase != TC_APPROVAL_COMPLETE;
}

void tc_approval_put_gates(const struct tc_approval *approval, uint64_t now_ns,
                           struct tc_pack *p)
{
    struct tc_gate_view gate;

    tc_pack_begin_array(p, "gates");
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        tc_approval_gate(approval, g, &gate);
        put_gate(p, g, &gate, now_ns);
    }
    tc_pack_end(p);
}

void tc_approval_put(const struct tc_approval *approval, uint64_t now_ns,
                     struct tc_pack *p)
{
    struct tc_gate_view gates[TC_GATES];
    struct tc_approval_view view;

    tc_approval_snapshot(approval, now_ns, &view);
    tc_pack_str(p, "phase", tc_approval_phase_name(view.phase));
    if (has_gate(view.phase))
        tc_pack_str(p, "gate", tc_gate_name(view.gate));
    if (view.phase == TC_APPROVAL_PROMPTING)
        tc_pack_uint(p, "left_seconds", seconds_up(view.left_ns));
    tc_pack_bool(p, "required", approval->config.required);
    tc_pack_str(p, "policy", approval->config.all_gates ? "all_gates" : "per_sensor");
    tc_pack_uint(p, "timeout_seconds", seconds_up(approval->config.timeout_ns));
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        tc_approval_gate(approval, g, &gates[g]);
    tc_approval_put_gates(approval, now_ns, p);
    put_prerequisites(p, &view);
    put_issues(p, &view, gates);
}
