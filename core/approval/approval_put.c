/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: an approval as the control socket shows it: the map that approval.list answers
 * with. Changes nothing. */
#include <tocsin/event.h>

#include "core/approval/approval_priv.h"

#define NS_PER_S 1000000000u

static uint64_t seconds_up(uint64_t ns)
{
    return ns / NS_PER_S + (ns % NS_PER_S != 0);
}

static void put_text(struct tocsin_writer *w, const char *key, const char *text)
{
    if (*text)
        tocsin_put_str(w, key, text);
}

static void put_gate(struct tocsin_writer *w, enum tc_gate g,
                     const struct tc_gate_view *gate, uint64_t now_ns)
{
    uint64_t age_ns = now_ns > gate->since_ns ? now_ns - gate->since_ns : 0;

    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "gate", tc_gate_name(g));
    tocsin_put_str(w, "state", tc_gate_state_name(gate->state));
    tocsin_put_str(w, "source", tc_gate_source_name(gate->source));
    put_text(w, "who", gate->who);
    put_text(w, "profile", gate->profile);
    tocsin_put_uint(w, "age_seconds", gate->since_ns ? age_ns / NS_PER_S : 0);
    tocsin_put_bool(w, "asked", gate->asked);
    if (gate->state == TC_GATE_ERROR) {
        tocsin_put_str(w, "result", tc_probe_result_name(gate->result));
        tocsin_put_int(w, "error", gate->error);
    }
    tocsin_put_str(w, "extension_state", tc_gate_extension_state(gate));
    tocsin_end(w);
}

static void put_prerequisites(struct tocsin_writer *w,
                              const struct tc_approval_view *view)
{
    const struct tc_prerequisite *p;

    tocsin_begin_array(w, "prerequisites");
    for (size_t i = 0; i < view->prerequisite_count; i++) {
        p = &view->prerequisites[i];
        tocsin_begin_map(w, NULL);
        tocsin_put_str(w, "name", p->name);
        tocsin_put_str(w, "have", p->have);
        tocsin_put_str(w, "need", p->need);
        tocsin_put_bool(w, "met", p->met);
        tocsin_end(w);
    }
    tocsin_end(w);
}

/* As health has them. */
static void put_issues(struct tocsin_writer *w, const struct tc_approval_view *view,
                       const struct tc_gate_view gates[TC_GATES])
{
    char text[256], fix[128];

    tocsin_begin_array(w, "issues");
    for (size_t i = 0; tc_approval_issue(view, gates, i, text, fix); i++) {
        tocsin_begin_map(w, NULL);
        tocsin_put_str(w, "text", text);
        put_text(w, "fix", fix);
        tocsin_end(w);
    }
    tocsin_end(w);
}

/* Whether the phase is about one gate. */
static bool has_gate(enum tc_approval_phase phase)
{
    return phase != TC_APPROVAL_IDLE && phase != TC_APPROVAL_PREREQ_FAILED &&
           phase != TC_APPROVAL_COMPLETE;
}

void tc_approval_put_gates(const struct tc_approval *approval, uint64_t now_ns,
                           struct tocsin_writer *w)
{
    struct tc_gate_view gate;

    tocsin_begin_array(w, "gates");
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        tc_approval_gate(approval, g, &gate);
        put_gate(w, g, &gate, now_ns);
    }
    tocsin_end(w);
}

void tc_approval_put(const struct tc_approval *approval, uint64_t now_ns,
                     struct tocsin_writer *w)
{
    struct tc_gate_view gates[TC_GATES];
    struct tc_approval_view view;

    tc_approval_snapshot(approval, now_ns, &view);
    tocsin_put_str(w, "phase", tc_approval_phase_name(view.phase));
    if (has_gate(view.phase))
        tocsin_put_str(w, "gate", tc_gate_name(view.gate));
    if (view.phase == TC_APPROVAL_PROMPTING)
        tocsin_put_uint(w, "left_seconds", seconds_up(view.left_ns));
    tocsin_put_bool(w, "required", approval->config.required);
    tocsin_put_str(w, "policy", approval->config.all_gates ? "all_gates" : "per_sensor");
    tocsin_put_uint(w, "timeout_seconds", seconds_up(approval->config.timeout_ns));
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        tc_approval_gate(approval, g, &gates[g]);
    tc_approval_put_gates(approval, now_ns, w);
    put_prerequisites(w, &view);
    put_issues(w, &view, gates);
}
