/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_open.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "kext_load.h"

/* Never waits, never follows, never becomes a terminal. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* How a file that is opened is known to be that of a record. */
enum same_by {
    BY_KEY,   /* number and change time; the device may be given in another way (btrfs has
                 one for each subvolume) */
    BY_INODE, /* number: it is what a process runs, whatever was done to its names since
               */
};

static bool is_file(const struct statx *stx, const struct tc_kext_key *key,
                    enum same_by by)
{
    return S_ISREG(stx->stx_mode) && stx->stx_ino == key->inode &&
           (by == BY_INODE || ((uint64_t)stx->stx_ctime.tv_sec == key->ctime_s &&
                               stx->stx_ctime.tv_nsec == key->ctime_ns));
}

/* Opens `path` if it is the file of that key (NULL: any regular file); else -1. */
static int open_file(const char *path, const struct tc_kext_key *key, enum same_by by,
                     int ceiling, struct statx *ret_stx)
{
    int fd = open(path, OPEN_FLAGS);

    if (fd < 0)
        return -1;
    if (fd <= ceiling &&
        !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, ret_stx) &&
        (key ? is_file(ret_stx, key, by) : S_ISREG(ret_stx->stx_mode)))
        return fd;
    close(fd);
    return -1;
}

/*
 * The file of a record by the process that has it, which no rename leads astray; or -1.
 * What runs is judged also when its change time has moved on: by chmod, or because a
 * detector that has found it when it was written takes its name away just now. What is
 * then allowed is not remembered (unchanged() in kext_verdict.c).
 */
int tc_kext_open_by_process(const struct tc_kext_record *record, int ceiling,
                            struct statx *ret_stx)
{
    enum same_by by = BY_KEY;
    char link[48];

    if (record->kind == TC_KEXT_EXEC) {
        snprintf(link, sizeof(link), "/proc/%u/exe", record->pid);
        by = BY_INODE;
    } else if (record->fd >= 0) {
        snprintf(link, sizeof(link), "/proc/%u/fd/%d", record->tid, record->fd);
    } else {
        return -1;
    }
    return open_file(link, &record->key, by, ceiling, ret_stx);
}

int tc_kext_open_any(const char *path, int ceiling, struct statx *ret_stx)
{
    return open_file(path, NULL, BY_KEY, ceiling, ret_stx);
}

static bool is_on(const struct statx *stx, uint32_t device)
{
    return tc_kext_device_of(makedev(stx->stx_dev_major, stx->stx_dev_minor)) == device;
}

/*
 * What a process runs of an overlay is the file below. Its link leads to what the overlay
 * shows for that, with the same number: another file, once chmod has had it copied, which
 * may be written to while the first one runs. So the path comes first where the link
 * leads to another device than the kernel saw. (It does on btrfs, too: there both are one
 * file.)
 */
int tc_kext_open(const struct tc_kext_record *record, const char *path, int ceiling,
                 struct statx *ret_stx)
{
    struct statx by_process;
    int fd = tc_kext_open_by_process(record, ceiling, &by_process), named;

    if (fd < 0 || !is_on(&by_process, record->key.device)) {
        named = open_file(path, &record->key, BY_KEY, ceiling, ret_stx);
        if (named >= 0) {
            if (fd >= 0)
                close(fd);
            return named;
        }
    }
    if (fd >= 0)
        *ret_stx = by_process;
    return fd;
}
