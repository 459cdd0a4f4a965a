/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kext.h"
#include "sensor_clock.h"

/* What is on its way from the reader's thread to the loop. */
struct delivery {
    struct tc_kext *kext;
    struct tc_kext_items items;
};

static uint64_t *counter_of(struct tc_kext *kext, const char *topic)
{
    struct tc_kext_counts *counts = &kext->counts;
    const struct {
        const char *topic;
        uint64_t *counter;
    } rows[] = {
        {TOCSIN_TOPIC_FILE_OPEN, &counts->opens},
        {TOCSIN_TOPIC_FILE_EXEC, &counts->execs},
        {TOCSIN_TOPIC_FILE_WRITTEN, &counts->written},
        {TOCSIN_TOPIC_FILE_CREATED, &counts->created},
        {TOCSIN_TOPIC_FILE_RENAMED, &counts->renamed},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!strcmp(rows[i].topic, topic))
            return rows[i].counter;
    return &counts->deleted;
}

/* The descriptor goes with the event on success only. */
static int publish(struct tc_kext *kext, struct tc_kext_item *item,
                   const struct tocsin_event **ret_event)
{
    struct tc_sensor_stamp stamp = {.topic = item->topic,
                                    .sensor = "kext",
                                    .time_ns = item->time_ns,
                                    .sequence = kext->sequence + 1,
                                    .epoch = kext->epoch};
    struct tocsin_event event = {.size = sizeof(event),
                                 .flags = item->judged ? TOCSIN_EVENT_AUTH : 0,
                                 .time_ns = item->time_ns,
                                 .fd = item->fd,
                                 .topic = item->topic};
    struct tocsin_writer w;
    int err;

    tocsin_writer_init(&w, kext->encoded, sizeof(kext->encoded));
    tc_sensor_encode(&w, &stamp, &item->file, item->identified ? &item->process : NULL,
                     item->pid);
    event.data = w.buf;
    event.len = w.len;
    err = w.error ? w.error : kext->host->publish(kext->host, &event, ret_event);
    if (err) {
        kext->counts.publish_errors++;
        return err;
    }
    item->fd = -1;
    kext->sequence++;
    (*counter_of(kext, item->topic))++;
    return 0;
}

/*
 * What the operator has excluded is resumed, and never remembered as good: the same file
 * may have another name, which is not excluded. Who
 * executes a file does not use it: it is that program from then on.
 */
static bool is_excluded(struct tc_kext *kext, const struct tc_kext_item *item)
{
    bool uses = item->identified && item->process.verified &&
                strcmp(item->topic, TOCSIN_TOPIC_FILE_EXEC) != 0;
    int why = kext->host->excluded(
        kext->host, item->file.cut || item->file.unverified ? NULL : item->path,
        uses ? item->process.self.executable : NULL);

    if (why == TOCSIN_NOT_EXCLUDED)
        return false;
    kext->counts.excluded++;
    return true;
}

static void publish_one(struct tc_kext *kext, struct tc_kext_item *item)
{
    const struct tocsin_event *event = NULL;

    if (item->keyed && !strcmp(item->topic, TOCSIN_TOPIC_FILE_WRITTEN))
        tc_kext_verdict_changed(kext, &item->key);
    if (is_excluded(kext, item) ||
        publish(kext, item, item->judged && !kext->jobs.closing ? &event : NULL))
        tc_kext_resume(kext, item->pid, item->start_ns, item->flags);
    else if (event)
        tc_kext_verdict_expect(kext, item, event);
}

void tc_kext_publish_items(struct tc_kext *kext, struct tc_kext_items *items)
{
    struct tc_kext_item *item;

    while ((item = tc_kext_items_take(items)) != NULL) {
        publish_one(kext, item);
        tc_kext_item_free(item);
    }
}

static void delivered(void *arg)
{
    struct delivery *delivery = arg;
    struct tc_kext *kext = delivery->kext;
    size_t count = delivery->items.count;

    tc_kext_publish_items(kext, &delivery->items);
    tc_kext_reader_delivered(&kext->reader, count);
    free(delivery);
}

/* What can no longer be posted is kept for the end of the stop, which publishes it. */
void tc_kext_deliver(void *arg, struct tc_kext_items *items)
{
    struct delivery *delivery = malloc(sizeof(*delivery));
    struct tc_kext *kext = arg;

    if (delivery) {
        delivery->kext = kext;
        tc_kext_items_init(&delivery->items);
        tc_kext_items_append(&delivery->items, items);
        if (!kext->host->post(kext->host, delivered, delivery))
            return;
        tc_kext_items_append(items, &delivery->items);
        free(delivery);
    }
    pthread_mutex_lock(&kext->left_lock);
    tc_kext_items_append(&kext->left, items);
    pthread_mutex_unlock(&kext->left_lock);
}

