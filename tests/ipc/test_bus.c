/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/bus.h. */
#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/mask.h"
#include "ipc/topic.h"

#include <errno.h>
#include <fcntl.h>
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

static void count_wake(void *arg)
{
    int *wakes = arg;

    if (wakes)
        ++*wakes;
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

static void bus_counts_what_is_published_by_topic(void **state)
{
    struct tc_bus *bus = new_bus();
    const struct tc_topic *asked;
    struct tc_topic_stats stats;
    size_t at = 0;

    (void)state;
    assert_int_equal(tc_topic_intern(tc_bus_topics(bus), "never.published", &asked), 0);
    publish(bus, "file.open");
    publish(bus, "alert.raised");
    publish(bus, "file.open");
    assert_true(tc_bus_topic_stats(bus, &at, &stats));
    assert_string_equal(stats.name, "file.open");
    assert_int_equal(stats.published, 2);
    assert_true(tc_bus_topic_stats(bus, &at, &stats));
    assert_string_equal(stats.name, "alert.raised");
    assert_int_equal(stats.published, 1);
    assert_false(tc_bus_topic_stats(bus, &at, &stats));
    tc_bus_free(bus);
}

static void bus_keeps_what_must_not_be_lost_beyond_the_bound(void **state)
{
    struct tc_bus *bus = new_bus();
    struct tc_subscriber_stats stats;
    struct seen seen = {0};

    (void)state;
    subscribe(bus, &seen, "*", 2);
    publish(bus, "file.written");
    publish(bus, "file.written");
    for (int i = 0; i < 100; i++)
        publish(bus, i % 2 ? "threat.detected" : "isolation.requested");
    publish(bus, "file.written");
    assert_int_equal(tc_bus_stats(bus, &stats, 1), 1);
    assert_int_equal(stats.queued, 102);
    assert_int_equal(stats.dropped, 1);
    tc_bus_turn(bus, 1000);
    assert_int_equal(seen.n, 102);
    tc_bus_unsubscribe(seen.self);
    tc_bus_free(bus);
}

static void bus_delivers_urgent_events_first_whoever_they_are_for(void **state)
{
    static const char *const urgent[] = {"verdict", "verdict.final", "file.open"};
    struct tc_bus *bus = new_bus();
    struct seen first = {0}, second = {0};
    struct tocsin_event draft;

    (void)state;
    subscribe(bus, &first, "process.started", 0);
    subscribe(bus, &second, "*", 0);
    for (size_t i = 0; i < 3; i++) {
        publish(bus, "process.started");
        draft = draft_of(urgent[i]);
        draft.flags = i == 2 ? TOCSIN_EVENT_AUTH : 0;
        assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), 0);
        assert_true(tc_bus_turn(bus, 1));
        assert_string_equal(second.last, urgent[i]);
        assert_int_equal(first.n, 0);
        second.n = 0;
    }
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(first.n, 3);
    assert_int_equal(second.n, 3);
    tc_bus_unsubscribe(first.self);
    tc_bus_unsubscribe(second.self);
    tc_bus_free(bus);
}

static void bus_looks_for_urgent_events_after_each_ordinary_one(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen asker = {0}, judge = {0};

    (void)state;
    subscribe(bus, &asker, "file.written", 0);
    subscribe(bus, &judge, "verdict", 0);
    asker.echoes = "verdict";
    publish(bus, "file.written");
    publish(bus, "file.written");
    tc_bus_turn(bus, 2);
    assert_int_equal(asker.n, 1);
    assert_int_equal(judge.n, 1);
    tc_bus_turn(bus, 2);
    assert_int_equal(asker.n, 2);
    tc_bus_unsubscribe(asker.self);
    tc_bus_unsubscribe(judge.self);
    tc_bus_free(bus);
}

static void bus_marks_urgent_what_it_hurries(void **state)
{
    static const struct {
        const char *topic;
        uint32_t flags, want;
    } table[] = {
        {"file.open", TOCSIN_EVENT_AUTH, TOCSIN_EVENT_AUTH | TOCSIN_EVENT_URGENT},
        {"verdict", 0, TOCSIN_EVENT_URGENT},
        {"verdict.final", 0, TOCSIN_EVENT_URGENT},
        {"verdict.reset", 0, 0},
        {"file.written", 0, 0},
        {"approval.timeout", TOCSIN_EVENT_URGENT, TOCSIN_EVENT_URGENT},
    };
    struct tc_bus *bus = new_bus();
    struct tc_event *event;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct tocsin_event draft = draft_of(table[i].topic);

        draft.flags = table[i].flags;
        assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, &event), 0);
        assert_int_equal(event->pub.flags, table[i].want);
        tc_event_unref(event);
    }
    tc_bus_free(bus);
}

