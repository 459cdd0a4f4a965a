/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures: from publishing a question about a file, some 400 bytes and a descriptor, to
 * the delivery of the detector's vote, one question at a time: by the same plugin inline,
 * and in a process of its own.
 *
 * The floor of the way between processes is a bare round trip: as many bytes over such a
 * socketpair to a process that reads and writes, and nothing else. Inline, isolated and
 * floor take turns in short rounds; the medians of all questions are printed.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "core/conf/options.h"
#include "core/host/loader.h"
#include "core/host/plugin.h"
#include "core/isolate/isolate.h"
#include "core/isolate/wire.h"
#include "ipc/bus.h"
#include "ipc/event.h"
#include "tests/support/empty_host.h"

#define ROUNDS 20
#define QUESTIONS 1000 /* a round */
#define ALL ((size_t)ROUNDS * QUESTIONS)
#define BYTES 400 /* of an event's data, about */

struct rig {
    uv_loop_t loop;
    struct tc_bus *bus;
    struct tc_plugin_env env;
    struct tc_plugin *plugin;
    struct tc_subscriber *ear;
    uint64_t answers;
    double *us;
    size_t count;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must(bool so, const char *what)
{
    if (so)
        return;
    fprintf(stderr, "bench_isolate: %s\n", what);
    exit(EXIT_FAILURE);
}

/* ---- An agent that has nothing but this plugin ---- */

static int on_publish(void *arg, const struct tocsin_event *draft, const char *source,
                      const struct tocsin_event **ret_event)
{
    struct rig *rig = arg;
    struct tc_event *event;
    int err = tc_bus_publish(rig->bus, draft, source, NULL, ret_event ? &event : NULL);

    if (!err && ret_event)
        *ret_event = &event->pub;
    return err;
}

static void on_wake(void *arg)
{
    (void)arg; /* the bench turns the bus itself */
}

static void on_answer(void *arg, struct tc_event *event)
{
    (void)event;
    ((struct rig *)arg)->answers++;
}

static void turn(struct rig *rig, uv_run_mode mode)
{
    (void)uv_run(&rig->loop, mode);
    while (tc_bus_turn(rig->bus, 256))
        ;
}

static void start(struct rig *rig, struct tc_module *module)
{
    static const char *const patterns[] = {TOCSIN_TOPIC_VERDICT, NULL};
    const struct tc_subscription what = {
        .name = "bench", .patterns = patterns, .deliver = on_answer, .arg = rig};
    const struct tc_option_table table = {module->plugin->options,
                                          module->plugin->option_size};
    struct tc_options *options;
    char why[256] = "";

    must(!uv_loop_init(&rig->loop) && (rig->bus = tc_bus_new(on_wake, rig)), "memory");
    rig->us = calloc(ALL, sizeof(*rig->us));
    rig->env = (struct tc_plugin_env){.loop = &rig->loop,
                                      .bus = rig->bus,
                                      .state_dir = "/tmp",
                                      .arg = rig,
                                      .publish = on_publish};
    tc_empty_host(&rig->env);
    must(rig->us && !tc_bus_subscribe(rig->bus, &what, &rig->ear), "memory");
    must(!tc_options_new(table, &options), "options");
    must(!tc_plugin_new(&rig->env, module, options, &rig->plugin, why), why);
    must(!tc_plugin_start(rig->plugin), "start");
    while (tc_plugin_state(rig->plugin) == TC_PLUGIN_STARTING)
        turn(rig, UV_RUN_ONCE);
    must(tc_plugin_state(rig->plugin) == TC_PLUGIN_RUNNING, tc_plugin_why(rig->plugin));
}

static void stop(struct rig *rig)
{
    (void)tc_plugin_stop(rig->plugin);
    while (tc_plugin_state(rig->plugin) != TC_PLUGIN_STOPPED ||
           tc_plugin_busy(rig->plugin))
        turn(rig, UV_RUN_ONCE);
    tc_plugin_free(rig->plugin);
    tc_bus_unsubscribe(rig->ear);
    (void)uv_run(&rig->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&rig->loop);
    tc_bus_free(rig->bus);
    free(rig->us);
}

/* ---- Questions ---- */

static void ask(struct rig *rig, const struct tocsin_writer *w, bool isolated)
{
    struct tocsin_event draft = {.size = sizeof(draft),
                                 .flags = TOCSIN_EVENT_AUTH,
                                 .topic = TOCSIN_TOPIC_FILE_OPEN,
                                 .data = w->buf,
                                 .len = w->len};
    uint64_t began, before = rig->answers;

    draft.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    must(draft.fd >= 0, "open");
    began = now_ns();
    draft.deadline_ns = began + 10000000000u;
    must(!tc_bus_publish(rig->bus, &draft, "es", NULL, NULL), "publish");
    while (tc_bus_turn(rig->bus, 256))
        ;
    while (rig->answers == before)
        turn(rig, UV_RUN_ONCE);
    rig->us[rig->count++] = (double)(now_ns() - began) / 1000;
    /* What the core does between two questions, and not before an answer. */
    if (isolated)
        turn(rig, UV_RUN_NOWAIT);
}

/* ---- The floor ---- */

static pid_t start_echo(int ret_ends[2])
{
    char buf[4096];
    ssize_t n;
    pid_t pid;

    must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends), "socketpair");
    pid = fork();
    must(pid >= 0, "fork");
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ret_ends[0]);
    while ((n = read(ret_ends[1], buf, sizeof(buf))) > 0)
        (void)!write(ret_ends[1], buf, (size_t)n);
    _exit(0);
}

