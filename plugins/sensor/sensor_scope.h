/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which files are protected. A file's place is translated, by the table of mounts,
 * into (file system, path inside that file system) and compared with the watched paths in
 * the same form, so that no bind mount leads around them. Pure: the table comes in as the
 * text of /proc/self/mountinfo. Immutable once made; references are counted, by any
 * thread.
 */
#ifndef TC_SENSOR_SCOPE_H
#define TC_SENSOR_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sensor_mounts.h"

enum tc_sensor_where {
    TC_SENSOR_OUTSIDE,
    TC_SENSOR_INSIDE,
    TC_SENSOR_ELSEWHERE, /* not known: found through a mount that the table has not */
};

/* One watched folder, as a sensor in the kernel needs it. */
struct tc_sensor_area {
    dev_t device;
    char *path; /* inside that file system: everything at and below it is protected */
    char *seen; /* the same folder as this namespace sees it; it need not exist */
};

struct tc_sensor_scope;

/*
 * Makes the scope of `watch` (absolute paths, NULL-terminated) over a table of mounts.
 * File systems of the `ignored` types (NULL-terminated) and pseudo file systems are
 * excluded. Nothing is kept of the arguments. One reference, the caller's. Errors:
 * -EINVAL, a line that is no mountinfo; -ENOMEM.
 */
int tc_sensor_scope_new(const char *mountinfo, const char *const *watch,
                        const char *const *ignored, struct tc_sensor_scope **ret_scope);
/* The same, of the mounts as they are now. Blocks. */
int tc_sensor_scope_read(int mountinfo_fd, const char *const *watch,
                         const char *const *ignored, struct tc_sensor_scope **ret_scope);
struct tc_sensor_scope *tc_sensor_scope_ref(struct tc_sensor_scope *scope);
void tc_sensor_scope_unref(struct tc_sensor_scope *scope); /* takes NULL */

/* A mount of each file system to be marked, by index from 0; NULL past the end. */
const struct tc_sensor_mount *
tc_sensor_scope_file_system(const struct tc_sensor_scope *scope, size_t index);

/* What it was made of, NULL-terminated. */
const char *const *tc_sensor_scope_roots(const struct tc_sensor_scope *scope);

/* The type of the file system that a path lies on, if such are not watched; else NULL. */
const char *tc_sensor_scope_unwatched(const struct tc_sensor_scope *scope,
                                      const char *path);

/*
 * Where a file is that statx(2) says this of (asked as tc_sensor_scope_statx says) and
 * the kernel calls `path`. ELSEWHERE: the mount is another namespace's, a private one of
 * the kernel's (of a layer of an overlay), or came after the table; to be treated as
 * inside, and never to be remembered as outside.
 */
enum tc_sensor_where tc_sensor_scope_place(const struct tc_sensor_scope *scope,
                                           const struct statx *stx, const char *path);

/* The same, of what was found through a mount (by its `id`) that is known to be ours. */
enum tc_sensor_where tc_sensor_scope_place_through(const struct tc_sensor_scope *scope,
                                                   uint64_t mount_id, const char *path);

/* Whether that path leads the agent itself to that file: only then can it say what the
 * operator meant by it. */
bool tc_sensor_scope_is_own(const struct tc_sensor_scope *scope, const struct statx *stx,
                            const char *path);

/*
 * The same of a program, and that none but root can have put it there: the file is root's
 * and nobody else may write it, has not been deleted, and its file system is not served:
 * a server says of it what it likes.
 */
bool tc_sensor_scope_is_program(const struct tc_sensor_scope *scope,
                                const struct statx *stx, const char *path);

/* What statx(2) is to be asked for. */
unsigned int tc_sensor_scope_statx(const struct tc_sensor_scope *scope);

/* Where the mount is through which a file was found: "" of the root's, or not known. */
const char *tc_sensor_scope_point(const struct tc_sensor_scope *scope,
                                  const struct statx *stx);

/* Whether an absolute path lies on a served mount, by the table alone; not if that is the
 * root, without which nothing runs. */
bool tc_sensor_scope_served(const struct tc_sensor_scope *scope, const char *path);

/* Whether a file system is served itself, wherever it is mounted, and is not the root. */
bool tc_sensor_scope_served_device(const struct tc_sensor_scope *scope, dev_t device);

/* Whether a path lies in what an overlay of this namespace writes to. */
bool tc_sensor_scope_upper(const struct tc_sensor_scope *scope, const char *path);

/* The mount of ours that shows most of a file system, if none waits for a server who goes
 * there; NULL: none. */
const struct tc_sensor_mount *tc_sensor_scope_local(const struct tc_sensor_scope *scope,
                                                    dev_t device);

/* The watched folders, by index from 0; NULL past the end. */
const struct tc_sensor_area *tc_sensor_scope_area(const struct tc_sensor_scope *scope,
                                                  size_t index);

/* The same as tc_sensor_scope_place, of a path inside file system `device`. */
enum tc_sensor_where tc_sensor_scope_place_inside(const struct tc_sensor_scope *scope,
                                                  dev_t device, const char *inner);

/*
 * How this namespace sees path `inner` of file system `device`: through mount `mount_id`
 * (`id` of the table) if that is one of ours, else through any that shows it. False when
 * none does.
 */
bool tc_sensor_scope_seen(const struct tc_sensor_scope *scope, uint64_t mount_id,
                          dev_t device, const char *inner,
                          char ret_path[TC_SENSOR_PATH_MAX]);

/* Whether a mount of ours shows anything of that file system. */
bool tc_sensor_scope_has_device(const struct tc_sensor_scope *scope, dev_t device);

/* Whether a mount, of whichever table, is of a type that is not watched. */
bool tc_sensor_scope_is_ignored(const struct tc_sensor_scope *scope,
                                const struct tc_sensor_mount *mount);

/*
 * While it is made, before others have it: protects also a folder of a file system that
 * only another namespace has (sensor_foreign.h). `seen` is its name there. -ENOMEM.
 */
int tc_sensor_scope_add_foreign(struct tc_sensor_scope *scope, dev_t device,
                                const char *inner, const char *seen);

/* Whether both protect the same. */
bool tc_sensor_scope_same(const struct tc_sensor_scope *a,
                          const struct tc_sensor_scope *b);

#endif
