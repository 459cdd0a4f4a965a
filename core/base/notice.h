/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the core itself reports, and where it goes: events to the bus, issues and
 * facts to health, changes to the log. Loop thread.
 */
#ifndef TC_CORE_NOTICE_H
#define TC_CORE_NOTICE_H

#include <stdint.h>

struct tc_bus;
struct tc_health;
struct tocsin_writer;

struct tc_notice {
    struct tc_bus *bus;
    struct tc_health *health;
};

/* Publishes {fields that `w` has written} as an event of the core, now. Failures are
 * counted by the bus. */
void tc_notice_publish(const struct tc_notice *notice, const char *topic,
                       const struct tocsin_writer *w);

/* The same for {name, reason}; name may be NULL. */
void tc_notice_note(const struct tc_notice *notice, const char *topic, const char *name,
                    const char *reason);

/* As tc_health_report, and a line in the log when that was news. */
void tc_notice_report(const struct tc_notice *notice, const char *owner, uint32_t what,
                      const char *key, const char *text, const char *fix);

#endif
