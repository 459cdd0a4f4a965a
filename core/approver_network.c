/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the probes of the two network gates. Only the network extension can answer them:
 * that it starts is the answer for network_extension, and that it reports itself as the
 * filter (fact network_events_subsystem, after a verdict of its own has gone round) is
 * the one for network_filter. So it is called when network_extension has consent, and
 * called off when it has not.
 */
#include <errno.h>
#include <string.h>

#include "core/agent.h"
#include "core/approver_priv.h"
#include "core/health.h"
#include "core/registry.h"

static const char *network(const struct tc_approver *a)
{
    return tc_registry_of_kind(a->agent->registry, TOCSIN_KIND_NETWORK_EXTENSION);
}

static bool filters(const struct tc_approver *a)
{
    const char *fact = tc_health_fact(a->agent->health, "network_events_subsystem");

    return fact && !strcmp(fact, "network_filter_extension");
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

void tc_approver_network_probe(struct tc_approver *a, enum tc_gate gate, unsigned ticket)
{
    a->network[gate] = (struct tc_network_probe){true, ticket};
    if (gate == TC_GATE_NETWORK_FILTER)
        answer(a, gate, filters(a) ? TC_PROBE_OK : TC_PROBE_INTERNAL,
               filters(a) ? 0 : ENOTCONN);
    else if (a->network_runs)
        answer(a, gate, TC_PROBE_OK, 0);
    /* Else by tc_approver_network_told, once tc_approver_network_settle has called it. */
}

void tc_approver_network_told(struct tc_approver *a, const char *what)
{
    if (!strcmp(what, "started")) {
        a->network_runs = true;
        answer(a, TC_GATE_NETWORK_EXTENSION, TC_PROBE_OK, 0);
    } else if (!strcmp(what, "failed") || !strcmp(what, "stopped")) {
        a->network_runs = a->network_called = false;
        answer(a, TC_GATE_NETWORK_EXTENSION, TC_PROBE_NOT_PERMITTED, EIO);
    }
}

void tc_approver_network_settle(struct tc_approver *a)
{
    const char *name = network(a);
    struct tc_gate_view gate;
    bool wanted;

    if (!name)
        return;
    tc_approval_gate(a->approval, TC_GATE_NETWORK_EXTENSION, &gate);
    wanted = gate.state == TC_GATE_GRANTED || a->network[TC_GATE_NETWORK_EXTENSION].waits;
    if (wanted != a->network_called &&
        !tc_registry_call(a->agent->registry, name, wanted))
        a->network_called = wanted;
}
