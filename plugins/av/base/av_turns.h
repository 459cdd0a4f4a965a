/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which scan is next in the pool, and what may be scanned on the loop instead.
 * Pure: time is an argument. One thread.
 *
 * In the pool users take turns (common/fair.h). So few run at a time that the core's pool
 * always has a thread for others, and one user never has all of them; large files need a
 * buffer each, of which there are fewer still.
 */
#ifndef TC_AV_TURNS_H
#define TC_AV_TURNS_H

#include <time.h>

#include "common/fair.h"

#define TC_AV_RUNNING_MAX                                                                \
    4                   /* of the pool's threads (core/daemon/agent.c: at least 6)       \
                         */
#define TC_AV_SHARE 3   /* of one user */
#define TC_AV_BIG_MAX 2 /* large files */

struct tc_av_turn {
    struct tc_fair_item fair; /* first: an item of the lines is a turn */
    struct tc_av_turn *next_big;
    bool big;
};

struct tc_av_turns {
    struct tc_fair fair;
    struct tc_av_turn *big_first, *big_last; /* their turn has come, but no buffer */
    unsigned running, big_n;
};

void tc_av_turns_init(struct tc_av_turns *turns);

/* Has a scan wait for its turn. */
void tc_av_turns_push(struct tc_av_turns *turns, uint64_t user, struct tc_av_turn *turn,
                      bool big);

/* The next one that may run, and does from here on; NULL: none may. */
struct tc_av_turn *tc_av_turns_next(struct tc_av_turns *turns);

/* It runs no more. */
void tc_av_turns_end(struct tc_av_turns *turns, struct tc_av_turn *turn);

/* Any one that does not run yet, which is forgotten; NULL: none. */
struct tc_av_turn *tc_av_turns_drop(struct tc_av_turns *turns);

/*
 * On the loop: 5 ms in one of its turns at most, for files of all sizes; and of a size
 * (within a power of two) of which one has taken long, none for a minute. What takes
 * turns with other work, one file a turn, is not limited.
 */
#define TC_AV_INLINE_SIZES 64

struct tc_av_inline {
    uint64_t spent_ns; /* in this turn, and in some before it */
    bool waits;        /* tc_av_inline_turn is due */
    uint64_t
        suspects; /* sizes of which the last one took long, by the clock on the wall */
    uint64_t off_until_ns[TC_AV_INLINE_SIZES];
};

bool tc_av_inline_may(const struct tc_av_inline *in, uint64_t size, uint64_t now_ns);

/* What a scan of that size is to be timed by: the clock on the wall, which costs nothing
 * to read; once that made one slow, the processor's time, which costs system calls: on a
 * busy machine the rest is nobody's fault. */
clockid_t tc_av_inline_clock(const struct tc_av_inline *in, uint64_t size);

/* One has taken so long, by that clock. True: the caller has tc_av_inline_turn called
 * with the loop's next turn; what comes to little is not worth that. */
bool tc_av_inline_took(struct tc_av_inline *in, uint64_t size, uint64_t took_ns,
                       uint64_t now_ns);
void tc_av_inline_turn(struct tc_av_inline *in);

#endif
