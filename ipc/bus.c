/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: who subscribes to what, a bounded queue per subscriber and lane, and the order of
 * delivery. Must not: know plugins or sockets, look at the clock, log, or own a loop.
 *
 * A subscriber is a bit: of a route (who wants a topic, worked out once), of the set that
 * has something queued on a lane, of the voters. So publishing and choosing whom to
 * deliver to next cost a few instructions, however many subscribe.
 */
#include "ipc/bus.h"

#include "ipc/event.h"
#include "ipc/mask.h"
#include "ipc/topic.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum lane { LANE_URGENT, LANE_ORDINARY, LANES };

#define RING_SLOTS_MIN 16 /* a power of two, as every size of a ring */
/* A ring that has run empty and is larger than this gives its memory back. */
#define RING_SLOTS_KEPT 256
#define ROUTES_MIN 32

/* A queue that grows as it fills. */
struct ring {
    struct tc_event **slots;
    size_t size, head, count;
};

struct tc_subscriber {
    struct tc_bus *bus;
    struct ring lanes[LANES];
    enum tc_bus_text text;
    tc_bus_deliver_fn deliver;
    void *arg;
    size_t queue_max;
    unsigned index; /* of its bit */
    uint64_t delivered, dropped;
    uint64_t unreported;   /* drops that no bus.dropped has reported */
    uint64_t lost_time_ns; /* when the last event that it lost happened */
    char *name;
    char **patterns; /* NULL-terminated */
};

/* The subscribers of one topic; topic is NULL until it is first published. */
struct route {
    const struct tc_topic *topic;
    uint64_t subscribers;
    uint64_t published;
};

struct tc_bus {
    struct tc_subscriber *subscribers[TC_BUS_SUBSCRIBERS_MAX];
    uint64_t used, voters, readers;
    uint64_t waiting[LANES]; /* whose lane is not empty */
    unsigned next[LANES];    /* whose turn it is, round and round */
    struct route *routes;    /* by the topic's index */
    size_t routes_size;
    struct tc_topics *topics;
    const struct tc_topic *verdict, *verdict_final, *dropped;
    tc_bus_wake_fn wake;
    void *arg;
    bool turning, masks;
    uint64_t last_id;
    struct tc_bus_counters counters;
};

/* ---- Rings. ---- */

