/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_kill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull
#define STAT_MAX 1024
#define ANY_START UINT64_MAX

static int send_signal(int pidfd, int number)
{
    return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) ? -errno : 0;
}

/* Ticks since boot at which a process was started, proc_pid_stat(5); 0: it has gone. */
static uint64_t start_ticks(pid_t pid)
{
    unsigned long long ticks;
    char path[32], text[STAT_MAX], *rest;
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    rest = strrchr(text, ')'); /* a name may hold any character, ')' too */
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
                        "%*d %*d %*d %*d %llu",
                        &ticks) != 1)
        return 0;
    return ticks;
}

/* A descriptor of that very process, or -ESRCH. */
static int open_process(pid_t pid, uint64_t start_ns)
{
    uint64_t tick_ns = NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK);
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    if (pidfd < 0)
        return -errno;
    if (start_ns == ANY_START || start_ticks(pid) == start_ns / tick_ns)
        return pidfd;
    close(pidfd);
    return -ESRCH;
}

struct tree {
    int pidfds[TC_KEXT_TREE_MAX];
    pid_t pids[TC_KEXT_TREE_MAX];
    size_t count;
};

static bool is_in(const struct tree *tree, pid_t pid)
{
    for (size_t i = 0; i < tree->count; i++)
        if (tree->pids[i] == pid)
            return true;
    return false;
}

static bool tree_add(struct tree *tree, pid_t pid, int pidfd)
{
    if (tree->count == TC_KEXT_TREE_MAX) {
        close(pidfd);
        return false;
    }
    tree->pids[tree->count] = pid;
    tree->pidfds[tree->count++] = pidfd;
    send_signal(pidfd, SIGSTOP);
    return true;
}

/* Adds the children of one thread of `pid`. */
static void add_children(struct tree *tree, pid_t pid, const char *thread)
{
    char path[64];
    FILE *file;
    int child, pidfd;

    snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", pid, thread);
    file = fopen(path, "re");
    if (!file)
        return;
    while (fscanf(file, "%d", &child) == 1) {
        if (is_in(tree, child))
            continue;
        pidfd = open_process(child, ANY_START);
        if (pidfd >= 0 && !tree_add(tree, child, pidfd))
            break;
    }
    fclose(file);
}

static void add_all_children(struct tree *tree, pid_t pid)
{
    struct dirent *entry;
    char path[32];
    DIR *dir;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    dir = opendir(path);
    if (!dir)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (*entry->d_name != '.')
            add_children(tree, pid, entry->d_name);
    closedir(dir);
}

int tc_kext_kill_tree(pid_t pid, uint64_t start_ns)
{
    int pidfd = open_process(pid, start_ns), killed = 0;
    struct tree *tree;

    if (pidfd < 0)
        return pidfd;
    tree = malloc(sizeof(*tree));
    if (!tree) { /* then at least itself */
        killed = send_signal(pidfd, SIGKILL) ? 0 : 1;
        close(pidfd);
        return killed;
    }
    tree->count = 0;
    tree_add(tree, pid, pidfd);
    for (size_t i = 0; i < tree->count; i++)
        add_all_children(tree, tree->pids[i]);
    for (size_t i = 0; i < tree->count; i++) {
        killed += !send_signal(tree->pidfds[i], SIGKILL);
        close(tree->pidfds[i]);
    }
    free(tree);
    return killed;
}

int tc_kext_signal(pid_t pid, uint64_t start_ns, int signal)
{
    int pidfd = open_process(pid, start_ns), err;

    if (pidfd < 0)
        return pidfd;
    err = send_signal(pidfd, signal);
    close(pidfd);
    return err;
}
