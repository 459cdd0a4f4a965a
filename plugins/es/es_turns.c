/* SPDX-License-Identifier: Apache-2.0 */
#include "es_turns.h"

#include <errno.h>
#include <stdlib.h>

/* While less than a quarter of the places is free, who has a quarter gets no more. */
#define PART 4

int tc_es_turns_init(struct tc_es_turns *turns, uint32_t questions)
{
    uint32_t closes = questions / 2 + 1;

    turns->turns = calloc((size_t)questions + closes, sizeof(*turns->turns));
    if (!turns->turns)
        return -ENOMEM;
    tc_fair_init(&turns->fair, TC_ES_TURNS_SHARE);
    turns->questions = questions;
    turns->closes = closes;
    turns->questions_n = turns->closes_n = 0;
    turns->free = questions;
    for (uint32_t i = questions; i < questions + closes; i++)
        turns->turns[i].next_free = i + 1;
    return 0;
}

void tc_es_turns_done(struct tc_es_turns *turns)
{
    free(turns->turns);
    turns->turns = NULL;
}

static bool has_room(struct tc_es_turns *turns, uint64_t user, uint32_t used,
                     uint32_t places)
{
    return used < places && (used < places - places / PART ||
                             tc_fair_count(&turns->fair, user) < places / PART);
}

static bool is_question(const struct tc_es_turns *turns, const struct tc_es_turn *turn)
{
    return turn < turns->turns + turns->questions;
}

bool tc_es_turns_push(struct tc_es_turns *turns, uint64_t user,
                      const struct tc_es_item *item)
{
    struct tc_es_turn *turn;

    if (item->slot != TC_ES_NO_SLOT) {
        if (!has_room(turns, user, turns->questions_n, turns->questions))
            return false;
        turn = &turns->turns[item->slot];
        turns->questions_n++;
    } else {
        if (!has_room(turns, user, turns->closes_n, turns->closes))
            return false;
        turn = &turns->turns[turns->free];
        turns->free = turn->next_free;
        turns->closes_n++;
    }
    turn->item = *item;
    turn->under_way = false;
    tc_fair_push(&turns->fair, user, &turn->fair);
    return true;
}

/* A closed file leaves its place. */
static void free_place(struct tc_es_turns *turns, struct tc_es_turn *turn)
{
    turn->next_free = turns->free;
    turns->free = (uint32_t)(turn - turns->turns);
    turns->closes_n--;
}

bool tc_es_turns_next(struct tc_es_turns *turns, struct tc_es_item *ret_item)
{
    struct tc_es_turn *turn = (struct tc_es_turn *)tc_fair_take(&turns->fair);

    if (!turn)
        return false;
    *ret_item = turn->item;
    if (is_question(turns, turn)) {
        turn->under_way = true;
    } else {
        tc_fair_give(&turns->fair, &turn->fair);
        free_place(turns, turn);
    }
    return true;
}

void tc_es_turns_start(struct tc_es_turns *turns, uint64_t user, uint32_t slot)
{
    struct tc_es_turn *turn = &turns->turns[slot];

    if (turn->under_way)
        return;
    turn->under_way = true;
    turns->questions_n++;
    tc_fair_start(&turns->fair, user, &turn->fair);
}

bool tc_es_turns_end(struct tc_es_turns *turns, uint32_t slot)
{
    struct tc_es_turn *turn = &turns->turns[slot];

    if (!turn->under_way)
        return false;
    turn->under_way = false;
    turns->questions_n--;
    return tc_fair_give(&turns->fair, &turn->fair);
}

uint32_t tc_es_turns_count(const struct tc_es_turns *turns, uint32_t slot)
{
    const struct tc_es_turn *turn = &turns->turns[slot];

    return turn->under_way ? tc_fair_count_of(&turns->fair, &turn->fair) : 0;
}

bool tc_es_turns_drop(struct tc_es_turns *turns, struct tc_es_item *ret_item)
{
    struct tc_es_turn *turn = (struct tc_es_turn *)tc_fair_drop(&turns->fair);

    if (!turn)
        return false;
    *ret_item = turn->item;
    if (is_question(turns, turn))
        turns->questions_n--;
    else
        free_place(turns, turn);
    return true;
}
