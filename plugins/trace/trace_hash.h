/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: SHA-256 of executables, by the file's identity and change time. Whoever asks gets
 * what is known and never waits; what is not known is worked out on a pool thread.
 * Find: the reader's thread; work: a pool thread; the rest: any.
 */
#ifndef TC_TRACE_HASH_H
#define TC_TRACE_HASH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "trace_process.h"

#define TC_TRACE_HASHES_MAX 4096 /* files; a newer one replaces one of the same place */
#define TC_TRACE_WANTED_MAX 64   /* files waiting for their turn; more are put off */
#define TC_TRACE_HEX 65

struct tc_trace_hash {
    struct tc_trace_file file; /* inode 0: none */
    char hex[TC_TRACE_HEX];    /* "": it could not be read */
};

struct tc_trace_wanted {
    struct tc_trace_file file;
    char *path; /* NULL: none */
};

struct tc_trace_hashes {
    pthread_mutex_t lock;
    uint64_t max_bytes;           /* of a file; larger ones are skipped; 0: all are */
    struct tc_trace_hash *hashes; /* TC_TRACE_HASHES_MAX */
    struct tc_trace_wanted wanted[TC_TRACE_WANTED_MAX];
    size_t wanted_count;
    atomic_ullong hits, made, failed, put_off;
};

int tc_trace_hashes_init(struct tc_trace_hashes *hashes, uint64_t max_bytes);
void tc_trace_hashes_done(struct tc_trace_hashes *hashes);

/* True, and its digest, when it is known; else it is asked for. */
bool tc_trace_hashes_find(struct tc_trace_hashes *hashes,
                          const struct tc_trace_file *file, const char *path,
                          char ret_hex[TC_TRACE_HEX]);

/* There is work to do. */
bool tc_trace_hashes_wanted(struct tc_trace_hashes *hashes);
void tc_trace_hashes_work(struct tc_trace_hashes *hashes);

#endif