static void bus_shares_a_turn_among_those_who_are_behind(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen seen[3] = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        subscribe(bus, &seen[i], "*", 0);
    for (int i = 0; i < 30; i++)
        publish(bus, "file.written");
    assert_true(tc_bus_turn(bus, 30));
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[i].n, 10);
    for (int i = 0; i < 3; i++)
        tc_bus_unsubscribe(seen[i].self);
    tc_bus_free(bus);
}

static void bus_turn_is_bounded_though_every_event_makes_another(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen seen = {0};

    (void)state;
    subscribe(bus, &seen, "*", 0);
    publish(bus, "file.written");
    for (int i = 0; i < 10; i++) {
        seen.echoes = "file.written";
        assert_true(tc_bus_turn(bus, 1));
    }
    assert_int_equal(seen.n, 10);
    assert_true(tc_bus_turn(bus, 0));
    assert_int_equal(seen.n, 10);
    tc_bus_unsubscribe(seen.self);
    tc_bus_free(bus);
}

static void bus_wakes_its_owner_once_for_a_batch(void **state)
{
    int wakes = 0;
    struct tc_bus *bus = tc_bus_new(count_wake, &wakes);
    struct seen seen = {0};

    (void)state;
    assert_non_null(bus);
    publish(bus, "file.written"); /* nobody wants it: nothing waits */
    assert_int_equal(wakes, 0);
    subscribe(bus, &seen, "*", 0);
    publish(bus, "file.written");
    publish(bus, "verdict");
    assert_int_equal(wakes, 1);
    assert_false(tc_bus_turn(bus, 10));
    publish(bus, "file.written");
    assert_int_equal(wakes, 2);
    seen.echoes = "file.written";
    assert_true(tc_bus_turn(bus, 1)); /* what it published meanwhile: the turn says so */
    assert_int_equal(wakes, 2);
    assert_false(tc_bus_turn(bus, 1));
    tc_bus_unsubscribe(seen.self);
    tc_bus_free(bus);
}

static void bus_subscriber_may_unsubscribe_itself_in_a_delivery(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen seen = {0}, other = {0};

    (void)state;
    subscribe(bus, &seen, "*", 0);
    subscribe(bus, &other, "*", 0);
    seen.victim = seen.self;
    publish(bus, "file.written");
    publish(bus, "file.written");
    publish(bus, "verdict");
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(seen.n, 1);
    assert_int_equal(other.n, 3);
    tc_bus_unsubscribe(other.self);
    tc_bus_free(bus);
}

static void bus_unsubscribed_in_a_turn_is_never_called_again(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen killer = {0}, victim = {0}, heir = {0};

    (void)state;
    subscribe(bus, &killer, "*", 0);
    subscribe(bus, &victim, "*", 0);
    killer.victim = victim.self;
    publish(bus, "file.written");
    publish(bus, "file.written");
    assert_true(tc_bus_turn(bus, 1));
    /* Who takes over its place inherits nothing of its queue. */
    subscribe(bus, &heir, "*", 0);
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(killer.n, 2);
    assert_int_equal(victim.n, 0);
    assert_int_equal(heir.n, 0);
    publish(bus, "file.written");
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(heir.n, 1);
    tc_bus_unsubscribe(killer.self);
    tc_bus_unsubscribe(heir.self);
    tc_bus_free(bus);
}

static void bus_subscribed_in_a_delivery_gets_what_comes_after(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen seen = {0}, late = {0};

    (void)state;
    subscribe(bus, &seen, "*", 0);
    publish(bus, "file.written");
    seen.joins = &late;
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(late.n, 0);
    publish(bus, "file.written");
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(late.n, 1);
    assert_int_equal(late.ids[0], 2);
    tc_bus_unsubscribe(seen.self);
    tc_bus_unsubscribe(late.self);
    tc_bus_free(bus);
}

