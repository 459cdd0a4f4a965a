/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a place where a sensor that protects may act for real: a tmpfs of the test's own,
 * in a mount namespace of the test's own, and children that open and execute files there.
 * The test process itself is "the agent", so all that matters is done by children.
 */
#ifndef TC_TESTS_SUPPORT_SENSOR_SCRATCH_H
#define TC_TESTS_SUPPORT_SENSOR_SCRATCH_H

#include "tests/support/child.h"
#include "tests/support/harness.h"

#define TC_SCRATCH_ALARM_S 280 /* should all else fail, what is open closes with us */
#define TC_SCRATCH_KILLED (-9) /* how a child ended: by that signal */

struct tc_scratch {
    struct tc_harness h; /* first: hooks get it back from &h */
    const char *plugin;  /* its name */
    char root[64];       /* the tmpfs */
    char out[80];        /* a folder in it that is not watched */
    char in[80];         /* the one that is */
    /* For the test to set. */
    const char *deny; /* a path that contains this is denied; NULL: none */
    bool cacheable;   /* what is allowed; h.decide = NULL: nobody answers at all */
    /* For the test to read. */
    size_t asked;
};

/* Once per program, before any thread: alarm, namespace. False where that is not allowed.
 */
bool tc_scratch_possible(void);

/* Mounts, and loads the plugin of that name from its file (NULL: as it is built),
 * watching `in` (plus `options`, NULL-terminated, or NULL). */
void tc_scratch_load(struct tc_scratch *s, const char *plugin, const char *so,
                     const char *const *options);
/* The same, and starts it. */
void tc_scratch_start(struct tc_scratch *s, const char *plugin, const char *so,
                      const char *const *options);
void tc_scratch_done(struct tc_scratch *s);
int tc_scratch_teardown(void **state); /* for cmocka: done */

/* A path below `in`, or `out`, in one of eight buffers used in turn. */
const char *tc_scratch_in(struct tc_scratch *s, const char *name);
const char *tc_scratch_out(struct tc_scratch *s, const char *name);

/* Runs fn in a child while the loop turns: what it returns, or minus the signal that has
 * ended it. end: of one that tc_child_begin has begun. */
int tc_scratch_child(struct tc_scratch *s, tc_child_fn fn, const char *path,
                     const char *other);
int tc_scratch_child_end(struct tc_scratch *s, pid_t pid);

/* A number of rpc.<plugin>.stats. */
int64_t tc_scratch_stat(struct tc_scratch *s, const char *name);

#endif
