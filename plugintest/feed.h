/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: from a file to the events that a plugin is shown: a recording of `tocsin tap
 * --record`, or a JSON object a line, as `tocsin tap --output json` prints them. */
#ifndef TC_PLUGINTEST_FEED_H
#define TC_PLUGINTEST_FEED_H

#include <stdint.h>

struct tc_run;

struct tc_feed {
    struct tc_run *run;
    const char *files; /* a folder: of an event about a path, the file there is its own */
    uint64_t last_id;  /* of those that have none of their own */
};

/* Shows the events of a file, "-" being stdin. A line that is none is the run's wrong. 0,
 * or an errno of the file, and why. */
int tc_feed_file(struct tc_feed *feed, const char *path, char why[256]);

#endif
