/* SPDX-License-Identifier: Apache-2.0 */
#include "core/protect/protection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/health.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/base/pulse.h"
#include "core/conf/config.h"
#include "core/conf/options.h"
#include "core/host/loader.h"
#include "core/host/registry.h"
#include "core/protect/approver.h"
#include "core/protect/protection_priv.h"
#include "core/verdict/judge.h"
#include "ipc/event.h"

#define MS UINT64_C(1000000)
#define PRIMARY_SET (1u << TC_SLOT_PRIMARY)
#define FALLBACK_SET (1u << TC_SLOT_FALLBACK)

static void on_timer(uv_timer_t *timer);
static void review(struct tc_protection *p);

/* ---- what the slot wants ---- */

static void on_start(void *arg, enum tc_slot_sensor sensor)
{
    struct tc_protection *p = arg;

    p->sensors[sensor].order = TC_ORDER_START;
}

static void on_stop(void *arg, enum tc_slot_sensor sensor)
{
    struct tc_protection *p = arg;

    p->sensors[sensor].order = TC_ORDER_STOP;
}

static void on_slot_event(void *arg, const struct tc_slot_event *event)
{
    struct tc_overlap_statistics statistics = {0};
    struct tc_protection *p = arg;

    switch (event->what) {
    case TC_SLOT_OVERLAP_BEGIN:
        /* From here on both see everything: nothing may pass on an old verdict. */
        tc_notice_note(&p->services->notice, TOCSIN_TOPIC_VERDICT_RESET, NULL,
                       TC_PROTECTION_HANDOVER);
        tc_protection_denials_tell(p);
        break;
    case TC_SLOT_SWAPPED:
        tc_protection_overlap_close(p, &statistics);
        break;
    case TC_SLOT_GAP_OPENED:
        if (!p->gap_from_ns)
            p->gap_from_ns = tc_wall_ns();
        break;
    case TC_SLOT_CRASHED:
        tc_log(TOCSIN_LOG_ERROR, "agent", "sensor %s stopped unexpectedly (%u): %s",
               p->sensors[event->sensor].name, event->n, event->reason);
        break;
    default:
        break;
    }
    tc_protection_emit(p, event, &statistics);
    if (event->what == TC_SLOT_GAP_CLOSED)
        tc_protection_catch_up(p, event->sensor);
    else if (event->what == TC_SLOT_SWAPPED && !p->gap_from_ns)
        tc_protection_catch_up(p, event->to);
}

static bool other_up(const struct tc_protection *p, enum tc_slot_sensor sensor)
{
    return p->sensors[TC_SLOT_SENSORS - 1 - sensor].up;
}

/* Passes one order to the registry. False when it has to wait. */
static bool execute_order(struct tc_protection *p, enum tc_slot_sensor sensor)
{
    struct tc_protection_sensor *s = &p->sensors[sensor];
    bool start = s->order == TC_ORDER_START;
    char reason[128];
    int err;

    if (start) {
        s->canary_ns = 0;
        /* The overlap begins before its first mark is set. */
        if (other_up(p, sensor) && !p->overlapping)
            tc_protection_overlap_open(p, sensor);
    } else if (p->overlapping) {
        tc_overlap_commit(p->overlap, tc_protection_role_of(p, sensor));
    }
    err = tc_registry_demand(p->services->registry, s->name, start);
    if (err == -EBUSY)
        return false;
    s->order = TC_ORDER_NONE;
    if (start)
        s->up = !err;
    if (err && start) {
        snprintf(reason, sizeof(reason), "plugin %s cannot be started: %s", s->name,
                 strerror(-err));
        tc_slot_failed(p->slot, sensor, reason, uv_hrtime());
    } else if (err)
        tc_slot_stopped(p->slot, sensor, uv_hrtime());
    return true;
}

/* Reconciles everything soon, from the loop, not inside the caller. */
void tc_protection_soon(struct tc_protection *p)
{
    if (p->running)
        uv_timer_start(&p->timer, on_timer, 0, 0);
}

