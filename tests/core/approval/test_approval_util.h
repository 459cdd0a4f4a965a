/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a world for an approval: a clock that the test steps, a system that answers
 * probes as the test says, and a log of what was emitted, one line an event.
 */
#ifndef TC_TESTS_TEST_APPROVAL_UTIL_H
#define TC_TESTS_TEST_APPROVAL_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/approval/approval.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

#define ES TC_GATE_ES_EXTENSION
#define NET TC_GATE_NETWORK_EXTENSION
#define FILTER TC_GATE_NETWORK_FILTER
#define DISK TC_GATE_FULL_DISK_ACCESS
#define BIT(gate) (1u << (gate))
#define ALL_GATES 15u
#define EXTENSIONS (BIT(ES) | BIT(NET))

struct world {
    struct tc_approval *approval;
    struct tc_approval_config config;
    uint64_t now_ns;
    char log[8192];
    char why[256];

    /* The system: what it answers, and whether the test has to ask for the answer. */
    enum tc_probe_result results[TC_GATES];
    int errors[TC_GATES];
    bool hold;
    unsigned tickets[TC_GATES]; /* of the probes that are out; 0: none */
    unsigned probes;            /* that were asked for in all */

    /* Called with every event, before it is logged. */
    void (*on_event)(struct world *w, const struct tc_approval_event *event);
};

static inline void world_log(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline void world_log(struct world *w, const char *format, ...)
{
    size_t n = strlen(w->log);
    va_list args;

    va_start(args, format);
    vsnprintf(w->log + n, sizeof(w->log) - n, format, args);
    va_end(args);
}

static inline void world_log_gates(struct world *w, unsigned gates)
{
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        if (gates & BIT(g))
            world_log(w, " %s", tc_gate_name(g));
}

/* "granted es_extension user root": the topic without "approval.", then what applies. */
static inline void world_event(void *arg, const struct tc_approval_event *event)
{
    struct world *w = arg;

    if (w->on_event)
        w->on_event(w, event);
    world_log(w, "%s", tc_approval_topic(event->what) + strlen("approval."));
    switch (event->what) {
    case TC_APPROVAL_FLOW_STARTED:
    case TC_APPROVAL_TIMEOUT:
        world_log_gates(w, event->gates);
        break;
    case TC_APPROVAL_PREREQUISITE_FAILED:
        world_log(w, " %s: %s, not %s", event->prerequisite->name,
                  event->prerequisite->have, event->prerequisite->need);
        break;
    case TC_APPROVAL_PROMPT_SHOWN:
        world_log(w, " %s %u of %u, %" PRIu64 " ms", tc_gate_name(event->gate), event->n,
                  event->of, event->left_ns / MS);
        break;
    case TC_APPROVAL_GRANTED:
    case TC_APPROVAL_LATE_GRANTED:
        world_log(w, " %s %s", tc_gate_name(event->gate),
                  tc_gate_source_name(event->source));
        if (*event->who || *event->profile)
            world_log(w, " %s", *event->profile ? event->profile : event->who);
        break;
    case TC_APPROVAL_GATE_DENIED:
    case TC_APPROVAL_GATE_REVOKED:
    case TC_APPROVAL_GATE_FORBIDDEN:
        world_log(w, " %s %s", tc_gate_name(event->gate),
                  *event->profile ? event->profile : event->who);
        break;
    case TC_APPROVAL_PROBE_FAILED:
        world_log(w, " %s %s %d", tc_gate_name(event->gate),
                  tc_probe_result_name(event->result), event->error);
        break;
    case TC_APPROVAL_PROMPT_WITHDRAWN:
        world_log(w, " %s %s", tc_gate_name(event->gate), event->reason);
        break;
    case TC_APPROVAL_REFUSED:
        world_log(w, " %s %s: %s", tc_gate_name(event->gate), event->who, event->reason);
        break;
    case TC_APPROVAL_FLOW_COMPLETED:
        break;
    }
    world_log(w, "\n");
}

static inline void world_answer_probe(struct world *w, enum tc_gate gate)
{
    unsigned ticket = w->tickets[gate];

    assert_int_not_equal(ticket, 0);
    w->tickets[gate] = 0;
    tc_approval_probed(w->approval, gate, ticket, w->results[gate], w->errors[gate],
                       w->now_ns);
}

static inline void world_probe(void *arg, enum tc_gate gate, unsigned ticket)
{
    struct world *w = arg;

    w->probes++;
    w->tickets[gate] = ticket;
    if (!w->hold)
        world_answer_probe(w, gate);
}

/* All gates are asked for, the defaults are configured, nothing has begun. */
static inline int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const struct tc_approval_callbacks callbacks = {w, world_event, world_probe};

    assert_non_null(w);
    w->now_ns = 1000 * SECOND;
    w->config = (struct tc_approval_config){.required = true,
                                            .timeout_ns = 60 * SECOND,
                                            .late_swap = true,
                                            .all_gates = true};
    w->approval = tc_approval_new(&w->config, &callbacks);
    assert_non_null(w->approval);
    tc_approval_set_gates(w->approval, ALL_GATES, w->now_ns);
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;

    tc_approval_free(w->approval);
    free(w);
    return 0;
}

