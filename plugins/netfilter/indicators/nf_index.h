/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how the indicators lie in memory, and which of them counts at one place. A record
 * each; an index of them all by hash, addresses and names alike; names and reasons in one
 * run of texts, each reason once. Pure. Must not: be included outside this folder, but by
 * tests.
 *
 * A place is a network of one length, a domain, or a host. At each there is a record for
 * every action that a list gives it, three at most.
 */
#ifndef TC_NF_INDEX_H
#define TC_NF_INDEX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/hash.h"
#include "indicators/nf_indicators.h"

/* Of an entry of the index; what is above them is of the hash. */
#define TC_NF_ID_BITS 22
#define TC_NF_ID_MASK ((1u << TC_NF_ID_BITS) - 1)

struct tc_nf_record {
    union {
        uint8_t address[16]; /* of ADDRESS, NETWORK */
        uint32_t name;       /* of DOMAIN, HOST: where in the texts */
    };
    uint32_t expires_s; /* 0: never */
    uint32_t reason;    /* where in the texts */
    uint32_t source : 16, length : 8, kind : 2, action : 2, severity : 3;
};

struct tc_nf_indicators {
    atomic_uint refs;
    uint32_t seed; /* of the index */
    struct tc_nf_record *records;
    uint32_t count, cap;
    uint32_t *index; /* 0: free; else the id + 1, and above it bits of the hash */
    uint32_t mask;   /* its size - 1 */
    char *texts;     /* begins with "", the reason of most */
    uint32_t texts_len, texts_cap;
    uint32_t *sources; /* paths: where in the texts */
    uint32_t sources_count;
    uint32_t kinds[TC_NF_KINDS];
    uint32_t networks;  /* places of addresses and networks: slots in use */
    uint32_t *expiring; /* ids of what expires, by when */
    uint32_t expiring_count;
    atomic_uint expired;              /* of them */
    struct tc_nf_addresses addresses; /* of the slots */
    uint32_t *reasons; /* while loading: where in the texts they are, by hash; 0: free */
    uint32_t reasons_mask, reasons_count;
};

/* One reference. -ENOMEM, or what getrandom(2) says. */
int tc_nf_index_new(struct tc_nf_indicators **ret_table);

/* A file that entries come from. Errors: -ENOMEM, -E2BIG. */
int tc_nf_index_source(struct tc_nf_indicators *table, const char *path,
                       uint16_t *ret_source);

/* Errors: -ENOMEM, -E2BIG (a bound of nf_indicators.h). */
int tc_nf_index_add(struct tc_nf_indicators *table, const struct tc_nf_entry *entry,
                    uint16_t source);

/* Gives back what only loading needs, and puts in order what expiry and slots need.
 * -ENOMEM. */
int tc_nf_index_finish(struct tc_nf_indicators *table);

/* What counts at the place of the network, or NULL. */
const struct tc_nf_record *tc_nf_index_network(const struct tc_nf_indicators *table,
                                               const uint8_t address[16], uint8_t length,
                                               uint64_t now_s);

/* Whether the network is one of IPv4. */
bool tc_nf_is_mapped(const uint8_t address[16], uint8_t length);

/* The address without the bits behind the length; may be the same memory. */
void tc_nf_mask(const uint8_t address[16], uint8_t length, uint8_t ret_address[16]);

static inline uint32_t tc_nf_network_hash(const uint8_t address[16], uint8_t length,
                                          uint32_t seed)
{
    uint32_t words[4];

    __builtin_memcpy(words, address, sizeof(words));
    return tc_nf_addresses_hash(words, length, seed);
}

/* Names are hashed from their end, so that one pass has the hash of every suffix. */
static inline uint64_t tc_nf_name_start(uint32_t seed)
{
    return TC_HASH_START ^ seed;
}

static inline uint64_t tc_nf_name_step(uint64_t hash, char c)
{
    return tc_hash(hash, &c, 1);
}

static inline uint32_t tc_nf_name_end(uint64_t hash)
{
    return (uint32_t)((hash * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static inline bool tc_nf_is_name(unsigned kind)
{
    return kind == TC_NF_DOMAIN || kind == TC_NF_HOST;
}

/* Where the search goes from `at`: the id of the next record that may be of this hash, or
 * UINT32_MAX; `at` is then where a new one would stand. */
static inline uint32_t tc_nf_next(const struct tc_nf_indicators *table, uint32_t hash,
                                  uint32_t *at)
{
    for (uint32_t entry; (entry = table->index[*at & table->mask]); ++*at)
        if (!((entry ^ hash) & ~TC_NF_ID_MASK)) {
            ++*at;
            return (entry & TC_NF_ID_MASK) - 1;
        }
    return UINT32_MAX;
}

#endif
