/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: topic names, their interning (a table that only grows), and patterns over them.
 * Pure; one thread at a time.
 */
#include "ipc/topic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Without it uthash ends the process. The element that was to be added is then not in. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) (no_memory = true)
#include <uthash.h>

struct entry {
    struct tc_topic topic;
    UT_hash_handle hh; /* by name */
    char name[];
};

struct tc_topics {
    struct entry *by_name;
};

/* What must never be lost: protection's own history. */
static const char *const kept[] = {"threat.*",        "alert.*",      "approval.*",
                                   "sensor.*",        "quarantine.*", "isolation.*",
                                   "network_filter.*"};

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

static struct entry *entry_new(const char *name, size_t n, uint32_t index)
{
    struct entry *entry = malloc(sizeof(*entry) + n + 1);

    if (!entry)
        return NULL;
    memcpy(entry->name, name, n);
    entry->name[n] = '\0';
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
    return calloc(1, sizeof(struct tc_topics));
}

void tc_topics_free(struct tc_topics *topics)
{
    struct entry *entry, *next;

    if (!topics)
        return;
    HASH_ITER(hh, topics->by_name, entry, next)
    {
        HASH_DEL(topics->by_name, entry);
        free(entry);
    }
    free(topics);
}

int tc_topic_intern(struct tc_topics *topics, const char *name,
                    const struct tc_topic **ret_topic)
{
    bool no_memory = false;
    struct entry *entry;
    size_t n;

    n = name ? strnlen(name, TC_TOPIC_MAX_LEN + 1) : 0;
    if (!n || n > TC_TOPIC_MAX_LEN)
        return -EINVAL;
    HASH_FIND(hh, topics->by_name, name, n, entry);
    if (!entry) {
        if (!topic_valid(name, n))
            return -EINVAL;
        if (HASH_COUNT(topics->by_name) == TC_TOPICS_MAX)
            return -ENOSPC;
        entry = entry_new(name, n, HASH_COUNT(topics->by_name));
        if (!entry)
            return -ENOMEM;
        HASH_ADD(hh, topics->by_name, name, n, entry);
    }
    if (no_memory) {
        free(entry);
        return -ENOMEM;
    }
    *ret_topic = &entry->topic;
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
