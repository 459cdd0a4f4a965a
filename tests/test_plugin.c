/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/harness.h"

#define FIXTURE(name) TEST_FIXTURES "/tocsin_" name ".so"

static void plugin_answers_events_and_unloads_clean(void **state)
{
    const struct tocsin_event *event;
    struct tc_harness h;
    uint64_t id;

    (void)state;
    tc_harness_init(&h);
    assert_int_equal(tc_harness_load(&h, FIXTURE("good"), NULL), 0);
    assert_int_equal(tc_harness_start(&h), 0);
    id = tc_harness_publish(&h, "test.in", 0, -1, NULL);
    event = tc_harness_await(&h, "test.out", id);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&h, event, "word"), "hello");
    assert_string_equal(event->source, "good");
    tc_harness_done(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plugin_answers_events_and_unloads_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
