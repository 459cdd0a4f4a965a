/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a recorded event, as one JSON object, as Sigma rules see it: its fields by their
 * own names, by dotted names within it, and by Sigma's names for ours; its log source and
 * time. What `tocsin tap --output json` has written becomes what the bus had, and its
 * records (sigma/match/record.h) say the rest. Must not: know rules.
 */
#ifndef TC_CLI_JSONEVENT_H
#define TC_CLI_JSONEVENT_H

#include <json-c/json.h>

#include "ipc/pack.h"
#include "sigma/match/record.h"

enum tc_json_time {
    TC_JSON_TIME_SAID,
    TC_JSON_TIME_NONE,       /* under no name that is known */
    TC_JSON_TIME_UNREADABLE, /* under one, and it is no time */
};

struct tc_json_event {
    json_object *line;     /* what was read */
    const char *topic;     /* it is the tap's: */
    struct tc_pack packed; /* the event as it was published */
    uint64_t time_ns;
    enum tc_json_time
        time; /* where time_ns is from; unless SAID it is the one before's */
    struct tc_sigma_event sigma;   /* as one: what is evaluated; points into the rest */
    struct tc_sigma_record record; /* the tap's: the same */
    json_object **leaves;          /* for keywords: every value within */
    size_t leaf_count, leaf_room;
    bool leaves_known;
};

/*
 * Reads one object. `before_ns` is the time of an event that does not say its own.
 * -EINVAL: it is none, and `why` says so; -ENOMEM. The event must not be moved.
 */
int tc_json_event_read(struct tc_json_event *event, const char *text, size_t len,
                       uint64_t before_ns, char why[128]);

/* What it is to be evaluated as: `index` from 0 on in turn; NULL past the last. */
const struct tc_sigma_event *tc_json_event_record(struct tc_json_event *event,
                                                  size_t index);

void tc_json_event_done(struct tc_json_event *event); /* takes a zeroed one */

#endif
