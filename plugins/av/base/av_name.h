/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which name a file has now. The kernel knows a file by the name that it was opened
 * by, which may be gone, or may never have been one: of a file made with O_TMPFILE, that
 * got its name by linkat. Any thread.
 */
#ifndef TC_AV_NAME_H
#define TC_AV_NAME_H

#include <limits.h>

#include "base/av_file.h"

#define TC_AV_NAME_QUICK 4096 /* entries looked at by tc_av_fd_path */
#define TC_AV_NAME_MAX 131072 /* where a thread of the pool looks */

/* True when the name in its folder is that regular file's. */
bool tc_av_name_is(int dirfd, const char *name, uint64_t dev, uint64_t ino);

/* A name of that file among the first `max` in a folder. -ENOENT: none. Blocks. */
int tc_av_name_find(int dirfd, uint64_t dev, uint64_t ino, size_t max,
                    char ret[NAME_MAX + 1]);

/* The path behind a descriptor. -ENOENT: it has no name any more, or none of the first
 * TC_AV_NAME_QUICK in the folder where it was made. */
int tc_av_fd_path(int fd, char *ret, size_t cap);

#endif
