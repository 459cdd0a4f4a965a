/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: options that are lists, as copies: what loads definitions in the pool cannot ask
 * the host. Must not: know what an option means.
 */
#ifndef TC_DETECTOR_OPTIONS_H
#define TC_DETECTOR_OPTIONS_H

#include <tocsin/plugin.h>

/* All zero: an empty one. */
struct tc_detector_list {
    char **items; /* each the list's own */
    size_t n;
};

/* Appends a copy of the text. -ENOMEM: the list is as it was. */
int tc_detector_list_add(struct tc_detector_list *list, const char *text);

/* Reads a LIST option of the plugin's. -ENOMEM. Loop thread. */
int tc_detector_list_read(const struct tocsin_host *host, const char *option,
                          struct tc_detector_list *ret_list);

/* -ENOMEM. */
int tc_detector_list_copy(const struct tc_detector_list *list,
                          struct tc_detector_list *ret_list);

/*
 * What helps when `text`, "PATH: ...", is about a path of the plugin's own configuration
 * that is not there: the command that takes it out of `option`, a list, or, with `list`
 * false, brings that option's default back. Else `other`. Loop thread.
 */
const char *tc_detector_missing_fix(const struct tocsin_host *host, const char *plugin,
                                    const char *option, bool list, const char *text,
                                    const char *other, char fix[256]);

/* Leaves an empty list. */
void tc_detector_list_free(struct tc_detector_list *list);

#endif
