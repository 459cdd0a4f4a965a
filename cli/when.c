/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see when.h. */
#include "cli/when.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DURATION_MAX_S (UINT64_C(100) * 365 * 86400)

int tc_when_duration(const char *text, uint64_t *ret_s)
{
    static const struct {
        const char *unit;
        uint64_t seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    unsigned long long n;
    char *end;

    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    errno = 0;
    n = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (strcmp(end, units[i].unit) != 0)
            continue;
        if (errno || !n || n > DURATION_MAX_S / units[i].seconds)
            return -ERANGE;
        *ret_s = n * units[i].seconds;
        return 0;
    }
    return -EINVAL;
}

static int parse_time(const char *text, time_t *ret)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
                                          "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    const char *end;

    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct tm tm = {.tm_isdst = -1};

        end = strptime(text, formats[i], &tm);
        if (!end || (*end && strcmp(end, "Z") != 0))
            continue;
        *ret = *end ? timegm(&tm) : mktime(&tm);
        return 0;
    }
    return -EINVAL;
}

int tc_when_time(const char *text, uint64_t now_s, uint64_t *ret_s)
{
    uint64_t seconds;
    time_t time = 0;
    int r = tc_when_duration(text, &seconds);

    if (!r)
        *ret_s = now_s + seconds;
    if (r != -EINVAL)
        return r;
    r = parse_time(text, &time);
    if (r)
        return r;
    if (time < 0 || (uint64_t)time <= now_s)
        return -ERANGE;
    *ret_s = (uint64_t)time;
    return 0;
}

int tc_when_past(const char *text, uint64_t now_s, uint64_t *ret_ns)
{
    uint64_t seconds = 0;
    time_t time = 0;
    int r = tc_when_duration(text, &seconds);

    if (!r)
        seconds = seconds < now_s ? now_s - seconds : 0;
    if (r == -EINVAL) {
        r = parse_time(text, &time);
        if (!r && time < 0)
            r = -ERANGE;
        seconds = (uint64_t)time;
    }
    if (!r)
        *ret_ns = seconds * UINT64_C(1000000000);
    return r;
}
