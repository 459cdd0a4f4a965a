/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the control socket against any bytes a client may send. A whole server takes
 * them over a real connection; every call publishes an event, so that the taps that the
 * bytes open have something to write. What comes back must be whole messages.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tocsin/plugin.h>
#include <unistd.h>

#include "ipc/bus.h"
#include "ipc/frame.h"
#include "ipc/rpc.h"

#define REPLY_BYTES_MAX (16 * 1024 * 1024)
#define HELD_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    uv_loop_t loop;
    struct tc_bus *bus;
    struct tc_rpc *rpc;
    struct tc_rpc_call *held[HELD_MAX];
    size_t held_count;
    char folder[32];
    struct sockaddr_un address;
    uint8_t *reply;
    size_t reply_len;
};

static void must(int ok)
{
    if (!ok)
        abort();
}

static void on_wake(void *arg)
{
    (void)arg;
}

/* Answers at once, later, or after the caller has left, as the method's length has it. */
static void on_call(void *arg, struct tc_rpc_call *call, const char *method,
                    const struct tc_rpc_params *params)
{
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1, .topic = "fuzz.call"};
    struct fuzz *fuzz = arg;

    draft.data = params->data;
    draft.len = params->len;
    /* what a method is given is what the bus takes */
    must(tc_bus_publish(fuzz->bus, &draft, "fuzz", NULL, NULL) == 0);
    tc_bus_turn(fuzz->bus, SIZE_MAX);
    tc_rpc_progress(call, params->data, params->len);
    if (strlen(method) % 3 == 0 && fuzz->held_count < HELD_MAX)
        fuzz->held[fuzz->held_count++] = call;
    else if (strlen(method) % 3 == 1)
        tc_rpc_fail(call, "failed", "%s", method);
    else
        tc_rpc_reply(call, params->data, params->len);
}

static void on_gone(void *arg, struct tc_rpc_call *call)
{
    (void)arg;
    (void)call;
}

static void setup(struct fuzz *fuzz)
{
    struct tc_rpc_options options = {.mode = 0600, .call = on_call, .gone = on_gone};
    char why[256];

    signal(SIGPIPE, SIG_IGN);
    strcpy(fuzz->folder, "/tmp/tocsin-fuzz-XXXXXX");
    must(mkdtemp(fuzz->folder) != NULL);
    fuzz->address.sun_family = AF_UNIX;
    snprintf(fuzz->address.sun_path, sizeof(fuzz->address.sun_path), "%s/s",
             fuzz->folder);
    fuzz->reply = malloc(REPLY_BYTES_MAX);
    must(fuzz->reply && uv_loop_init(&fuzz->loop) == 0);
    fuzz->bus = tc_bus_new(on_wake, NULL);
    options.path = fuzz->address.sun_path;
    options.bus = fuzz->bus;
    options.arg = fuzz;
    must(fuzz->bus && tc_rpc_start(&fuzz->loop, &options, &fuzz->rpc, why) == 0);
}

static void teardown(struct fuzz *fuzz)
{
    tc_rpc_stop(fuzz->rpc, NULL, NULL);
    uv_run(&fuzz->loop, UV_RUN_DEFAULT);
    while (fuzz->held_count)
        tc_rpc_reply(fuzz->held[--fuzz->held_count], NULL, 0);
    must(uv_loop_close(&fuzz->loop) == 0);
    tc_bus_free(fuzz->bus);
    free(fuzz->reply);
    must(rmdir(fuzz->folder) == 0);
}

/* Reads what has come. False when the server has hung up. */
static int receive(struct fuzz *fuzz, int fd)
{
    ssize_t n;

    must(fuzz->reply_len < REPLY_BYTES_MAX);
    n = recv(fd, fuzz->reply + fuzz->reply_len, REPLY_BYTES_MAX - fuzz->reply_len,
             MSG_DONTWAIT);
    if (n > 0)
        fuzz->reply_len += (size_t)n;
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static void check_reply(const struct fuzz *fuzz)
{
    const struct tc_frame_limits limits = {
        .bytes = REPLY_BYTES_MAX, .values = SIZE_MAX, .depth = 32};
    size_t at = 0, len;
    int r;

    for (; at < fuzz->reply_len; at += len) {
        r = tc_frame_next(fuzz->reply + at, fuzz->reply_len - at, &limits, &len);
        /* the last may be cut short: the connection was closed */
        if (r == -EAGAIN)
            return;
        must(r == 0);
    }
}

static void exchange(struct fuzz *fuzz, const uint8_t *data, size_t size)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), shut = 0;
    ssize_t n;

    must(fd >= 0 &&
         connect(fd, (struct sockaddr *)&fuzz->address, sizeof(fuzz->address)) == 0);
    do {
        if (size) {
            n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
            must(n >= 0 || errno == EAGAIN || errno == EPIPE);
            data += n > 0 ? n : 0;
            size -= n > 0 ? (size_t)n : 0;
        } else if (!shut) {
            shut = 1;
            shutdown(fd, SHUT_WR);
        }
        uv_run(&fuzz->loop, UV_RUN_NOWAIT);
        while (fuzz->held_count > HELD_MAX / 2)
            tc_rpc_reply(fuzz->held[--fuzz->held_count], NULL, 0);
    } while (receive(fuzz, fd));
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {0};

    setup(&fuzz);
    exchange(&fuzz, data, size);
    check_reply(&fuzz);
    teardown(&fuzz);
    return 0;
}
