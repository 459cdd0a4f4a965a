/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what detectors do alike with the events they read and write. Any thread but where
 * it says otherwise. Must not: keep anything.
 */
#ifndef TC_DETECTOR_EVENT_H
#define TC_DETECTOR_EVENT_H

#include <tocsin/plugin.h>

/* A text field as a string; false when it is missing, has a NUL, or does not fit into
 * `cap` bytes; `ret` is then untouched. */
bool tc_detector_text(const struct tocsin_event *event, const char *field, char *ret,
                      size_t cap);

/* Whether the operator has excluded the event's file or process: enum tocsin_exclusion.
 * Loop thread. */
int tc_detector_excluded(const struct tocsin_host *host,
                         const struct tocsin_event *event);

/* Refuses a request with a sentence, printf-style; see tocsin_refuse. Loop thread. */
void tc_detector_refuse(const struct tocsin_host *host,
                        const struct tocsin_event *request, const char *code,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));

struct tc_detector_counter {
    const char *name;
    uint64_t value;
};

/* Writes the counters into the map that is open. */
void tc_detector_put_counters(struct tocsin_writer *w,
                              const struct tc_detector_counter *counters, size_t n);

/* CLOCK_REALTIME, in nanoseconds. */
uint64_t tc_detector_now_ns(void);

#endif
