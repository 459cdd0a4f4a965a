/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of protection share, and nobody else sees. */
#ifndef TC_CORE_PROTECTION_PRIV_H
#define TC_CORE_PROTECTION_PRIV_H

#include <uv.h>

#include "core/host/services.h"
#include "core/protect/losses.h"
#include "core/protect/protection.h"
#include "core/slot/overlap.h"
#include "core/verdict/denials.h"

/* What the slot wants of a sensor and the registry has not been asked for yet. */
enum tc_order {
    TC_ORDER_NONE,
    TC_ORDER_START,
    TC_ORDER_STOP,
};

struct tc_protection_sensor {
    char name[64]; /* ""; of no plugin that is installed */
    enum tc_order order;
    bool ordered;        /* passed on, and no outcome yet */
    bool up;             /* from its start to its stop */
    uint64_t canary_ns;  /* the last, CLOCK_MONOTONIC; 0: none since it was started */
    uint64_t restart_ns; /* it has been restarting since then, CLOCK_MONOTONIC; 0: not */
};

struct tc_protection {
    const struct tc_services *services;
    struct tc_slot *slot;
    struct tc_overlap *overlap;
    struct tc_approver *approver;
    struct tc_protection_sensor sensors[TC_SLOT_SENSORS];
    uv_timer_t timer;
    bool running;     /* between start and free */
    bool overlapping; /* two sensors may report: what they publish goes by the overlap */
    bool bridged;     /* the first prompt may show */
    bool timed_out;   /* reported: the slot is the fallback's now */
    uint64_t gap_reported_ns; /* when the reported gap began, CLOCK_REALTIME */
    uint64_t gap_from_ns;     /* CLOCK_REALTIME: nothing was seen since then; 0: none */
    /* Who looks for what was written in the last gap, from when on (0: nobody) and since
     * when. */
    enum tc_slot_sensor walker;
    uint64_t walk_from_ns, walk_asked_ns;
    uint64_t voters; /* who votes, as a set */
    /* Since when one of `voters_full` voters has been missing, CLOCK_REALTIME; 0: none.
     */
    uint64_t unjudged_from_ns;
    unsigned voters_full;
    struct tc_denials denials;
    /* Of events: by the bus's subscribers, and by those who report what happens. */
    struct tc_losses losses, gaps;
    struct tc_subscriber *resets;
    void (*settled)(void *arg);
    void *settled_arg;
};

#define TC_PROTECTION_HANDOVER "handover" /* reason of a verdict.reset */

/* protection_denials.c: tell: what has been denied, to the sensor that has come. */
int tc_protection_denials_start(struct tc_protection *protection);
void tc_protection_denials_stop(struct tc_protection *protection);
void tc_protection_denials_tell(struct tc_protection *protection);

/* protection.c: looks at everything anew, outside whatever has called; who holds the
 * slot. */
void tc_protection_soon(struct tc_protection *protection);
enum tc_slot_sensor tc_protection_holder(const struct tc_protection *protection);

/* protection_catch_up.c: has the sensor, which holds, look at what was written since
 * gap_from_ns; or once more, if the holder before it may not have come to the end. */
void tc_protection_catch_up(struct tc_protection *protection, enum tc_slot_sensor sensor);

/* As the agent starts, nobody votes. */
void tc_protection_unjudged(struct tc_protection *protection);

/* protection_sensors.c: one that is up keeps its name, whatever else is installed by
 * now; which of the two there are (set of 1 << sensor). */
void tc_protection_name_sensors(struct tc_protection *protection);
unsigned tc_protection_installed(const struct tc_protection *protection);

enum tc_slot_sensor tc_protection_sensor_of(const struct tc_protection *protection,
                                            const char *name);
/* enum tocsin_kind; 0 when it is not loaded. */
uint32_t tc_protection_kind_of(const struct tc_protection *protection,
                               enum tc_slot_sensor sensor);

enum tc_overlap_role tc_protection_role_of(const struct tc_protection *protection,
                                           enum tc_slot_sensor sensor);

/* protection_overlap.c: before the coming sensor is started, and when one of the two has
 * stopped. ret may be NULL; it is untouched when no overlap is open. */
void tc_protection_overlap_open(struct tc_protection *protection,
                                enum tc_slot_sensor coming);
void tc_protection_overlap_close(struct tc_protection *protection,
                                 struct tc_overlap_statistics *ret);

/* The plugin's name; "none" of TC_SLOT_NOBODY. */
const char *tc_protection_name_of(const struct tc_protection *protection,
                                  enum tc_slot_sensor sensor);

/* protection_promises.c: `source` publishes a gap: what it has lost is noted. */
void tc_protection_gap(struct tc_protection *protection, const struct tocsin_event *gap,
                       const char *source);

/* Adds the issues that nobody reports; those about approval are
 * there already. */
struct tc_health_numbers;
void tc_protection_add_promises(const struct tc_protection *protection,
                                const struct tc_slot_view *slot,
                                struct tc_health_numbers *ret);

/* protection_events.c */
void tc_protection_emit(struct tc_protection *protection,
                        const struct tc_slot_event *event,
                        const struct tc_overlap_statistics *statistics);
#endif
