/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whether anybody has a file open for writing, or mapped so: then its content may
 * change without its times changing. Any thread; does not wait, but on file systems that
 * ask others about permissions (FUSE, NFS): not to be asked of those.
 *
 * fanotify makes no ignore mark on a file that is open for writing (fanotify_mark(2)), so
 * one is made and taken away again: if there was none to take away, somebody has it. A
 * lease (F_SETLEASE) would tell the same, but an open that meets it waits, or fails.
 */
#ifndef TC_SENSOR_WRITERS_H
#define TC_SENSOR_WRITERS_H

#include <stdbool.h>

struct tc_sensor_writers {
    int group; /* of fanotify, which marks nothing for longer than a question; or -1 */
};

/* Without CAP_SYS_ADMIN, or memory, nothing can be told. */
void tc_sensor_writers_init(struct tc_sensor_writers *writers);
void tc_sensor_writers_done(struct tc_sensor_writers *writers);

/* True when somebody may change the file that `fd` is, or it cannot be told. */
bool tc_sensor_writers_any(const struct tc_sensor_writers *writers, int fd);

#endif
