/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tap costs the bus: CPU time of the loop's thread for each event that is
 * published and delivered to one subscriber, with no tap (the floor), with one whose
 * reader reads, and with one whose reader has stopped. In turn, in the same run; the
 * median counts.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "ipc/bus.h"
#include "ipc/event.h"
#include "ipc/rpc.h"

#define ROUNDS 7
#define EVENTS 50000
#define TURN_EVENTS 64
#define COMMAND_LINE_BYTES 300 /* an event of some 400 bytes */

enum kind { NO_TAP, READING_TAP, STOPPED_TAP, KINDS };

static const char *const kind_names[KINDS] = {"no_tap", "reading_tap", "stopped_tap"};

struct bench {
    uv_loop_t loop;
    struct tc_bus *bus;
    struct tc_rpc *rpc;
    struct tc_subscriber *subscriber;
    uint64_t delivered;
    struct sockaddr_un address;
    struct tocsin_writer data;
    double ns[KINDS][ROUNDS];
};

static void must(int ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_tap: %s failed\n", what);
    exit(1);
}

static void on_wake(void *arg)
{
    (void)arg; /* the turns are the benchmark's own */
}

static void on_event(void *arg, struct tc_event *event)
{
    struct bench *bench = arg;

    (void)event;
    bench->delivered++;
}

static void on_call(void *arg, struct tc_rpc_call *call, const char *method,
                    const struct tc_rpc_params *params)
{
    (void)arg;
    (void)params;
    tc_rpc_fail(call, "unknown_method", "%s", method);
}

static void setup(struct bench *bench, char *folder)
{
    static const char *const everything[] = {"*", NULL};
    struct tc_subscription what = {
        .name = "bench", .patterns = everything, .deliver = on_event, .arg = bench};
    struct tc_rpc_options options = {.mode = 0600, .call = on_call};
    char command_line[COMMAND_LINE_BYTES], why[256];

    must(mkdtemp(folder) != NULL, "mkdtemp");
    bench->address.sun_family = AF_UNIX;
    snprintf(bench->address.sun_path, sizeof(bench->address.sun_path), "%s/s", folder);
    must(uv_loop_init(&bench->loop) == 0, "uv_loop_init");
    bench->bus = tc_bus_new(on_wake, NULL);
    must(bench->bus && tc_bus_subscribe(bench->bus, &what, &bench->subscriber) == 0,
         "the bus");
    options.path = bench->address.sun_path;
    options.bus = bench->bus;
    must(tc_rpc_start(&bench->loop, &options, &bench->rpc, why) == 0, "tc_rpc_start");
    memset(command_line, 'x', sizeof(command_line));
    tocsin_writer_init_growing(&bench->data);
    tocsin_begin_map(&bench->data, NULL);
    tocsin_begin_map(&bench->data, "process");
    tocsin_put_uint(&bench->data, "pid", 70000);
    tocsin_put_str(&bench->data, "executable", "/usr/bin/curl");
    tocsin_put_strn(&bench->data, "command_line", command_line, sizeof(command_line));
    tocsin_end(&bench->data);
    tocsin_end(&bench->data);
}

/* Runs the loop until the bus has so many subscribers. */
static void await_subscribers(struct bench *bench, size_t count)
{
    while (tc_bus_stats(bench->bus, NULL, 0) != count)
        uv_run(&bench->loop, UV_RUN_ONCE);
}

static int open_tap(struct bench *bench)
{
    static const char request[] = "\x94\x00\x01\xa8tap.open\x90";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(fd >= 0 &&
             connect(fd, (struct sockaddr *)&bench->address, sizeof(bench->address)) == 0,
         "connect");
    must(write(fd, request, sizeof(request) - 1) == sizeof(request) - 1, "tap.open");
    await_subscribers(bench, 2);
    return fd;
}

static void *read_until_end(void *arg)
{
    char buf[64 * 1024];
    int fd = *(int *)arg;

    while (read(fd, buf, sizeof(buf)) > 0)
        ;
    return NULL;
}

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double publish_all(struct bench *bench)
{
    struct tocsin_event draft = {
        .size = sizeof(draft), .fd = -1, .topic = "process.started", .time_ns = 1};
    double start;

    draft.data = bench->data.buf;
    draft.len = bench->data.len;
    start = cpu_ns();
    for (int i = 1; i <= EVENTS; i++) {
        must(tc_bus_publish(bench->bus, &draft, "bench", NULL, NULL) == 0, "publish");
        if (i % TURN_EVENTS)
            continue;
        while (tc_bus_turn(bench->bus, SIZE_MAX))
            ;
        uv_run(&bench->loop, UV_RUN_NOWAIT);
    }
    return (cpu_ns() - start) / EVENTS;
}

static double measure(struct bench *bench, enum kind kind)
{
    pthread_t reader;
    double ns;
    int fd = -1;

    if (kind != NO_TAP)
        fd = open_tap(bench);
    if (kind == READING_TAP)
        must(pthread_create(&reader, NULL, read_until_end, &fd) == 0, "pthread_create");
    ns = publish_all(bench);
    if (kind != NO_TAP) {
        shutdown(fd, SHUT_RDWR);
        await_subscribers(bench, 1);
    }
    if (kind == READING_TAP)
        pthread_join(reader, NULL);
    if (fd >= 0)
        close(fd);
    return ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), compare);
    return values[ROUNDS / 2];
}

int main(void)
{
    char folder[] = "/tmp/tocsin-bench-XXXXXX";
    struct bench bench = {0};
    double floor_ns, ns;

    signal(SIGPIPE, SIG_IGN);
    setup(&bench, folder);
    publish_all(&bench); /* warm */
    for (int round = 0; round < ROUNDS; round++)
        for (int kind = 0; kind < KINDS; kind++)
            bench.ns[kind][round] = measure(&bench, (enum kind)kind);
    floor_ns = median(bench.ns[NO_TAP]);
    for (int kind = 0; kind < KINDS; kind++) {
        ns = median(bench.ns[kind]);
        printf("{\"bench\":\"tap_cost\",\"case\":\"%s\",\"ns_per_event\":%.1f,"
               "\"floor_ns_per_event\":%.1f,\"ratio\":%.2f}\n",
               kind_names[kind], ns, floor_ns, ns / floor_ns);
    }
    tc_rpc_stop(bench.rpc, NULL, NULL);
    tc_bus_unsubscribe(bench.subscriber);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&bench.loop) == 0, "uv_loop_close");
    tc_bus_free(bench.bus);
    tocsin_writer_done(&bench.data);
    return rmdir(folder);
}
