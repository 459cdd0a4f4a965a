/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: having a sensor report, after a gap, what was written in it: one in which nothing
 * was seen, or one in which it was seen and a detector was missing that judges it. */
#include <limits.h>
#include <stdio.h>
#include <tocsin/event.h>

#include "core/base/machine.h"
#include "core/protect/protection_priv.h"
#include "core/verdict/judge.h"

/* How long a walk through all files may take. */
#define WALK_NS (600 * UINT64_C(1000000000))

/* Whether the sensor that was walking may have gone before its walk had ended. */
static bool is_cut_short(const struct tc_protection *p, enum tc_slot_sensor sensor)
{
    return p->walk_from_ns && p->walker != sensor &&
           uv_hrtime() - p->walk_asked_ns < WALK_NS;
}

void tc_protection_catch_up(struct tc_protection *p, enum tc_slot_sensor sensor)
{
    struct tocsin_writer w;
    uint8_t buf[64];
    char topic[96];

    if (p->gap_from_ns) {
        p->walk_from_ns = p->gap_from_ns;
        p->walk_asked_ns = uv_hrtime();
        p->gap_from_ns = 0;
    } else if (sensor == TC_SLOT_NOBODY || !is_cut_short(p, sensor)) {
        return;
    }
    p->walker = sensor;
    snprintf(topic, sizeof(topic), "rpc.%s.catch_up", p->sensors[sensor].name);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "from", p->walk_from_ns);
    tocsin_end(&w);
    tc_notice_publish(&p->services->notice, topic, &w);
}

void tc_protection_stood_still(struct tc_protection *p, uint64_t for_ns)
{
    enum tc_slot_sensor holder = tc_protection_holder(p);
    struct tc_slot_event event = {.what = TC_SLOT_GAP_OPENED,
                                  .sensor = holder,
                                  .from_ns = uv_hrtime() - for_ns,
                                  .reason = "the machine or the agent stood still"};

    if (!p->running || holder == TC_SLOT_NOBODY || p->sensors[holder].restart_ns)
        return; /* a gap is open, or will be with what was before */
    p->sensors[holder].canary_ns = uv_hrtime(); /* it could not have come through */
    tc_protection_emit(p, &event, NULL);
    event.what = TC_SLOT_GAP_CLOSED;
    event.to_ns = uv_hrtime();
    event.reason = NULL;
    tc_protection_emit(p, &event, NULL);
    if (!p->gap_from_ns)
        p->gap_from_ns = p->gap_reported_ns;
    tc_protection_catch_up(p, holder);
    tc_protection_soon(p);
}

/* ---- who judges what was seen ---- */

void tc_protection_unjudged(struct tc_protection *p)
{
    p->unjudged_from_ns = p->gap_from_ns ? p->gap_from_ns : tc_wall_ns();
    p->voters_full = UINT_MAX; /* until all have had time to start */
    tc_judge_incomplete(p->services->judge);
}

static void close_if_full(struct tc_protection *p)
{
    if ((unsigned)__builtin_popcountll(p->voters) >= p->voters_full)
        p->unjudged_from_ns = 0;
}

void tc_protection_voters(struct tc_protection *p, uint64_t voters)
{
    uint64_t before = p->voters;
    enum tc_slot_sensor holder;

    if (!p->running || voters == before)
        return;
    p->voters = voters;
    if ((voters & ~before) && p->unjudged_from_ns) {
        if (!p->gap_from_ns || p->unjudged_from_ns < p->gap_from_ns)
            p->gap_from_ns = p->unjudged_from_ns;
        tc_judge_ask_again(p->services->judge);
        holder = tc_protection_holder(p);
        if (holder != TC_SLOT_NOBODY && !p->sensors[holder].restart_ns)
            tc_protection_catch_up(p, holder);
        close_if_full(p);
    }
    if ((before & ~voters) && !p->unjudged_from_ns) {
        p->unjudged_from_ns = tc_wall_ns();
        p->voters_full = (unsigned)__builtin_popcountll(before);
    }
}

void tc_protection_judged(struct tc_protection *p)
{
    tc_judge_complete(p->services->judge);
    /* With none at all, the first one that is enabled looks back. */
    p->voters_full = p->voters ? (unsigned)__builtin_popcountll(p->voters) : 1;
    close_if_full(p);
}
