/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the queue, its watchdog and its table: there while something needs them, and made
 * again when somebody else took them away.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nf_reader.h"

#define NS_PER_MS UINT64_C(1000000)
#define ENOUGH_NS                                                                        \
    (100 * NS_PER_MS) /* flows that need no more are collected for so long */
#define LOOK_NS (TC_NF_POLL_MS * NS_PER_MS) /* at the monitor, while packets come */
#define CHECK_NS (1000 * NS_PER_MS)
#define RETRY_NS (5000 * NS_PER_MS) /* after what could not be made */

struct need {
    bool any, queue_new, inspecting;
};

static bool has_names(const struct tc_nf_reader *reader)
{
    struct tc_nf_counts counts;

    if (!reader->wanted.indicators || reader->options->enforcement == TC_NF_DISABLED)
        return false;
    tc_nf_indicators_counts(reader->wanted.indicators, &counts);
    return counts.kinds[TC_NF_DOMAIN] || counts.kinds[TC_NF_HOST];
}

static struct need needed(const struct tc_nf_reader *reader)
{
    const struct tc_nf_options *options = reader->options;
    bool names = has_names(reader);
    struct need need = {.queue_new = names || reader->wanted.ask || !reader->programs ||
                                     options->unattributed != TC_NF_NONE ||
                                     options->kernel_action != TC_NF_NONE,
                        .inspecting = !options->inspect_never &&
                                      (names || options->inspect_always)};

    need.any = need.queue_new || need.inspecting;
    return need;
}

static void complain(struct tc_nf_reader *reader, const char *why)
{
    reader->report(reader->arg, "netfilter_queue", why,
                   "run on a kernel with nf_tables and NFQUEUE, with CAP_NET_ADMIN");
}

/* ---- Making and removing. ---- */

static int make_table(struct tc_nf_reader *reader, const struct need *need,
                      char why[TC_NF_WHY_MAX])
{
    const struct tc_nf_options *options = reader->options;
    struct tc_nf_table_config config = {
        .queue = options->queue,
        .observe = reader->log != NULL,
        .log_group = options->log_group,
        .queue_new = need->queue_new,
        .loopback = options->loopback,
        .forward = options->forward,
        .tcp_inspected = options->tcp_inspected,
        .udp_inspected = options->udp_inspected,
        .tcp_inspected_count = need->inspecting ? options->tcp_inspected_count : 0,
        .udp_inspected_count = need->inspecting ? options->udp_inspected_count : 0,
        .pass_networks = options->pass_networks,
        .pass_networks_count = options->pass_networks_count,
        .pass_ports = options->pass_ports,
        .pass_ports_count = options->pass_ports_count,
        .pass_users = options->pass_users,
        .pass_users_count = options->pass_users_count,
        .canary_port = reader->canary_port};
    int err;

    memcpy(config.canary, reader->canary, sizeof(config.canary));
    err = tc_nf_table_make(&reader->table, &config, why);
    if (!err)
        reader->counters.table_made++;
    return err;
}

static int open_nft(struct tc_nf_reader *reader, char why[TC_NF_WHY_MAX])
{
    static const char *const tables[TC_NF_MONITOR_TABLES_MAX] = {TC_NF_TABLE};
    int err;

    if (reader->nft_open)
        return 0;
    err = tc_nf_nft_open(&reader->nft, why);
    if (err)
        return err;
    err = tc_nf_table_init(&reader->table, &reader->nft, why);
    if (err) {
        tc_nf_nft_close(&reader->nft);
        return err;
    }
    reader->nft_open = true;
    if (!tc_nf_monitor_open(&reader->monitor, tables, why)) {
        tc_nf_monitor_own(&reader->monitor, reader->nft.portid);
        tc_nf_monitor_own(&reader->monitor, reader->table.portid);
        (void)tc_sensor_reader_add(&reader->base, reader->monitor.fd);
    }
    return 0;
}

static int open_log(struct tc_nf_reader *reader, char why[TC_NF_WHY_MAX])
{
    const struct tc_nf_log_config config = {.group = reader->options->log_group,
                                            .copy_bytes = TC_NF_LOG_COPY_BYTES_MAX};
    int err;

    if (reader->log)
        return 0;
    err = tc_nf_log_open(&config, &reader->log, why);
    return err ? err : tc_sensor_reader_add(&reader->base, tc_nf_log_fd(reader->log));
}

