/* SPDX-License-Identifier: Apache-2.0 */
#include "core/approval/approval.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/approval/approval_priv.h"
#include "core/base/why.h"

struct tc_approval *tc_approval_new(const struct tc_approval_config *config,
                                    const struct tc_approval_callbacks *callbacks)
{
    struct tc_approval *approval = calloc(1, sizeof(*approval));

    if (!approval)
        return NULL;
    approval->config = *config;
    approval->callbacks = *callbacks;
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        approval->gates[g].state = TC_GATE_UNREQUESTED;
    return approval;
}

void tc_approval_free(struct tc_approval *approval)
{
    free(approval);
}

/* Longer names are cut. */
static void copy_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

/* ---- What is known. Time passes first: an answer that comes late finds it so. ---- */

void tc_approval_configure(struct tc_approval *approval,
                           const struct tc_approval_config *config, uint64_t now_ns)
{
    tc_approval_tick(approval, now_ns);
    approval->config = *config;
    for (enum tc_gate g = 0; config->late_swap && g < TC_GATES; g++)
        approval->gates[g].restart = false;
    tc_approval_reconcile(approval, now_ns);
}

void tc_approval_set_gates(struct tc_approval *approval, unsigned gates, uint64_t now_ns)
{
    tc_approval_tick(approval, now_ns);
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        approval->gates[g].asked = (gates & 1u << g) != 0;
    tc_approval_reconcile(approval, now_ns);
}

/* Whether that one, failing just as it does now, has been reported. */
static bool reported_before(const struct tc_approval *approval,
                            const struct tc_prerequisite *failed)
{
    const struct tc_prerequisite *old;

    for (size_t i = 0; i < approval->prerequisite_count; i++) {
        old = &approval->prerequisites[i];
        if (approval->prerequisite_reported[i] && !old->met &&
            !strcmp(old->name, failed->name) && !strcmp(old->have, failed->have) &&
            !strcmp(old->need, failed->need))
            return true;
    }
    return false;
}

void tc_approval_set_prerequisites(struct tc_approval *approval,
                                   const struct tc_prerequisite *list, size_t count,
                                   uint64_t now_ns)
{
    bool reported[TC_PREREQUISITES_MAX] = {false};

    tc_approval_tick(approval, now_ns);
    count = count < TC_PREREQUISITES_MAX ? count : TC_PREREQUISITES_MAX;
    for (size_t i = 0; i < count; i++)
        reported[i] = !list[i].met && reported_before(approval, &list[i]);
    if (count)
        memmove(approval->prerequisites, list, count * sizeof(*list));
    memcpy(approval->prerequisite_reported, reported, sizeof(reported));
    approval->prerequisite_count = count;
    tc_approval_reconcile(approval, now_ns);
}

void tc_approval_set_consent(struct tc_approval *approval, enum tc_gate gate,
                             const char *who, uint64_t now_ns)
{
    struct tc_gate_facts *facts = &approval->gates[gate];

    tc_approval_tick(approval, now_ns);
    facts->consent = who != NULL;
    facts->consent_earlier = who != NULL;
    if (who)
        facts->refusal = TC_NOT_REFUSED;
    if (facts->refusal == TC_NOT_REFUSED)
        copy_text(facts->who, sizeof(facts->who), who);
    tc_approval_reconcile(approval, now_ns);
}

void tc_approval_set_managed(struct tc_approval *approval, enum tc_gate gate,
                             enum tc_gate_managed managed, const char *profile,
                             uint64_t now_ns)
{
    struct tc_gate_facts *facts = &approval->gates[gate];
    bool removed;

    tc_approval_tick(approval, now_ns);
    removed = facts->managed == TC_GATE_PROFILE_ALLOWS && managed == TC_GATE_UNMANAGED &&
              facts->asked && tc_gate_passed(facts->state) && approval->config.required;
    facts->managed = managed;
    if (removed && !facts->consent) {
        /* The profile's name stays: it is what is gone. */
        facts->refusal = TC_REFUSED_REVOKED;
        facts->refused_by_profile = true;
    } else {
        copy_text(facts->profile, sizeof(facts->profile),
                  managed == TC_GATE_UNMANAGED ? "" : profile);
    }
    tc_approval_reconcile(approval, now_ns);
}

/* ---- Time and the flow. ---- */

void tc_approval_prepare(struct tc_approval *approval, uint64_t now_ns)
{
    approval->prepared = true;
    tc_approval_reconcile(approval, now_ns);
}

void tc_approval_begin(struct tc_approval *approval, uint64_t now_ns)
{
    approval->prepared = true;
    approval->begun = true;
    tc_approval_reconcile(approval, now_ns);
}

