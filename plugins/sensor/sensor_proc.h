/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: reading files of /proc. Blocks: not on the loop. */
#ifndef TC_SENSOR_PROC_H
#define TC_SENSOR_PROC_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads the file whose path the format gives, as far as `cap` goes, and ends it with NUL.
 * Returns bytes without the NUL, or a negative errno.
 */
ssize_t tc_sensor_proc_read(char *buf, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * When the machine was started, in nanoseconds since the epoch: what /proc/stat says now.
 * Setting the clock moves it. 0: it could not be read.
 */
uint64_t tc_sensor_proc_boot_ns(void);

#endif