/* Makes room for one more. */
static int ring_reserve(struct ring *ring)
{
    struct tc_event **slots;
    size_t size, tail;

    if (ring->count < ring->size)
        return 0;
    size = ring->size ? ring->size * 2 : RING_SLOTS_MIN;
    slots = malloc(size * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    if (ring->count) {
        tail = ring->size - ring->head;
        memcpy(slots, ring->slots + ring->head, tail * sizeof(*slots));
        memcpy(slots + tail, ring->slots, ring->head * sizeof(*slots));
    }
    free(ring->slots);
    ring->slots = slots;
    ring->size = size;
    ring->head = 0;
    return 0;
}

static void ring_push(struct ring *ring, struct tc_event *event)
{
    ring->slots[(ring->head + ring->count++) & (ring->size - 1)] = event;
}

static struct tc_event *ring_pop(struct ring *ring)
{
    struct tc_event *event = ring->slots[ring->head];

    ring->head = (ring->head + 1) & (ring->size - 1);
    if (!--ring->count && ring->size > RING_SLOTS_KEPT) {
        free(ring->slots);
        *ring = (struct ring){0};
    }
    return event;
}

static void ring_done(struct ring *ring)
{
    while (ring->count)
        tc_event_unref(ring_pop(ring));
    free(ring->slots);
}

/* ---- Life. ---- */

struct tc_bus *tc_bus_new(tc_bus_wake_fn wake, void *arg)
{
    struct tc_bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return NULL;
    bus->wake = wake;
    bus->arg = arg;
    bus->masks = true;
    bus->topics = tc_topics_new();
    if (!bus->topics ||
        tc_topic_intern(bus->topics, TOCSIN_TOPIC_VERDICT, &bus->verdict) < 0 ||
        tc_topic_intern(bus->topics, TOCSIN_TOPIC_VERDICT_FINAL, &bus->verdict_final) <
            0 ||
        tc_topic_intern(bus->topics, TOCSIN_TOPIC_BUS_DROPPED, &bus->dropped) < 0) {
        tc_bus_free(bus);
        return NULL;
    }
    return bus;
}

void tc_bus_mask(struct tc_bus *bus, bool mask)
{
    bus->masks = mask;
}

void tc_bus_free(struct tc_bus *bus)
{
    if (!bus)
        return;
    assert(!bus->used && !bus->turning);
    tc_topics_free(bus->topics);
    free(bus->routes);
    free(bus);
}

struct tc_topics *tc_bus_topics(struct tc_bus *bus)
{
    return bus->topics;
}

/* ---- Subscribing. ---- */

static bool subscriber_wants(const struct tc_subscriber *subscriber, const char *topic)
{
    for (char **pattern = subscriber->patterns; *pattern; pattern++)
        if (tc_topic_match(*pattern, topic))
            return true;
    return false;
}

static void subscriber_free(struct tc_subscriber *subscriber)
{
    for (int lane = 0; lane < LANES; lane++)
        ring_done(&subscriber->lanes[lane]);
    for (char **pattern = subscriber->patterns; pattern && *pattern; pattern++)
        free(*pattern);
    free(subscriber->patterns);
    free(subscriber->name);
    free(subscriber);
}

static int subscriber_copy(struct tc_subscriber *subscriber,
                           const struct tc_subscription *what)
{
    size_t n = 0;

    while (what->patterns && what->patterns[n])
        if (!tc_topic_pattern_valid(what->patterns[n++]))
            return -EINVAL;
    subscriber->name = strdup(what->name);
    subscriber->patterns = calloc(n + 1, sizeof(*subscriber->patterns));
    if (!subscriber->name || !subscriber->patterns)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        subscriber->patterns[i] = strdup(what->patterns[i]);
        if (!subscriber->patterns[i])
            return -ENOMEM;
    }
    subscriber->queue_max = what->queue_max ? what->queue_max : TC_BUS_QUEUE_DEFAULT;
    subscriber->deliver = what->deliver;
    subscriber->text = what->text;
    subscriber->arg = what->arg;
    return 0;
}

int tc_bus_subscribe(struct tc_bus *bus, const struct tc_subscription *what,
                     struct tc_subscriber **ret_subscriber)
{
    struct tc_subscriber *subscriber;
    int r;

    if (bus->used == UINT64_MAX)
        return -ENOSPC;
    subscriber = calloc(1, sizeof(*subscriber));
    if (!subscriber)
        return -ENOMEM;
    r = subscriber_copy(subscriber, what);
    if (r < 0) {
        subscriber_free(subscriber);
        return r;
    }
    subscriber->bus = bus;
    subscriber->index = (unsigned)__builtin_ctzll(~bus->used);
    bus->subscribers[subscriber->index] = subscriber;
    bus->used |= tc_subscriber_bit(subscriber);
    if (what->voter)
        bus->voters |= tc_subscriber_bit(subscriber);
    if (what->reader)
        bus->readers |= tc_subscriber_bit(subscriber);
    for (size_t i = 0; i < bus->routes_size; i++)
        if (bus->routes[i].topic &&
            subscriber_wants(subscriber, bus->routes[i].topic->name))
            bus->routes[i].subscribers |= tc_subscriber_bit(subscriber);
    *ret_subscriber = subscriber;
    return 0;
}

