/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "sensor_clock.h"
#include "trace_files.h"
#include "trace_tracker.h"

/* ---- Enqueueing. ---- */

static void enqueue(struct tc_trace_reader *reader)
{
    struct tc_trace_items *items = &reader->tracker->items;

    if (!items->count)
        return;
    tc_sensor_reader_handed(&reader->base, items->count, items->bytes);
    reader->deliver(reader->arg, items);
}

static bool is_full(struct tc_trace_reader *reader)
{
    return tc_sensor_reader_full(&reader->base);
}

void tc_trace_reader_delivered(struct tc_trace_reader *reader, size_t count, size_t bytes)
{
    tc_sensor_reader_taken(&reader->base, count, bytes);
}

/* ---- Losses. ---- */

/* Sums up what was lost until now. Returns how many CPUs count. */
static size_t read_lost(struct tc_trace_reader *reader, uint64_t *ret_lost)
{
    size_t cpus = reader->programs ? reader->programs->cpus : reader->netlink->cpu_count;

    memset(reader->by_cpu, 0, cpus * sizeof(*reader->by_cpu));
    for (uint32_t kind = 1; reader->programs && kind < TC_TRACE_KINDS; kind++)
        tc_trace_counter_by_cpu(reader->programs, TC_TRACE_LOST + kind, reader->by_cpu);
    *ret_lost = 0;
    for (size_t i = 0; i < cpus; i++) {
        if (!reader->programs)
            reader->by_cpu[i] = reader->netlink->cpus[i].lost;
        *ret_lost += reader->by_cpu[i];
    }
    return cpus;
}

static void report_losses(struct tc_trace_reader *reader)
{
    uint64_t lost, now;
    size_t cpus = read_lost(reader, &lost);

    if (lost != reader->reported_lost) {
        for (size_t i = 0; i < cpus; i++) {
            now = reader->by_cpu[i];
            reader->by_cpu[i] -= reader->reported_by_cpu[i];
            reader->reported_by_cpu[i] = now;
        }
        tc_trace_tracker_gap(
            reader->tracker,
            reader->programs ? "the ring was full" : "the socket was full",
            reader->complete_ns, lost - reader->reported_lost, reader->by_cpu, cpus);
        reader->reported_lost = lost;
        reader->lost = lost;
        reader->gaps++;
    }
    reader->complete_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
}

/* ---- Reading. ---- */

static size_t drain_ring(struct tc_trace_reader *reader)
{
    const void *record;
    size_t n = 0, len;

    while (!is_full(reader) &&
           (record = tc_sensor_ring_next(&reader->base.ring, &len)) != NULL) {
        if (!(n % TC_TRACE_BATCH))
            tc_trace_tracker_set_clock(reader->tracker);
        tc_trace_tracker_record(reader->tracker, record, len);
        tc_sensor_ring_release(&reader->base.ring, record);
        if (!(++n % TC_TRACE_BATCH))
            enqueue(reader);
    }
    return n;
}

static size_t drain_socket(struct tc_trace_reader *reader)
{
    struct tc_trace_netlink *netlink = reader->netlink;
    size_t n = 0;
    int got = TC_TRACE_BATCH;

    while (!is_full(reader) && got == TC_TRACE_BATCH) {
        tc_trace_tracker_set_clock(reader->tracker);
        got = tc_trace_netlink_read(netlink, reader->tracker, TC_TRACE_BATCH);
        n += (size_t)got;
        enqueue(reader);
    }
    /* Who has come and gone meanwhile is unknown; who is there can be found out. */
    if (netlink->overflows != reader->reported_overflows)
        tc_trace_tracker_snapshot(reader->tracker);
    reader->reported_overflows = netlink->overflows;
    reader->overflows = netlink->overflows;
    return n;
}

static size_t drain_processes(struct tc_trace_reader *reader)
{
    return reader->programs ? drain_ring(reader) : drain_socket(reader);
}

/*
 * Everything that had happened by now. A record that its program has not finished hides
 * those behind it, for as long as that program is kept from running.
 */
