/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

void tc_nf_names_done(struct tc_nf_names *names)
{
    struct tc_nf_named_address *address, *next;

    HASH_ITER(hh, names->by_key, address, next)
    {
        HASH_DEL(names->by_key, address);
        free(address);
    }
}

uint32_t tc_nf_names_whose(uint32_t pid, uint32_t uid)
{
    return uid && uid < TC_NF_SYSTEM_UIDS ? TC_NF_EVERYBODY : pid;
}

/* Found, it becomes the last used. */
static struct tc_nf_named_address *find(struct tc_nf_names *names,
                                        const struct tc_nf_name_key *key)
{
    struct tc_nf_named_address *address;

    HASH_FIND(hh, names->by_key, key, sizeof(*key), address);
    if (!address)
        return NULL;
    HASH_DEL(names->by_key, address);
    HASH_ADD(hh, names->by_key, key, sizeof(*key), address);
    return address;
}

static struct tc_nf_named_address *find_or_add(struct tc_nf_names *names,
                                               const struct tc_nf_name_key *key)
{
    struct tc_nf_named_address *address = find(names, key), *oldest;

    if (address)
        return address;
    if (HASH_COUNT(names->by_key) >= TC_NF_NAMES_MAX) {
        oldest = names->by_key;
        HASH_DEL(names->by_key, oldest);
        free(oldest);
        names->evicted++;
    }
    address = calloc(1, sizeof(*address));
    if (!address)
        return NULL;
    address->key = *key;
    HASH_ADD(hh, names->by_key, key, sizeof(*key), address);
    return address;
}

static void forget(struct tc_nf_named_address *address, size_t i)
{
    memmove(address->names + i, address->names + i + 1,
            (address->count - i - 1) * sizeof(address->names[0]));
    address->count--;
}

static void forget_old(struct tc_nf_named_address *address, uint64_t now_ns)
{
    for (size_t i = address->count; i--;)
        if (address->names[i].until_ns <= now_ns)
            forget(address, i);
}

const struct tc_nf_named_address *tc_nf_names_learn(struct tc_nf_names *names,
                                                    const struct tc_nf_name_key *key,
                                                    const char *text, uint32_t ttl_s,
                                                    uint64_t now_ns)
{
    struct tc_nf_named_address *address;
    struct tc_nf_name *name;

    if (strlen(text) >= TC_NF_NAME_TEXT_MAX)
        return NULL;
    address = find_or_add(names, key);
    if (!address)
        return NULL;
    forget_old(address, now_ns);
    for (size_t i = address->count; i--;)
        if (!strcmp(address->names[i].text, text))
            forget(address, i);
    if (address->count == TC_NF_NAMES_EACH_MAX)
        address->count--;
    memmove(address->names + 1, address->names, address->count * sizeof(*name));
    address->count++;
    name = address->names;
    if (ttl_s < TC_NF_TTL_MIN_S)
        ttl_s = TC_NF_TTL_MIN_S;
    if (ttl_s > TC_NF_TTL_MAX_S)
        ttl_s = TC_NF_TTL_MAX_S;
    name->until_ns = now_ns + ttl_s * NS_PER_S;
    snprintf(name->text, sizeof(name->text), "%s", text);
    names->learned++;
    return address;
}

const struct tc_nf_named_address *tc_nf_names_of(struct tc_nf_names *names,
                                                 const uint8_t address[16],
                                                 uint64_t netns, uint32_t pid,
                                                 uint64_t now_ns)
{
    const uint32_t whose[] = {pid, TC_NF_EVERYBODY};
    struct tc_nf_named_address *found;
    struct tc_nf_name_key key;

    for (size_t i = 0; i < sizeof(whose) / sizeof(whose[0]); i++) {
        memset(&key, 0, sizeof(key));
        memcpy(key.address, address, sizeof(key.address));
        key.netns = netns;
        key.who = whose[i];
        found = find(names, &key);
        if (!found)
            continue;
        forget_old(found, now_ns);
        if (found->count)
            return found;
    }
    return NULL;
}

const char *tc_nf_names_find(struct tc_nf_names *names, const uint8_t address[16],
                             uint64_t netns, uint32_t pid, uint64_t now_ns)
{
    const struct tc_nf_named_address *found =
        tc_nf_names_of(names, address, netns, pid, now_ns);

    return found ? found->names[0].text : NULL;
}
