/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: nanoseconds of a clock. Any thread. */
#ifndef TC_SENSOR_CLOCK_H
#define TC_SENSOR_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t tc_sensor_timespec_ns(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * UINT64_C(1000000000) + (uint64_t)time->tv_nsec;
}

/* CLOCK_REALTIME: since the epoch. */
static inline uint64_t tc_sensor_clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return tc_sensor_timespec_ns(&now);
}

#endif
