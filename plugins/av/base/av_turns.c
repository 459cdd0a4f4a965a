/* SPDX-License-Identifier: Apache-2.0 */
#include "base/av_turns.h"

#define NS_PER_MS 1000000ull
#define INLINE_NS (5 * NS_PER_MS)
#define INLINE_LITTLE_NS (1 * NS_PER_MS)
#define INLINE_SLOW_NS (20 * NS_PER_MS)
#define INLINE_OFF_NS (60000 * NS_PER_MS)

void tc_av_turns_init(struct tc_av_turns *turns)
{
    memset(turns, 0, sizeof(*turns));
    tc_fair_init(&turns->fair, TC_AV_SHARE);
}

void tc_av_turns_push(struct tc_av_turns *turns, uint64_t user, struct tc_av_turn *turn,
                      bool big)
{
    turn->big = big;
    tc_fair_push(&turns->fair, user, &turn->fair);
}

static struct tc_av_turn *take_big(struct tc_av_turns *turns)
{
    struct tc_av_turn *turn = turns->big_first;

    turns->big_first = turn->next_big;
    if (!turns->big_first)
        turns->big_last = NULL;
    return turn;
}

/* It counts as its user's meanwhile. */
static void wait_for_buffer(struct tc_av_turns *turns, struct tc_av_turn *turn)
{
    turn->next_big = NULL;
    if (turns->big_last)
        turns->big_last->next_big = turn;
    else
        turns->big_first = turn;
    turns->big_last = turn;
}

struct tc_av_turn *tc_av_turns_next(struct tc_av_turns *turns)
{
    struct tc_av_turn *turn = NULL;

    if (turns->running >= TC_AV_RUNNING_MAX)
        return NULL;
    if (turns->big_first && turns->big_n < TC_AV_BIG_MAX)
        turn = take_big(turns);
    while (!turn) {
        turn = (struct tc_av_turn *)tc_fair_take(&turns->fair);
        if (!turn)
            return NULL;
        if (!turn->big || turns->big_n < TC_AV_BIG_MAX)
            break;
        wait_for_buffer(turns, turn);
        turn = NULL;
    }
    turns->running++;
    turns->big_n += turn->big;
    return turn;
}

void tc_av_turns_end(struct tc_av_turns *turns, struct tc_av_turn *turn)
{
    turns->running--;
    turns->big_n -= turn->big;
    tc_fair_give(&turns->fair, &turn->fair);
}

struct tc_av_turn *tc_av_turns_drop(struct tc_av_turns *turns)
{
    struct tc_av_turn *turn;

    if (!turns->big_first)
        return (struct tc_av_turn *)tc_fair_drop(&turns->fair);
    turn = take_big(turns);
    tc_fair_give(&turns->fair, &turn->fair);
    return turn;
}

static size_t size_class(uint64_t size)
{
    return size ? 63 - (size_t)__builtin_clzll(size) : 0;
}

bool tc_av_inline_may(const struct tc_av_inline *in, uint64_t size, uint64_t now_ns)
{
    return in->spent_ns < INLINE_NS && now_ns >= in->off_until_ns[size_class(size)];
}

clockid_t tc_av_inline_clock(const struct tc_av_inline *in, uint64_t size)
{
    return in->suspects >> size_class(size) & 1 ? CLOCK_THREAD_CPUTIME_ID
                                                : CLOCK_MONOTONIC;
}

bool tc_av_inline_took(struct tc_av_inline *in, uint64_t size, uint64_t took_ns,
                       uint64_t now_ns)
{
    size_t class = size_class(size);
    bool slow = took_ns > INLINE_SLOW_NS, suspect = in->suspects >> class & 1;

    in->spent_ns += took_ns;
    in->suspects &= ~(UINT64_C(1) << class);
    if (slow && suspect)
        in->off_until_ns[class] = now_ns + INLINE_OFF_NS;
    else if (slow)
        in->suspects |= UINT64_C(1) << class;
    if (in->waits || in->spent_ns < INLINE_LITTLE_NS)
        return false;
    in->waits = true;
    return true;
}

void tc_av_inline_turn(struct tc_av_inline *in)
{
    in->spent_ns = 0;
    in->waits = false;
}
