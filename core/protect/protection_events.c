/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the slot's events, on the bus and in the log. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/base/health.h"
#include "core/base/log.h"
#include "core/base/machine.h"
#include "core/protect/protection_priv.h"

#define US UINT64_C(1000)

/* The slot's clock is CLOCK_MONOTONIC; what people read is since the epoch. */
static uint64_t since_epoch(uint64_t mono_ns)
{
    return tc_wall_ns() - (uv_hrtime() - mono_ns);
}

static void put_statistics(struct tocsin_writer *w, const struct tc_slot_event *event,
                           const struct tc_overlap_statistics *statistics)
{
    bool es_comes = event->to == TC_SLOT_PRIMARY;

    tocsin_put_uint(w, "matched", statistics->matched);
    tocsin_put_uint(w, "only_from",
                    es_comes ? statistics->only_second : statistics->only_first);
    tocsin_put_uint(w, "only_to",
                    es_comes ? statistics->only_first : statistics->only_second);
    tocsin_put_uint(w, "suppressed", statistics->suppressed);
    tocsin_put_uint(w, "microseconds", (event->to_ns - event->from_ns) / US);
}

/* A slot that nobody has held so far was kept for the primary. */
static const char *swapped_from(const struct tc_protection *p,
                                const struct tc_slot_event *event)
{
    bool kept = event->what == TC_SLOT_SWAPPED && event->from == TC_SLOT_NOBODY &&
                event->to == TC_SLOT_FALLBACK;

    return tc_protection_name_of(p, kept ? TC_SLOT_PRIMARY : event->from);
}

static void put_event(struct tc_protection *p, struct tocsin_writer *w,
                      const struct tc_slot_event *event,
                      const struct tc_overlap_statistics *statistics)
{
    switch (event->what) {
    case TC_SLOT_OVERLAP_BEGIN:
    case TC_SLOT_OVERLAP_END:
    case TC_SLOT_ABORTED:
    case TC_SLOT_SWAPPED:
        tocsin_put_str(w, "from", swapped_from(p, event));
        tocsin_put_str(w, "to", tc_protection_name_of(p, event->to));
        break;
    case TC_SLOT_GAP_CLOSED:
        tocsin_put_str(w, "sensor", tc_protection_name_of(p, event->sensor));
        tocsin_put_uint(w, "from", p->gap_reported_ns); /* the same number twice */
        tocsin_put_uint(w, "to", since_epoch(event->to_ns));
        break;
    case TC_SLOT_GAP_OPENED:
        p->gap_reported_ns = since_epoch(event->from_ns);
        tocsin_put_uint(w, "from", p->gap_reported_ns);
        break;
    default:
        tocsin_put_str(w, "sensor", tc_protection_name_of(p, event->sensor));
    }
    if (event->what == TC_SLOT_SWAPPED)
        put_statistics(w, event, statistics);
    if (event->n)
        tocsin_put_uint(w, "n", event->n);
    if (event->reason && *event->reason)
        tocsin_put_str(w, TOCSIN_FIELD_REASON, event->reason);
}

static void remember_swap(struct tc_protection *p, const struct tc_slot_event *event)
{
    char text[256], when[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(text, sizeof(text), "%s %s to %s (%.160s)", when, swapped_from(p, event),
             tc_protection_name_of(p, event->to), event->reason ? event->reason : "");
    tc_health_report(p->services->notice.health, "core", TOCSIN_REPORT_FACT, "last_swap",
                     text, NULL);
    tc_log(TOCSIN_LOG_NOTICE, "agent", "sensor swapped from %s to %s: %s",
           swapped_from(p, event), tc_protection_name_of(p, event->to),
           event->reason ? event->reason : "");
}

void tc_protection_emit(struct tc_protection *p, const struct tc_slot_event *event,
                        const struct tc_overlap_statistics *statistics)
{
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    put_event(p, &w, event, statistics);
    tocsin_end(&w);
    tc_notice_publish(&p->services->notice, tc_slot_topic(event->what), &w);
    if (event->what == TC_SLOT_SWAPPED)
        remember_swap(p, event);
}
