/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "kext_item.h"
#include "kext_load.h"
#include "kext_record.h"
#include "sensor_clock.h"
#include "sensor_place.h"
#include "sensor_scope.h"

/* Never waits, never follows, never becomes a terminal. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

int tc_kext_resolver_init(struct tc_kext_resolver *resolver,
                          const struct tocsin_host *host,
                          const struct tc_kext_programs *programs, size_t processes,
                          int fd_ceiling)
{
    memset(resolver, 0, sizeof(*resolver));
    pthread_mutex_init(&resolver->lock, NULL);
    resolver->host = host;
    resolver->programs = programs;
    resolver->fd_ceiling = fd_ceiling;
    return tc_sensor_processes_new(processes, &resolver->processes);
}

void tc_kext_resolver_done(struct tc_kext_resolver *resolver)
{
    tc_sensor_scope_unref(resolver->scope);
    tc_sensor_processes_free(resolver->processes);
    resolver->scope = NULL;
    resolver->processes = NULL;
    pthread_mutex_destroy(&resolver->lock);
}

void tc_kext_resolver_set_scope(struct tc_kext_resolver *resolver,
                                struct tc_sensor_scope *scope)
{
    pthread_mutex_lock(&resolver->lock);
    tc_sensor_scope_unref(resolver->scope);
    resolver->scope = tc_sensor_scope_ref(scope);
    tc_sensor_processes_set_scope(resolver->processes, scope);
    pthread_mutex_unlock(&resolver->lock);
}

static struct tc_sensor_scope *scope_of(struct tc_kext_resolver *resolver)
{
    struct tc_sensor_scope *scope;

    pthread_mutex_lock(&resolver->lock);
    scope = resolver->scope ? tc_sensor_scope_ref(resolver->scope) : NULL;
    pthread_mutex_unlock(&resolver->lock);
    return scope;
}

void tc_kext_resolver_counters(struct tc_kext_resolver *resolver,
                               struct tc_sensor_process_counters *ret)
{
    pthread_mutex_lock(&resolver->lock);
    tc_sensor_processes_counters(resolver->processes, ret);
    pthread_mutex_unlock(&resolver->lock);
}

void tc_kext_resolve_process(struct tc_kext_resolver *resolver, pid_t pid)
{
    pthread_mutex_lock(&resolver->lock);
    tc_sensor_processes_find(resolver->processes, pid);
    pthread_mutex_unlock(&resolver->lock);
}

/* ---- Descriptors. ---- */

/* How a file that is opened is known to be that of a record. */
enum same_by {
    BY_KEY,   /* number and change time; the device may be given in another way (btrfs has
                 one for each subvolume) */
    BY_INODE, /* number: it is what a process runs, whatever was done to its names since
               */
};

static bool is_file(const struct statx *stx, const struct tc_kext_key *key,
                    enum same_by by)
{
    return S_ISREG(stx->stx_mode) && stx->stx_ino == key->inode &&
           (by == BY_INODE || ((uint64_t)stx->stx_ctime.tv_sec == key->ctime_s &&
                               stx->stx_ctime.tv_nsec == key->ctime_ns));
}

/* Opens `path` if it is the file of that key (NULL: any regular file); else -1. */
static int open_file(struct tc_kext_resolver *resolver, const char *path,
                     const struct tc_kext_key *key, enum same_by by,
                     struct statx *ret_stx)
{
    int fd = open(path, OPEN_FLAGS);

    if (fd < 0)
        return -1;
    if (fd <= resolver->fd_ceiling &&
        !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, ret_stx) &&
        (key ? is_file(ret_stx, key, by) : S_ISREG(ret_stx->stx_mode)))
        return fd;
    close(fd);
    return -1;
}

/*
 * The file of a record by the process that has it, which no rename leads astray; or -1.
 * What runs is judged also when its change time has moved on: by chmod, or because a
 * detector that has found it when it was written takes its name away just now. What is
 * then allowed is not remembered (unchanged() in kext_verdict.c).
 */
static int open_by_process(struct tc_kext_resolver *resolver,
                           const struct tc_kext_record *record, struct statx *ret_stx)
{
    enum same_by by = BY_KEY;
    char link[48];

    if (record->kind == TC_KEXT_EXEC) {
        snprintf(link, sizeof(link), "/proc/%u/exe", record->pid);
        by = BY_INODE;
    } else if (record->fd >= 0) {
        snprintf(link, sizeof(link), "/proc/%u/fd/%d", record->tid, record->fd);
    } else {
        return -1;
    }
    return open_file(resolver, link, &record->key, by, ret_stx);
}

