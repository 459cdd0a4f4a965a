/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what follows from the facts of an approval: the state of every gate, the flow and
 * its minute, the prompts, and an event of every change. Must not: change what
 * somebody has said (approval.c does).
 */
#include <string.h>

#include "core/approval/approval_priv.h"

#define EXTENSIONS (1u << TC_GATE_ES_EXTENSION | 1u << TC_GATE_NETWORK_EXTENSION)
#define ALL_GATES ((1u << TC_GATES) - 1)

/* The gate without which a probe of this one can say nothing; itself: none. */
static const enum tc_gate probe_needs[TC_GATES] = {
    [TC_GATE_ES_EXTENSION] = TC_GATE_ES_EXTENSION,
    [TC_GATE_NETWORK_EXTENSION] = TC_GATE_NETWORK_EXTENSION,
    [TC_GATE_NETWORK_FILTER] = TC_GATE_NETWORK_EXTENSION,
    [TC_GATE_FULL_DISK_ACCESS] = TC_GATE_ES_EXTENSION,
};

void tc_approval_emit(struct tc_approval *approval, const struct tc_approval_event *event)
{
    approval->callbacks.event(approval->callbacks.arg, event);
}

const struct tc_prerequisite *tc_approval_unmet(const struct tc_approval *approval)
{
    for (size_t i = 0; i < approval->prerequisite_count; i++)
        if (!approval->prerequisites[i].met)
            return &approval->prerequisites[i];
    return NULL;
}

bool tc_gate_consented(const struct tc_gate_facts *gate)
{
    return gate->managed == TC_GATE_PROFILE_ALLOWS ||
           (gate->managed == TC_GATE_UNMANAGED && gate->consent);
}

bool tc_gate_passed(enum tc_gate_state state)
{
    return state == TC_GATE_GRANTED || state == TC_GATE_REBOOT_REQUIRED;
}

/* Stands still by itself: somebody has to do something first. */
static bool refused(enum tc_gate_state state)
{
    return state == TC_GATE_DENIED || state == TC_GATE_REVOKED ||
           state == TC_GATE_FORBIDDEN || state == TC_GATE_ERROR;
}

static bool of_network(enum tc_gate gate)
{
    return gate == TC_GATE_NETWORK_EXTENSION || gate == TC_GATE_NETWORK_FILTER;
}

/*
 * Where every sensor goes by its own gates, one that was refused holds up only those of
 * the same sensor.
 */
enum tc_gate tc_approval_blocker(const struct tc_approval *approval, enum tc_gate gate,
                                 const enum tc_gate_state states[TC_GATES])
{
    for (enum tc_gate g = 0; g < gate; g++) {
        if (tc_gate_passed(states[g]))
            continue;
        if (approval->config.all_gates || !refused(states[g]) ||
            of_network(g) == of_network(gate))
            return g;
    }
    return TC_GATES;
}

void tc_approval_states(const struct tc_approval *approval,
                        enum tc_gate_state ret[TC_GATES])
{
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        ret[g] = approval->gates[g].asked ? approval->gates[g].state : TC_GATE_GRANTED;
}

static bool extensions_passed(const enum tc_gate_state states[TC_GATES])
{
    return tc_gate_passed(states[TC_GATE_ES_EXTENSION]) &&
           tc_gate_passed(states[TC_GATE_NETWORK_EXTENSION]);
}

/* ---- The states that follow from the facts. ---- */

static enum tc_gate_state consented_state(const struct tc_approval *approval,
                                          enum tc_gate g,
                                          const enum tc_gate_state before[TC_GATES])
{
    const struct tc_gate_facts *gate = &approval->gates[g];

    switch (gate->probe) {
    case TC_PROBE_GOOD:
        return gate->restart ? TC_GATE_REBOOT_REQUIRED : TC_GATE_GRANTED;
    case TC_PROBE_BAD:
        return TC_GATE_ERROR;
    case TC_PROBE_OUT:
        return TC_GATE_UNKNOWN;
    default:
        break;
    }
    if (tc_approval_unmet(approval))
        return TC_GATE_UNREQUESTED;
    if (probe_needs[g] != g && !tc_gate_passed(before[probe_needs[g]]))
        return TC_GATE_QUEUED;
    return TC_GATE_UNKNOWN;
}

