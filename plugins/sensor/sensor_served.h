/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which file systems are served: what happens in them is up to a server, another
 * process (FUSE) or another machine (NFS, SMB, 9p), which may never answer. A thread that
 * waits for it cannot be ended, not even by SIGKILL, and what it holds is changed without
 * this kernel's knowledge. So no thread of the agent opens a file there by its path.
 */
#ifndef TC_SENSOR_SERVED_H
#define TC_SENSOR_SERVED_H

#include <stdbool.h>

/* By the type that mountinfo names. One that is not known to be local is held to be
 * served. Pure. */
bool tc_sensor_served(const char *type);

/*
 * Whether an absolute path without links lies on one, by the table of mounts alone: not
 * if that is the root, without which nothing runs. False, too, when the table cannot be
 * read. Reads /proc: not on the loop.
 */
bool tc_sensor_served_path(const char *path);

#endif
