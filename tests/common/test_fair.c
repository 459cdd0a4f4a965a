/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/fair.h"

#define MANY 1000

struct thing {
    char name;
    struct tc_fair_item turn; /* not the first: nobody may rely on it */
};

static struct thing *thing_of(struct tc_fair_item *item)
{
    return (struct thing *)(void *)((char *)item - offsetof(struct thing, turn));
}

/*
 * A script, one step a letter, and the names that came out:
 *   a..z  pushed, by the user of that letter; each user's things are 1, 2, 3 ... in order
 *   +     one is taken; "-" when there is none
 *   =     the one that was taken first is given back
 *   A..Z  one of the user is started without having waited
 * What comes out is the user's letter.
 */
static void play(const char *script, uint32_t share, const char *expected)
{
    struct thing things[64] = {{0}};
    struct tc_fair_item *taken[64];
    size_t made = 0, first = 0, last = 0, out = 0;
    char got[65] = "";
    struct tc_fair fair;

    tc_fair_init(&fair, share);
    for (const char *step = script; *step; step++) {
        if (*step == '+') {
            struct tc_fair_item *item = tc_fair_take(&fair);

            got[out++] = item ? thing_of(item)->name : '-';
            if (item)
                taken[last++] = item;
        } else if (*step == '=') {
            tc_fair_give(&fair, taken[first++]);
        } else if (*step >= 'a') {
            things[made].name = *step;
            tc_fair_push(&fair, (uint64_t)*step, &things[made++].turn);
        } else {
            things[made].name = *step;
            tc_fair_start(&fair, (uint64_t)(*step - 'A' + 'a'), &things[made].turn);
            taken[last++] = &things[made++].turn;
        }
    }
    assert_string_equal(got, expected);
}

static void users_take_turns(void **state)
{
    (void)state;
    play("+", 9, "-");
    play("aaaab++++++", 9, "abaaa-");
    play("aaaabc+++d++++", 9, "abcadaa");
    play("aaaa++b+++", 9, "aaaba"); /* behind who was in the round already */
}

static void of_one_user_no_more_than_the_share_is_under_way(void **state)
{
    (void)state;
    play("aaaa+++", 2, "aa-");
    play("aaaa+++=++", 2, "aa-a-");
    play("aaaab++++", 2, "aba-"); /* which keeps nobody else */
    play("aaab++++==++", 1, "ab--a-");
}

static void what_was_started_counts_against_the_share(void **state)
{
    (void)state;
    play("AAa+", 2, "-");
    play("AAa=+", 2, "a");
    play("aaAAA+b+=+=+", 2, "-b-a"); /* one too many was started */
}

static void a_line_is_first_in_first_out(void **state)
{
    struct thing things[MANY];
    struct tc_fair fair;

    (void)state;
    tc_fair_init(&fair, 1);
    for (size_t i = 0; i < MANY; i++)
        tc_fair_push(&fair, 7, &things[i].turn);
    assert_int_equal(tc_fair_count(&fair, 7), MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(tc_fair_take(&fair), &things[i].turn);
        assert_int_equal(tc_fair_count_of(&fair, &things[i].turn), MANY - i);
        assert_null(tc_fair_take(&fair));
        assert_int_equal(tc_fair_give(&fair, &things[i].turn), i < MANY - 1);
    }
    assert_int_equal(tc_fair_count(&fair, 7), 0);
}

/* Numbers that fall into the same bucket, too. */
static void more_users_than_lines_are_served_all_the_same(void **state)
{
    static struct thing things[MANY];
    static bool seen[MANY];
    struct tc_fair_item *item;
    struct tc_fair fair;

    (void)state;
    tc_fair_init(&fair, 1);
    for (int round = 0; round < 3; round++) {
        memset(seen, 0, sizeof(seen));
        for (uint64_t i = 0; i < MANY; i++)
            tc_fair_push(&fair, i * TC_FAIR_LINES, &things[i].turn);
        assert_int_equal(fair.waiting, MANY);
        while ((item = tc_fair_take(&fair))) {
            size_t i = (size_t)(thing_of(item) - things);

            assert_false(seen[i]);
            seen[i] = true;
            tc_fair_give(&fair, item);
        }
        for (size_t i = 0; i < MANY; i++)
            assert_true(seen[i]);
        assert_int_equal(fair.waiting, 0);
    }
}

/* A user with a line of his own waits for one item of each other at most. */
static void one_among_many_waits_for_one_of_each(void **state)
{
    static struct thing flood[MANY];
    struct thing mine = {0};
    struct tc_fair fair;
    size_t before = 0;

    (void)state;
    tc_fair_init(&fair, 4);
    for (uint64_t i = 0; i < MANY; i++)
        tc_fair_push(&fair, 1 + i % 2, &flood[i].turn);
    tc_fair_push(&fair, 3, &mine.turn);
    while (tc_fair_take(&fair) != &mine.turn)
        before++;
    assert_in_range(before, 0, 2);
}

static void what_waits_can_be_dropped(void **state)
{
    struct thing things[6];
    struct tc_fair fair;
    size_t dropped = 0;

    (void)state;
    tc_fair_init(&fair, 1);
    for (uint64_t i = 0; i < 6; i++)
        tc_fair_push(&fair, i % 2, &things[i].turn);
    assert_ptr_equal(tc_fair_take(&fair), &things[0].turn);
    while (tc_fair_drop(&fair))
        dropped++;
    assert_int_equal(dropped, 5);
    assert_int_equal(fair.waiting, 0);
    assert_null(tc_fair_take(&fair));
    tc_fair_give(&fair, &things[0].turn);
    tc_fair_push(&fair, 0, &things[1].turn);
    assert_ptr_equal(tc_fair_take(&fair), &things[1].turn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_take_turns),
        cmocka_unit_test(of_one_user_no_more_than_the_share_is_under_way),
        cmocka_unit_test(what_was_started_counts_against_the_share),
        cmocka_unit_test(a_line_is_first_in_first_out),
        cmocka_unit_test(more_users_than_lines_are_served_all_the_same),
        cmocka_unit_test(one_among_many_waits_for_one_of_each),
        cmocka_unit_test(what_waits_can_be_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