static void bus_names_the_voters_whose_queue_took_the_event(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen full = {0}, free_ = {0}, other = {0}, watcher = {0};
    struct tocsin_event draft = draft_of("file.open");
    struct tc_bus_voters voters;

    (void)state;
    draft.flags = TOCSIN_EVENT_AUTH;
    subscribe_as(bus, &full, "full", "file.*", 1, true);
    subscribe_as(bus, &free_, "free", "file.*", 2, true);
    subscribe_as(bus, &other, "other", "network.flow", 0, true);
    subscribe_as(bus, &watcher, "watcher", "file.*", 0, false);
    assert_int_equal(tc_bus_publish(bus, &draft, "es", &voters, NULL), 0);
    assert_int_equal(voters.asked,
                     tc_subscriber_bit(full.self) | tc_subscriber_bit(free_.self));
    assert_int_equal(voters.left_out, 0);
    assert_int_equal(tc_bus_publish(bus, &draft, "es", &voters, NULL), 0);
    assert_int_equal(voters.asked, tc_subscriber_bit(free_.self));
    assert_int_equal(voters.left_out, tc_subscriber_bit(full.self));
    assert_int_equal(tc_bus_publish(bus, &draft, "es", &voters, NULL), 0);
    assert_int_equal(voters.asked, 0);
    assert_int_equal(voters.left_out,
                     tc_subscriber_bit(full.self) | tc_subscriber_bit(free_.self));
    tc_bus_unsubscribe(full.self);
    tc_bus_unsubscribe(free_.self);
    tc_bus_unsubscribe(other.self);
    tc_bus_unsubscribe(watcher.self);
    tc_bus_free(bus);
}

static void bus_publishes_nothing_of_a_draft_it_refuses(void **state)
{
    static const uint8_t deep[] = {0x81, 0xa0, 0x91, 0x91, 0x91, 0x91, 0x91,
                                   0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91,
                                   0x91, 0x91, 0x91, 0x91, 0x91, 0xc0};
    struct tc_bus *bus = new_bus();
    struct tc_bus_counters counters;
    struct seen seen = {0};
    struct tocsin_event draft;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_true(fd > 2);
    subscribe(bus, &seen, "*", 1);
    publish(bus, "file.written");
    draft = draft_of("Bad Topic");
    draft.fd = fd;
    assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), -EINVAL);
    draft.topic = "file.written";
    draft.data = "\x80\x80";
    draft.len = 2;
    assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), -EINVAL);
    draft.data = NULL;
    assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), -EINVAL);
    draft.data = deep;
    draft.len = sizeof(deep);
    assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), -ELOOP);
    draft.len = TOCSIN_EVENT_MAX_BYTES + 1;
    assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), -EMSGSIZE);
    for (draft.fd = 0; draft.fd <= 2; draft.fd++)
        assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), -EBADF);
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    tc_bus_counters(bus, &counters);
    assert_int_equal(counters.published, 1);
    assert_int_equal(counters.dropped, 0);
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(seen.n, 1);
    close(fd);
    tc_bus_unsubscribe(seen.self);
    tc_bus_free(bus);
}

static void bus_refuses_a_malformed_pattern_and_a_subscriber_too_many(void **state)
{
    const char *bad[] = {"file.*", "*.open", NULL}, *good[] = {"*", NULL};
    struct tc_subscription what = {.name = "x", .patterns = bad, .deliver = on_event};
    struct tc_subscriber *all[TC_BUS_SUBSCRIBERS_MAX], *more = NULL;
    struct tc_bus *bus = new_bus();

    (void)state;
    assert_int_equal(tc_bus_subscribe(bus, &what, &more), -EINVAL);
    what.patterns = good;
    for (int i = 0; i < TC_BUS_SUBSCRIBERS_MAX; i++)
        assert_int_equal(tc_bus_subscribe(bus, &what, &all[i]), 0);
    assert_int_equal(tc_bus_subscribe(bus, &what, &more), -ENOSPC);
    assert_null(more);
    tc_bus_unsubscribe(all[17]);
    assert_int_equal(tc_bus_subscribe(bus, &what, &all[17]), 0);
    for (int i = 0; i < TC_BUS_SUBSCRIBERS_MAX; i++)
        tc_bus_unsubscribe(all[i]);
    tc_bus_free(bus);
}

static void bus_routes_topics_whether_they_or_the_subscriber_come_first(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen early = {0}, late = {0};
    const struct tc_topic *topic;
    char name[32];

    (void)state;
    subscribe(bus, &early, "acme.*", 0);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "acme.t%d", i);
        assert_int_equal(tc_topic_intern(tc_bus_topics(bus), name, &topic), 0);
    }
    publish(bus, "acme.t199"); /* interned long before it was first published */
    subscribe(bus, &late, "acme.t199", 0);
    publish(bus, "acme.t199");
    publish(bus, "acme.t3");
    assert_false(tc_bus_turn(bus, 100));
    assert_int_equal(early.n, 3);
    assert_int_equal(late.n, 1);
    tc_bus_unsubscribe(early.self);
    tc_bus_unsubscribe(late.self);
    tc_bus_free(bus);
}

