/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/av_turns.h"

#define MS 1000000ull
#define TURNS 16

struct fixture {
    struct tc_av_turns turns;
    struct tc_av_turn all[TURNS];
    size_t pushed;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    tc_av_turns_init(&f.turns);
    *state = &f;
    return 0;
}

static struct tc_av_turn *push(struct fixture *f, uint64_t user, bool big)
{
    struct tc_av_turn *turn = &f->all[f->pushed++];

    tc_av_turns_push(&f->turns, user, turn, big);
    return turn;
}

static void one_user_leaves_a_thread_to_the_others(void **state)
{
    struct fixture *f = *state;
    struct tc_av_turn *first, *other;

    for (int i = 0; i < 6; i++)
        push(f, 1, false);
    first = tc_av_turns_next(&f->turns);
    for (int i = 1; i < TC_AV_SHARE; i++)
        assert_non_null(tc_av_turns_next(&f->turns));
    assert_null(tc_av_turns_next(&f->turns));
    other = push(f, 2, false);
    assert_ptr_equal(tc_av_turns_next(&f->turns), other);
    push(f, 3, false);
    assert_null(tc_av_turns_next(&f->turns)); /* all run that may */
    tc_av_turns_end(&f->turns, first);
    assert_non_null(tc_av_turns_next(&f->turns));
    assert_null(tc_av_turns_next(&f->turns));
}

static void a_large_file_waits_for_a_buffer_and_keeps_nobody(void **state)
{
    struct fixture *f = *state;
    struct tc_av_turn *first = push(f, 1, true), *third, *small;

    push(f, 2, true);
    third = push(f, 3, true);
    assert_ptr_equal(tc_av_turns_next(&f->turns), first);
    assert_non_null(tc_av_turns_next(&f->turns));
    assert_null(tc_av_turns_next(&f->turns));
    small = push(f, 3, false);
    assert_ptr_equal(tc_av_turns_next(&f->turns), small);
    tc_av_turns_end(&f->turns, first);
    assert_ptr_equal(tc_av_turns_next(&f->turns), third);
}

static void what_does_not_run_can_be_dropped(void **state)
{
    struct fixture *f = *state;
    size_t dropped = 0;

    for (uint64_t i = 0; i < 8; i++)
        push(f, i, true);
    while (tc_av_turns_next(&f->turns))
        ;
    while (tc_av_turns_drop(&f->turns))
        dropped++;
    assert_int_equal(dropped, 8 - TC_AV_BIG_MAX);
    assert_null(tc_av_turns_next(&f->turns));
}

static void the_loop_scans_for_so_long_in_one_turn(void **state)
{
    struct tc_av_inline in = {0};
    uint64_t now = 1000 * MS;

    (void)state;
    assert_false(tc_av_inline_took(&in, 100, MS / 2, now)); /* it is little */
    assert_true(tc_av_inline_took(&in, 100, MS, now));
    assert_true(tc_av_inline_may(&in, 100, now));
    assert_false(tc_av_inline_took(&in, 5000, 4 * MS, now)); /* asked for already */
    assert_false(tc_av_inline_may(&in, 100, now));
    assert_false(tc_av_inline_may(&in, 100, now + 1000 * MS)); /* the same turn still */
    tc_av_inline_turn(&in);
    assert_true(tc_av_inline_may(&in, 100, now));
    assert_true(tc_av_inline_took(&in, 100, 2 * MS, now));
}

static void a_size_that_was_slow_is_not_scanned_on_the_loop(void **state)
{
    struct tc_av_inline in = {0};
    uint64_t now = 1000 * MS, later = now + 21 * MS;

    (void)state;
    assert_true(tc_av_inline_may(&in, 40000, now));
    assert_int_equal(tc_av_inline_clock(&in, 40000), CLOCK_MONOTONIC);
    tc_av_inline_took(&in, 40000, 21 * MS, later);
    tc_av_inline_turn(&in);
    assert_true(tc_av_inline_may(&in, 40000, later)); /* perhaps others held it up */
    assert_int_equal(tc_av_inline_clock(&in, 50000), CLOCK_THREAD_CPUTIME_ID);
    tc_av_inline_took(&in, 50000, MS, later);
    tc_av_inline_turn(&in);
    assert_int_equal(tc_av_inline_clock(&in, 40000), CLOCK_MONOTONIC);
    for (int i = 0; i < 2; i++) {
        assert_true(tc_av_inline_may(&in, 40000, later));
        tc_av_inline_took(&in, 40000, 21 * MS, later);
        tc_av_inline_turn(&in);
    }
    now = later + 10 * MS;
    assert_false(tc_av_inline_may(&in, 50000, now)); /* within the same power of two */
    assert_true(tc_av_inline_may(&in, 4000, now));
    assert_true(tc_av_inline_may(&in, 0, now));
    assert_false(tc_av_inline_may(&in, 40000, later + 59999 * MS));
    assert_true(tc_av_inline_may(&in, 40000, later + 60000 * MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_user_leaves_a_thread_to_the_others, setup),
        cmocka_unit_test_setup(a_large_file_waits_for_a_buffer_and_keeps_nobody, setup),
        cmocka_unit_test_setup(what_does_not_run_can_be_dropped, setup),
        cmocka_unit_test(the_loop_scans_for_so_long_in_one_turn),
        cmocka_unit_test(a_size_that_was_slow_is_not_scanned_on_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
