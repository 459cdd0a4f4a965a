/* SPDX-License-Identifier: Apache-2.0 */
#include "detector_event.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

bool tc_detector_text(const struct tocsin_event *event, const char *field, char *ret,
                      size_t cap)
{
    struct tocsin_str s = tocsin_event_str(event, field);

    if (!s.ptr || s.len >= cap || memchr(s.ptr, 0, s.len))
        return false;
    memcpy(ret, s.ptr, s.len);
    ret[s.len] = 0;
    return true;
}

/* A path by which the agent finds that very file; else no exclusion is meant by it. */
static bool path_of(const struct tocsin_event *event, char *ret, size_t cap)
{
    return !tocsin_find_bool(event->data, event->len, TOCSIN_FIELD_FILE_PATH_TRUNCATED,
                             false) &&
           !tocsin_find_bool(event->data, event->len, TOCSIN_FIELD_FILE_PATH_UNVERIFIED,
                             false) &&
           tc_detector_text(event, TOCSIN_FIELD_FILE_PATH, ret, cap);
}

/* What is executed has not been begun by anything yet: the process is still the program
 * of before. */
static bool executable_of(const struct tocsin_event *event, char *ret, size_t cap)
{
    return strcmp(event->topic, TOCSIN_TOPIC_FILE_EXEC) != 0 &&
           !tocsin_find_bool(event->data, event->len,
                             TOCSIN_FIELD_PROCESS_EXECUTABLE_UNVERIFIED, false) &&
           tc_detector_text(event, TOCSIN_FIELD_PROCESS_EXECUTABLE, ret, cap);
}

/* Whether who waits for the answer runs that program still; of anybody else that cannot
 * be said any more. */
static bool runs(const struct tocsin_event *event, const char *executable)
{
    char link[48], path[PATH_MAX];
    ssize_t n;

    if (!(event->flags & TOCSIN_EVENT_AUTH))
        return true;
    snprintf(link, sizeof(link), "/proc/%lld/exe",
             (long long)tocsin_event_int(event, TOCSIN_FIELD_PROCESS_PID, 0));
    n = readlink(link, path, sizeof(path) - 1);
    return n < 0 || ((size_t)n == strlen(executable) && !memcmp(path, executable, n));
}

int tc_detector_excluded(const struct tocsin_host *host, const struct tocsin_event *event)
{
    char path[PATH_MAX], executable[PATH_MAX];
    bool has_path = path_of(event, path, sizeof(path));
    bool has_executable = executable_of(event, executable, sizeof(executable));

    int why =
        host->excluded(host, has_path ? path : NULL, has_executable ? executable : NULL);

    if (why == TOCSIN_EXCLUDED_BY_PROCESS && !runs(event, executable))
        why = host->excluded(host, has_path ? path : NULL, NULL);
    return why;
}

void tc_detector_refuse(const struct tocsin_host *host,
                        const struct tocsin_event *request, const char *code,
                        const char *format, ...)
{
    char text[PATH_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tocsin_refuse(host, request, code, text);
}

void tc_detector_put_counters(struct tocsin_writer *w,
                              const struct tc_detector_counter *counters, size_t n)
{
    for (size_t i = 0; i < n; i++)
        tocsin_put_uint(w, counters[i].name, counters[i].value);
}

uint64_t tc_detector_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
