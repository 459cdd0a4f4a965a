/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what is known of a process. Plain data, and the image that forks share. */
#ifndef TC_TRACE_PROCESS_H
#define TC_TRACE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "sensor_proc.h"

#define TC_TRACE_ARGS_KEPT 4096    /* bytes of arguments that are kept after an exec */
#define TC_TRACE_NOBODY UINT32_MAX /* login uid of who has not logged in */

/* A file in one state, as stat(2) reports it; inode 0: not known. */
struct tc_trace_file {
    uint64_t device, inode, size, ctime_ns;
};

/*
 * What an exec has set; a fork shares it with its parent. Texts are NUL-terminated, NULL
 * where not known. One thread, so the count is plain.
 */
struct tc_trace_image {
    size_t refs;
    char *executable, *exec_path, *folder, *cgroup;
    char *args; /* args_len bytes, each argument NUL-terminated */
    size_t args_len;
    bool args_cut, deleted;
    bool from_proc; /* read there: most likely no exec was reported */
    char container[TC_SENSOR_CONTAINER_MAX]; /* "": in none */
    struct tc_trace_file file;
};

/* Who it acts as: real, effective and saved. */
struct tc_trace_users {
    uint32_t uid, euid, suid, gid, egid, sgid;
};

/* (pid, start time) names it. All times in ns since the epoch. */
struct tc_trace_process {
    int32_t pid, parent_pid;
    uint64_t start_ns, parent_start_ns;
    struct tc_trace_users users;
    uint32_t login_uid;
    int32_t session;
    uint64_t cgroup_id; /* 0: not known */
    char name[16], tty[32];
    struct tc_trace_image *image; /* NULL: not known */
    bool identified;              /* users, group, session and login are known */
    bool gone;                    /* it has ended */
    TAILQ_ENTRY(tc_trace_process) by_use;
    struct tc_trace_process *next; /* of the same bucket */
};

/* NULL when there is no memory. */
struct tc_trace_image *tc_trace_image_new(void);
struct tc_trace_image *tc_trace_image_ref(struct tc_trace_image *image); /* takes NULL */
void tc_trace_image_unref(struct tc_trace_image *image);                 /* takes NULL */

/* Frees arguments beyond TC_TRACE_ARGS_KEPT. */
void tc_trace_image_trim(struct tc_trace_image *image);

#endif
