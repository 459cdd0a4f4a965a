/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a control socket with a bus behind it, for tests of clients and taps. */
#include "rpc_server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <tocsin/event.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/event.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

#define DEADLINE_S 60
#define TURN_EVENTS 256

/* ---- Methods ---- */

static void method_echo(struct rpc_server *server, struct tc_rpc_call *call,
                        const struct tc_rpc_params *params)
{
    (void)server;
    tc_rpc_reply(call, params->data, params->len);
}

static void method_fail(struct rpc_server *server, struct tc_rpc_call *call,
                        const struct tc_rpc_params *params)
{
    (void)server;
    (void)params;
    tc_rpc_fail(call, "refused", "%s is refused", tc_rpc_call_method(call));
}

static void method_hold(struct rpc_server *server, struct tc_rpc_call *call,
                        const struct tc_rpc_params *params)
{
    (void)params;
    assert_true(server->held_count < RPC_SERVER_HELD_MAX);
    server->held[server->held_count++] = call;
}

static void method_release(struct rpc_server *server, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params)
{
    while (server->held_count)
        tc_rpc_reply(server->held[--server->held_count], params->data, params->len);
    tc_rpc_reply(call, params->data, params->len);
}

static void reply_with(struct tc_rpc_call *call, struct tc_pack *p)
{
    assert_int_equal(p->error, 0);
    tc_rpc_reply_packed(call, p);
}

static void method_held(struct rpc_server *server, struct tc_rpc_call *call,
                        const struct tc_rpc_params *params)
{
    struct tc_pack p;

    (void)params;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_uint(&p, "held", server->held_count);
    tc_pack_uint(&p, "gone", server->gone);
    tc_pack_uint(&p, "pid", (uint64_t)tc_rpc_call_peer(call)->pid);
    tc_pack_uint(&p, "uid", tc_rpc_call_peer(call)->uid);
    tc_pack_end(&p);
    reply_with(call, &p);
}

static void method_big(struct rpc_server *server, struct tc_rpc_call *call,
                       const struct tc_rpc_params *params)
{
    size_t bytes = (size_t)tc_unpack_int(params->map, "bytes", 0);
    struct tc_pack p;
    void *zeros = calloc(1, bytes);

    (void)server;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_bin(&p, "zeros", zeros, bytes);
    tc_pack_end(&p);
    free(zeros);
    reply_with(call, &p);
}

static void method_progress(struct rpc_server *server, struct tc_rpc_call *call,
                            const struct tc_rpc_params *params)
{
    int64_t count = tc_unpack_int(params->map, "count", 1);
    struct tc_pack p;

    (void)server;
    for (int64_t i = 0; i < count; i++) {
        tc_pack_init(&p);
        tc_pack_begin_map(&p, NULL);
        tc_pack_int(&p, "step", i);
        tc_pack_end(&p);
        tc_rpc_progress(call, p.bytes.data, p.bytes.size);
        tc_pack_done(&p);
    }
    tc_rpc_reply(call, NULL, 0);
}

static void method_publish(struct rpc_server *server, struct tc_rpc_call *call,
                           const struct tc_rpc_params *params)
{
    struct tocsin_str topic = tc_unpack_str(params->map, "topic");
    int64_t count = tc_unpack_int(params->map, "count", 1);
    int64_t every = tc_unpack_int(params->map, "every", 100);
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1};
    struct tocsin_value data;
    struct tc_event *event;
    struct tc_pack p;
    uint64_t first = 0, last = 0;
    char name[128];

    assert_non_null(topic.ptr);
    snprintf(name, sizeof(name), "%.*s", (int)topic.len, topic.ptr);
    assert_true(tocsin_find(params->data, params->len, "data", &data));
    draft.topic = name;
    draft.data = data.start;
    draft.len = tocsin_value_size(&data);
    for (int64_t i = 1; i <= count; i++) {
        if (tc_unpack_bool(params->map, "descriptor", false))
            draft.fd = dup(uv_backend_fd(&server->loop));
        assert_int_equal(tc_bus_publish(server->bus, &draft, "test", NULL, &event), 0);
        last = event->pub.id;
        first = first ? first : last;
        tc_event_unref(event);
        while (i % every == 0 && tc_bus_turn(server->bus, TURN_EVENTS))
            ;
    }
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_uint(&p, "first", first);
    tc_pack_uint(&p, "last", last);
    tc_pack_end(&p);
    reply_with(call, &p);
}

static void method_stats(struct rpc_server *server, struct tc_rpc_call *call,
                         const struct tc_rpc_params *params)
{
    struct tc_rpc_counters counters;
    struct tc_pack p;

    (void)params;
    tc_rpc_counters(server->rpc, &counters);
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_uint(&p, "accepted", counters.accepted);
    tc_pack_uint(&p, "refused_clients", counters.refused_clients);
    tc_pack_uint(&p, "malformed", counters.malformed);
    tc_pack_uint(&p, "cut_off", counters.cut_off);
    tc_pack_uint(&p, "refused_calls", counters.refused_calls);
    tc_pack_uint(&p, "refused_taps", counters.refused_taps);
    tc_pack_uint(&p, "progress_dropped", counters.progress_dropped);
    tc_pack_begin_array(&p, "connections");
    tc_rpc_stats(server->rpc, &p);
    tc_pack_end(&p);
    tc_pack_end(&p);
    reply_with(call, &p);
}