static enum tc_gate_state unanswered_state(const struct tc_approval *approval,
                                           enum tc_gate g,
                                           const enum tc_gate_state before[TC_GATES])
{
    bool timed_out;

    if (tc_approval_unmet(approval))
        return TC_GATE_UNREQUESTED;
    if (tc_approval_blocker(approval, g, before) != TC_GATES)
        return TC_GATE_QUEUED;
    /* After the timeout no prompt shows while an extension is missing. An extension that
     * comes here is missing. */
    timed_out = approval->timer == TC_TIMER_FIRED &&
                (tc_gate_is_extension(g) || !extensions_passed(before));
    return approval->begun && !timed_out ? TC_GATE_PROMPTING : TC_GATE_UNREQUESTED;
}

/* The state of one gate, given those of the gates before it. */
static enum tc_gate_state make_state(const struct tc_approval *approval, enum tc_gate g,
                                     const enum tc_gate_state before[TC_GATES])
{
    const struct tc_gate_facts *gate = &approval->gates[g];

    if (!approval->prepared)
        return TC_GATE_UNKNOWN;
    if (gate->managed == TC_GATE_PROFILE_FORBIDS)
        return TC_GATE_FORBIDDEN;
    if (gate->managed == TC_GATE_PROFILE_DENIES)
        return TC_GATE_DENIED;
    if (!approval->config.required)
        return TC_GATE_GRANTED;
    if (tc_gate_consented(gate))
        return consented_state(approval, g, before);
    if (gate->refusal == TC_REFUSED_DENIED)
        return TC_GATE_DENIED;
    if (gate->refusal == TC_REFUSED_REVOKED)
        return TC_GATE_REVOKED;
    return unanswered_state(approval, g, before);
}

/* Unneeded gates count as granted. */
static void make_states(const struct tc_approval *approval,
                        enum tc_gate_state ret[TC_GATES])
{
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        ret[g] =
            approval->gates[g].asked ? make_state(approval, g, ret) : TC_GATE_GRANTED;
}

/* What a state is due to: a profile, or else people. */
static bool due_to_profile(const struct tc_gate_facts *gate)
{
    return gate->managed != TC_GATE_UNMANAGED ||
           (gate->refusal != TC_NOT_REFUSED && gate->refused_by_profile);
}

/* ---- events ---- */

uint64_t tc_approval_next_ns(const struct tc_approval *approval)
{
    uint64_t end = approval->timer_started_ns + approval->config.timeout_ns;

    if (approval->timer != TC_TIMER_RUNS || end < approval->timer_started_ns)
        return UINT64_MAX;
    return end;
}

uint64_t tc_approval_left_ns(const struct tc_approval *approval, uint64_t now_ns)
{
    uint64_t end = tc_approval_next_ns(approval);

    return approval->timer == TC_TIMER_RUNS && end > now_ns ? end - now_ns : 0;
}

unsigned tc_approval_prompts(const struct tc_approval *approval)
{
    const struct tc_gate_facts *gate;
    unsigned of = approval->prompts;

    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        gate = &approval->gates[g];
        of += gate->asked && !gate->n && gate->managed == TC_GATE_UNMANAGED &&
              !gate->consent && gate->refusal == TC_NOT_REFUSED;
    }
    return of;
}

/* The gate itself, and who or which profile its state is due to. */
static void emit_gate(struct tc_approval *approval, enum tc_gate g,
                      enum tc_approval_event_type what)
{
    struct tc_gate_facts *gate = &approval->gates[g];
    struct tc_approval_event event = {.what = what, .gate = g};
    struct tc_gate_view view;

    tc_approval_gate(approval, g, &view);
    event.source = view.source;
    event.who = view.who;
    event.profile = view.profile;
    if (what == TC_APPROVAL_PROBE_FAILED) {
        event.result = gate->result;
        event.error = gate->error;
    }
    if (what == TC_APPROVAL_PROMPT_SHOWN) {
        event.n = gate->n;
        event.of = tc_approval_prompts(approval);
        if (tc_gate_is_extension(g))
            event.left_ns = tc_approval_left_ns(approval, approval->now_ns);
    }
    tc_approval_emit(approval, &event);
}

void tc_approval_withdraw(struct tc_approval *approval, enum tc_gate gate,
                          const char *reason)
{
    const struct tc_approval_event event = {
        .what = TC_APPROVAL_PROMPT_WITHDRAWN, .gate = gate, .reason = reason};

    tc_approval_emit(approval, &event);
}

static const char *reason_to_withdraw(const struct tc_approval *approval, enum tc_gate g,
                                      enum tc_gate_state state)
{
    const struct tc_gate_facts *gate = &approval->gates[g];

