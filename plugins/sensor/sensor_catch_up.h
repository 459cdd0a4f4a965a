/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: looking, after a time in which nobody did, at what was written meanwhile. Asked
 * by the agent's sensor.gap, or by rpc.<sensor>.catch_up for one that came before the
 * sensor ran; walks on pool threads, a step at a time with a pause between, and hands
 * each file to the sensor, which publishes it. Loop.
 */
#ifndef TC_SENSOR_CATCH_UP_H
#define TC_SENSOR_CATCH_UP_H

#include <stdbool.h>
#include <stdint.h>
#include <tocsin/plugin.h>

#include "sensor_walk.h"

struct tc_sensor_scope;

#define TC_SENSOR_CATCH_UP_PAUSE_MS 5   /* between two steps */
#define TC_SENSOR_CATCH_UP_EARLIER_S 2  /* than the gap: clocks of files are coarse */
#define TC_SENSOR_CATCH_UP_REASON "gap" /* event.reason of what is published */

struct tc_sensor_catch_up_config {
    const struct tocsin_host *host;
    /*
     * Publishes one file as file.written; sets found->fd to -1 if the event has it now.
     * False: it is not to be reported, or could not be.
     */
    bool (*publish)(void *arg, struct tc_sensor_found *found);
    void (*ended)(void *arg); /* a walk has, whatever ended it */
    void *arg;
};

struct tc_sensor_catch_up {
    struct tc_sensor_catch_up_config config;
    uint64_t wanted_ns; /* since when; 0: nothing is wanted */
    struct tc_sensor_walk *walk;
    struct tc_sensor_step step;
    struct tocsin_timer *timer;
    bool busy, more, stopping;
    uint64_t caught_up, skipped, walks; /* files reported, and not; walks that ended */
};

void tc_sensor_catch_up_init(struct tc_sensor_catch_up *catch_up,
                             const struct tc_sensor_catch_up_config *config);

/*
 * Takes an event that may ask for it: the agent's sensor.gap with both ends, or a request
 * of that method, which is answered. True when it was one. Goes on with
 * tc_sensor_catch_up_go.
 */
bool tc_sensor_catch_up_event(struct tc_sensor_catch_up *catch_up,
                              const struct tocsin_event *event, const char *method);

/*
 * Begins, if something is wanted and nothing runs: once the sensor watches, and again
 * when `ended` is called. `roots` and `scope` as for tc_sensor_walk_new.
 */
void tc_sensor_catch_up_go(struct tc_sensor_catch_up *catch_up, const char *const *roots,
                           struct tc_sensor_scope *scope);

/* Ends it for good. While it is busy a pool thread runs; `ended` comes after that. */
void tc_sensor_catch_up_stop(struct tc_sensor_catch_up *catch_up);
bool tc_sensor_catch_up_busy(const struct tc_sensor_catch_up *catch_up);

/* Puts caught_up and catch_up_skipped into an open map. */
void tc_sensor_catch_up_put(const struct tc_sensor_catch_up *catch_up,
                            struct tocsin_writer *w);

#endif
