/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which folder a file handle names, name_to_handle_at(2): a bounded table. One
 * thread at a time.
 */
#ifndef TC_SENSOR_FOLDERS_H
#define TC_SENSOR_FOLDERS_H

#include <stddef.h>
#include <stdint.h>

#define TC_SENSOR_HANDLE_MAX 144 /* file system id, type, and MAX_HANDLE_SZ bytes */

/* File system, type and bytes of a handle, zeros behind. */
struct tc_sensor_handle {
    uint8_t bytes[TC_SENSOR_HANDLE_MAX];
    size_t len;
};

struct file_handle;
struct tc_sensor_folders;

void tc_sensor_handle_set(struct tc_sensor_handle *handle, const void *fsid,
                          const struct file_handle *file_handle);

/* The same of what is at a path. Errors: those of name_to_handle_at(2), statfs(2). */
int tc_sensor_handle_of(const char *path, struct tc_sensor_handle *ret_handle);

struct tc_sensor_folders *tc_sensor_folders_new(size_t capacity);
void tc_sensor_folders_free(struct tc_sensor_folders *folders);

/* The path, copied when put; NULL: not known. */
const char *tc_sensor_folders_find(const struct tc_sensor_folders *folders,
                                   const struct tc_sensor_handle *handle);

/* Replaces what was there. Errors: -ENOSPC, full; -ENOMEM. */
int tc_sensor_folders_put(struct tc_sensor_folders *folders,
                          const struct tc_sensor_handle *handle, const char *path);

/* Forgets a folder and all below it; looks at every one there is. */
void tc_sensor_folders_drop_under(struct tc_sensor_folders *folders, const char *path);
void tc_sensor_folders_clear(struct tc_sensor_folders *folders);
size_t tc_sensor_folders_count(const struct tc_sensor_folders *folders);

#endif
