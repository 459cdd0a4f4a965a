/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what holds of an approval whatever is called in whatever order, shown on a
 * hundred thousand random sequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <string.h>

#include "core/approval/approval.h"

#define SEQUENCES 100000
#define CALLS_MAX 40
#define SECOND UINT64_C(1000000000)
#define TIMEOUT_NS (60 * SECOND)

struct run {
    struct tc_approval *approval;
    struct tc_approval_config config;
    uint64_t seed, random, now_ns;
    unsigned tickets[TC_GATES];
    bool hold;

    /* What the events have said. */
    bool shown[TC_GATES];
    unsigned timeouts;    /* in this flow */
    uint64_t deadline_ns; /* of this flow; 0: no extension has been prompted */
};

/* xorshift64*, so that a seed gives the same run everywhere. */
static unsigned dice(struct run *run, unsigned sides)
{
    run->random ^= run->random >> 12;
    run->random ^= run->random << 25;
    run->random ^= run->random >> 27;
    return (unsigned)((run->random * UINT64_C(2685821657736338717)) >> 33) % sides;
}

#define CHECK(run, condition)                                                            \
    do {                                                                                 \
        if (!(condition))                                                                \
            fail_msg("seed %" PRIu64 ": not %s", (run)->seed, #condition);               \
    } while (0)

static bool is_extension(enum tc_gate gate)
{
    return gate == TC_GATE_ES_EXTENSION || gate == TC_GATE_NETWORK_EXTENSION;
}

static void take_event(void *arg, const struct tc_approval_event *event)
{
    struct run *run = arg;

    switch (event->what) {
    case TC_APPROVAL_FLOW_STARTED:
        run->timeouts = 0;
        run->deadline_ns = 0;
        break;
    case TC_APPROVAL_PROMPT_SHOWN:
        for (enum tc_gate g = 0; g < TC_GATES; g++)
            CHECK(run, !run->shown[g]);
        run->shown[event->gate] = true;
        CHECK(run, event->n >= 1 && event->n <= event->of && event->of <= TC_GATES);
        if (is_extension(event->gate) && !run->deadline_ns)
            run->deadline_ns = run->now_ns + event->left_ns;
        break;
    case TC_APPROVAL_PROMPT_WITHDRAWN:
        CHECK(run, run->shown[event->gate]);
        run->shown[event->gate] = false;
        break;
    case TC_APPROVAL_TIMEOUT:
        run->timeouts++;
        CHECK(run, run->timeouts == 1);
        CHECK(run, run->deadline_ns && run->now_ns >= run->deadline_ns);
        CHECK(run, event->gates != 0);
        break;
    default:
        break;
    }
}

static void answer_probe(struct run *run, enum tc_gate gate)
{
    unsigned ticket = run->tickets[gate];
    enum tc_probe_result result = dice(run, 4) ? TC_PROBE_OK : TC_PROBE_INTERNAL;

    run->tickets[gate] = 0;
    tc_approval_probed(run->approval, gate, ticket, result, 0, run->now_ns);
}

static void take_probe(void *arg, enum tc_gate gate, unsigned ticket)
{
    struct run *run = arg;

    run->tickets[gate] = ticket;
    if (!run->hold)
        answer_probe(run, gate);
}

static void answer(struct run *run, enum tc_gate gate)
{
    enum tc_approval_answer kind = dice(run, 4) > 2 ? 1 + dice(run, 2) : TC_ANSWER_GRANT;
    struct tc_gate_view before, after;
    char why[256] = "", foretold[256] = "";
    int r;

    /* What it says depends on the time; so time passes first. */
    tc_approval_tick(run->approval, run->now_ns);
    tc_approval_gate(run->approval, gate, &before);
    r = tc_approval_may_answer(run->approval, gate, kind, foretold);
    if (!r)
        run->shown[gate] = false; /* answered, not withdrawn */
    CHECK(run,
          r == tc_approval_answer(run->approval, gate, kind, "root", run->now_ns, why));
    CHECK(run, (r != 0) == (*why != '\0') && !strcmp(why, foretold));
    tc_approval_gate(run->approval, gate, &after);
    if (r)
        CHECK(run, before.state == after.state && before.consent == after.consent);
    else
        CHECK(run, after.consent == (kind == TC_ANSWER_GRANT));
}

/* A timeout never revokes, nor does any other passing of time. */
static void pass_time(struct run *run)
{
    struct tc_gate_view before[TC_GATES], after;

    for (enum tc_gate g = 0; g < TC_GATES; g++)
        tc_approval_gate(run->approval, g, &before[g]);
    run->now_ns += dice(run, 40) * SECOND;
    tc_approval_tick(run->approval, run->now_ns);
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        tc_approval_gate(run->approval, g, &after);
        CHECK(run, after.consent == before[g].consent);
        CHECK(run,
              after.state == before[g].state || (before[g].state == TC_GATE_PROMPTING &&
                                                 after.state == TC_GATE_UNREQUESTED));
    }
}

static void set_prerequisites(struct run *run)
{
    struct tc_prerequisite list[] = {{"os_version", "1", "2", dice(run, 4) != 0}};

    tc_approval_set_prerequisites(run->approval, list, dice(run, 2), run->now_ns);
}

