/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is told of the slot: its events on the bus and in the log, its issues in
 * health, and the facts that go with them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/approver.h"
#include "core/config.h"
#include "core/health.h"
#include "core/log.h"
#include "core/machine.h"
#include "core/protection_priv.h"
#include "core/registry.h"

#define US UINT64_C(1000)

static const char *name_of(const struct tc_protection *p, enum tc_slot_sensor sensor)
{
    return sensor == TC_SLOT_NOBODY ? "none" : p->sensors[sensor].name;
}

/* The slot's clock is CLOCK_MONOTONIC; what people read is since the epoch. */
static uint64_t since_epoch(uint64_t mono_ns)
{
    return tc_wall_ns() - (uv_hrtime() - mono_ns);
}

static void put_statistics(struct tocsin_writer *w, const struct tc_slot_event *event,
                           const struct tc_overlap_statistics *statistics)
{
    bool es_comes = event->to == TC_SLOT_PRIMARY;

    tocsin_put_uint(w, "matched", statistics->matched);
    tocsin_put_uint(w, "only_from",
                    es_comes ? statistics->only_second : statistics->only_first);
    tocsin_put_uint(w, "only_to",
                    es_comes ? statistics->only_first : statistics->only_second);
    tocsin_put_uint(w, "suppressed", statistics->suppressed);
    tocsin_put_uint(w, "microseconds", (event->to_ns - event->from_ns) / US);
}

/* A slot that nobody has held so far was kept for the primary. */
static const char *swapped_from(const struct tc_protection *p,
                                const struct tc_slot_event *event)
{
    bool kept = event->what == TC_SLOT_SWAPPED && event->from == TC_SLOT_NOBODY &&
                event->to == TC_SLOT_FALLBACK;

    return name_of(p, kept ? TC_SLOT_PRIMARY : event->from);
}

static void put_event(struct tc_protection *p, struct tocsin_writer *w,
                      const struct tc_slot_event *event,
                      const struct tc_overlap_statistics *statistics)
{
    switch (event->what) {
    case TC_SLOT_OVERLAP_BEGIN:
    case TC_SLOT_OVERLAP_END:
    case TC_SLOT_ABORTED:
    case TC_SLOT_SWAPPED:
        tocsin_put_str(w, "from", swapped_from(p, event));
        tocsin_put_str(w, "to", name_of(p, event->to));
        break;
    case TC_SLOT_GAP_CLOSED:
        tocsin_put_str(w, "sensor", name_of(p, event->sensor));
        tocsin_put_uint(w, "from", p->gap_told_ns); /* the same number twice */
        tocsin_put_uint(w, "to", since_epoch(event->to_ns));
        break;
    case TC_SLOT_GAP_OPENED:
        p->gap_told_ns = since_epoch(event->from_ns);
        tocsin_put_uint(w, "from", p->gap_told_ns);
        break;
    default:
        tocsin_put_str(w, "sensor", name_of(p, event->sensor));
    }
    if (event->what == TC_SLOT_SWAPPED)
        put_statistics(w, event, statistics);
    if (event->n)
        tocsin_put_uint(w, "n", event->n);
    if (event->reason && *event->reason)
        tocsin_put_str(w, TOCSIN_FIELD_REASON, event->reason);
}

