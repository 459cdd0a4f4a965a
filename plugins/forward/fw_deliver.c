/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the forwarder's thread: it reads what the journal has that is new, gives each
 * sink its next batch, and notes what came of it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "forward.h"

#define BACKOFF_FIRST_MS 1000u
#define BACKOFF_DOUBLINGS 6 /* to 64 s */
#define BACKOFF_MAX_MS 60000u
#define SPOOL_RETRY_MS 10000u
#define HEALTH_MS 5000u /* how often health is looked after, while something waits */

/* When the journal is looked at after something was heard: it writes within moments,
 * unless its disk keeps it waiting. In the end once a minute. */
static const unsigned looks_ms[] = {20, 50, 200, 1000, 5000, 30000, 60000};
#define LOOKS (sizeof(looks_ms) / sizeof(looks_ms[0]))

/* ---- A batch, there. ---- */

static int take_event(void *arg, const struct tc_fw_event *event)
{
    struct tc_fw_sink *sink = arg;
    struct tc_fw_batch *batch = &sink->batch;
    struct tc_fw_item *item = &batch->items[batch->count];
    size_t at = batch->text.len;

    sink->ops->format(sink, event, &batch->text);
    if (batch->count && batch->text.len > sink->ops->bytes_max) {
        tc_fw_text_cut(&batch->text, at); /* the next one's first */
        return 1;
    }
    *item = (struct tc_fw_item){.seq = event->seq, .at = at, .len = batch->text.len - at};
    memcpy(item->id, event->id, sizeof(item->id));
    batch->count++;
    return batch->count == sink->limit;
}

static void clear(struct tc_fw_sink *sink)
{
    struct tc_fw_batch *batch = &sink->batch;

    batch->count = 0;
    batch->whole = false;
    batch->retry_after_ms = 0;
    batch->why[0] = '\0';
    if (batch->text.failed)
        tc_fw_text_done(&batch->text);
    else
        tc_fw_text_cut(&batch->text, 0);
}

static void make_test(struct tc_fw_sink *sink)
{
    struct timespec now;
    struct tc_fw_event event = {.topic = TOCSIN_TOPIC_ALERT_RAISED, .source = "forward"};
    struct tocsin_writer w;
    char id[64];

    clock_gettime(CLOCK_REALTIME, &now);
    event.time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    snprintf(id, sizeof(id), "test-%llu", (unsigned long long)event.time_ns);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", id);
    tocsin_put_str(&w, "title", "Test of forwarding: nothing has happened");
    tocsin_put_str(&w, "severity", tc_fw_severity_names[TC_FW_INFORMATIONAL]);
    tocsin_put_str(&w, "category", "test");
    tocsin_put_str(&w, "detected_from", "forward");
    tocsin_end(&w);
    tocsin_end(&w);
    event.data = w.buf;
    event.len = w.len;
    if (!w.error) {
        tc_fw_event_know(&event);
        (void)take_event(sink, &event);
    }
    tocsin_writer_done(&w);
}

static void spool_failed(struct tc_fw *fw, int err)
{
    tc_fw_spool_close(&fw->spool);
    fw->spool_open = false;
    fw->spool_retry_ms = tc_fw_now_ms() + SPOOL_RETRY_MS;
    tc_fw_tell_spool(fw, err);
}

static void send_next(struct tc_fw *fw, size_t i, uint64_t now_ms)
{
    struct tc_fw_sink *sink = &fw->sinks[i];
    uint64_t newest = fw->spool.last;
    int err = 0;

    if (sink->sending || sink->batch.count)
        return;
    sink->testing = sink->test;
    if (!sink->test &&
        (!fw->spool_open || now_ms < sink->retry_at_ms || sink->empty_at >= newest))
        return;
    clear(sink);
    if (sink->test)
        make_test(sink);
    else
        err = tc_fw_spool_next(&fw->spool, i, (int)sink->limit, take_event, sink);
    sink->test = false;
    if (err) {
        spool_failed(fw, err);
        clear(sink);
    } else if (sink->batch.text.failed) {
        clear(sink);
        sink->retry_at_ms = now_ms + BACKOFF_MAX_MS;
    } else if (sink->batch.count) {
        sink->sending = true;
        sink->ops->begin(sink);
    } else {
        sink->empty_at = newest;
    }
}

/* ---- A batch, back. ---- */

