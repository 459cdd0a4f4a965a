/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading files of /proc. Blocks: not on the loop. */
#ifndef TC_SENSOR_PROC_H
#define TC_SENSOR_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads the file whose path the format gives, as far as `cap` goes, and ends it with NUL:
 * one that the kernel writes in one piece, so that one read(2) gives all of it. Returns
 * bytes without the NUL, or a negative errno.
 */
ssize_t tc_sensor_proc_read(char *buf, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define TC_SENSOR_COMM_MAX 64
#define TC_SENSOR_CONTAINER_MAX 65 /* 64 hex digits and NUL */

/* What /proc/PID/stat says of a thread, proc_pid_stat(5). */
struct tc_sensor_stat {
    char name[TC_SENSOR_COMM_MAX];
    char state;
    pid_t parent, session;
    int tty;
    unsigned flags;
    int threads;       /* of its process */
    uint64_t start_ns; /* since boot, in whole ticks */
};

/* Takes such a line apart, and the line with it. -EPROTO: it is none. Pure. */
int tc_sensor_proc_stat_parse(char *line, struct tc_sensor_stat *ret);

/* Reads that of a process, or of one of its threads. -EPROTO; those of open(2): it is
 * gone. */
int tc_sensor_proc_stat(pid_t pid, struct tc_sensor_stat *ret);
int tc_sensor_proc_thread_stat(pid_t pid, pid_t thread, struct tc_sensor_stat *ret);

/* What /proc counts start times in. */
uint64_t tc_sensor_proc_tick_ns(void);

/*
 * What link `name` of a process ("exe", "cwd") points to, without what the kernel appends
 * where there is no such name any more: *ret_deleted. From malloc; NULL: it is not to be
 * read.
 */
char *tc_sensor_proc_link(pid_t pid, const char *name, bool *ret_deleted);

/*
 * Which user answers for what a process does: root, else the user who has logged in (so
 * that a user namespace makes nobody many), else the process's own; UINT64_MAX: it is
 * gone. Files of /proc that never block.
 */
uint64_t tc_sensor_proc_user(pid_t pid);
/* The same of one whose effective user, by /proc, is `uid`. */
uint64_t tc_sensor_proc_user_of(pid_t pid, uint64_t uid);

/* Takes " (deleted)" off the end of a path. True when it was there. */
bool tc_sensor_proc_strip_deleted(char *path);

/* The path of an open file, in `cap` bytes. -errno. */
int tc_sensor_proc_fd_path(int fd, char *ret_path, size_t cap);

/* Of /proc/PID/cgroup, or of a cgroup's path: the id of the container, or "". */
void tc_sensor_proc_container_of(const char *cgroup,
                                 char ret_id[TC_SENSOR_CONTAINER_MAX]);

/*
 * When the machine was started, in nanoseconds since the epoch: what /proc/stat says now.
 * Setting the clock moves it. 0: it could not be read.
 */
uint64_t tc_sensor_proc_boot_ns(void);

#endif
