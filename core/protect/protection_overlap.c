/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what sensors publish while a handover is under way: by the overlap table it
 * goes out, or is suppressed because the other sensor has published it.
 */
#include <string.h>

#include "core/base/machine.h"
#include "core/protect/protection_priv.h"
#include "core/verdict/judge.h"
#include "ipc/event.h"

/* The kernel asks a system extension before anything in the kernel itself reports. */
enum tc_overlap_role tc_protection_role_of(const struct tc_protection *p,
                                           enum tc_slot_sensor sensor)
{
    return tc_protection_kind_of(p, sensor) == TOCSIN_KIND_SYSTEM_EXTENSION
               ? TC_OVERLAP_FIRST
               : TC_OVERLAP_SECOND;
}

static void on_answered(void *arg, uint64_t id, bool allow)
{
    struct tc_protection *p = arg;

    if (allow)
        tc_overlap_allowed(p->overlap, id, uv_hrtime());
    else
        tc_overlap_denied(p->overlap, id);
}

void tc_protection_overlap_close(struct tc_protection *p,
                                 struct tc_overlap_statistics *ret)
{
    if (!p->overlapping)
        return;
    tc_overlap_end(p->overlap, ret);
    tc_judge_handover(p->services->judge, NULL, NULL);
    p->overlapping = false;
}

/* The numbers by which the overlap knows topics of events that block; 0: it does not. */
static uint32_t operation_of(const char *topic)
{
    static const char *const topics[] = {TOCSIN_TOPIC_FILE_OPEN, TOCSIN_TOPIC_FILE_EXEC};

    for (uint32_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        if (!strcmp(topic, topics[i]))
            return i + 1;
    return 0;
}

/*
 * CLOCK_REALTIME less CLOCK_MONOTONIC. The overlap compares times of two sensors to the
 * microsecond, so one that was interrupted between the clocks is taken again; of several
 * the one that was least so counts.
 */
static uint64_t wall_ahead_ns(void)
{
    uint64_t before, wall, took, ahead = 0, least = UINT64_MAX;

    for (int tries = 0; tries < 8 && least > 2000; tries++) {
        before = uv_hrtime();
        wall = tc_wall_ns();
        took = uv_hrtime() - before;
        if (took >= least)
            continue;
        least = took;
        ahead = wall - before - took / 2;
    }
    return ahead;
}

/* 0 where there is no such number. */
static uint64_t uint_of(const struct tocsin_event *event, const char *path)
{
    struct tocsin_value v;

    return tocsin_find(event->data, event->len, path, &v) && v.type == TOCSIN_UINT ? v.u
                                                                                   : 0;
}

static struct tc_overlap_report report_of(const struct tocsin_event *draft,
                                          enum tc_overlap_role role)
{
    struct tc_overlap_report report = {.role = role};

    report.time_ns = draft->time_ns - wall_ahead_ns();
    report.operation = operation_of(draft->topic);
    report.blocks = report.operation != 0;
    report.replaces = !strcmp(draft->topic, TOCSIN_TOPIC_FILE_EXEC);
    report.dedupe_key = uint_of(draft, TOCSIN_FIELD_DEDUPE_KEY);
    report.pid = (int32_t)tocsin_find_int(draft->data, draft->len, "process.pid", 0);
    report.start_ns = uint_of(draft, "process.start");
    report.device = uint_of(draft, "file.device");
    report.inode = uint_of(draft, "file.inode");
    return report;
}

/* One of FIRST's that is open when SECOND comes: that one may yet be asked the same. */
static void on_open_question(void *arg, const struct tocsin_event *question)
{
    struct tc_protection *p = arg;
    enum tc_slot_sensor sensor = tc_protection_sensor_of(p, question->source);
    struct tc_overlap_report report;

    if (sensor == TC_SLOT_NOBODY || tc_protection_role_of(p, sensor) != TC_OVERLAP_FIRST)
        return;
    report = report_of(question, TC_OVERLAP_FIRST);
    if (report.blocks)
        tc_overlap_open(p->overlap, &report, question->id);
}

void tc_protection_overlap_open(struct tc_protection *p, enum tc_slot_sensor coming)
{
    tc_overlap_begin(p->overlap, tc_protection_role_of(p, coming), uv_hrtime());
    tc_judge_handover(p->services->judge, on_answered, p);
    p->overlapping = true;
    if (tc_protection_role_of(p, coming) == TC_OVERLAP_SECOND)
        tc_judge_each_open(p->services->judge, on_open_question, p);
}

static int publish_in_overlap(struct tc_protection *p, const struct tocsin_event *draft,
                              const char *source, enum tc_slot_sensor sensor,
                              const struct tocsin_event **ret_event)
{
    const struct tc_overlap_report report =
        report_of(draft, tc_protection_role_of(p, sensor));
    const struct tocsin_event *event;
    struct tc_overlap_match match = {0};
    int err;

    if (tc_overlap_admit(p->overlap, &report, uv_hrtime(), &match) == TC_OVERLAP_SUPPRESS)
        return tc_judge_suppress(p->services->judge, draft, source, match.event_id,
                                 ret_event);
    err = tc_judge_publish(p->services->judge, draft, source, &event);
    if (err)
        return err;
    tc_overlap_published(p->overlap, event->id);
    if (ret_event)
        *ret_event = event;
    else
        tc_event_unref(tc_event_of(event));
    return 0;
}

int tc_protection_publish(struct tc_protection *p, const struct tocsin_event *draft,
                          const char *source, const struct tocsin_event **ret_event)
{
    /* Also after the handover, while a late report may be of what is published. */
    enum tc_slot_sensor sensor =
        tc_overlap_busy(p->overlap) ? tc_protection_sensor_of(p, source) : TC_SLOT_NOBODY;

    if (!strcmp(draft->topic, TOCSIN_TOPIC_SENSOR_GAP))
        tc_protection_gap(p, draft, source);
    if (sensor != TC_SLOT_NOBODY && !strncmp(draft->topic, "file.", 5))
        return publish_in_overlap(p, draft, source, sensor, ret_event);
    return tc_judge_publish(p->services->judge, draft, source, ret_event);
}