static inline void configure(struct world *w)
{
    tc_approval_configure(w->approval, &w->config, w->now_ns);
}

static inline void begin(struct world *w, unsigned gates)
{
    tc_approval_set_gates(w->approval, gates, w->now_ns);
    tc_approval_begin(w->approval, w->now_ns);
}

/* Time passes, and the caller notices. */
static inline void wait_ms(struct world *w, uint64_t ms)
{
    w->now_ns += ms * MS;
    tc_approval_tick(w->approval, w->now_ns);
}

static inline void keep(struct world *w, unsigned gates)
{
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        if (gates & BIT(g))
            tc_approval_set_consent(w->approval, g, "root", w->now_ns);
}

static inline void manage(struct world *w, enum tc_gate gate,
                          enum tc_gate_managed managed, const char *profile)
{
    tc_approval_set_managed(w->approval, gate, managed, profile, w->now_ns);
}

static inline int answer(struct world *w, enum tc_gate gate,
                         enum tc_approval_answer answer)
{
    *w->why = '\0';
    return tc_approval_answer(w->approval, gate, answer, "root", w->now_ns, w->why);
}

static inline void grant(struct world *w, enum tc_gate gate)
{
    assert_int_equal(answer(w, gate, TC_ANSWER_GRANT), 0);
}

static inline void deny(struct world *w, enum tc_gate gate)
{
    assert_int_equal(answer(w, gate, TC_ANSWER_DENY), 0);
}

static inline void revoke(struct world *w, enum tc_gate gate)
{
    assert_int_equal(answer(w, gate, TC_ANSWER_REVOKE), 0);
}

/* What was emitted since the last time. */
static inline void assert_log(struct world *w, const char *log)
{
    assert_string_equal(w->log, log);
    *w->log = '\0';
}

static inline void forget(struct world *w)
{
    *w->log = '\0';
}

static inline struct tc_gate_view gate_of(struct world *w, enum tc_gate gate)
{
    struct tc_gate_view view;

    tc_approval_gate(w->approval, gate, &view);
    return view;
}

static inline struct tc_approval_view look(struct world *w)
{
    struct tc_approval_view view;

    tc_approval_snapshot(w->approval, w->now_ns, &view);
    return view;
}

/* The states of all gates, as "granted prompting queued queued". */
static inline void assert_gates(struct world *w, const char *states)
{
    char text[256] = "";
    size_t n;

    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        n = strlen(text);
        snprintf(text + n, sizeof(text) - n, "%s%s", n ? " " : "",
                 tc_gate_state_name(gate_of(w, g).state));
    }
    assert_string_equal(text, states);
}

/* The phase, and after a blank whether es may hold the slot and netfilter may run. */
static inline void assert_phase(struct world *w, const char *phase, const char *allowed)
{
    struct tc_approval_view view = look(w);
    char text[32];

    assert_string_equal(tc_approval_phase_name(view.phase), phase);
    snprintf(text, sizeof(text), "%s%s", view.primary_allowed ? "es" : "",
             view.network_allowed ? " net" : "");
    assert_string_equal(text, allowed);
}

/* The one health issue and its fix; both empty: there is none. */
static inline void assert_issue(struct world *w, const char *text, const char *fix)
{
    struct tc_approval_view view = look(w);
    struct tc_gate_view gates[TC_GATES];
    char said[256], command[128];

    for (enum tc_gate g = 0; g < TC_GATES; g++)
        gates[g] = gate_of(w, g);
    assert_int_equal(tc_approval_issue(&view, gates, 0, said, command), *text != '\0');
    assert_string_equal(said, text);
    assert_string_equal(command, fix);
}

#define GATE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