void tc_bus_unsubscribe(struct tc_subscriber *subscriber)
{
    struct tc_bus *bus;
    uint64_t others;

    if (!subscriber)
        return;
    bus = subscriber->bus;
    others = ~tc_subscriber_bit(subscriber);
    bus->subscribers[subscriber->index] = NULL;
    bus->used &= others;
    bus->voters &= others;
    bus->readers &= others;
    for (int lane = 0; lane < LANES; lane++)
        bus->waiting[lane] &= others;
    for (size_t i = 0; i < bus->routes_size; i++)
        bus->routes[i].subscribers &= others;
    subscriber_free(subscriber);
}

uint64_t tc_subscriber_bit(const struct tc_subscriber *subscriber)
{
    return UINT64_C(1) << subscriber->index;
}

void tc_subscriber_lose(struct tc_subscriber *subscriber, uint64_t n, uint64_t time_ns)
{
    subscriber->bus->counters.dropped += n;
    subscriber->dropped += n;
    subscriber->unreported += n;
    subscriber->lost_time_ns = time_ns;
}

uint64_t tc_subscriber_dropped(const struct tc_subscriber *subscriber)
{
    return subscriber->dropped;
}

/* ---- Publishing. ---- */

/* Takes the subscriber with the lowest bit out of a set that is not empty. */
static struct tc_subscriber *bus_take(const struct tc_bus *bus, uint64_t *set)
{
    struct tc_subscriber *subscriber = bus->subscribers[__builtin_ctzll(*set)];

    *set &= *set - 1;
    return subscriber;
}

static int routes_grow(struct tc_bus *bus, size_t index)
{
    size_t size = bus->routes_size ? bus->routes_size : ROUTES_MIN;
    struct route *routes;

    while (size <= index)
        size *= 2;
    routes = realloc(bus->routes, size * sizeof(*routes));
    if (!routes)
        return -ENOMEM;
    memset(routes + bus->routes_size, 0, (size - bus->routes_size) * sizeof(*routes));
    bus->routes = routes;
    bus->routes_size = size;
    return 0;
}

/* Who subscribes to the topic. */
static int bus_route(struct tc_bus *bus, const struct tc_topic *topic, uint64_t *ret)
{
    struct tc_subscriber *subscriber;
    struct route *route;
    uint64_t set = bus->used;
    int r;

    if (topic->index >= bus->routes_size) {
        r = routes_grow(bus, topic->index);
        if (r < 0)
            return r;
    }
    route = &bus->routes[topic->index];
    if (!route->topic) {
        route->topic = topic;
        while (set) {
            subscriber = bus_take(bus, &set);
            if (subscriber_wants(subscriber, topic->name))
                route->subscribers |= tc_subscriber_bit(subscriber);
        }
    }
    *ret = route->subscribers;
    return 0;
}

bool tc_bus_has_reader(struct tc_bus *bus, const char *topic)
{
    const struct tc_topic *interned;
    uint64_t set = 0;

    if (!bus->readers || tc_topic_intern(bus->topics, topic, &interned) ||
        bus_route(bus, interned, &set))
        return false;
    return (set & bus->readers) != 0;
}

/*
 * Splits the subscribers of a topic into those whose lane takes one more event, which
 * then has the memory for it, and those that are full. Memory comes first so that an
 * event is queued for all who have room, or for none.
 */
static int bus_reserve(struct tc_bus *bus, const struct tc_topic *topic, enum lane lane,
                       uint64_t *ret_takers, uint64_t *ret_full)
{
    struct tc_subscriber *subscriber;
    uint64_t set, takers = 0, full = 0;
    int r;

    r = bus_route(bus, topic, &set);
    if (r < 0)
        return r;
    while (set) {
        subscriber = bus_take(bus, &set);
        if (subscriber->lanes[lane].count >= subscriber->queue_max && !topic->keep) {
            full |= tc_subscriber_bit(subscriber);
            continue;
        }
        r = ring_reserve(&subscriber->lanes[lane]);
        if (r < 0)
            return r;
        takers |= tc_subscriber_bit(subscriber);
    }
    *ret_takers = takers;
    *ret_full = full;
    return 0;
}

