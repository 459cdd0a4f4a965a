/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a sensor's events of files look like, see docs of file.* topics. Pure. */
#ifndef TC_SENSOR_ENCODE_H
#define TC_SENSOR_ENCODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <tocsin/event.h>

struct tc_sensor_process;

/* Bytes of the longest event: four paths, a command line, and what goes around them. */
#define TC_SENSOR_EVENT_MAX (5 * 4096 + 2048)

struct tc_sensor_file {
    const char *path;
    const char *old_path; /* NULL: it has not been renamed */
    bool known;           /* the fields below are */
    uint64_t device, inode, size, mtime_ns, ctime_ns;
    uint32_t uid, mode;
};

/* What is the same for every event but counts or changes. */
struct tc_sensor_stamp {
    const char *sensor; /* the plugin's name */
    uint64_t time_ns;   /* since the epoch */
    uint64_t sequence;
    uint64_t epoch;
};

/* Takes over the fields that statx(2) has found. */
void tc_sensor_file_set(struct tc_sensor_file *file, const struct statx *stx);

/*
 * Writes one event's map. `process` may be NULL; then `pid`, unless 0, stands alone.
 */
void tc_sensor_encode(struct tocsin_writer *w, const struct tc_sensor_stamp *stamp,
                      const struct tc_sensor_file *file,
                      const struct tc_sensor_process *process, int32_t pid);

#endif
