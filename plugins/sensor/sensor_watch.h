/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the entries of `watch` are at this moment: each is resolved to the place
 * that it names, through links and `..`, and what keeps one from being watched is kept
 * for health. Pool threads, but for what says otherwise.
 */
#ifndef TC_SENSOR_WATCH_H
#define TC_SENSOR_WATCH_H

#include <stddef.h>

#include "sensor_options.h"

struct tc_sensor_scope;

struct tc_sensor_watch {
    /* By entry, NULL-terminated, from malloc: the place as the kernel names it. Of one
     * that is not there, where it will be. */
    const char *paths[TC_SENSOR_WATCH_MAX + 1];
    int errors[TC_SENSOR_WATCH_MAX]; /* 0, or why it was not found: a negative errno */
};

/* Resolves all of them, without asking a server (sensor_served.h): what lies beyond one
 * is taken by its name. Errors: -ENOMEM; nothing is kept. Blocks. */
int tc_sensor_watch_resolve(const struct tc_sensor_places *places,
                            struct tc_sensor_watch *ret_watch);

void tc_sensor_watch_done(struct tc_sensor_watch *watch); /* takes a zeroed one */

/*
 * Loop: tells health of each entry that cannot be watched, and takes back what is over.
 * `plugin` is the one whose option it is; `scope` was made of `watch`, or is NULL where
 * file systems do not matter.
 */
void tc_sensor_watch_report(const struct tc_sensor_watch *watch,
                            const struct tc_sensor_places *places,
                            const struct tc_sensor_scope *scope,
                            const struct tocsin_host *host, const char *plugin);

#endif
