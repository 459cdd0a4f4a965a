/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: where a file is, by what it is and not by what somebody calls it: an open
 * descriptor's device, inode and mount, and the path by which the agent itself finds it.
 * Scope and exclusions are judged by this alone. Whoever opened the file may have done so
 * in a mount namespace of its own, or through an overlay: a path that holds only there is
 * translated by the file's handle, or known to be none of ours.
 *
 * A loop may do this about a file whose file system does not answer: nothing is asked
 * anew of it, and handles are used on local file systems only.
 */
#ifndef TC_SENSOR_PLACE_H
#define TC_SENSOR_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sensor_scope.h"

struct tc_sensor_place {
    struct statx stx;
    /* Absolute. Where it is `cut`, the kernel has none so long to give: this is the mount
     * and the inode, "/srv/.../#4711". */
    char path[TC_SENSOR_PATH_MAX];
    enum tc_sensor_where where;
    bool cut;
};

/*
 * Of an open file. `links` is an open /proc/self/fd, or -1. Errors: those of statx(2) and
 * readlink(2).
 */
int tc_sensor_place_of(const struct tc_sensor_scope *scope, int links, int fd,
                       struct tc_sensor_place *ret_place);

/* Whether `path` leads the agent itself to that file. Only then can it be excluded. */
bool tc_sensor_place_is_own(const struct tc_sensor_scope *scope,
                            const struct tc_sensor_place *place);

/* Whether a process runs the file that the agent finds at that path, and none but root
 * can have put it there (tc_sensor_scope_is_program). Only then can it be excluded. */
bool tc_sensor_place_is_program(const struct tc_sensor_scope *scope, pid_t pid,
                                const char *executable, dev_t *ret_device,
                                uint64_t *ret_inode);

#endif