static void back_off(struct tc_fw_sink *sink, uint64_t now_ms)
{
    unsigned doublings =
        sink->failures < BACKOFF_DOUBLINGS ? sink->failures : BACKOFF_DOUBLINGS;
    uint64_t ms = (uint64_t)BACKOFF_FIRST_MS << doublings;

    if (ms > BACKOFF_MAX_MS)
        ms = BACKOFF_MAX_MS;
    if (ms < sink->batch.retry_after_ms)
        ms = sink->batch.retry_after_ms;
    sink->failures++;
    sink->retry_at_ms = now_ms + ms;
}

/* How many from the first on are done with: taken, or refused for good. */
static size_t count_done(const struct tc_fw_batch *batch,
                         struct tc_fw_done ret[TC_FW_BATCH_MAX], bool *ret_refused)
{
    size_t n = 0;

    for (; n < batch->count && batch->items[n].outcome != TC_FW_RETRY; n++) {
        bool refused = batch->items[n].outcome == TC_FW_REFUSED;

        ret[n] = (struct tc_fw_done){.seq = batch->items[n].seq,
                                     .id = batch->items[n].id,
                                     .why = refused ? batch->why : NULL};
        *ret_refused |= refused;
    }
    return n;
}

/* The receiver does not say which event it was: the next batch is half of it. */
static bool divide(struct tc_fw_sink *sink)
{
    const struct tc_fw_batch *batch = &sink->batch;

    if (!batch->whole || batch->count == 1 || batch->items[0].outcome != TC_FW_REFUSED)
        return false;
    sink->limit = batch->count / 2;
    return true;
}

static void settle(struct tc_fw *fw, size_t i, uint64_t now_ms)
{
    struct tc_fw_done done[TC_FW_BATCH_MAX] = {{.seq = 0}};
    struct tc_fw_sink *sink = &fw->sinks[i];
    struct tc_fw_batch *batch = &sink->batch;
    bool refused = false;
    size_t n;
    int err;

    if (sink->testing) {
        sink->testing = false;
        tc_fw_tested(fw, sink);
        batch->count = 0;
        return;
    }
    if (divide(sink)) {
        batch->count = 0;
        return;
    }
    n = count_done(batch, done, &refused);
    err = fw->spool_open ? tc_fw_spool_done(&fw->spool, i, done, n) : 0;
    if (err) {
        spool_failed(fw, err);
        batch->count = 0;
        return;
    }
    if (n)
        sink->failures = 0;
    if (n < batch->count)
        back_off(sink, now_ms);
    else if (sink->limit < sink->ops->items_max)
        sink->limit = sink->limit * 2 < sink->ops->items_max ? sink->limit * 2
                                                             : sink->ops->items_max;
    tc_fw_note(fw, i, n < batch->count || refused, batch->why);
    batch->count = 0;
}

/* ---- The journal. ---- */

static void open_spool(struct tc_fw *fw, uint64_t now_ms)
{
    char dir[4096];
    int err;

    if (fw->spool_open || now_ms < fw->spool_retry_ms)
        return;
    snprintf(dir, sizeof(dir), "%s/forward", fw->host->state_dir(fw->host));
    err = tc_fw_spool_open(&fw->spool, dir);
    if (err) {
        fw->spool_retry_ms = now_ms + SPOOL_RETRY_MS;
        tc_fw_tell_spool(fw, err);
        return;
    }
    fw->spool_open = true;
    tc_fw_tell_spool(fw, 0);
    for (size_t i = 0; i < fw->count; i++)
        fw->sinks[i].empty_at = 0;
    if (!fw->spool.last)
        fw->look_ms = now_ms;
}

static void look(struct tc_fw *fw, uint64_t now_ms)
{
    int err;

    if (atomic_exchange(&fw->heard, false)) {
        fw->looks = 0;
        if (fw->look_ms > now_ms + looks_ms[0])
            fw->look_ms = now_ms + looks_ms[0];
    }
    if (!fw->spool_open || now_ms < fw->look_ms)
        return;
    err = tc_fw_spool_pump(&fw->spool, &fw->behind);
    if (err && err != -ENOENT && err != -EBUSY) {
        spool_failed(fw, err);
        return;
    }
    fw->look_ms = fw->behind ? now_ms : now_ms + looks_ms[fw->looks];
    if (!fw->behind && fw->looks < LOOKS - 1)
        fw->looks++;
}

/* ---- The loop. ---- */

static void on_started(void *arg)
{
    struct tc_fw *fw = arg;

    fw->host->complete(fw->host, 0);
}

