/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the events of processes look like, see docs/events.md. Pure. */
#ifndef TC_TRACE_ENCODE_H
#define TC_TRACE_ENCODE_H

#include <tocsin/event.h>

#include "trace_process.h"

#define TC_TRACE_ANCESTORS_MAX 8

struct tc_sensor_file;
struct tc_trace_act;
struct tc_trace_flow_record;

/* What has happened. */
struct tc_trace_event {
    const char *topic;
    uint64_t time_ns; /* since the epoch */
    uint64_t sequence, epoch;
    const struct tc_trace_process *process; /* NULL: not known who */
    /* Nearest first; the first is the parent. */
    const struct tc_trace_process *ancestors[TC_TRACE_ANCESTORS_MAX];
    size_t ancestor_count;
    bool whole;                              /* with everything that an exec sets */
    bool ended;                              /* exit_status counts */
    int exit_status;                         /* as wait(2) gives it */
    const struct tc_trace_flow_record *flow; /* NULL: it is of no connection */
    const struct tc_sensor_file *file;       /* NULL: it is of no file */
    const struct tc_trace_act *act;          /* NULL: it is none */
    const char *sha256;             /* of the executable, hex; NULL: not known yet */
    const char *user, *parent_user; /* the real users' names; NULL: not known */
};

void tc_trace_encode(struct tocsin_writer *w, const struct tc_trace_event *event);

#endif
