/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the slot, the one place that real-time protection holds, and who fills it: the
 * primary sensor (es) or the fallback (kext). Make before break: the sensor that comes is
 * started and has passed its canary before the one that goes is stopped. What sensors do
 * and the time come in as arguments; what to start and stop, and events, go out through
 * callbacks. Must not: look at a clock, log, or know plugins, gates or the bus. Pure.
 *
 *                      +--------------- CRASHED <------------------+
 *                      v    (after 1, 2, 4 ... 60 s)               |
 *   EMPTY --------> STEADY(holder) --> TRIAL --> OVERLAP --> LEAVING --> STEADY(other)
 *     ^  \______________^   ^            |          |         the old one stops
 *     |   alone: no peer    +------------+----------+
 *     |                        failed: the holder stays
 *     +---- nobody is wanted, or nobody can
 */
#ifndef TC_CORE_SLOT_H
#define TC_CORE_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_SLOT_TRIAL_NS (10 * UINT64_C(1000000000)) /* from start to canary */
/* The same with nobody beside it, whom it could hold up: what a plugin has to start, and
 * some more, since a slow machine may need it. */
#define TC_SLOT_TRIAL_ALONE_NS (40 * UINT64_C(1000000000))
#define TC_SLOT_OVERLAP_NS                                                               \
    (10 * UINT64_C(1000000000)) /* from canary to commit; then the handover aborts */
/* Both see everything for so long before the old one goes: whatever was under way when
 * the new one became live is over by then (docs/slot.md). */
#define TC_SLOT_SETTLE_NS (500 * UINT64_C(1000000))
#define TC_SLOT_CRASHES_MAX 3 /* of one sensor within ... */
#define TC_SLOT_CRASHES_WITHIN_NS                                                        \
    (600 * UINT64_C(1000000000)) /* ... before it is disabled until retry */
#define TC_SLOT_BACKOFF_MAX_NS (60 * UINT64_C(1000000000))

enum tc_slot_sensor {
    TC_SLOT_PRIMARY = 0,
    TC_SLOT_FALLBACK = 1,
    TC_SLOT_SENSORS = 2,
    TC_SLOT_NOBODY = TC_SLOT_SENSORS,
};

enum tc_slot_state {
    TC_SLOT_EMPTY,   /* nobody holds it: a gap is open unless nobody may */
    TC_SLOT_TRIAL,   /* `coming` has been started; its canary is awaited, and with no
                        holder beside it that all its marks are set */
    TC_SLOT_OVERLAP, /* its canary has passed; both answer until all its marks are set */
    TC_SLOT_LEAVING, /* committed: `coming` is the holder, `going` answers what it has */
    TC_SLOT_STEADY,  /* the holder alone */
};

enum tc_slot_event_type {
    TC_SLOT_STARTING,  /* sensor.starting {sensor} */
    TC_SLOT_CANARY_OK, /* sensor.canary_ok {sensor} */
    /* sensor.overlap_begin, sensor.overlap_end {from, to}: an end for each begin, once
     * the one that goes, or was turned away, has stopped and reports nothing more. */
    TC_SLOT_OVERLAP_BEGIN,
    TC_SLOT_OVERLAP_END,
    /* sensor.swapped {from, to, reason, microseconds}: another sensor holds than before,
     * also across a gap. After a handover emitted once the old one has stopped. The first
     * holder is a swap, from NOBODY, only if nobody had been wanted before. */
    TC_SLOT_SWAPPED,
    /* sensor.handover_aborted {from, to, reason, n}: the one that comes was turned away;
     * from is NOBODY where it came alone. */
    TC_SLOT_ABORTED,
    TC_SLOT_CRASHED,    /* sensor.crashed {sensor, reason, n} */
    TC_SLOT_DISABLED,   /* sensor.barred {sensor, n}: no further start before retry or
                           mended */
    TC_SLOT_GAP_OPENED, /* sensor.gap {from}: nobody protects */
    TC_SLOT_GAP_CLOSED, /* sensor.gap {from, to, sensor} */
};

/* Valid inside the callback only. */
struct tc_slot_event {
    enum tc_slot_event_type what;
    enum tc_slot_sensor sensor;   /* that it is about */
    enum tc_slot_sensor from, to; /* of a handover */
    unsigned n;                   /* crashes and failed trials within ten minutes */
    uint64_t from_ns, to_ns;      /* of a gap; of the handover, its start and end */
    const char *reason;           /* "" where there is none */
};

/* All may call back into the slot; what follows from that is emitted after they return.
 */
