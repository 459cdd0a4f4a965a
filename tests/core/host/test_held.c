/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/host/held.h"

#include <stdlib.h>

#include "ipc/event.h"
#include "ipc/topic.h"

#define EVENTS 1000

struct fixture {
    struct tc_topics *topics;
    const struct tc_topic *topic;
    struct tc_held held;
    struct tc_event *events[EVENTS]; /* one reference each is ours */
};

static int set_up(void **state)
{
    static const uint8_t empty_map = 0x80;
    struct tocsin_event draft = {
        .size = sizeof(draft), .fd = -1, .data = &empty_map, .len = 1};
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->topics = tc_topics_new();
    assert_non_null(f->topics);
    assert_int_equal(tc_topic_intern(f->topics, "test.in", &f->topic), 0);
    assert_int_equal(tc_held_init(&f->held), 0);
    for (size_t i = 0; i < EVENTS; i++)
        assert_int_equal(tc_event_new(&draft, f->topic, "test", i, &f->events[i]), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < EVENTS; i++) {
        assert_int_equal(atomic_load(&f->events[i]->refs), 1);
        tc_event_unref(f->events[i]);
    }
    tc_held_done(&f->held);
    tc_topics_free(f->topics);
    free(f);
    return 0;
}

static void take(struct fixture *f, size_t i)
{
    tc_event_ref(f->events[i]);
    assert_int_equal(tc_held_adopt(&f->held, f->events[i]), 0);
}

static void held_gives_back_only_what_was_taken(void **state)
{
    struct fixture *f = *state;

    assert_false(tc_held_unref(&f->held, f->events[0]));
    take(f, 0);
    take(f, 0);
    assert_false(tc_held_unref(&f->held, f->events[1]));
    assert_true(tc_held_unref(&f->held, f->events[0]));
    assert_true(tc_held_unref(&f->held, f->events[0]));
    assert_false(tc_held_unref(&f->held, f->events[0]));
}

/* In another order than they were taken, so that runs of entries close over holes. */
static void held_keeps_count_of_many_events(void **state)
{
    struct fixture *f = *state;
    size_t most;

    for (size_t i = 0; i < EVENTS; i++)
        for (size_t n = 0; n <= i % 3; n++)
            take(f, i);
    assert_int_equal(tc_held_count(&f->held, &most), 1999);
    for (size_t i = 0; i < EVENTS; i++) {
        size_t one = i * 617 % EVENTS;

        for (size_t n = 0; n <= one % 3; n++)
            assert_true(tc_held_unref(&f->held, f->events[one]));
        assert_false(tc_held_unref(&f->held, f->events[one]));
    }
    assert_int_equal(tc_held_count(&f->held, &most), 0);
    assert_int_equal(most, 1999);
}

static void held_releases_all_that_is_left(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < EVENTS; i++)
        take(f, i);
    take(f, 7);
    assert_int_equal(tc_held_release_all(&f->held), EVENTS + 1);
    assert_int_equal(tc_held_release_all(&f->held), 0);
    assert_false(tc_held_unref(&f->held, f->events[7]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(held_gives_back_only_what_was_taken),
        TEST(held_keeps_count_of_many_events),
        TEST(held_releases_all_that_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