static void bus_queue_keeps_its_order_while_it_grows_and_wraps(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen seen = {0};
    uint64_t next = 1;

    (void)state;
    subscribe(bus, &seen, "*", 0);
    for (int round = 1; round < 40; round++) {
        for (int i = 0; i < 3 * round; i++)
            publish(bus, "file.written");
        seen.n = 0;
        tc_bus_turn(bus, (size_t)(2 * round));
        for (size_t i = 0; i < seen.n; i++)
            assert_int_equal(seen.ids[i], next++);
    }
    seen.n = 0;
    assert_false(tc_bus_turn(bus, SIZE_MAX));
    for (size_t i = 0; i < seen.n; i++)
        assert_int_equal(seen.ids[i], next++);
    assert_int_equal(next, 3 * 39 * 40 / 2 + 1);
    tc_bus_unsubscribe(seen.self);
    tc_bus_free(bus);
}

/* ---- Reports of what was lost. ---- */

static void bus_reports_drops_with_who_how_many_and_when(void **state)
{
    struct tc_bus *bus = new_bus();
    struct seen slow = {0}, journal = {.holds = true};
    struct tocsin_event draft = draft_of("file.written");
    const struct tocsin_event *report;

    (void)state;
    subscribe_as(bus, &slow, "slow", "file.*", 1, false);
    subscribe_as(bus, &journal, "journal", "bus.*", 0, false);
    assert_false(tc_bus_report_drops(bus));
    for (uint64_t i = 0; i < 4; i++) {
        draft.time_ns = 1000 + i;
        assert_int_equal(tc_bus_publish(bus, &draft, "es", NULL, NULL), 0);
    }
    assert_true(tc_bus_has_drops(bus));
    assert_true(tc_bus_report_drops(bus));
    assert_false(tc_bus_has_drops(bus));
    assert_false(tc_bus_report_drops(bus));
    assert_int_equal(tc_bus_publish(bus, &draft, "es", NULL, NULL), 0);
    tc_bus_turn(bus, 100);
    assert_int_equal(journal.n, 1);
    report = &journal.last_event->pub;
    assert_string_equal(report->topic, "bus.dropped");
    assert_string_equal(report->source, "core");
    assert_true(tocsin_str_is(tocsin_event_str(report, "subscriber"), "slow"));
    assert_int_equal(tocsin_event_int(report, "dropped", 0), 3);
    assert_int_equal(tocsin_event_int(report, "total", 0), 3);
    assert_int_equal(report->time_ns, 1003);
    assert_int_equal(tocsin_event_int(report, "@timestamp", 0), 1003);
    tc_event_unref(journal.last_event);

    assert_true(tc_bus_report_drops(bus));
    tc_bus_turn(bus, 100);
    report = &journal.last_event->pub;
    assert_int_equal(tocsin_event_int(report, "dropped", 0), 1);
    assert_int_equal(tocsin_event_int(report, "total", 0), 4);
    tc_event_unref(journal.last_event);
    tc_bus_unsubscribe(slow.self);
    tc_bus_unsubscribe(journal.self);
    tc_bus_free(bus);
}

static void bus_lost_report_is_counted_but_not_reported_in_turn(void **state)
{
    struct tc_bus *bus = new_bus();
    struct tc_subscriber_stats stats;
    struct seen stuck = {0};

    (void)state;
    subscribe_as(bus, &stuck, "stuck", "*", 1, false);
    publish(bus, "file.written");
    publish(bus, "file.written");
    assert_true(tc_bus_report_drops(bus));
    assert_false(tc_bus_has_drops(bus));
    assert_false(tc_bus_report_drops(bus));
    tc_bus_stats(bus, &stats, 1);
    assert_int_equal(stats.dropped, 2);
    tc_bus_unsubscribe(stuck.self);
    tc_bus_free(bus);
}

