/* SPDX-License-Identifier: Apache-2.0 */
/* Crashes, how long a sensor is not started after one, and the view of the slot. */
#include "core/slot/slot_priv.h"

#include <string.h>

#define SECOND_NS UINT64_C(1000000000)

static unsigned crashes_within(const struct tc_slot_run *s, uint64_t now_ns)
{
    unsigned n = 0;

    for (unsigned i = 0; i < s->crashed && i < TC_SLOT_CRASHES_MAX; i++)
        n +=
            now_ns < s->crashes[i] || now_ns - s->crashes[i] <= TC_SLOT_CRASHES_WITHIN_NS;
    return n;
}

/* 1, 2, 4 ... 60 s. */
static void add_crash(struct tc_slot_run *s, uint64_t at_ns)
{
    uint64_t backoff_ns = TC_SLOT_BACKOFF_MAX_NS;
    bool in_a_row = crashes_within(s, at_ns) > 0;

    s->streak = in_a_row ? s->streak + 1 : 1;
    s->crashes[s->crashed++ % TC_SLOT_CRASHES_MAX] = at_ns;
    if (s->streak <= 6)
        backoff_ns = SECOND_NS << (s->streak - 1);
    s->retry_ns = at_ns + backoff_ns;
}

unsigned tc_slot_crashes(const struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    return crashes_within(&slot->sensors[sensor], slot->now_ns);
}

/* Only where the other can protect: one that stops every minute beats none. */
void tc_slot_bar_if_due(struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    if (tc_slot_crashes(slot, sensor) >= TC_SLOT_CRASHES_MAX &&
        (slot->installed & ~(1u << sensor)))
        slot->sensors[sensor].disabled = true;
}

void tc_slot_count_crash(struct tc_slot *slot, enum tc_slot_sensor sensor,
                         const char *reason)
{
    struct tc_slot_run *s = &slot->sensors[sensor];

    tc_slot_copy(s->failure, reason);
    add_crash(s, slot->now_ns);
    tc_slot_bar_if_due(slot, sensor);
}

void tc_slot_remember_crash(struct tc_slot *slot, enum tc_slot_sensor sensor,
                            uint64_t at_ns)
{
    tc_slot_copy(slot->sensors[sensor].failure, "the agent ended while it protected");
    add_crash(&slot->sensors[sensor], at_ns);
}

bool tc_slot_permitted(const struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    return slot->wanted != TC_SLOT_NOBODY && sensor != TC_SLOT_NOBODY &&
           (slot->installed & 1u << sensor) &&
           (sensor == slot->wanted || (slot->allowed & 1u << sensor));
}

/* Whether it is only its backoff that keeps it from being started. */
static bool waits(const struct tc_slot *slot, enum tc_slot_sensor sensor)
{
    const struct tc_slot_run *s = &slot->sensors[sensor];

    if (slot->state != TC_SLOT_EMPTY &&
        (slot->state != TC_SLOT_STEADY || sensor != slot->wanted))
        return false;
    return sensor != slot->holder && tc_slot_permitted(slot, sensor) && !s->disabled &&
           s->retry_ns > slot->now_ns;
}

uint64_t tc_slot_next_ns(const struct tc_slot *slot)
{
    uint64_t next_ns = UINT64_MAX;

    if (slot->state == TC_SLOT_OVERLAP && slot->settled_ns)
        return slot->settled_ns;
    if (slot->state == TC_SLOT_TRIAL || slot->state == TC_SLOT_OVERLAP)
        return slot->limit_ns;
    for (int i = 0; i < TC_SLOT_SENSORS; i++)
        if (waits(slot, (enum tc_slot_sensor)i) && slot->sensors[i].retry_ns < next_ns)
            next_ns = slot->sensors[i].retry_ns;
    return next_ns;
}

void tc_slot_snapshot(const struct tc_slot *slot, uint64_t now_ns,
                      struct tc_slot_view *ret)
{
    *ret = (struct tc_slot_view){
        .state = slot->state,
        .holder = slot->holder,
        .wanted = slot->wanted,
        .coming = slot->coming,
        .going = slot->going,
        .gap_open = slot->gap_open,
        .gap_from_ns = slot->gap_open ? slot->gap_from_ns : 0,
        .swaps = slot->swaps,
        .unreported = slot->unreported,
    };
    for (int i = 0; i < TC_SLOT_SENSORS; i++) {
        const struct tc_slot_run *s = &slot->sensors[i];

        ret->crashes[i] = crashes_within(s, now_ns);
        ret->disabled[i] = s->disabled;
        ret->retry_ns[i] = s->disabled || s->retry_ns <= now_ns ? 0 : s->retry_ns;
        memcpy(ret->failure[i], s->failure, sizeof(ret->failure[i]));
    }
}
