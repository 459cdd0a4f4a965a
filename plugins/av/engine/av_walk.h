/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: going through a folder and all below it, one regular file at a time. Follows no
 * symbolic link, enters no pseudo file system and not the quarantine. One caller at a
 * time; blocks. Must not: scan.
 */
#ifndef TC_AV_WALK_H
#define TC_AV_WALK_H

#include "base/av_file.h"

#define TC_AV_WALK_DEPTH 200 /* folders; deeper ones are skipped and counted */

struct tc_av_tree;

/* Starts at a file or folder, resolving links in `path` itself. vault_*: to be skipped.
 */
int tc_av_tree_open(const char *path, uint64_t vault_dev, uint64_t vault_ino,
                    struct tc_av_tree **ret_tree);
void tc_av_tree_close(struct tc_av_tree *tree); /* takes NULL */

/*
 * The next file: *ret_fd is the caller's, *ret_path valid until the next call; one that
 * PATH_MAX has no room for is cut in the middle, "/srv/.../name". False at the end. What
 * cannot be opened is counted in *errors, what is skipped in *skipped.
 */
bool tc_av_tree_next(struct tc_av_tree *tree, int *ret_fd, const char **ret_path,
                     uint64_t *skipped, uint64_t *errors);

#endif
