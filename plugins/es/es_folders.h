/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which folder a file handle names, name_to_handle_at(2): a bounded table. One
 * thread at a time.
 */
#ifndef TC_ES_FOLDERS_H
#define TC_ES_FOLDERS_H

#include <stddef.h>
#include <stdint.h>

#define TC_ES_HANDLE_MAX 144 /* file system id, type, and MAX_HANDLE_SZ bytes */

/* File system, type and bytes of a handle, zeros behind. */
struct tc_es_handle {
    uint8_t bytes[TC_ES_HANDLE_MAX];
    size_t len;
};

struct file_handle;
struct tc_es_folders;

void tc_es_handle_set(struct tc_es_handle *handle, const void *fsid,
                      const struct file_handle *file_handle);

struct tc_es_folders *tc_es_folders_new(size_t capacity);
void tc_es_folders_free(struct tc_es_folders *folders);

/* The path, copied when put; NULL: not known. */
const char *tc_es_folders_find(const struct tc_es_folders *folders,
                               const struct tc_es_handle *handle);

/* Replaces what stood there. Errors: -ENOSPC, full; -ENOMEM. */
int tc_es_folders_put(struct tc_es_folders *folders, const struct tc_es_handle *handle,
                      const char *path);
void tc_es_folders_clear(struct tc_es_folders *folders);
size_t tc_es_folders_count(const struct tc_es_folders *folders);

#endif
