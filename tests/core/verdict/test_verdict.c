/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/verdict/verdict.h"

#define SECOND 1000000000ull
#define AV 1u
#define EDR 2u

struct outcome {
    unsigned count;
    struct tc_verdict_final last;
    char reason[TC_VERDICT_REASON_MAX + 1];
    struct tc_verdict *open_again; /* the callback opens one more case there */
};

static void closed(void *arg, const struct tc_verdict_final *final)
{
    struct outcome *o = arg;
    struct tc_verdict *again = o->open_again;

    o->count++;
    o->last = *final;
    strcpy(o->reason, final->reason);
    o->open_again = NULL;
    if (again)
        tc_verdict_open(again, final->id + 1000, AV, 0, final->closed_ns,
                        final->closed_ns + 10 * SECOND, NULL);
}

static int setup(void **state)
{
    static struct outcome o;

    memset(&o, 0, sizeof(o));
    *state = &o;
    return 0;
}

static bool allow(struct tc_verdict *v, uint64_t id, uint64_t voter, uint64_t now)
{
    return tc_verdict_vote(v, id, voter, true, true, NULL, 0, now);
}

static void verdict_allows_once_every_voter_has(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);

    tc_verdict_open(v, 7, AV | EDR, 0, 0, 10 * SECOND, NULL);
    assert_true(allow(v, 7, AV, 1));
    assert_int_equal(o->count, 0);
    assert_true(allow(v, 7, EDR, 2));
    assert_int_equal(o->count, 1);
    assert_true(o->last.allow && o->last.cacheable);
    assert_int_equal(o->last.why, TC_VERDICT_ALL_ALLOWED);
    assert_int_equal(o->last.id, 7);
    tc_verdict_free(v);
    assert_int_equal(o->count, 1);
}

static void verdict_first_deny_wins_and_keeps_its_reason(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);

    tc_verdict_open(v, 7, AV | EDR, 0, 0, 10 * SECOND, NULL);
    assert_true(tc_verdict_vote(v, 7, EDR, false, false, "eicar in x", 5, 1));
    assert_int_equal(o->count, 1);
    assert_false(o->last.allow);
    assert_int_equal(o->last.denied_by, EDR);
    assert_int_equal(o->last.missing, AV);
    assert_string_equal(o->reason, "eicar");
    /* The other voter's answer comes too late, and changes nothing. */
    assert_false(allow(v, 7, AV, 2));
    assert_int_equal(o->count, 1);
    tc_verdict_free(v);
}

static void verdict_one_uncacheable_voice_makes_it_so(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);

    tc_verdict_open(v, 1, AV | EDR, 0, 0, 10 * SECOND, NULL);
    tc_verdict_vote(v, 1, AV, true, false, NULL, 0, 1);
    allow(v, 1, EDR, 1);
    assert_true(o->last.allow);
    assert_false(o->last.cacheable);
    tc_verdict_free(v);
}

static void verdict_without_voters_allows_at_once(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(false, closed, o);

    tc_verdict_open(v, 1, 0, 0, 5, 10 * SECOND, NULL);
    assert_int_equal(o->count, 1);
    assert_true(o->last.allow);
    assert_false(o->last.cacheable); /* somebody may vote on it later */
    assert_int_equal(tc_verdict_next_ns(v), UINT64_MAX);
    tc_verdict_free(v);
}

static void verdict_a_second_vote_of_one_voter_does_not_count(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);
    struct tc_verdict_counters counters;

    tc_verdict_open(v, 1, AV | EDR, 0, 0, 10 * SECOND, NULL);
    assert_true(allow(v, 1, AV, 1));
    assert_false(allow(v, 1, AV, 1));
    assert_false(allow(v, 2, AV, 1));
    assert_int_equal(o->count, 0);
    tc_verdict_counters(v, &counters);
    assert_int_equal(counters.late, 2);
    assert_int_equal(counters.open, 1);
    tc_verdict_free(v);
}

static void verdict_default_answers_when_the_budget_ends(void **state)
{
    struct outcome *o = *state;

    for (int on_timeout = 0; on_timeout < 2; on_timeout++) {
        struct tc_verdict *v = tc_verdict_new(on_timeout, closed, o);

        memset(o, 0, sizeof(*o));
        tc_verdict_open(v, 1, AV | EDR, 0, 0, 10 * SECOND, NULL);
        allow(v, 1, AV, 1);
        assert_int_equal(tc_verdict_next_ns(v), 8 * SECOND);
        tc_verdict_expire(v, 8 * SECOND - 1);
        assert_int_equal(o->count, 0);
        tc_verdict_expire(v, 8 * SECOND);
        assert_int_equal(o->count, 1);
        assert_int_equal(o->last.allow, on_timeout);
        assert_false(o->last.cacheable);
        assert_int_equal(o->last.missing, EDR);
        assert_int_equal(o->last.why, TC_VERDICT_TIMEOUT);
        tc_verdict_free(v);
    }
}

