/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/av_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sensor_served.h"

/* Without asking a server that may not answer. */
#define LOOK (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC)

struct tc_av_tree {
    DIR *stack[TC_AV_WALK_DEPTH];
    size_t ends[TC_AV_WALK_DEPTH]; /* length of path without the entry */
    size_t depth;
    uint64_t devices[TC_AV_WALK_DEPTH];
    uint64_t vault_dev, vault_ino;
    int single; /* the start is a file: its descriptor, until it is given out */
    char path[PATH_MAX + (TC_AV_WALK_DEPTH + 1) * (NAME_MAX + 1)];
    char cut[PATH_MAX]; /* of one that is longer */
};

/* File systems without files on a disk: reading there answers, hangs or does things. */
static bool is_pseudo(int fd)
{
    static const unsigned long magics[] = {
        PROC_SUPER_MAGIC,
        SYSFS_MAGIC,
        CGROUP_SUPER_MAGIC,
        CGROUP2_SUPER_MAGIC,
        DEVPTS_SUPER_MAGIC,
        DEBUGFS_MAGIC,
        TRACEFS_MAGIC,
        SECURITYFS_MAGIC,
        BPF_FS_MAGIC,
        PSTOREFS_MAGIC,
        EFIVARFS_MAGIC,
        SELINUX_MAGIC,
        BINFMTFS_MAGIC,
        NSFS_MAGIC,
        AUTOFS_SUPER_MAGIC,
        0x62656570 /* config */,
        0x19800202 /* mqueue */,
        HUGETLBFS_MAGIC,
        0x65735543 /* fusectl */,
    };
    struct statfs fs;

    if (fstatfs(fd, &fs))
        return true;
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
        if ((unsigned long)fs.f_type == magics[i])
            return true;
    return false;
}

/* Goes into a folder; fd becomes the tree's or is closed. */
static bool enter(struct tc_av_tree *tree, int fd)
{
    struct stat st;
    DIR *dir;

    if (tree->depth == TC_AV_WALK_DEPTH || fstat(fd, &st) ||
        (st.st_dev == tree->vault_dev && st.st_ino == tree->vault_ino) ||
        ((!tree->depth || tree->devices[tree->depth - 1] != st.st_dev) &&
         is_pseudo(fd)) ||
        !(dir = fdopendir(fd))) {
        close(fd);
        return false;
    }
    tree->stack[tree->depth] = dir;
    tree->devices[tree->depth] = st.st_dev;
    tree->ends[tree->depth] = strlen(tree->path);
    tree->depth++;
    return true;
}

int tc_av_tree_open(const char *path, uint64_t vault_dev, uint64_t vault_ino,
                    struct tc_av_tree **ret_tree)
{
    struct tc_av_tree *tree = calloc(1, sizeof(*tree));
    struct stat st;
    int fd, r = 0;

    if (!tree)
        return -ENOMEM;
    tree->single = -1;
    tree->vault_dev = vault_dev;
    tree->vault_ino = vault_ino;
    if (!realpath(path, tree->cut)) {
        r = -errno;
        goto out;
    }
    memcpy(tree->path, tree->cut, strlen(tree->cut) + 1);
    fd = tc_av_open_quiet(AT_FDCWD, tree->path);
    if (fd < 0) {
        r = fd;
        goto out;
    }
    if (!fstat(fd, &st) && S_ISREG(st.st_mode))
        tree->single = fd;
    else if (!enter(tree, fd))
        r = -EINVAL;
out:
    if (r)
        tc_av_tree_close(tree);
    else
        *ret_tree = tree;
    return r;
}

void tc_av_tree_close(struct tc_av_tree *tree)
{
    if (!tree)
        return;
    while (tree->depth)
        closedir(tree->stack[--tree->depth]);
    if (tree->single >= 0)
        close(tree->single);
    free(tree);
}

/* Appends the entry's name to the path of its folder. */
static bool name_entry(struct tc_av_tree *tree, const char *name)
{
    size_t end = tree->ends[tree->depth - 1], n = strlen(name);

    if (end == 1) /* "/" ends with its slash already */
        end = 0;
    if (end + 1 + n >= sizeof(tree->path))
        return false;
    tree->path[end] = '/';
    memcpy(tree->path + end + 1, name, n + 1);
    return true;
}

static bool is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

/* One entry: 1 a file was opened, 0 nothing to give, negative when it could not be. */
static int visit(struct tc_av_tree *tree, const struct dirent *entry, int *ret_fd,
                 uint64_t *skipped)
{
    int parent = dirfd(tree->stack[tree->depth - 1]), fd;
    struct statx stx;

    if (statx(parent, entry->d_name, LOOK, STATX_BASIC_STATS, &stx))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISDIR(stx.stx_mode) && !S_ISREG(stx.stx_mode)) {
        (*skipped)++;
        return 0;
    }
    if (!name_entry(tree, entry->d_name))
        return -ENAMETOOLONG;
    /* What is mounted on the way, and whose server might not answer, was not asked for.
     */
    if (makedev(stx.stx_dev_major, stx.stx_dev_minor) != tree->devices[tree->depth - 1] &&
        tc_sensor_served_path(tree->path)) {
        (*skipped)++;
        return 0;
    }
    fd = tc_av_open_quiet(parent, entry->d_name);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    if (S_ISDIR(stx.stx_mode)) {
        *skipped += !enter(tree, fd);
        return 0;
    }
    *ret_fd = fd;
    return 1;
}

/* The path as others can take it: of one that is too long, how it begins and its name. */
static const char *short_path(struct tc_av_tree *tree)
{
    const char *name = strrchr(tree->path, '/');
    size_t len = strlen(tree->path), room;

    if (len < sizeof(tree->cut))
        return tree->path;
    room = sizeof(tree->cut) - sizeof("/...") - strlen(name);
    while (tree->path[room] != '/')
        room--;
    memcpy(tree->cut, tree->path, room);
    (void)stpcpy(stpcpy(tree->cut + room, "/..."), name);
    return tree->cut;
}

bool tc_av_tree_next(struct tc_av_tree *tree, int *ret_fd, const char **ret_path,
                     uint64_t *skipped, uint64_t *errors)
{
    struct dirent *entry;
    int r;

    *ret_path = tree->path;
    if (tree->single >= 0) {
        *ret_fd = tree->single;
        tree->single = -1;
        return true;
    }
    while (tree->depth) {
        entry = readdir(tree->stack[tree->depth - 1]);
        if (!entry) {
            closedir(tree->stack[--tree->depth]);
            continue;
        }
        if (is_dots(entry->d_name))
            continue;
        r = visit(tree, entry, ret_fd, skipped);
        if (r > 0) {
            *ret_path = short_path(tree);
            return true;
        }
        *errors += r < 0;
    }
    return false;
}