static void catch_up(struct tc_trace_reader *reader)
{
    unsigned long head = reader->programs ? tc_sensor_ring_head(&reader->base.ring) : 0;

    for (int i = 0; i < TC_TRACE_CATCH_UP_MS; i++) {
        drain_processes(reader);
        if (!reader->programs || is_full(reader) ||
            tc_sensor_ring_has_read(&reader->base.ring, head))
            return;
        poll(NULL, 0, 1);
    }
}

static void on_file(void *arg, const struct tc_trace_file_event *event)
{
    struct tc_trace_reader *reader = arg;

    tc_trace_tracker_file(reader->tracker, event);
}

static void report_files_lost(struct tc_trace_reader *reader)
{
    tc_trace_tracker_gap(reader->tracker, "the queue of the files was full",
                         reader->complete_ns, 0, NULL, 0);
    reader->gaps++;
}

/* Between reading and reporting, what the processes did before is brought up to date. */
static size_t drain_files(struct tc_trace_reader *reader)
{
    struct tc_trace_files *files = reader->files;
    size_t n = 0;

    while (files->group >= 0 && !is_full(reader)) {
        if (tc_trace_files_read(files) <= 0) {
            tc_trace_files_emit_found(files, on_file, reader);
            break;
        }
        catch_up(reader);
        if (tc_trace_files_emit(files, on_file, reader))
            report_files_lost(reader);
        enqueue(reader);
        n++;
    }
    return n;
}

static size_t drain(struct tc_trace_reader *reader)
{
    size_t n = drain_processes(reader);

    n += drain_files(reader);
    if (n)
        report_losses(reader);
    enqueue(reader);
    return n;
}

/* ---- The thread. ---- */

static void *reader_main(void *arg)
{
    struct tc_trace_reader *reader = arg;
    uint64_t last_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);

    while (!reader->base.stopping) {
        if (drain(reader))
            last_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
        tc_sensor_reader_wait(&reader->base, last_ns);
    }
    drain(reader);
    return NULL;
}

static void free_all(struct tc_trace_reader *reader)
{
    free(reader->by_cpu);
    free(reader->reported_by_cpu);
    reader->by_cpu = reader->reported_by_cpu = NULL;
}

static int open_base(struct tc_trace_reader *reader, size_t ring_bytes)
{
    static const struct tc_sensor_reader_limits limits = {
        .poll_ms = TC_TRACE_POLL_MS,
        .awake_ms = TC_TRACE_AWAKE_MS,
        .items_max = TC_TRACE_UNDELIVERED,
        .bytes_max = TC_TRACE_UNDELIVERED_BYTES};
    struct tc_trace_programs *programs = reader->programs;
    int err = tc_sensor_reader_open(
        &reader->base, &limits, programs ? &programs->control->asleep : NULL,
        programs ? tc_trace_ring_fd(programs) : reader->netlink->fd, ring_bytes);

    if (err || reader->files->group < 0)
        return err;
    err = tc_sensor_reader_add(&reader->base, reader->files->group);
    if (err)
        tc_sensor_reader_close(&reader->base);
    return err;
}

int tc_trace_reader_start(struct tc_trace_reader *reader, size_t ring_bytes)
{
    size_t cpus = reader->programs ? reader->programs->cpus : TC_TRACE_CPUS_MAX;
    int err = -ENOMEM;

    reader->reported_lost = reader->reported_overflows = 0;
    reader->complete_ns = tc_sensor_clock_ns(CLOCK_REALTIME);
    reader->by_cpu = calloc(cpus, sizeof(*reader->by_cpu));
    reader->reported_by_cpu = calloc(cpus, sizeof(*reader->reported_by_cpu));
    if (reader->by_cpu && reader->reported_by_cpu)
        err = open_base(reader, ring_bytes);
    if (!err)
        err = tc_sensor_reader_start(&reader->base, reader_main, reader);
    if (err)
        free_all(reader);
    return err;
}

void tc_trace_reader_stop(struct tc_trace_reader *reader)
{
    if (tc_sensor_reader_stop(&reader->base))
        free_all(reader);
}
