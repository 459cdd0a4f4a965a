/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the control socket's file: whether one may be made, its mode and its group. Must
 * not: accept anybody.
 */
#include "ipc/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define GROUP_BYTES_MAX (1024 * 1024) /* of one entry of the group database */

static int failed(char why[256], const char *what, const char *path)
{
    int e = errno;

    snprintf(why, 256, "cannot %s %s: %s", what, path, strerror(e));
    return -e;
}

/* Of two agents that start at the same moment the second finds the folder locked: without
 * that, a socket bound but not yet listening would look stale to it. */
static int lock_folder(const char *path, int *ret_fd, char why[256])
{
    char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
    const char *folder;
    int fd, r;

    snprintf(copy, sizeof(copy), "%s", path);
    folder = dirname(copy);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return failed(why, "open", folder);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        r = failed(why, "lock", folder);
        close(fd);
        if (r != -EWOULDBLOCK)
            return r;
        snprintf(why, 256, "another agent is just starting in %s", folder);
        return -EADDRINUSE;
    }
    *ret_fd = fd;
    return 0;
}

/* Removes a socket that nobody listens on. */
static int remove_stale(const struct sockaddr_un *address, char why[256])
{
    const char *path = address->sun_path;
    struct stat st;
    int fd, r;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : failed(why, "look at", path);
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(why, 256, "%s exists and is no socket; remove it or choose another path",
                 path);
        return -EEXIST;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return failed(why, "make a socket for", path);
    r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
    close(fd);
    if (r == ECONNREFUSED)
        return unlink(path) < 0 ? failed(why, "remove the stale socket", path) : 0;
    if (r == 0 || r == EAGAIN || r == EPROTOTYPE) {
        snprintf(why, 256, "another agent listens on %s", path);
        return -EADDRINUSE;
    }
    errno = r;
    return failed(why, "find out whether anybody listens on", path);
}

/* The id of a group by name; false when there is no such group. */
static bool group_id(const char *name, gid_t *ret_gid)
{
    struct group group, *found = NULL;
    size_t cap = 4096;
    char *buf, *grown;

    buf = malloc(cap);
    while (buf && getgrnam_r(name, &group, buf, cap, &found) == ERANGE &&
           cap < GROUP_BYTES_MAX) {
        cap *= 2;
        grown = realloc(buf, cap);
        if (!grown)
            break;
        buf = grown;
    }
    if (found)
        *ret_gid = found->gr_gid;
    free(buf);
    return found != NULL;
}

/* Gives the file, so far its owner's alone, its group and its mode. */
static int open_to_group(const char *path, mode_t mode, const char *group, char why[256])
{
    gid_t gid;

    if (group && group_id(group, &gid) && lchown(path, (uid_t)-1, gid) < 0 &&
        errno != EPERM)
        return failed(why, "set the group of", path);
    return chmod(path, mode & 07777) < 0 ? failed(why, "set the mode of", path) : 0;
}

static int bind_private(int fd, const struct sockaddr_un *address, mode_t mode,
                        const char *group, struct tc_listener *listener, char why[256])
{
    const char *path = address->sun_path;
    struct stat st;
    int r;

    /* Linux gives the file the mode of the socket's own inode (net/unix/af_unix.c,
     * unix_bind_bsd), so that no umask, which all threads share, need be set. */
    if (fchmod(fd, mode & 0600) < 0)
        return failed(why, "set the mode of", path);
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
        return failed(why, "bind", path);
    r = lstat(path, &st) < 0 ? failed(why, "look at", path)
                             : open_to_group(path, mode, group, why);
    if (!r && listen(fd, BACKLOG) < 0)
        r = failed(why, "listen on", path);
    if (r) {
        unlink(path);
        return r;
    }
    listener->fd = fd;
    listener->device = st.st_dev;
    listener->inode = st.st_ino;
    return 0;
}

int tc_listen_open(const char *path, mode_t mode, const char *group,
                   struct tc_listener *ret_listener, char why[256])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int folder = -1, fd = -1, r;

    if (!*path || strlen(path) >= sizeof(address.sun_path)) {
        snprintf(why, 256, "the path of the socket must have 1 to %zu bytes: %.100s",
                 sizeof(address.sun_path) - 1, path);
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path));
    r = lock_folder(path, &folder, why);
    if (r)
        goto out;
    r = remove_stale(&address, why);
    if (r)
        goto out;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        r = failed(why, "make a socket for", path);
        goto out;
    }
    r = bind_private(fd, &address, mode, group, ret_listener, why);
out:
    if (r && fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    return r;
}

void tc_listen_unlink(const struct tc_listener *listener, const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && st.st_dev == listener->device &&
        st.st_ino == listener->inode)
        unlink(path);
}
