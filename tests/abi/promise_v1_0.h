/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a plugin that was built from the headers of ABI 1.0 can do in an agent of
 * whichever minor includes this.
 */
#ifndef TC_TESTS_ABI_PROMISE_V1_0_H
#define TC_TESTS_ABI_PROMISE_V1_0_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "layout_v1_0.h"
#include "tests/support/harness.h"

static inline void same_place(const struct tocsin_event *done, const char *field,
                              size_t offset)
{
    struct tocsin_value layout;
    int64_t then;

    assert_true(tocsin_find(done->data, done->len, "layout", &layout));
    then = tocsin_find_int(layout.start, tocsin_value_size(&layout), field, -1);
    if (then != (int64_t)offset)
        fail_msg("%s was at %ld in ABI 1.0 and is at %zu", field, (long)then, offset);
}

static inline void abi_plugin_of_1_0_still_does_all_it_could(void **state)
{
    const struct tocsin_event *done;
    struct tc_harness h;
    uint64_t id;

    (void)state;
    tc_harness_init(&h);
    h.passive = true;
    if (tc_harness_load(&h, TEST_FIXTURES "/tocsin_abi_v1_0.so", NULL))
        fail_msg("%s", h.why);
    if (tc_harness_start(&h))
        fail_msg("%s", h.why);
    assert_string_equal(tc_harness_reported(&h, "abi")->text, "1.0");
    id = tc_harness_publish(&h, "test.in", 0, -1, NULL);
    done = tc_harness_await(&h, "abi.done", id);
    assert_non_null(done);
#define CHECK(type, field)                                                               \
    same_place(done, #type " " #field, offsetof(struct type, field));
    TC_ABI_1_0_FIELDS(CHECK)
#undef CHECK
    assert_true(tocsin_find_bool(done->data, done->len, "bool", false));
    assert_int_equal(tocsin_event_int(done, "int", 0), 7);
    assert_int_equal(tocsin_event_int(done, "duration", 0), 2000);
    assert_int_equal(tocsin_event_int(done, "size", 0), 4096);
    assert_string_equal(tc_harness_text(&h, done, "text"), "abc");
    assert_string_equal(tc_harness_text(&h, done, "choice"), "on");
    assert_string_equal(tc_harness_text(&h, done, "item"), "b");
    assert_string_equal(tc_harness_text(&h, done, "state_dir"), h.dir);
    assert_true(tocsin_find_bool(done->data, done->len, "passive", false));
    assert_true(tocsin_find_bool(done->data, done->len, "is_agent", false));
    assert_int_equal(tocsin_event_int(done, "excluded", -1), TOCSIN_NOT_EXCLUDED);
    id = tc_harness_publish(&h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, -1, NULL);
    assert_non_null(tc_harness_await(&h, TOCSIN_TOPIC_VERDICT, id));
    tc_harness_done(&h);
}

#endif
