/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whose turn it is where many wait for few. Each user has a line, first in, first
 * out; lines take turns; and of one line no more than `share` items are under way at a
 * time, so that a user who brings thousands waits behind himself only. What waits is the
 * caller's: an item is a member of something of his. Bounded, allocates nothing, pure:
 * 255 users have lines of their own at a time, those beyond share one.
 *
 *     push --> waits in its line -- take --> under way -- give --> forgotten
 *     start (what need not wait) --------------^
 */
#ifndef TC_COMMON_FAIR_H
#define TC_COMMON_FAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TC_FAIR_LINES 256 /* a power of two; the first is that of the rest */

struct tc_fair_item {
    struct tc_fair_item *next;
    uint32_t line;
};

struct tc_fair_line {
    uint64_t user;
    struct tc_fair_item *first, *last;
    uint32_t waiting, taken;
    uint32_t next_same;  /* of its bucket, or of those not in use */
    uint32_t next_round; /* behind it, of those whose turn comes */
    bool in_round;
};

struct tc_fair {
    struct tc_fair_line lines[TC_FAIR_LINES];
    uint32_t buckets[TC_FAIR_LINES]; /* user -> line; 0: none */
    uint32_t unused;                 /* 0: none */
    uint32_t first, last;            /* of the round, while `lined` */
    uint32_t lined;                  /* lines in the round */
    uint32_t share;
    size_t waiting;
};

static inline void tc_fair_init(struct tc_fair *fair, uint32_t share)
{
    memset(fair, 0, sizeof(*fair));
    fair->share = share;
    for (uint32_t i = 1; i < TC_FAIR_LINES - 1; i++)
        fair->lines[i].next_same = i + 1;
    fair->unused = 1;
}

static inline uint32_t *tc_fair_bucket(struct tc_fair *fair, uint64_t user)
{
    return &fair->buckets[(user ^ user >> 8 ^ user >> 16) % TC_FAIR_LINES];
}

/* The user's line; 0 when he has none of his own. */
static inline uint32_t tc_fair_find(struct tc_fair *fair, uint64_t user)
{
    uint32_t line = *tc_fair_bucket(fair, user);

    while (line && fair->lines[line].user != user)
        line = fair->lines[line].next_same;
    return line;
}

/* The user's line, begun if need be; the rest's when there are too many. */
static inline uint32_t tc_fair_open(struct tc_fair *fair, uint64_t user)
{
    uint32_t *bucket = tc_fair_bucket(fair, user), line = tc_fair_find(fair, user);

    if (line || !fair->unused)
        return line;
    line = fair->unused;
    fair->unused = fair->lines[line].next_same;
    fair->lines[line].user = user;
    fair->lines[line].next_same = *bucket;
    *bucket = line;
    return line;
}

/* Ends a line in which nothing is left. */
static inline void tc_fair_close(struct tc_fair *fair, uint32_t line)
{
    uint32_t *at = tc_fair_bucket(fair, fair->lines[line].user);

    if (!line || fair->lines[line].waiting || fair->lines[line].taken ||
        fair->lines[line].in_round)
        return;
    while (*at != line)
        at = &fair->lines[*at].next_same;
    *at = fair->lines[line].next_same;
    fair->lines[line].next_same = fair->unused;
    fair->unused = line;
}

/* Puts a line at the end of the round, if an item of it may be taken. */
static inline void tc_fair_line_up(struct tc_fair *fair, uint32_t line)
{
    struct tc_fair_line *l = &fair->lines[line];

    if (l->in_round || !l->waiting || l->taken >= fair->share)
        return;
    l->in_round = true;
    if (fair->lined++)
        fair->lines[fair->last].next_round = line;
    else
        fair->first = line;
    fair->last = line;
}

/* What of a user waits or is under way. */
static inline uint32_t tc_fair_count(struct tc_fair *fair, uint64_t user)
{
    const struct tc_fair_line *line = &fair->lines[tc_fair_find(fair, user)];

    return line->waiting + line->taken;
}

/* The same of the user of an item that waits or is under way. */
static inline uint32_t tc_fair_count_of(const struct tc_fair *fair,
                                        const struct tc_fair_item *item)
{
    return fair->lines[item->line].waiting + fair->lines[item->line].taken;
}

/* Has an item wait at the end of the user's line. */
static inline void tc_fair_push(struct tc_fair *fair, uint64_t user,
                                struct tc_fair_item *item)
{
    struct tc_fair_line *line;

    item->line = tc_fair_open(fair, user);
    item->next = NULL;
    line = &fair->lines[item->line];
    if (line->waiting++)
        line->last->next = item;
    else
        line->first = item;
    line->last = item;
    fair->waiting++;
    tc_fair_line_up(fair, item->line);
}

/* Counts an item as under way that did not wait, whatever the share. */
static inline void tc_fair_start(struct tc_fair *fair, uint64_t user,
                                 struct tc_fair_item *item)
{
    item->line = tc_fair_open(fair, user);
    item->next = NULL;
    fair->lines[item->line].taken++;
}

/* The item whose turn it is: it is under way until tc_fair_give. NULL: none may be. */
static inline struct tc_fair_item *tc_fair_take(struct tc_fair *fair)
{
    struct tc_fair_item *item;
    struct tc_fair_line *l;
    uint32_t line;

    while (fair->lined) {
        line = fair->first;
        l = &fair->lines[line];
        fair->first = l->next_round;
        fair->lined--;
        l->in_round = false;
        if (!l->waiting || l->taken >= fair->share) { /* dropped, started meanwhile */
            tc_fair_close(fair, line);
            continue;
        }
        item = l->first;
        l->first = item->next;
        l->waiting--;
        l->taken++;
        fair->waiting--;
        tc_fair_line_up(fair, line);
        return item;
    }
    return NULL;
}

/* An item that was under way is no more. True when another may be taken for it. */
static inline bool tc_fair_give(struct tc_fair *fair, struct tc_fair_item *item)
{
    struct tc_fair_line *line = &fair->lines[item->line];

    line->taken--;
    tc_fair_line_up(fair, item->line);
    tc_fair_close(fair, item->line);
    return fair->lined > 0;
}

/* Any item that waits, whatever the share: it is forgotten. NULL: none waits. */
static inline struct tc_fair_item *tc_fair_drop(struct tc_fair *fair)
{
    for (uint32_t i = 0; fair->waiting && i < TC_FAIR_LINES; i++) {
        struct tc_fair_line *line = &fair->lines[i];
        struct tc_fair_item *item = line->first;

        if (!line->waiting)
            continue;
        line->first = item->next;
        line->waiting--;
        fair->waiting--;
        return item;
    }
    return NULL;
}

#endif
