/* SPDX-License-Identifier: Apache-2.0 */
#include "base/av_name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DELETED " (deleted)" /* d_path(9) adds it to what is no entry of its folder */

bool tc_av_name_is(int dirfd, const char *name, uint64_t dev, uint64_t ino)
{
    struct stat st;

    return !fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
           st.st_dev == dev && st.st_ino == ino;
}

int tc_av_name_find(int dirfd, uint64_t dev, uint64_t ino, size_t max,
                    char ret[NAME_MAX + 1])
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -ENOENT;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir) {
        r = -errno;
        if (fd >= 0)
            close(fd);
        return r;
    }
    for (struct dirent *e; r && max-- && (e = readdir(dir));) {
        if (e->d_ino != ino || !tc_av_name_is(dirfd, e->d_name, dev, ino))
            continue;
        snprintf(ret, NAME_MAX + 1, "%s", e->d_name);
        r = 0;
    }
    closedir(dir);
    return r;
}

/* `path` is that of an entry which is gone; the file has another one beside it, perhaps.
 */
static int find_beside(char *path, size_t cap, const struct stat *st)
{
    char found[NAME_MAX + 1];
    const char *name;
    size_t folder;
    int parent, r;

    r = tc_av_open_parent(path, &parent, &name);
    if (r)
        return r;
    r = tc_av_name_find(parent, st->st_dev, st->st_ino, TC_AV_NAME_QUICK, found);
    close(parent);
    folder = (size_t)(name - path);
    if (!r && (size_t)snprintf(path + folder, cap - folder, "%s", found) >= cap - folder)
        r = -ENAMETOOLONG;
    return r;
}

static bool is_at(const char *path, const struct stat *st)
{
    return tc_av_name_is(AT_FDCWD, path, st->st_dev, st->st_ino);
}

int tc_av_fd_path(int fd, char *ret, size_t cap)
{
    char link[64], *suffix;
    struct stat st;
    ssize_t n;

    if (fstat(fd, &st))
        return -errno;
    if (!st.st_nlink)
        return -ENOENT;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, ret, cap);
    if (n < 0)
        return -errno;
    if ((size_t)n >= cap)
        return -ENAMETOOLONG;
    ret[n] = 0;
    if (ret[0] != '/') /* "(unreachable)...": of another mount tree */
        return -ENOENT;
    suffix = (size_t)n > sizeof(DELETED) ? ret + n - (sizeof(DELETED) - 1) : NULL;
    /* It may be how the file is called. */
    if (!suffix || strcmp(suffix, DELETED) != 0 || is_at(ret, &st))
        return 0;
    *suffix = 0;
    return is_at(ret, &st) ? 0 : find_beside(ret, cap, &st);
}
