/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the slot's inside, shared by slot.c (the machine), slot_events.c (what is
 * emitted) and slot_crashes.c (crashes, backoff, the view). Nobody else includes it. */
#ifndef TC_CORE_SLOT_PRIV_H
#define TC_CORE_SLOT_PRIV_H

#include "core/slot/slot.h"

#define TC_SLOT_REASON_MAX 256
#define TC_SLOT_NOTICES_MAX                                                              \
    64 /* waiting to be emitted; more only if callbacks call back without end */

enum tc_slot_life {
    TC_SLOT_DOWN,
    TC_SLOT_UP,       /* from start on */
    TC_SLOT_STOPPING, /* from stop on */
};

struct tc_slot_run {
    enum tc_slot_life life;
    bool canary, started;
    uint64_t crashes[TC_SLOT_CRASHES_MAX]; /* the last ones, a ring */
    unsigned crashed;                      /* in all */
    unsigned streak; /* crashes, each within ten minutes of the one before */
    bool disabled, disabled_reported;
    uint64_t retry_ns; /* not before */
    char failure[TC_SLOT_REASON_MAX];
};

enum tc_slot_notice_kind {
    TC_SLOT_NOTICE_START,
    TC_SLOT_NOTICE_STOP,
    TC_SLOT_NOTICE_EVENT,
};

struct tc_slot_notice {
    enum tc_slot_notice_kind what;
    struct tc_slot_event event; /* of a start or stop, the sensor alone */
    char reason[TC_SLOT_REASON_MAX];
};

struct tc_slot {
    struct tc_slot_callbacks callbacks;
    uint64_t now_ns;
    struct tc_slot_run sensors[TC_SLOT_SENSORS];
    enum tc_slot_sensor wanted;
    unsigned allowed, installed;     /* sets of 1 << sensor */
    char reason[TC_SLOT_REASON_MAX]; /* of what is wanted */
    bool asked;                      /* somebody has said who is wanted */

    enum tc_slot_state state;
    enum tc_slot_sensor holder, coming, going;
    uint64_t since_ns, limit_ns; /* of the handover: its start; when it aborts */
    uint64_t settled_ns;         /* when it commits; 0: not live yet */
    char handover_reason[TC_SLOT_REASON_MAX];
    enum tc_slot_sensor before; /* who held the slot last */
    bool emptied;               /* nobody was wanted: whoever comes next is a swap */
    bool overlapping;           /* overlap_begin was emitted, overlap_end was not */
    enum tc_slot_sensor overlap_from, overlap_to;
    bool gap_open;
    uint64_t gap_from_ns, gap_before_ns; /* gap_before: remembered; 0: none */
    unsigned swaps, unreported;

    struct tc_slot_notice queue[TC_SLOT_NOTICES_MAX];
    unsigned head, queued;
    bool delivering;
};

/* ---- slot_events.c ---- */

/* Puts an event, or an order to start or stop, into the queue. */
void tc_slot_emit(struct tc_slot *slot, const struct tc_slot_event *event);
void tc_slot_order(struct tc_slot *slot, enum tc_slot_notice_kind what,
                   enum tc_slot_sensor sensor);

/* Calls back for all that is queued, unless a callback is what called. */
void tc_slot_deliver(struct tc_slot *slot);

void tc_slot_copy(char to[TC_SLOT_REASON_MAX], const char *from);

/* ---- slot_crashes.c ---- */

unsigned tc_slot_crashes(const struct tc_slot *slot, enum tc_slot_sensor sensor);

/* Counts a crash or a failed trial, now. */
void tc_slot_count_crash(struct tc_slot *slot, enum tc_slot_sensor sensor,
                         const char *reason);
void tc_slot_bar_if_due(struct tc_slot *slot, enum tc_slot_sensor sensor);

/* Whether it may hold the slot if it can. */
bool tc_slot_permitted(const struct tc_slot *slot, enum tc_slot_sensor sensor);

#endif
