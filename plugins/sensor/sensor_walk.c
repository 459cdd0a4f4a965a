/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sensor_scope.h"

#define NS_PER_S 1000000000ull
#define STATX_HOW (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC)

struct folder {
    STAILQ_ENTRY(folder) link;
    bool root; /* its file system is entered, whichever that is */
    char path[];
};

STAILQ_HEAD(folders, folder);

struct tc_sensor_walk {
    struct tc_sensor_scope *scope;
    uint64_t since_ns;
    struct folders here; /* to be walked, of this file system */
    struct folders next; /* of others, and the roots */
    size_t waiting;      /* folders of both */
    dev_t device;        /* this file system */
    /* The folder that is being read: it may take more than one step. */
    struct folder *folder;
    DIR *dir;
};

static int add(struct tc_sensor_walk *walk, struct folders *to, const char *above,
               const char *name)
{
    const char *slash = *name && strcmp(above, "/") != 0 ? "/" : "";
    size_t len = strlen(above) + strlen(slash) + strlen(name);
    struct folder *folder;

    if (walk->waiting == TC_SENSOR_WALK_FOLDERS_MAX || len >= TC_SENSOR_PATH_MAX)
        return -ENOSPC;
    folder = malloc(sizeof(*folder) + len + 1);
    if (!folder)
        return -ENOMEM;
    (void)stpcpy(stpcpy(stpcpy(folder->path, above), slash), name);
    folder->root = to == &walk->next;
    STAILQ_INSERT_TAIL(to, folder, link);
    walk->waiting++;
    return 0;
}

/* Whether another root, or the same one earlier in the list, covers this one. */
static bool covered(const char *const *roots, size_t index)
{
    for (size_t i = 0; roots[i]; i++)
        if (i != index && tc_sensor_path_under(roots[index], roots[i]) &&
            (i < index || !tc_sensor_path_under(roots[i], roots[index])))
            return true;
    return false;
}

int tc_sensor_walk_new(const char *const *roots, struct tc_sensor_scope *scope,
                       uint64_t since_ns, struct tc_sensor_walk **ret_walk)
{
    struct tc_sensor_walk *walk = calloc(1, sizeof(*walk));
    int err = walk ? 0 : -ENOMEM;

    if (err)
        return err;
    STAILQ_INIT(&walk->here);
    STAILQ_INIT(&walk->next);
    walk->since_ns = since_ns;
    if (scope)
        walk->scope = tc_sensor_scope_ref(scope);
    for (size_t i = 0; roots[i] && !err; i++)
        if (!covered(roots, i))
            err = add(walk, &walk->next, roots[i], "");
    if (err)
        tc_sensor_walk_free(walk);
    else
        *ret_walk = walk;
    return err;
}

static void folders_free(struct folders *folders)
{
    struct folder *folder;

    while ((folder = STAILQ_FIRST(folders)) != NULL) {
        STAILQ_REMOVE_HEAD(folders, link);
        free(folder);
    }
}

/* Has done with the folder that was read. */
static void leave(struct tc_sensor_walk *walk)
{
    if (walk->dir)
        closedir(walk->dir);
    free(walk->folder);
    walk->dir = NULL;
    walk->folder = NULL;
}

void tc_sensor_walk_free(struct tc_sensor_walk *walk)
{
    if (!walk)
        return;
    leave(walk);
    folders_free(&walk->here);
    folders_free(&walk->next);
    tc_sensor_scope_unref(walk->scope);
    free(walk);
}

/* Opens a folder by its path, in which no part may be a symbolic link by now. */
static DIR *open_folder(const char *path)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK |
                                    O_NOATIME,
                           .resolve = RESOLVE_NO_SYMLINKS};
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    DIR *dir;

    if (fd < 0 && errno == EPERM) { /* not ours, and without CAP_FOWNER */
        how.flags &= ~(uint64_t)O_NOATIME;
        fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    }
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

/*
 * Begins to read walk->folder. False when it is not to be read: gone, outside, or (put
 * back for later) on another file system.
 */
