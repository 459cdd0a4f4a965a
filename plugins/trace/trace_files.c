/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "sensor_folders.h"
#include "sensor_group.h"

#define READ_BYTES 8192

int tc_trace_files_open(struct tc_trace_files *files,
                        const struct tc_trace_places *places)
{
    int err;

    memset(files, 0, sizeof(*files));
    files->group = -1;
    STAILQ_INIT(&files->found);
    files->renames = FAN_RENAME;
    err = tc_trace_files_set(files, places);
    if (err || !files->root_count)
        return err;
    files->buf = malloc(READ_BYTES);
    files->folders = tc_sensor_folders_new(TC_TRACE_FOLDERS_MAX);
    if (!files->buf || !files->folders)
        return -ENOMEM;
    files->group = tc_sensor_group_open(true);
    if (files->group < 0)
        return files->group;
    tc_trace_files_mark_all(files);
    return 0;
}

static void free_all(char **paths, size_t *count)
{
    while (*count)
        free(paths[--*count]);
}

static void drop_found(struct tc_trace_files *files, struct tc_trace_found *found)
{
    STAILQ_REMOVE(&files->found, found, tc_trace_found, next);
    files->found_count--;
    free(found->path);
    free(found);
}

void tc_trace_files_close(struct tc_trace_files *files)
{
    if (files->group >= 0)
        close(files->group);
    files->group = -1;
    while (files->found_count)
        drop_found(files, STAILQ_FIRST(&files->found));
    for (size_t i = 0; i < files->root_count; i++)
        free(files->roots[i].path);
    files->root_count = 0;
    free_all(files->elsewhere, &files->elsewhere_count);
    free_all(files->attributes, &files->attribute_count);
    tc_sensor_folders_free(files->folders);
    files->folders = NULL;
    free(files->buf);
    files->buf = NULL;
}

int tc_trace_files_read(struct tc_trace_files *files)
{
    ssize_t n = read(files->group, files->buf, READ_BYTES);

    files->len = n > 0 ? (size_t)n : 0;
    return n < 0 ? -errno : (int)n;
}

/* ---- Reporting. ---- */

struct emitter {
    struct tc_trace_files *files;
    tc_trace_file_fn emit;
    void *arg;
    int32_t pid;
};

/* Of one event, the paths that its records stand for; NULL where there is none. */
struct paths {
    char *path, *old_path;
};

/* Whether it was found and is not reported yet. Then it is taken off the list: an event
 * reports it. */
static bool take_found(struct tc_trace_files *files, const char *path)
{
    struct tc_trace_found *found = STAILQ_FIRST(&files->found), *next;
    bool was_found = false;

    for (; found; found = next) {
        next = STAILQ_NEXT(found, next);
        if (strcmp(found->path, path) != 0)
            continue;
        drop_found(files, found);
        was_found = true;
    }
    return was_found;
}

static bool read_file_info(const char *path, struct tc_sensor_file *file)
{
    struct statx stx;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
              STATX_BASIC_STATS, &stx))
        return false;
    tc_sensor_file_set(file, &stx);
    return true;
}

static void emit_one(const struct emitter *t, const char *topic, const char *path,
                     const char *old_path, const struct tc_sensor_file *known)
{
    struct tc_trace_file_event event = {.topic = topic, .pid = t->pid};

    if (known)
        event.file = *known;
    event.file.path = path;
    event.file.old_path = old_path;
    t->emit(t->arg, &event);
}

static void emit_renamed(const struct emitter *t, const struct paths *at)
{
    bool from = at->old_path && tc_trace_files_wanted(t->files, at->old_path);
    bool to = at->path && tc_trace_files_wanted(t->files, at->path);
    struct tc_sensor_file file;

    memset(&file, 0, sizeof(file));
    if (to)
        take_found(t->files, at->path);
    if (to || (from && at->path))
        emit_one(t, TOCSIN_TOPIC_FILE_RENAMED, at->path, at->old_path,
                 read_file_info(at->path, &file) ? &file : NULL);
    else if (from) /* where it has gone is not known here */
        emit_one(t, TOCSIN_TOPIC_FILE_DELETED, at->old_path, NULL, NULL);
}