static void bus_closes_at_once_what_nobody_wants_or_has_room_for(void **state)
{
    struct tc_bus *bus = new_bus();
    struct tocsin_event draft = draft_of("file.open");
    struct seen full = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        draft.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(draft.fd > 2);
        assert_int_equal(tc_bus_publish(bus, &draft, "es", NULL, NULL), 0);
        /* First nobody subscribes, then the queue has room, then it has none. */
        assert_int_equal(fcntl(draft.fd, F_GETFD) == -1, i != 1);
        if (i == 0)
            subscribe(bus, &full, "*", 1);
    }
    tc_bus_unsubscribe(full.self);
    assert_int_equal(fcntl(draft.fd, F_GETFD), -1);
    tc_bus_free(bus);
}

/* An event with a secret, of which each sees what it has subscribed to. */
static void bus_shows_secrets_to_those_who_judge_alone(void **state)
{
    static const char *const all[] = {"*", NULL};
    static const char secret[] = "\x81\xac"
                                 "command_line\xaa--token ab";
    struct tc_bus *bus = tc_bus_new(count_wake, NULL);
    struct seen seen[3] = {{.holds = true}, {.holds = true}, {.holds = true}};
    struct tocsin_event draft = draft_of("process.started");

    (void)state;
    draft.data = secret;
    draft.len = sizeof(secret) - 1;
    for (int i = 0; i < 3; i++) {
        struct tc_subscription what = {.name = "x",
                                       .patterns = all,
                                       .text = (enum tc_bus_text)i,
                                       .deliver = on_event,
                                       .arg = &seen[i]};

        assert_int_equal(tc_bus_subscribe(bus, &what, &seen[i].self), 0);
    }
    for (int masks = 1; masks >= 0; masks--) {
        tc_bus_mask(bus, masks);
        assert_int_equal(tc_bus_publish(bus, &draft, "test", NULL, NULL), 0);
        assert_false(tc_bus_turn(bus, 10));
        for (int i = 0; i < 3; i++) {
            struct tc_event *event = seen[i].last_event;
            struct tc_event *shown = i == TC_BUS_BOTH ? tc_event_shown(event) : event;

            assert_true(
                tocsin_str_is(tocsin_event_str(&shown->pub, "command_line"),
                              i != TC_BUS_TRUE && masks ? "--token ***" : "--token ab"));
            assert_true(tocsin_str_is(tocsin_event_str(&event->pub, "command_line"),
                                      i == TC_BUS_MASKED && masks ? "--token ***"
                                                                  : "--token ab"));
            tc_event_unref(event);
        }
    }
    for (int i = 0; i < 3; i++)
        tc_bus_unsubscribe(seen[i].self);
    tc_bus_free(bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bus_delivers_to_every_subscriber_of_the_topic_in_order),
        cmocka_unit_test(bus_counts_a_drop_when_the_queue_is_full),
        cmocka_unit_test(bus_counts_what_is_published_by_topic),
        cmocka_unit_test(bus_keeps_what_must_not_be_lost_beyond_the_bound),
        cmocka_unit_test(bus_delivers_urgent_events_first_whoever_they_are_for),
        cmocka_unit_test(bus_looks_for_urgent_events_after_each_ordinary_one),
        cmocka_unit_test(bus_marks_urgent_what_it_hurries),
        cmocka_unit_test(bus_shares_a_turn_among_those_who_are_behind),
        cmocka_unit_test(bus_turn_is_bounded_though_every_event_makes_another),
        cmocka_unit_test(bus_wakes_its_owner_once_for_a_batch),
        cmocka_unit_test(bus_subscriber_may_unsubscribe_itself_in_a_delivery),
        cmocka_unit_test(bus_unsubscribed_in_a_turn_is_never_called_again),
        cmocka_unit_test(bus_subscribed_in_a_delivery_gets_what_comes_after),
        cmocka_unit_test(bus_names_the_voters_whose_queue_took_the_event),
        cmocka_unit_test(bus_publishes_nothing_of_a_draft_it_refuses),
        cmocka_unit_test(bus_refuses_a_malformed_pattern_and_a_subscriber_too_many),
        cmocka_unit_test(bus_routes_topics_whether_they_or_the_subscriber_come_first),
        cmocka_unit_test(bus_queue_keeps_its_order_while_it_grows_and_wraps),
        cmocka_unit_test(bus_reports_drops_with_who_how_many_and_when),
        cmocka_unit_test(bus_lost_report_is_counted_but_not_reported_in_turn),
        cmocka_unit_test(bus_shows_secrets_to_those_who_judge_alone),
        cmocka_unit_test(bus_closes_at_once_what_nobody_wants_or_has_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