static void call(struct run *run)
{
    enum tc_gate gate = (enum tc_gate)dice(run, TC_GATES);

    switch (dice(run, 16)) {
    case 0:
        tc_approval_prepare(run->approval, run->now_ns);
        break;
    case 1:
        tc_approval_begin(run->approval, run->now_ns);
        break;
    case 2:
        tc_approval_set_gates(run->approval, dice(run, 3) ? 15 : dice(run, 16),
                              run->now_ns);
        break;
    case 3:
        set_prerequisites(run);
        break;
    case 4:
        tc_approval_set_consent(run->approval, gate, dice(run, 3) ? "root" : NULL,
                                run->now_ns);
        break;
    case 5:
        tc_approval_set_managed(run->approval, gate,
                                dice(run, 2) ? TC_GATE_UNMANAGED
                                             : (enum tc_gate_managed)dice(run, 4),
                                "profile", run->now_ns);
        break;
    case 6:
        run->config.late_swap = dice(run, 2);
        run->config.all_gates = dice(run, 2);
        run->config.required = dice(run, 6) != 0;
        tc_approval_configure(run->approval, &run->config, run->now_ns);
        break;
    case 7:
        tc_approval_retry(run->approval, run->now_ns);
        break;
    case 8:
        run->hold = dice(run, 2);
        break;
    case 9:
        answer_probe(run, gate);
        break;
    case 10:
        tc_approval_failed(run->approval, gate, 5, run->now_ns);
        break;
    case 11:
    case 12:
        pass_time(run);
        break;
    default:
        answer(run, gate);
    }
}

static bool passed(const struct tc_gate_view *gate)
{
    return !gate->asked || gate->state == TC_GATE_GRANTED ||
           gate->state == TC_GATE_REBOOT_REQUIRED;
}

static void check_gates(struct run *run, const struct tc_gate_view gates[TC_GATES])
{
    unsigned prompting = 0;
    bool before = true; /* all before it are granted */

    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        prompting += gates[g].state == TC_GATE_PROMPTING;
        CHECK(run, run->shown[g] == (gates[g].state == TC_GATE_PROMPTING));
        CHECK(run, gates[g].state != TC_GATE_QUEUED || !before);
        CHECK(run, gates[g].asked || gates[g].state == TC_GATE_UNREQUESTED);
        /* Nobody's yes is nobody's grant. */
        CHECK(run, !passed(&gates[g]) || !gates[g].asked || !run->config.required ||
                       gates[g].source != TC_GATE_BY_NOBODY);
        CHECK(run, !passed(&gates[g]) || !gates[g].asked ||
                       gates[g].managed <= TC_GATE_PROFILE_ALLOWS);
        before = before && passed(&gates[g]);
    }
    CHECK(run, prompting <= 1);
}

static void check_view(struct run *run, const struct tc_gate_view gates[TC_GATES])
{
    struct tc_approval_view view;
    char text[256], fix[128];
    bool all = true, es = true;

    tc_approval_snapshot(run->approval, run->now_ns, &view);
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        if (!gates[g].asked || gates[g].state == TC_GATE_GRANTED)
            continue;
        all = false;
        if (g == TC_GATE_ES_EXTENSION || g == TC_GATE_FULL_DISK_ACCESS)
            es = false;
    }
    CHECK(run, !view.primary_allowed || (run->config.all_gates ? all : es));
    CHECK(run, view.phase != TC_APPROVAL_PREREQ_FAILED ||
                   (!view.primary_allowed && !view.network_allowed));
    CHECK(run, view.phase != TC_APPROVAL_COMPLETE || (all && view.primary_allowed));
    CHECK(run, (view.phase != TC_APPROVAL_COMPLETE) ==
                   tc_approval_issue(&view, gates, 0, text, fix));
}

/* Exactly one timeout, once the minute is over with an extension missing all along. */
static void check_timer(struct run *run, const struct tc_gate_view gates[TC_GATES],
                        bool asking)
{
    if (!asking || (passed(&gates[TC_GATE_ES_EXTENSION]) &&
                    passed(&gates[TC_GATE_NETWORK_EXTENSION]))) {
        /* The minute is over, well or for want of a flow, until the next prompt. */
        if (!run->timeouts)
            run->deadline_ns = 0;
        CHECK(run, tc_approval_next_ns(run->approval) == UINT64_MAX);
        return;
    }
    if (run->deadline_ns)
        CHECK(run, run->timeouts == (run->now_ns >= run->deadline_ns));
}

static void check(struct run *run)
{
    struct tc_gate_view gates[TC_GATES];
    struct tc_approval_view view;

    tc_approval_snapshot(run->approval, run->now_ns, &view);
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        tc_approval_gate(run->approval, g, &gates[g]);
    check_gates(run, gates);
    check_view(run, gates);
    check_timer(run, gates,
                run->config.required && view.phase != TC_APPROVAL_PREREQ_FAILED);
}

static void run_sequence(uint64_t seed)
{
    struct run run = {.seed = seed,
                      .random = seed,
                      .now_ns = SECOND,
                      .config = {.required = true,
                                 .timeout_ns = TIMEOUT_NS,
                                 .late_swap = true,
                                 .all_gates = true}};
    const struct tc_approval_callbacks callbacks = {&run, take_event, take_probe};
    unsigned calls = 1 + dice(&run, CALLS_MAX);

    run.approval = tc_approval_new(&run.config, &callbacks);
    assert_non_null(run.approval);
    tc_approval_set_gates(run.approval, 15, run.now_ns);
    if (dice(&run, 4))
        tc_approval_begin(run.approval, run.now_ns);
    for (unsigned i = 0; i < calls; i++) {
        call(&run);
        check(&run);
    }
    tc_approval_free(run.approval);
}

static void invariants_hold_whatever_is_called_in_whatever_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEQUENCES; seed++)
        run_sequence(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invariants_hold_whatever_is_called_in_whatever_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
