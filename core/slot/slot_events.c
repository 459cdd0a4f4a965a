/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the slot emits waits in a queue, so that a callback which calls back in finds a
 * machine that is whole, and its own consequences are emitted after.
 */
#include "core/slot/slot_priv.h"

#include <stdio.h>

/* No more starts and stops than these wait at once: there is always room for them. */
#define ORDERS_MAX (2 * TC_SLOT_SENSORS)

static struct tc_slot_notice *queue_take(struct tc_slot *slot, unsigned keep_free)
{
    if (slot->queued + keep_free >= TC_SLOT_NOTICES_MAX) {
        slot->unreported++;
        return NULL;
    }
    return &slot->queue[(slot->head + slot->queued++) % TC_SLOT_NOTICES_MAX];
}

void tc_slot_copy(char to[TC_SLOT_REASON_MAX], const char *from)
{
    snprintf(to, TC_SLOT_REASON_MAX, "%s", from ? from : "");
}

void tc_slot_emit(struct tc_slot *slot, const struct tc_slot_event *event)
{
    struct tc_slot_notice *notice = queue_take(slot, ORDERS_MAX);

    if (!notice)
        return;
    notice->what = TC_SLOT_NOTICE_EVENT;
    notice->event = *event;
    tc_slot_copy(notice->reason, event->reason);
}

void tc_slot_order(struct tc_slot *slot, enum tc_slot_notice_kind what,
                   enum tc_slot_sensor sensor)
{
    struct tc_slot_notice *notice = queue_take(slot, 0);

    if (!notice)
        return;
    notice->what = what;
    notice->event = (struct tc_slot_event){.sensor = sensor};
}

void tc_slot_deliver(struct tc_slot *slot)
{
    const struct tc_slot_callbacks *call = &slot->callbacks;
    struct tc_slot_notice notice;

    if (slot->delivering)
        return;
    slot->delivering = true;
    while (slot->queued) {
        notice = slot->queue[slot->head];
        slot->head = (slot->head + 1) % TC_SLOT_NOTICES_MAX;
        slot->queued--;
        notice.event.reason = notice.reason;
        if (notice.what == TC_SLOT_NOTICE_START)
            call->start(call->arg, notice.event.sensor);
        else if (notice.what == TC_SLOT_NOTICE_STOP)
            call->stop(call->arg, notice.event.sensor);
        else
            call->event(call->arg, &notice.event);
    }
    slot->delivering = false;
}

const char *tc_slot_state_name(enum tc_slot_state state)
{
    static const char *const names[] = {
        [TC_SLOT_EMPTY] = "empty",     [TC_SLOT_TRIAL] = "trial",
        [TC_SLOT_OVERLAP] = "overlap", [TC_SLOT_LEAVING] = "leaving",
        [TC_SLOT_STEADY] = "steady",
    };

    return names[state];
}

const char *tc_slot_topic(enum tc_slot_event_type what)
{
    static const char *const topics[] = {
        [TC_SLOT_STARTING] = "sensor.starting",
        [TC_SLOT_CANARY_OK] = "sensor.canary_ok",
        [TC_SLOT_OVERLAP_BEGIN] = "sensor.overlap_begin",
        [TC_SLOT_OVERLAP_END] = "sensor.overlap_end",
        [TC_SLOT_SWAPPED] = "sensor.swapped",
        [TC_SLOT_ABORTED] = "sensor.handover_aborted",
        [TC_SLOT_CRASHED] = "sensor.crashed",
        [TC_SLOT_DISABLED] = "sensor.barred",
        [TC_SLOT_GAP_OPENED] = "sensor.gap",
        [TC_SLOT_GAP_CLOSED] = "sensor.gap",
    };

    return topics[what];
}
