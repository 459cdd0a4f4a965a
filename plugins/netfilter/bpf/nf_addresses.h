/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: the table of indicators that are addresses and networks, as the programs in the
 * kernel and the plugin both read it: open addressing, linear probing, in an array map of
 * slots. A network stands there under its first address and its length, so that looking
 * an address up costs a probe for each length that occurs, however many entries there
 * are; the longest length that matches counts. Compiled for both sides; includes nothing
 * but the kernel's integer types.
 *
 * Addresses are 16 bytes in network order, those of IPv4 mapped (RFC 4291, 2.5.5.2): a
 * length of IPv4 is 96 more.
 */
#ifndef TC_NF_ADDRESSES_H
#define TC_NF_ADDRESSES_H

#include <linux/types.h>

#define TC_NF_LENGTHS_MAX 129 /* 0 to 128 */
#define TC_NF_PROBES_MAX 64   /* the table is built so that no entry is farther away */

enum tc_nf_action {
    TC_NF_NONE, /* of a slot: it is free */
    TC_NF_ALLOW,
    TC_NF_AUDIT,
    TC_NF_BLOCK,
    TC_NF_EXPIRED, /* the slot is used, and matches nothing any more */
};

struct tc_nf_slot {
    __u8 address[16]; /* bits behind the length are 0 */
    __u32 id;         /* of the indicator, from 0 */
    __u8 length, action;
    __u16 unused;
};

/* What is needed to look something up in one table of slots. */
struct tc_nf_addresses {
    __u32 seed;
    __u32 mask;          /* slots - 1; slots are a power of two, at least 1 */
    __u32 lengths4;      /* how many of `lengths` are IPv4's: those come first */
    __u32 lengths_count; /* of all */
    __u8 lengths[TC_NF_LENGTHS_MAX + 33]; /* each family's from the longest */
    __u8 unused[2];
};

/* Where the search for a network begins; `a` is its address in four words as they lie in
 * memory. The finaliser of MurmurHash3 (public domain), a word at a time. */
static inline __u32 tc_nf_addresses_hash(const __u32 a[4], __u32 length, __u32 seed)
{
    __u32 h = seed ^ length;

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        h ^= a[i];
        h ^= h >> 16;
        h *= 0x85ebca6bu;
        h ^= h >> 13;
        h *= 0xc2b2ae35u;
        h ^= h >> 16;
    }
    return h;
}

#endif
