/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/frame.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

#define ROOM_MIN (16 * 1024)
#define MESSAGE_BYTES_MAX (8 * 1024 * 1024) /* twice what the agent lets an answer be */
#define MESSAGE_VALUES_MAX (1024 * 1024)    /* 24 MiB of objects */
#define MESSAGE_DEPTH_MAX 32

struct call {
    struct call *next;
    uint64_t id;
    tc_link_answer_fn done;
    void *arg;
};

struct tc_link {
    uv_pipe_t pipe;
    uv_connect_t connect;
    struct tc_link_handlers handlers;
    bool up, closing;
    uint64_t last_id;
    struct call *calls;
    char *in; /* what has come and is no whole message yet */
    size_t in_len, in_cap;
    size_t in_need; /* so many bytes before a look is worth it */
    msgpack_unpacked message;
};

/* A request on its way out; its bytes were msgpack-c's. */
struct sending {
    uv_write_t write;
    char *data;
};

/* ---- the end of it ---- */

static void answer_gone(struct tc_link *link)
{
    static const struct tc_link_answer gone = {.code = "gone",
                                               .message = "the agent went away"};
    struct call *call;

    while ((call = link->calls)) {
        link->calls = call->next;
        call->done(call->arg, &gone);
        free(call);
    }
}

static void fail(struct tc_link *link, int err)
{
    if (link->closing)
        return;
    link->up = false;
    (void)uv_read_stop((uv_stream_t *)&link->pipe);
    answer_gone(link);
    if (!link->closing)
        link->handlers.gone(link->handlers.arg, err);
}

static void on_closed(uv_handle_t *handle)
{
    struct tc_link *link = handle->data;

    msgpack_unpacked_destroy(&link->message);
    free(link->in);
    free(link);
}

void tc_link_close(struct tc_link *link)
{
    if (!link || link->closing)
        return;
    link->closing = true;
    link->up = false;
    answer_gone(link);
    uv_close((uv_handle_t *)&link->pipe, on_closed);
}

/* ---- what comes ---- */

static void copy_text(struct tocsin_str s, char *to, size_t cap)
{
    snprintf(to, cap, "%.*s", s.ptr ? (int)(s.len < cap ? s.len : cap) : 0,
             s.ptr ? s.ptr : "");
}

static struct call *take_call(struct tc_link *link, uint64_t id)
{
    for (struct call **at = &link->calls; *at; at = &(*at)->next) {
        struct call *call = *at;

        if (call->id != id)
            continue;
        *at = call->next;
        return call;
    }
    return NULL;
}