enum tc_slot_sensor tc_protection_holder(const struct tc_protection *p)
{
    struct tc_slot_view slot;

    tc_slot_snapshot(p->slot, uv_hrtime(), &slot);
    return slot.holder;
}

/* When the holder's canary will have been silent for too long; UINT64_MAX: nobody
 * holds. */
static uint64_t silence_ns(const struct tc_protection *p, enum tc_slot_sensor holder)
{
    return holder == TC_SLOT_NOBODY || !p->sensors[holder].canary_ns
               ? UINT64_MAX
               : p->sensors[holder].canary_ns + TC_HEALTH_CANARY_NS;
}

/* A sensor that does not see its own canary sees nothing else either. */
static void listen_for_silence(struct tc_protection *p)
{
    enum tc_slot_sensor holder = tc_protection_holder(p);
    uint64_t now = uv_hrtime(), silence = silence_ns(p, holder);

    /* The timer is due then: so late, the agent itself did not run. */
    if (now >= silence && now - silence > TC_PULSE_STALE_MS * MS)
        p->sensors[holder].canary_ns = now;
    else if (now >= silence)
        tc_slot_stalled(p->slot, holder, "its canary has not come through for a minute",
                        now);
}

static void schedule(struct tc_protection *p, bool busy)
{
    uint64_t now = uv_hrtime(), next = tc_slot_next_ns(p->slot);
    uint64_t silence = silence_ns(p, tc_protection_holder(p));

    if (silence < next)
        next = silence;
    if (!p->running)
        return;
    uv_update_time(p->timer.loop);
    if (busy)
        uv_timer_start(&p->timer, on_timer, 5, 0);
    else if (next == UINT64_MAX)
        uv_timer_stop(&p->timer);
    else
        uv_timer_start(&p->timer, on_timer, next > now ? (next - now + MS - 1) / MS : 0,
                       0);
}

static void settle(struct tc_protection *p)
{
    void (*settled)(void *arg) = p->settled;
    struct tc_approval_view approval;
    struct tc_slot_view slot;

    tc_slot_snapshot(p->slot, uv_hrtime(), &slot);
    tc_approver_snapshot(p->approver, &approval, NULL);
    if (!settled || !approval.settled || slot.coming != TC_SLOT_NOBODY)
        return;
    p->settled = NULL;
    settled(p->settled_arg);
}

/* Records who holds the slot in the pulse page, for the core after this one. */
static void note_holder(const struct tc_protection *p)
{
    struct tc_pulse *pulse = p->services->pulse;
    enum tc_slot_sensor holder = tc_protection_holder(p);

    snprintf(pulse->holder, sizeof(pulse->holder), "%s",
             holder == TC_SLOT_NOBODY ? "" : p->sensors[holder].name);
}

static void on_timer(uv_timer_t *timer)
{
    struct tc_protection *p = timer->data;
    bool again = true, busy = false;

    tc_slot_tick(p->slot, uv_hrtime());
    listen_for_silence(p);
    review(p);
    while (again) {
        again = busy = false;
        for (int s = 0; s < TC_SLOT_SENSORS; s++) {
            if (p->sensors[s].order == TC_ORDER_NONE)
                continue;
            if (execute_order(p, (enum tc_slot_sensor)s))
                again = true;
            else
                busy = true;
        }
    }
    note_holder(p);
    schedule(p, busy);
    settle(p);
}

/* ---- who is wanted ---- */

static const char *reason_of(const struct tc_protection *p,
                             const struct tc_approval_view *view)
{
    if (!(tc_protection_installed(p) & PRIMARY_SET))
        return "the primary sensor is switched off";
    if (view->primary_allowed)
        return "approved";
    switch (view->phase) {
    case TC_APPROVAL_TIMED_OUT:
        return "approval timed out";
    case TC_APPROVAL_DENIED:
        return "a gate was refused or revoked";
    case TC_APPROVAL_FORBIDDEN:
        return "a managed profile forbids it";
    case TC_APPROVAL_PREREQ_FAILED:
        return "a prerequisite is not met";
    case TC_APPROVAL_ERROR:
        return "the system refuses it";
    default:
        return "approval is awaited";
    }
}

