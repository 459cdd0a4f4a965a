/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine. Every input changes it in one step, then step() looks at what follows
 * from that until nothing does, then all that has happened is emitted.
 */
#include "core/slot/slot.h"

#include <stdlib.h>

#include "core/slot/slot_priv.h"

struct tc_slot *tc_slot_new(const struct tc_slot_callbacks *callbacks)
{
    struct tc_slot *slot = calloc(1, sizeof(*slot));

    if (!slot)
        return NULL;
    slot->callbacks = *callbacks;
    slot->wanted = slot->before = TC_SLOT_NOBODY;
    slot->holder = slot->coming = slot->going = TC_SLOT_NOBODY;
    return slot;
}

void tc_slot_free(struct tc_slot *slot)
{
    free(slot);
}

/* ---- Who may, and who can. ---- */

static enum tc_slot_sensor other_than(enum tc_slot_sensor sensor)
{
    return sensor == TC_SLOT_PRIMARY ? TC_SLOT_FALLBACK : TC_SLOT_PRIMARY;
}

/* Whether it may be started, once it is down. */
static bool ready(const struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    return tc_slot_permitted(slot, sensor) && !slot->sensors[sensor].disabled &&
           slot->sensors[sensor].retry_ns <= slot->now_ns;
}

static bool startable(const struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    return ready(slot, sensor) && slot->sensors[sensor].life == TC_SLOT_DOWN;
}

/* ---- The steps. ---- */

static void stop(struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    slot->sensors[sensor].life = TC_SLOT_STOPPING;
    tc_slot_order(slot, TC_SLOT_NOTICE_STOP, sensor);
}

/* Nothing of this sensor runs any more. */
static void ended(struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    struct tc_slot_run *s = &slot->sensors[sensor];

    s->life = TC_SLOT_DOWN;
    s->canary = s->started = false;
    if (!slot->overlapping)
        return;
    slot->overlapping = false;
    tc_slot_emit(slot, &(struct tc_slot_event){.what = TC_SLOT_OVERLAP_END,
                                               .sensor = sensor,
                                               .from = slot->overlap_from,
                                               .to = slot->overlap_to});
}

/* Why the slot goes to the sensor that comes. */
static const char *why_it_comes(const struct tc_slot *slot, enum tc_slot_sensor coming)
{
    const char *failure = slot->sensors[slot->wanted].failure;

    return coming == slot->wanted || !failure[0] ? slot->reason : failure;
}

/* How long a trial may take: less when another sensor protects or could be tried. */
static uint64_t trial_ns(const struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    return slot->holder != TC_SLOT_NOBODY || tc_slot_permitted(slot, other_than(sensor))
               ? TC_SLOT_TRIAL_NS
               : TC_SLOT_TRIAL_ALONE_NS;
}

/* With a holder a handover begins, else a trial alone. */
static void begin(struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    struct tc_slot_run *s = &slot->sensors[sensor];

    slot->state = TC_SLOT_TRIAL;
    slot->coming = sensor;
    slot->since_ns = slot->now_ns;
    slot->limit_ns = slot->now_ns + trial_ns(slot, sensor);
    tc_slot_copy(slot->handover_reason, why_it_comes(slot, sensor));
    s->life = TC_SLOT_UP;
    s->canary = s->started = false;
    s->retry_ns = 0;
    tc_slot_emit(slot, &(struct tc_slot_event){.what = TC_SLOT_STARTING,
                                               .sensor = sensor,
                                               .from = slot->holder,
                                               .to = sensor,
                                               .reason = slot->handover_reason});
    tc_slot_order(slot, TC_SLOT_NOTICE_START, sensor);
}

static void emit_aborted(struct tc_slot *slot, enum tc_slot_sensor from,
                         enum tc_slot_sensor to, const char *reason)
{
    tc_slot_emit(slot, &(struct tc_slot_event){.what = TC_SLOT_ABORTED,
                                               .sensor = to,
                                               .from = from,
                                               .to = to,
                                               .n = tc_slot_crashes(slot, to),
                                               .from_ns = slot->since_ns,
                                               .to_ns = slot->now_ns,
                                               .reason = reason});
}