static const struct method {
    const char *name;
    void (*run)(struct rpc_server *server, struct tc_rpc_call *call,
                const struct tc_rpc_params *params);
} methods[] = {
    {"echo", method_echo},         {"fail", method_fail},       {"hold", method_hold},
    {"release", method_release},   {"held", method_held},       {"big", method_big},
    {"progress", method_progress}, {"publish", method_publish}, {"stats", method_stats},
};

static void on_call(void *arg, struct tc_rpc_call *call, const char *method,
                    const struct tc_rpc_params *params)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (!strcmp(methods[i].name, method)) {
            methods[i].run(arg, call, params);
            return;
        }
    }
    tc_rpc_fail(call, "unknown_method", "no method %s", method);
}

/* The call stays held: answering a caller who has left must be harmless. */
static void on_gone(void *arg, struct tc_rpc_call *call)
{
    struct rpc_server *server = arg;

    (void)call;
    server->gone++;
}

/* ---- The loop ---- */

static void on_turn(uv_idle_t *handle)
{
    struct rpc_server *server = handle->data;

    if (!tc_bus_turn(server->bus, TURN_EVENTS))
        uv_idle_stop(handle);
}

static void on_wake(void *arg)
{
    struct rpc_server *server = arg;

    uv_idle_start(&server->turner, on_turn);
}

static void on_stopped(void *arg)
{
    struct rpc_server *server = arg;

    uv_close((uv_handle_t *)&server->turner, NULL);
    uv_close((uv_handle_t *)&server->quit, NULL);
}

static void on_quit(uv_async_t *handle)
{
    struct rpc_server *server = handle->data;

    tc_rpc_stop(server->rpc, on_stopped, server);
}

static void *run_loop(void *arg)
{
    struct rpc_server *server = arg;

    uv_run(&server->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void *init_loop(void *arg)
{
    struct rpc_server *server = arg;

    return uv_loop_init(&server->loop) == 0 ? server : NULL;
}

/*
 * By a thread that ends at once: since libuv 1.45 a loop has an io_uring, and a kernel
 * that takes one down some time after it was closed interrupts the thread that made it,
 * which here would be one that waits as a client (EINTR where there was no signal).
 */
static void make_loop(struct rpc_server *server)
{
    pthread_t maker;
    void *made;

    assert_int_equal(pthread_create(&maker, NULL, init_loop, server), 0);
    assert_int_equal(pthread_join(maker, &made), 0);
    assert_non_null(made);
}

void rpc_server_start(struct rpc_server *server)
{
    struct tc_rpc_options options = {.mode = 0660, .call = on_call, .gone = on_gone};
    char why[256] = "";

    memset(server, 0, sizeof(*server));
    signal(SIGPIPE, SIG_IGN);
    strcpy(server->folder, "/tmp/tocsin-rpc-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->path, sizeof(server->path), "%s/tocsin.sock", server->folder);
    make_loop(server);
    assert_int_equal(uv_async_init(&server->loop, &server->quit, on_quit), 0);
    assert_int_equal(uv_idle_init(&server->loop, &server->turner), 0);
    server->quit.data = server->turner.data = server;
    server->bus = tc_bus_new(on_wake, server);
    assert_non_null(server->bus);
    options.path = server->path;
    options.bus = server->bus;
    options.arg = server;
    if (tc_rpc_start(&server->loop, &options, &server->rpc, why))
        fail_msg("%s", why);
    assert_int_equal(pthread_create(&server->thread, NULL, run_loop, server), 0);
}

void rpc_server_stop(struct rpc_server *server)
{
    uv_async_send(&server->quit);
    pthread_join(server->thread, NULL);
    while (server->held_count)
        tc_rpc_reply(server->held[--server->held_count], NULL, 0);
    assert_int_equal(uv_loop_close(&server->loop), 0);
    tc_bus_free(server->bus);
    assert_int_equal(access(server->path, F_OK), -1);
    assert_int_equal(rmdir(server->folder), 0);
}

/* ---- Clients ---- */

static void give_up_after_deadline(int fd)
{
    struct timeval limit = {.tv_sec = DEADLINE_S};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
}

int rpc_server_connect(const struct rpc_server *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    strcpy(address.sun_path, server->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    give_up_after_deadline(fd);
    return fd;
}

struct tc_client *rpc_server_client(const struct rpc_server *server)
{
    struct tc_client *client;

    assert_int_equal(tc_client_open(server->path, &client), 0);
    give_up_after_deadline(tc_client_fd(client));
    return client;
}

void rpc_server_call(struct tc_client *client, const char *method, const void *params,
                     size_t len, struct tc_answer *ret_answer)
{
    assert_int_equal(tc_client_call(client, method, params, len, NULL, NULL, ret_answer),
                     0);
}

int64_t rpc_server_ask(struct tc_client *client, const char *method, const char *path)
{
    struct tc_answer answer;

    rpc_server_call(client, method, NULL, 0, &answer);
    assert_non_null(answer.result);
    return tocsin_find_int(answer.data, answer.len, path, -1);
}

void rpc_server_await(struct tc_client *client, const char *method, const char *path,
                      int64_t value)
{
    time_t until = time(NULL) + DEADLINE_S;

    while (rpc_server_ask(client, method, path) < value)
        if (time(NULL) > until)
            fail_msg("%s.%s never became %lld", method, path, (long long)value);
}