/*
 * What the same process does to one name while nobody reads comes as one event. One that
 * is there was deleted first and then made anew. One that was only found had been made
 * before its folder had a mark, and no event will say so.
 */
static void emit_file(const struct emitter *t, uint64_t mask, const struct paths *at)
{
    struct tc_sensor_file file;
    bool there, made;

    if (mask & t->files->renames)
        emit_renamed(t, at);
    if (mask & t->files->renames || !at->path ||
        !tc_trace_files_wanted(t->files, at->path))
        return;
    memset(&file, 0, sizeof(file));
    there = read_file_info(at->path, &file);
    made = take_found(t->files, at->path) || mask & FAN_CREATE;
    if (mask & FAN_DELETE && there)
        emit_one(t, TOCSIN_TOPIC_FILE_DELETED, at->path, NULL, NULL);
    if (made)
        emit_one(t, TOCSIN_TOPIC_FILE_CREATED, at->path, NULL, there ? &file : NULL);
    if (mask & FAN_CLOSE_WRITE)
        emit_one(t, TOCSIN_TOPIC_FILE_WRITTEN, at->path, NULL, there ? &file : NULL);
    if (mask & FAN_DELETE && !there)
        emit_one(t, TOCSIN_TOPIC_FILE_DELETED, at->path, NULL, NULL);
}

/* Folders are not reported, but followed. */
static void follow(struct tc_trace_files *files, uint64_t mask, const struct paths *at)
{
    const char *gone = mask & FAN_DELETE ? at->path : at->old_path;

    if (gone && mask & (FAN_DELETE | files->renames))
        tc_sensor_folders_drop_under(files->folders, gone);
    if (at->path && mask & (FAN_CREATE | files->renames))
        tc_trace_files_mark(files, at->path, !at->old_path);
}

/* ---- Reading what the group says. ---- */

/* The path that a record stands for; NULL: not of a folder that is known. */
static char *record_path(struct tc_trace_files *files,
                         const struct fanotify_event_info_fid *record)
{
    struct tc_sensor_handle handle;
    const char *folder;

    if (!record || !tc_sensor_group_folder(record, &handle))
        return NULL;
    folder = tc_sensor_folders_find(files->folders, &handle);
    if (!folder) {
        files->unresolved++;
        return NULL;
    }
    return tc_sensor_group_path(record, folder);
}

bool tc_trace_files_emit(struct tc_trace_files *files, tc_trace_file_fn emit, void *arg)
{
    struct emitter t = {.files = files, .emit = emit, .arg = arg};
    const uint8_t *p = files->buf, *end = p + files->len;
    struct tc_sensor_group_event event;
    bool lost = false;

    while (tc_sensor_group_next(&p, end, &event)) {
        struct paths at;

        if (event.mask & FAN_Q_OVERFLOW) {
            lost = true;
            continue;
        }
        t.pid = event.pid;
        at.old_path = record_path(files, event.old_name);
        at.path = record_path(files, event.name);
        if (event.mask & FAN_ONDIR)
            follow(files, event.mask, &at);
        else
            emit_file(&t, event.mask, &at);
        free(at.path);
        free(at.old_path);
    }
    files->len = 0;
    if (lost) { /* folders may have come and gone meanwhile */
        files->overflows++;
        tc_trace_files_mark_all(files);
    }
    return lost;
}

void tc_trace_files_emit_found(struct tc_trace_files *files, tc_trace_file_fn emit,
                               void *arg)
{
    struct emitter t = {.files = files, .emit = emit, .arg = arg};
    struct tc_trace_found *found;
    struct tc_sensor_file file;

    while ((found = STAILQ_FIRST(&files->found)) != NULL) {
        char *path = strdup(found->path);

        drop_found(files, found);
        memset(&file, 0, sizeof(file));
        if (path && read_file_info(path, &file))
            emit_one(&t, TOCSIN_TOPIC_FILE_CREATED, path, NULL, &file);
        free(path);
    }
}
