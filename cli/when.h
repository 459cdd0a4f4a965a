/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: times and durations as people write them in a command line. Pure. */
#ifndef TC_CLI_WHEN_H
#define TC_CLI_WHEN_H

#include <stdint.h>

/* A whole number from 1 on and s, m, h or d, as in 30m. -EINVAL: it is none; -ERANGE. */
int tc_when_duration(const char *text, uint64_t *ret_s);

/*
 * A duration from `now_s` on, or a time: 2026-12-31, with T18:00 or T18:00:00 behind it
 * (or a blank for the T), in local time, or with Z in UTC. Seconds since the epoch.
 * -EINVAL: it is neither; -ERANGE: it is not after now.
 */
int tc_when_time(const char *text, uint64_t now_s, uint64_t *ret_s);

/*
 * The same of what was: a duration is so long before now. Nanoseconds since the epoch.
 */
int tc_when_past(const char *text, uint64_t now_s, uint64_t *ret_ns);

#endif
