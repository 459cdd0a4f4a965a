/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a place where plugin es may ask for real: a tmpfs of the test's own, in a mount
 * namespace of the test's own, and children that open files there. The test process
 * itself is "the agent", so all opens that matter are made by children.
 */
#ifndef TC_TESTS_SUPPORT_ES_SCRATCH_H
#define TC_TESTS_SUPPORT_ES_SCRATCH_H

#include "tests/support/harness.h"

#define TC_ES_SCRATCH_ALARM_S 100 /* should all else fail, the groups close with us */

struct tc_es_scratch {
    struct tc_harness h; /* first: hooks get it back from &h */
    char root[64];       /* the tmpfs */
    char out[80];        /* a folder in it that is not watched */
    char in[80];         /* the one that is */
    /* For the test to set. */
    const char *deny; /* a path that contains this is denied; NULL: none */
    bool cacheable;
    /* For the test to read. */
    size_t asked;
};

/* What a child does; returns 0 or an errno, at most 255. */
typedef int (*tc_es_deed_fn)(const char *path, const char *other);

/* Once per program, before any thread: alarm, namespace. False where that is not allowed.
 */
bool tc_es_scratch_possible(void);

/* Mounts, loads es from its file, watching `in` (plus `options`, NULL-terminated, or
 * NULL) and starts.
 */
void tc_es_scratch_init(struct tc_es_scratch *s, const char *so,
                        const char *const *options);
void tc_es_scratch_done(struct tc_es_scratch *s);

/* For cmocka: a scratch of the program's own, as the state, with es as it is built. */
int tc_es_scratch_setup(void **state);
int tc_es_scratch_teardown(void **state);

/* A path below `in`, or `out`, in one of eight buffers used in turn. */
const char *tc_es_in(struct tc_es_scratch *s, const char *name);
const char *tc_es_out(struct tc_es_scratch *s, const char *name);

/* Writes a file from this process, which is never asked about. */
void tc_es_put(const char *path, const char *text);

/* Runs a deed in a child while the loop turns; its errno, or -1 when it hung. */
int tc_es_child(struct tc_es_scratch *s, tc_es_deed_fn deed, const char *path,
                const char *other);

/* Starts a child without turning the loop, for tc_es_child_end. */
int tc_es_child_begin(struct tc_es_scratch *s, tc_es_deed_fn deed, const char *path,
                      const char *other);
int tc_es_child_end(struct tc_es_scratch *s, int pid);

/* A number of rpc.es.stats. */
int64_t tc_es_stat(struct tc_es_scratch *s, const char *name);

/* Deeds. */
int tc_es_open(const char *path, const char *other);    /* for reading */
int tc_es_write(const char *path, const char *text);    /* makes the file, if need be */
int tc_es_execute(const char *path, const char *other); /* and waits for exit code 0 */

#endif
