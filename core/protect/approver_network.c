/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the probes of the two network gates, and the event by which the extension learns
 * of its gate. Only the extension can answer the probes: that it starts is the answer for
 * network_extension, and that it reports itself as the filter (fact
 * network_events_subsystem, after a verdict of its own has gone round, which needs no
 * gate) is the one for network_filter. So it is started when network_extension has
 * consent, and stopped when it has not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/health.h"
#include "core/base/why.h"
#include "core/host/registry.h"
#include "core/protect/approver_priv.h"

/* How long a filter that runs may take to say whether it filters. */
#define FILTER_WAIT_NS (5 * UINT64_C(1000000000))

static const char *network(const struct tc_approver *a)
{
    return tc_registry_of_kind(a->services->registry, TOCSIN_KIND_NETWORK_EXTENSION);
}

static void answer(struct tc_approver *a, enum tc_gate gate, enum tc_probe_result result,
                   int error)
{
    struct tc_network_probe *probe = &a->network[gate];

    if (!probe->waits)
        return;
    probe->waits = false;
    tc_approval_probed(a->approval, gate, probe->ticket, result, error, uv_hrtime());
}

/* Answers the filter's probe by what the extension has reported of itself, if it has. One
 * that reports too late has the gate probed again: nobody has to ask for that. */
static void answer_filter(struct tc_approver *a)
{
    const struct tc_network_probe *probe = &a->network[TC_GATE_NETWORK_FILTER];
    const char *fact =
        tc_health_fact(a->services->notice.health, "network_events_subsystem");
    /* One that root has disabled proves it when it is enabled again. */
    bool filters =
        fact && (!strcmp(fact, "network_filter_extension") || !strcmp(fact, "disabled"));

    if (filters && !probe->waits)
        tc_approval_probe_again(a->approval, TC_GATE_NETWORK_FILTER, uv_hrtime());
    else if (filters)
        answer(a, TC_GATE_NETWORK_FILTER, TC_PROBE_OK, 0);
    else if (fact || uv_hrtime() >= probe->until_ns)
        answer(a, TC_GATE_NETWORK_FILTER, TC_PROBE_INTERNAL, ENOTCONN);
}

void tc_approver_network_probe(struct tc_approver *a, enum tc_gate gate, unsigned ticket)
{
    a->network[gate] =
        (struct tc_network_probe){true, ticket, uv_hrtime() + FILTER_WAIT_NS};
    if (gate == TC_GATE_NETWORK_FILTER)
        answer_filter(a);
    else if (a->network_runs)
        answer(a, gate, TC_PROBE_OK, 0);
    /* Else by tc_approver_network_plugin, once tc_approver_network_apply has started it.
     */
}

/* Reports that it does not run: to whoever asks now, and where it was reported to run. */
static void gone(struct tc_approver *a)
{
    a->network_runs = a->network_started = false;
    answer(a, TC_GATE_NETWORK_EXTENSION, TC_PROBE_NOT_PERMITTED, EIO);
}

/* ---- what the extension has to know ---- */

/* One sentence: why it may not decide. */
static void reason_of(const struct tc_approver *a, const struct tc_approval_view *view,
                      const struct tc_gate_view *filter, char why[256])
{
    struct tc_gate_view extension;
    const char *name = "network_filter";

    tc_approval_gate(a->approval, TC_GATE_NETWORK_EXTENSION, &extension);
    if (extension.state != TC_GATE_GRANTED) {
        filter = &extension;
        name = "network_extension";
    }
    if (view->phase == TC_APPROVAL_PREREQ_FAILED)
        tc_why(why, "a prerequisite is not met");
    else
        tc_why(why, "%s is %s%s%s", name, tc_gate_state_name(filter->state),
               *filter->profile ? " by the managed profile " : "", filter->profile);
}

/* Publishes network_filter.gate when it says something new, and to one that has just
 * started (`anew`), which knows nothing. */
static void publish_gate(struct tc_approver *a, bool anew)
{
    struct tc_gate_view gates[TC_GATES];
    const struct tc_gate_view *filter = &gates[TC_GATE_NETWORK_FILTER];
    struct tc_approval_view view;
    struct tocsin_writer w;
    char why[TC_WHY_MAX] = "";
    uint8_t buf[512];

    if (!a->network_runs)
        return;
    tc_approver_snapshot(a, &view, gates);
    if (!anew && a->network_allowed == view.network_allowed &&
        a->network_filter == filter->state)
        return;
    a->network_allowed = view.network_allowed;
    a->network_filter = filter->state;
    if (!view.network_allowed)
        reason_of(a, &view, filter, why);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_bool(&w, "granted", view.network_allowed);
    tocsin_put_str(&w, "state", tc_gate_state_name(filter->state));
    tocsin_put_str(&w, TOCSIN_FIELD_REASON, why);
    tocsin_end(&w);
    tc_notice_publish(&a->services->notice, TOCSIN_TOPIC_NETWORK_FILTER_GATE, &w);
}

void tc_approver_network_review(struct tc_approver *a)
{
    answer_filter(a);
    publish_gate(a, false);
}

uint64_t tc_approver_network_next_ns(const struct tc_approver *a)
{
    const struct tc_network_probe *probe = &a->network[TC_GATE_NETWORK_FILTER];

    return probe->waits ? probe->until_ns : UINT64_MAX;
}

/* ---- when it runs ---- */

void tc_approver_network_plugin(struct tc_approver *a, const char *name, const char *what)
{
    if (strcmp(name, a->network_name) != 0)
        return;
    if (!strcmp(what, "started") || !strcmp(what, "kept")) {
        a->network_runs = true;
        publish_gate(a, true);
        answer(a, TC_GATE_NETWORK_EXTENSION, TC_PROBE_OK, 0);
    } else if (!strcmp(what, "stopped")) {
        gone(a);
    } else if (!strcmp(what, "failed") || !strcmp(what, "refused")) {
        gone(a);
        answer(a, TC_GATE_NETWORK_FILTER, TC_PROBE_INTERNAL, ENOTCONN);
        tc_approval_failed(a->approval, TC_GATE_NETWORK_EXTENSION, EIO, uv_hrtime());
    }
}

/* Whether the extension `name` (NULL: there is none) is to run. */
static bool wanted(struct tc_approver *a, const char *name)
{
    struct tc_gate_view gate;

    if (!name)
        a->network[TC_GATE_NETWORK_EXTENSION].waits = false;
    if (!name || (a->network_started && strcmp(name, a->network_name) != 0))
        return false;
    tc_approval_gate(a->approval, TC_GATE_NETWORK_EXTENSION, &gate);
    /* Where it takes effect at the next start, the filter behind it is probed now. */
    return gate.state == TC_GATE_GRANTED || gate.state == TC_GATE_REBOOT_REQUIRED ||
           a->network[TC_GATE_NETWORK_EXTENSION].waits;
}

bool tc_approver_network_apply(struct tc_approver *a)
{
    const char *name = network(a);
    bool run = wanted(a, name);
    int err;

    if (run == a->network_started)
        return true;
    if (run)
        snprintf(a->network_name, sizeof(a->network_name), "%s", name);
    /* One that is disabled has its name here only, and still waits to be stopped. */
    err = tc_registry_demand(a->services->registry, a->network_name, run);
    if (err == -EBUSY)
        return false;
    a->network_started = run;
    if (err)
        gone(a);
    return true;
}
