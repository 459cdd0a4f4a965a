/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is watched: the mounts and folders, written into the maps of the programs in
 * the kernel, and names (created, renamed, deleted, written), which fanotify reports: it
 * sees what was written through a mapping or by io_uring as well, once the file is
 * closed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kext.h"
#include "sensor_foreign.h"
#include "sensor_scope.h"

/* ---- Mounts and folders. Pool thread, then loop. ---- */

/*
 * What the kernel is to look for on the way up from a file. A watched folder that does
 * not exist is stood for by the nearest one above it that does: what is reported too
 * much, the resolver drops.
 */
static bool folder_of(const struct tc_sensor_area *area, struct tc_kext_folder *ret)
{
    char path[TC_SENSOR_PATH_MAX], *slash;
    struct stat st;

    snprintf(path, sizeof(path), "%s", area->seen);
    while (stat(path, &st)) {
        slash = strrchr(path, '/');
        if (!slash || slash == path)
            return false;
        *slash = '\0';
    }
    ret->inode = st.st_ino;
    ret->device = tc_kext_device_of(area->device);
    return true;
}

static void find_folders(struct tc_kext_scan *scan)
{
    const struct tc_sensor_area *area;

    for (size_t i = 0; (area = tc_sensor_scope_area(scan->scope, i)) != NULL; i++) {
        if (tc_sensor_scope_served(scan->scope, area->seen))
            continue; /* nobody asks its server; see mark_names */
        if (scan->folder_count < TC_KEXT_FOLDERS_MAX &&
            folder_of(area, &scan->folders[scan->folder_count]))
            scan->folder_count++;
        else
            scan->unwatched++;
    }
}

/* What another namespace has mounted below the watch; one that is hidden, or has gone, is
 * none, or is found again. */
static void add_foreign(void *arg, const struct tc_sensor_foreign *foreign)
{
    const struct tc_sensor_mount *mount = foreign->mount;
    struct tc_kext_scan *scan = arg;
    int fd = tc_sensor_foreign_open(foreign);
    struct stat st;

    if (fd < 0)
        return;
    if (scan->folder_count == TC_KEXT_FOLDERS_MAX) {
        scan->unwatched++;
    } else if (!fstat(fd, &st) &&
               !tc_sensor_scope_add_foreign(scan->scope, mount->device, mount->root,
                                            mount->point)) {
        scan->folders[scan->folder_count].inode = st.st_ino;
        scan->folders[scan->folder_count++].device = tc_kext_device_of(mount->device);
        scan->foreign++;
    }
    close(fd);
}

static void mark_names(struct tc_kext *kext)
{
    struct tc_kext_scan *scan = &kext->scan;
    const struct tc_sensor_mount *mount;
    int err;

    for (size_t i = 0; (mount = tc_sensor_scope_file_system(scan->scope, i)) != NULL;
         i++) {
        if (mount->served && strcmp(mount->point, "/") != 0) {
            scan->served++;
            snprintf(scan->which, sizeof(scan->which), "%.400s (%s)", mount->point,
                     mount->type);
            continue;
        }
        err = kext->names_open ? tc_sensor_names_mark(&kext->names, mount) : -ENOTSUP;
        if (!err)
            continue;
        scan->unnamed++;
        snprintf(scan->what, sizeof(scan->what), "%.400s (%s): %s", mount->point,
                 mount->type, strerror(-err));
    }
    if (kext->names_open)
        tc_sensor_names_set_scope(&kext->names, scan->scope);
}

void tc_kext_scan_run(void *arg)
{
    struct tc_kext *kext = arg;
    struct tc_kext_scan *scan = &kext->scan;

    tc_sensor_watch_done(&scan->watch);
    memset(scan, 0, sizeof(*scan));
    scan->err = tc_sensor_watch_resolve(&kext->places, &scan->watch);
    if (!scan->err)
        scan->err = tc_sensor_scope_read(kext->mountinfo_fd, scan->watch.paths,
                                         kext->places.ignored, &scan->scope);
    if (scan->err)
        return;
    find_folders(scan);
    tc_sensor_foreign_each(scan->scope, add_foreign, scan);
    mark_names(kext);
    tc_kext_resolver_set_scope(&kext->resolver, scan->scope);
    if (kext->programs.skeleton)
        tc_kext_set_folders(&kext->programs, scan->folders, scan->folder_count);
}

