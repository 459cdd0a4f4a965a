/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one subscription of one connection: a ring of references to the events that wait
 * to be written to it, and the count of those that its reader missed. Must not: copy an
 * event's bytes, close the connection, or make the bus wait.
 *
 * One batch is on its way at a time: a small header of ours ahead of each event's own
 * bytes, in one writev. What the socket does not take at once, libuv finishes when the
 * reader makes room; until then the ring fills up, and beyond its bounds events are
 * missed.
 */
#include "ipc/tap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/filter.h"
#include "ipc/topic.h"

#define BATCH_EVENTS 64
#define RING_SLOTS (TC_TAP_EVENTS_MAX + TC_TAP_KEPT_EVENTS_MAX)
#define SOURCE_BYTES_MAX 255 /* of a plugin's name, in a header */
/* The longest header: "tap.missed" with three numbers, "tap.event" with two names. */
#define HEAD_BYTES_MAX (64 + 64 + TC_TOPIC_MAX_LEN + SOURCE_BYTES_MAX)
#define PATTERN_BYTES (TC_TOPIC_MAX_LEN + sizeof(".*"))

struct entry {
    struct tc_event *event;
    uint64_t missed_before; /* events missed between this one and the one before */
};

/* The messages that one write carries: the first `events` of the ring, or, when it is
 * empty, a tap.missed alone. */
struct batch {
    size_t events;
    unsigned bufs_count;
    uv_buf_t bufs[2 * BATCH_EVENTS];
    uint8_t heads[32 * HEAD_BYTES_MAX];
};

struct tc_tap {
    struct tc_tap_options options;
    struct tc_subscriber *subscriber;
    struct tc_filter *filter;
    uint64_t sent;
    uint64_t missed;        /* in all */
    uint64_t reported;      /* of these, what the reader knows of */
    uint64_t missed_latest; /* missed since the newest entry of the ring */
    uint64_t bus_dropped; /* the part of `missed` that the bus's queue had no room for */
    size_t bytes;         /* held */
    size_t descriptors;
    bool writing; /* the batch is libuv's; its buffers must stay as they are */
    bool closed;  /* ... and then the tap is freed */
    bool broken;
    uv_write_t request;
    struct batch batch;
    size_t first, count;
    struct entry ring[RING_SLOTS];
};

static struct entry *entry_at(struct tc_tap *tap, size_t i)
{
    return &tap->ring[(tap->first + i) % RING_SLOTS];
}

static void drop_first(struct tc_tap *tap)
{
    struct tc_event *event = entry_at(tap, 0)->event;

    tap->bytes -= event->pub.len;
    if (event->pub.fd >= 0)
        tap->descriptors--;
    tap->first = (tap->first + 1) % RING_SLOTS;
    tap->count--;
    tc_event_unref(event);
}

static void drop_last(struct tc_tap *tap)
{
    tap->count--;
    tc_event_unref(entry_at(tap, tap->count)->event);
}

/* ---- Writing ---- */

static void begin_notification(struct tocsin_writer *w, const char *method)
{
    tocsin_begin_array(w, NULL);
    tocsin_put_uint(w, NULL, 2);
    tocsin_put_str(w, NULL, method);
    tocsin_begin_array(w, NULL);
}

static void end_notification(struct tocsin_writer *w)
{
    tocsin_end(w);
    tocsin_end(w);
}

static void put_missed(struct tc_tap *tap, struct tocsin_writer *w, uint64_t count)
{
    tap->reported += count;
    begin_notification(w, "tap.missed");
    tocsin_put_uint(w, NULL, tap->options.id);
    tocsin_put_uint(w, NULL, count);
    tocsin_put_uint(w, NULL, tap->reported);
    end_notification(w);
}

static void put_event_head(struct tocsin_writer *w, const struct tocsin_event *event)
{
    const char *source = event->source ? event->source : "";

    begin_notification(w, "tap.event");
    tocsin_put_str(w, NULL, event->topic);
    tocsin_put_strn(w, NULL, source, strnlen(source, SOURCE_BYTES_MAX));
    tocsin_put_uint(w, NULL, event->id);
    /* counts as the fourth entry; its bytes follow in a buffer of their own */
    tocsin_put_encoded(w, NULL, NULL, 0);
    end_notification(w);
}

