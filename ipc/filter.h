/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whether an event's fields are what a tap's reader asked for. Must not: know
 * connections or the bus. One thread.
 */
#ifndef TC_IPC_FILTER_H
#define TC_IPC_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#define TC_FILTER_TERMS_MAX 16
#define TC_FILTER_TEXT_MAX 1024 /* bytes of one path or pattern */

struct tc_filter;
struct tocsin_value;

/*
 * Makes a filter of a map {dotted path: pattern}. A pattern is text with fnmatch(3)'s
 * wildcards, or a number or boolean, which stands for its text. Errors: -EINVAL with the
 * reason in `why`; -ENOMEM.
 */
int tc_filter_new(const struct tocsin_value *map, struct tc_filter **ret_filter,
                  char why[256]);

/* Takes NULL. */
void tc_filter_free(struct tc_filter *filter);

/*
 * Whether every term finds its field in the `len` bytes of one map and matches it: text
 * by its bytes, numbers by their decimal text, booleans as true or false. NULL, and a
 * filter without terms, match everything. A field too large for memory does not match.
 */
bool tc_filter_match(struct tc_filter *filter, const void *data, size_t len);

#endif
