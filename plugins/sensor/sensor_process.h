/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: who a process is, (pid, start time) and what goes with it, read from /proc once
 * and kept while it stays true. Bounded, the longest unused goes first. One thread.
 *
 * How a kept entry is known to be true, without reading /proc again: each holds
 * /proc/<pid>/pagemap open, which refers to the memory that the process had then. The
 * kernel answers a read of one byte there with EINVAL (it wants multiples of eight) while
 * that memory is in use, and with 0 once the process has gone or has executed something
 * else (fs/proc/task_mmu.c, pagemap_read). So pid reuse and exec are both seen, in 0.3
 * microseconds. Who shares its memory with its parent (vfork) has not executed anything
 * while he still does (kcmp(2)); who hides it is read anew each time. Where another
 * process shares it an exec is not seen: before something depends on it,
 * tc_sensor_process_runs has to be asked, which costs ten times as much.
 */
#ifndef TC_SENSOR_PROCESS_H
#define TC_SENSOR_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "sensor_proc.h"

#define TC_SENSOR_PROCESSES_MAX 1024    /* entries */
#define TC_SENSOR_PROCESS_FDS 2         /* that each holds */
#define TC_SENSOR_COMMAND_LINE_MAX 4096 /* bytes kept */

struct tc_sensor_processes;

/* Text is NUL-terminated; NULL where /proc did not say. */
struct tc_sensor_identity {
    pid_t pid;
    uint64_t start_ns; /* since the epoch, by /proc/stat's btime; 0: not known */
    char name[TC_SENSOR_COMM_MAX];
    char *executable;
};

struct tc_sensor_process {
    struct tc_sensor_identity self, parent; /* parent.pid 0: none */
    char *command_line;                     /* arguments joined by blanks */
    uid_t uid;                              /* effective */
    uint64_t user;                          /* tc_sensor_proc_user */
    bool verified; /* self.executable can be excluded: tc_sensor_place_is_program */
    dev_t device;  /* of what it runs, with `inode`, if it is */
    uint64_t inode;
    char container[TC_SENSOR_CONTAINER_MAX]; /* "": in none */
};

struct tc_sensor_scope;

struct tc_sensor_process_counters {
    uint64_t hits, reads, gone, evicted; /* gone: ended or ending */
    size_t kept;
};

/* -ENOMEM. Opens files: not on the loop. */
int tc_sensor_processes_new(size_t capacity, struct tc_sensor_processes **ret_processes);
void tc_sensor_processes_free(struct tc_sensor_processes *processes);

/* By which mounts `verified` is judged from now on; keeps a reference. Without one
 * nothing is verified. */
void tc_sensor_processes_set_scope(struct tc_sensor_processes *processes,
                                   struct tc_sensor_scope *scope);

/*
 * Who `pid` is. One that waits in an open cannot be another by now. Of one that has ended
 * since, or is ending and has no memory left, what is kept is still given while nobody
 * else has its number: the last program that it was seen to run. NULL when nothing is
 * known. Valid until the next call.
 */
const struct tc_sensor_process *
tc_sensor_processes_find(struct tc_sensor_processes *processes, pid_t pid);

/*
 * From now on whoever was found to be so stays so until this is called again: for what
 * was read at once, of which all has happened before. Not called: nobody does.
 */
void tc_sensor_processes_turn(struct tc_sensor_processes *processes);

/* Whether a verified one still runs that file. Of one that waits for an answer; any
 * thread. */
bool tc_sensor_process_runs(const struct tc_sensor_process *process);

/* start_ns of a process that was started so long after the machine. Any thread. */
uint64_t tc_sensor_processes_start(const struct tc_sensor_processes *processes,
                                   uint64_t since_boot_ns);

void tc_sensor_processes_counters(const struct tc_sensor_processes *processes,
                                  struct tc_sensor_process_counters *ret);

#endif