static void batch_build(struct tc_tap *tap)
{
    struct batch *batch = &tap->batch;
    const struct tocsin_event *event;
    struct tocsin_writer w;
    struct entry *entry;
    size_t used = 0;

    batch->events = 0;
    batch->bufs_count = 0;
    while (batch->events < BATCH_EVENTS && batch->events < tap->count &&
           sizeof(batch->heads) - used >= HEAD_BYTES_MAX) {
        entry = entry_at(tap, batch->events++);
        event = &entry->event->pub;
        tocsin_writer_init(&w, batch->heads + used, HEAD_BYTES_MAX);
        if (entry->missed_before)
            put_missed(tap, &w, entry->missed_before);
        put_event_head(&w, event);
        batch->bufs[batch->bufs_count++] = uv_buf_init((char *)w.buf, (unsigned)w.len);
        batch->bufs[batch->bufs_count++] =
            uv_buf_init((char *)(uintptr_t)event->data, (unsigned)event->len);
        used += w.len;
    }
    if (!tap->count && tap->missed_latest) {
        tocsin_writer_init(&w, batch->heads, HEAD_BYTES_MAX);
        put_missed(tap, &w, tap->missed_latest);
        tap->missed_latest = 0;
        batch->bufs[batch->bufs_count++] = uv_buf_init((char *)w.buf, (unsigned)w.len);
    }
}

static void batch_done(struct tc_tap *tap)
{
    tap->sent += tap->batch.events;
    for (; tap->batch.events; tap->batch.events--)
        drop_first(tap);
}

/* Takes `written` bytes off the front of the batch; returns the first buffer left. */
static unsigned batch_skip(struct batch *batch, size_t written)
{
    unsigned i;

    for (i = 0; i < batch->bufs_count && written >= batch->bufs[i].len; i++)
        written -= batch->bufs[i].len;
    if (i < batch->bufs_count) {
        batch->bufs[i].base += written;
        batch->bufs[i].len -= written;
    }
    return i;
}

static void tap_free(struct tc_tap *tap)
{
    while (tap->count)
        drop_first(tap);
    tc_filter_free(tap->filter);
    free(tap);
}

static void on_written(uv_write_t *request, int status)
{
    struct tc_tap *tap = request->data;

    tap->writing = false;
    if (tap->closed) {
        tap_free(tap);
        return;
    }
    batch_done(tap);
    tap->broken |= status < 0;
    if (tc_tap_flush(tap) < 0)
        tap->options.wake(tap->options.arg);
}

/* Hands the batch to the socket, and what that does not take to libuv. */
static int batch_write(struct tc_tap *tap)
{
    struct batch *batch = &tap->batch;
    unsigned first;
    int r;

    r = uv_try_write(tap->options.stream, batch->bufs, batch->bufs_count);
    if (r < 0 && r != UV_EAGAIN)
        return r;
    first = batch_skip(batch, r < 0 ? 0 : (size_t)r);
    if (first == batch->bufs_count) {
        batch_done(tap);
        return 0;
    }
    tap->request.data = tap;
    r = uv_write(&tap->request, tap->options.stream, batch->bufs + first,
                 batch->bufs_count - first, on_written);
    if (!r)
        tap->writing = true;
    return r;
}

int tc_tap_flush(struct tc_tap *tap)
{
    while (!tap->writing && !tap->broken && (tap->count || tap->missed_latest)) {
        batch_build(tap);
        tap->broken = batch_write(tap) < 0;
    }
    return tap->broken ? -EPIPE : 0;
}

/* ---- Events ---- */

static void miss(struct tc_tap *tap, uint64_t count)
{
    tap->missed += count;
    tap->missed_latest += count;
}

static bool has_room(const struct tc_tap *tap, const struct tc_event *event)
{
    size_t events = TC_TAP_EVENTS_MAX, bytes = TC_TAP_BYTES_MAX;

    if (event->topic->keep) {
        events += TC_TAP_KEPT_EVENTS_MAX;
        bytes += TC_TAP_KEPT_BYTES_MAX;
    }
    return tap->count < events && tap->bytes + event->pub.len <= bytes &&
           (event->pub.fd < 0 || tap->descriptors < TC_TAP_DESCRIPTORS_MAX);
}

static void keep(struct tc_tap *tap, struct tc_event *event)
{
    struct entry *entry = entry_at(tap, tap->count++);

    tc_event_ref(event);
    entry->event = event;
    entry->missed_before = tap->missed_latest;
    tap->missed_latest = 0;
    tap->bytes += event->pub.len;
    if (event->pub.fd >= 0)
        tap->descriptors++;
}

static void deliver(void *arg, struct tc_event *event)
{
    struct tc_tap *tap = arg;
    uint64_t dropped = tc_subscriber_dropped(tap->subscriber);

    if (tap->broken)
        return;
    miss(tap, dropped - tap->bus_dropped);
    tap->bus_dropped = dropped;
    if (tc_filter_match(tap->filter, event->pub.data, event->pub.len)) {
        if (has_room(tap, event))
            keep(tap, event);
        else
            miss(tap, 1);
    }
    if (tap->writing || (!tap->count && !tap->missed_latest))
        return;
    if (tap->count < BATCH_EVENTS || tc_tap_flush(tap) < 0)
        tap->options.wake(tap->options.arg);
}