void tc_approval_tick(struct tc_approval *approval, uint64_t now_ns)
{
    tc_approval_reconcile(approval, now_ns);
}

static bool all_passed(const struct tc_approval *approval)
{
    enum tc_gate_state states[TC_GATES];

    tc_approval_states(approval, states);
    for (enum tc_gate g = 0; g < TC_GATES; g++)
        if (!tc_gate_passed(states[g]))
            return false;
    return true;
}

void tc_approval_retry(struct tc_approval *approval, uint64_t now_ns)
{
    struct tc_gate_facts *gate;

    tc_approval_tick(approval, now_ns);
    if (!approval->begun || all_passed(approval))
        return;
    for (enum tc_gate g = 0; g < TC_GATES; g++) {
        gate = &approval->gates[g];
        gate->refusal = TC_NOT_REFUSED;
        gate->late = false;
        if (gate->probe == TC_PROBE_BAD)
            gate->probe = TC_NOT_PROBED;
        if (gate->state != TC_GATE_PROMPTING)
            continue;
        gate->state = TC_GATE_UNREQUESTED;
        tc_approval_withdraw(approval, g, "retry");
    }
    approval->flow = false;
    tc_approval_reconcile(approval, now_ns);
}

/* ---- The system's answers. ---- */

void tc_approval_probed(struct tc_approval *approval, enum tc_gate gate, unsigned ticket,
                        enum tc_probe_result result, int error, uint64_t now_ns)
{
    struct tc_gate_facts *facts = &approval->gates[gate];

    tc_approval_tick(approval, now_ns);
    if (facts->probe != TC_PROBE_OUT || facts->ticket != ticket)
        return;
    facts->result = result;
    facts->error = error;
    facts->probe = result == TC_PROBE_OK ? TC_PROBE_GOOD : TC_PROBE_BAD;
    if (approval->timer == TC_TIMER_FIRED && tc_gate_is_extension(gate))
        facts->late = true;
    facts->restart =
        facts->probe == TC_PROBE_GOOD && facts->late && !approval->config.late_swap;
    tc_approval_reconcile(approval, now_ns);
}

void tc_approval_probe_again(struct tc_approval *approval, enum tc_gate gate,
                             uint64_t now_ns)
{
    struct tc_gate_facts *facts = &approval->gates[gate];

    tc_approval_tick(approval, now_ns);
    if (facts->probe != TC_PROBE_BAD)
        return;
    facts->probe = TC_NOT_PROBED;
    tc_approval_reconcile(approval, now_ns);
}

void tc_approval_failed(struct tc_approval *approval, enum tc_gate gate, int error,
                        uint64_t now_ns)
{
    struct tc_gate_facts *facts = &approval->gates[gate];

    tc_approval_tick(approval, now_ns);
    if (facts->probe != TC_PROBE_GOOD)
        return;
    facts->probe = TC_PROBE_BAD;
    facts->result = TC_PROBE_INTERNAL;
    facts->error = error;
    tc_approval_reconcile(approval, now_ns);
}

/* ---- People's answers. ---- */

/* A profile, or the configuration, has settled it. 0: people may. */
static int may_people(const struct tc_approval *approval, enum tc_gate gate,
                      enum tc_approval_answer answer, char why[256])
{
    const struct tc_gate_facts *facts = &approval->gates[gate];
    const char *name = tc_gate_name(gate);

    switch (facts->managed) {
    case TC_GATE_PROFILE_ALLOWS:
        tc_why(why, "%s is allowed by the managed profile %s", name, facts->profile);
        return answer == TC_ANSWER_GRANT ? -EALREADY : -EPERM;
    case TC_GATE_PROFILE_DENIES:
        tc_why(why, "%s is denied by the managed profile %s", name, facts->profile);
        return answer == TC_ANSWER_GRANT ? -EPERM : -EALREADY;
    case TC_GATE_PROFILE_FORBIDS:
        tc_why(why, "%s is blocked by the managed profile %s", name, facts->profile);
        return answer == TC_ANSWER_GRANT ? -EPERM : -EALREADY;
    default:
        break;
    }
    if (approval->config.required)
        return 0;
    tc_why(why, "%s needs no approval: the configuration says approval.required: false",
           name);
    return answer == TC_ANSWER_GRANT ? -EALREADY : -EINVAL;
}

