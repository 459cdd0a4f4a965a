/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the served file systems (sensor_served.h) that are watched, each by a proxy
 * (es_proxy.h), and the way of their questions, which is that of all others but for this:
 * the event's descriptor is a copy, nothing is remembered, and no thread of the agent
 * touches the file. Loop.
 *
 *     STARTING --marked--> ASKING --given up--> LEFT --both have ended--> STARTING
 *         +------------ it cannot be marked, or is given up ---^
 */
#ifndef TC_ES_SERVED_H
#define TC_ES_SERVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_es;
struct tc_es_served_one;
struct tocsin_writer;

#define TC_ES_SERVED_RETRY_MS 5000
#define TC_ES_SERVED_MAX 256 /* proxies: two processes each */

struct tc_es_served {
    bool pass; /* the operator's: none is asked about */
    struct tc_es_served_one *first;
    size_t count;
    struct tocsin_timer *retry;
    size_t beyond; /* file systems more than TC_ES_SERVED_MAX */
    uint64_t asked, given_up, uncopied;
};

/* The scope has changed: what is new in it is asked about, what has gone no more. */
void tc_es_served_update(struct tc_es *es);

/* As tc_es_questions_answer. False: the question is none of these. */
bool tc_es_served_answer(struct tc_es *es, uint64_t event_id, bool allow);

/* Nobody is asked any more; what has been asked is still to be answered. */
void tc_es_served_unmark(struct tc_es *es);
bool tc_es_served_waiting(const struct tc_es *es);

/* Writes the map "served" of the statistics. */
void tc_es_served_put(const struct tc_es *es, struct tocsin_writer *w);

/* Lets all go; whoever still waits gets the default answer. */
void tc_es_served_close(struct tc_es *es);

#endif
