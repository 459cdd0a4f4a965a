/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: topic names, their interning, and patterns over them. Pure; one thread at a time.
 */
#ifndef TC_IPC_TOPIC_H
#define TC_IPC_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_TOPIC_MAX_LEN 96 /* bytes of a name */
#define TC_TOPICS_MAX                                                                    \
    4096 /* names one table interns; a plugin that invents more is refused */

/* An interned name. Same name, same pointer; lives as long as its table. */
struct tc_topic {
    const char *name;
    uint32_t index; /* dense, from 0: an index into per-topic arrays */
    bool keep;      /* never dropped: threat.*, alert.*, approval.*, sensor.* ... */
};

struct tc_topics;

/* A table of names. NULL when out of memory. */
struct tc_topics *tc_topics_new(void);
void tc_topics_free(struct tc_topics *topics);

/*
 * The interned topic of that name. Errors: -EINVAL, not lower-case words (a-z 0-9 _ -)
 * joined by dots, or too long; -ENOSPC, the table is full; -ENOMEM.
 */
int tc_topic_intern(struct tc_topics *topics, const char *name,
                    const struct tc_topic **ret_topic);

/* True when the pattern is an exact name, "prefix.*" or "*". */
bool tc_topic_pattern_valid(const char *pattern);

/* Whether the pattern covers the name. "a.*" covers "a.b" and "a.b.c", not "a". */
bool tc_topic_match(const char *pattern, const char *name);

#endif