/* Says what is so already. */
static int is_so(const struct tc_approval *approval, enum tc_gate gate, char why[256])
{
    const char *name = tc_gate_name(gate);

    switch (approval->gates[gate].state) {
    case TC_GATE_ERROR:
        tc_why(why,
               "%s is granted, but the system refuses it; once that is fixed:  "
               "tocsin approval retry",
               name);
        break;
    case TC_GATE_REBOOT_REQUIRED:
        tc_why(why, "%s is granted, and takes effect at the next start", name);
        break;
    case TC_GATE_UNKNOWN:
        tc_why(why, "%s is granted, and is being checked", name);
        break;
    default:
        tc_why(why, "%s is granted already", name);
    }
    return -EALREADY;
}

/* Whether an answer asks for anything new. */
static int may_change(const struct tc_approval *approval, enum tc_gate gate,
                      enum tc_approval_answer answer, char why[256])
{
    const struct tc_gate_facts *facts = &approval->gates[gate];

    if (answer == TC_ANSWER_GRANT && facts->consent)
        return is_so(approval, gate, why);
    if (answer == TC_ANSWER_DENY && facts->refusal == TC_REFUSED_DENIED) {
        tc_why(why, "%s is denied already", tc_gate_name(gate));
        return -EALREADY;
    }
    if (answer == TC_ANSWER_REVOKE && !facts->consent) {
        tc_why(why, "%s is not granted, so there is nothing to revoke",
               tc_gate_name(gate));
        return -EALREADY;
    }
    return 0;
}

/*
 * Gates are answered in their order. Full disk access may be answered at any time, and
 * what has been granted may be taken back at any time.
 */
static int may_now(const struct tc_approval *approval, enum tc_gate gate, char why[256])
{
    enum tc_gate_state states[TC_GATES];
    enum tc_gate first;

    if (gate == TC_GATE_FULL_DISK_ACCESS || approval->gates[gate].consent)
        return 0;
    tc_approval_states(approval, states);
    first = tc_approval_blocker(approval, gate, states);
    if (first == TC_GATES)
        return 0;
    tc_why(why, "%s must be granted first, it is %s; %s waits for it",
           tc_gate_name(first), tc_gate_state_name(states[first]), tc_gate_name(gate));
    return -EBUSY;
}

int tc_approval_may_answer(const struct tc_approval *approval, enum tc_gate gate,
                           enum tc_approval_answer answer, char why[256])
{
    const struct tc_prerequisite *unmet = tc_approval_unmet(approval);
    int r;

    if (!approval->gates[gate].asked) {
        tc_why(why, "%s is not asked for: its extension is not installed or not enabled",
               tc_gate_name(gate));
        return -ENOENT;
    }
    if (unmet) {
        tc_why(why, "the prerequisites are not met: %s is %s, needed is %s", unmet->name,
               unmet->have, unmet->need);
        return -EAGAIN;
    }
    r = may_people(approval, gate, answer, why);
    if (!r)
        r = may_change(approval, gate, answer, why);
    return r ? r : may_now(approval, gate, why);
}

static void take_answer(struct tc_gate_facts *facts, enum tc_approval_answer answer,
                        const char *who)
{
    static const enum tc_gate_refusal refusals[] = {
        [TC_ANSWER_GRANT] = TC_NOT_REFUSED,
        [TC_ANSWER_DENY] = TC_REFUSED_DENIED,
        [TC_ANSWER_REVOKE] = TC_REFUSED_REVOKED,
    };

    facts->consent = answer == TC_ANSWER_GRANT;
    facts->consent_earlier = false;
    facts->refusal = refusals[answer];
    facts->refused_by_profile = false;
    copy_text(facts->who, sizeof(facts->who), who);
    copy_text(facts->profile, sizeof(facts->profile), "");
    /* An answered prompt is not withdrawn. */
    if (facts->state == TC_GATE_PROMPTING)
        facts->state = TC_GATE_UNKNOWN;
}

int tc_approval_answer(struct tc_approval *approval, enum tc_gate gate,
                       enum tc_approval_answer answer, const char *who, uint64_t now_ns,
                       char why[256])
{
    int r;

    tc_approval_tick(approval, now_ns);
    r = tc_approval_may_answer(approval, gate, answer, why);
    if (r) {
        tc_approval_refuse(approval, gate, who, why);
        return r;
    }
    take_answer(&approval->gates[gate], answer, who);
    tc_approval_reconcile(approval, now_ns);
    return 0;
}

void tc_approval_refuse(struct tc_approval *approval, enum tc_gate gate, const char *who,
                        const char *reason)
{
    const struct tc_approval_event event = {
        .what = TC_APPROVAL_REFUSED, .gate = gate, .who = who, .reason = reason};

    tc_approval_emit(approval, &event);
}
