/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which files a plugin's process was busy with when it crashed, so that none of
 * them is shown to it again: neither to the process that follows, nor by a catch-up. A
 * changed file, and another version of the plugin, begin anew. Pure.
 */
#ifndef TC_CORE_BLAME_H
#define TC_CORE_BLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tocsin_event;

#define TC_BLAME_MAX 256 /* files; the oldest makes room */

struct tc_blame_entry {
    uint64_t plugin; /* a hash of the plugin's file */
    uint64_t device, inode, mtime, ctime;
    bool certain; /* it alone was being looked at, or it was so twice */
};

struct tc_blame {
    struct tc_blame_entry entries[TC_BLAME_MAX];
    size_t count, next;
};

/*
 * The plugin crashed while it was busy with the event: alone, or with one of several. Of
 * several none is held back at first; one that is there the second time is. An event that
 * names no file cannot be remembered.
 */
void tc_blame_add(struct tc_blame *blame, uint64_t plugin,
                  const struct tocsin_event *event, bool alone);

/* Whether the plugin is not to be shown this event. */
bool tc_blame_has(const struct tc_blame *blame, uint64_t plugin,
                  const struct tocsin_event *event);

#endif