static void bus_count_drops(struct tc_bus *bus, uint64_t full,
                            const struct tc_event *event)
{
    struct tc_subscriber *subscriber;

    while (full) {
        subscriber = bus_take(bus, &full);
        bus->counters.dropped++;
        subscriber->dropped++;
        /* A lost report is not reported in turn: that would never end. */
        if (event->topic == bus->dropped)
            continue;
        subscriber->unreported++;
        subscriber->lost_time_ns = event->pub.time_ns;
    }
}

int tc_bus_publish(struct tc_bus *bus, const struct tocsin_event *draft,
                   const char *source, struct tc_bus_voters *ret_voters,
                   struct tc_event **ret_event)
{
    const struct tc_topic *topic;
    struct tc_event *event;
    uint64_t takers, full, set;
    bool idle, urgent;
    enum lane lane;
    unsigned refs;
    int r;

    r = tc_topic_intern(bus->topics, draft->topic, &topic);
    if (r < 0)
        return r;
    urgent = (draft->flags & (TOCSIN_EVENT_AUTH | TOCSIN_EVENT_URGENT)) ||
             topic == bus->verdict || topic == bus->verdict_final;
    lane = urgent ? LANE_URGENT : LANE_ORDINARY;
    r = bus_reserve(bus, topic, lane, &takers, &full);
    if (r < 0)
        return r;
    r = tc_event_new(draft, topic, source, bus->last_id + 1, &event);
    if (r < 0)
        return r;
    bus->last_id++;
    bus->counters.published++;
    bus->routes[topic->index].published++;
    if (urgent)
        event->pub.flags |= TOCSIN_EVENT_URGENT;
    bus_count_drops(bus, full, event);
    idle = !(bus->waiting[LANE_URGENT] | bus->waiting[LANE_ORDINARY]);
    for (set = takers; set;)
        ring_push(&bus_take(bus, &set)->lanes[lane], event);
    bus->waiting[lane] |= takers;
    if (ret_voters)
        *ret_voters = (struct tc_bus_voters){takers & bus->voters, full & bus->voters};
    if (ret_event)
        *ret_event = event;
    /* The event came with one reference. */
    refs = (unsigned)__builtin_popcountll(takers) + (ret_event ? 1 : 0);
    if (refs > 1)
        tc_event_ref_many(event, refs - 1);
    else if (!refs)
        tc_event_unref(event);
    if (takers && idle && !bus->turning)
        bus->wake(bus->arg);
    return 0;
}

int tc_bus_suppress(struct tc_bus *bus, const struct tocsin_event *draft,
                    const char *source, struct tc_event **ret_event)
{
    const struct tc_topic *topic;
    int r = tc_topic_intern(bus->topics, draft->topic, &topic);

    if (!r)
        r = tc_event_new(draft, topic, source, bus->last_id + 1, ret_event);
    if (!r)
        bus->last_id++;
    return r;
}

/* ---- Delivering. ---- */

/* The subscriber in the set at or after `from`, else the first of all. */
static unsigned set_next(uint64_t set, unsigned from)
{
    uint64_t ahead = set & (UINT64_MAX << from);

    return (unsigned)__builtin_ctzll(ahead ? ahead : set);
}

/*
 * Delivers one event of the lane, to the subscriber whose turn it is. The callback may
 * free that subscriber, so nothing of it is touched afterwards.
 */
/* What cannot be masked, for want of memory, is not shown. */
static void bus_show(struct tc_bus *bus, struct tc_subscriber *subscriber,
                     struct tc_event *event)
{
    bool masked = bus->masks && subscriber->text != TC_BUS_TRUE;
    struct tc_event *shown = masked ? tc_event_mask(event) : event;

    if (masked && !shown)
        tc_subscriber_lose(subscriber, 1, event->pub.time_ns);
    else
        subscriber->deliver(subscriber->arg,
                            subscriber->text == TC_BUS_MASKED ? shown : event);
}