static void verdict_budget_keeps_headroom_within_bounds(void **state)
{
    static const struct {
        uint64_t left, budget;
    } table[] = {
        {10 * SECOND, 8 * SECOND},  {60 * SECOND, 55 * SECOND}, {3 * SECOND, 2 * SECOND},
        {2 * SECOND, 1 * SECOND},   {SECOND, SECOND * 4 / 5},   {0, 0},
        {25 * SECOND, 20 * SECOND},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_int_equal(tc_verdict_budget_end(100, 100 + table[i].left),
                         100 + table[i].budget);
    assert_int_equal(tc_verdict_budget_end(100, 50), 100);
}

static void verdict_cases_end_in_the_order_of_their_deadlines(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);

    tc_verdict_open(v, 1, AV, 0, 0, 30 * SECOND, NULL);
    tc_verdict_open(v, 2, AV, 0, 0, 10 * SECOND, NULL);
    tc_verdict_open(v, 3, AV, 0, 0, 20 * SECOND, NULL);
    assert_int_equal(tc_verdict_next_ns(v), 8 * SECOND);
    tc_verdict_expire(v, 8 * SECOND);
    assert_int_equal(o->last.id, 2);
    assert_int_equal(tc_verdict_next_ns(v), 16 * SECOND);
    allow(v, 3, AV, 9 * SECOND);
    assert_int_equal(tc_verdict_next_ns(v), 25 * SECOND);
    tc_verdict_free(v);
    assert_int_equal(o->count, 3);
}

/* The others are heard all the same: one of them may deny. */
static void verdict_of_whom_a_voter_is_missing_is_the_default(void **state)
{
    struct outcome *o = *state;

    for (int on_timeout = 0; on_timeout < 2; on_timeout++) {
        struct tc_verdict *v = tc_verdict_new(on_timeout, closed, o);

        memset(o, 0, sizeof(*o));
        tc_verdict_open(v, 1, 0, AV, 0, 10 * SECOND, NULL);
        assert_int_equal(o->count, 1);
        tc_verdict_open(v, 2, EDR, AV, 0, 10 * SECOND, NULL);
        allow(v, 2, EDR, 1);
        assert_int_equal(o->count, 2);
        assert_int_equal(o->last.allow, on_timeout);
        assert_false(o->last.cacheable);
        assert_int_equal(o->last.why, TC_VERDICT_ABSENT);
        assert_int_equal(o->last.missing, AV);
        tc_verdict_open(v, 3, EDR, AV, 0, 10 * SECOND, NULL);
        tc_verdict_vote(v, 3, EDR, false, true, "bad", 3, 1);
        assert_int_equal(o->last.why, TC_VERDICT_DENIED);
        tc_verdict_free(v);
    }
}

static void verdict_that_a_voter_abstains_from_is_the_default(void **state)
{
    struct outcome *o = *state;

    for (int on_timeout = 0; on_timeout < 2; on_timeout++) {
        struct tc_verdict *v = tc_verdict_new(on_timeout, closed, o);

        memset(o, 0, sizeof(*o));
        tc_verdict_open(v, 1, AV | EDR, 0, 0, 10 * SECOND, NULL);
        assert_true(tc_verdict_abstain(v, 1, AV, 1));
        assert_false(tc_verdict_abstain(v, 1, AV, 1));
        assert_int_equal(o->count, 0);
        allow(v, 1, EDR, 1);
        assert_int_equal(o->count, 1);
        assert_int_equal(o->last.allow, on_timeout);
        assert_false(o->last.cacheable);
        assert_int_equal(o->last.why, TC_VERDICT_ABSTAINED);
        assert_int_equal(o->last.missing, AV);
        tc_verdict_free(v);
    }
}

/* Whether a denial lasts is for the one who denies to say, and for nobody else. */
static void verdict_denial_lasts_if_the_denier_says_so(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);

    tc_verdict_open(v, 1, AV | EDR, 0, 0, 10 * SECOND, NULL);
    tc_verdict_vote(v, 1, EDR, true, false, NULL, 0, 1);
    tc_verdict_vote(v, 1, AV, false, true, "bad", 3, 1);
    assert_true(!o->last.allow && o->last.cacheable);
    tc_verdict_open(v, 2, AV | EDR, 0, 0, 10 * SECOND, NULL);
    tc_verdict_vote(v, 2, EDR, true, true, NULL, 0, 1);
    tc_verdict_vote(v, 2, AV, false, false, "him", 3, 1);
    assert_false(o->last.allow || o->last.cacheable);
    tc_verdict_free(v);
}

