/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which file a script is that was executed by way of its interpreter: the kernel
 * has told its name alone, as it was given.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "kext_load.h"
#include "kext_open.h"
#include "kext_resolve_priv.h"

static const char by_fd[] = "/dev/fd/";

/* By the letters of its name alone, and of what its process has. */
static bool is_served_script(const struct tc_sensor_scope *scope,
                             const struct tc_kext_record *record)
{
    const char *name = record->path;
    char link[TC_SENSOR_PATH_MAX], path[2 * TC_SENSOR_PATH_MAX];
    ssize_t n = 0;

    if (!strncmp(name, by_fd, sizeof(by_fd) - 1)) {
        snprintf(link, sizeof(link), "/proc/%u/fd/%s", record->pid,
                 name + sizeof(by_fd) - 1);
        name = "";
    } else {
        snprintf(link, sizeof(link), "/proc/%u/cwd", record->pid);
    }
    if (*name != '/')
        n = readlink(link, path, TC_SENSOR_PATH_MAX - 1);
    if (n < 0)
        return false;
    snprintf(path + n, sizeof(path) - (size_t)n, "%s%s", *name && n ? "/" : "", name);
    return tc_sensor_scope_served(scope, path);
}

/* Where a script is that was executed by this name: its process has not moved since. */
static int open_script(struct tc_kext_resolver *resolver,
                       const struct tc_kext_record *record, struct statx *ret_stx)
{
    const char *name = record->path;
    char path[TC_SENSOR_PATH_MAX];

    if (!strncmp(name, by_fd, sizeof(by_fd) - 1))
        snprintf(path, sizeof(path), "/proc/%u/fd/%s", record->pid,
                 name + sizeof(by_fd) - 1);
    else if (*name == '/')
        snprintf(path, sizeof(path), "/proc/%u/root%s", record->pid, name);
    else
        snprintf(path, sizeof(path), "/proc/%u/cwd/%s", record->pid, name);
    return tc_kext_open_any(path, resolver->fd_ceiling, ret_stx);
}

/* Whether a watched folder is `folder` or above it: by numbers, as the kernel looks. */
static bool is_below_watched(struct tc_kext_resolver *resolver, int folder)
{
    struct tc_kext_folder key;
    struct stat st;
    uint64_t inode = 0;
    int above;

    for (int left = TC_KEXT_DEPTH_MAX; left && folder >= 0; left--) {
        if (fstat(folder, &st) || st.st_ino == inode) /* the root is its own parent */
            break;
        inode = st.st_ino;
        key = (struct tc_kext_folder){st.st_ino, tc_kext_device_of(st.st_dev)};
        if (tc_kext_is_folder(resolver->programs, &key)) {
            close(folder);
            return true;
        }
        above = openat(folder, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(folder);
        folder = above;
    }
    if (folder >= 0)
        close(folder);
    return false;
}

/* A file that only another mount namespace shows: it lies where its process sees it. */
static bool is_inside_elsewhere(struct tc_kext_resolver *resolver,
                                const struct tc_kext_record *record, const char *path,
                                const struct statx *stx)
{
    char folder[TC_SENSOR_PATH_MAX + 32], *name;
    struct stat st;
    int fd;

    snprintf(folder, sizeof(folder), "/proc/%u/root%s", record->pid, path);
    name = strrchr(folder, '/');
    *name++ = '\0';
    fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && !fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) &&
        st.st_ino == stx->stx_ino)
        return is_below_watched(resolver, fd);
    if (fd >= 0)
        close(fd);
    return false;
}

struct tc_kext_item *tc_kext_resolve_script(struct tc_kext_resolver *resolver,
                                            const struct tc_sensor_scope *scope,
                                            const struct tc_kext_record *record)
{
    struct tc_kext_item *item = NULL;
    struct tc_sensor_place place;
    struct tc_kext_found found;
    struct statx stx;
    int fd;

    if (is_served_script(scope, record)) {
        resolver->served++;
        return NULL;
    }
    fd = open_script(resolver, record, &stx);
    if (fd < 0 || tc_sensor_place_of(scope, -1, fd, &place)) {
        resolver->no_fd++;
        goto out;
    }
    if (place.where == TC_SENSOR_OUTSIDE ||
        (place.where == TC_SENSOR_ELSEWHERE && !place.cut &&
         !is_inside_elsewhere(resolver, record, place.path, &stx))) {
        resolver->outside++;
        goto out;
    }
    tc_kext_found_at(&found, scope, &place);
    item = tc_kext_item_of(TOCSIN_TOPIC_FILE_EXEC, &found);
    if (!item)
        goto out;
    tc_sensor_file_set(&item->file, &stx);
    item->key = tc_kext_key_of(item->file.device, item->file.inode, item->file.ctime_ns);
    item->keyed = true;
    item->fd = fd;
    fd = -1;
    tc_kext_describe(resolver, item, record);
out:
    if (fd >= 0)
        close(fd);
    return item;
}