/* [1, id, error, result] */
static int take_answer(struct tc_link *link, const msgpack_object *items)
{
    struct tc_link_answer answer = {.result = NULL};
    struct call *call;

    if (items[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return -EPROTO; /* what was sent could not be read */
    call = take_call(link, items[1].via.u64);
    if (!call)
        return -EPROTO;
    if (items[2].type == MSGPACK_OBJECT_NIL && items[3].type == MSGPACK_OBJECT_MAP)
        answer.result = &items[3];
    copy_text(tc_unpack_str(&items[2], "code"), answer.code, sizeof(answer.code));
    copy_text(tc_unpack_str(&items[2], "message"), answer.message,
              sizeof(answer.message));
    call->done(call->arg, &answer);
    free(call);
    return 0;
}

static int take_message(struct tc_link *link, const void *data, size_t len)
{
    const msgpack_object *o, *items;
    char method[64];
    int err = tc_unpack(&link->message, data, len);

    if (err)
        return err;
    o = &link->message.data;
    items = o->via.array.ptr;
    if (o->type != MSGPACK_OBJECT_ARRAY || o->via.array.size < 3 ||
        items[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return -EPROTO;
    if (items[0].via.u64 == 1 && o->via.array.size == 4)
        return take_answer(link, items);
    if (items[0].via.u64 != 2 || items[2].type != MSGPACK_OBJECT_ARRAY)
        return -EPROTO;
    copy_text(tc_unpack_text(&items[1]), method, sizeof(method));
    if (link->handlers.notified)
        link->handlers.notified(link->handlers.arg, method, &items[2]);
    return 0;
}

/* Takes every whole message off the front of what has come. */
static int take_messages(struct tc_link *link)
{
    static const struct tc_frame_limits limits = {.bytes = MESSAGE_BYTES_MAX,
                                                  .values = MESSAGE_VALUES_MAX,
                                                  .depth = MESSAGE_DEPTH_MAX};
    size_t at = 0, len;
    int err = 0;

    while (at < link->in_len && link->in_len - at >= link->in_need && !link->closing) {
        err = tc_frame_next(link->in + at, link->in_len - at, &limits, &len);
        link->in_need = err == -EAGAIN ? len : 1;
        if (err)
            break;
        err = take_message(link, link->in + at, len);
        if (err)
            break;
        at += len;
    }
    memmove(link->in, link->in + at, link->in_len - at);
    link->in_len -= at;
    return err == -EAGAIN ? 0 : err;
}

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct tc_link *link = handle->data;
    size_t cap = link->in_cap;
    char *grown;

    (void)suggested;
    while (cap - link->in_len < ROOM_MIN)
        cap = cap ? 2 * cap : 2 * (size_t)ROOM_MIN;
    if (cap != link->in_cap) {
        grown = realloc(link->in, cap);
        if (!grown) {
            *ret = uv_buf_init(NULL, 0);
            return;
        }
        link->in = grown;
        link->in_cap = cap;
    }
    *ret = uv_buf_init(link->in + link->in_len, (unsigned)(cap - link->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct tc_link *link = stream->data;
    int err;

    (void)buf;
    if (n < 0) {
        fail(link, n == UV_EOF ? -EPIPE : (int)n);
        return;
    }
    link->in_len += (size_t)n;
    err = take_messages(link);
    if (err)
        fail(link, err);
}

/* ---- what goes ---- */

static void on_sent(uv_write_t *write, int status)
{
    struct sending *sending = write->data;

    (void)status; /* reading fails, too */
    free(sending->data);
    free(sending);
}

static int send_packed(struct tc_link *link, struct tc_pack *p)
{
    struct sending *sending;
    uv_buf_t buf;
    int err = p->error;

    sending = err ? NULL : calloc(1, sizeof(*sending));
    if (!sending) {
        tc_pack_done(p);
        return err ? err : -ENOMEM;
    }
    buf = uv_buf_init(NULL, (unsigned)p->bytes.size);
    buf.base = sending->data = msgpack_sbuffer_release(&p->bytes);
    tc_pack_done(p);
    sending->write.data = sending;
    err = uv_write(&sending->write, (uv_stream_t *)&link->pipe, &buf, 1, on_sent);
    if (err)
        on_sent(&sending->write, err);
    return err;
}

int tc_link_call(struct tc_link *link, const char *method, const struct tc_pack *params,
                 tc_link_answer_fn done, void *arg)
{
    struct call *call;
    struct tc_pack p;
    int err;

    if (!link->up)
        return -ENOTCONN;
    if (params && params->error)
        return params->error;
    call = malloc(sizeof(*call));
    if (!call)
        return -ENOMEM;
    *call = (struct call){link->calls, ++link->last_id, done, arg};
    tc_pack_init(&p);
    tc_pack_begin_array(&p, NULL);
    tc_pack_uint(&p, NULL, 0);
    tc_pack_uint(&p, NULL, call->id);
    tc_pack_str(&p, NULL, method);
    tc_pack_begin_array(&p, NULL);
    if (params)
        tc_pack_encoded(&p, NULL, params->bytes.data, params->bytes.size);
    tc_pack_end(&p);
    tc_pack_end(&p);
    err = send_packed(link, &p);
    if (err)
        free(call);
    else
        link->calls = call;
    return err;
}

/* ---- the beginning ---- */

static int make(uv_loop_t *loop, const struct tc_link_handlers *handlers,
                struct tc_link **ret_link)
{
    struct tc_link *link = calloc(1, sizeof(*link));

    if (!link)
        return -ENOMEM;
    msgpack_unpacked_init(&link->message);
    link->handlers = *handlers;
    link->in_need = 1;
    (void)uv_pipe_init(loop, &link->pipe, 0);
    link->pipe.data = link;
    link->connect.data = link;
    *ret_link = link;
    return 0;
}

static int begin(struct tc_link *link)
{
    int err = uv_read_start((uv_stream_t *)&link->pipe, make_room, on_read);

    link->up = !err;
    return err;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct tc_link *link = connect->data;

    if (link->closing)
        return;
    if (!status)
        status = begin(link);
    if (status)
        fail(link, status);
    else
        link->handlers.up(link->handlers.arg);
}

int tc_link_open(uv_loop_t *loop, const char *path,
                 const struct tc_link_handlers *handlers, struct tc_link **ret_link)
{
    int err = make(loop, handlers, ret_link);

    if (!err)
        uv_pipe_connect(&(*ret_link)->connect, &(*ret_link)->pipe, path, on_connected);
    return err;
}

int tc_link_adopt(uv_loop_t *loop, int fd, const struct tc_link_handlers *handlers,
                  struct tc_link **ret_link)
{
    int err = make(loop, handlers, ret_link);

    if (!err) {
        err = uv_pipe_open(&(*ret_link)->pipe, fd);
        if (!err)
            fd = -1; /* closed with the pipe */
        if (!err)
            err = begin(*ret_link);
        if (err)
            tc_link_close(*ret_link);
    }
    if (err && fd >= 0)
        close(fd);
    return err;
}

int tc_link_peer(const struct tc_link *link, uv_uid_t *ret_uid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&link->pipe, &fd) ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
        return -ENOTCONN;
    *ret_uid = peer.uid;
    return 0;
}