static bool enter(struct tc_sensor_walk *walk, struct tc_sensor_step *step)
{
    struct folder *folder = walk->folder;
    struct statx stx;
    dev_t device;

    if (walk->scope && tc_sensor_scope_served(walk->scope, folder->path))
        return false; /* its server may never answer */
    walk->dir = open_folder(folder->path);
    if (!walk->dir ||
        statx(dirfd(walk->dir), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
              walk->scope ? tc_sensor_scope_statx(walk->scope) : STATX_BASIC_STATS,
              &stx)) {
        step->skipped += errno != ENOENT;
        return false;
    }
    device = makedev(stx.stx_dev_major, stx.stx_dev_minor);
    if (walk->scope
            ? tc_sensor_scope_place(walk->scope, &stx, folder->path) != TC_SENSOR_INSIDE
            : !folder->root && device != walk->device)
        return false;
    if (folder->root) {
        walk->device = device;
    } else if (device != walk->device) {
        step->skipped += add(walk, &walk->next, folder->path, "") != 0;
        return false;
    }
    return true;
}

static uint64_t ns(const struct statx_timestamp *t)
{
    return t->tv_sec < 0 ? 0 : (uint64_t)t->tv_sec * NS_PER_S + t->tv_nsec;
}

/* Looks at one name in the folder that is read. */
static void examine_entry(struct tc_sensor_walk *walk, const struct dirent *entry,
                          struct tc_sensor_step *step)
{
    struct tc_sensor_found *found = &step->found[step->count];
    const char *above = strcmp(walk->folder->path, "/") != 0 ? walk->folder->path : "";
    struct stat st;

    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
        return;
    if (entry->d_type != DT_DIR && entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN)
        return;
    if (statx(dirfd(walk->dir), entry->d_name, STATX_HOW, STATX_BASIC_STATS,
              &found->stx)) {
        step->skipped += errno != ENOENT;
        return;
    }
    if (S_ISDIR(found->stx.stx_mode)) {
        step->skipped += add(walk, &walk->here, walk->folder->path, entry->d_name) != 0;
        return;
    }
    if (!S_ISREG(found->stx.stx_mode) || (ns(&found->stx.stx_ctime) < walk->since_ns &&
                                          ns(&found->stx.stx_mtime) < walk->since_ns))
        return;
    found->fd = openat(dirfd(walk->dir), entry->d_name,
                       O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    if (found->fd < 0 || fstat(found->fd, &st) || !S_ISREG(st.st_mode) ||
        asprintf(&found->path, "%s/%s", above, entry->d_name) < 0) {
        if (found->fd >= 0)
            close(found->fd);
        step->skipped += errno != ENOENT;
        return;
    }
    step->count++;
}

/* Takes the next folder; the next file system's once this one's are done. */
static bool next_folder(struct tc_sensor_walk *walk)
{
    struct folders *from = STAILQ_EMPTY(&walk->here) ? &walk->next : &walk->here;

    walk->folder = STAILQ_FIRST(from);
    if (!walk->folder)
        return false;
    STAILQ_REMOVE_HEAD(from, link);
    walk->waiting--;
    return true;
}

bool tc_sensor_walk_step(struct tc_sensor_walk *walk, struct tc_sensor_step *ret_step)
{
    const struct dirent *entry;
    size_t examined = 0;

    ret_step->count = 0;
    ret_step->skipped = 0;
    while (examined++ < TC_SENSOR_WALK_ENTRIES_MAX &&
           ret_step->count < TC_SENSOR_WALK_FOUND_MAX) {
        if (!walk->dir) {
            if (!next_folder(walk))
                return false;
            if (!enter(walk, ret_step))
                leave(walk);
            continue;
        }
        entry = readdir(walk->dir);
        if (entry)
            examine_entry(walk, entry, ret_step);
        else
            leave(walk);
    }
    return true;
}

void tc_sensor_step_clear(struct tc_sensor_step *step)
{
    for (size_t i = 0; i < step->count; i++) {
        free(step->found[i].path);
        if (step->found[i].fd >= 0)
            close(step->found[i].fd);
    }
    step->count = 0;
}
