/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the options that every file sensor has: what it watches, and what it ignores. */
#ifndef TC_SENSOR_OPTIONS_H
#define TC_SENSOR_OPTIONS_H

#include <stdbool.h>
#include <tocsin/plugin.h>

#define TC_SENSOR_WATCH_MAX 64 /* entries of `watch`, and of `ignore_filesystems` */

/* NULL-terminated; the strings are the host's. */
struct tc_sensor_places {
    const char *watch[TC_SENSOR_WATCH_MAX + 1]; /* absolute paths, at least one */
    const char *ignored[TC_SENSOR_WATCH_MAX + 1];
};

/*
 * Reads one list; `paths`: of absolute ones. NULL-terminated; the strings are the host's.
 * -EINVAL names what is wrong in the log.
 */
int tc_sensor_list_read(const struct tocsin_host *host, const char *option, bool paths,
                        const char *list[TC_SENSOR_WATCH_MAX + 1]);

/* Reads options `watch` and `ignore_filesystems`. -EINVAL names what is wrong in the log.
 */
int tc_sensor_places_read(const struct tocsin_host *host, struct tc_sensor_places *ret);

#endif
