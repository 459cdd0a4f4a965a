/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the group that reports names (created, renamed, deleted, and on the lower level
 * also written): marks, records, and which path a folder's handle stands for. Pool
 * threads only, under its own lock, because it opens files and the file system may keep
 * it waiting; never the loop, nor the reader thread.
 */
#ifndef TC_SENSOR_NAMES_H
#define TC_SENSOR_NAMES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct tc_sensor_folders;
struct tc_sensor_mount;
struct tc_sensor_scope;

#define TC_SENSOR_FOLDERS_CACHE_MAX 4096 /* paths of folders kept on the upper level */
#define TC_SENSOR_FOLDERS_MARK_MAX 65536 /* folders marked on the lower level */
#define TC_SENSOR_FILE_SYSTEMS_MAX 128
#define TC_SENSOR_NAME_BATCH_MAX 1024 /* things that happened, of one read */

struct tc_sensor_name_system; /* one marked file system */

/* The file at `path` has a new name: what is remembered of it may be wrong. */
typedef void (*tc_sensor_forget_fn)(void *arg, const char *path);

struct tc_sensor_names {
    pthread_mutex_t lock;
    int group;
    bool by_folder;             /* lower level: marks are on folders, no privilege */
    uint64_t renames;           /* see tc_sensor_group_mark */
    bool written;               /* upper level: also reports files written; set before
                                   marking */
    tc_sensor_forget_fn forget; /* NULL: nothing is remembered */
    void *forget_arg;
    struct tc_sensor_scope *scope; /* NULL: everything reported is inside */
    const char *const *watch;      /* as configured; borrowed; NULL: nobody asks */
    struct tc_sensor_folders *folders;
    struct tc_sensor_name_system *systems;
    size_t system_count;
    atomic_ullong unresolved, refused; /* folders not found; folders beyond the limit */
    /* Lower level: the canary, which is not reported, and when its write last came
     * through. */
    const char *canary_path;
    atomic_ullong canary_ns;
};

/* What happened to one name. */
struct tc_sensor_name {
    uint64_t mask; /* FAN_CREATE, FAN_RENAME, FAN_DELETE, FAN_CLOSE_WRITE, or overflow */
    int32_t pid;   /* 0: not reported */
    char *path, *old_path; /* old_path of a rename, if known; path NULL: overflow */
    bool known;            /* stx is */
    struct statx stx;
    int fd; /* of a regular file that may have new content here, or -1 */
};

/* All that one read gave. */
struct tc_sensor_name_batch {
    struct tc_sensor_name names[TC_SENSOR_NAME_BATCH_MAX];
    size_t count;
    bool more;           /* the group may hold more */
    bool folder_renamed; /* what is remembered of the files under it may be wrong */
    bool area_changed; /* a watched folder, one above it or a link to it has come or gone
                        */
};

/* `forget` may be NULL. Errors: -EPERM, -EINVAL, -ENOSYS from fanotify_init(2); -ENOMEM.
 */
int tc_sensor_names_open(struct tc_sensor_names *names, bool by_folder,
                         tc_sensor_forget_fn forget, void *forget_arg);
void tc_sensor_names_close(struct tc_sensor_names *names);

/* Upper level: from now on covers the whole file system. -EOPNOTSUPP: it cannot
 * (overlay).
 */
int tc_sensor_names_mark(struct tc_sensor_names *names,
                         const struct tc_sensor_mount *mount);

/* Keeps a reference to the scope by which places are judged. */
void tc_sensor_names_set_scope(struct tc_sensor_names *names,
                               struct tc_sensor_scope *scope);

/*
 * Lower level: marks a folder and all below it, before anything reads the group or from
 * inside a read. Regular files found there are reported to `found` (may be NULL) as
 * written, while it has room. Errors: those of marking the folder itself.
 */
int tc_sensor_names_mark_tree(struct tc_sensor_names *names, const char *path,
                              struct tc_sensor_name_batch *found);

/* Adds one thing that happened to a name, with what the file is now. Strings are copied.
 */
void tc_sensor_name_batch_add(struct tc_sensor_name_batch *batch, uint64_t mask,
                              int32_t pid, const char *path, const char *old_path);

/* Reads once. Errors: -EAGAIN, nothing there; those of read(2). */
int tc_sensor_names_read(struct tc_sensor_names *names,
                         struct tc_sensor_name_batch *batch);

/* Frees and closes what is left in a batch. */
void tc_sensor_name_batch_clear(struct tc_sensor_name_batch *batch);

#endif
