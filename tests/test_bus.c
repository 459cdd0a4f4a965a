/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/bus.h and ipc/event.h. */
#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/topic.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SEEN_MAX 1024

/* What one subscriber was given, and what it does about it. */
struct seen {
    struct tc_bus *bus;
    uint64_t ids[SEEN_MAX];
    size_t n;
    struct tc_subscriber *self;
    struct tc_subscriber *victim; /* unsubscribed at the next delivery */
    struct seen *joins;           /* subscribed to everything at the next delivery */
    const char *echoes;           /* published at the next delivery */
    char last[TC_TOPIC_MAX_LEN + 1];
    struct tc_event *last_event; /* referenced when `holds` */
    bool holds;
};

static int wakes;

static void count_wake(void *arg)
{
    (void)arg;
    wakes++;
}

static struct tocsin_event draft_of(const char *topic)
{
    static const uint8_t empty_map[] = {0x80};
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1, .topic = topic};

    draft.data = empty_map;
    draft.len = sizeof(empty_map);
    return draft;
}

static void publish(struct tc_bus *bus, const char *topic)
{
    struct tocsin_event draft = draft_of(topic);

    assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), 0);
}

static void subscribe(struct tc_bus *bus, struct seen *seen, const char *pattern,
                      size_t queue_max);

static void on_event(void *arg, struct tc_event *event)
{
    struct seen *seen = arg;
    struct tc_subscriber *victim = seen->victim;
    const char *echoes = seen->echoes;
    struct seen *joins = seen->joins;

    assert_true(seen->n < SEEN_MAX);
    seen->ids[seen->n++] = event->pub.id;
    snprintf(seen->last, sizeof(seen->last), "%s", event->pub.topic);
    if (seen->holds) {
        tc_event_ref(event);
        seen->last_event = event;
    }
    seen->victim = NULL;
    seen->echoes = NULL;
    seen->joins = NULL;
    if (echoes)
        publish(seen->bus, echoes);
    if (joins)
        subscribe(seen->bus, joins, "*", 0);
    if (victim == seen->self)
        seen->self = NULL;
    tc_bus_unsubscribe(victim);
}

static void subscribe_as(struct tc_bus *bus, struct seen *seen, const char *name,
                         const char *pattern, size_t queue_max, bool voter)
{
    const char *patterns[] = {pattern, NULL};
    struct tc_subscription what = {.name = name,
                                   .patterns = patterns,
                                   .queue_max = queue_max,
                                   .voter = voter,
                                   .deliver = on_event,
                                   .arg = seen};

    seen->bus = bus;
    assert_int_equal(tc_bus_subscribe(bus, &what, &seen->self), 0);
}

static void subscribe(struct tc_bus *bus, struct seen *seen, const char *pattern,
                      size_t queue_max)
{
    subscribe_as(bus, seen, "someone", pattern, queue_max, false);
}

static struct tc_bus *new_bus(void)
{
    struct tc_bus *bus = tc_bus_new(count_wake, NULL);

    assert_non_null(bus);
    wakes = 0;
    return bus;
}

static void bus_delivers_to_every_subscriber_of_the_topic_in_order(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen all = {0}, files = {0}, others = {0};

    (void)state;
    subscribe(bus, &all, "*", 0);
    subscribe(bus, &files, "file.*", 0);
    subscribe(bus, &others, "process.started", 0);
    publish(bus, "file.written");
    publish(bus, "process.started");
    publish(bus, "file.deleted");
    assert_int_equal(all.n, 0);
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(all.n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(all.ids[i], i + 1);
    assert_int_equal(files.n, 2);
    assert_int_equal(files.ids[0], 1);
    assert_int_equal(files.ids[1], 3);
    assert_int_equal(others.n, 1);
    assert_int_equal(others.ids[0], 2);
    tc_bus_unsubscribe(all.self);
    tc_bus_unsubscribe(files.self);
    tc_bus_unsubscribe(others.self);
    tc_bus_free(bus);
}

static void bus_counts_a_drop_when_the_queue_is_full(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen slow = {0}, quick = {0};
    struct tc_subscriber_stats stats[4];
    struct tc_bus_counters counters;

    (void)state;
    subscribe_as(bus, &slow, "slow", "*", 2, false);
    subscribe_as(bus, &quick, "quick", "*", 0, false);
    for (int i = 0; i < 5; i++)
        publish(bus, "file.written");
    assert_int_equal(tc_bus_stats(bus, stats, 4), 2);
    assert_string_equal(stats[0].name, "slow");
    assert_int_equal(stats[0].dropped, 3);
    assert_int_equal(stats[0].queued, 2);
    assert_int_equal(stats[1].dropped, 0);
    assert_int_equal(stats[1].queued, 5);
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(slow.n, 2);
    assert_int_equal(slow.ids[1], 2);
    assert_int_equal(quick.n, 5);
    tc_bus_counters(bus, &counters);
    assert_int_equal(counters.published, 5);
    assert_int_equal(counters.delivered, 7);
    assert_int_equal(counters.dropped, 3);
    tc_bus_unsubscribe(slow.self);
    tc_bus_unsubscribe(quick.self);
    tc_bus_free(bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bus_delivers_to_every_subscriber_of_the_topic_in_order),
        cmocka_unit_test(bus_counts_a_drop_when_the_queue_is_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