static int open_queue(struct tc_nf_reader *reader, char why[TC_NF_WHY_MAX])
{
    const struct tc_nf_queue_config config = {.number = reader->options->queue,
                                              .drop_when_full =
                                                  reader->options->on_timeout_deny};
    char release[TC_NF_QUEUE_RELEASE_BYTES];
    size_t len;
    int err;

    if (reader->queue)
        return 0;
    err = tc_nf_queue_open(&config, &reader->queue, why);
    if (err)
        return err;
    len = tc_nf_queue_release(reader->queue, release);
    err = tc_nf_watchdog_start(tc_nf_queue_fd(reader->queue), release, len,
                               &reader->watchdog);
    if (err) {
        snprintf(why, TC_NF_WHY_MAX, "no process to watch over the queue: %s",
                 strerror(-err));
        tc_nf_queue_close(reader->queue);
        reader->queue = NULL;
        return err;
    }
    return tc_sensor_reader_add(&reader->base, tc_nf_queue_fd(reader->queue));
}

static void close_queue(struct tc_nf_reader *reader)
{
    if (reader->queue) {
        tc_sensor_reader_remove(&reader->base, tc_nf_queue_fd(reader->queue));
        tc_nf_watchdog_stop(reader->watchdog);
        tc_nf_queue_close(reader->queue);
    }
    if (reader->log) {
        tc_sensor_reader_remove(&reader->base, tc_nf_log_fd(reader->log));
        tc_nf_log_close(reader->log);
    }
    reader->watchdog = NULL;
    reader->queue = NULL;
    reader->log = NULL;
}

/* The table goes first: nothing more comes then, and what waits gets its verdict. */
static void close_all(struct tc_nf_reader *reader)
{
    char why[TC_NF_WHY_MAX];

    if (reader->nft_open && reader->table_open)
        (void)tc_nf_table_remove(&reader->table, why);
    reader->table_open = false;
    reader->counters.queue_new = reader->counters.inspecting = false;
    reader->counters.queue_open = false;
    tc_nf_packets_drain(reader);
    tc_nf_packets_done(reader);
    close_queue(reader);
    if (!reader->nft_open)
        return;
    if (reader->monitor.fd >= 0)
        tc_sensor_reader_remove(&reader->base, reader->monitor.fd);
    tc_nf_monitor_close(&reader->monitor);
    tc_nf_table_done(&reader->table);
    tc_nf_nft_close(&reader->nft);
    reader->nft_open = false;
}

void tc_nf_means_done(struct tc_nf_reader *reader)
{
    pthread_mutex_lock(reader->nft_lock);
    close_all(reader);
    pthread_mutex_unlock(reader->nft_lock);
}

/* For now: all flows pass. */
static void give_up(struct tc_nf_reader *reader, const char *why)
{
    complain(reader, why);
    close_all(reader);
    reader->retry_ns = reader->now_ns + RETRY_NS;
}

static void apply(struct tc_nf_reader *reader)
{
    const struct need need = needed(reader);
    char why[TC_NF_WHY_MAX] = "";
    int err;

    if (reader->programs)
        reader->programs->control->names = has_names(reader);
    reader->retry_ns = 0;
    tc_nf_flows_forgive(&reader->flows); /* what was decided before counts no longer */
    if (!need.any) {
        close_all(reader);
        reader->report(reader->arg, "netfilter_queue", NULL, NULL);
        return;
    }
    if (reader->table_open && reader->counters.queue_new == need.queue_new &&
        reader->counters.inspecting == need.inspecting) {
        if (reader->denied)
            (void)tc_nf_table_forgive(&reader->table, why);
        reader->denied = false;
        return;
    }
    err = open_nft(reader, why);
    if (!err)
        err = reader->programs ? open_queue(reader, why) : open_log(reader, why);
    /* Who is asked is there before anybody asks. */
    if (!err)
        err = make_table(reader, &need, why);
    if (err) {
        give_up(reader, why);
        return;
    }
    reader->denied = false;
    reader->table_open = true;
    reader->counters.queue_open = reader->queue != NULL;
    reader->counters.queue_new = need.queue_new;
    reader->counters.inspecting = need.inspecting;
    reader->report(reader->arg, "netfilter_queue", NULL, NULL);
}

void tc_nf_means_apply(struct tc_nf_reader *reader)
{
    pthread_mutex_lock(reader->nft_lock);
    apply(reader);
    pthread_mutex_unlock(reader->nft_lock);
}

/* ---- Each turn. ---- */

static void rebind(struct tc_nf_reader *reader)
{
    char why[TC_NF_WHY_MAX];

    reader->counters.releases = tc_nf_watchdog_releases(reader->watchdog);
    pthread_mutex_lock(reader->nft_lock);
    if (tc_nf_queue_rebind(reader->queue, why))
        give_up(reader, why);
    pthread_mutex_unlock(reader->nft_lock);
}

static void watch_over(struct tc_nf_reader *reader)
{
    unsigned what = 0;

    if (reader->queue)
        what = tc_nf_watchdog_beat(reader->watchdog, reader->now_ns);
    if (what & TC_NF_WATCHDOG_MISSING)
        reader->report(reader->arg, "netfilter_watchdog",
                       "the process that watches over the queue has ended, and another "
                       "cannot be started yet",
                       NULL);
    if (what & TC_NF_WATCHDOG_REPLACED) {
        reader->host->log(reader->host, TOCSIN_LOG_WARNING,
                          "the process that watches over the queue had ended; there is "
                          "another");
        reader->report(reader->arg, "netfilter_watchdog", NULL, NULL);
    }
    if (what & TC_NF_WATCHDOG_RELEASED)
        rebind(reader);
}