/* The sensor that comes does not: the holder, if there is one, stays. */
static void turn_away(struct tc_slot *slot, const char *reason)
{
    emit_aborted(slot, slot->holder, slot->coming, reason);
    if (slot->sensors[slot->coming].life == TC_SLOT_UP)
        stop(slot, slot->coming);
    slot->coming = TC_SLOT_NOBODY;
    slot->limit_ns = 0;
    slot->state = slot->holder == TC_SLOT_NOBODY ? TC_SLOT_EMPTY : TC_SLOT_STEADY;
}

static void turn_away_for_fault(struct tc_slot *slot, const char *reason)
{
    tc_slot_count_crash(slot, slot->coming, reason);
    turn_away(slot, reason);
}

static void emit_swapped(struct tc_slot *slot, enum tc_slot_sensor from)
{
    slot->swaps++;
    tc_slot_emit(slot, &(struct tc_slot_event){.what = TC_SLOT_SWAPPED,
                                               .sensor = slot->holder,
                                               .from = from,
                                               .to = slot->holder,
                                               .from_ns = slot->since_ns,
                                               .to_ns = slot->now_ns,
                                               .reason = slot->handover_reason});
}

static void enter_steady(struct tc_slot *slot)
{
    slot->before = slot->holder;
    slot->emptied = false;
    slot->coming = slot->going = TC_SLOT_NOBODY;
    slot->limit_ns = 0;
    slot->state = TC_SLOT_STEADY;
}

/* The sensor that comes sees everything and has nobody beside it: it holds. */
static void arrive(struct tc_slot *slot)
{
    enum tc_slot_sensor from = slot->before;

    slot->holder = slot->coming;
    if (slot->gap_open)
        tc_slot_emit(slot, &(struct tc_slot_event){.what = TC_SLOT_GAP_CLOSED,
                                                   .sensor = slot->holder,
                                                   .from = from,
                                                   .to = slot->holder,
                                                   .from_ns = slot->gap_from_ns,
                                                   .to_ns = slot->now_ns});
    slot->gap_open = false;
    if (from != slot->holder && (from != TC_SLOT_NOBODY || slot->emptied))
        emit_swapped(slot, from);
    enter_steady(slot);
}

/* The slot moves in one step; the old holder is awaited. */
static void commit(struct tc_slot *slot)
{
    slot->going = slot->holder;
    slot->holder = slot->coming;
    slot->state = TC_SLOT_LEAVING;
    slot->limit_ns = 0;
    stop(slot, slot->going);
}

/* All its marks are live and its canary has passed. */
static void come_live(struct tc_slot *slot)
{
    slot->settled_ns = slot->now_ns + TC_SLOT_SETTLE_NS;
}

static void begin_overlap(struct tc_slot *slot)
{
    slot->state = TC_SLOT_OVERLAP;
    slot->limit_ns = slot->now_ns + TC_SLOT_OVERLAP_NS;
    slot->settled_ns = 0;
    slot->overlapping = true;
    slot->overlap_from = slot->holder;
    slot->overlap_to = slot->coming;
    tc_slot_emit(slot, &(struct tc_slot_event){.what = TC_SLOT_OVERLAP_BEGIN,
                                               .sensor = slot->coming,
                                               .from = slot->holder,
                                               .to = slot->coming});
    if (slot->sensors[slot->coming].started)
        come_live(slot);
}

/* Nobody takes its place. */
static void retire(struct tc_slot *slot)
{
    stop(slot, slot->holder);
    if (slot->wanted == TC_SLOT_NOBODY)
        slot->before = TC_SLOT_NOBODY;
    slot->holder = TC_SLOT_NOBODY;
    slot->state = TC_SLOT_EMPTY;
}

/* The holder has failed; still_runs: it has to be stopped. */
static void lose_holder(struct tc_slot *slot, const char *reason, bool still_runs)
{
    enum tc_slot_sensor lost = slot->holder;

    if (slot->state == TC_SLOT_OVERLAP) {
        tc_slot_copy(slot->handover_reason, reason);
        if (still_runs)
            commit(slot);
        else
            arrive(slot);
        return;
    }
    if (still_runs)
        stop(slot, lost);
    slot->holder = TC_SLOT_NOBODY;
    if (slot->state == TC_SLOT_TRIAL)
        return; /* the one that comes goes on alone */
    if (slot->state == TC_SLOT_LEAVING) {
        emit_aborted(slot, slot->going, lost, reason);
        slot->coming = slot->going = TC_SLOT_NOBODY;
    }
    slot->state = TC_SLOT_EMPTY;
}