/* ---- Opening and closing ---- */

/* The patterns of tap.open, each ended. */
struct topics {
    char names[TC_TAP_TOPICS_MAX][PATTERN_BYTES];
    const char *patterns[TC_TAP_TOPICS_MAX + 1]; /* into `names`; NULL-terminated */
};

static int read_topics(const struct tocsin_value *list, struct topics *ret_topics,
                       char why[256])
{
    struct tocsin_value value;
    struct tocsin_iter it;
    size_t i = 0;
    char *name;

    if (list->type != TOCSIN_ARRAY || !list->count || list->count > TC_TAP_TOPICS_MAX) {
        snprintf(why, 256, "topics is a list of 1 to %d patterns", TC_TAP_TOPICS_MAX);
        return -EINVAL;
    }
    tocsin_iter_init(&it, list);
    while (tocsin_iter_next(&it, NULL, &value)) {
        if (value.type != TOCSIN_STR || value.len >= PATTERN_BYTES)
            goto malformed;
        name = ret_topics->names[i];
        memcpy(name, value.ptr, value.len);
        name[value.len] = '\0';
        if (strlen(name) != value.len || !tc_topic_pattern_valid(name))
            goto malformed;
        ret_topics->patterns[i++] = name;
    }
    ret_topics->patterns[i] = NULL;
    return 0;

malformed:
    if (value.type != TOCSIN_STR)
        value.len = 0;
    snprintf(
        why, 256,
        "\"%.*s\" is no topic: give a whole name (file.open), its first words and .* "
        "(file.*), or * for all",
        (int)(value.len < 64 ? value.len : 64), value.len ? value.ptr : "");
    return -EINVAL;
}

static int read_params(struct tc_tap *tap, const void *params, size_t len,
                       struct topics *ret_topics, char why[256])
{
    struct tocsin_value map, key = {0}, value;
    struct tocsin_iter it;
    int r = 0;

    if (!tocsin_read(params, (const uint8_t *)params + len, &map))
        return -EINVAL;
    tocsin_iter_init(&it, &map);
    while (!r && tocsin_iter_next(&it, &key, &value)) {
        struct tocsin_str name = {key.ptr, key.len};

        if (tocsin_str_is(name, "topics")) {
            r = read_topics(&value, ret_topics, why);
        } else if (tocsin_str_is(name, "filter") && !tap->filter) {
            r = tc_filter_new(&value, &tap->filter, why);
        } else {
            snprintf(why, 256, "it takes topics and one filter, and no %.*s",
                     (int)(name.len < 64 ? name.len : 64), name.ptr);
            r = -EINVAL;
        }
    }
    return r;
}

static int subscribe(struct tc_tap *tap, const char *const *patterns, char why[256])
{
    struct tc_subscription what = {.patterns = patterns, .deliver = deliver, .arg = tap};
    char name[32];
    int r;

    snprintf(name, sizeof(name), "tap-%" PRIu64, tap->options.id);
    what.name = name;
    r = tc_bus_subscribe(tap->options.bus, &what, &tap->subscriber);
    if (r)
        snprintf(why, 256, "cannot subscribe: %s", strerror(-r));
    return r;
}

int tc_tap_open(const struct tc_tap_options *options, const void *params, size_t len,
                struct tc_tap **ret_tap, char why[256])
{
    struct topics topics = {.patterns = {"*"}};
    struct tc_tap *tap;
    int r = -ENOMEM;

    snprintf(why, 256, "out of memory");
    tap = calloc(1, sizeof(*tap));
    if (!tap)
        return r;
    tap->options = *options;
    r = read_params(tap, params, len, &topics, why);
    if (!r)
        r = subscribe(tap, topics.patterns, why);
    if (r)
        tap_free(tap);
    else
        *ret_tap = tap;
    return r;
}

void tc_tap_close(struct tc_tap *tap)
{
    if (!tap)
        return;
    tc_bus_unsubscribe(tap->subscriber);
    tap->subscriber = NULL;
    if (!tap->writing) {
        tap_free(tap);
        return;
    }
    tap->closed = true;
    while (tap->count > tap->batch.events)
        drop_last(tap);
}

void tc_tap_stats(const struct tc_tap *tap, struct tc_tap_stats *ret)
{
    ret->id = tap->options.id;
    ret->sent = tap->sent;
    ret->missed = tap->missed;
    ret->queued = tap->count;
    ret->queued_bytes = tap->bytes;
}
