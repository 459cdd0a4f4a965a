/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what health says of protection: who holds the slot, and its issues. */
#include <stdio.h>
#include <string.h>

#include "core/base/health.h"
#include "core/base/machine.h"
#include "core/base/promise.h"
#include "core/conf/config.h"
#include "core/host/registry.h"
#include "core/protect/approver.h"
#include "core/protect/protection_priv.h"

/* Which promises an issue about approval is about. */
static unsigned promises_of(const struct tc_approval_view *view)
{
    const unsigned network =
        1u << TC_GATE_NETWORK_EXTENSION | 1u << TC_GATE_NETWORK_FILTER;
    unsigned gates =
        view->phase == TC_APPROVAL_TIMED_OUT ? view->pending : 1u << view->gate;
    unsigned promises = 0;

    if (gates & network)
        promises |= TC_PROMISE_BIT(TC_PROMISE_NETWORK);
    if (!promises || gates & ~network)
        promises |= TC_PROMISE_BIT(TC_PROMISE_REAL_TIME);
    return promises;
}

static void add_approval(const struct tc_protection *p, struct tc_health_numbers *ret)
{
    struct tc_gate_view gates[TC_GATES];
    struct tc_health_issue *issue;
    struct tc_approval_view view;
    char text[256], fix[128];

    if (!p->running)
        return;
    tc_approver_snapshot(p->approver, &view, gates);
    for (size_t i = 0; tc_approval_issue(&view, gates, i, text, fix); i++) {
        issue = tc_health_add(ret);
        if (!issue)
            return;
        issue->promises = promises_of(&view);
        snprintf(issue->id, sizeof(issue->id), "approval.%s",
                 tc_approval_phase_name(view.phase));
        snprintf(issue->text, sizeof(issue->text), "%s", text);
        snprintf(issue->fix, sizeof(issue->fix), "%s", fix);
    }
}

/* A new issue about a sensor or the slot, or NULL. */
static struct tc_health_issue *add(struct tc_health_numbers *ret, const char *id)
{
    struct tc_health_issue *issue = tc_health_add(ret);

    if (!issue)
        return NULL;
    issue->promises = TC_PROMISE_BIT(TC_PROMISE_REAL_TIME);
    snprintf(issue->id, sizeof(issue->id), "%s", id);
    return issue;
}

static struct tc_health_issue *add_of_sensor(struct tc_health_numbers *ret,
                                             const char *name)
{
    char id[64];

    snprintf(id, sizeof(id), "sensor.%.50s", name);
    return add(ret, id);
}

static void add_sensor(const struct tc_protection *p, enum tc_slot_sensor sensor,
                       const struct tc_slot_view *slot, struct tc_health_numbers *ret)
{
    const char *name = p->sensors[sensor].name;
    struct tc_health_issue *issue;

    if (!slot->failure[sensor][0] || slot->holder == sensor)
        return;
    issue = add_of_sensor(ret, name);
    if (!issue)
        return;
    if (slot->disabled[sensor])
        snprintf(issue->text, sizeof(issue->text),
                 "sensor %.50s stopped unexpectedly (%u) and is disabled: %.140s", name,
                 slot->crashes[sensor], slot->failure[sensor]);
    else
        snprintf(issue->text, sizeof(issue->text),
                 "sensor %.50s stopped unexpectedly (%u): %.150s", name,
                 slot->crashes[sensor], slot->failure[sensor]);
    snprintf(issue->fix, sizeof(issue->fix), "tocsin approval retry");
}

/* Another protects, because the primary has been switched off. */
static void add_switched_off(const struct tc_protection *p,
                             const struct tc_slot_view *slot,
                             struct tc_health_numbers *ret)
{
    const char *name = p->sensors[TC_SLOT_PRIMARY].name;
    struct tc_plugin_settings settings;
    struct tc_health_issue *issue;

    if (slot->holder != TC_SLOT_FALLBACK ||
        tc_registry_wants(p->services->registry, name) ||
        tc_config_plugin_settings(p->services->config, name, &settings))
        return;
    issue = add_of_sensor(ret, name);
    if (!issue)
        return;
    snprintf(issue->text, sizeof(issue->text), "sensor %s is switched off, %s protects",
             name, tc_protection_name_of(p, slot->holder));
    if (settings.enabled)
        snprintf(issue->fix, sizeof(issue->fix), "tocsin plugin enable %.60s", name);
    else
        snprintf(issue->fix, sizeof(issue->fix),
                 "tocsin config set plugins.%.30s.enabled true", name);
}

static void add_switching(const struct tc_protection *p, const struct tc_slot_view *slot,
                          struct tc_health_numbers *ret)
{
    struct tc_health_issue *issue;

    if (slot->coming == TC_SLOT_NOBODY || slot->holder == TC_SLOT_NOBODY)
        return;
    issue = add(ret, "core.switching");
    if (!issue)
        return;
    issue->note = true;
    snprintf(issue->text, sizeof(issue->text), "switching sensor to %s",
             tc_protection_name_of(p, slot->coming));
    snprintf(issue->fix, sizeof(issue->fix), "wait a moment");
}

static void add_issues(const struct tc_protection *p, const struct tc_slot_view *slot,
                       struct tc_health_numbers *ret)
{
    ret->issue_count = 0;
    add_approval(p, ret);
    tc_protection_add_promises(p, slot, ret);
    add_switching(p, slot, ret);
    add_switched_off(p, slot, ret);
    for (int s = 0; s < TC_SLOT_SENSORS; s++)
        add_sensor(p, (enum tc_slot_sensor)s, slot, ret);
}

static void add_managed(const struct tc_protection *p, const struct tc_gate_view *gates,
                        struct tc_health_numbers *ret)
{
    static const struct {
        enum tc_gate gate;
        const char *field;
    } fields[] = {
        {TC_GATE_ES_EXTENSION, "real_time_protection_enabled"},
        {TC_GATE_NETWORK_FILTER, "network_events_subsystem"},
        {TC_GATE_FULL_DISK_ACCESS, "full_disk_access_enabled"},
    };
    bool ring;
    size_t n = 0;

    ret->ring = tc_approver_ring(p->approver, &ring);
    if (ring)
        ret->managed[n++] = "release_ring";
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (gates[fields[i].gate].source == TC_GATE_BY_PROFILE)
            ret->managed[n++] = fields[i].field;
}

void tc_protection_numbers(const struct tc_protection *p, struct tc_health_numbers *ret)
{
    struct tc_gate_view gates[TC_GATES];
    struct tc_protection_view view;
    struct tc_approval_view approval;

    tc_protection_snapshot(p, &view);
    tc_approver_snapshot(p->approver, &approval, gates);
    ret->holder =
        view.slot.holder == TC_SLOT_NOBODY ? NULL : view.names[view.slot.holder];
    ret->subsystem = view.subsystem;
    for (int s = 0; s < TC_SLOT_SENSORS; s++)
        ret->sensors[s] = view.names[s];
    ret->real_time_enabled =
        ret->holder ||
        tc_registry_wants(p->services->registry, p->sensors[TC_SLOT_PRIMARY].name);
    ret->canary_ns = view.canary_ns;
    ret->full_disk_access = gates[TC_GATE_FULL_DISK_ACCESS].state == TC_GATE_GRANTED &&
                            tc_machine_full_disk_access();
    ret->network_allowed = approval.network_allowed;
    add_managed(p, gates, ret);
    add_issues(p, &view.slot, ret);
}