static void flush_enough(struct tc_nf_reader *reader)
{
    if (!reader->enough_count || (reader->enough_count < TC_NF_TABLE_ENOUGH_MAX &&
                                  reader->now_ns - reader->enough_ns < ENOUGH_NS))
        return;
    if (reader->table_open)
        (void)tc_nf_table_enough(&reader->table, reader->enough, reader->enough_count);
    reader->enough_count = 0;
}

/* Somebody changed the ruleset: ours is made again, at once. */
static void look_after_table(struct tc_nf_reader *reader)
{
    struct tc_nf_monitor_report report = {.changes = 0};
    const struct need need = {.any = true,
                              .queue_new = reader->counters.queue_new,
                              .inspecting = reader->counters.inspecting};
    char why[TC_NF_WHY_MAX], text[TC_NF_WHY_MAX];

    if (!reader->table_open || reader->monitor.fd < 0 ||
        (!reader->quiet && reader->now_ns - reader->looked_ns < LOOK_NS))
        return;
    reader->looked_ns = reader->now_ns;
    if (tc_nf_monitor_read(&reader->monitor, &report) ||
        !(report.touched || report.lost) || !tc_nf_table_check(&reader->table, why))
        return;
    reader->counters.table_taken++;
    snprintf(text, sizeof(text),
             "process %u (%.15s) changed or removed table inet %s; it "
             "was made again",
             report.pid, report.name, TC_NF_TABLE);
    reader->host->log(reader->host, TOCSIN_LOG_WARNING, "%s", text);
    pthread_mutex_lock(reader->nft_lock);
    if (make_table(reader, &need, why))
        give_up(reader, why);
    pthread_mutex_unlock(reader->nft_lock);
}

static void publish_log(struct tc_nf_reader *reader)
{
    struct tc_nf_log_counters counters;

    tc_nf_log_count(reader->log, &counters);
    if (counters.enobufs != reader->counters.enobufs)
        tc_nf_emit_gap(reader, 0, "the log's socket was full");
    reader->counters.enobufs = counters.enobufs;
}

static void publish_queue(struct tc_nf_reader *reader)
{
    struct tc_nf_queue_counters counters;
    uint64_t overflows;

    tc_nf_queue_count(reader->queue, &counters);
    reader->counters.waiting = counters.waiting;
    reader->counters.kernel_dropped = counters.kernel_dropped;
    reader->counters.user_dropped = counters.user_dropped;
    reader->counters.stale = counters.stale;
    reader->counters.enobufs = counters.enobufs;
    if (!tc_nf_table_overflows(&reader->table, &overflows))
        reader->counters.overflows = overflows;
}

static void publish_counters(struct tc_nf_reader *reader)
{
    if (reader->now_ns - reader->checked_ns < CHECK_NS)
        return;
    reader->checked_ns = reader->now_ns;
    if (reader->queue)
        publish_queue(reader);
    else if (reader->log)
        publish_log(reader);
}

void tc_nf_means_turn(struct tc_nf_reader *reader)
{
    if (reader->retry_ns && reader->now_ns >= reader->retry_ns)
        tc_nf_means_apply(reader);
    watch_over(reader);
    flush_enough(reader);
    look_after_table(reader);
    publish_counters(reader);
}

/* ---- Flows. ---- */

static struct tc_nf_tuple tuple_of(const struct tc_nf_flow_key *key)
{
    struct tc_nf_tuple tuple = {.protocol = (uint8_t)key->protocol,
                                .source_port = key->source_port,
                                .destination_port = key->destination_port};

    memcpy(tuple.source, key->source, sizeof(tuple.source));
    memcpy(tuple.destination, key->destination, sizeof(tuple.destination));
    return tuple;
}

void tc_nf_means_enough(struct tc_nf_reader *reader, const struct tc_nf_flow_key *key)
{
    if (!reader->table_open || reader->enough_count == TC_NF_TABLE_ENOUGH_MAX)
        return; /* it goes by itself, later */
    if (!reader->enough_count)
        reader->enough_ns = reader->now_ns;
    reader->enough[reader->enough_count++] = tuple_of(key);
}

int tc_nf_means_deny(struct tc_nf_reader *reader, const struct tc_nf_flow_key *key)
{
    const struct tc_nf_tuple tuple = tuple_of(key);

    if (!reader->table_open)
        return -ENOENT;
    reader->denied = true;
    return tc_nf_table_deny(&reader->table, &tuple);
}
