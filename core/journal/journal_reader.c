/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of a database in WAL mode holds a shared lock on one of five bytes of its
 * "-shm" file (WAL_READ_LOCK: https://www.sqlite.org/walformat.html, 2.3), and so does
 * who has the file open only (byte 128). /proc/locks says who: proc_locks(5).
 */
#include "core/journal/journal_reader.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define READ_LOCKS_FIRST 123
#define READ_LOCKS_LAST 127

static void name_of(int pid, char *who, size_t cap)
{
    char path[64], name[32] = "a program";
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    file = fopen(path, "re");
    if (file) {
        if (fgets(name, sizeof(name), file))
            name[strcspn(name, "\n")] = '\0';
        (void)fclose(file);
    }
    for (char *c = name; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    (void)snprintf(who, cap, "%s (pid %d)", name, pid);
}

/* The holder that a line of /proc/locks names, if it reads the file; else 0. */
static int holder(const char *line, const struct stat *shm)
{
    unsigned major, minor;
    unsigned long long inode, from, to;
    int pid;

    if (sscanf(line, "%*d: POSIX %*s READ %d %x:%x:%llu %llu %llu", &pid, &major, &minor,
               &inode, &from, &to) != 6)
        return 0;
    if (inode != shm->st_ino || major != major(shm->st_dev) ||
        minor != minor(shm->st_dev))
        return 0;
    return from >= READ_LOCKS_FIRST && to <= READ_LOCKS_LAST ? pid : 0;
}

int tc_journal_find_reader(const char *path, char *who, size_t cap)
{
    char shm_path[4096 + 8], line[256];
    struct stat shm;
    FILE *locks;
    int pid = 0;

    (void)snprintf(shm_path, sizeof(shm_path), "%s-shm", path);
    if (stat(shm_path, &shm))
        return 0;
    locks = fopen("/proc/locks", "re");
    if (!locks)
        return 0;
    while ((pid <= 0 || pid == getpid()) && fgets(line, sizeof(line), locks))
        pid = holder(line, &shm);
    (void)fclose(locks);
    if (pid <= 0 || pid == getpid())
        return 0;
    name_of(pid, who, cap);
    return pid;
}
