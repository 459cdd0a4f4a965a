/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the group that reports names in some folders, where no sensor that protects
 * looks: files created, written, renamed and deleted. Marks are on the folders
 * themselves, so that what happens anywhere else costs nothing, whoever may do it;
 * fanotify(7). Folders that come, go or move are followed. Must not: know processes or
 * events. One thread at a time.
 *   trace_files.c        the group, and what it says
 *   trace_files_marks.c  which folders are marked, and what they are called
 */
#ifndef TC_TRACE_FILES_H
#define TC_TRACE_FILES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "sensor_encode.h"

#define TC_TRACE_ROOTS_MAX 64      /* entries of a list of places */
#define TC_TRACE_FOLDERS_MAX 16384 /* marked at once; those beyond are counted */
#define TC_TRACE_FOUND_MAX 1024    /* files in new folders that wait to be reported */

/* "/a" is everything below /a, "/a/" followed by an asterisk the files in /a alone. */
struct tc_trace_root {
    char *path; /* no symbolic link in it, as far as it exists */
    bool below;
};

/* A file that was in a folder before its mark was. */
struct tc_trace_found {
    char *path;
    STAILQ_ENTRY(tc_trace_found) next;
};

struct tc_trace_files {
    int group; /* -1: not open */
    struct tc_trace_root roots[TC_TRACE_ROOTS_MAX];
    char *elsewhere[TC_TRACE_ROOTS_MAX]; /* reported by others: not here */
    char *attributes[TC_TRACE_ROOTS_MAX];
    size_t root_count, elsewhere_count, attribute_count;
    uint64_t renames; /* see tc_sensor_group_mark */
    struct tc_sensor_folders *folders;
    STAILQ_HEAD(, tc_trace_found) found;
    size_t found_count;
    uint8_t *buf;
    size_t len;             /* of what was read and is not reported yet */
    atomic_size_t marked;   /* folders */
    atomic_ullong unmarked; /* folders: too many, or on a file system without handles */
    atomic_ullong unresolved, overflows;
};

/* What has happened to one name. */
struct tc_trace_file_event {
    const char *topic;
    int32_t pid; /* 0: not known who */
    struct tc_sensor_file file;
};

typedef void (*tc_trace_file_fn)(void *arg, const struct tc_trace_file_event *event);

/* Lists of absolute paths, ended by NULL. */
struct tc_trace_places {
    const char *const *watch;     /* reported */
    const char *const *elsewhere; /* by others: excluded */
    const char *const *attributes;
};

/*
 * Keeps the places, opens the group and marks what is there to be watched; no group when
 * that is nothing. Errors: those of fanotify_init(2); -ENOMEM; -E2BIG. Closed in any
 * case.
 */
int tc_trace_files_open(struct tc_trace_files *files,
                        const struct tc_trace_places *places);
void tc_trace_files_close(struct tc_trace_files *files); /* takes one never opened */

/*
 * Reads once, and nothing more until that was reported: so the caller can see to what the
 * processes did before. Bytes read; -EAGAIN: nothing there.
 */
int tc_trace_files_read(struct tc_trace_files *files);

/* Reports what was read. True: some was lost before, in the kernel. */
bool tc_trace_files_emit(struct tc_trace_files *files, tc_trace_file_fn emit, void *arg);

/* When nothing more is to be read: the files found in new folders that are not reported
 * yet. */
void tc_trace_files_emit_found(struct tc_trace_files *files, tc_trace_file_fn emit,
                               void *arg);

/* Whether a file of that path is one to be reported. */
bool tc_trace_files_wanted(const struct tc_trace_files *files, const char *path);

/* Whether changes of that file's attributes are: there, elsewhere, or where listed. */
bool tc_trace_files_attributes_wanted(const struct tc_trace_files *files,
                                      const char *path);

/* ---- trace_files_marks.c, for trace_files.c ---- */

/* Keeps the lists. -ENOMEM; -E2BIG: too many. */
int tc_trace_files_set(struct tc_trace_files *files,
                       const struct tc_trace_places *places);

/* Marks all places, and the folders above them, by which they are found again. */
void tc_trace_files_mark_all(struct tc_trace_files *files);

/* A folder has appeared: marks what is wanted of it. With `find`, the files in it that
 * are wanted are found. */
void tc_trace_files_mark(struct tc_trace_files *files, const char *path, bool find);

#endif
