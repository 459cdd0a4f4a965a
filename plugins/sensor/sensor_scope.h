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

#define TC_SENSOR_PATH_MAX 4096 /* PATH_MAX: of what readlink gives for a descriptor */

/* One line of mountinfo, proc(5). */
struct tc_sensor_mount {
    uint64_t id, parent;
    dev_t device;
    char *root;  /* which folder of the file system is mounted */
    char *point; /* where */
    char *type;
    bool served; /* sensor_served.h: it, or one that its mount point lies on */
};

enum tc_sensor_place {
    TC_SENSOR_OUTSIDE,
    TC_SENSOR_INSIDE,
    TC_SENSOR_ELSEWHERE, /* a mount that only another namespace has */
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
struct tc_sensor_scope *tc_sensor_scope_ref(struct tc_sensor_scope *scope);
void tc_sensor_scope_unref(struct tc_sensor_scope *scope); /* takes NULL */

/* A mount of each file system to be marked, by index from 0; NULL past the end. */
const struct tc_sensor_mount *
tc_sensor_scope_file_system(const struct tc_sensor_scope *scope, size_t index);

/*
 * Where a file is whose absolute path, as seen through mount `mount_id`, is `path`. A
 * mount that is not in the table is another namespace's: ELSEWHERE, to be treated as
 * inside.
 */
enum tc_sensor_place tc_sensor_scope_place(const struct tc_sensor_scope *scope,
                                           uint64_t mount_id, const char *path);

/* Whether an absolute path lies on a served mount, by the table alone. */
bool tc_sensor_scope_served(const struct tc_sensor_scope *scope, const char *path);

/* Whether an absolute path lies on the mount that is the root. */
bool tc_sensor_scope_on_root(const struct tc_sensor_scope *scope, const char *path);

/* The watched folders, by index from 0; NULL past the end. */
const struct tc_sensor_area *tc_sensor_scope_area(const struct tc_sensor_scope *scope,
                                                  size_t index);

/* The same as tc_sensor_scope_place, of a path inside file system `device`. */
enum tc_sensor_place tc_sensor_scope_place_inside(const struct tc_sensor_scope *scope,
                                                  dev_t device, const char *inner);

/*
 * How this namespace sees path `inner` of file system `device`: through mount `mount_id`
 * if it is one of ours, else through any that shows it. False when none does.
 */
bool tc_sensor_scope_seen(const struct tc_sensor_scope *scope, uint64_t mount_id,
                          dev_t device, const char *inner,
                          char ret_path[TC_SENSOR_PATH_MAX]);

/* Whether a file system is served itself, wherever it is mounted. */
bool tc_sensor_scope_served_device(const struct tc_sensor_scope *scope, dev_t device);

/* Whether both protect the same. */
bool tc_sensor_scope_same(const struct tc_sensor_scope *a,
                          const struct tc_sensor_scope *b);

/* The text of /proc/self/mountinfo, from an open descriptor of it, to be freed; NULL when
 * out of memory. Blocks. */
char *tc_sensor_scope_read_mounts(int mountinfo_fd);

/* True for types that hold no files of their own: proc, sysfs, devpts ... */
bool tc_sensor_scope_pseudo(const char *type);

/* True when `path` is `folder` or something under it. */
bool tc_sensor_path_under(const char *path, const char *folder);

#endif