static void open_item(struct tc_kext_resolver *resolver, struct tc_kext_item *item,
                      const struct tc_kext_record *record)
{
    struct statx stx;

    item->fd = open_by_process(resolver, record, &stx);
    if (item->fd < 0)
        item->fd = open_file(resolver, item->path, &record->key, BY_KEY, &stx);
    if (item->fd >= 0) {
        tc_sensor_file_set(&item->file, &stx);
        return;
    }
    resolver->no_fd++;
    tc_kext_record_file(&item->file, record);
}

/* ---- Who. ---- */

/* What is kept of a process may be older than its exec, if it has ended since. */
static bool is_it(const struct tc_sensor_process *process,
                  const struct tc_kext_record *record, const struct tc_kext_item *item,
                  uint64_t start_ns)
{
    if (!process || process->self.start_ns != start_ns)
        return false;
    return record->kind != TC_KEXT_EXEC || record->flags & TC_KEXT_WAS_REFUSED ||
           (process->self.executable && !strcmp(process->self.executable, item->path));
}

static void identify(struct tc_kext_resolver *resolver, struct tc_kext_item *item,
                     const struct tc_kext_record *record)
{
    const struct tc_sensor_process *process;
    struct tc_sensor_process recorded = {.uid = record->uid};

    pthread_mutex_lock(&resolver->lock);
    process = tc_sensor_processes_find(resolver->processes, (pid_t)record->pid);
    recorded.self.start_ns =
        tc_sensor_processes_start(resolver->processes, record->start_ns);
    if (!is_it(process, record, item, recorded.self.start_ns)) {
        resolver->no_process++;
        recorded.self.pid = (pid_t)record->pid;
        snprintf(recorded.self.name, sizeof(recorded.self.name), "%.16s", record->comm);
        if (record->kind == TC_KEXT_EXEC && !(record->flags & TC_KEXT_WAS_REFUSED))
            recorded.self.executable = item->path;
        recorded.parent.pid = (pid_t)record->parent_pid;
        process = &recorded;
    }
    tc_kext_item_identify(item, process);
    pthread_mutex_unlock(&resolver->lock);
}

static void describe(struct tc_kext_resolver *resolver, struct tc_kext_item *item,
                     const struct tc_kext_record *record)
{
    item->flags = record->flags;
    item->judged = true;
    item->time_ns = tc_kext_record_time(record->time_ns);
    item->start_ns = record->start_ns;
    item->pid = (int32_t)record->pid;
    item->executes =
        record->kind != TC_KEXT_OPEN && !(record->flags & TC_KEXT_WAS_REFUSED);
    identify(resolver, item, record);
}

/* ---- Records. ---- */

/* A path, and whether it may be excluded by it. */
struct found {
    char path[TC_SENSOR_PATH_MAX];
    bool cut, unverified;
};

static void found_at(struct found *ret, const struct tc_sensor_scope *scope,
                     const struct tc_sensor_place *place)
{
    memcpy(ret->path, place->path, sizeof(ret->path));
    ret->cut = place->cut;
    ret->unverified = !tc_sensor_place_is_own(scope, place);
}

static struct tc_kext_item *item_of(const char *topic, const struct found *found)
{
    struct tc_kext_item *item = tc_kext_item_new(topic, found->path);

    if (item) {
        item->file.cut = found->cut;
        item->file.unverified = found->unverified;
    }
    return item;
}

/* A file that was dealt with, or lies nowhere, is reported wherever that is. */
static bool is_anywhere(const struct tc_kext_record *record)
{
    return record->flags & (TC_KEXT_WAS_REFUSED | TC_KEXT_WAS_KILLED | TC_KEXT_UNNAMED);
}

/* On a served file system (sensor_served.h): it is reported by what the kernel knows. */
static bool is_served(const struct tc_sensor_scope *scope,
                      const struct tc_kext_record *record)
{
    return tc_sensor_scope_served_device(scope, tc_kext_st_dev_of(record->key.device));
}

/* Of a file that lies nowhere, or too deep for the kernel to say where, the process has
 * to say. */
