/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: signals to processes that may have ended meanwhile, and to all that descend from
 * them. A process is (pid, start), and is held by a pidfd before its start is compared,
 * so that no other is ever hit. Threads that may wait (/proc is read).
 */
#ifndef TC_SENSOR_SIGNAL_H
#define TC_SENSOR_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_SENSOR_TREE_MAX 4096 /* processes of one tree that are signalled */

/* A process by its start, in nanoseconds since boot, rounded to ticks or not. */
struct tc_sensor_who {
    pid_t pid;
    uint64_t start_ns;
};

struct tc_sensor_signalling {
    int signal; /* SIGKILL, SIGSTOP or SIGCONT */
    /* True: this one, and what is below it, is spared. May be NULL. */
    bool (*spare)(void *arg, pid_t pid);
    void *arg;
};

struct tc_sensor_signalled {
    size_t count; /* processes that got the signal */
    bool more;    /* there were more than TC_SENSOR_TREE_MAX, or they kept coming */
};

/* Who has this number now; -ESRCH: nobody. */
int tc_sensor_who_is(pid_t pid, struct tc_sensor_who *ret_who);

/* A pidfd of that very process; -ESRCH: it has ended, or another has its number. */
int tc_sensor_open_process(const struct tc_sensor_who *who);

/* Sends one signal (0: only looks). Errors: -ESRCH as above, -EPERM. */
int tc_sensor_signal(const struct tc_sensor_who *who, int signal);

/*
 * Sends a signal to processes and all their descendants; those of the `count` roots that
 * have ended are skipped. For SIGKILL and SIGSTOP each is stopped before its children
 * are looked up, until nothing is left that could fork. SIGCONT goes to the youngest
 * first. Errors, and nobody got a signal: -ESRCH: no root is there (any more); -EPERM:
 * those that are, are process 1, the kernel's or to be spared; -EACCES: this process may
 * not (CAP_KILL).
 */
int tc_sensor_signal_tree(const struct tc_sensor_who *roots, size_t count,
                          const struct tc_sensor_signalling *what,
                          struct tc_sensor_signalled *ret_signalled);

#endif
