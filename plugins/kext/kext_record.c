/* SPDX-License-Identifier: Apache-2.0 */
#include "kext_record.h"

#include <string.h>
#include <time.h>

#include "bpf/kext_abi.h"
#include "kext_load.h"
#include "sensor_clock.h"
#include "sensor_encode.h"

#define NS_PER_S 1000000000ull
#define CLOCK_TRIES 8
#define CLOCK_APART_NS 2000

/* CLOCK_MONOTONIC to nanoseconds since the epoch. Others compare it to the microsecond,
 * so a thread that was interrupted between the clocks looks again. */
uint64_t tc_kext_record_time(uint64_t monotonic_ns)
{
    uint64_t before, real, took, ahead = 0, least = UINT64_MAX;

    for (int tries = 0; tries < CLOCK_TRIES && least > CLOCK_APART_NS; tries++) {
        before = tc_sensor_clock_ns(CLOCK_MONOTONIC);
        real = tc_sensor_clock_ns(CLOCK_REALTIME);
        took = tc_sensor_clock_ns(CLOCK_MONOTONIC) - before;
        if (took >= least)
            continue;
        least = took;
        ahead = real - before - took / 2;
    }
    return monotonic_ns + ahead;
}

/* Turns the names of a record round: "c\0b\0a\0" is "/a/b/c". */
bool tc_kext_record_path(const struct tc_kext_record *record,
                         char ret_path[TC_SENSOR_PATH_MAX])
{
    char *at = ret_path;
    size_t left = record->path_len, n;
    const char *end = record->path + left, *name;

    if (!left || left >= TC_SENSOR_PATH_MAX || end[-1] || record->flags & TC_KEXT_CUT)
        return false;
    while (end > record->path) {
        for (name = end - 1; name > record->path && name[-1];)
            name--;
        n = (size_t)(end - 1 - name);
        *at++ = '/';
        memcpy(at, name, n);
        at += n;
        end = name;
    }
    *at = '\0';
    return true;
}

/* What the kernel saw of a file that can no longer be had. */
void tc_kext_record_file(struct tc_sensor_file *file, const struct tc_kext_record *record)
{
    file->known = true;
    file->device = tc_kext_st_dev_of(record->key.device);
    file->inode = record->key.inode;
    file->size = record->size;
    file->mtime_ns = record->mtime_ns;
    file->ctime_ns = record->key.ctime_s * NS_PER_S + record->key.ctime_ns;
    file->uid = record->file_uid;
    file->mode = record->mode;
}
