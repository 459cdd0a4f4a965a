/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the options that several sensors have: what they watch, what they ignore, and the
 * room of their ring; and the topics of those that report files.
 */
#ifndef TC_SENSOR_OPTIONS_H
#define TC_SENSOR_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <tocsin/plugin.h>

#define TC_SENSOR_WATCH_MAX 64 /* entries of `watch`, and of `ignore_filesystems` */

/* Entries of an array of struct tocsin_option: what tc_sensor_places_read reads. */
#define TC_SENSOR_PLACES_OPTIONS                                                         \
    {.name = "watch",                                                                    \
     .type = TOCSIN_OPTION_LIST,                                                         \
     .flags = TOCSIN_OPTION_RESTART | TOCSIN_OPTION_PATH | TOCSIN_OPTION_WATCHED |       \
              TOCSIN_OPTION_NEEDED,                                                      \
     .fallback = "/home,/tmp,/srv",                                                      \
     .help = "absolute paths: everything at and below them is protected",                \
     .max = TC_SENSOR_WATCH_MAX},                                                        \
    {                                                                                    \
        .name = "ignore_filesystems", .type = TOCSIN_OPTION_LIST,                        \
        .flags = TOCSIN_OPTION_RESTART, .fallback = "",                                  \
        .help = "types of file systems, as in /proc/mounts, that are ignored",           \
        .max = TC_SENSOR_WATCH_MAX                                                       \
    }

/* And of a sensor with a BPF ring: what tc_sensor_ring_bytes_read reads. */
#define TC_SENSOR_RING_OPTION(size)                                                      \
    {                                                                                    \
        .name = "ring_size", .type = TOCSIN_OPTION_SIZE, .flags = TOCSIN_OPTION_RESTART, \
        .fallback = (size),                                                              \
        .help = "room for what the kernel has reported; rounded up to a power of two",   \
        .min = 4096, .max = 256 * 1024 * 1024                                            \
    }

/* What a sensor that protects publishes. */
#define TC_SENSOR_FILE_TOPICS                                                            \
    TOCSIN_TOPIC_FILE_OPEN, TOCSIN_TOPIC_FILE_EXEC, TOCSIN_TOPIC_FILE_WRITTEN,           \
        TOCSIN_TOPIC_FILE_CREATED, TOCSIN_TOPIC_FILE_RENAMED, TOCSIN_TOPIC_FILE_DELETED, \
        TOCSIN_TOPIC_SENSOR_GAP, TOCSIN_TOPIC_SENSOR_DEGRADED, TOCSIN_TOPIC_RPC_REPLY

/* NULL-terminated; the strings are the host's. */
struct tc_sensor_places {
    const char *watch[TC_SENSOR_WATCH_MAX + 1]; /* absolute paths, at least one */
    const char *ignored[TC_SENSOR_WATCH_MAX + 1];
};

/*
 * Reads one list; `paths`: of absolute ones. NULL-terminated; the strings are the host's.
 * -EINVAL names what is wrong in the log.
 */
int tc_sensor_list_read(const struct tocsin_host *host, const char *option, bool paths,
                        const char *list[TC_SENSOR_WATCH_MAX + 1]);

/* Reads options `watch` and `ignore_filesystems`. -EINVAL names what is wrong in the log.
 */
int tc_sensor_places_read(const struct tocsin_host *host, struct tc_sensor_places *ret);

/* Option `ring_size`, rounded up to a power of two. */
uint32_t tc_sensor_ring_bytes_read(const struct tocsin_host *host);

#endif
