/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the lives of plugins mean to the slot: the registry's events, canaries, and
 * a sensor that looks after a gap at what was written in it. */
#include <stdio.h>
#include <string.h>
#include <tocsin/event.h>

#include "core/base/machine.h"
#include "core/base/pulse.h"
#include "core/protect/approver.h"
#include "core/protect/protection_priv.h"

/* The holder takes a new file or new options: a gap, which the slot knows nothing of. It
 * ends with whichever runs then: the new one, or the one before ("kept"). */
static void restarting(struct tc_protection *p, enum tc_slot_sensor sensor)
{
    const struct tc_slot_event opened = {.what = TC_SLOT_GAP_OPENED,
                                         .sensor = sensor,
                                         .from_ns = uv_hrtime(),
                                         .reason = "the sensor is restarted"};

    if (tc_protection_holder(p) != sensor)
        return;
    p->sensors[sensor].restart_ns = opened.from_ns;
    p->sensors[sensor].canary_ns = 0;
    if (!p->gap_from_ns)
        p->gap_from_ns = tc_wall_ns();
    tc_protection_emit(p, &opened, NULL);
}

static void restarted(struct tc_protection *p, enum tc_slot_sensor sensor)
{
    const struct tc_slot_event closed = {.what = TC_SLOT_GAP_CLOSED,
                                         .sensor = sensor,
                                         .from_ns = p->sensors[sensor].restart_ns,
                                         .to_ns = uv_hrtime()};

    if (!closed.from_ns)
        return;
    p->sensors[sensor].restart_ns = 0;
    tc_protection_emit(p, &closed, NULL);
    tc_protection_catch_up(p, sensor);
}

/* It waits with a new file or new options, which are not those that failed. */
static void mended(struct tc_protection *p, enum tc_slot_sensor sensor, uint64_t now)
{
    if (sensor == TC_SLOT_PRIMARY)
        memset(p->services->pulse->sensor_ends_ns, 0,
               sizeof(p->services->pulse->sensor_ends_ns));
    tc_slot_mended(p->slot, sensor, now);
}

void tc_protection_plugin(struct tc_protection *p, const char *what, const char *name,
                          const char *why)
{
    enum tc_slot_sensor sensor = tc_protection_sensor_of(p, name);
    uint64_t now = uv_hrtime();

    if (!p->running)
        return;
    tc_approver_plugin(p->approver, name, what);
    if (sensor == TC_SLOT_NOBODY) {
        tc_protection_soon(p);
        return;
    }
    if (!strcmp(what, "loaded")) {
        mended(p, sensor, now);
    } else if (!strcmp(what, "started") || !strcmp(what, "kept")) {
        /* Nobody has called it: two that protect, and one that nobody knows of. */
        if (!p->sensors[sensor].up)
            p->sensors[sensor].order = TC_ORDER_STOP;
        if (p->overlapping)
            tc_overlap_live(p->overlap);
        tc_slot_started(p->slot, sensor, now);
        restarted(p, sensor);
    } else if (!strcmp(what, "restarting")) {
        restarting(p, sensor);
    } else if (!strcmp(what, "failed") || !strcmp(what, "refused")) {
        p->sensors[sensor].up = false;
        p->sensors[sensor].restart_ns = 0;
        if (p->overlapping)
            tc_overlap_commit(p->overlap, tc_protection_role_of(p, sensor));
        tc_slot_failed(p->slot, sensor, why, now);
    } else if (!strcmp(what, "stopped")) {
        p->sensors[sensor].up = false;
        tc_slot_stopped(p->slot, sensor, now);
    }
    if (!p->sensors[sensor].up)
        tc_protection_overlap_close(p, NULL);
    tc_protection_soon(p);
}

void tc_protection_disabled(struct tc_protection *p, const char *name)
{
    tc_approver_plugin(p->approver, name, "disabled");
    tc_protection_soon(p);
}

void tc_protection_canary(struct tc_protection *p, const char *name)
{
    enum tc_slot_sensor sensor = tc_protection_sensor_of(p, name);

    if (sensor == TC_SLOT_NOBODY)
        return;
    p->sensors[sensor].canary_ns = uv_hrtime();
    tc_slot_canary(p->slot, sensor, p->sensors[sensor].canary_ns);
    tc_protection_soon(p);
}
