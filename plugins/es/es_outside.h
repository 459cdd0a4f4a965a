/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the folders of watched file systems that are not protected, or excluded, as far
 * as anybody opens files there, and that the kernel need not ask about those. It is
 * informed so of the folder, never of a file: what is moved or linked from there into a
 * protected place is then asked about at once, because the kernel looks at the folder
 * that a file is opened in. Marks on a pool thread, as it opens folders; the rest on the
 * loop. Must not: keep a question waiting.
 */
#ifndef TC_ES_OUTSIDE_H
#define TC_ES_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_es_source;
struct tc_sensor_scope;

#define TC_ES_OUTSIDE_MAX 32         /* folders of one piece of work */
#define TC_ES_OUTSIDE_RECENT_MAX 256 /* folders that were marked a moment ago */

struct tc_es_outside_recent {
    uint64_t name; /* a hash of the path */
    uint64_t at_ns;
};

struct tc_es_outside_folder {
    char *path;
    bool excluded; /* with all that is in it, by its path; else it lies outside */
};

struct tc_es_outside {
    struct tc_es_outside_folder waiting[TC_ES_OUTSIDE_MAX], marking[TC_ES_OUTSIDE_MAX];
    size_t waiting_count, marking_count;
    struct tc_es_outside_recent recent[TC_ES_OUTSIDE_RECENT_MAX];
    struct tc_sensor_scope *scope; /* whose roots are watched, as `marking` began */
    uint32_t generation;           /* of remembered verdicts, then */
    size_t marked_now;
    uint64_t marked, refused; /* in all; refused: the kernel did not, or it is inside */
    uint64_t dropped;         /* too many were waiting */
};

/*
 * Loop: a file has been opened at `path`, outside, or in a folder that is excluded with
 * all that is in it. True when its folder was added to `waiting`; not so if that happened
 * within the last second: the mark is on its way, or does not take there.
 */
bool tc_es_outside_add(struct tc_es_outside *outside, const char *path, bool excluded,
                       uint64_t now_ns);

/* Loop: what waits becomes what is marked next. Takes a reference of the scope. */
void tc_es_outside_begin(struct tc_es_outside *outside, struct tc_sensor_scope *scope,
                         uint32_t generation);

/*
 * Pool thread. Each folder is judged by where it really is, before and after its mark,
 * by the mounts as they are once all folders are open: what is open keeps its mount, and
 * its mount's number. `links` is an open /proc/self/fd.
 */
void tc_es_outside_mark(struct tc_es_outside *outside, struct tc_es_source *source,
                        const char *const *ignored, int mountinfo_fd, int links);

/* Loop: that has ended, or never ran. */
void tc_es_outside_end(struct tc_es_outside *outside);

/* Loop: the kernel has forgotten all marks, so each folder may be marked again at once.
 */
void tc_es_outside_forget(struct tc_es_outside *outside);

void tc_es_outside_done(struct tc_es_outside *outside);

#endif
