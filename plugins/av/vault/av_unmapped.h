/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the other way to a file that was met through a mount which maps owners (an
 * idmapped mount, as containers have): there it seems to be somebody else's, and root may
 * not be anybody at all. Any thread.
 */
#ifndef TC_AV_UNMAPPED_H
#define TC_AV_UNMAPPED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Given the text of /proc/<pid>/mountinfo, and the mount on which a path is: true when
 * that one maps owners, and another shows the same place and does not, where the path is
 * *ret. That mount may be covered by another: look. Pure.
 */
bool tc_av_unmapped_path(const char *mountinfo, uint64_t mount_id, const char *path,
                         char *ret, size_t cap);

/* The same with this process's mounts; `folder` is the open folder that holds `path`. */
bool tc_av_unmapped(int folder, const char *path, char *ret, size_t cap);

#endif
