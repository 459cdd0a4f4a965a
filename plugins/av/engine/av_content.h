/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what one file is: reads it by descriptor, asks the hash lists and the rules, and
 * says clean, infected or unknown. Any thread; blocks (tc_av_content_cached does not).
 * Must not: decide what is done about it.
 *
 * A file is read into memory, never mapped, so that somebody who truncates it meanwhile
 * can at worst make the answer "unknown". Of a file larger than `max_file_size` the first
 * so many bytes are scanned, and rules still see its true size. It is hashed when a rule
 * has matched, so that what was allowed passes; the block list does not apply to it, as
 * hashing every such file would take as long as its owner likes.
 */
#ifndef TC_AV_CONTENT_H
#define TC_AV_CONTENT_H

#include "base/av_lists.h"
#include "engine/av_engine.h"

enum tc_av_found {
    TC_AV_CLEAN,
    TC_AV_INFECTED,
    TC_AV_UNKNOWN, /* `error` says why: nothing is known, nothing may be cached */
};

struct tc_av_judges {
    struct tc_av_rules *rules;
    struct tc_av_lists *lists;
    uint64_t max_file_size;
    unsigned timeout_s;
};

struct tc_av_result {
    enum tc_av_found found;
    int error;
    struct tc_av_key key; /* as it was before reading */
    uint64_t read_ns;     /* when that was, since the epoch */
    bool changed;         /* it did not stay so, if that was looked at */
    bool truncated;       /* larger than max_file_size */
    uint64_t bytes;       /* scanned */
    struct tc_av_hit hit; /* of INFECTED, with the hash */
    uint8_t hash[TC_AV_HASH_BYTES];
};

/* Reads and judges the whole file. Something that is no regular file is clean. */
void tc_av_content_scan(int fd, const struct tc_av_judges *judges,
                        struct tc_av_result *ret);

/*
 * The same for a file of at most `max` bytes, if all of it is in the page cache and the
 * judges are quick. False: not so, nothing is known. `buf` has room for max + 1 bytes.
 * `key` is what somebody has found it to be, before; whether it still is, is left to
 * tc_av_content_changed.
 */
bool tc_av_content_cached(int fd, const struct tc_av_key *key,
                          const struct tc_av_judges *judges, void *buf, size_t max,
                          struct tc_av_result *ret);

/* Whether the file is not what it was before it was read. */
bool tc_av_content_changed(int fd, const struct tc_av_result *result);

/*
 * Scans a harmless sample in memory as if it were a file, and has the set's own rule find
 * it. -ENOMSG: it was not found; -ETIMEDOUT, -EIO and others: so would every scan end.
 */
int tc_av_content_selftest(const struct tc_av_judges *judges);

/*
 * Opens a file to be scanned by its path: never a device, a FIFO or through a link as its
 * last part. -EINVAL: no regular file; -ESTALE: not the inode of *key (may be NULL).
 */
int tc_av_content_open(const char *path, const struct tc_av_key *key, int *ret_fd);

#endif
