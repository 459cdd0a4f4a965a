/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the probes of the two network gates. Only the network extension can answer them:
 * that it starts is the answer for network_extension, and that it reports itself as the
 * filter (fact network_events_subsystem, after a verdict of its own has gone round) is
 * the one for network_filter. So it is started when network_extension has consent, and
 * stopped when it has not.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/health.h"
#include "core/host/registry.h"
#include "core/protect/approver_priv.h"

static const char *network(const struct tc_approver *a)
{
    return tc_registry_of_kind(a->services->registry, TOCSIN_KIND_NETWORK_EXTENSION);
}

static bool filters(const struct tc_approver *a)
{
    const char *fact =
        tc_health_fact(a->services->notice.health, "network_events_subsystem");

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
    /* Else by tc_approver_network_plugin, once tc_approver_network_apply has started it.
     */
}

/* Reports that it does not run: to whoever asks now, and where it was reported to run. */
static void gone(struct tc_approver *a)
{
    a->network_runs = a->network_started = false;
    answer(a, TC_GATE_NETWORK_EXTENSION, TC_PROBE_NOT_PERMITTED, EIO);
}

void tc_approver_network_plugin(struct tc_approver *a, const char *name, const char *what)
{
    if (strcmp(name, a->network_name) != 0)
        return;
    if (!strcmp(what, "started")) {
        a->network_runs = true;
        answer(a, TC_GATE_NETWORK_EXTENSION, TC_PROBE_OK, 0);
    } else if (!strcmp(what, "stopped")) {
        gone(a);
    } else if (!strcmp(what, "failed") || !strcmp(what, "refused")) {
        gone(a);
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
