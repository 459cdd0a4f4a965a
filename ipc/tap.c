/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one subscription of one connection: a ring of references to the events that wait
 * to be written to it, and the count of those that its reader missed. Must not: copy an
 * event's bytes, close the connection, or make the bus wait.
 *
 * One batch is on its way at a time: each event's own bytes, with a few of ours ahead and
 * behind, in one writev. What the socket does not take at once, libuv finishes when the
 * reader makes room; until then the ring fills up, and beyond its bounds events are
 * missed.
 */
#include "ipc/tap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/filter.h"
#include "ipc/follow.h"
#include "ipc/tap_priv.h"
#include "ipc/topic.h"

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
    /* counts as the fourth entry; its bytes come from a buffer of their own */
    tocsin_put_encoded(w, NULL, NULL, 0);
}

static void put_event_tail(struct tocsin_writer *w, const struct tocsin_event *event)
{
    tocsin_put_uint(w, NULL, event->time_ns);
    tocsin_put_uint(w, NULL, event->reply_to);
    end_notification(w);
}

/* Appends the n bytes to the batch: to its last buffer, where they follow on that. */
static void batch_add(struct batch *batch, const void *bytes, size_t n)
{
    uv_buf_t *last = &batch->bufs[batch->bufs_count];

    if (batch->bufs_count && last[-1].base + last[-1].len == (const char *)bytes) {
        last[-1].len += n;
        return;
    }
    *last = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)n);
    batch->bufs_count++;
}

/* One event: what of us comes before its bytes, they, and what comes behind. Returns the
 * room that it takes in `heads`, from `used` on. */
static size_t batch_add_event(struct tc_tap *tap, const struct entry *entry, size_t used)
{
    const struct tocsin_event *event = &entry->event->pub;
    struct batch *batch = &tap->batch;
    struct tocsin_writer w;
    size_t ahead;

    tocsin_writer_init(&w, batch->heads + used, HEAD_BYTES_MAX);
    if (entry->missed_before)
        put_missed(tap, &w, entry->missed_before);
    put_event_head(&w, event);
    ahead = w.len;
    put_event_tail(&w, event);
    batch_add(batch, w.buf, ahead);
    batch_add(batch, event->data, event->len);
    batch_add(batch, w.buf + ahead, w.len - ahead);
    return w.len;
}

static void batch_build(struct tc_tap *tap)
{
    struct batch *batch = &tap->batch;
    struct tocsin_writer w;
    size_t used = 0;

    batch->events = 0;
    batch->bufs_count = 0;
    while (batch->events < BATCH_EVENTS && batch->events < tap->count &&
           sizeof(batch->heads) - used >= HEAD_BYTES_MAX)
        used += batch_add_event(tap, entry_at(tap, batch->events++), used);
    if (!tap->count && tap->missed_latest) {
        tocsin_writer_init(&w, batch->heads, HEAD_BYTES_MAX);
        put_missed(tap, &w, tap->missed_latest);
        tap->missed_latest = 0;
        batch_add(batch, w.buf, w.len);
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

void tc_tap_free(struct tc_tap *tap)
{
    while (tap->count)
        drop_first(tap);
    tc_filter_free(tap->filter);
    tc_follow_free(tap->follow);
    free(tap);
}

static void on_written(uv_write_t *request, int status)
{
    struct tc_tap *tap = request->data;

    tap->writing = false;
    if (tap->closed) {
        tc_tap_free(tap);
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

static struct tocsin_str text_of(const char *s)
{
    return (struct tocsin_str){s, s ? strlen(s) : 0};
}

static bool of_topics(const struct tc_tap *tap, const char *topic)
{
    const char *const *pattern = tap->topics.patterns;

    while (*pattern && !tc_topic_match(*pattern, topic))
        pattern++;
    return *pattern != NULL;
}

/* Whether the reader has asked for it. */
static bool is_wanted(struct tc_tap *tap, const struct tc_event *event)
{
    const struct tc_filter_event asked = {
        .topic = text_of(event->pub.topic),
        .source = text_of(event->pub.source),
        .id = event->pub.id,
        .reply_to = event->pub.reply_to,
        .time_ns = event->pub.time_ns,
        .data = event->pub.data,
        .len = event->pub.len,
    };

    /* Who forks is heard of in any case, for the children's sake. */
    if (tap->follow && (!tc_follow_match(tap->follow, event->pub.data, event->pub.len) ||
                        !of_topics(tap, event->pub.topic)))
        return false;
    if (tap->filter && !tc_filter_match(tap->filter, &asked))
        return false;
    return tap->sample < 2 || tap->matched++ % tap->sample == 0;
}

void tc_tap_deliver(void *arg, struct tc_event *event)
{
    struct tc_tap *tap = arg;
    uint64_t dropped = tc_subscriber_dropped(tap->subscriber);

    if (tap->broken)
        return;
    miss(tap, dropped - tap->bus_dropped);
    tap->bus_dropped = dropped;
    if (is_wanted(tap, event)) {
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

/* ---- Closing ---- */

void tc_tap_close(struct tc_tap *tap)
{
    if (!tap)
        return;
    tc_bus_unsubscribe(tap->subscriber);
    tap->subscriber = NULL;
    if (!tap->writing) {
        tc_tap_free(tap);
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
