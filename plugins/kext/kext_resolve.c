/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_resolve_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "kext_load.h"
#include "kext_open.h"
#include "kext_record.h"
#include "sensor_clock.h"

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

void tc_kext_describe(struct tc_kext_resolver *resolver, struct tc_kext_item *item,
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

void tc_kext_found_at(struct tc_kext_found *ret, const struct tc_sensor_scope *scope,
                      const struct tc_sensor_place *place)
{
    memcpy(ret->path, place->path, sizeof(ret->path));
    ret->cut = place->cut;
    ret->unverified = !tc_sensor_place_is_own(scope, place);
}

struct tc_kext_item *tc_kext_item_of(const char *topic, const struct tc_kext_found *found)
{
    struct tc_kext_item *item = tc_kext_item_new(topic, found->path);

    if (item) {
        item->file.cut = found->cut;
        item->file.unverified = found->unverified;
    }
    return item;
}

static void open_item(struct tc_kext_resolver *resolver, struct tc_kext_item *item,
                      const struct tc_kext_record *record)
{
    struct statx stx;

    item->fd = tc_kext_open(record, item->path, resolver->fd_ceiling, &stx);
    if (item->fd >= 0) {
        tc_sensor_file_set(&item->file, &stx);
        return;
    }
    resolver->no_fd++;
    tc_kext_record_file(&item->file, record);
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
                      const struct tc_kext_record *record, struct tc_kext_found *ret)
{
    struct tc_sensor_place place;
    struct statx stx;
    int fd = tc_kext_open_by_process(record, resolver->fd_ceiling, &stx);
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
    tc_kext_found_at(ret, scope, &place);
    return true;
}

/* False: it is nothing of ours, or cannot be reported; counted. */
static bool find_path(struct tc_kext_resolver *resolver,
                      const struct tc_sensor_scope *scope,
                      const struct tc_kext_record *record, struct tc_kext_found *ret)
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
    struct tc_kext_found found;

    if (!find_path(resolver, scope, record, &found))
        return NULL;
    item = tc_kext_item_of(record->kind == TC_KEXT_OPEN ? TOCSIN_TOPIC_FILE_OPEN
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
    tc_kext_describe(resolver, item, record);
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
    item = record->kind == TC_KEXT_SCRIPT
               ? tc_kext_resolve_script(resolver, scope, record)
               : resolve_file(resolver, scope, record);
    tc_sensor_scope_unref(scope);
    return item;
}
