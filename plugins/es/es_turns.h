/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the permission group has brought and whose turn has not come, a line for
 * each user (common/fair.h). Bounded: a place for each question that the gate keeps, half
 * as many for files that were closed; when they run short, users that hold many get no
 * more. Must not: answer, or close a descriptor. Loop thread.
 */
#ifndef TC_ES_TURNS_H
#define TC_ES_TURNS_H

#include "common/fair.h"
#include "es_ring.h"

#define TC_ES_TURNS_SHARE 32 /* questions of one user that may be published at a time */

struct tc_es_turn {
    struct tc_fair_item fair; /* first: an item of the lines is a turn */
    struct tc_es_item item;
    uint32_t next_free; /* of the places for closed files */
    bool under_way;     /* its turn has come, and it is not over */
};

struct tc_es_turns {
    struct tc_fair fair;
    struct tc_es_turn *turns;   /* of questions by slot, then of closed files */
    uint32_t questions, closes; /* places */
    uint32_t questions_n;       /* questions that wait or are under way */
    uint32_t closes_n, free;    /* closed files that wait; the first place that is free */
};

/* Errors: -ENOMEM. done: what waits is forgotten. */
int tc_es_turns_init(struct tc_es_turns *turns, uint32_t questions);
void tc_es_turns_done(struct tc_es_turns *turns);

/* Has an item wait. False: there is no room for more of this user. */
bool tc_es_turns_push(struct tc_es_turns *turns, uint64_t user,
                      const struct tc_es_item *item);

/* The next item; a question is under way until its end, a closed file no more. */
bool tc_es_turns_next(struct tc_es_turns *turns, struct tc_es_item *ret_item);

/* Counts a question as under way whose turn it was without waiting. */
void tc_es_turns_start(struct tc_es_turns *turns, uint64_t user, uint32_t slot);

/* A question's turn is over, if it had one. True: another item may be next for it. */
bool tc_es_turns_end(struct tc_es_turns *turns, uint32_t slot);

/* Items of the user of a question that is under way; 0: it is not. */
uint32_t tc_es_turns_count(const struct tc_es_turns *turns, uint32_t slot);

/* Any item that waits, which is forgotten. False: none does. */
bool tc_es_turns_drop(struct tc_es_turns *turns, struct tc_es_item *ret_item);

#endif
