/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a walk through the watched folders for files that have changed since some time:
 * breadth first, one file system after the other, through no symbolic link, in steps
 * short enough to share a pool thread with others. Pool threads, one at a time. Must not:
 * leave the folders it was given, or hold more than a step's descriptors.
 */
#ifndef TC_SENSOR_WALK_H
#define TC_SENSOR_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct tc_sensor_scope;
struct tc_sensor_walk;

#define TC_SENSOR_WALK_FOUND_MAX 64      /* of one step; each brings a descriptor */
#define TC_SENSOR_WALK_ENTRIES_MAX 4096  /* looked at in one step */
#define TC_SENSOR_WALK_FOLDERS_MAX 65536 /* waiting at once; those beyond are skipped */

/* A regular file that has changed. */
struct tc_sensor_found {
    char *path;
    struct statx stx;
    int fd; /* for reading */
};

struct tc_sensor_step {
    struct tc_sensor_found found[TC_SENSOR_WALK_FOUND_MAX];
    size_t count;
    uint64_t skipped; /* folders and files that could not be looked at */
};

/*
 * Of the files below `roots` (absolute, through no link; NULL-terminated) those whose
 * change or modification time is `since_ns` (since the epoch) or later. Only what `scope`
 * holds to be inside; without one (NULL) only what is on a root's own file system.
 * Errors: -ENOMEM.
 */
int tc_sensor_walk_new(const char *const *roots, struct tc_sensor_scope *scope,
                       uint64_t since_ns, struct tc_sensor_walk **ret_walk);
void tc_sensor_walk_free(struct tc_sensor_walk *walk); /* takes NULL */

/* Goes on for a while. False when there is nothing left after this. */
bool tc_sensor_walk_step(struct tc_sensor_walk *walk, struct tc_sensor_step *ret_step);

/* Frees and closes what is left in a step. */
void tc_sensor_step_clear(struct tc_sensor_step *step);

#endif