static void bus_deliver(struct tc_bus *bus, enum lane lane)
{
    unsigned index = set_next(bus->waiting[lane], bus->next[lane]);
    struct tc_subscriber *subscriber = bus->subscribers[index];
    struct tc_event *event = ring_pop(&subscriber->lanes[lane]);

    if (!subscriber->lanes[lane].count)
        bus->waiting[lane] &= ~tc_subscriber_bit(subscriber);
    bus->next[lane] = (index + 1) % TC_BUS_SUBSCRIBERS_MAX;
    bus->counters.delivered++;
    subscriber->delivered++;
    bus_show(bus, subscriber, event);
    tc_event_unref(event);
}

bool tc_bus_turn(struct tc_bus *bus, size_t max)
{
    assert(!bus->turning);
    bus->turning = true;
    while (max--) {
        if (bus->waiting[LANE_URGENT])
            bus_deliver(bus, LANE_URGENT);
        else if (bus->waiting[LANE_ORDINARY])
            bus_deliver(bus, LANE_ORDINARY);
        else
            break;
    }
    bus->turning = false;
    return bus->waiting[LANE_URGENT] || bus->waiting[LANE_ORDINARY];
}

/* ---- What was lost, and counters. ---- */

static int bus_report_drop(struct tc_bus *bus, const struct tc_subscriber *subscriber)
{
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1};
    struct tocsin_writer w;
    int r;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, TOCSIN_FIELD_TIMESTAMP, subscriber->lost_time_ns);
    tocsin_put_str(&w, "subscriber", subscriber->name);
    tocsin_put_uint(&w, "dropped", subscriber->unreported);
    tocsin_put_uint(&w, "total", subscriber->dropped);
    tocsin_end(&w);
    r = w.error;
    if (!r) {
        draft.topic = TOCSIN_TOPIC_BUS_DROPPED;
        draft.time_ns = subscriber->lost_time_ns;
        draft.data = w.buf;
        draft.len = w.len;
        r = tc_bus_publish(bus, &draft, "core", NULL, NULL);
    }
    tocsin_writer_done(&w);
    return r;
}

bool tc_bus_report_drops(struct tc_bus *bus)
{
    struct tc_subscriber *subscriber;
    uint64_t set = bus->used;
    bool any = false;

    while (set) {
        subscriber = bus_take(bus, &set);
        if (!subscriber->unreported || bus_report_drop(bus, subscriber) < 0)
            continue;
        subscriber->unreported = 0;
        any = true;
    }
    return any;
}

bool tc_bus_has_drops(const struct tc_bus *bus)
{
    uint64_t set = bus->used;

    while (set)
        if (bus_take(bus, &set)->unreported)
            return true;
    return false;
}

void tc_bus_counters(const struct tc_bus *bus, struct tc_bus_counters *ret)
{
    *ret = bus->counters;
}

size_t tc_bus_stats(const struct tc_bus *bus, struct tc_subscriber_stats *ret, size_t max)
{
    const struct tc_subscriber *subscriber;
    uint64_t set = bus->used;
    size_t n = 0;

    for (; set; n++) {
        subscriber = bus_take(bus, &set);
        if (n >= max)
            continue;
        ret[n] = (struct tc_subscriber_stats){
            .name = subscriber->name,
            .delivered = subscriber->delivered,
            .dropped = subscriber->dropped,
            .queued = subscriber->lanes[LANE_URGENT].count +
                      subscriber->lanes[LANE_ORDINARY].count,
        };
    }
    return n;
}

bool tc_bus_topic_stats(const struct tc_bus *bus, size_t *at,
                        struct tc_topic_stats *ret_stats)
{
    for (; *at < bus->routes_size; ++*at) {
        const struct route *route = &bus->routes[*at];

        if (!route->published)
            continue;
        *ret_stats = (struct tc_topic_stats){route->topic->name, route->published};
        ++*at;
        return true;
    }
    return false;
}