static void remember_swap(struct tc_protection *p, const struct tc_slot_event *event)
{
    char text[256], when[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(text, sizeof(text), "%s %s to %s (%.160s)", when, swapped_from(p, event),
             name_of(p, event->to), event->reason ? event->reason : "");
    tc_health_report(p->services->notice.health, "core", TOCSIN_REPORT_FACT, "last_swap",
                     text, NULL);
    tc_log(TOCSIN_LOG_NOTICE, "agent", "sensor swapped from %s to %s: %s",
           swapped_from(p, event), name_of(p, event->to),
           event->reason ? event->reason : "");
}

void tc_protection_tell(struct tc_protection *p, const struct tc_slot_event *event,
                        const struct tc_overlap_statistics *statistics)
{
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    put_event(p, &w, event, statistics);
    tocsin_end(&w);
    tc_notice_publish(&p->services->notice, tc_slot_topic(event->what), &w);
    if (event->what == TC_SLOT_SWAPPED)
        remember_swap(p, event);
}

/* ---- health ---- */

static struct tc_health_issue *add(struct tc_health_issue *issues, size_t max,
                                   size_t *count)
{
    struct tc_health_issue *issue;

    if (*count == max)
        return NULL;
    issue = &issues[(*count)++];
    memset(issue, 0, sizeof(*issue));
    return issue;
}

static void add_approval(const struct tc_protection *p, struct tc_health_issue *issues,
                         size_t max, size_t *count)
{
    struct tc_gate_view gates[TC_GATES];
    struct tc_health_issue *issue;
    struct tc_approval_view view;
    char text[256], fix[128];

    if (!p->running)
        return;
    tc_approver_look(p->approver, &view, gates);
    for (size_t i = 0; tc_approval_issue(&view, gates, i, text, fix); i++) {
        issue = add(issues, max, count);
        if (!issue)
            return;
        snprintf(issue->id, sizeof(issue->id), "approval.%s",
                 tc_approval_phase_name(view.phase));
        snprintf(issue->text, sizeof(issue->text), "%s", text);
        snprintf(issue->fix, sizeof(issue->fix), "%s", fix);
    }
}

static void add_sensor(const struct tc_protection *p, enum tc_slot_sensor sensor,
                       const struct tc_slot_view *slot, struct tc_health_issue *issues,
                       size_t max, size_t *count)
{
    const char *name = p->sensors[sensor].name;
    struct tc_health_issue *issue;

    if (!slot->failure[sensor][0] || slot->holder == sensor)
        return;
    issue = add(issues, max, count);
    if (!issue)
        return;
    snprintf(issue->id, sizeof(issue->id), "sensor.%.50s", name);
    if (slot->barred[sensor])
        snprintf(issue->text, sizeof(issue->text),
                 "sensor %s stopped unexpectedly (%u) and is left alone: %.150s", name,
                 slot->crashes[sensor], slot->failure[sensor]);
    else
        snprintf(issue->text, sizeof(issue->text),
                 "sensor %s stopped unexpectedly (%u): %.150s", name,
                 slot->crashes[sensor], slot->failure[sensor]);
    snprintf(issue->fix, sizeof(issue->fix), "tocsin approval retry");
}

/* Another protects, because the primary has been switched off. */
static void add_switched_off(const struct tc_protection *p,
                             const struct tc_slot_view *slot,
                             struct tc_health_issue *issues, size_t max, size_t *count)
{
    const char *name = p->sensors[TC_SLOT_PRIMARY].name;
    struct tc_plugin_settings settings;
    struct tc_health_issue *issue;

    if (slot->holder != TC_SLOT_FALLBACK ||
        tc_registry_wants(p->services->registry, name) ||
        tc_config_plugin_settings(p->services->config, name, &settings))
        return;
    issue = add(issues, max, count);
    if (!issue)
        return;
    snprintf(issue->id, sizeof(issue->id), "sensor.%.50s", name);
    snprintf(issue->text, sizeof(issue->text), "sensor %s is switched off, %s protects",
             name, name_of(p, slot->holder));
    snprintf(issue->fix, sizeof(issue->fix), "tocsin plugin enable %.60s", name);
}

static void add_switching(const struct tc_protection *p, const struct tc_slot_view *slot,
                          struct tc_health_issue *issues, size_t max, size_t *count)
{
    struct tc_health_issue *issue;

    if (slot->coming == TC_SLOT_NOBODY || slot->holder == TC_SLOT_NOBODY)
        return;
    issue = add(issues, max, count);
    if (!issue)
        return;
    issue->note = true;
    snprintf(issue->id, sizeof(issue->id), "core.switching");
    snprintf(issue->text, sizeof(issue->text), "switching sensor to %s",
             name_of(p, slot->coming));
    snprintf(issue->fix, sizeof(issue->fix), "wait a moment");
}

static void add_issues(const struct tc_protection *p, const struct tc_slot_view *slot,
                       struct tc_health_numbers *ret)
{
    size_t max = TC_HEALTH_DERIVED_MAX;

    ret->issue_count = 0;
    add_approval(p, ret->issues, max, &ret->issue_count);
    add_switching(p, slot, ret->issues, max, &ret->issue_count);
    add_switched_off(p, slot, ret->issues, max, &ret->issue_count);
    for (int s = 0; s < TC_SLOT_SENSORS; s++)
        add_sensor(p, (enum tc_slot_sensor)s, slot, ret->issues, max, &ret->issue_count);
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

    tc_protection_look(p, &view);
    tc_approver_look(p->approver, &approval, gates);
    ret->holder =
        view.slot.holder == TC_SLOT_NOBODY ? NULL : view.names[view.slot.holder];
    ret->subsystem = view.subsystem;
    ret->real_time_enabled = ret->real_time_enabled || ret->holder;
    ret->canary_ns = view.canary_ns;
    ret->full_disk_access = gates[TC_GATE_FULL_DISK_ACCESS].state == TC_GATE_GRANTED &&
                            tc_machine_full_disk_access();
    ret->network_allowed = approval.network_allowed;
    add_managed(p, gates, ret);
    add_issues(p, &view.slot, ret);
}
