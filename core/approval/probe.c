/* SPDX-License-Identifier: Apache-2.0 */
#include "core/approval/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/machine.h"

static const char canary[] = "tocsin: only root may read this\n";

enum tc_probe_result tc_probe_result_of(int error, bool marking)
{
    switch (error) {
    case 0:
        return TC_PROBE_OK;
    case EPERM:
    case EACCES:
        return geteuid() ? TC_PROBE_NOT_PRIVILEGED : TC_PROBE_NOT_PERMITTED;
    case ENOSYS:
        return TC_PROBE_NOT_ENTITLED;
    case EINVAL:
        return marking ? TC_PROBE_NOT_ENTITLED : TC_PROBE_INTERNAL;
    case EMFILE:
        return TC_PROBE_TOO_MANY_CLIENTS;
    default:
        return TC_PROBE_INTERNAL;
    }
}

/*
 * Marks an empty folder of our own, and that folder alone: without FAN_ONDIR and
 * FAN_EVENT_ON_CHILD the mark asks about nothing at all, so that nobody can come to wait
 * (fanotify_mark(2)).
 */
static int mark_scratch(int group, const char *state_dir)
{
    char path[PATH_MAX];
    int r;

    if (snprintf(path, sizeof(path), "%s/probe-XXXXXX", state_dir) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (!mkdtemp(path))
        return -errno;
    r = fanotify_mark(group, FAN_MARK_ADD | FAN_MARK_ONLYDIR,
                      FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM, AT_FDCWD, path)
            ? -errno
            : 0;
    (void)rmdir(path);
    return r;
}

static void probe_es(const char *state_dir, enum tc_probe_result *ret, int *ret_error)
{
    int group = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK,
                              O_RDONLY | O_CLOEXEC);

    if (group < 0) {
        *ret_error = errno;
        *ret = tc_probe_result_of(*ret_error, false);
        return;
    }
    *ret_error = -mark_scratch(group, state_dir);
    *ret = tc_probe_result_of(*ret_error, true);
    close(group);
}

/* Writes the canary and takes away every permission on it, its owner's too. */
static int write_canary(int fd)
{
    ssize_t n = write(fd, canary, sizeof(canary));

    if (n < 0)
        return -errno;
    if (n != (ssize_t)sizeof(canary))
        return -EIO;
    return fchmod(fd, 0) ? -errno : 0;
}

static int read_canary(const char *path)
{
    char text[sizeof(canary)] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), r = 0;

    if (fd < 0)
        return -errno;
    if (read(fd, text, sizeof(text)) < 0)
        r = -errno;
    else if (memcmp(text, canary, sizeof(canary)) != 0)
        r = -EIO;
    close(fd);
    return r;
}

static int read_what_nobody_may(const char *state_dir)
{
    char path[PATH_MAX];
    int fd, r;

    if (snprintf(path, sizeof(path), "%s/probe-XXXXXX", state_dir) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = write_canary(fd);
    close(fd);
    if (!r)
        r = read_canary(path);
    (void)unlink(path);
    return r;
}

static void probe_disk(const char *state_dir, enum tc_probe_result *ret, int *ret_error)
{
    *ret_error = tc_machine_full_disk_access() ? -read_what_nobody_may(state_dir) : EPERM;
    *ret = tc_probe_result_of(*ret_error, false);
}

void tc_probe_run(enum tc_gate gate, const char *state_dir, enum tc_probe_result *ret,
                  int *ret_error)
{
    switch (gate) {
    case TC_GATE_ES_EXTENSION:
        probe_es(state_dir, ret, ret_error);
        break;
    case TC_GATE_FULL_DISK_ACCESS:
        probe_disk(state_dir, ret, ret_error);
        break;
    default:
        *ret = TC_PROBE_NOT_ENTITLED;
        *ret_error = 0;
    }
}
