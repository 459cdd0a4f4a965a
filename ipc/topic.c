/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: topic names, their interning (an open-addressing hash table that only grows), and
 * patterns over them. Pure; one thread at a time.
 */
#include "ipc/topic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

#define TOPICS_SLOTS_MIN 64 /* a power of two, as every size of the table */

struct entry {
    struct tc_topic topic;
    uint32_t hash;
    char name[];
};

struct tc_topics {
    struct entry **slots; /* at most three quarters full, so that a search ends */
    size_t size;
    uint32_t count;
};

/* What must never be lost: protection's own history (design.md 5). */
static const char *const kept[] = {"threat.*", "alert.*", "approval.*", "sensor.*",
                                   "quarantine.*"};

/* True for n bytes that are lower-case words joined by dots. */
static bool topic_valid(const char *name, size_t n)
{
    char before = '.';

    if (!n || n > TC_TOPIC_MAX_LEN)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        if (c == '.' && before == '.')
            return false;
        if (c != '.' && c != '_' && c != '-' && !(c >= 'a' && c <= 'z') &&
            !(c >= '0' && c <= '9'))
            return false;
        before = c;
    }
    return before != '.';
}

/* The entry of that name, or the empty slot where it belongs. */
static struct entry **topics_slot(const struct tc_topics *topics, const char *name,
                                  uint32_t hash)
{
    size_t i = hash & (topics->size - 1);
    struct entry *entry;

    while ((entry = topics->slots[i]) != NULL) {
        if (entry->hash == hash && !strcmp(entry->name, name))
            break;
        i = (i + 1) & (topics->size - 1);
    }
    return &topics->slots[i];
}

static int topics_grow(struct tc_topics *topics)
{
    struct tc_topics grown = {.size = topics->size * 2, .count = topics->count};

    grown.slots = calloc(grown.size, sizeof(*grown.slots));
    if (!grown.slots)
        return -ENOMEM;
    for (size_t i = 0; i < topics->size; i++) {
        struct entry *entry = topics->slots[i];

        if (entry)
            *topics_slot(&grown, entry->name, entry->hash) = entry;
    }
    free(topics->slots);
    *topics = grown;
    return 0;
}

static struct entry *entry_new(const char *name, size_t n, uint32_t hash, uint32_t index)
{
    struct entry *entry = malloc(sizeof(*entry) + n + 1);

    if (!entry)
        return NULL;
    memcpy(entry->name, name, n);
    entry->name[n] = '\0';
    entry->hash = hash;
    entry->topic.name = entry->name;
    entry->topic.index = index;
    entry->topic.keep = false;
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
        if (tc_topic_match(kept[i], entry->name))
            entry->topic.keep = true;
    return entry;
}

struct tc_topics *tc_topics_new(void)
{
    struct tc_topics *topics = calloc(1, sizeof(*topics));

    if (!topics)
        return NULL;
    topics->size = TOPICS_SLOTS_MIN;
    topics->slots = calloc(topics->size, sizeof(*topics->slots));
    if (!topics->slots) {
        free(topics);
        return NULL;
    }
    return topics;
}

void tc_topics_free(struct tc_topics *topics)
{
    if (!topics)
        return;
    for (size_t i = 0; i < topics->size; i++)
        free(topics->slots[i]);
    free(topics->slots);
    free(topics);
}

int tc_topic_intern(struct tc_topics *topics, const char *name,
                    const struct tc_topic **ret_topic)
{
    struct entry **slot;
    uint32_t hash;
    size_t n;
    int r;

    if (!name)
        return -EINVAL;
    n = strnlen(name, TC_TOPIC_MAX_LEN + 1);
    if (n > TC_TOPIC_MAX_LEN)
        return -EINVAL;
    /* Names are short, and TC_TOPICS_MAX bounds what crafted collisions can cost. */
    hash = (uint32_t)tc_hash(TC_HASH_START, name, n);
    slot = topics_slot(topics, name, hash);
    if (*slot) {
        *ret_topic = &(*slot)->topic;
        return 0;
    }
    if (!topic_valid(name, n))
        return -EINVAL;
    if (topics->count == TC_TOPICS_MAX)
        return -ENOSPC;
    if (topics->count >= topics->size / 4 * 3) {
        r = topics_grow(topics);
        if (r < 0)
            return r;
        slot = topics_slot(topics, name, hash);
    }
    *slot = entry_new(name, n, hash, topics->count);
    if (!*slot)
        return -ENOMEM;
    topics->count++;
    *ret_topic = &(*slot)->topic;
    return 0;
}

bool tc_topic_pattern_valid(const char *pattern)
{
    size_t n = strlen(pattern);

    if (!strcmp(pattern, "*"))
        return true;
    if (n > 2 && !strcmp(pattern + n - 2, ".*"))
        n -= 2;
    return topic_valid(pattern, n);
}

bool tc_topic_match(const char *pattern, const char *name)
{
    size_t n = strlen(pattern);

    if (!strcmp(pattern, "*"))
        return true;
    if (n > 2 && !strcmp(pattern + n - 2, ".*"))
        return !strncmp(pattern, name, n - 1) && strlen(name) >= n;
    return !strcmp(pattern, name);
}
