/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#include "sensor_scope.h"

#define FSID_LEN 8

struct folder {
    struct folder *next;
    struct tc_sensor_handle handle;
    char path[];
};

struct tc_sensor_folders {
    size_t capacity, count, bucket_count;
    struct folder *buckets[];
};

void tc_sensor_handle_set(struct tc_sensor_handle *handle, const void *fsid,
                          const struct file_handle *file_handle)
{
    size_t n = file_handle->handle_bytes;

    memset(handle, 0, sizeof(*handle));
    if (n > MAX_HANDLE_SZ)
        n = MAX_HANDLE_SZ;
    memcpy(handle->bytes, fsid, FSID_LEN);
    memcpy(handle->bytes + FSID_LEN, &file_handle->handle_type,
           sizeof(file_handle->handle_type));
    memcpy(handle->bytes + FSID_LEN + sizeof(file_handle->handle_type),
           file_handle->f_handle, n);
    handle->len = FSID_LEN + sizeof(file_handle->handle_type) + n;
}

int tc_sensor_handle_of(const char *path, struct tc_sensor_handle *ret_handle)
{
    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u;
    struct statfs fs;
    int mount_id;

    u.handle.handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(AT_FDCWD, path, &u.handle, &mount_id, 0) || statfs(path, &fs))
        return -errno;
    tc_sensor_handle_set(ret_handle, &fs.f_fsid, &u.handle);
    return 0;
}

struct tc_sensor_folders *tc_sensor_folders_new(size_t capacity)
{
    size_t buckets = 64;
    struct tc_sensor_folders *folders;

    while (buckets < capacity)
        buckets *= 2;
    folders = calloc(1, sizeof(*folders) + buckets * sizeof(struct folder *));
    if (folders) {
        folders->capacity = capacity;
        folders->bucket_count = buckets;
    }
    return folders;
}

void tc_sensor_folders_clear(struct tc_sensor_folders *folders)
{
    for (size_t i = 0; i < folders->bucket_count; i++) {
        struct folder *folder = folders->buckets[i], *next;

        for (; folder; folder = next) {
            next = folder->next;
            free(folder);
        }
        folders->buckets[i] = NULL;
    }
    folders->count = 0;
}

void tc_sensor_folders_free(struct tc_sensor_folders *folders)
{
    if (!folders)
        return;
    tc_sensor_folders_clear(folders);
    free(folders);
}

static size_t bucket_of(const struct tc_sensor_folders *folders,
                        const struct tc_sensor_handle *handle)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < handle->len; i++)
        hash = (hash ^ handle->bytes[i]) * 0x100000001b3u;
    return (size_t)hash & (folders->bucket_count - 1);
}

const char *tc_sensor_folders_find(const struct tc_sensor_folders *folders,
                                   const struct tc_sensor_handle *handle)
{
    const struct folder *folder = folders->buckets[bucket_of(folders, handle)];

    while (folder && (folder->handle.len != handle->len ||
                      memcmp(folder->handle.bytes, handle->bytes, handle->len) != 0))
        folder = folder->next;
    return folder ? folder->path : NULL;
}

static void drop(struct tc_sensor_folders *folders, const struct tc_sensor_handle *handle)
{
    struct folder **at = &folders->buckets[bucket_of(folders, handle)], *folder;

    for (; (folder = *at) != NULL; at = &folder->next) {
        if (folder->handle.len != handle->len ||
            memcmp(folder->handle.bytes, handle->bytes, handle->len) != 0)
            continue;
        *at = folder->next;
        free(folder);
        folders->count--;
        return;
    }
}

void tc_sensor_folders_drop_under(struct tc_sensor_folders *folders, const char *path)
{
    struct folder **at, *folder;

    for (size_t i = 0; i < folders->bucket_count; i++) {
        at = &folders->buckets[i];
        while ((folder = *at) != NULL) {
            if (!tc_sensor_path_under(folder->path, path)) {
                at = &folder->next;
                continue;
            }
            *at = folder->next;
            free(folder);
            folders->count--;
        }
    }
}

int tc_sensor_folders_put(struct tc_sensor_folders *folders,
                          const struct tc_sensor_handle *handle, const char *path)
{
    struct folder *folder;
    size_t n = strlen(path) + 1, bucket = bucket_of(folders, handle);

    drop(folders, handle);
    if (folders->count >= folders->capacity)
        return -ENOSPC;
    folder = malloc(sizeof(*folder) + n);
    if (!folder)
        return -ENOMEM;
    folder->handle = *handle;
    memcpy(folder->path, path, n);
    folder->next = folders->buckets[bucket];
    folders->buckets[bucket] = folder;
    folders->count++;
    return 0;
}

size_t tc_sensor_folders_count(const struct tc_sensor_folders *folders)
{
    return folders->count;
}
