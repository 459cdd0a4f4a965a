/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a place where plugin kext may act for real: a tmpfs of the test's own, in a mount
 * namespace of the test's own, and children that execute and open files there. The test
 * process itself is "the agent", which is never reported, so all that matters is done by
 * children.
 */
#ifndef TC_TESTS_SUPPORT_KEXT_SCRATCH_H
#define TC_TESTS_SUPPORT_KEXT_SCRATCH_H

#include "tests/support/harness.h"

#define TC_KEXT_SCRATCH_ALARM_S 100 /* should all else fail, the programs go with us */

struct tc_kext_scratch {
    struct tc_harness h; /* first: hooks get it back from &h */
    char root[64];       /* the tmpfs */
    char out[80];        /* a folder in it that is not watched */
    char in[80];         /* the one that is */
    bool lsm;            /* the rung that the plugin found */
    /* For the test to set. */
    const char *deny; /* a path that contains this is denied; NULL: none */
    bool cacheable;   /* h.decide = NULL: nobody answers at all */
    /* For the test to read. */
    size_t asked;
};

/* How the child ended that tc_kext_child ran: an errno that its deed returned, or: */
enum {
    TC_KEXT_CHILD_KILLED = -1,
};

/* What a child does; returns 0 or an errno, at most 255. */
typedef int (*tc_kext_deed_fn)(const char *path, const char *other);

/* Once per program, before any thread: alarm, namespace. False where BPF cannot be used.
 */
bool tc_kext_scratch_possible(void);

/* Mounts, and loads kext, watching `in` (plus `options`, NULL-terminated, or NULL). */
void tc_kext_scratch_open(struct tc_kext_scratch *s, const char *const *options);
/* The same, and starts it. */
void tc_kext_scratch_init(struct tc_kext_scratch *s, const char *const *options);
void tc_kext_scratch_done(struct tc_kext_scratch *s);

/* For cmocka: a scratch of the program's own, as the state. */
int tc_kext_scratch_setup(void **state);
int tc_kext_scratch_teardown(void **state);

/* A path below `in`, or `out`, in one of eight buffers used in turn. */
const char *tc_kext_in(struct tc_kext_scratch *s, const char *name);
const char *tc_kext_out(struct tc_kext_scratch *s, const char *name);

/* Writes an executable script, or a copy of a real program, from this process. */
void tc_kext_put(const char *path, const char *text);
void tc_kext_copy(const char *path, const char *program);

/* Runs a deed in a child while the loop turns. */
int tc_kext_child(struct tc_kext_scratch *s, tc_kext_deed_fn deed, const char *path,
                  const char *other);
int tc_kext_child_begin(tc_kext_deed_fn deed, const char *path, const char *other);
int tc_kext_child_end(struct tc_kext_scratch *s, int pid);

/* Runs the loop until a number of rpc.kext.stats ("kernel.killed") is at least that. */
bool tc_kext_await_stat(struct tc_kext_scratch *s, const char *name, int64_t least);
int64_t tc_kext_stat(struct tc_kext_scratch *s, const char *name);

/* Runs the loop until so many events of a topic were published. */
bool tc_kext_await_count(struct tc_kext_scratch *s, const char *topic, size_t least);

/* Has the kernel know a file as bad, by what a detector says. */
void tc_kext_make_bad(struct tc_kext_scratch *s, const char *path);

/* Deeds. */
int tc_kext_open(const char *path, const char *other);
int tc_kext_write(const char *path, const char *text); /* makes the file, if need be */
int tc_kext_copy_to(const char *path, const char *to);
int tc_kext_become(const char *path, const char *other); /* execs: argv is path, other */

#endif
