/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: who subscribes to what, a bounded queue per subscriber, and the order of
 * delivery: urgent events first, then the rest, each subscriber's in the order of
 * publication. Must not: know plugins or sockets, look at the clock, log, or own a loop.
 * One thread.
 *
 * Publishing only queues; tc_bus_turn delivers. `wake` lets the owner know that a turn is
 * due.
 */
#ifndef TC_IPC_BUS_H
#define TC_IPC_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tc_bus;
struct tc_event;
struct tc_subscriber;
struct tc_topics;
struct tocsin_event;

#define TC_BUS_SUBSCRIBERS_MAX 64 /* so that a set of them fits a uint64_t */
#define TC_BUS_QUEUE_DEFAULT 8192 /* events one subscriber may be behind, each lane */

typedef void (*tc_bus_wake_fn)(void *arg);
typedef void (*tc_bus_deliver_fn)(void *arg, struct tc_event *event);

/* What a subscriber sees of the secrets on command lines (mask.h). */
enum tc_bus_text {
    TC_BUS_TRUE,   /* all: who judges */
    TC_BUS_MASKED, /* ***: who shows them to people, or sends them away */
    TC_BUS_BOTH,   /* the event, of which tc_event_shown gives what may be shown */
};

/* What one subscriber wants. Strings are copied. */
struct tc_subscription {
    const char *name;            /* for bus.dropped and stats */
    const char *const *patterns; /* NULL-terminated; see tc_topic_pattern_valid */
    size_t queue_max;            /* events, each lane; 0: TC_BUS_QUEUE_DEFAULT */
    bool voter;                  /* counts among the voters that tc_bus_publish returns */
    enum tc_bus_text text;
    bool reader; /* is to be told what those who asked know (tc_bus_has_reader) */
    tc_bus_deliver_fn
        deliver; /* borrows the event; may publish, subscribe and unsubscribe */
    void *arg;
};

/* The voters among the subscribers of one event. */
struct tc_bus_voters {
    uint64_t asked;    /* whose queue took it */
    uint64_t left_out; /* whose queue was full */
};

struct tc_bus_counters {
    uint64_t published, delivered, dropped;
};

struct tc_subscriber_stats {
    const char *name;
    uint64_t delivered, dropped;
    size_t queued;
};

struct tc_topic_stats {
    const char *name;
    uint64_t published;
};

/*
 * `wake(arg)` is called when events wait where none did before; not from within a turn,
 * whose return value says it. NULL when out of memory.
 */
struct tc_bus *tc_bus_new(tc_bus_wake_fn wake, void *arg);

/* Whether secrets are masked where a subscriber wants that; from the next event on that
 * is delivered. A bus that is new does. */
void tc_bus_mask(struct tc_bus *bus, bool mask);

/* Drops what is still queued. All subscribers must be gone. */
void tc_bus_free(struct tc_bus *bus);

struct tc_topics *tc_bus_topics(struct tc_bus *bus);

/* Errors: -EINVAL, a malformed pattern; -ENOSPC, TC_BUS_SUBSCRIBERS_MAX reached; -ENOMEM.
 */
int tc_bus_subscribe(struct tc_bus *bus, const struct tc_subscription *what,
                     struct tc_subscriber **ret_subscriber);

/* Drops its queue; it is never called again, not even in a turn that is under way. Takes
 * NULL. */
void tc_bus_unsubscribe(struct tc_subscriber *subscriber);

/* The subscriber's bit in the sets of voters. */
uint64_t tc_subscriber_bit(const struct tc_subscriber *subscriber);

/* Whether a reader subscribes to the topic: on a hot path, what those who asked know
 * themselves is worth its time then alone. */
bool tc_bus_has_reader(struct tc_bus *bus, const char *topic);

/* How many events it has lost to a full queue so far. */
uint64_t tc_subscriber_dropped(const struct tc_subscriber *subscriber);

/* It could not take n of those that were delivered to it: they count as dropped, the last
 * at that time. */
void tc_subscriber_lose(struct tc_subscriber *subscriber, uint64_t n, uint64_t time_ns);

/*
 * Makes an event of *draft under the next id and queues it. A full queue drops the event
 * for that subscriber and counts it; topics with `keep` are queued beyond the bound.
 * Topics "verdict" and "verdict.final", and events with TOCSIN_EVENT_AUTH, are made
 * urgent. ret_voters may be NULL. ret_event (may be
 * NULL): a reference. Errors: as tc_event_new and tc_topic_intern; draft->fd is taken
 * over on success only.
 */
int tc_bus_publish(struct tc_bus *bus, const struct tocsin_event *draft,
                   const char *source, struct tc_bus_voters *ret_voters,
                   struct tc_event **ret_event);

/*
 * Makes an event of *draft under the next id, and delivers it to nobody: somebody waits
 * for an answer to it all the same. Errors and ownership as tc_bus_publish; the reference
 * is the caller's.
 */
int tc_bus_suppress(struct tc_bus *bus, const struct tocsin_event *draft,
                    const char *source, struct tc_event **ret_event);

/* Delivers at most `max` events. True when some are left. Not from inside a delivery. */
bool tc_bus_turn(struct tc_bus *bus, size_t max);

/*
 * Publishes one bus.dropped {subscriber, dropped, total} for each subscriber that lost
 * events since the last call, at the time of the last that it lost. A lost bus.dropped
 * counts in `total` alone. Call at most once a second. True when there was any.
 */
bool tc_bus_report_drops(struct tc_bus *bus);

/* True when a subscriber has lost events that tc_bus_report_drops has not reported yet.
 */
bool tc_bus_has_drops(const struct tc_bus *bus);

void tc_bus_counters(const struct tc_bus *bus, struct tc_bus_counters *ret);

/* Fills up to `max` entries; returns how many subscribers there are. Names live as they
 * do. */
size_t tc_bus_stats(const struct tc_bus *bus, struct tc_subscriber_stats *ret,
                    size_t max);

/* The next topic that anything was published under; *at is 0 at first. False: no more. */
bool tc_bus_topic_stats(const struct tc_bus *bus, size_t *at,
                        struct tc_topic_stats *ret_stats);

#endif