static void verdict_a_voter_that_goes_holds_nobody_up(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);

    tc_verdict_open(v, 1, AV, 0, 0, 10 * SECOND, NULL);
    tc_verdict_open(v, 2, AV | EDR, 0, 0, 10 * SECOND, NULL);
    tc_verdict_open(v, 3, EDR, 0, 0, 10 * SECOND, NULL);
    tc_verdict_voter_gone(v, AV, 1);
    assert_int_equal(o->count, 1);
    assert_int_equal(o->last.id, 1);
    assert_int_equal(o->last.why, TC_VERDICT_ABSENT);
    assert_false(o->last.cacheable);
    allow(v, 2, EDR, 2);
    assert_int_equal(o->count, 2);
    assert_false(o->last.cacheable);
    tc_verdict_free(v);
}

static void verdict_the_callback_may_open_the_next_case(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);

    o->open_again = v;
    tc_verdict_open(v, 1, AV, 0, 0, SECOND, NULL);
    tc_verdict_expire(v, SECOND);
    assert_int_equal(o->count, 1);
    assert_true(allow(v, 1001, AV, 2 * SECOND));
    assert_int_equal(o->count, 2);
    tc_verdict_free(v);
}

static void verdict_too_many_cases_get_the_default_and_are_counted(void **state)
{
    struct outcome *o = *state;
    struct tc_verdict *v = tc_verdict_new(true, closed, o);
    struct tc_verdict_counters counters;

    for (uint64_t id = 1; id <= TC_VERDICT_CASES_MAX + 3; id++)
        tc_verdict_open(v, id, AV, 0, 0, 10 * SECOND, NULL);
    assert_int_equal(o->count, 3);
    assert_int_equal(o->last.why, TC_VERDICT_OVERFLOW);
    tc_verdict_counters(v, &counters);
    assert_int_equal(counters.closed[TC_VERDICT_OVERFLOW], 3);
    assert_int_equal(counters.open, TC_VERDICT_CASES_MAX);
    for (uint64_t id = TC_VERDICT_CASES_MAX; id >= 1; id--)
        assert_true(allow(v, id, AV, 1));
    tc_verdict_counters(v, &counters);
    assert_int_equal(counters.open, 0);
    tc_verdict_free(v);
}

static void verdict_counts_each_case_in_the_first_bound_that_it_was_within(void **state)
{
    struct tc_verdict *v = tc_verdict_new(true, closed, *state);
    struct tc_verdict_counters counters;
    uint64_t took[] = {0, tc_verdict_bound_ns(0), tc_verdict_bound_ns(0) + 1,
                       tc_verdict_bound_ns(TC_VERDICT_BOUNDS - 1) + 1};
    uint64_t sum = 0;

    for (size_t i = 1; i < TC_VERDICT_BOUNDS; i++)
        assert_true(tc_verdict_bound_ns(i - 1) < tc_verdict_bound_ns(i));
    for (size_t i = 0; i < sizeof(took) / sizeof(*took); i++) {
        tc_verdict_open(v, i, AV, 0, SECOND, 1000 * SECOND, NULL);
        assert_true(allow(v, i, AV, SECOND + took[i]));
        sum += took[i];
    }
    tc_verdict_counters(v, &counters);
    assert_int_equal(counters.within[0], 2);
    assert_int_equal(counters.within[1], 1);
    assert_int_equal(counters.within[TC_VERDICT_BOUNDS], 1);
    assert_int_equal(counters.took_ns, sum);
    assert_int_equal(counters.longest_ns, took[3]);
    tc_verdict_free(v);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        T(verdict_allows_once_every_voter_has),
        T(verdict_first_deny_wins_and_keeps_its_reason),
        T(verdict_one_uncacheable_voice_makes_it_so),
        T(verdict_without_voters_allows_at_once),
        T(verdict_a_second_vote_of_one_voter_does_not_count),
        T(verdict_default_answers_when_the_budget_ends),
        T(verdict_budget_keeps_headroom_within_bounds),
        T(verdict_cases_end_in_the_order_of_their_deadlines),
        T(verdict_of_whom_a_voter_is_missing_is_the_default),
        T(verdict_that_a_voter_abstains_from_is_the_default),
        T(verdict_denial_lasts_if_the_denier_says_so),
        T(verdict_a_voter_that_goes_holds_nobody_up),
        T(verdict_the_callback_may_open_the_next_case),
        T(verdict_too_many_cases_get_the_default_and_are_counted),
        T(verdict_counts_each_case_in_the_first_bound_that_it_was_within),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
