/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures: from publishing a file.open event of some 400 bytes to its delivery to 1, 3
 * and 10 subscribers, and what the check of its data takes.
 *
 * The floor is the same work without a bus: allocate one event, copy the data, call the
 * subscribers' functions, free. Bus and floor take turns in short rounds; the medians are
 * printed, and the best round beside them. Every subscriber looks at the event it gets.
 */
#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15
#define EVENTS 100000 /* a round */
#define BATCH 64      /* published before a turn, as a sensor that reads a full buffer */
#define SUBSCRIBERS_MAX 10

struct bench {
    struct tocsin_event draft;
    uint64_t seen; /* keeps the deliveries from being optimised away */
    struct tc_bus *bus;
    tc_bus_deliver_fn functions[SUBSCRIBERS_MAX];
    unsigned subscribers;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void on_wake(void *arg)
{
    (void)arg;
}

static void on_event(void *arg, struct tc_event *event)
{
    struct bench *bench = arg;

    bench->seen += event->pub.id + event->pub.len;
}

/* What the es sensor publishes of an open, 20 fields. */
static void put_file_open(struct tocsin_writer *w)
{
    tocsin_begin_map(w, NULL);
    tocsin_put_uint(w, "@timestamp", 1753886400123456789);
    tocsin_put_str(w, "sensor", "es");
    tocsin_put_uint(w, "epoch", 3);
    tocsin_begin_map(w, "event");
    tocsin_put_uint(w, "sequence", 1234567);
    tocsin_end(w);
    tocsin_begin_map(w, "file");
    tocsin_put_str(w, "path", "/home/alice/projects/tocsin/build/CMakeFiles/rules.ninja");
    tocsin_put_uint(w, "inode", 9437412);
    tocsin_put_uint(w, "device", 64769);
    tocsin_put_uint(w, "size", 48213);
    tocsin_put_uint(w, "mtime", 1753886399987654321);
    tocsin_put_uint(w, "uid", 1000);
    tocsin_put_uint(w, "mode", 0100644);
    tocsin_end(w);
    tocsin_begin_map(w, "process");
    tocsin_put_int(w, "pid", 48213);
    tocsin_put_uint(w, "start", 1753886398000000000);
    tocsin_put_str(w, "executable", "/usr/bin/x86_64-linux-gnu-gcc-12");
    tocsin_put_str(w, "command_line",
                   "cc -O2 -g -Wall -Wextra -c -o core/agent.c.o agent.c");
    tocsin_begin_map(w, "user");
    tocsin_put_uint(w, "id", 1000);
    tocsin_end(w);
    tocsin_begin_map(w, "parent");
    tocsin_put_int(w, "pid", 48200);
    tocsin_put_str(w, "executable", "/usr/bin/ninja");
    tocsin_end(w);
    tocsin_end(w);
    tocsin_end(w);
}

static uint64_t round_bus(struct bench *bench)
{
    uint64_t began = now_ns();

    for (unsigned i = 0; i < EVENTS; i += BATCH) {
        for (unsigned k = 0; k < BATCH; k++)
            if (tc_bus_publish(bench->bus, &bench->draft, "es", NULL, NULL) < 0)
                abort();
        while (tc_bus_turn(bench->bus, 256))
            ;
    }
    return now_ns() - began;
}

static uint64_t round_floor(struct bench *bench)
{
    uint64_t began = now_ns();

    for (unsigned i = 0; i < EVENTS; i++) {
        struct tc_event *event = malloc(sizeof(*event) + bench->draft.len);

        if (!event)
            abort();
        event->pub = bench->draft;
        event->pub.id = i;
        event->pub.data = memcpy(event + 1, bench->draft.data, bench->draft.len);
        for (unsigned k = 0; k < bench->subscribers; k++)
            bench->functions[k](bench, event);
        free(event);
    }
    return now_ns() - began;
}

static uint64_t round_check(const struct bench *bench)
{
    uint64_t began = now_ns();

    for (unsigned i = 0; i < EVENTS; i++)
        if (tc_frame_check(bench->draft.data, bench->draft.len) < 0)
            abort();
    return now_ns() - began;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts the rounds; the median is in the middle, the best first. */
static double median(double *rounds)
{
    qsort(rounds, ROUNDS, sizeof(*rounds), compare);
    return rounds[ROUNDS / 2];
}

static void bench_deliver(struct bench *bench, unsigned subscribers)
{
    static const char *const patterns[] = {"file.*", NULL};
    struct tc_subscription what = {
        .name = "bench", .patterns = patterns, .deliver = on_event, .arg = bench};
    struct tc_subscriber *all[SUBSCRIBERS_MAX];
    double bus_ns[ROUNDS], floor_ns[ROUNDS], ns, base;
    volatile tc_bus_deliver_fn function = on_event;

    bench->subscribers = subscribers;
    for (unsigned i = 0; i < subscribers; i++) {
        bench->functions[i] = function;
        if (tc_bus_subscribe(bench->bus, &what, &all[i]) < 0)
            abort();
    }
    round_bus(bench);
    for (unsigned i = 0; i < ROUNDS; i++) {
        bus_ns[i] = (double)round_bus(bench) / EVENTS;
        floor_ns[i] = (double)round_floor(bench) / EVENTS;
    }
    ns = median(bus_ns);
    base = median(floor_ns);
    printf("{\"bench\":\"bus_publish_deliver\",\"subscribers\":%u,\"bytes\":%zu,"
           "\"events\":%d,\"ns_per_event\":%.1f,\"best_ns_per_event\":%.1f,"
           "\"floor_ns_per_event\":%.1f,\"ratio\":%.2f,\"events_per_second\":%.0f}\n",
           subscribers, bench->draft.len, ROUNDS * EVENTS, ns, bus_ns[0], base, ns / base,
           1e9 / ns);
    for (unsigned i = 0; i < subscribers; i++)
        tc_bus_unsubscribe(all[i]);
}

static void bench_check(const struct bench *bench)
{
    double rounds[ROUNDS], ns;

    for (unsigned i = 0; i < ROUNDS; i++)
        rounds[i] = (double)round_check(bench) / EVENTS;
    ns = median(rounds);
    printf("{\"bench\":\"frame_check\",\"bytes\":%zu,\"events\":%d,"
           "\"ns_per_event\":%.1f,\"best_ns_per_event\":%.1f}\n",
           bench->draft.len, ROUNDS * EVENTS, ns, rounds[0]);
}

int main(void)
{
    struct bench bench = {.draft = {.size = sizeof(bench.draft), .fd = -1}};
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    put_file_open(&w);
    bench.bus = tc_bus_new(on_wake, NULL);
    if (w.error || !bench.bus)
        return EXIT_FAILURE;
    bench.draft.topic = TOCSIN_TOPIC_FILE_OPEN;
    bench.draft.flags = TOCSIN_EVENT_AUTH;
    bench.draft.data = w.buf;
    bench.draft.len = w.len;
    bench_check(&bench);
    bench_deliver(&bench, 1);
    bench_deliver(&bench, 3);
    bench_deliver(&bench, 10);
    tc_bus_free(bench.bus);
    return EXIT_SUCCESS;
}
