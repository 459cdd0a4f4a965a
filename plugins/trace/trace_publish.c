/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: everything that the plugin publishes. Loop thread, but for the delivery. */
#include <stdlib.h>

#include "trace.h"

/* Events on their way from the reader's thread to the loop. */
struct delivery {
    struct tc_trace *trace;
    struct tc_trace_items items;
};

static void publish_one(struct tc_trace *trace, const struct tc_trace_item *item)
{
    const struct tocsin_host *host = trace->host;
    struct tocsin_event event = {.size = sizeof(event),
                                 .fd = -1,
                                 .topic = item->topic,
                                 .time_ns = item->time_ns,
                                 .data = item->data,
                                 .len = item->len};
    struct tocsin_writer named;
    bool filled = tc_trace_domains_fill(&trace->domains, item->topic, item->data,
                                        item->len, host->now_ns(host), &named);

    if (filled) {
        event.data = named.buf;
        event.len = named.len;
    }
    if (host->publish(host, &event, NULL))
        trace->publish_errors++;
    else
        trace->published++;
    if (filled)
        tocsin_writer_done(&named);
}

void tc_trace_publish_items(struct tc_trace *trace, struct tc_trace_items *items)
{
    struct tc_trace_item *item;

    while ((item = tc_trace_items_take(items)) != NULL) {
        publish_one(trace, item);
        tc_trace_item_free(item);
    }
}

static void delivered(void *arg)
{
    struct delivery *delivery = arg;
    struct tc_trace *trace = delivery->trace;
    size_t count = delivery->items.count, bytes = delivery->items.bytes;

    tc_trace_publish_items(trace, &delivery->items);
    tc_trace_reader_delivered(&trace->reader, count, bytes);
    free(delivery);
    if (tc_trace_hashes_wanted(&trace->hashes))
        tc_sensor_jobs_start(&trace->jobs, TC_TRACE_JOB_HASH);
    if (tc_trace_user_names_wanted(&trace->user_names))
        tc_sensor_jobs_start(&trace->jobs, TC_TRACE_JOB_USERS);
}

/* What can no longer be posted is kept for the end of the stop, which publishes it. */
void tc_trace_deliver(void *arg, struct tc_trace_items *items)
{
    struct delivery *delivery = malloc(sizeof(*delivery));
    struct tc_trace *trace = arg;

    if (delivery) {
        delivery->trace = trace;
        tc_trace_items_init(&delivery->items);
        tc_trace_items_append(&delivery->items, items);
        if (!trace->host->post(trace->host, delivered, delivery))
            return;
        tc_trace_items_append(items, &delivery->items);
        free(delivery);
    }
    pthread_mutex_lock(&trace->left_lock);
    tc_trace_items_append(&trace->left, items);
    pthread_mutex_unlock(&trace->left_lock);
}

/* ---- Figures. ---- */

static void put_tracker(const struct tc_trace *trace, struct tocsin_writer *w)
{
    const struct tc_trace_tracker *t = &trace->tracker;
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"forked", t->forked},
        {"started", t->started},
        {"exited", t->exited},
        {"flows", t->flows},
        {"files", t->files},
        {"folders", trace->files.marked},
        {"folders_unmarked", trace->files.unmarked},
        {"folders_unresolved", trace->files.unresolved},
        {"file_overflows", trace->files.overflows},
        {"acts", t->acts},
        {"attributes_left_out", t->attributes_left_out},
        {"exited_twice", t->exited_twice},
        {"args_truncated", t->args_cut},
        {"args_missing", t->args_missing},
        {"path_truncated", t->path_cut},
        {"processes", t->known},
        {"processes_aged", t->aged},
        {"processes_evicted", t->evicted},
        {"proc_reads", t->proc_reads},
        {"proc_gone", t->proc_gone},
        {"failed", t->failed},
        {"malformed", t->malformed},
        {"hashes", trace->hashes.made},
        {"hash_hits", trace->hashes.hits},
        {"hash_failed", trace->hashes.failed},
        {"hash_put_off", trace->hashes.put_off},
        {"user_names", trace->user_names.count},
        {"user_names_evicted", trace->user_names.evicted},
        {"user_names_failed", trace->user_names.failed},
        {"user_names_put_off", trace->user_names.put_off},
        {"domains", tc_trace_domains_count(&trace->domains)},
        {"domains_filled", trace->domains.filled},
        {"domains_evicted", trace->domains.evicted},
        {"lost", trace->reader.lost},
        {"gaps", trace->reader.gaps},
        {"overflows", trace->reader.overflows},
        {"sleeps", trace->reader.base.sleeps},
        {"published", trace->published},
        {"publish_errors", trace->publish_errors},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        tocsin_put_uint(w, rows[i].name, rows[i].value);
}

/* The kernel's own, by CPU where something was lost. */
static void put_kernel(struct tc_trace *trace, struct tocsin_writer *w)
{
    static const struct {
        const char *name;
        uint32_t counter;
    } rows[] = {{"reported", TC_TRACE_REPORTED},
                {"woken", TC_TRACE_WOKEN},
                {"busy", TC_TRACE_BUSY},
                {"lost_forks", TC_TRACE_LOST + TC_TRACE_FORK},
                {"lost_execs", TC_TRACE_LOST + TC_TRACE_EXEC},
                {"lost_exits", TC_TRACE_LOST + TC_TRACE_EXIT},
                {"lost_flows", TC_TRACE_LOST + TC_TRACE_FLOW},
                {"lost_acts", TC_TRACE_LOST + TC_TRACE_ACT}};

    tocsin_begin_map(w, "kernel");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        tocsin_put_uint(w, rows[i].name,
                        tc_trace_counter(&trace->programs, rows[i].counter));
    tocsin_put_str(w, "calls_by", tc_trace_hooks_name(trace->programs.hooks.by));
    tocsin_put_str(w, "unseen", trace->programs.hooks.unseen);
    tocsin_end(w);
}

void tc_trace_publish_stats(struct tc_trace *trace, const struct tocsin_event *request)
{
    struct tocsin_writer w;
    uint8_t buf[4096];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "mechanism", trace->ebpf ? "ebpf" : "netlink");
    put_tracker(trace, &w);
    if (trace->ebpf)
        put_kernel(trace, &w);
    tocsin_end(&w);
    if (tocsin_reply(trace->host, request, &w))
        trace->publish_errors++;
}
