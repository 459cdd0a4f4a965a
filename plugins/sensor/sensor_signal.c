/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_signal.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sensor_clock.h"
#include "sensor_proc.h"

#define PF_KTHREAD 0x00200000u /* include/linux/sched.h */
#define REST_NS 2000000000ull  /* a tree that has not come to rest by then is given up */
#define PASS_US 500 /* between two passes over it; then twice as long, and so on */
#define PASS_MAX_US 16000

static int send_signal(int pidfd, int number)
{
    return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) ? -errno : 0;
}

/* What waits to be reaped has ended; a first thread may end before the others do. */
static bool has_ended(const struct tc_sensor_stat *stat)
{
    return strchr("ZX", stat->state) && stat->threads <= 1;
}

int tc_sensor_who_is(pid_t pid, struct tc_sensor_who *ret_who)
{
    struct tc_sensor_stat stat;

    if (tc_sensor_proc_thread_stat(pid, pid, &stat) || has_ended(&stat))
        return -ESRCH;
    ret_who->pid = pid;
    ret_who->start_ns = stat.start_ns;
    return 0;
}

int tc_sensor_open_process(const struct tc_sensor_who *who)
{
    uint64_t tick_ns = tc_sensor_proc_tick_ns();
    int pidfd = (int)syscall(SYS_pidfd_open, who->pid, 0);
    struct tc_sensor_stat stat;

    if (pidfd < 0)
        return errno == EINVAL ? -ESRCH : -errno;
    if (!tc_sensor_proc_thread_stat(who->pid, who->pid, &stat) && !has_ended(&stat) &&
        stat.start_ns == who->start_ns / tick_ns * tick_ns)
        return pidfd;
    close(pidfd);
    return -ESRCH;
}

int tc_sensor_signal(const struct tc_sensor_who *who, int signal)
{
    int pidfd = tc_sensor_open_process(who), err;

    if (pidfd < 0)
        return pidfd;
    err = send_signal(pidfd, signal);
    close(pidfd);
    return err;
}

/* ---- Trees. ---- */

struct tree {
    const struct tc_sensor_signalling *what;
    int pidfds[TC_SENSOR_TREE_MAX];
    pid_t pids[TC_SENSOR_TREE_MAX];
    size_t count;
    bool full;
};

static bool is_in(const struct tree *tree, pid_t pid)
{
    for (size_t i = 0; i < tree->count; i++)
        if (tree->pids[i] == pid)
            return true;
    return false;
}

static bool is_protected(const struct tree *tree, pid_t pid)
{
    const struct tc_sensor_signalling *what = tree->what;
    struct tc_sensor_stat stat;

    return pid <= 1 || (what->spare && what->spare(what->arg, pid)) ||
           (!tc_sensor_proc_thread_stat(pid, pid, &stat) && stat.flags & PF_KTHREAD);
}

/* Takes over the pidfd. */
static void tree_add(struct tree *tree, pid_t pid, int pidfd)
{
    if (tree->count == TC_SENSOR_TREE_MAX) {
        tree->full = true;
        close(pidfd);
        return;
    }
    tree->pids[tree->count] = pid;
    tree->pidfds[tree->count++] = pidfd;
    if (tree->what->signal != SIGCONT)
        send_signal(pidfd, SIGSTOP);
}

/* Who is no child any more by the time it is held may be another. */
static void add_child(struct tree *tree, pid_t parent, pid_t child)
{
    struct tc_sensor_stat stat;
    int pidfd;

    if (is_in(tree, child) || is_protected(tree, child))
        return;
    pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    if (pidfd < 0)
        return;
    if (!tc_sensor_proc_thread_stat(child, child, &stat) && stat.parent == parent &&
        !has_ended(&stat))
        tree_add(tree, child, pidfd);
    else
        close(pidfd);
}

static void add_children_of_thread(struct tree *tree, pid_t pid, pid_t thread)
{
    char path[64];
    FILE *file;
    int child;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, thread);
    file = fopen(path, "re");
    while (file && fscanf(file, "%d", &child) == 1)
        add_child(tree, pid, child);
    if (file)
        fclose(file);
}

/*
 * Adds the children of all threads of a process. True when it is at rest: each thread was
 * stopped, or had ended, before its children were looked up.
 */
static bool add_children(struct tree *tree, pid_t pid)
{
    bool at_rest = true;
    struct dirent *entry;
    struct tc_sensor_stat stat;
    char path[32];
    pid_t thread;
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    dir = opendir(path);
    while (dir && (entry = readdir(dir)) != NULL) {
        thread = (pid_t)strtol(entry->d_name, NULL, 10);
        if (thread <= 0)
            continue;
        if (!tc_sensor_proc_thread_stat(pid, thread, &stat) &&
            !strchr("TtZX", stat.state))
            at_rest = false;
        add_children_of_thread(tree, pid, thread);
    }
    if (dir)
        closedir(dir);
    return at_rest;
}

/* Adds all descendants. A stop takes effect after a moment only, which is as long as the
 * machine is busy, and a fork under way is still carried out; so, until all are at rest.
 * True: somebody may have been forking still. */
static bool add_descendants(struct tree *tree)
{
    uint64_t until_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC) + REST_NS;
    bool resume = tree->what->signal == SIGCONT, at_rest;
    size_t before;

    for (unsigned us = PASS_US;; us = us < PASS_MAX_US ? us * 2 : us) {
        at_rest = true;
        before = tree->count;
        for (size_t i = 0; i < tree->count; i++)
            at_rest = add_children(tree, tree->pids[i]) && at_rest;
        if (resume || (at_rest && before == tree->count))
            return false;
        if (tc_sensor_clock_ns(CLOCK_MONOTONIC) > until_ns)
            return true;
        usleep(us);
        for (size_t i = 0; !at_rest && i < tree->count; i++)
            send_signal(tree->pidfds[i], SIGSTOP);
    }
}

static int add_roots(struct tree *tree, const struct tc_sensor_who *roots, size_t count)
{
    int err = -ESRCH, pidfd;

    for (size_t i = 0; i < count; i++) {
        pidfd = tc_sensor_open_process(&roots[i]);
        if (pidfd < 0)
            continue;
        if (!is_in(tree, roots[i].pid) && !is_protected(tree, roots[i].pid)) {
            tree_add(tree, roots[i].pid, pidfd);
            continue;
        }
        close(pidfd);
        err = -EPERM;
    }
    return tree->count ? 0 : err;
}

int tc_sensor_signal_tree(const struct tc_sensor_who *roots, size_t count,
                          const struct tc_sensor_signalling *what,
                          struct tc_sensor_signalled *ret_signalled)
{
    struct tc_sensor_signalled signalled = {.count = 0};
    struct tree tree = {.what = what};
    int err = add_roots(&tree, roots, count), sent;

    if (err)
        return err;
    signalled.more = add_descendants(&tree) || tree.full;
    for (size_t i = tree.count; i-- > 0;) {
        sent = send_signal(tree.pidfds[i], what->signal);
        signalled.count += !sent;
        if (sent == -EPERM)
            err = -EACCES;
        close(tree.pidfds[i]);
    }
    if (!signalled.count)
        return err ? err : -ESRCH;
    *ret_signalled = signalled;
    return 0;
}