static void report_scan(struct tc_kext *kext)
{
    const struct tocsin_host *host = kext->host;
    const struct tc_kext_scan *scan = &kext->scan;
    char text[640];

    tc_sensor_watch_report(&scan->watch, &kext->places, kext->scope, host, "kext");
    if (scan->unnamed) {
        snprintf(text, sizeof(text),
                 "files are judged when they are executed, not when they are written, on "
                 "%s",
                 scan->what);
        host->report(host, TOCSIN_REPORT_ISSUE, "kext_names", text,
                     "add its type to plugins.kext.ignore_filesystems");
    } else {
        host->report(host, TOCSIN_REPORT_CLEAR, "kext_names", NULL, NULL);
    }
    if (scan->served) {
        snprintf(text, sizeof(text),
                 "not protected: %s, and %zu more: kext reads nothing that a server "
                 "answers for",
                 scan->which, scan->served - 1);
        host->report(host, TOCSIN_REPORT_ISSUE, "kext_served", text,
                     "approve es, which does (tocsin approval list); or add its type to "
                     "plugins.kext.ignore_filesystems");
    } else {
        host->report(host, TOCSIN_REPORT_CLEAR, "kext_served", NULL, NULL);
    }
    if (scan->unwatched) {
        snprintf(text, sizeof(text), "%zu folders are not watched: at most %d can be",
                 scan->unwatched, TC_KEXT_FOLDERS_MAX);
        host->report(host, TOCSIN_REPORT_ISSUE, "kext_folders", text,
                     "watch fewer, or fewer mounts below them");
    } else {
        host->report(host, TOCSIN_REPORT_CLEAR, "kext_folders", NULL, NULL);
    }
}

void tc_kext_scan_done(void *arg, int status)
{
    struct tc_kext *kext = arg;
    struct tc_sensor_scope *before = kext->scope;

    if (!status && !kext->jobs.closing && kext->scan.scope) {
        kext->scope = kext->scan.scope;
        kext->foreign = kext->scan.foreign;
        kext->scan.scope = NULL;
        report_scan(kext);
        if (before && !tc_sensor_scope_same(before, kext->scope))
            tc_kext_places_changed(kext);
        tc_sensor_scope_unref(before);
    }
    tc_sensor_scope_unref(kext->scan.scope);
    kext->scan.scope = NULL;
}

void tc_kext_mounts_changed(void *arg, int status, uint32_t events)
{
    struct tc_kext *kext = arg;

    (void)status;
    (void)events;
    tc_sensor_jobs_start(&kext->jobs, TC_KEXT_JOB_SCAN);
}

/* ---- Names. ---- */

void tc_kext_names_readable(void *arg, int status, uint32_t events)
{
    struct tc_kext *kext = arg;

    (void)status;
    (void)events;
    /* Not watched while a pool thread reads, or it would be reported again and again. */
    kext->host->watch_stop(kext->host, kext->names_watch);
    kext->names_watch = NULL;
    tc_sensor_jobs_start(&kext->jobs, TC_KEXT_JOB_NAMES);
}

void tc_kext_names_run(void *arg)
{
    struct tc_kext *kext = arg;
    struct tc_sensor_name_batch *batch = kext->batch;
    struct tc_kext_item *item;

    kext->names_lost = kext->area_changed = kext->folder_renamed = false;
    kext->names_status = tc_sensor_names_read(&kext->names, batch);
    if (kext->names_status)
        return;
    kext->area_changed = batch->area_changed;
    kext->folder_renamed = batch->folder_renamed;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->names[i].mask == FAN_Q_OVERFLOW)
            kext->names_lost = true;
        if (!batch->names[i].path)
            continue;
        item = tc_kext_resolve_name(&kext->resolver, &batch->names[i]);
        if (item)
            tc_kext_items_add(&kext->named, item);
    }
    tc_sensor_name_batch_clear(batch);
}

void tc_kext_names_done(void *arg, int status)
{
    struct tc_kext *kext = arg;

    if (!status && !kext->names_status && !kext->jobs.closing) {
        if (kext->folder_renamed)
            tc_kext_places_changed(kext);
        if (kext->area_changed)
            tc_sensor_jobs_start(&kext->jobs, TC_KEXT_JOB_SCAN);
        if (kext->names_lost)
            tc_kext_publish_gap(kext, "the kernel's queue of file names was full", 0);
        tc_kext_publish_items(kext, &kext->named);
    }
    tc_kext_items_clear(&kext->named);
    if (!kext->jobs.closing && !kext->names_watch &&
        kext->host->watch_fd(kext->host, kext->names.group, TOCSIN_READABLE,
                             tc_kext_names_readable, kext, &kext->names_watch))
        kext->names_watch = NULL;
}