static void take_transfers(struct tc_fw *fw)
{
    struct tc_fw_sink *sink;
    CURLMsg *message;
    int left;

    (void)curl_multi_perform(fw->multi, &left);
    while ((message = curl_multi_info_read(fw->multi, &left))) {
        CURLcode result = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &sink);
        sink->ops->transferred(sink, result);
    }
}

/* One look at all that there is to do. True: there is more, at once. */
static bool turn(struct tc_fw *fw)
{
    uint64_t now_ms = tc_fw_now_ms();
    bool more = false;

    open_spool(fw, now_ms);
    look(fw, now_ms);
    tc_fw_take_requests(fw);
    for (size_t i = 0; i < fw->count; i++)
        send_next(fw, i, now_ms);
    take_transfers(fw);
    now_ms = tc_fw_now_ms();
    for (size_t i = 0; i < fw->count; i++) {
        struct tc_fw_sink *sink = &fw->sinks[i];

        if (sink->ops->step)
            sink->ops->step(sink, now_ms);
        if (sink->batch.count && !sink->sending) {
            settle(fw, i, now_ms);
            more |= sink->test || now_ms >= sink->retry_at_ms;
        }
    }
    if (now_ms >= fw->tell_ms) {
        fw->tell_ms = now_ms + HEALTH_MS;
        tc_fw_tell_health(fw);
    }
    return more;
}

static void earliest(uint64_t *until_ms, uint64_t ms)
{
    if (ms < *until_ms)
        *until_ms = ms;
}

static void sleep_until_due(struct tc_fw *fw)
{
    struct curl_waitfd fds[TC_FW_SINKS_MAX + 1];
    uint64_t now_ms = tc_fw_now_ms(), until_ms = now_ms + looks_ms[LOOKS - 1], one;
    bool waits = false;
    unsigned n = 0;

    fds[n++] = (struct curl_waitfd){.fd = fw->wake, .events = CURL_WAIT_POLLIN};
    earliest(&until_ms, fw->spool_open ? fw->look_ms : fw->spool_retry_ms);
    for (size_t i = 0; i < fw->count; i++) {
        const struct tc_fw_sink *sink = &fw->sinks[i];

        if (sink->fd >= 0)
            fds[n++] = (struct curl_waitfd){
                .fd = sink->fd,
                .events = (short)(CURL_WAIT_POLLIN |
                                  (sink->events & POLLOUT ? CURL_WAIT_POLLOUT : 0))};
        if (sink->wake_ms)
            earliest(&until_ms, sink->wake_ms);
        if (!sink->sending && sink->empty_at < fw->spool.last && fw->spool_open)
            earliest(&until_ms, sink->retry_at_ms);
        waits |= sink->failures > 0 || fw->told[i].failing;
    }
    if (waits)
        earliest(&until_ms, fw->tell_ms);
    (void)curl_multi_poll(fw->multi, fds, n,
                          until_ms > now_ms ? (int)(until_ms - now_ms) : 0, NULL);
    while (read(fw->wake, &one, sizeof(one)) > 0)
        ;
}

static void set_up(struct tc_fw *fw)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    fw->spool =
        (struct tc_fw_spool){.sinks = fw->configs,
                             .sink_count = fw->count,
                             .max_bytes = fw->max_bytes,
                             .since_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec};
    for (size_t i = 0; i < fw->count; i++) {
        struct tc_fw_sink *sink = &fw->sinks[i];

        sink->config = fw->configs[i];
        sink->ops = tc_fw_ops(sink->config.kind);
        sink->host = fw->machine;
        sink->multi = fw->multi;
        sink->limit = sink->ops->items_max;
        sink->fd = -1;
    }
}

void *tc_fw_run(void *arg)
{
    struct tc_fw *fw = arg;
    char path[4096];

    (void)pthread_setname_np(pthread_self(), "forward");
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    fw->multi = curl_multi_init();
    set_up(fw);
    snprintf(path, sizeof(path), "%s/journal.db", fw->host->state_dir(fw->host));
    fw->spool.journal.path = path;
    /* With a spool or without, which health says. */
    open_spool(fw, tc_fw_now_ms());
    (void)fw->host->post(fw->host, on_started, fw);
    while (fw->multi && !atomic_load(&fw->stopping))
        if (!turn(fw))
            sleep_until_due(fw);
    for (size_t i = 0; i < fw->count; i++) {
        fw->sinks[i].ops->close(&fw->sinks[i]);
        tc_fw_text_done(&fw->sinks[i].batch.text);
    }
    tc_fw_spool_close(&fw->spool);
    curl_multi_cleanup(fw->multi);
    curl_global_cleanup();
    return NULL;
}
