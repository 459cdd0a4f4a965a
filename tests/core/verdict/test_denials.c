/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/verdict/denials.h"

static void add(struct tc_denials *denials, uint64_t inode, uint64_t ctime_ns)
{
    const struct tc_denial denial = {.device = 1, .inode = inode, .ctime_ns = ctime_ns};

    tc_denials_add(denials, &denial);
}

static void denials_takes_up_each_file_once(void **state)
{
    struct tc_denials denials = {.count = 0};

    (void)state;
    add(&denials, 7, 1);
    add(&denials, 8, 1);
    add(&denials, 7, 1);
    assert_int_equal(denials.count, 2);
    add(&denials, 7, 2); /* changed: another content */
    assert_int_equal(denials.count, 3);
    tc_denials_forget(&denials);
    assert_int_equal(denials.count, 0);
}

static void denials_lets_the_oldest_go(void **state)
{
    struct tc_denials denials = {.count = 0};

    (void)state;
    for (uint64_t i = 0; i <= TC_DENIALS_MAX; i++)
        add(&denials, i + 1, 0);
    assert_int_equal(denials.count, TC_DENIALS_MAX);
    for (size_t i = 0; i < denials.count; i++)
        assert_int_not_equal(denials.all[i].inode, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(denials_takes_up_each_file_once),
        cmocka_unit_test(denials_lets_the_oldest_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
