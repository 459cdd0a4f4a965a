#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: reading one byte of /proc/PID/pagemap says whether that program still runs.
#
# pagemap hands out eight bytes a page, so a read of one byte is EINVAL (fs/proc/task_mmu.c
# looks at the size). But first it looks whether the memory that was opened is still in use:
# when the process has executed something else, or has ended, the same read gives 0, the end
# of the file. So a descriptor that is kept open says reliably, without a race and
# without /proc being read again, that a process number still means the same program.
# Seen:     running EINVAL   after execve 0   ended 0
# Expected: EINVAL each time, or ESRCH

set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
cat >try.c <<'C'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *when, int fd)
{
    char byte;
    ssize_t n = read(fd, &byte, 1);

    if (n < 0)
        printf("%s %s", when, errno == EINVAL ? "EINVAL" : "another error");
    else
        printf("%s %zd", when, n);
}

int main(void)
{
    int go[2], executed[2], fd;
    char path[64], byte = 0;
    pid_t child;

    if (pipe2(go, O_CLOEXEC) || pipe2(executed, O_CLOEXEC) || (child = fork()) < 0)
        return 77;
    if (!child) {
        if (read(go[0], &byte, 1) == 1)
            execlp("sleep", "sleep", "30", (char *)NULL);
        _exit(1);
    }
    close(executed[1]);
    snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)child);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 77;
    show("running", fd);
    if (write(go[1], &byte, 1) != 1 || read(executed[0], &byte, 1) != 0)
        return 77; /* the pipe's other end is closed by the execve */
    show("   after execve", fd);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    show("   ended", fd);
    return 0;
}
C
cc try.c -o try
seen=$(./try) || { echo "skip: no /proc/PID/pagemap to be had"; exit 77; }
echo "$seen"
[ "$seen" = 'running EINVAL   after execve 0   ended 0' ] ||
    { echo "changed: pagemap answers a read of one byte in another way"; exit 1; }
echo "holds: pagemap says whether the program that was opened still runs"
