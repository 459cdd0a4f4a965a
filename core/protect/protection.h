/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: who protects: the loop around the slot (core/slot), the overlap
 * (core/slot/overlap.h) and the gates (core/protect/approver.h). It starts and stops
 * sensors through the registry, lets their events through or suppresses them in a
 * handover, and derives what health says of protection. Loop thread.
 */
#ifndef TC_CORE_PROTECTION_H
#define TC_CORE_PROTECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/approval/approval.h"
#include "core/slot/slot.h"

struct tc_services;
struct tc_approver;
struct tc_health_numbers;
struct tc_protection;
struct tocsin_event;
struct tocsin_writer;

/* Borrows the services, all but the journal whole. Blocks: before the loop runs. */
int tc_protection_new(const struct tc_services *services,
                      struct tc_protection **ret_protection);

/* The plugins are loaded; detectors may still be starting. `settled(arg)` once somebody
 * protects, or nobody can. */
void tc_protection_start(struct tc_protection *protection, void (*settled)(void *arg),
                         void *arg);

/* From here on nothing is started or stopped any more. */
void tc_protection_stop(struct tc_protection *protection);

/* Frees itself on the loop; takes NULL. */
void tc_protection_free(struct tc_protection *protection);

/* The registry's events about plugins (struct tc_registry_options.event, disabled), and
 * the canary of the plugin `name`. */
void tc_protection_plugin(struct tc_protection *protection, const char *what,
                          const char *name, const char *why);
void tc_protection_disabled(struct tc_protection *protection, const char *name);
void tc_protection_canary(struct tc_protection *protection, const char *name);

/* The machine was suspended, or all of the agent stood still, until now: told as a gap.
 */
void tc_protection_stood_still(struct tc_protection *protection, uint64_t for_ns);

/* The set of those who vote. When one comes, the sensor looks at what was written since
 * one was last missing. */
void tc_protection_voters(struct tc_protection *protection, uint64_t voters);

/* All detectors that there are have come, or will not. */
void tc_protection_judged(struct tc_protection *protection);

void tc_protection_configured(struct tc_protection *protection);

/* The bus has lost events: health says for a while who judges without them. */
void tc_protection_lost(struct tc_protection *protection);

/* As tc_judge_publish, for events of plugins: in a handover what the other sensor has
 * published already is suppressed. */
int tc_protection_publish(struct tc_protection *protection,
                          const struct tocsin_event *draft, const char *source,
                          const struct tocsin_event **ret_event);

/* Tries again whatever was denied, timed out, or failed too often. */
void tc_protection_retry(struct tc_protection *protection);

struct tc_approver *tc_protection_approver(const struct tc_protection *protection);

struct tc_protection_view {
    struct tc_slot_view slot;
    const char *names[TC_SLOT_SENSORS]; /* of the plugins; NULL: none is configured */
    const char *subsystem;              /* that the holder is, or NULL */
    uint64_t canary_ns;                 /* of the holder, CLOCK_MONOTONIC; 0: none yet */
};
/* Fills in what health says of protection; now_ns and passive are there already. */
void tc_protection_numbers(const struct tc_protection *protection,
                           struct tc_health_numbers *ret);

void tc_protection_snapshot(const struct tc_protection *protection,
                            struct tc_protection_view *ret);

#endif
