/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_names.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "sensor_clock.h"
#include "sensor_folders.h"
#include "sensor_group.h"
#include "sensor_linked.h"
#include "sensor_proc.h"
#include "sensor_scope.h"

#define READ_BYTES 8192 /* so few events fit that a batch takes them all */
#define WHAT (FAN_CREATE | FAN_DELETE | FAN_ONDIR)

struct tc_sensor_name_system {
    fsid_t fsid;
    uint64_t mount_id;
    char *point;
    int fd; /* of the mount point while a batch is read, else -1: it would hold the mount
             */
};

int tc_sensor_names_open(struct tc_sensor_names *names, bool by_folder,
                         tc_sensor_forget_fn forget, void *forget_arg)
{
    int err = -ENOMEM;

    memset(names, 0, sizeof(*names));
    pthread_mutex_init(&names->lock, NULL);
    names->by_folder = by_folder;
    names->forget = forget;
    names->forget_arg = forget_arg;
    names->renames = FAN_RENAME;
    names->group = tc_sensor_group_open(!by_folder);
    if (names->group < 0) {
        err = names->group;
        goto out;
    }
    names->folders = tc_sensor_folders_new(by_folder ? TC_SENSOR_FOLDERS_MARK_MAX
                                                     : TC_SENSOR_FOLDERS_CACHE_MAX);
    names->systems = calloc(TC_SENSOR_FILE_SYSTEMS_MAX, sizeof(*names->systems));
    if (names->folders && names->systems)
        err = 0;
out:
    if (err)
        tc_sensor_names_close(names);
    return err;
}

void tc_sensor_names_close(struct tc_sensor_names *names)
{
    if (names->group >= 0)
        close(names->group);
    names->group = -1;
    for (size_t i = 0; names->systems && i < names->system_count; i++)
        free(names->systems[i].point);
    free(names->systems);
    names->systems = NULL;
    names->system_count = 0;
    tc_sensor_folders_free(names->folders);
    names->folders = NULL;
    tc_sensor_scope_unref(names->scope);
    names->scope = NULL;
    pthread_mutex_destroy(&names->lock);
}

void tc_sensor_names_set_scope(struct tc_sensor_names *names,
                               struct tc_sensor_scope *scope)
{
    pthread_mutex_lock(&names->lock);
    tc_sensor_scope_unref(names->scope);
    names->scope = tc_sensor_scope_ref(scope);
    tc_sensor_folders_clear(names->folders);
    pthread_mutex_unlock(&names->lock);
}

static struct tc_sensor_name_system *system_of(struct tc_sensor_names *names,
                                               const void *fsid)
{
    for (size_t i = 0; i < names->system_count; i++)
        if (!memcmp(&names->systems[i].fsid, fsid, sizeof(fsid_t)))
            return &names->systems[i];
    return NULL;
}

int tc_sensor_names_mark(struct tc_sensor_names *names,
                         const struct tc_sensor_mount *mount)
{
    struct tc_sensor_name_system *system;
    struct statfs fs;
    char *point = strdup(mount->point);
    int err;

    pthread_mutex_lock(&names->lock);
    err = point ? tc_sensor_group_mark(names->group, FAN_MARK_FILESYSTEM,
                                       WHAT | (names->written ? FAN_CLOSE_WRITE : 0),
                                       &names->renames, mount->point)
                : -ENOMEM;
    if (!err && statfs(mount->point, &fs))
        err = -errno;
    if (err)
        goto out;
    system = system_of(names, &fs.f_fsid);
    if (!system && names->system_count == TC_SENSOR_FILE_SYSTEMS_MAX) {
        err = -ENOSPC;
        goto out;
    }
    if (!system)
        system = &names->systems[names->system_count++];
    free(system->point);
    system->point = point;
    system->fsid = fs.f_fsid;
    system->mount_id = mount->id;
    system->fd = -1;
    point = NULL;
out:
    pthread_mutex_unlock(&names->lock);
    free(point);
    return err;
}