    if (!gate->asked)
        return "not_needed";
    if (gate->managed != TC_GATE_UNMANAGED)
        return "managed";
    if (!approval->config.required)
        return "not_required";
    if (tc_approval_unmet(approval))
        return "prerequisites";
    return state == TC_GATE_UNREQUESTED ? "timeout" : "predecessor";
}

/* ---- Entering a state. ---- */

static void show_prompt(struct tc_approval *approval, enum tc_gate g)
{
    struct tc_gate_facts *gate = &approval->gates[g];

    if (!gate->n)
        gate->n = ++approval->prompts;
    gate->late = false;
    if (tc_gate_is_extension(g) && approval->timer == TC_TIMER_NOT_STARTED) {
        approval->timer = TC_TIMER_RUNS;
        approval->timer_started_ns = approval->now_ns;
    }
    emit_gate(approval, g, TC_APPROVAL_PROMPT_SHOWN);
}

static void emit_granted(struct tc_approval *approval, enum tc_gate g)
{
    struct tc_gate_facts *gate = &approval->gates[g];
    bool late = gate->late;

    gate->late = false;
    if (approval->config.required)
        emit_gate(approval, g, late ? TC_APPROVAL_LATE_GRANTED : TC_APPROVAL_GRANTED);
}

static void emit_refused(struct tc_approval *approval, enum tc_gate g,
                         enum tc_approval_event_type what)
{
    approval->gates[g].late = true;
    emit_gate(approval, g, what);
}

/* Gives the gate its state, and emits what that means if it is new. */
static void enter(struct tc_approval *approval, enum tc_gate g, enum tc_gate_state state)
{
    struct tc_gate_facts *gate = &approval->gates[g];
    enum tc_gate_state old = gate->state;
    bool by_profile = due_to_profile(gate);
    bool same = old == state && gate->by_profile == by_profile;

    gate->by_profile = by_profile;
    gate->state = state;
    if (old != state)
        gate->since_ns = approval->now_ns;
    if (same || (old == state && state == TC_GATE_PROMPTING))
        return;
    if (old == TC_GATE_PROMPTING)
        tc_approval_withdraw(approval, g, reason_to_withdraw(approval, g, state));
    switch (state) {
    case TC_GATE_PROMPTING:
        show_prompt(approval, g);
        break;
    case TC_GATE_GRANTED:
        if (old != TC_GATE_REBOOT_REQUIRED)
            emit_granted(approval, g);
        break;
    case TC_GATE_REBOOT_REQUIRED:
        emit_granted(approval, g);
        break;
    case TC_GATE_DENIED:
        emit_refused(approval, g, TC_APPROVAL_GATE_DENIED);
        break;
    case TC_GATE_REVOKED:
        emit_refused(approval, g, TC_APPROVAL_GATE_REVOKED);
        break;
    case TC_GATE_FORBIDDEN:
        emit_refused(approval, g, TC_APPROVAL_GATE_FORBIDDEN);
        break;
    case TC_GATE_ERROR:
        if (old != TC_GATE_ERROR)
            emit_gate(approval, g, TC_APPROVAL_PROBE_FAILED);
        break;
    default:
        break;
    }
}

/* Asks the system about a gate that has consent and lacks only that. */
static void probe(struct tc_approval *approval, enum tc_gate g)
{
    struct tc_gate_facts *gate = &approval->gates[g];

    gate->probe = TC_PROBE_OUT;
    gate->ticket = ++approval->ticket;
    approval->callbacks.probe(approval->callbacks.arg, g, gate->ticket);
}

static bool wants_probe(const struct tc_approval *approval, enum tc_gate g,
                        enum tc_gate_state state)
{
    const struct tc_gate_facts *gate = &approval->gates[g];

    return approval->prepared && gate->asked && state == TC_GATE_UNKNOWN &&
           gate->probe == TC_NOT_PROBED;
}

/* ---- The flow. ---- */

/* What the system has said counts for the consent it was asked for, not for the next. */
static void forget_probes(struct tc_approval *approval)
{
    struct tc_gate_facts *gate;

    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        gate = &approval->gates[g];
        if (gate->asked && tc_gate_consented(gate))
            continue;
        gate->probe = TC_NOT_PROBED;
        gate->result = TC_PROBE_OK;
        gate->error = 0;
    }
}

