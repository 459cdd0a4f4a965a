/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the watch over the folders that definitions come from, by inotify(7): which
 * folders, and whether a change in one of them can matter. One watch belongs to one
 * load. Any thread, one at a time. Must not: load anything.
 */
#ifndef TC_DETECTOR_WATCH_H
#define TC_DETECTOR_WATCH_H

#include "detector_options.h"

struct tc_detector_watch {
    int fd;                        /* of inotify; readable after a change. -1: none */
    int error;                     /* why not all is watched; 0: it is */
    struct tc_detector_list names; /* of files that matter whatever their suffix */
};

/* Opens inotify; a failure is watch->error. */
void tc_detector_watch_open(struct tc_detector_watch *watch);

/* Takes one that is zero but for its fd, -1; leaves that. */
void tc_detector_watch_close(struct tc_detector_watch *watch);

/* Watches a folder or, while it is missing, the nearest one above it. Before the folder
 * is read: then no change is missed. */
void tc_detector_watch_folder(struct tc_detector_watch *watch, const char *path);

/* The same for an entry of the configuration, which may be a file of any name: then its
 * folder is watched. "" is none. */
void tc_detector_watch_entry(struct tc_detector_watch *watch, const char *path);

/* Reads what has changed: true when a folder has, a file with one of the suffixes (NULL
 * ends them), or an entry. */
bool tc_detector_watch_changed(const struct tc_detector_watch *watch,
                               const char *const *suffixes);

#endif
