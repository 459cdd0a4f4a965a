/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "sensor_clock.h"
#include "sensor_folders.h"
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
    unsigned int flags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK;
    int err = -ENOMEM;

    memset(names, 0, sizeof(*names));
    pthread_mutex_init(&names->lock, NULL);
    names->by_folder = by_folder;
    names->forget = forget;
    names->forget_arg = forget_arg;
    names->renames = FAN_RENAME;
    if (!by_folder)
        flags |= FAN_UNLIMITED_MARKS;
    names->group = fanotify_init(flags | FAN_REPORT_DFID_NAME, O_RDONLY | O_CLOEXEC);
    if (names->group < 0) {
        err = -errno;
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

/* Adds a mark; without FAN_RENAME (before Linux 5.17) it settles for FAN_MOVED_TO. */
static int mark(struct tc_sensor_names *names, unsigned int flags, uint64_t mask,
                const char *path)
{
    if (!fanotify_mark(names->group, FAN_MARK_ADD | flags, mask | names->renames,
                       AT_FDCWD, path))
        return 0;
    if (errno != EINVAL || names->renames != FAN_RENAME)
        return -errno;
    names->renames = FAN_MOVED_TO;
    return mark(names, flags, mask, path);
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
    err = point ? mark(names, FAN_MARK_FILESYSTEM,
                       WHAT | (names->written ? FAN_CLOSE_WRITE : 0), mount->point)
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
    char link[32];
    ssize_t n;
    int fd;

    if (system->fd < 0)
        system->fd = open(system->point, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
    if (system->fd < 0)
        return -errno;
    fd = open_by_handle_at(system->fd, handle, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, ret_path, TC_SENSOR_PATH_MAX - 1);
    close(fd);
    if (n < 0)
        return -errno;
    ret_path[n] = '\0';
    return 0;
}

/* The path of the folder that a record names; false when it is gone or never was ours. */
static bool folder_path(struct tc_sensor_names *names, const void *fsid,
                        struct file_handle *file_handle,
                        char ret_path[TC_SENSOR_PATH_MAX])
{
    struct tc_sensor_name_system *system = system_of(names, fsid);
    struct tc_sensor_handle handle;
    const char *known;

    tc_sensor_handle_set(&handle, fsid, file_handle);
    known = tc_sensor_folders_find(names->folders, &handle);
    if (known) {
        snprintf(ret_path, TC_SENSOR_PATH_MAX, "%s", known);
        return true;
    }
    if (names->by_folder || !system || resolve(system, file_handle, ret_path)) {
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
    return tc_sensor_scope_place(names->scope, system->mount_id, path) !=
           TC_SENSOR_OUTSIDE;
}

/* The full path that a record with a name stands for; NULL when it cannot be told. */
static char *record_path(struct tc_sensor_names *names,
                         const struct fanotify_event_info_fid *record, bool *ret_inside)
{
    /* A file_handle is a header and bytes; the name follows them, NUL-terminated. */
    struct file_handle *handle = (struct file_handle *)(uintptr_t)record->handle;
    const char *name = (const char *)handle->f_handle + handle->handle_bytes;
    char folder[TC_SENSOR_PATH_MAX], *path;

    if (!strcmp(name, ".") || !folder_path(names, &record->fsid, handle, folder) ||
        asprintf(&path, "%s/%s", strcmp(folder, "/") != 0 ? folder : "", name) < 0)
        return NULL;
    *ret_inside = inside(names, &record->fsid, path);
    return path;
}

struct record_paths {
    char *path, *old_path;
    bool inside, old_inside;
};

static void read_records(struct tc_sensor_names *names, const uint8_t *p,
                         const uint8_t *end, struct record_paths *ret)
{
    const struct fanotify_event_info_fid *record;

    memset(ret, 0, sizeof(*ret));
    for (; end - p >= (ptrdiff_t)sizeof(*record); p += record->hdr.len) {
        record = (const void *)p;
        if (!record->hdr.len)
            return;
        if (record->hdr.info_type == FAN_EVENT_INFO_TYPE_OLD_DFID_NAME && !ret->old_path)
            ret->old_path = record_path(names, record, &ret->old_inside);
        else if ((record->hdr.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME ||
                  record->hdr.info_type == FAN_EVENT_INFO_TYPE_NEW_DFID_NAME) &&
                 !ret->path)
            ret->path = record_path(names, record, &ret->inside);
    }
}

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

void tc_sensor_name_batch_add(struct tc_sensor_name_batch *batch, uint64_t mask,
                              int32_t pid, const char *path, const char *old_path)
{
    struct tc_sensor_name *name = batch_add(batch, mask, pid);

    if (!name)
        return;
    name->path = strdup(path);
    name->old_path = old_path ? strdup(old_path) : NULL;
    if (mask == FAN_DELETE || !name->path)
        return;
    name->known =
        !statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
               STATX_BASIC_STATS, &name->stx);
    if (name->known && S_ISREG(name->stx.stx_mode) &&
        (mask != FAN_CREATE || name->stx.stx_nlink > 1))
        name->fd = open_regular(path);
}

/* Whether a watched folder is `path`, or below it. */
static bool is_above_area(struct tc_sensor_names *names, const char *path)
{
    const struct tc_sensor_area *area;

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
 * that is excluded. A file that has just been made has no other name and is left alone.
 */
static void forget_renamed(struct tc_sensor_names *names, uint64_t mask, const char *path)
{
    struct statx stx;

    if (!(mask & names->renames) &&
        (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
               STATX_NLINK, &stx) ||
         stx.stx_nlink < 2))
        return;
    names->forget(names->forget_arg, path);
}

static bool is_canary(struct tc_sensor_names *names, uint64_t mask, const char *path)
{
    if (!names->canary_path || !path || strcmp(path, names->canary_path) != 0)
        return false;
    if (mask & FAN_CLOSE_WRITE)
        atomic_store(&names->canary_ns, tc_sensor_clock_ns(CLOCK_MONOTONIC));
    return true;
}

static void file_event(struct tc_sensor_names *names, struct tc_sensor_name_batch *batch,
                       const struct fanotify_event_metadata *m,
                       const struct record_paths *at)
{
    if (is_canary(names, m->mask, at->path))
        return;
    if (names->forget && at->path && (m->mask & (FAN_CREATE | names->renames)))
        forget_renamed(names, m->mask, at->path);
    if (at->path && at->inside) {
        if (m->mask & FAN_CREATE)
            tc_sensor_name_batch_add(batch, FAN_CREATE, m->pid, at->path, NULL);
        if (m->mask & FAN_CLOSE_WRITE)
            tc_sensor_name_batch_add(batch, FAN_CLOSE_WRITE, m->pid, at->path, NULL);
        if (m->mask & names->renames)
            tc_sensor_name_batch_add(batch, FAN_RENAME, m->pid, at->path, at->old_path);
        if (m->mask & FAN_DELETE)
            tc_sensor_name_batch_add(batch, FAN_DELETE, m->pid, at->path, NULL);
    } else if ((m->mask & names->renames) && at->old_path && at->old_inside) {
        if (at->path) /* it has left, but still exists elsewhere */
            tc_sensor_name_batch_add(batch, FAN_RENAME, m->pid, at->path, at->old_path);
        else
            tc_sensor_name_batch_add(batch, FAN_DELETE, m->pid, at->old_path, NULL);
    }
}

/* Events with records are aligned to four bytes only, so each is copied out first. */
static void read_events(struct tc_sensor_names *names, struct tc_sensor_name_batch *batch,
                        const uint8_t *p, size_t left)
{
    struct fanotify_event_metadata m;
    struct record_paths at;

    for (; left >= sizeof(m); p += m.event_len, left -= m.event_len) {
        memcpy(&m, p, sizeof(m));
        if (m.event_len < sizeof(m) || m.event_len > left)
            return;
        if (m.mask & FAN_Q_OVERFLOW) {
            batch_add(batch, FAN_Q_OVERFLOW, 0);
            /* perhaps, and the loss may hide it */
            batch->folder_renamed = batch->area_changed = true;
            continue;
        }
        read_records(names, p + m.metadata_len, p + m.event_len, &at);
        if (m.mask & FAN_ONDIR)
            folder_event(names, batch, m.mask, &at);
        else
            file_event(names, batch, &m, &at);
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
        read_events(names, batch, buf, (size_t)n);
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
