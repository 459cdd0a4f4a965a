/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the indicators that the command line has set, in a file of the plugin's state
 * folder: a list like an operator's, CSV, which tc_nf_indicators_load reads as `own`.
 * Each change is written whole: after a crash the file is the old one or the new one.
 * Must not: be used by two threads at once; be called from the loop, for it waits for the
 * disk.
 */
#ifndef TC_NF_STORE_H
#define TC_NF_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "indicators/nf_entry.h"

#define TC_NF_STORE_FILE "indicators.csv"
#define TC_NF_STORE_MAX 10000 /* entries; more belongs into a list of its own */

#define TC_NF_WHO_MAX 64 /* bytes, with the NUL; more is cut */

struct tc_nf_store;

struct tc_nf_stored {
    struct tc_nf_entry entry;
    uint32_t when_s;
    char who[TC_NF_WHO_MAX];
};

/*
 * Reads `<folder>/indicators.csv`; none is an empty store, the folder has to be there.
 * -EINVAL with why when a line of it cannot be read, for whatever is written next would
 * lose it.
 */
int tc_nf_store_open(const char *folder, struct tc_nf_store **ret_store,
                     char why[TC_NF_WHY_MAX]);
void tc_nf_store_close(struct tc_nf_store *store); /* takes NULL */

/* The file, for tc_nf_sources.own; as long as the store. */
const char *tc_nf_store_path(const struct tc_nf_store *store);

/*
 * Adds what the row says, in place of what the store has of the same value; a row without
 * an action blocks. What had expired by `now_s` is left out of the new file. Errors, each
 * with why and nothing changed: -EINVAL, -ENOSPC when the store is full, or the disk's.
 */
int tc_nf_store_add(struct tc_nf_store *store, const struct tc_nf_row *row,
                    const char *who, uint64_t now_s, char why[TC_NF_WHY_MAX]);

/* Removes the value, as domain and as host. -ENOENT with why: it is not there. */
int tc_nf_store_remove(struct tc_nf_store *store, struct tc_nf_text value,
                       char why[TC_NF_WHY_MAX]);

struct tc_nf_filter {
    const char *text;         /* in value or reason, without regard to case; NULL: any */
    int kind;                 /* enum tc_nf_kind, or -1 */
    enum tc_nf_action action; /* TC_NF_NONE: any */
    size_t skip, limit;       /* of those that match */
};

/*
 * Calls `each` for what the filter says, in the order in which it was added. Returns how
 * many match, whatever the limit.
 */
size_t tc_nf_store_list(const struct tc_nf_store *store,
                        const struct tc_nf_filter *filter,
                        void (*each)(void *arg, const struct tc_nf_stored *stored),
                        void *arg);

#endif
