/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: file systems that other mount namespaces have mounted below what is watched, and
 * that the agent's own does not have at all: a container's, or what a user has mounted in
 * a namespace of his own. The kernel tells of no such mount, so they are looked for.
 * Pool threads. Must not: go through a file system that a server answers for
 * (sensor_served.h), also not when somebody mounts one there at that moment.
 */
#ifndef TC_SENSOR_FOREIGN_H
#define TC_SENSOR_FOREIGN_H

#include <stdbool.h>
#include <sys/types.h>

#include "sensor_mounts.h"

struct tc_sensor_scope;

#define TC_SENSOR_NAMESPACES_MAX 1024 /* looked at; those beyond are not */
#define TC_SENSOR_FOREIGN_MAX 256     /* file systems told of in one go */
#define TC_SENSOR_FOREIGN_EVERY_MS 5000

struct tc_sensor_foreign {
    pid_t pid; /* a process of that namespace */
    const struct tc_sensor_mounts *mounts;
    const struct tc_sensor_mount
        *mount; /* of these; its point is as the process sees it */
};

typedef void (*tc_sensor_foreign_fn)(void *arg, const struct tc_sensor_foreign *foreign);

/* Calls back for each of them; file systems of the scope's ignored types are none. */
void tc_sensor_foreign_each(const struct tc_sensor_scope *scope, tc_sensor_foreign_fn fn,
                            void *arg);

/*
 * The folder that is mounted, as O_PATH. Errors: -ELOOP, a server may have to be waited
 * for; -ESTALE, something else is mounted there by now, or over it; -ENOTDIR; those of
 * openat2(2).
 */
int tc_sensor_foreign_open(const struct tc_sensor_foreign *foreign);

/* Whether a mount of another namespace's table lies below what is watched. Pure. */
bool tc_sensor_foreign_is_inside(const struct tc_sensor_scope *scope,
                                 const struct tc_sensor_mounts *mounts,
                                 const struct tc_sensor_mount *mount);

#endif