static void emit_prerequisites(struct tc_approval *approval)
{
    struct tc_approval_event event = {.what = TC_APPROVAL_PREREQUISITE_FAILED};

    for (size_t i = 0; i < approval->prerequisite_count; i++) {
        if (approval->prerequisites[i].met || approval->prerequisite_reported[i])
            continue;
        approval->prerequisite_reported[i] = true;
        event.prerequisite = &approval->prerequisites[i];
        tc_approval_emit(approval, &event);
    }
}

/* The gates of `among` that lack. */
static unsigned lacking(const enum tc_gate_state states[TC_GATES], unsigned among)
{
    unsigned set = 0;

    for (enum tc_gate g = 0; g < TC_GATES; g++)
        if (among & 1u << g && !tc_gate_passed(states[g]))
            set |= 1u << g;
    return set;
}

/* Starts a flow where one is due: at the beginning, at a retry, and when an extension is
 * to be asked for though the minute of the flow before has ended well. */
static void open_flow(struct tc_approval *approval,
                      const enum tc_gate_state states[TC_GATES])
{
    struct tc_approval_event event = {.what = TC_APPROVAL_FLOW_STARTED};
    bool again = approval->timer == TC_TIMER_ENDED &&
                 (states[TC_GATE_ES_EXTENSION] == TC_GATE_PROMPTING ||
                  states[TC_GATE_NETWORK_EXTENSION] == TC_GATE_PROMPTING);

    if (!approval->begun || !approval->config.required || tc_approval_unmet(approval)) {
        approval->flow = false;
        approval->timer = TC_TIMER_NOT_STARTED;
        return;
    }
    if (approval->flow && !again)
        return;
    approval->flow = true;
    approval->timer = TC_TIMER_NOT_STARTED;
    approval->prompts = 0;
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        approval->gates[g].n = 0;
    event.gates = lacking(states, ALL_GATES);
    if (event.gates)
        tc_approval_emit(approval, &event);
    /* With a new minute the states may be others. */
    approval->changed = true;
}

static void fire_timer(struct tc_approval *approval)
{
    struct tc_approval_event event = {.what = TC_APPROVAL_TIMEOUT};
    enum tc_gate_state states[TC_GATES];

    if (approval->timer != TC_TIMER_RUNS ||
        approval->now_ns < tc_approval_next_ns(approval))
        return;
    approval->timer = TC_TIMER_FIRED;
    tc_approval_states(approval, states);
    event.gates = lacking(states, EXTENSIONS);
    tc_approval_emit(approval, &event);
}

static void close_flow(struct tc_approval *approval,
                       const enum tc_gate_state states[TC_GATES])
{
    const struct tc_approval_event event = {.what = TC_APPROVAL_FLOW_COMPLETED};
    bool complete = approval->flow;

    if (extensions_passed(states) &&
        (approval->timer == TC_TIMER_RUNS || approval->timer == TC_TIMER_FIRED)) {
        approval->timer = TC_TIMER_ENDED;
        /* After the minute, the untimed gates are asked about only now. */
        approval->changed = true;
    }
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        complete = complete && states[g] == TC_GATE_GRANTED;
    if (complete && !approval->completed)
        tc_approval_emit(approval, &event);
    approval->completed = complete;
}

/* One way through; ends early when a callback has changed a fact. */
static void reconcile_once(struct tc_approval *approval)
{
    enum tc_gate_state states[TC_GATES] = {TC_GATE_UNKNOWN};
    struct tc_gate_facts *gate;

    forget_probes(approval);
    if (approval->prepared)
        emit_prerequisites(approval);
    fire_timer(approval);
    make_states(approval, states);
    open_flow(approval, states);
    /* A prompt goes before the next one comes. */
    for (enum tc_gate g = 0; g < TC_GATES && !approval->changed; g++) {
        gate = &approval->gates[g];
        if (gate->state == TC_GATE_PROMPTING && states[g] != TC_GATE_PROMPTING)
            enter(approval, g, gate->asked ? states[g] : TC_GATE_UNREQUESTED);
    }
    for (enum tc_gate g = 0; g < TC_GATES && !approval->changed; g++) {
        enter(approval, g, approval->gates[g].asked ? states[g] : TC_GATE_UNREQUESTED);
        if (!approval->changed && wants_probe(approval, g, states[g]))
            probe(approval, g);
    }
    if (!approval->changed)
        close_flow(approval, states);
}

void tc_approval_reconcile(struct tc_approval *approval, uint64_t now_ns)
{
    approval->now_ns = now_ns;
    approval->changed = true;
    if (approval->settling)
        return;
    approval->settling = true;
    while (approval->changed) {
        approval->changed = false;
        reconcile_once(approval);
    }
    approval->settling = false;
}
