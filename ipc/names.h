/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which topics and fields there are (docs/events.md), so that a mistyped one is
 * refused with the nearest. A plugin may have others of its own. Pure.
 */
#ifndef TC_IPC_NAMES_H
#define TC_IPC_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Names that belong together; each list ends with NULL. */
struct tc_names {
    const char *const *all;
    const char *const *open;     /* prefixes behind which any name is good; or NULL */
    const char *const *prefixes; /* behind each of these stands one of `inner`; or NULL */
    const char *const *inner;
};

extern const struct tc_names tc_names_fields; /* of events */

/* Whether it is one of them, or the beginning of one at a dot (the map it stands in). */
bool tc_names_know(const struct tc_names *names, const char *name);

/*
 * Writes "; did you mean NAME?" for the nearest, else what ends in the word, else "".
 */
void tc_names_suggest(const struct tc_names *names, const char *name, char *buf,
                      size_t cap);

/* All topics of ours, but for rpc.*; then NULL. */
const char *const *tc_names_topics(void);

/* Whether the pattern (ipc/topic.h) is of a topic of the agent or of its own plugins. */
bool tc_names_topic(const char *pattern);

/* As tc_names_suggest, of the topics. */
void tc_names_suggest_topic(const char *pattern, char *buf, size_t cap);

#endif
