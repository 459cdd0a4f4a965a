/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see correlate.h. A group is what one correlation remembers for one combination of
 * group-by values. It holds only what its type needs: of values each once with its last
 * time, of a temporal correlation the last time of each rule.
 */
#include "sigma/match/correlate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"

#define BUCKETS 4096

struct entry {
    uint64_t time_ns;
    union {
        uint64_t hash;
        double number;
    };
};

struct group {
    struct group *next;          /* of its bucket */
    struct group *older, *newer; /* by last use */
    const struct tc_correlation *correlation;
    char *key;
    size_t key_len;
    uint64_t newest_ns;
    uint64_t event; /* number of the last one that was counted */
    size_t bytes;

    struct entry *entries; /* in order of time, from `first` on */
    size_t first, count, room;

    /*
     * TEMPORAL: the last time of each rule. TEMPORAL_ORDERED: at [position * rules + n],
     * of the sequences of n + 1 rules that end with this one, the start of that which
     * started last. 0: none. One more than the time, so that 0 is free.
     */
    uint64_t *times;
};

struct tc_correlation_state {
    struct group *buckets[BUCKETS];
    struct group *oldest, *newest;
    size_t groups, bytes;
    uint64_t evicted;
};

int tc_correlation_state_new(const struct tc_sigma_set *set,
                             struct tc_correlation_state **ret_state)
{
    if (!set->correlation_count)
        return 0;
    *ret_state = calloc(1, sizeof(**ret_state));
    return *ret_state ? 0 : -ENOMEM;
}

static void free_group(struct group *group)
{
    free(group->key);
    free(group->entries);
    free(group->times);
    free(group);
}

void tc_correlation_state_free(struct tc_correlation_state *state)
{
    struct group *older;

    if (!state)
        return;
    for (struct group *group = state->newest; group; group = older) {
        older = group->older;
        free_group(group);
    }
    free(state);
}

uint64_t tc_correlation_evicted(const struct tc_correlation_state *state)
{
    return state ? state->evicted : 0;
}

/* ---- Groups ---- */

static struct group **bucket_of(struct tc_correlation_state *state,
                                const struct tc_correlation *c, const char *key,
                                size_t len)
{
    uint64_t hash = tc_hash(TC_HASH_START ^ c->rule, key, len);

    return &state->buckets[hash % BUCKETS];
}

static void unlink_use(struct tc_correlation_state *state, struct group *group)
{
    *(group->older ? &group->older->newer : &state->oldest) = group->newer;
    *(group->newer ? &group->newer->older : &state->newest) = group->older;
}

static void link_use(struct tc_correlation_state *state, struct group *group)
{
    group->older = state->newest;
    group->newer = NULL;
    *(state->newest ? &state->newest->newer : &state->oldest) = group;
    state->newest = group;
}

static void evict_oldest(struct tc_correlation_state *state)
{
    struct group *group = state->oldest, **at;

    at = bucket_of(state, group->correlation, group->key, group->key_len);
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    unlink_use(state, group);
    state->groups--;
    state->bytes -= group->bytes;
    state->evicted++;
    free_group(group);
}

/* Makes room, at the cost of groups that were not used for longest. */
static void make_room(struct tc_correlation_state *state, const struct group *keep)
{
    while (state->oldest && state->oldest != keep &&
           (state->groups > TC_CORRELATION_GROUPS_MAX ||
            state->bytes > TC_CORRELATION_BYTES_MAX))
        evict_oldest(state);
}

static struct group *new_group(struct tc_correlation_state *state,
                               const struct tc_correlation *c, const char *key,
                               size_t len)
{
    struct group *group = calloc(1, sizeof(*group));
    size_t times = c->type == TC_CORRELATION_TEMPORAL ? c->rule_count
                   : c->type == TC_CORRELATION_TEMPORAL_ORDERED
                       ? c->rule_count * c->rule_count
                       : 0;

    if (!group)
        return NULL;
    group->key = malloc(len + 1);
    group->times = times ? calloc(times, sizeof(*group->times)) : NULL;
    if (!group->key || (times && !group->times)) {
        free_group(group);
        return NULL;
    }
    memcpy(group->key, key, len);
    group->key_len = len;
    group->correlation = c;
    group->bytes = sizeof(*group) + len + times * sizeof(*group->times);
    state->bytes += group->bytes;
    state->groups++;
    return group;
}

