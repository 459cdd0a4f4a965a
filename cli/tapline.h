/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: one event of a tap: taken from its notification, and as a line for people. Pure.
 */
#ifndef TC_CLI_TAPLINE_H
#define TC_CLI_TAPLINE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdio.h>
#include <tocsin/event.h>

/* Points into the notification. */
struct tc_tap_event {
    struct tocsin_str topic, source;
    uint64_t id, time_ns, reply_to; /* 0: not said */
    const msgpack_object *map;      /* what it says */
};

/* Reads the parameters [topic, source, id, map, time_ns, reply_to] of a tap.event; the
 * last two were not always there. -EINVAL: they are not. */
int tc_tapline_read(const msgpack_object *params, struct tc_tap_event *ret);

/* How much of an event a line shows. */
struct tc_tapline {
    bool wide;      /* all of its fields, not those alone that tell something */
    size_t columns; /* the line is cut there; 0: it is not */
    bool ascii;
};

/*
 * date time topic process[pid] what-it-is-about field=value... id=N source=NAME
 * `now_ns` (since the epoch) stands in for an event that does not say its time.
 */
void tc_tapline_print(FILE *out, const struct tc_tapline *style,
                      const struct tc_tap_event *event, uint64_t now_ns);

#endif
