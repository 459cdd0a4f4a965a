/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what addresses stand for, by the answers of name servers: bounded, the longest
 * unused goes first, each name until its time to live is over. An answer counts for the
 * process that got it, in its network namespace; what a resolver got, which asks for
 * others, counts for all there who have not asked themselves. The reader's thread; pure:
 * time comes in.
 */
#ifndef TC_NF_NAMES_H
#define TC_NF_NAMES_H

#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "bpf/netfilter_abi.h"

#define TC_NF_NAMES_MAX 16384   /* addresses */
#define TC_NF_NAMES_EACH_MAX 4  /* names of one; the oldest goes */
#define TC_NF_NAME_TEXT_MAX 256 /* bytes, with the NUL; a longer one is not kept */
#define TC_NF_TTL_MIN_S 60      /* programs keep an address longer than they may */
#define TC_NF_TTL_MAX_S 3600
#define TC_NF_SYSTEM_UIDS 1000 /* below: accounts of daemons, but root; login.defs(5) */

struct tc_nf_name {
    uint64_t until_ns; /* CLOCK_MONOTONIC */
    char text[TC_NF_NAME_TEXT_MAX];
};

struct tc_nf_named_address {
    UT_hash_handle hh;
    struct tc_nf_name_key key;
    size_t count;
    struct tc_nf_name names[TC_NF_NAMES_EACH_MAX]; /* the latest first */
};

struct tc_nf_names {
    struct tc_nf_named_address *by_key;
    uint64_t learned, evicted;
};

void tc_nf_names_done(struct tc_nf_names *names);

/* Whose answers they are: the process's, or everybody's. */
uint32_t tc_nf_names_whose(uint32_t pid, uint32_t uid);

/* What is known of an address now, with one more name. NULL: no memory, or the name is
 * too long. Valid until the next call. */
const struct tc_nf_named_address *tc_nf_names_learn(struct tc_nf_names *names,
                                                    const struct tc_nf_name_key *key,
                                                    const char *text, uint32_t ttl_s,
                                                    uint64_t now_ns);

/* The names of an address, the latest first: the user's own, else the system's; NULL:
 * none. Valid until the next call. */
const struct tc_nf_named_address *tc_nf_names_of(struct tc_nf_names *names,
                                                 const uint8_t address[16],
                                                 uint64_t netns, uint32_t pid,
                                                 uint64_t now_ns);
const char *tc_nf_names_find(struct tc_nf_names *names, const uint8_t address[16],
                             uint64_t netns, uint32_t pid,
                             uint64_t now_ns); /* the latest, or NULL */

#endif
