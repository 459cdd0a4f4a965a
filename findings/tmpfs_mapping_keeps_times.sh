#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Linux 6.18: what is written to a page of a mapping that is dirty already changes no time of the file.
#
# mmap(2) says that st_mtime and st_ctime of a file that is mapped shared and writable are updated
# after a write to it and before the next msync(2). The kernel does so when a page is written to for the
# first time, and never again while it stays so, on tmpfs for as long as the mapping lives: not at
# msync, not when the mapping goes, not when the file is closed. Whoever remembers what he has read of a file
# by its times and size remembers another content.
# Seen:     first write: ctime moved; second write, msync, munmap, close: ctime as it was, content new
# Expected: ctime moved by the msync after the second write

set -eu
command -v cc >/dev/null || { echo "skip: no C compiler"; exit 77; }
[ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] || { echo "skip: /dev/shm is no tmpfs"; exit 77; }
dir=$(mktemp -d -p /dev/shm)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM
cd "$dir"

cat >try.c <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Whether the change time has moved since it was last asked for. */
static const char *moved(int fd)
{
    static struct timespec last;
    const struct timespec pause = {.tv_nsec = 50000000}; /* more than the clock's tick */
    struct stat st;
    int same;

    fstat(fd, &st);
    same = st.st_ctim.tv_sec == last.tv_sec && st.st_ctim.tv_nsec == last.tv_nsec;
    last = st.st_ctim;
    nanosleep(&pause, NULL);
    return same ? "kept" : "moved";
}

int main(void)
{
    int fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600), other = open("file", O_RDONLY);
    char *page, now;

    if (fd < 0 || other < 0 || ftruncate(fd, 4096))
        return 77;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return 77;
    moved(other);
    page[0] = 'a';
    printf("first write: %s, ", moved(other));
    page[0] = 'b';
    printf("second write: %s, ", moved(other));
    msync(page, 4096, MS_SYNC);
    printf("msync: %s, ", moved(other));
    munmap(page, 4096);
    close(fd);
    printf("close: %s, ", moved(other));
    printf("content: %s\n", pread(other, &now, 1, 0) == 1 && now == 'b' ? "new" : "old");
    return 0;
}
C
cc -o try try.c
seen=$(./try) || { echo "skip: no mapping"; exit 77; }
echo "$seen"
if [ "$seen" = "first write: moved, second write: kept, msync: kept, close: kept, content: new" ]; then
    echo "holds: a second write through a mapping changes no time"
else
    echo "changed: the times tell of it"
    exit 1
fi