struct tc_slot_callbacks {
    void *arg;
    /* Ends in tc_slot_started or tc_slot_failed; tc_slot_canary comes between. */
    void (*start)(void *arg, enum tc_slot_sensor sensor);
    /* It takes its marks away, answers all that is pending and closes; ends in
     * tc_slot_stopped. */
    void (*stop)(void *arg, enum tc_slot_sensor sensor);
    void (*event)(void *arg, const struct tc_slot_event *event);
};

struct tc_slot;

struct tc_slot *tc_slot_new(const struct tc_slot_callbacks *callbacks);
void tc_slot_free(struct tc_slot *slot); /* takes NULL */

/*
 * Who is to hold the slot, and who at all could: NOBODY empties it, and that is a gap if
 * `allowed` names anybody (no bridge while the answer is awaited) and none if not
 * (protection is switched off). When the one who is
 * wanted cannot (not installed, disabled, its start fails), the other holds it if
 * `allowed` names it too (set of 1 << sensor); the wanted one is tried again after its
 * backoff. `reason` says why, for sensor.swapped.
 */
void tc_slot_want(struct tc_slot *slot, enum tc_slot_sensor wanted, unsigned allowed,
                  const char *reason, uint64_t now_ns);

/* Which sensors there are to be started (set of 1 << sensor). */
void tc_slot_set_installed(struct tc_slot *slot, unsigned installed, uint64_t now_ns);

/* A crash that happened before this run: it counts if it is within ten minutes of the
 * first want, and its backoff holds. Oldest first, before the first want. */
void tc_slot_remember_crash(struct tc_slot *slot, enum tc_slot_sensor sensor,
                            uint64_t at_ns);

/* Protection has been open since then (the agent before this one ended): the first holder
 * closes that gap. Before the first want. */
void tc_slot_remember_gap(struct tc_slot *slot, uint64_t from_ns);

/* What sensors do. Each start ends in one of failed and stopped, and only one. canary: it
 * has come through; beside a holder the overlap begins. started: all its marks are live;
 * with its canary it holds, beside a holder once that has settled. failed: it could not
 * start, or it stopped by itself; it holds nothing any more. stalled: its questions stay
 * unanswered (its budget ends again and again): the one that comes is turned away, a
 * holder counts as crashed; either is stopped. */
void tc_slot_canary(struct tc_slot *slot, enum tc_slot_sensor sensor, uint64_t now_ns);
void tc_slot_started(struct tc_slot *slot, enum tc_slot_sensor sensor, uint64_t now_ns);
void tc_slot_failed(struct tc_slot *slot, enum tc_slot_sensor sensor, const char *reason,
                    uint64_t now_ns);
void tc_slot_stalled(struct tc_slot *slot, enum tc_slot_sensor sensor, const char *reason,
                     uint64_t now_ns);
void tc_slot_stopped(struct tc_slot *slot, enum tc_slot_sensor sensor, uint64_t now_ns);

/* Forgets crashes and backoffs: whoever is wanted is tried again now. */
void tc_slot_retry(struct tc_slot *slot, uint64_t now_ns);

/* The same of one sensor: it is not what failed any more (a new file, new options). */
void tc_slot_mended(struct tc_slot *slot, enum tc_slot_sensor sensor, uint64_t now_ns);

/* Time passes. next_ns: when tick is due; UINT64_MAX: never. */
void tc_slot_tick(struct tc_slot *slot, uint64_t now_ns);
uint64_t tc_slot_next_ns(const struct tc_slot *slot);

struct tc_slot_view {
    enum tc_slot_state state;
    enum tc_slot_sensor holder; /* who protects now, or NOBODY */
    enum tc_slot_sensor wanted;
    enum tc_slot_sensor coming, going; /* of a handover, or NOBODY */
    bool gap_open;
    uint64_t gap_from_ns;
    unsigned crashes[TC_SLOT_SENSORS]; /* within ten minutes */
    bool disabled[TC_SLOT_SENSORS];
    uint64_t retry_ns[TC_SLOT_SENSORS]; /* when it is tried again; 0: not waiting */
    char failure[TC_SLOT_SENSORS][256]; /* why it did not start or ended; "" */
    unsigned swaps;
    unsigned unreported; /* events lost: the callbacks called back without end */
};
void tc_slot_snapshot(const struct tc_slot *slot, uint64_t now_ns,
                      struct tc_slot_view *ret);

const char *tc_slot_state_name(enum tc_slot_state state);
const char *tc_slot_topic(enum tc_slot_event_type what);

#endif
