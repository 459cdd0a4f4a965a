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
    const char *xattr;    /* of an extended attribute that was changed; NULL: none was */
    const char *reason;   /* why it is reported, if not because it has just happened */
    bool served;          /* on a served file system, see sensor_served.h */
    uint64_t written_event; /* TOCSIN_FIELD_FILE_WRITTEN_EVENT; 0: none */
    bool cut;        /* path is no whole one: the kernel has none so long to give */
    bool unverified; /* path is another mount namespace's: the agent does not find the
                        file by it */
    bool known;      /* the fields below are */
    uint64_t device, inode, size, mtime_ns, ctime_ns;
    uint32_t uid, gid, mode;
};

/* What is the same for every event but counts or changes. */
struct tc_sensor_stamp {
    const char *topic;
    const char *sensor; /* the plugin's name */
    uint64_t time_ns;   /* since the epoch */
    uint64_t sequence;
    uint64_t epoch; /* when the sensor was started, in ms since 1970 */
};

/* Takes over the fields that statx(2) has found. */
void tc_sensor_file_set(struct tc_sensor_file *file, const struct statx *stx);

/*
 * A number for what has happened, the same whichever sensor saw it: of a written file its
 * topic, device, inode and process; of a name its topic, path, old path and process,
 * since a sensor that looks afterwards may not find the file any more. Positive as an
 * int64_t.
 */
uint64_t tc_sensor_dedupe_key(const char *topic, const struct tc_sensor_file *file,
                              int32_t pid);

/* The topic of what fanotify says has happened to a name: one of FAN_CREATE, FAN_DELETE,
 * FAN_CLOSE_WRITE; else it was renamed. */
const char *tc_sensor_topic_of(uint64_t mask);

/* file.*: a field of the open map. */
void tc_sensor_put_file(struct tocsin_writer *w, const struct tc_sensor_file *file);

/*
 * Writes one event's map, with its dedupe_key unless it blocks (file.open, file.exec).
 * `process` may be NULL; then `pid`, unless 0, stands alone.
 */
void tc_sensor_encode(struct tocsin_writer *w, const struct tc_sensor_stamp *stamp,
                      const struct tc_sensor_file *file,
                      const struct tc_sensor_process *process, int32_t pid);

#endif