static double round_trip_us(int end, size_t bytes)
{
    char buf[4096] = {0};
    uint64_t began = now_ns();

    must(write(end, buf, bytes) == (ssize_t)bytes, "write");
    must(read(end, buf, sizeof(buf)) == (ssize_t)bytes, "read");
    return (double)(now_ns() - began) / 1000;
}

/* ---- The whole ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double part(double *us, size_t hundredth)
{
    qsort(us, ALL, sizeof(*us), compare);
    return us[ALL * hundredth / 100];
}

static struct tc_module *load(struct tc_isolate *isolate)
{
    static const char file[] = BENCH_BUILD_DIR "/lib/tocsin/test-plugins/tocsin_good.so";
    struct tc_module *module = NULL;
    char why[256] = "";
    int err = isolate ? tc_isolate_open(isolate, "good", file, &module, why)
                      : tc_module_open(file, NULL, &module, why);

    must(!err, why);
    return module;
}

static void put_question(struct tocsin_writer *w)
{
    char path[BYTES];

    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    tocsin_begin_map(w, NULL);
    tocsin_begin_map(w, "file");
    tocsin_put_str(w, "path", path);
    tocsin_end(w);
    tocsin_end(w);
}

int main(void)
{
    static struct tc_isolate isolate;
    static struct rig in, out;
    double *floor_us = calloc(ALL, sizeof(*floor_us)), inline_us, isolated_us, base;
    char dir[] = "/tmp/tocsin-bench-XXXXXX", command[128];
    struct tocsin_writer w;
    size_t n = 0, bytes;
    uint8_t buf[1024];
    int ends[2];
    pid_t echo;

    must(floor_us && mkdtemp(dir), "memory");
    tocsin_writer_init(&w, buf, sizeof(buf));
    put_question(&w);
    bytes = sizeof(struct tc_wire_head) + w.len;
    tc_isolate_init(&isolate, BENCH_BUILD_DIR "/lib/tocsin/tocsin-host", dir, 0);
    echo = start_echo(ends);
    start(&in, load(NULL));
    start(&out, load(&isolate));
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < QUESTIONS; i++)
            ask(&in, &w, false);
        for (unsigned i = 0; i < QUESTIONS; i++)
            ask(&out, &w, true);
        for (unsigned i = 0; i < QUESTIONS; i++)
            floor_us[n++] = round_trip_us(ends[0], bytes);
    }
    inline_us = part(in.us, 50);
    isolated_us = part(out.us, 50);
    base = part(floor_us, 50);
    printf("{\"bench\":\"vote\",\"how\":\"inline\",\"questions\":%zu,\"bytes\":%zu,"
           "\"median_us\":%.1f,\"p99_us\":%.1f}\n",
           ALL, w.len, inline_us, part(in.us, 99));
    printf("{\"bench\":\"vote\",\"how\":\"isolated\",\"questions\":%zu,\"bytes\":%zu,"
           "\"median_us\":%.1f,\"p99_us\":%.1f,\"over_inline_us\":%.1f,"
           "\"floor_us\":%.1f,\"floor_p99_us\":%.1f,\"ratio\":%.2f}\n",
           ALL, w.len, isolated_us, part(out.us, 99), isolated_us - inline_us, base,
           part(floor_us, 99), (isolated_us - inline_us) / base);
    stop(&in);
    stop(&out);
    (void)kill(echo, SIGKILL);
    (void)snprintf(command, sizeof(command), "%s/isolated/good", dir);
    (void)rmdir(command);
    (void)snprintf(command, sizeof(command), "%s/isolated", dir);
    (void)rmdir(command);
    (void)rmdir(dir);
    free(floor_us);
    return EXIT_SUCCESS;
}
