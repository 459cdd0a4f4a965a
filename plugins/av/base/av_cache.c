/* SPDX-License-Identifier: Apache-2.0 */
#include "base/av_cache.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define FIRST_SIZE 256

/* Entries are named by their index; an inode has one, of its latest state. */
struct entry {
    struct tc_av_key key;
    uint64_t event;
    char *reason;
    uint32_t chain;        /* the next of the same bucket */
    uint32_t newer, older; /* in order of use */
};

struct tc_av_cache {
    struct entry *entries;
    uint32_t *buckets; /* as many as entries fit */
    uint32_t count, size, max;
    uint32_t newest, oldest;
    struct tc_av_cache_counters counters;
};

static uint32_t *bucket(struct tc_av_cache *cache, const struct tc_av_key *key)
{
    uint64_t h =
        (key->ino ^ key->dev << 40) * 0x9e3779b97f4a7c15u; /* Fibonacci hashing */

    return &cache->buckets[(h >> 32) & (cache->size - 1)];
}

static void use_unlink(struct tc_av_cache *cache, uint32_t i)
{
    struct entry *e = &cache->entries[i];

    *(e->newer == NONE ? &cache->newest : &cache->entries[e->newer].older) = e->older;
    *(e->older == NONE ? &cache->oldest : &cache->entries[e->older].newer) = e->newer;
}

static void use_link(struct tc_av_cache *cache, uint32_t i)
{
    struct entry *e = &cache->entries[i];

    e->newer = NONE;
    e->older = cache->newest;
    *(cache->newest == NONE ? &cache->oldest : &cache->entries[cache->newest].newer) = i;
    cache->newest = i;
}

static void chain_link(struct tc_av_cache *cache, uint32_t i)
{
    uint32_t *head = bucket(cache, &cache->entries[i].key);

    cache->entries[i].chain = *head;
    *head = i;
}

static void chain_unlink(struct tc_av_cache *cache, uint32_t i)
{
    uint32_t *at = bucket(cache, &cache->entries[i].key);

    while (*at != i)
        at = &cache->entries[*at].chain;
    *at = cache->entries[i].chain;
}

static bool resize(struct tc_av_cache *cache, uint32_t size)
{
    struct entry *entries = realloc(cache->entries, size * sizeof(*entries));
    uint32_t *buckets;

    if (!entries)
        return false;
    cache->entries = entries;
    buckets = realloc(cache->buckets, size * sizeof(*buckets));
    if (!buckets)
        return false;
    cache->buckets = buckets;
    cache->size = size;
    memset(buckets, 0xff, size * sizeof(*buckets));
    for (uint32_t i = 0; i < cache->count; i++)
        chain_link(cache, i);
    return true;
}

struct tc_av_cache *tc_av_cache_new(size_t max)
{
    struct tc_av_cache *cache = calloc(1, sizeof(*cache));
    uint32_t size = 1;

    if (!cache)
        return NULL;
    cache->max = max && max < TC_AV_CACHE_MAX ? (uint32_t)max : TC_AV_CACHE_MAX;
    cache->newest = cache->oldest = NONE;
    while (size < cache->max && size < FIRST_SIZE)
        size *= 2;
    if (!resize(cache, size)) {
        tc_av_cache_free(cache);
        return NULL;
    }
    return cache;
}

void tc_av_cache_free(struct tc_av_cache *cache)
{
    if (!cache)
        return;
    tc_av_cache_reset(cache);
    free(cache->entries);
    free(cache->buckets);
    free(cache);
}

static uint32_t find(struct tc_av_cache *cache, const struct tc_av_key *key)
{
    uint32_t i = *bucket(cache, key);

    while (i != NONE && (cache->entries[i].key.ino != key->ino ||
                         cache->entries[i].key.dev != key->dev))
        i = cache->entries[i].chain;
    return i;
}

bool tc_av_cache_find(struct tc_av_cache *cache, const struct tc_av_key *key,
                      uint64_t since, const char **ret_reason)
{
    uint32_t i = find(cache, key);

    if (i == NONE || !tc_av_key_same(&cache->entries[i].key, key) ||
        cache->entries[i].event < since) {
        cache->counters.misses++;
        return false;
    }
    cache->counters.hits++;
    use_unlink(cache, i);
    use_link(cache, i);
    *ret_reason = cache->entries[i].reason;
    return true;
}

/* A place for a new entry: the inode's own, a free one, or that of the longest unused. */
static uint32_t place(struct tc_av_cache *cache, const struct tc_av_key *key)
{
    uint32_t i = find(cache, key);

    if (i == NONE && cache->count < cache->max &&
        (cache->count < cache->size || resize(cache, cache->size * 2)))
        return cache->count++;
    if (i == NONE) {
        i = cache->oldest;
        cache->counters.evicted++;
    }
    use_unlink(cache, i);
    chain_unlink(cache, i);
    free(cache->entries[i].reason);
    return i;
}

void tc_av_cache_put(struct tc_av_cache *cache, const struct tc_av_key *key,
                     uint64_t event, const char *reason)
{
    char *copy = reason ? strndup(reason, TC_AV_CACHE_REASON - 1) : NULL;
    uint32_t i;

    if (reason && !copy)
        return;
    i = place(cache, key);
    cache->entries[i].key = *key;
    cache->entries[i].event = event;
    cache->entries[i].reason = copy;
    chain_link(cache, i);
    use_link(cache, i);
}

void tc_av_cache_reset(struct tc_av_cache *cache)
{
    for (uint32_t i = 0; i < cache->count; i++)
        free(cache->entries[i].reason);
    cache->count = 0;
    cache->newest = cache->oldest = NONE;
    if (cache->buckets)
        memset(cache->buckets, 0xff, cache->size * sizeof(*cache->buckets));
}

void tc_av_cache_counters(const struct tc_av_cache *cache,
                          struct tc_av_cache_counters *ret)
{
    *ret = cache->counters;
    ret->entries = cache->count;
}
