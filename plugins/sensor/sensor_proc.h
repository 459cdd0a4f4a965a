/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading files of /proc. Blocks: not on the loop. */
#ifndef TC_SENSOR_PROC_H
#define TC_SENSOR_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads the file whose path the format gives, as far as `cap` goes, and ends it with NUL.
 * Returns bytes without the NUL, or a negative errno.
 */
ssize_t tc_sensor_proc_read(char *buf, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define TC_SENSOR_COMM_MAX 64

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
 * When the machine was started, in nanoseconds since the epoch: what /proc/stat says now.
 * Setting the clock moves it. 0: it could not be read.
 */
uint64_t tc_sensor_proc_boot_ns(void);

#endif
