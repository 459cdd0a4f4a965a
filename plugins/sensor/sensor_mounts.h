/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the table of the mounts of the agent's own namespace, and how one is found again
 * by what statx(2) says of a file. The kernel gives the number of a mount that has gone
 * to the next one at once, so where it has numbers that it never gives twice (Linux 6.8:
 * STATX_MNT_ID_UNIQUE, listmount, statmount) those count; else the device has to be the
 * same as well. Immutable once made.
 */
#ifndef TC_SENSOR_MOUNTS_H
#define TC_SENSOR_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define TC_SENSOR_PATH_MAX 4096 /* PATH_MAX: of what readlink gives for a descriptor */

#ifndef STATX_MNT_ID_UNIQUE /* Linux 6.8 */
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

/* One line of mountinfo, proc(5). */
struct tc_sensor_mount {
    uint64_t id;     /* may be given again */
    uint64_t unique; /* never is; 0: not known */
    uint64_t parent; /* `id` of the mount that `point` lies on */
    dev_t device;
    char *root;  /* which folder of the file system is mounted */
    char *point; /* where */
    size_t point_len;
    char *type;
    char *upper; /* of an overlay: the folder that it writes to; NULL: none */
    bool served; /* sensor_served.h: it, or one that its mount point lies on */
};

struct tc_sensor_mounts {
    struct tc_sensor_mount *list;         /* in the order of the table */
    size_t count, served, uppers;         /* of these: served; with an upper folder */
    const struct tc_sensor_mount **by_id; /* sorted; by `unique` when that is set */
    bool unique;
};

/* Two numbers of the same mount. */
struct tc_sensor_mount_ids {
    uint64_t id, unique;
};

/*
 * Takes the text of a mountinfo apart. `ids`, read before the text was, are what is known
 * of unique numbers; NULL where the kernel has none. Errors: -EINVAL, a line that is no
 * mountinfo; -ENOMEM. On failure nothing is left.
 */
int tc_sensor_mounts_parse(const char *mountinfo, const struct tc_sensor_mount_ids *ids,
                           size_t id_count, struct tc_sensor_mounts *ret_mounts);
void tc_sensor_mounts_done(struct tc_sensor_mounts *mounts); /* takes a zeroed one */

/* The numbers of all mounts of this namespace, from malloc. Errors: -ENOSYS before Linux
 * 6.8, or where a filter of system calls says so; -ENOMEM. */
int tc_sensor_mounts_ids(struct tc_sensor_mount_ids **ret_ids, size_t *ret_count);

/*
 * The mount through which a file was found whose path is `path` (NULL: not known); NULL:
 * none that is in the table, but another namespace's, or one that came later.
 */
const struct tc_sensor_mount *tc_sensor_mounts_find(const struct tc_sensor_mounts *mounts,
                                                    const struct statx *stx,
                                                    const char *path);

/* The mount that a mount's point lies on; NULL: none of the table. */
const struct tc_sensor_mount *
tc_sensor_mounts_parent(const struct tc_sensor_mounts *mounts,
                        const struct tc_sensor_mount *mount);

/*
 * Whether what statx(2) says this of can lie on a mount. btrfs and overlay give their
 * files other devices than their mounts, but never that of a disk.
 */
bool tc_sensor_mount_can_be(const struct tc_sensor_mount *mount, const struct statx *stx);

/* Whether a path lies below the upper folder of an overlay, by its letters. */
bool tc_sensor_mounts_upper(const struct tc_sensor_mounts *mounts, const char *path);

/* The mount that `path` lies on. */
const struct tc_sensor_mount *
tc_sensor_mounts_above(const struct tc_sensor_mounts *mounts, const char *path);

/* Translates `path`, seen through `mount`, into a path inside the file system. */
void tc_sensor_mount_inner(const struct tc_sensor_mount *mount, const char *path,
                           char ret_path[2 * TC_SENSOR_PATH_MAX]);

/* The text of a mountinfo from an open descriptor of it, to be freed; NULL when out of
 * memory. Blocks. */
char *tc_sensor_mounts_read(int mountinfo_fd);

/* True for types that hold no files of their own: proc, sysfs, devpts ... */
bool tc_sensor_mounts_pseudo(const char *type);

/* True when `path` is `folder` or something under it. */
bool tc_sensor_path_under(const char *path, const char *folder);

#endif