static void fail(struct tc_slot *slot, enum tc_slot_sensor sensor, const char *reason,
                 bool still_runs)
{
    tc_slot_count_crash(slot, sensor, reason);
    tc_slot_emit(slot, &(struct tc_slot_event){.what = TC_SLOT_CRASHED,
                                               .sensor = sensor,
                                               .n = tc_slot_crashes(slot, sensor),
                                               .reason = reason});
    if (!still_runs)
        ended(slot, sensor);
    if (sensor == slot->holder)
        lose_holder(slot, reason, still_runs);
    else
        turn_away(slot, reason);
}

/* ---- What follows. ---- */

static void open_gap_if_due(struct tc_slot *slot)
{
    bool due = slot->holder == TC_SLOT_NOBODY &&
               (slot->wanted != TC_SLOT_NOBODY || slot->allowed || slot->gap_before_ns);

    if (!due || slot->gap_open || !slot->asked)
        return;
    slot->gap_open = true;
    slot->gap_from_ns = slot->gap_before_ns ? slot->gap_before_ns : slot->now_ns;
    slot->gap_before_ns = 0;
    tc_slot_emit(slot, &(struct tc_slot_event){.what = TC_SLOT_GAP_OPENED,
                                               .sensor = slot->before,
                                               .from = slot->before,
                                               .to = TC_SLOT_NOBODY,
                                               .from_ns = slot->gap_from_ns});
}

static bool step_empty(struct tc_slot *slot)
{
    enum tc_slot_sensor sensor = slot->wanted;

    if (sensor == TC_SLOT_NOBODY)
        return false;
    if (!startable(slot, sensor))
        sensor = other_than(sensor);
    if (!startable(slot, sensor))
        return false;
    begin(slot, sensor);
    return true;
}

static bool step_handover(struct tc_slot *slot)
{
    if (!tc_slot_permitted(slot, slot->coming) ||
        (slot->wanted == slot->holder && tc_slot_permitted(slot, slot->holder)))
        turn_away(slot, slot->reason);
    else if (slot->state == TC_SLOT_OVERLAP && slot->settled_ns &&
             slot->settled_ns <= slot->now_ns)
        commit(slot);
    else if (slot->now_ns < slot->limit_ns)
        return false;
    else if (!slot->sensors[slot->coming].canary)
        turn_away_for_fault(slot, "its canary did not come through in time");
    else
        turn_away_for_fault(slot, "it did not protect everything in time");
    return true;
}

static bool step_steady(struct tc_slot *slot)
{
    enum tc_slot_sensor other = other_than(slot->holder);

    if (tc_slot_permitted(slot, slot->holder)) {
        if (slot->wanted != other || !startable(slot, other))
            return false;
        begin(slot, other);
    } else if (startable(slot, other)) {
        begin(slot, other);
    } else if (ready(slot, other)) {
        return false; /* it only has to stop first */
    } else {
        retire(slot);
    }
    return true;
}

static void step(struct tc_slot *slot)
{
    bool again = slot->asked;

    while (again) {
        open_gap_if_due(slot);
        if (slot->state == TC_SLOT_EMPTY)
            again = step_empty(slot);
        else if (slot->state == TC_SLOT_STEADY)
            again = step_steady(slot);
        else if (slot->state == TC_SLOT_LEAVING)
            again = false;
        else
            again = step_handover(slot);
    }
    for (int i = 0; i < TC_SLOT_SENSORS; i++) {
        struct tc_slot_run *s = &slot->sensors[i];

        if (s->disabled && !s->disabled_reported)
            tc_slot_emit(slot, &(struct tc_slot_event){
                                   .what = TC_SLOT_DISABLED,
                                   .sensor = (enum tc_slot_sensor)i,
                                   .n = tc_slot_crashes(slot, (enum tc_slot_sensor)i),
                                   .reason = s->failure});
        s->disabled_reported = s->disabled;
    }
    tc_slot_deliver(slot);
}

static void advance(struct tc_slot *slot, uint64_t now_ns)
{
    if (now_ns > slot->now_ns)
        slot->now_ns = now_ns;
}

/* ---- What comes in. ---- */

