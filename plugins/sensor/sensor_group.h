/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how a fanotify(7) group that reports names is opened and marked, and how what it
 * says is taken apart. Must not: know which names are wanted. One thread at a time.
 */
#ifndef TC_SENSOR_GROUP_H
#define TC_SENSOR_GROUP_H

#include <stdbool.h>
#include <stdint.h>

struct fanotify_event_info_fid;
struct tc_sensor_handle;

/* What happened, and the records with the name and the old one; NULL: there is none. */
struct tc_sensor_group_event {
    uint64_t mask;
    int32_t pid;
    const struct fanotify_event_info_fid *name, *old_name;
};

/* The descriptor, or a negative errno: that of fanotify_init(2). Unlimited marks want
 * CAP_SYS_ADMIN. */
int tc_sensor_group_open(bool unlimited);

/*
 * Adds a mark; flags are those of fanotify_mark(2). Renames are reported, too, by the
 * events in *renames: at first FAN_RENAME, and FAN_MOVED_TO where that is missing (before
 * Linux 5.17).
 */
int tc_sensor_group_mark(int group, unsigned int flags, uint64_t mask, uint64_t *renames,
                         const char *path);

/* The next event of what a read has given; false at the end. Moves *at behind it. */
bool tc_sensor_group_next(const uint8_t **at, const uint8_t *end,
                          struct tc_sensor_group_event *ret_event);

/* The folder that a record's name is in. False: it is about that folder itself. */
bool tc_sensor_group_folder(const struct fanotify_event_info_fid *record,
                            struct tc_sensor_handle *ret_handle);

/* The path of a record's name in `folder`; from malloc; NULL: no memory. */
char *tc_sensor_group_path(const struct fanotify_event_info_fid *record,
                           const char *folder);

#endif
