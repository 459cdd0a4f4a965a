/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a record of the kernel says by itself. Any thread; asks nobody. */
#ifndef TC_KEXT_RECORD_H
#define TC_KEXT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "sensor_mounts.h"

struct tc_kext_record;
struct tc_sensor_file;

/* A time of CLOCK_MONOTONIC, as the kernel takes it, in nanoseconds since the epoch. */
uint64_t tc_kext_record_time(uint64_t monotonic_ns);

/* The path inside its file system; false: it is too long, or not known. */
bool tc_kext_record_path(const struct tc_kext_record *record,
                         char ret_path[TC_SENSOR_PATH_MAX]);

/* What the kernel saw of the file. */
void tc_kext_record_file(struct tc_sensor_file *file,
                         const struct tc_kext_record *record);

#endif
