/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the verdicts already reached, by inode and state of the file, in a bounded table
 * that forgets the longest unused. One generation of rules at a time. Pure. Must not:
 * know why a file was denied, beyond the sentence it keeps, or whether it may be
 * remembered.
 *
 * A mapping may change a file while all that is known of its state stays the same, so
 * each verdict also knows which event it was reached for. Events are numbered in order:
 * what was read for one was read after all that were published before it.
 */
#ifndef TC_AV_CACHE_H
#define TC_AV_CACHE_H

#include "base/av_file.h"

#define TC_AV_CACHE_MAX 16384  /* verdicts, about 64 bytes each; grows up to that */
#define TC_AV_CACHE_REASON 160 /* bytes of a denial's reason */

struct tc_av_cache;

struct tc_av_cache_counters {
    uint64_t hits, misses, evicted;
    size_t entries;
};

/* At most `max` entries, at most TC_AV_CACHE_MAX. NULL when out of memory. */
struct tc_av_cache *tc_av_cache_new(size_t max);
void tc_av_cache_free(struct tc_av_cache *cache); /* takes NULL */

/*
 * True when a verdict is known that was reached for event `since` or a later one:
 * *ret_reason is NULL for allow, else why it is denied, valid until the cache is changed.
 */
bool tc_av_cache_find(struct tc_av_cache *cache, const struct tc_av_key *key,
                      uint64_t since, const char **ret_reason);

/* Remembers what was reached for `event`; reason NULL is allow. What does not fit in
 * memory is not remembered. */
void tc_av_cache_put(struct tc_av_cache *cache, const struct tc_av_key *key,
                     uint64_t event, const char *reason);

/* Forgets all: the rules are others now. */
void tc_av_cache_reset(struct tc_av_cache *cache);

void tc_av_cache_counters(const struct tc_av_cache *cache,
                          struct tc_av_cache_counters *ret);

#endif
