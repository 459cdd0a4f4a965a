/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the kernel's table of addresses and networks, made of the indicators, and what
 * expiry changes in it.
 */
#include <errno.h>
#include <string.h>

#include "indicators/nf_index.h"

#define FULL_OF_10 6 /* slots in use of ten, at most */
#define SEEDS_MAX 16 /* that are tried; the first will do */

uint32_t tc_nf_indicators_slots(const struct tc_nf_indicators *indicators)
{
    uint32_t slots = 1;

    while ((uint64_t)slots * FULL_OF_10 < indicators->networks * 10ull)
        slots *= 2;
    return slots;
}

static uint32_t home_of(const struct tc_nf_slot *slot, uint32_t seed)
{
    return tc_nf_network_hash(slot->address, slot->length, seed);
}

static bool same(const struct tc_nf_slot *a, const struct tc_nf_slot *b)
{
    return a->length == b->length && !memcmp(a->address, b->address, sizeof(a->address));
}

/*
 * Whoever is farther from home has the slot (Celis 1986, "Robin Hood"): the search is
 * that of linear probing, and the farthest is some 15 away where it would be over a
 * hundred.
 */
static bool place(struct tc_nf_slot *slots, const struct tc_nf_addresses *addresses,
                  struct tc_nf_slot slot)
{
    uint32_t at = home_of(&slot, addresses->seed);
    struct tc_nf_slot *there, moved;

    for (uint32_t far = 0, its_far; far < TC_NF_PROBES_MAX; far++, at++) {
        there = &slots[at & addresses->mask];
        if (there->action == TC_NF_NONE) {
            *there = slot;
            return true;
        }
        if (same(there, &slot)) {
            if (tc_nf_action_rank((enum tc_nf_action)slot.action) >
                tc_nf_action_rank((enum tc_nf_action)there->action))
                *there = slot;
            return true;
        }
        its_far = (at - home_of(there, addresses->seed)) & addresses->mask;
        if (its_far < far) {
            moved = *there;
            *there = slot;
            slot = moved;
            far = its_far;
        }
    }
    return false;
}

static bool place_all(const struct tc_nf_indicators *indicators, struct tc_nf_slot *slots,
                      const struct tc_nf_addresses *addresses)
{
    memset(slots, 0, (addresses->mask + (size_t)1) * sizeof(*slots));
    for (uint32_t id = 0; id < indicators->count; id++) {
        const struct tc_nf_record *record = &indicators->records[id];
        struct tc_nf_slot slot = {.id = id,
                                  .length = (uint8_t)record->length,
                                  .action = (uint8_t)record->action};

        if (record->kind != TC_NF_ADDRESS && record->kind != TC_NF_NETWORK)
            continue;
        memcpy(slot.address, record->address, sizeof(slot.address));
        if (!place(slots, addresses, slot))
            return false;
    }
    return true;
}

int tc_nf_indicators_fill(struct tc_nf_indicators *indicators, struct tc_nf_slot *slots,
                          struct tc_nf_addresses *ret_addresses)
{
    struct tc_nf_addresses *addresses = &indicators->addresses;

    indicators->expired = 0; /* none of them is marked in there */
    addresses->mask = tc_nf_indicators_slots(indicators) - 1;
    addresses->seed = indicators->seed;
    for (int i = 0; i < SEEDS_MAX; i++) {
        addresses->seed = addresses->seed * 0x9e3779b1u + 1;
        if (place_all(indicators, slots, addresses)) {
            *ret_addresses = *addresses;
            return 0;
        }
    }
    return -ENOSPC;
}

/* ---- Expiry ---- */

static struct tc_nf_slot *find(const struct tc_nf_indicators *indicators,
                               struct tc_nf_slot *slots,
                               const struct tc_nf_record *record)
{
    const struct tc_nf_addresses *addresses = &indicators->addresses;
    uint8_t length = (uint8_t)record->length;
    uint32_t at = tc_nf_network_hash(record->address, length, addresses->seed);

    for (int i = 0; i < TC_NF_PROBES_MAX; i++, at++) {
        struct tc_nf_slot *slot = &slots[at & addresses->mask];

        if (slot->action == TC_NF_NONE)
            break;
        if (slot->length == length &&
            !memcmp(slot->address, record->address, sizeof(slot->address)))
            return slot;
    }
    return NULL;
}

/* The kernel reads meanwhile: at worst the old action under the new id. */
static void update(const struct tc_nf_indicators *indicators, struct tc_nf_slot *slots,
                   const struct tc_nf_record *expired, uint64_t now_s)
{
    struct tc_nf_slot *slot = find(indicators, slots, expired);
    const struct tc_nf_record *record = tc_nf_index_network(
        indicators, expired->address, (uint8_t)expired->length, now_s);
    uint8_t action = record ? (uint8_t)record->action : TC_NF_EXPIRED;

    if (!slot)
        return;
    if (record)
        __atomic_store_n(&slot->id, (uint32_t)(record - indicators->records),
                         __ATOMIC_RELAXED);
    __atomic_store_n(&slot->action, action, __ATOMIC_RELEASE);
}

uint64_t tc_nf_indicators_next_expiry_s(const struct tc_nf_indicators *indicators)
{
    uint32_t expired = indicators->expired;

    if (expired == indicators->expiring_count)
        return UINT64_MAX;
    return indicators->records[indicators->expiring[expired]].expires_s;
}

uint32_t tc_nf_indicators_expire(struct tc_nf_indicators *indicators, uint64_t now_s,
                                 struct tc_nf_slot *slots)
{
    uint32_t count = 0;

    for (; tc_nf_indicators_next_expiry_s(indicators) <= now_s; count++) {
        const struct tc_nf_record *record =
            &indicators->records[indicators->expiring[indicators->expired]];

        if (slots && (record->kind == TC_NF_ADDRESS || record->kind == TC_NF_NETWORK))
            update(indicators, slots, record, now_s);
        indicators->expired++;
    }
    return count;
}