/* Whether the fallback protects while the answer is awaited. */
static bool fallback_now(const struct tc_protection *p,
                         const struct tc_approval_view *view)
{
    bool awaited = view->phase == TC_APPROVAL_IDLE ||
                   view->phase == TC_APPROVAL_PROMPTING ||
                   view->phase == TC_APPROVAL_PROBING;

    return !awaited ||
           tc_options_bool(tc_config_core(p->services->config), "approval.bridge");
}

/* The first prompt shows once the fallback holds the slot, or never will. */
static void bridge(struct tc_protection *p, bool fallback)
{
    struct tc_slot_view slot;

    if (p->bridged)
        return;
    tc_slot_snapshot(p->slot, uv_hrtime(), &slot);
    if (fallback && slot.holder == TC_SLOT_NOBODY && slot.coming != TC_SLOT_NOBODY)
        return;
    if (fallback && p->sensors[TC_SLOT_FALLBACK].order == TC_ORDER_START)
        return;
    p->bridged = true;
    tc_approver_begin(p->approver);
}

/*
 * The minute has ended: the slot, kept for the primary until then, is the fallback's. One
 * that has bridged the minute goes on, and is reported like one that starts now.
 */
static void report_fallback(struct tc_protection *p, const struct tc_approval_view *view,
                            uint64_t now)
{
    const struct tc_slot_event swapped = {.what = TC_SLOT_SWAPPED,
                                          .sensor = TC_SLOT_FALLBACK,
                                          .from = TC_SLOT_PRIMARY,
                                          .to = TC_SLOT_FALLBACK,
                                          .from_ns = now,
                                          .to_ns = now,
                                          .reason = reason_of(p, view)};
    const struct tc_overlap_statistics none = {0};
    bool timed_out = view->phase == TC_APPROVAL_TIMED_OUT;

    if (timed_out && !p->timed_out && tc_protection_holder(p) == TC_SLOT_FALLBACK)
        tc_protection_emit(p, &swapped, &none);
    p->timed_out = timed_out;
}

static void review(struct tc_protection *p)
{
    struct tc_approval_view view;
    uint64_t now = uv_hrtime();

    tc_approver_snapshot(p->approver, &view, NULL);
    tc_protection_name_sensors(p);
    tc_slot_set_installed(p->slot, tc_protection_installed(p), now);
    report_fallback(p, &view, now);
    if (!view.settled && !p->bridged)
        return; /* what has consent from before may be all that is needed */
    if (view.primary_allowed)
        tc_slot_want(p->slot, TC_SLOT_PRIMARY, PRIMARY_SET | FALLBACK_SET,
                     reason_of(p, &view), now);
    else if (fallback_now(p, &view))
        tc_slot_want(p->slot, TC_SLOT_FALLBACK, FALLBACK_SET, reason_of(p, &view), now);
    else
        tc_slot_want(p->slot, TC_SLOT_NOBODY, FALLBACK_SET, reason_of(p, &view), now);
    bridge(p, !view.primary_allowed && fallback_now(p, &view));
}

/* ---- what happens ---- */

static void on_approval_changed(void *arg)
{
    tc_protection_soon(arg);
}

void tc_protection_configured(struct tc_protection *p)
{
    if (!p->running)
        return;
    tc_approver_configured(p->approver);
    tc_protection_soon(p);
}

void tc_protection_retry(struct tc_protection *p)
{
    memset(p->services->pulse->sensor_ends_ns, 0,
           sizeof(p->services->pulse->sensor_ends_ns));
    tc_slot_retry(p->slot, uv_hrtime());
    tc_approver_retry(p->approver);
    tc_protection_soon(p);
}

/* ---- life ---- */

/*
 * The core before this one ended while a sensor held the slot: nobody has protected since
 * then. What it did by itself counts against the sensor, unless another plugin is known
 * to have done it, and only where the fallback can stand in.
 */
