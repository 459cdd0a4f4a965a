/* SPDX-License-Identifier: Apache-2.0 */
/* What control keeps of calls: who was refused how often, and who waits for a plugin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/control/forwards.h"
#include "core/control/refusals.h"

#define PERIOD TC_REFUSALS_PERIOD_NS

/* ---- refusals ---- */

static void refusals_are_recorded_once_and_then_counted(void **state)
{
    struct tc_refusals r = {.total = 0};
    struct tc_refused told;

    (void)state;
    assert_true(tc_refusals_note(&r, 1000, 7, "approval.deny", 10));
    for (uint64_t i = 0; i < 150000; i++)
        assert_false(tc_refusals_note(&r, 1000, 8, "approval.deny", 20 + i));
    assert_false(tc_refusals_note(&r, 1000, 9, "config.reload", 200000));
    assert_int_equal(tc_refusals_due(&r), 10 + PERIOD);
    assert_false(tc_refusals_take(&r, 9 + PERIOD, &told));
    assert_true(tc_refusals_take(&r, 10 + PERIOD, &told));
    assert_false(told.others);
    assert_int_equal(told.uid, 1000);
    assert_int_equal(told.pid, 9);
    assert_int_equal(told.count, 150001);
    assert_int_equal(told.first_ns, 20);
    assert_int_equal(told.last_ns, 200000);
    assert_int_equal(told.methods_len, 2);
    assert_string_equal(told.methods[0].name, "approval.deny");
    assert_int_equal(told.methods[0].count, 150000);
    assert_false(tc_refusals_take(&r, 10 + PERIOD, &told));
    assert_int_equal(r.total, 150002);
}

static void refusals_go_on_in_periods_and_end_with_a_quiet_one(void **state)
{
    struct tc_refusals r = {.total = 0};
    struct tc_refused told;

    (void)state;
    assert_true(tc_refusals_note(&r, 1000, 7, "approval.deny", 0));
    assert_false(tc_refusals_note(&r, 1000, 7, "approval.deny", 1));
    assert_true(tc_refusals_take(&r, PERIOD, &told));
    assert_false(tc_refusals_note(&r, 1000, 7, "approval.deny", PERIOD + 1));
    assert_true(tc_refusals_take(&r, 2 * PERIOD, &told));
    assert_int_equal(told.count, 1);
    assert_int_equal(told.methods_len, 1);
    assert_false(tc_refusals_take(&r, 3 * PERIOD, &told));
    assert_int_equal(tc_refusals_due(&r), UINT64_MAX);
    assert_true(tc_refusals_note(&r, 1000, 7, "approval.deny", 3 * PERIOD + 1));
}

static void refusals_of_too_many_users_and_methods_are_counted_in_sum(void **state)
{
    const unsigned users = TC_REFUSALS_CALLERS_MAX, methods = TC_REFUSALS_METHODS_MAX;
    struct tc_refusals r = {.total = 0};
    struct tc_refused told;
    uint64_t sum = 0;
    unsigned times = 0;
    char name[32];

    (void)state;
    for (unsigned uid = 0; uid < 1000; uid++)
        assert_int_equal(tc_refusals_note(&r, uid, 7, "x.y", 1), uid < users);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "made.up_%u", i);
        assert_false(tc_refusals_note(&r, 0, 7, name, 2));
    }
    while (tc_refusals_take(&r, UINT64_MAX, &told)) {
        assert_true(told.methods_len <= methods);
        assert_int_equal(told.count, told.others ? 1000 - users : 1000);
        sum += told.count;
        times++;
    }
    assert_int_equal(times, 2);
    assert_int_equal(sum + users, r.total);
    assert_int_equal(tc_refusals_due(&r), UINT64_MAX);
}

/* ---- calls that wait ---- */

static struct tc_rpc_call *call_number(uintptr_t n)
{
    return (struct tc_rpc_call *)(n + 1); /* NOLINT: never looked into */
}

static void forwards_end_with_the_plugins_silence_and_not_while_it_is_at_it(void **state)
{
    struct tc_forwards *f = calloc(1, sizeof(*f));

    (void)state;
    assert_non_null(f);
    assert_int_equal(tc_forwards_due(f), UINT64_MAX);
    tc_forwards_add(f, call_number(1), 11, "av", false, 100);
    tc_forwards_add(f, call_number(2), 12, "acme", true, 200);
    assert_int_equal(tc_forwards_due(f), 100 + TC_FORWARDS_SILENCE_NS);
    tc_forwards_touch(tc_forwards_find(f, 11, "av"), 300);
    assert_int_equal(tc_forwards_due(f), 200 + TC_FORWARDS_SILENCE_NS);
    assert_null(tc_forwards_expire(f, 199 + TC_FORWARDS_SILENCE_NS));
    assert_ptr_equal(tc_forwards_expire(f, 200 + TC_FORWARDS_SILENCE_NS)->call,
                     call_number(2));
    tc_forwards_remove(f, tc_forwards_find(f, 12, "acme"));
    assert_null(tc_forwards_expire(f, 200 + TC_FORWARDS_SILENCE_NS));
    assert_int_equal(f->expired, 1);
    assert_int_equal(f->waiting, 1);
    free(f);
}

static void forwards_are_found_by_the_plugin_that_was_asked_alone(void **state)
{
    struct tc_forwards *f = calloc(1, sizeof(*f));

    (void)state;
    assert_non_null(f);
    tc_forwards_add(f, call_number(1), 11, "av", false, 100);
    assert_null(tc_forwards_find(f, 11, "acme"));
    assert_null(tc_forwards_find(f, 12, "av"));
    assert_non_null(tc_forwards_find(f, 11, "av"));
    free(f);
}

static void forwards_keep_room_for_who_may_change(void **state)
{
    struct tc_forwards *f = calloc(1, sizeof(*f));
    unsigned n = 0;

    (void)state;
    assert_non_null(f);
    for (; tc_forwards_room(f, true); n++)
        tc_forwards_add(f, call_number(n), n, "acme", true, 1);
    assert_int_equal(n, TC_FORWARDS_LOOKING);
    for (; tc_forwards_room(f, false); n++)
        tc_forwards_add(f, call_number(n), n, "acme", false, 1);
    assert_int_equal(n, TC_FORWARDS_MAX);
    tc_forwards_remove(f, tc_forwards_find(f, 0, "acme"));
    assert_true(tc_forwards_room(f, true) && tc_forwards_room(f, false));
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_recorded_once_and_then_counted),
        cmocka_unit_test(refusals_go_on_in_periods_and_end_with_a_quiet_one),
        cmocka_unit_test(refusals_of_too_many_users_and_methods_are_counted_in_sum),
        cmocka_unit_test(forwards_end_with_the_plugins_silence_and_not_while_it_is_at_it),
        cmocka_unit_test(forwards_are_found_by_the_plugin_that_was_asked_alone),
        cmocka_unit_test(forwards_keep_room_for_who_may_change),
    };

    return cmocka_run_group_tests_name("calls", tests, NULL, NULL);
}