static bool find_deep(struct tc_kext_resolver *resolver,
                      const struct tc_sensor_scope *scope,
                      const struct tc_kext_record *record, struct found *ret)
{
    struct tc_sensor_place place;
    struct statx stx;
    int fd = open_by_process(resolver, record, &stx);
    bool found = fd >= 0 && !tc_sensor_place_of(scope, -1, fd, &place);

    if (fd >= 0)
        close(fd);
    if (!found && record->flags & TC_KEXT_CUT) { /* it has ended: that it ran is known */
        snprintf(ret->path, sizeof(ret->path), "/.../#%llu",
                 (unsigned long long)record->key.inode);
        ret->cut = ret->unverified = true;
        return true;
    }
    if (!found) {
        resolver->no_fd++;
        return false;
    }
    if (!is_anywhere(record) && place.where == TC_SENSOR_OUTSIDE) {
        resolver->outside++;
        return false;
    }
    found_at(ret, scope, &place);
    return true;
}

/* False: it is nothing of ours, or cannot be reported; counted. */
static bool find_path(struct tc_kext_resolver *resolver,
                      const struct tc_sensor_scope *scope,
                      const struct tc_kext_record *record, struct found *ret)
{
    dev_t device = tc_kext_st_dev_of(record->key.device);
    char inner[TC_SENSOR_PATH_MAX];

    if (!tc_kext_record_path(record, inner)) {
        if (!is_served(scope, record))
            return find_deep(resolver, scope, record, ret);
        resolver->served++;
        return false;
    }
    if (!is_anywhere(record) &&
        tc_sensor_scope_place_inside(scope, device, inner) != TC_SENSOR_INSIDE) {
        resolver->outside++;
        return false;
    }
    ret->cut = false;
    ret->unverified =
        !tc_sensor_scope_seen(scope, record->mount_id, device, inner, ret->path);
    if (ret->unverified)
        snprintf(ret->path, TC_SENSOR_PATH_MAX, "%s", inner);
    return true;
}

static struct tc_kext_item *resolve_file(struct tc_kext_resolver *resolver,
                                         const struct tc_sensor_scope *scope,
                                         const struct tc_kext_record *record)
{
    struct tc_kext_item *item;
    struct found found;

    if (!find_path(resolver, scope, record, &found))
        return NULL;
    item = item_of(record->kind == TC_KEXT_OPEN ? TOCSIN_TOPIC_FILE_OPEN
                                                : TOCSIN_TOPIC_FILE_EXEC,
                   &found);
    if (!item)
        return NULL;
    item->key = record->key;
    item->keyed = true;
    if (is_served(scope, record)) {
        resolver->served++;
        item->file.served = true;
        tc_kext_record_file(&item->file, record);
    } else {
        open_item(resolver, item, record);
    }
    describe(resolver, item, record);
    return item;
}

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
    return open_file(resolver, path, NULL, BY_KEY, ret_stx);
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

static struct tc_kext_item *resolve_script(struct tc_kext_resolver *resolver,
                                           const struct tc_sensor_scope *scope,
                                           const struct tc_kext_record *record)
{
    struct tc_kext_item *item = NULL;
    struct tc_sensor_place place;
    struct found found;
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
    found_at(&found, scope, &place);
    item = item_of(TOCSIN_TOPIC_FILE_EXEC, &found);
    if (!item)
        goto out;
    tc_sensor_file_set(&item->file, &stx);
    item->key = tc_kext_key_of(item->file.device, item->file.inode, item->file.ctime_ns);
    item->keyed = true;
    item->fd = fd;
    fd = -1;
    describe(resolver, item, record);
out:
    if (fd >= 0)
        close(fd);
    return item;
}

struct tc_kext_item *tc_kext_resolve(struct tc_kext_resolver *resolver,
                                     const struct tc_kext_record *record, size_t len)
{
    struct tc_sensor_scope *scope;
    struct tc_kext_item *item;

    if (len < sizeof(*record) || record->path_len > len - sizeof(*record))
        return NULL;
    if (resolver->host->is_agent(resolver->host, (int32_t)record->pid)) {
        resolver->own++;
        return NULL;
    }
    scope = scope_of(resolver);
    if (!scope)
        return NULL;
    item = record->kind == TC_KEXT_SCRIPT ? resolve_script(resolver, scope, record)
                                          : resolve_file(resolver, scope, record);
    tc_sensor_scope_unref(scope);
    return item;
}