static void remember_end(struct tc_protection *p)
{
    struct tc_pulse *pulse = p->services->pulse;
    uint64_t now = tc_wall_ns(), mono = uv_hrtime(), *ends = pulse->sensor_ends_ns;

    if (pulse->end == TC_END_NONE || !pulse->end_holder[0])
        return;
    p->gap_from_ns = pulse->end_from_ns;
    tc_slot_remember_gap(p->slot, mono - (now - pulse->end_from_ns));
    if ((pulse->end != TC_END_CRASHED && pulse->end != TC_END_HUNG) ||
        strcmp(pulse->end_holder, p->sensors[TC_SLOT_PRIMARY].name) ||
        (pulse->end_plugin[0] && strcmp(pulse->end_plugin, pulse->end_holder)) ||
        !(tc_protection_installed(p) & FALLBACK_SET))
        return;
    memmove(ends + 1, ends, (TC_PULSE_ENDS_MAX - 1) * sizeof(*ends));
    ends[0] = pulse->end_to_ns;
    for (int i = TC_PULSE_ENDS_MAX - 1; i >= 0; i--)
        if (ends[i] && now - ends[i] < TC_SLOT_CRASHES_WITHIN_NS)
            tc_slot_remember_crash(p->slot, TC_SLOT_PRIMARY, mono - (now - ends[i]));
}

int tc_protection_new(const struct tc_services *services,
                      struct tc_protection **ret_protection)
{
    struct tc_protection *p = calloc(1, sizeof(*p));
    const struct tc_slot_callbacks callbacks = {
        .arg = p, .start = on_start, .stop = on_stop, .event = on_slot_event};
    int err = -ENOMEM;

    if (!p)
        return err;
    p->services = services;
    p->slot = tc_slot_new(&callbacks);
    p->overlap = tc_overlap_new();
    if (p->slot && p->overlap)
        err = tc_protection_denials_start(p);
    if (!err)
        err = tc_approver_new(services, on_approval_changed, p, &p->approver);
    if (err) {
        tc_protection_denials_stop(p);
        tc_slot_free(p->slot);
        tc_overlap_free(p->overlap);
        free(p);
        return err;
    }
    uv_timer_init(services->loop, &p->timer);
    p->timer.data = p;
    *ret_protection = p;
    return 0;
}

void tc_protection_start(struct tc_protection *p, void (*settled)(void *arg), void *arg)
{
    p->settled = settled;
    p->settled_arg = arg;
    p->running = true;
    tc_protection_name_sensors(p);
    remember_end(p);
    tc_protection_unjudged(p);
    tc_approver_prepare(p->approver);
    tc_protection_soon(p);
}

static void on_closed(uv_handle_t *handle)
{
    struct tc_protection *p = handle->data;

    tc_slot_free(p->slot);
    tc_overlap_free(p->overlap);
    free(p);
}

void tc_protection_stop(struct tc_protection *p)
{
    p->running = false;
    p->overlapping = false;
    uv_timer_stop(&p->timer);
}

void tc_protection_free(struct tc_protection *p)
{
    if (!p)
        return;
    tc_approver_free(p->approver);
    tc_protection_denials_stop(p);
    uv_close((uv_handle_t *)&p->timer, on_closed);
}

struct tc_approver *tc_protection_approver(const struct tc_protection *p)
{
    return p->approver;
}

void tc_protection_snapshot(const struct tc_protection *p, struct tc_protection_view *ret)
{
    memset(ret, 0, sizeof(*ret));
    tc_slot_snapshot(p->slot, uv_hrtime(), &ret->slot);
    for (int s = 0; s < TC_SLOT_SENSORS; s++)
        ret->names[s] = p->sensors[s].name[0] ? p->sensors[s].name : NULL;
    if (ret->slot.holder == TC_SLOT_NOBODY)
        return;
    ret->canary_ns = p->sensors[ret->slot.holder].canary_ns;
    ret->subsystem =
        tc_protection_kind_of(p, ret->slot.holder) == TOCSIN_KIND_SYSTEM_EXTENSION
            ? "endpoint_security_extension"
            : "kernel_extension";
}
