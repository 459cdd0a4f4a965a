/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_attributes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/trace_calls.h"
#include "trace_act.h"

#define MODE_BITS 07777
#define UNCHANGED UINT32_MAX /* chown(2): -1 leaves it as it is */
#define CAPABILITIES "security.capability"

static bool is_chmod(const struct tc_trace_act_record *record)
{
    return record->call == TC_TRACE_CALL_chmod || record->call == TC_TRACE_CALL_fchmod ||
           record->call == TC_TRACE_CALL_fchmodat ||
           record->call == TC_TRACE_CALL_fchmodat2;
}

static bool is_chown(const struct tc_trace_act_record *record)
{
    return record->call == TC_TRACE_CALL_chown || record->call == TC_TRACE_CALL_fchown ||
           record->call == TC_TRACE_CALL_lchown || record->call == TC_TRACE_CALL_fchownat;
}

/* The name without symbolic links, and what the file is now. */
static void read_file_info(const struct tc_trace_act_record *record,
                           struct tc_trace_attributes *attributes)
{
    int flags = O_PATH | O_CLOEXEC;
    char link[32], real[PATH_MAX];
    struct statx stx;
    ssize_t n;
    int fd;

    if (record->flags & TC_TRACE_NO_FOLLOW)
        flags |= O_NOFOLLOW;
    fd = open(attributes->path, flags);
    if (fd < 0)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, real, sizeof(real) - 1);
    if (n > 0 && !statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) &&
        stx.stx_nlink) {
        memcpy(attributes->path, real, (size_t)n);
        attributes->path[n] = '\0';
        tc_sensor_file_set(&attributes->file, &stx);
    }
    close(fd);
}

/* What was asked for, whatever has come of it since. */
static void take_over(const struct tc_trace_act_record *record,
                      struct tc_sensor_file *file)
{
    uint32_t uid = (uint32_t)record->value, gid = (uint32_t)(record->value >> 32);

    if (is_chmod(record))
        file->mode = (file->mode & ~(uint32_t)MODE_BITS) | (uid & MODE_BITS);
    if (is_chown(record) && uid != UNCHANGED)
        file->uid = uid;
    if (is_chown(record) && gid != UNCHANGED)
        file->gid = gid;
}

bool tc_trace_attributes_resolve(const struct tc_trace_act_record *record, bool here,
                                 struct tc_trace_attributes *ret)
{
    char *path = tc_trace_act_path(record);
    const char *name;
    size_t len;

    if (!path)
        return false;
    memset(&ret->file, 0, sizeof(ret->file));
    snprintf(ret->path, sizeof(ret->path), "%s", path);
    free(path);
    if (here)
        read_file_info(record, ret);
    if (ret->file.known)
        take_over(record, &ret->file);
    name = tc_trace_act_text(record, TC_TRACE_ACT_NAME, &len);
    snprintf(ret->xattr, sizeof(ret->xattr), "%.*s", (int)len, name);
    ret->file.path = ret->path;
    ret->file.xattr = *ret->xattr ? ret->xattr : NULL;
    return true;
}

bool tc_trace_attributes_lend(const struct tc_trace_act_record *record,
                              const struct tc_trace_attributes *attributes)
{
    if (is_chmod(record))
        return record->value & (S_ISUID | S_ISGID) && !S_ISDIR(attributes->file.mode);
    return !strcmp(attributes->xattr, CAPABILITIES);
}