static struct group *find_group(struct tc_correlation_state *state,
                                const struct tc_correlation *c, const char *key,
                                size_t len)
{
    struct group **bucket = bucket_of(state, c, key, len), *group = *bucket;

    while (group && (group->correlation != c || group->key_len != len ||
                     memcmp(group->key, key, len) != 0))
        group = group->next;
    if (group) {
        unlink_use(state, group);
    } else {
        group = new_group(state, c, key, len);
        if (!group)
            return NULL;
        group->next = *bucket;
        *bucket = group;
    }
    link_use(state, group);
    make_room(state, group);
    return group;
}

/* ---- Entries ---- */

static void forget_first(struct group *group)
{
    group->first++;
    group->count--;
}

static void expire(struct group *group, uint64_t timespan_ns)
{
    while (group->count &&
           group->entries[group->first].time_ns + timespan_ns < group->newest_ns)
        forget_first(group);
}

static int grow(struct tc_correlation_state *state, struct group *group)
{
    size_t room = group->room ? 2 * group->room : 8;
    struct entry *grown;

    if (group->first) {
        memmove(group->entries, group->entries + group->first,
                group->count * sizeof(*group->entries));
        group->first = 0;
    }
    if (group->count < group->room / 2)
        return 0;
    grown = reallocarray(group->entries, room, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    group->entries = grown;
    group->bytes += (room - group->room) * sizeof(*grown);
    state->bytes += (room - group->room) * sizeof(*grown);
    group->room = room;
    make_room(state, group);
    return 0;
}

static int insert(struct tc_correlation_state *state, struct group *group,
                  struct entry entry)
{
    struct entry *at;

    if (group->count == TC_CORRELATION_ENTRIES_MAX) {
        forget_first(group);
        state->evicted++;
    }
    if (group->first + group->count == group->room && grow(state, group) < 0)
        return -ENOMEM;
    at = group->entries + group->first + group->count;
    for (; at > group->entries + group->first && at[-1].time_ns > entry.time_ns; at--)
        *at = at[-1];
    *at = entry;
    group->count++;
    return 0;
}

/* A value that is there already counts by its last time. */
static void remove_hash(struct group *group, uint64_t hash)
{
    size_t i = group->first, end = group->first + group->count;

    while (i < end && group->entries[i].hash != hash)
        i++;
    if (i == end)
        return;
    memmove(&group->entries[i], &group->entries[i + 1],
            (end - i - 1) * sizeof(*group->entries));
    group->count--;
}

/* ---- What is counted ---- */

static bool holds(const struct tc_bound *bound, double n)
{
    switch (bound->compare) {
    case TC_COMPARE_EQ:
        return !(n < bound->number) && !(n > bound->number);
    case TC_COMPARE_NEQ:
        return n < bound->number || n > bound->number;
    case TC_COMPARE_LT:
        return n < bound->number;
    case TC_COMPARE_LTE:
        return n <= bound->number;
    case TC_COMPARE_GT:
        return n > bound->number;
    case TC_COMPARE_GTE:
        return n >= bound->number;
    }
    return false;
}

static bool all_hold(const struct tc_correlation *c, double n)
{
    for (size_t i = 0; i < c->bound_count; i++)
        if (!holds(&c->bounds[i], n))
            return false;
    return true;
}

static bool in_time(const struct group *group, uint64_t time_plus_one)
{
    return time_plus_one &&
           time_plus_one - 1 + group->correlation->timespan_ns >= group->newest_ns;
}

static size_t count_rules(struct group *group, uint32_t position, uint64_t time_ns)
{
    size_t n = 0;

    if (time_ns >= group->times[position])
        group->times[position] = time_ns + 1;
    for (size_t i = 0; i < group->correlation->rule_count; i++)
        n += in_time(group, group->times[i]);
    return n;
}

/* The longest sequence, in the order of the rules, that ends with this event. */
static size_t count_sequence(struct group *group, uint32_t position, uint64_t time_ns)
{
    size_t rules = group->correlation->rule_count, longest = 1;
    uint64_t *ends = group->times + position * rules, start;

    for (size_t n = 1; n <= position; n++) {
        start = 0;
        for (size_t before = 0; before < position; before++)
            if (group->times[before * rules + n - 1] > start)
                start = group->times[before * rules + n - 1];
        if (start > ends[n])
            ends[n] = start;
        if (in_time(group, ends[n]))
            longest = n + 1;
    }
    if (time_ns >= ends[0])
        ends[0] = time_ns + 1;
    return longest;
}

static double sum_of(const struct group *group)
{
    double sum = 0;

    for (size_t i = 0; i < group->count; i++)
        sum += group->entries[group->first + i].number;
    return sum;
}

/* The value that is counted; false: the event has none. */
static bool value_of(const struct tc_correlation *c, uint32_t position,
                     const struct tc_correlated *event, struct entry *entry)
{
    char copy[64], *end;
    struct tocsin_str text;

    entry->hash = TC_HASH_START;
    for (size_t i = 0; i < c->value_count; i++) {
        text = event->field(event->arg, c->values[position * c->value_count + i]);
        if (!text.ptr)
            return false;
        entry->hash = tc_hash(entry->hash, &text.len, sizeof(text.len));
        entry->hash = tc_hash(entry->hash, text.ptr, text.len);
    }
    if (c->type < TC_CORRELATION_VALUE_SUM)
        return true;
    if (!text.len || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (copy[strspn(copy, "0123456789+-.eE")])
        return false;
    entry->number = strtod(copy, &end);
    return !*end;
}

/* An event that several rules match counts once, unless it is by different values. */
static bool counts_again(const struct group *group, uint64_t number)
{
    return group->event != number ||
           group->correlation->type == TC_CORRELATION_VALUE_COUNT;
}

static double number_of(const struct group *group)
{
    if (group->correlation->type == TC_CORRELATION_VALUE_SUM)
        return sum_of(group);
    if (group->correlation->type == TC_CORRELATION_VALUE_AVG && group->count)
        return sum_of(group) / (double)group->count;
    return (double)group->count;
}

static bool feed_group(struct tc_correlation_state *state, struct group *group,
                       uint32_t position, struct entry entry, uint64_t number,
                       uint64_t *ret_count)
{
    const struct tc_correlation *c = group->correlation;

    if (entry.time_ns > group->newest_ns)
        group->newest_ns = entry.time_ns;
    if (entry.time_ns + c->timespan_ns < group->newest_ns)
        return false; /* it comes too late to change anything */
    if (tc_correlation_is_temporal(c)) {
        *ret_count = c->type == TC_CORRELATION_TEMPORAL
                         ? count_rules(group, position, entry.time_ns)
                         : count_sequence(group, position, entry.time_ns);
        return all_hold(c, (double)*ret_count);
    }
    if (!counts_again(group, number))
        return false;
    group->event = number;
    if (c->type == TC_CORRELATION_VALUE_COUNT)
        remove_hash(group, entry.hash);
    if (insert(state, group, entry) < 0)
        return false;
    expire(group, c->timespan_ns);
    *ret_count = group->count;
    return all_hold(c, number_of(group));
}

/* The group's values, each behind its length; for free(). NULL: the event lacks one. */
static char *key_of(const struct tc_correlation *c, uint32_t position,
                    const struct tc_correlated *event, size_t *ret_len)
{
    const uint32_t *fields = c->groups + position * c->group_count;
    size_t len = 0;
    char *key, *to;

    for (size_t i = 0; i < c->group_count; i++) {
        if (!event->field(event->arg, fields[i]).ptr)
            return NULL;
        len += sizeof(size_t) + event->field(event->arg, fields[i]).len;
    }
    key = to = malloc(len + 1);
    for (size_t i = 0; key && i < c->group_count; i++) {
        struct tocsin_str text = event->field(event->arg, fields[i]);

        memcpy(to, &text.len, sizeof(text.len));
        memcpy(to + sizeof(text.len), text.ptr, text.len);
        to += sizeof(text.len) + text.len;
    }
    *ret_len = len;
    return key;
}

bool tc_correlation_feed(struct tc_correlation_state *state,
                         const struct tc_correlation *c, uint32_t position,
                         const struct tc_correlated *event, uint64_t *ret_count)
{
    struct entry entry = {.time_ns = event->time_ns};
    struct group *group;
    bool matches = false;
    size_t len;
    char *key;

    if (c->value_count && !value_of(c, position, event, &entry))
        return false;
    key = key_of(c, position, event, &len);
    group = key ? find_group(state, c, key, len) : NULL;
    if (group)
        matches = feed_group(state, group, position, entry, event->number, ret_count);
    free(key);
    return matches;
}
