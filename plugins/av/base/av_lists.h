/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the hashes that are always right and always wrong: the operator's allow and block
 * lists, and the agent's own list of what was restored. Immutable once loaded, shared by
 * reference count; any thread. Must not: know YARA or the vault.
 *
 * A list is a text file: one SHA-256 a line, `#` begins a comment, whatever follows the
 * hash after blanks is ignored (so the output of sha256sum is a list). Allow wins over
 * block, since an allowance is the later, more deliberate act.
 */
#ifndef TC_AV_LISTS_H
#define TC_AV_LISTS_H

#include "base/av_file.h"

#define TC_AV_LIST_BYTES_MAX                                                             \
    (64 * 1024 * 1024)          /* of one file: about a million hashes                   \
                                 */
#define TC_AV_LIST_ISSUES_MAX 8 /* kept as text; the rest are counted */

struct tc_av_lists;

enum tc_av_listed {
    TC_AV_UNLISTED,
    TC_AV_ALLOWED,
    TC_AV_BLOCKED,
};

/*
 * Loads the three; an empty or NULL path is no list. `own` (may be missing) is the
 * agent's, in own_dirfd. Unreadable files and bad lines are issues; only -ENOMEM is an
 * error. One reference, the caller's.
 */
int tc_av_lists_load(const char *allow, const char *block, int own_dirfd, const char *own,
                     struct tc_av_lists **ret_lists);

/* The same lists with one more hash allowed. One reference, the caller's; NULL when out
 * of memory. */
struct tc_av_lists *tc_av_lists_with(const struct tc_av_lists *lists,
                                     const uint8_t hash[TC_AV_HASH_BYTES]);
void tc_av_lists_ref(struct tc_av_lists *lists);
void tc_av_lists_unref(struct tc_av_lists *lists); /* takes NULL */

/* True when there is no reason to hash anything. */
bool tc_av_lists_empty(const struct tc_av_lists *lists);
enum tc_av_listed tc_av_lists_find(const struct tc_av_lists *lists,
                                   const uint8_t hash[TC_AV_HASH_BYTES]);
const char *tc_av_lists_issue(const struct tc_av_lists *lists, size_t index);

/* Adds a hash to the agent's own list on disk; after a crash it is in it or is not. */
int tc_av_lists_append(int own_dirfd, const char *own,
                       const uint8_t hash[TC_AV_HASH_BYTES], const char *comment);

/* Takes it off that list; *ret_removed: it was on it. */
int tc_av_lists_remove(int own_dirfd, const char *own,
                       const uint8_t hash[TC_AV_HASH_BYTES], bool *ret_removed);

#endif
