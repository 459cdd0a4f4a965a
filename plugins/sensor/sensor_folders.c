/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

/* Without it uthash ends the process. The element that was to be added is then not in. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) (no_memory = true)
#include <uthash.h>

#include "sensor_scope.h"

#define FSID_LEN 8

struct folder {
    UT_hash_handle hh; /* by handle */
    struct tc_sensor_handle handle;
    char path[];
};

struct tc_sensor_folders {
    size_t capacity;
    struct folder *by_handle;
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
    struct tc_sensor_folders *folders = calloc(1, sizeof(*folders));

    if (folders)
        folders->capacity = capacity;
    return folders;
}

static void drop(struct tc_sensor_folders *folders, struct folder *folder)
{
    HASH_DEL(folders->by_handle, folder);
    free(folder);
}

void tc_sensor_folders_clear(struct tc_sensor_folders *folders)
{
    struct folder *folder, *next;

    HASH_ITER(hh, folders->by_handle, folder, next)
    drop(folders, folder);
}

void tc_sensor_folders_free(struct tc_sensor_folders *folders)
{
    if (folders)
        tc_sensor_folders_clear(folders);
    free(folders);
}

static struct folder *find(const struct tc_sensor_folders *folders,
                           const struct tc_sensor_handle *handle)
{
    struct folder *folder;

    HASH_FIND(hh, folders->by_handle, handle->bytes, handle->len, folder);
    return folder;
}

const char *tc_sensor_folders_find(const struct tc_sensor_folders *folders,
                                   const struct tc_sensor_handle *handle)
{
    const struct folder *folder = find(folders, handle);

    return folder ? folder->path : NULL;
}

void tc_sensor_folders_drop_under(struct tc_sensor_folders *folders, const char *path)
{
    struct folder *folder, *next;

    HASH_ITER(hh, folders->by_handle, folder, next)
    if (tc_sensor_path_under(folder->path, path))
        drop(folders, folder);
}

int tc_sensor_folders_put(struct tc_sensor_folders *folders,
                          const struct tc_sensor_handle *handle, const char *path)
{
    struct folder *folder = find(folders, handle);
    size_t n = strlen(path) + 1;
    bool no_memory = false;

    if (folder)
        drop(folders, folder);
    if (tc_sensor_folders_count(folders) >= folders->capacity)
        return -ENOSPC;
    folder = malloc(sizeof(*folder) + n);
    if (!folder)
        return -ENOMEM;
    folder->handle = *handle;
    memcpy(folder->path, path, n);
    HASH_ADD(hh, folders->by_handle, handle.bytes, folder->handle.len, folder);
    if (no_memory)
        free(folder);
    return no_memory ? -ENOMEM : 0;
}

size_t tc_sensor_folders_count(const struct tc_sensor_folders *folders)
{
    return HASH_COUNT(folders->by_handle);
}