/* Asks the kernel which folder a handle names. */
static int resolve(struct tc_sensor_name_system *system, struct file_handle *handle,
                   char ret_path[TC_SENSOR_PATH_MAX])
{
    int fd, err;

    if (system->fd < 0)
        system->fd = open(system->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    if (system->fd < 0)
        return -errno;
    fd = open_by_handle_at(system->fd, handle, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    err = tc_sensor_proc_fd_path(fd, ret_path, TC_SENSOR_PATH_MAX);
    close(fd);
    return err;
}

/* The path of the folder that a record names; false when it is gone or never was ours. */
static bool folder_path(struct tc_sensor_names *names,
                        const struct fanotify_event_info_fid *record,
                        char ret_path[TC_SENSOR_PATH_MAX])
{
    struct tc_sensor_name_system *system = system_of(names, &record->fsid);
    struct tc_sensor_handle handle;
    const char *known;

    if (!tc_sensor_group_folder(record, &handle))
        return false;
    known = tc_sensor_folders_find(names->folders, &handle);
    if (known) {
        snprintf(ret_path, TC_SENSOR_PATH_MAX, "%s", known);
        return true;
    }
    if (names->by_folder || !system ||
        resolve(system, (struct file_handle *)(uintptr_t)record->handle, ret_path)) {
        names->unresolved++;
        return false;
    }
    if (tc_sensor_folders_put(names->folders, &handle, ret_path) == -ENOSPC) {
        tc_sensor_folders_clear(names->folders);
        tc_sensor_folders_put(names->folders, &handle, ret_path);
    }
    return true;
}

/* Whether a name of that file system is protected, the way the loop judges an open. */
static bool inside(struct tc_sensor_names *names, const void *fsid, const char *path)
{
    const struct tc_sensor_name_system *system = system_of(names, fsid);

    if (!names->scope || !system)
        return true;
    return tc_sensor_scope_place_through(names->scope, system->mount_id, path) !=
           TC_SENSOR_OUTSIDE;
}

/* The full path that a record stands for; NULL: there is none, or it is not known. */
static char *record_path(struct tc_sensor_names *names,
                         const struct fanotify_event_info_fid *record, bool *ret_inside)
{
    char folder[TC_SENSOR_PATH_MAX], *path;

    if (!record || !folder_path(names, record, folder))
        return NULL;
    path = tc_sensor_group_path(record, folder);
    if (path)
        *ret_inside = inside(names, &record->fsid, path);
    return path;
}

struct record_paths {
    char *path, *old_path;
    bool inside, old_inside;
    bool known; /* `stx`: what the file is */
    struct statx stx;
};

static struct tc_sensor_name *batch_add(struct tc_sensor_name_batch *batch, uint64_t mask,
                                        int32_t pid)
{
    struct tc_sensor_name *name;

    if (batch->count == TC_SENSOR_NAME_BATCH_MAX)
        return NULL;
    name = &batch->names[batch->count++];
    memset(name, 0, sizeof(*name));
    name->mask = mask;
    name->pid = pid;
    name->fd = -1;
    return name;
}

/* Opens a regular file for whoever wants to scan it; never anything else. */
static int open_regular(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static bool look_at(const char *path, struct statx *ret_stx)
{
    return !statx(AT_FDCWD, path,
                  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
                  STATX_BASIC_STATS, ret_stx);
}

/* `stx`: what the file is now; NULL: it is gone, or nobody knows. */
static void add_looked_at(struct tc_sensor_name_batch *batch, uint64_t mask, int32_t pid,
                          const char *path, const char *old_path, const struct statx *stx)
{
    struct tc_sensor_name *name = batch_add(batch, mask, pid);

    if (!name)
        return;
    name->path = strdup(path);
    name->old_path = old_path ? strdup(old_path) : NULL;
    if (!stx || !name->path)
        return;
    name->known = true;
    name->stx = *stx;
    if (S_ISREG(stx->stx_mode) && (mask != FAN_CREATE || stx->stx_nlink > 1))
        name->fd = open_regular(path);
}

void tc_sensor_name_batch_add(struct tc_sensor_name_batch *batch, uint64_t mask,
                              int32_t pid, const char *path, const char *old_path)
{
    struct statx stx;
    bool known = mask != FAN_DELETE && look_at(path, &stx);

    add_looked_at(batch, mask, pid, path, old_path, known ? &stx : NULL);
}

/* ---- The lower level: marks on folders, one by one. ---- */

/* Marks one folder and keeps what its events will call it. */
static int mark_folder(struct tc_sensor_names *names, const char *path)
{
    struct tc_sensor_handle handle;
    int err = tc_sensor_handle_of(path, &handle);

    if (err)
        return err;
    err = tc_sensor_folders_put(names->folders, &handle, path);
    return err ? err
               : tc_sensor_group_mark(
                     names->group, FAN_MARK_ONLYDIR | FAN_MARK_DONT_FOLLOW,
                     WHAT | FAN_CLOSE_WRITE | FAN_EVENT_ON_CHILD, &names->renames, path);
}

int tc_sensor_names_mark_tree(struct tc_sensor_names *names, const char *path,
                              struct tc_sensor_name_batch *found)
{
    char *root = strdup(path), *roots[2] = {root, NULL};
    int err = -ENOMEM, result;
    FTSENT *entry;
    FTS *fts;

    fts = root ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    if (!fts)
        goto out;
    err = -ENOENT;
    while ((entry = fts_read(fts)) != NULL) {
        if (entry->fts_info == FTS_D) {
            result = mark_folder(names, entry->fts_path);
            names->refused += result != 0;
            if (entry->fts_level == FTS_ROOTLEVEL)
                err = result;
        } else if (entry->fts_info == FTS_F && found) {
            tc_sensor_name_batch_add(found, FAN_CLOSE_WRITE, 0, entry->fts_path, NULL);
        }
    }
    fts_close(fts);
out:
    free(root);
    return err;
}

/* ---- Events. ---- */

/* Whether a watched folder is `path`, or below it: by its own name, or by the one that it
 * is configured by, in which links may be. */
static bool is_above_area(struct tc_sensor_names *names, const char *path)
{
    const struct tc_sensor_area *area;

    for (size_t i = 0; path && names->watch && names->watch[i]; i++)
        if (tc_sensor_path_under(names->watch[i], path))
            return true;

    for (size_t i = 0; names->scope && path; i++) {
        area = tc_sensor_scope_area(names->scope, i);
        if (!area)
            break;
        if (tc_sensor_path_under(area->seen, path))
            return true;
    }
    return false;
}

static void folder_event(struct tc_sensor_names *names,
                         struct tc_sensor_name_batch *batch, uint64_t mask,
                         const struct record_paths *at)
{
    if (is_above_area(names, at->path) || is_above_area(names, at->old_path))
        batch->area_changed = true;
    if (mask & names->renames) {
        if (!names->by_folder)
            tc_sensor_folders_clear(names->folders);
        batch->folder_renamed = true;
    }
    if (names->by_folder && at->path && (mask & (FAN_CREATE | names->renames)))
        tc_sensor_names_mark_tree(names, at->path, batch);
}

/*
 * A file that gets a new name was perhaps remembered under one where nothing is asked, or
 * that is excluded. A file that has just been made has no other name and is ignored.
 */
static void forget_renamed(struct tc_sensor_names *names, uint64_t mask,
                           const struct record_paths *at)
{
    if (mask & names->renames || (at->known && at->stx.stx_nlink > 1))
        names->forget(names->forget_arg, at->path);
}

static bool is_canary(struct tc_sensor_names *names, uint64_t mask, const char *path)
{
    if (!names->canary_path || !path || strcmp(path, names->canary_path) != 0)
        return false;
    if (mask & FAN_CLOSE_WRITE)
        atomic_store(&names->canary_ns, tc_sensor_clock_ns(CLOCK_MONOTONIC));
    return true;
}

static void add_written(struct tc_sensor_name_batch *batch, int32_t pid, const char *path)
{
    char linked[TC_SENSOR_PATH_MAX];

    tc_sensor_name_batch_add(batch, FAN_CLOSE_WRITE, pid,
                             tc_sensor_linked_name(path, linked) ? linked : path, NULL);
}

static void file_event(struct tc_sensor_names *names, struct tc_sensor_name_batch *batch,
                       const struct tc_sensor_group_event *event, struct record_paths *at)
{
    const struct statx *stx;

    if (is_canary(names, event->mask, at->path))
        return;
    if ((event->mask & (FAN_CREATE | FAN_DELETE | names->renames)) &&
        (is_above_area(names, at->path) || is_above_area(names, at->old_path)))
        batch->area_changed = true; /* a link */
    if (at->path && (event->mask & (FAN_CREATE | names->renames)))
        at->known = look_at(at->path, &at->stx);
    stx = at->known ? &at->stx : NULL;
    if (names->forget && at->path && (event->mask & (FAN_CREATE | names->renames)))
        forget_renamed(names, event->mask, at);
    if (at->path && at->inside) {
        if (event->mask & FAN_CREATE)
            add_looked_at(batch, FAN_CREATE, event->pid, at->path, NULL, stx);
        if (event->mask & FAN_CLOSE_WRITE)
            add_written(batch, event->pid, at->path);
        if (event->mask & names->renames)
            add_looked_at(batch, FAN_RENAME, event->pid, at->path, at->old_path, stx);
        if (event->mask & FAN_DELETE)
            add_looked_at(batch, FAN_DELETE, event->pid, at->path, NULL, NULL);
    } else if ((event->mask & names->renames) && at->old_path && at->old_inside) {
        if (at->path) /* it has left, but still exists elsewhere */
            add_looked_at(batch, FAN_RENAME, event->pid, at->path, at->old_path, stx);
        else
            add_looked_at(batch, FAN_DELETE, event->pid, at->old_path, NULL, NULL);
    }
}

static void read_events(struct tc_sensor_names *names, struct tc_sensor_name_batch *batch,
                        const uint8_t *p, const uint8_t *end)
{
    struct tc_sensor_group_event event;

    while (tc_sensor_group_next(&p, end, &event)) {
        struct record_paths at = {.path = NULL};

        if (event.mask & FAN_Q_OVERFLOW) {
            batch_add(batch, FAN_Q_OVERFLOW, 0);
            /* perhaps, and the loss may hide it */
            batch->folder_renamed = batch->area_changed = true;
            continue;
        }
        at.old_path = record_path(names, event.old_name, &at.old_inside);
        at.path = record_path(names, event.name, &at.inside);
        if (event.mask & FAN_ONDIR)
            folder_event(names, batch, event.mask, &at);
        else
            file_event(names, batch, &event, &at);
        free(at.path);
        free(at.old_path);
    }
}

int tc_sensor_names_read(struct tc_sensor_names *names,
                         struct tc_sensor_name_batch *batch)
{
    _Alignas(8) uint8_t buf[READ_BYTES];
    ssize_t n;
    int err = 0;

    batch->count = 0;
    batch->folder_renamed = batch->area_changed = batch->more = false;
    pthread_mutex_lock(&names->lock);
    n = read(names->group, buf, sizeof(buf));
    if (n < 0)
        err = -errno;
    else
        read_events(names, batch, buf, buf + n);
    for (size_t i = 0; i < names->system_count; i++) {
        if (names->systems[i].fd >= 0)
            close(names->systems[i].fd);
        names->systems[i].fd = -1;
    }
    pthread_mutex_unlock(&names->lock);
    return err;
}

void tc_sensor_name_batch_clear(struct tc_sensor_name_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        free(batch->names[i].path);
        free(batch->names[i].old_path);
        if (batch->names[i].fd >= 0)
            close(batch->names[i].fd);
    }
    batch->count = 0;
}
