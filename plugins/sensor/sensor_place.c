/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sensor_proc.h"

static int read_link(int links, int fd, char ret_path[TC_SENSOR_PATH_MAX])
{
    char name[32];
    ssize_t n;

    snprintf(name, sizeof(name), "%s%d", links < 0 ? "/proc/self/fd/" : "", fd);
    n = readlinkat(links < 0 ? AT_FDCWD : links, name, ret_path, TC_SENSOR_PATH_MAX - 1);
    if (n < 0)
        return -errno;
    ret_path[n] = '\0';
    return 0;
}

static int read_status(const struct tc_sensor_scope *scope, int fd, struct statx *ret_stx)
{
    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, tc_sensor_scope_statx(scope),
                 ret_stx)
               ? -errno
               : 0;
}

static bool same_file(const struct statx *a, const struct statx *b)
{
    return a->stx_ino == b->stx_ino && a->stx_dev_major == b->stx_dev_major &&
           a->stx_dev_minor == b->stx_dev_minor;
}

/* The same file through a mount of ours, as O_PATH; -1: it cannot be had. */
static int open_through(const struct tc_sensor_mount *mount, int fd)
{
    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } u;
    int mount_id, at, found;

    u.handle.handle_bytes = MAX_HANDLE_SZ;
    if (name_to_handle_at(fd, "", &u.handle, &mount_id, AT_EMPTY_PATH))
        return -1;
    at = open(mount->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    if (at < 0)
        return -1;
    found = open_by_handle_at(at, &u.handle, O_PATH | O_CLOEXEC);
    close(at);
    return found;
}

/*
 * Finds the agent's own way to a file that came through a mount which is none of ours.
 * Through a mount that shows only a part of its file system a file outside of that part
 * gets a path that means nothing; so that says where a file is, never where it is not.
 */
static void translate(const struct tc_sensor_scope *scope, int links, int fd,
                      struct tc_sensor_place *place)
{
    const struct tc_sensor_mount *mount = tc_sensor_scope_local(
        scope, makedev(place->stx.stx_dev_major, place->stx.stx_dev_minor));
    int found = mount ? open_through(mount, fd) : -1;
    char path[TC_SENSOR_PATH_MAX];
    enum tc_sensor_where where;
    struct statx stx;

    if (found < 0)
        return;
    if (!read_status(scope, found, &stx) && same_file(&stx, &place->stx) &&
        !read_link(links, found, path)) {
        if (!stx.stx_nlink)
            tc_sensor_proc_strip_deleted(path);
        where = tc_sensor_scope_place(scope, &stx, path);
        if (where == TC_SENSOR_INSIDE ||
            (where == TC_SENSOR_OUTSIDE && !strcmp(mount->root, "/"))) {
            place->stx = stx;
            place->where = where;
            memcpy(place->path, path, strlen(path) + 1);
        }
    }
    close(found);
}

int tc_sensor_place_of(const struct tc_sensor_scope *scope, int links, int fd,
                       struct tc_sensor_place *ret_place)
{
    int err = read_status(scope, fd, &ret_place->stx);

    if (err)
        return err;
    err = read_link(links, fd, ret_place->path);
    ret_place->cut = err == -ENAMETOOLONG;
    if (ret_place->cut) {
        snprintf(ret_place->path, sizeof(ret_place->path), "%s/.../#%llu",
                 tc_sensor_scope_point(scope, &ret_place->stx),
                 (unsigned long long)ret_place->stx.stx_ino);
        ret_place->where = TC_SENSOR_ELSEWHERE;
        return 0;
    }
    if (err)
        return err;
    if (!ret_place->stx.stx_nlink)
        tc_sensor_proc_strip_deleted(ret_place->path);
    ret_place->where = tc_sensor_scope_place(scope, &ret_place->stx, ret_place->path);
    if (ret_place->where == TC_SENSOR_ELSEWHERE)
        translate(scope, links, fd, ret_place);
    return 0;
}

bool tc_sensor_place_is_own(const struct tc_sensor_scope *scope,
                            const struct tc_sensor_place *place)
{
    return !place->cut && tc_sensor_scope_is_own(scope, &place->stx, place->path);
}

bool tc_sensor_place_is_program(const struct tc_sensor_scope *scope, pid_t pid,
                                const char *executable, dev_t *ret_device,
                                uint64_t *ret_inode)
{
    struct tc_sensor_place place;
    char link[32];
    bool is;
    int fd;

    snprintf(link, sizeof(link), "/proc/%d/exe", pid);
    fd = open(link, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return false;
    is = !tc_sensor_place_of(scope, -1, fd, &place) && !place.cut &&
         !strcmp(place.path, executable) &&
         tc_sensor_scope_is_program(scope, &place.stx, executable);
    if (is) {
        *ret_device = makedev(place.stx.stx_dev_major, place.stx.stx_dev_minor);
        *ret_inode = place.stx.stx_ino;
    }
    close(fd);
    return is;
}
