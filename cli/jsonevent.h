/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a recorded event, as one JSON object, as Sigma rules see it: its fields by their
 * own names, by dotted names within it, and by Sigma's names for ours; its log source and
 * time. Must not: know rules.
 */
#ifndef TC_CLI_JSONEVENT_H
#define TC_CLI_JSONEVENT_H

#include <json-c/json.h>

#include "sigma/sigma.h"

#define TC_JSON_EVENT_DEPTH_MAX 32 /* objects and lists within each other */

struct tc_json_event {
    struct tc_sigma_event sigma; /* what is evaluated; points into the rest */
    json_object *line;           /* what was read */
    json_object *data;           /* of it, the object that has the fields */
    json_object **leaves;        /* for keywords: every value within */
    size_t leaf_count, leaf_room;
    bool leaves_known;
};

/*
 * Reads one object. `before_ns` is the time of an event that does not say its own.
 * -EINVAL: it is none, and `why` says so; -ENOMEM. The event must not be moved.
 */
int tc_json_event_read(struct tc_json_event *event, const char *text, size_t len,
                       uint64_t before_ns, char why[128]);

/* What the agent has published under a topic: its fields are those of `event`. */
int tc_json_event_read_topic(struct tc_json_event *event, const char *topic,
                             const char *text, size_t len, uint64_t before_ns,
                             char why[128]);

void tc_json_event_done(struct tc_json_event *event); /* takes a zeroed one */

#endif
