/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the wording of what the plugin publishes about threats: which fields an event of
 * each topic has. Loop thread. Must not: decide that something is to be reported.
 */
#ifndef TC_AV_EVENTS_H
#define TC_AV_EVENTS_H

#include <tocsin/plugin.h>

#include "engine/av_engine.h"
#include "vault/av_record.h"

/* One sighting of a threat; record->id is the threat's. Borrowed. */
struct tc_av_news {
    const struct tocsin_host *host;
    const struct tc_av_record *record;
    const struct tc_av_hit *hit;
    const struct tocsin_event *event; /* its process is reported too; or NULL */
};

/* threat.detected; action: quarantine or none. */
void tc_av_events_detected(const struct tc_av_news *news, const char *action);

/* alert.raised */
void tc_av_events_alert(const struct tc_av_news *news);

/* threat.remediated; reason may be NULL. */
void tc_av_events_remediated(const struct tocsin_host *host,
                             const struct tc_av_record *record, const char *action,
                             const char *status, const char *reason);

/*
 * threat.remediated once more, as of the time when it happened, for what went into the
 * vault shortly before this start: a crash may have come between the vault and the
 * journal, which takes what it knows already for what it is.
 */
#define TC_AV_EVENTS_REPEAT_NS (3600 * INT64_C(1000000000))
void tc_av_events_kept(const struct tocsin_host *host, const struct tc_av_record *record);

#endif