void tc_kext_publish_gap(struct tc_kext *kext, const char *reason, uint64_t lost)
{
    uint64_t now_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    struct tocsin_writer w;
    uint8_t buf[256];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "sensor", "kext");
    tocsin_put_str(&w, "reason", reason);
    tocsin_put_uint(&w, "count", lost);
    tocsin_put_uint(&w, "from", kext->complete_ns);
    tocsin_put_uint(&w, "to", now_ns);
    tocsin_end(&w);
    if (tocsin_publish(kext->host, TOCSIN_TOPIC_SENSOR_GAP, 0, &w))
        kext->counts.publish_errors++;
    kext->counts.gaps++;
    kext->complete_ns = now_ns;
}

static void put_counts(const struct tc_kext *kext, struct tocsin_writer *w)
{
    const struct tc_kext_counts *c = &kext->counts;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"opens", c->opens},
        {"execs", c->execs},
        {"written", c->written},
        {"renamed", c->renamed},
        {"created", c->created},
        {"deleted", c->deleted},
        {"excluded", c->excluded},
        {"allowed", c->allowed},
        {"denied", c->denied},
        {"cached", c->cached},
        {"not_cached", c->not_cached},
        {"bad", c->bad},
        {"bad_full", c->bad_full},
        {"bad_by_peer", c->peer},
        {"resets", c->resets},
        {"gaps", c->gaps},
        {"unanswered", c->unanswered},
        {"publish_errors", c->publish_errors},
        {"pending", kext->pending_count},
        {"sequence", kext->sequence},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        tocsin_put_uint(w, rows[i].name, rows[i].value);
}

static void put_kernel(const struct tc_kext *kext, struct tocsin_writer *w)
{
    static const char *const names[TC_KEXT_COUNTERS] = {
        [TC_KEXT_REPORTED] = "reported", [TC_KEXT_LOST] = "lost",
        [TC_KEXT_KILLED] = "killed",     [TC_KEXT_REFUSED] = "refused",
        [TC_KEXT_KNOWN] = "known",       [TC_KEXT_OUTSIDE] = "outside",
        [TC_KEXT_WOKEN] = "woken",       [TC_KEXT_STOPPED] = "stopped",
        [TC_KEXT_STALE] = "stale"};
    uint64_t counters[TC_KEXT_COUNTERS];

    tc_kext_read_counters(&kext->programs, counters);
    tocsin_begin_map(w, "kernel");
    for (size_t i = 0; i < TC_KEXT_COUNTERS; i++)
        tocsin_put_uint(w, names[i], counters[i]);
    tocsin_end(w);
}

void tc_kext_publish_stats(struct tc_kext *kext, const struct tocsin_event *request)
{
    struct tc_sensor_process_counters p;
    struct tocsin_writer w;
    uint8_t buf[2048];

    tc_kext_resolver_counters(&kext->resolver, &p);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "mechanism",
                   kext->programs.level == TC_KEXT_LEVEL_LSM ? "bpf_lsm" : "bpf_tracing");
    put_counts(kext, &w);
    put_kernel(kext, &w);
    tocsin_put_uint(&w, "pinned", *kext->pins.life != '\0');
    tocsin_put_uint(&w, "inherited", kext->inherited);
    tocsin_put_uint(&w, "own", kext->resolver.own);
    tocsin_put_uint(&w, "out_of_scope", kext->resolver.outside);
    tocsin_put_uint(&w, "folders_foreign", kext->foreign);
    tocsin_put_uint(&w, "no_fd", kext->resolver.no_fd);
    tocsin_put_uint(&w, "served", kext->resolver.served);
    tocsin_put_uint(&w, "no_process", kext->resolver.no_process);
    tc_sensor_catch_up_put(&kext->catch_up, &w);
    tocsin_put_uint(&w, "processes_killed", kext->reader.killed);
    tocsin_put_uint(&w, "processes_gone", kext->reader.not_killed);
    tocsin_put_uint(&w, "orders_full", kext->reader.orders_full);
    tocsin_put_uint(&w, "names_unresolved",
                    kext->names_open ? kext->names.unresolved : 0);
    tocsin_put_uint(&w, "processes", p.kept);
    tocsin_put_uint(&w, "process_hits", p.hits);
    tocsin_put_uint(&w, "process_reads", p.reads);
    tocsin_put_uint(&w, "process_gone", p.gone);
    tocsin_put_uint(&w, "process_evicted", p.evicted);
    tocsin_end(&w);
    if (tocsin_reply(kext->host, request, &w))
        kext->counts.publish_errors++;
}