void tc_slot_want(struct tc_slot *slot, enum tc_slot_sensor wanted, unsigned allowed,
                  const char *reason, uint64_t now_ns)
{
    advance(slot, now_ns);
    if (!slot->asked)
        for (int i = 0; i < TC_SLOT_SENSORS; i++)
            tc_slot_bar_if_due(slot, (enum tc_slot_sensor)i);
    slot->asked = true;
    slot->wanted = wanted;
    slot->allowed = allowed;
    tc_slot_copy(slot->reason, reason);
    slot->emptied = slot->emptied || wanted == TC_SLOT_NOBODY;
    step(slot);
}

void tc_slot_set_installed(struct tc_slot *slot, unsigned installed, uint64_t now_ns)
{
    advance(slot, now_ns);
    slot->installed = installed;
    step(slot);
}

void tc_slot_remember_gap(struct tc_slot *slot, uint64_t from_ns)
{
    slot->gap_before_ns = from_ns;
}

void tc_slot_canary(struct tc_slot *slot, enum tc_slot_sensor sensor, uint64_t now_ns)
{
    struct tc_slot_run *s = &slot->sensors[sensor];

    advance(slot, now_ns);
    if (s->life == TC_SLOT_UP && !s->canary) {
        s->canary = true;
        s->failure[0] = '\0';
        tc_slot_emit(
            slot, &(struct tc_slot_event){.what = TC_SLOT_CANARY_OK, .sensor = sensor});
        if (slot->holder != TC_SLOT_NOBODY)
            begin_overlap(slot);
        else if (s->started)
            arrive(slot);
    }
    step(slot);
}

void tc_slot_started(struct tc_slot *slot, enum tc_slot_sensor sensor, uint64_t now_ns)
{
    struct tc_slot_run *s = &slot->sensors[sensor];

    advance(slot, now_ns);
    if (s->life == TC_SLOT_UP) {
        s->started = true;
        if (slot->state == TC_SLOT_OVERLAP && slot->coming == sensor && !slot->settled_ns)
            come_live(slot);
        else if (slot->state == TC_SLOT_TRIAL && slot->coming == sensor && s->canary)
            arrive(slot); /* the holder was lost meanwhile, or there was none */
    }
    step(slot);
}

void tc_slot_stopped(struct tc_slot *slot, enum tc_slot_sensor sensor, uint64_t now_ns)
{
    advance(slot, now_ns);
    if (slot->sensors[sensor].life == TC_SLOT_UP) {
        fail(slot, sensor, "it stopped by itself", false);
    } else if (slot->sensors[sensor].life == TC_SLOT_STOPPING) {
        ended(slot, sensor);
        if (slot->state == TC_SLOT_LEAVING && slot->going == sensor) {
            emit_swapped(slot, sensor);
            enter_steady(slot);
        }
    }
    step(slot);
}

void tc_slot_failed(struct tc_slot *slot, enum tc_slot_sensor sensor, const char *reason,
                    uint64_t now_ns)
{
    advance(slot, now_ns);
    if (slot->sensors[sensor].life != TC_SLOT_UP) {
        tc_slot_stopped(slot, sensor, now_ns);
        return;
    }
    fail(slot, sensor, reason, false);
    step(slot);
}

void tc_slot_stalled(struct tc_slot *slot, enum tc_slot_sensor sensor, const char *reason,
                     uint64_t now_ns)
{
    advance(slot, now_ns);
    if (slot->sensors[sensor].life == TC_SLOT_UP && sensor == slot->holder)
        fail(slot, sensor, reason, true);
    else if (slot->sensors[sensor].life == TC_SLOT_UP)
        turn_away_for_fault(slot, reason);
    step(slot);
}

static void forgive(struct tc_slot_run *s)
{
    s->crashed = s->streak = 0;
    s->retry_ns = 0;
    s->disabled = s->disabled_reported = false;
}

void tc_slot_retry(struct tc_slot *slot, uint64_t now_ns)
{
    advance(slot, now_ns);
    for (int i = 0; i < TC_SLOT_SENSORS; i++)
        forgive(&slot->sensors[i]);
    step(slot);
}

void tc_slot_mended(struct tc_slot *slot, enum tc_slot_sensor sensor, uint64_t now_ns)
{
    advance(slot, now_ns);
    forgive(&slot->sensors[sensor]);
    slot->sensors[sensor].failure[0] = '\0';
    step(slot);
}

void tc_slot_tick(struct tc_slot *slot, uint64_t now_ns)
{
    advance(slot, now_ns);
    step(slot);
}
