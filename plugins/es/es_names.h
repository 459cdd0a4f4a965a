/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the group that tells of names (created, renamed, deleted, and on the lower rung
 * also written): marks, records, and which path a folder's handle stands for. Pool
 * threads only, under its own lock, because it opens files and the file system may keep
 * it waiting; never the loop, nor the reader thread.
 */
#ifndef TC_ES_NAMES_H
#define TC_ES_NAMES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct tc_es_folders;
struct tc_es_mount;
struct tc_es_scope;
struct tc_es_source;

#define TC_ES_FOLDERS_CACHE_MAX 4096 /* paths of folders kept on the upper rung */
#define TC_ES_FOLDERS_MARK_MAX 65536 /* folders marked on the lower rung */
#define TC_ES_FILE_SYSTEMS_MAX 128
#define TC_ES_NAME_BATCH_MAX 1024 /* things that happened, of one read */

struct tc_es_name_system; /* one marked file system */

struct tc_es_names {
    pthread_mutex_t lock;
    int group;
    bool by_folder;              /* lower rung: marks are on folders, no privilege */
    unsigned int renames;        /* FAN_RENAME, or FAN_MOVED_TO where it is missing */
    struct tc_es_source *source; /* whose remembered files renames make forget; NULL */
    struct tc_es_scope *scope;   /* NULL: everything reported is inside */
    struct tc_es_folders *folders;
    struct tc_es_name_system *systems;
    size_t system_count;
    atomic_ullong unresolved, refused; /* folders not found; folders beyond the limit */
    /* Lower rung: the canary, told to nobody, and when its write last came through. */
    const char *canary_path;
    atomic_ullong canary_ns;
};

/* What happened to one name. */
struct tc_es_name {
    uint64_t mask; /* FAN_CREATE, FAN_RENAME, FAN_DELETE, FAN_CLOSE_WRITE, or overflow */
    int32_t pid;   /* 0: not told */
    char *path, *old_path; /* old_path of a rename, if known; path NULL: overflow */
    bool known;            /* stx is */
    struct statx stx;
    int fd; /* of a regular file that may have new content here, or -1 */
};

/* All that one read gave. */
struct tc_es_name_batch {
    struct tc_es_name names[TC_ES_NAME_BATCH_MAX];
    size_t count;
    bool more;           /* the group may hold more */
    bool folder_renamed; /* what is remembered of the files under it may be wrong */
};

/* Errors: -EPERM, -EINVAL, -ENOSYS from fanotify_init(2); -ENOMEM. */
int tc_es_names_open(struct tc_es_names *names, bool by_folder,
                     struct tc_es_source *source);
void tc_es_names_close(struct tc_es_names *names);

/* Upper rung: from now on tells of the whole file system. -EOPNOTSUPP: it cannot
 * (overlay).
 */
int tc_es_names_mark(struct tc_es_names *names, const struct tc_es_mount *mount);

/* Keeps a reference to the scope by which places are judged. */
void tc_es_names_set_scope(struct tc_es_names *names, struct tc_es_scope *scope);

/*
 * Lower rung: marks a folder and all below it, before anything reads the group or from
 * inside a read. Regular files found there are reported to `found` (may be NULL) as
 * written, while it has room. Errors: those of marking the folder itself.
 */
int tc_es_names_mark_tree(struct tc_es_names *names, const char *path,
                          struct tc_es_name_batch *found);

/* Adds one thing that happened to a name, with what the file is now. Strings are copied.
 */
void tc_es_name_batch_add(struct tc_es_name_batch *batch, uint64_t mask, int32_t pid,
                          const char *path, const char *old_path);

/* Reads once. Errors: -EAGAIN, nothing there; those of read(2). */
int tc_es_names_read(struct tc_es_names *names, struct tc_es_name_batch *batch);

/* Frees and closes what is left in a batch. */
void tc_es_name_batch_clear(struct tc_es_name_batch *batch);

#endif
