/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: plugin trace running in a harness, programs as short as programs can be, and what
 * was reported of them. What else the machine does is reported, too: tests look at
 * processes of their own only, by their pid.
 */
#ifndef TC_TESTS_SUPPORT_TRACE_SCRATCH_H
#define TC_TESTS_SUPPORT_TRACE_SCRATCH_H

#include "tests/support/harness.h"

#define TC_TRACE_SCRATCH_ALARM_S 280 /* should all else fail, the programs go with us */

struct tc_trace_scratch {
    struct tc_harness h; /* first */
    char program[96];    /* exits at once with 0; not one library */
};

/* Once per program: alarm. False, the reason printed, without root. */
bool tc_trace_scratch_possible(void);

/* Loads trace (options NULL-terminated, or NULL; without "acts=auto" no acts are
 * reported) and starts it; `open` does not start. */
void tc_trace_scratch_open(struct tc_trace_scratch *s, const char *const *options);
void tc_trace_scratch_init(struct tc_trace_scratch *s, const char *const *options);
void tc_trace_scratch_done(struct tc_trace_scratch *s);

/* For cmocka: a scratch of its own for each test. */
int tc_trace_scratch_setup(void **state);
int tc_trace_scratch_teardown(void **state);

/* Runs a program with these arguments (NULL-terminated) to its end. */
int tc_trace_spawn(const char *path, const char *const *argv);
int tc_trace_run(const char *path, const char *const *argv); /* its pid */

/* Runs the loop until that event of that process was reported. NULL: it never was. */
const struct tocsin_event *tc_trace_await(struct tc_trace_scratch *s, const char *topic,
                                          int pid);

/* The same with another deadline. */
const struct tocsin_event *tc_trace_await_for(struct tc_trace_scratch *s,
                                              const char *topic, int pid, uint64_t ms);

/* The next of that topic from *at on, which begins at 0; NULL: no more so far. */
const struct tocsin_event *tc_trace_next(const struct tc_harness *h, const char *topic,
                                         size_t *at);

/* How many of that topic were reported so far about that process. */
size_t tc_trace_count(struct tc_trace_scratch *s, const char *topic, int pid);

/* A number of rpc.trace.stats; runs the loop until one is at least so. */
int64_t tc_trace_stat(struct tc_trace_scratch *s, const char *name);
bool tc_trace_await_stat(struct tc_trace_scratch *s, const char *name, int64_t least);

#endif
