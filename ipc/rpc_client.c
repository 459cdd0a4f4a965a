/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one connection: its bytes in, cut into messages and checked, its bytes out, and
 * its end. Must not: know what a method does, or trust a byte.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "ipc/frame.h"
#include "ipc/pack.h"
#include "ipc/rpc_internal.h"
#include "ipc/unpack.h"

#define READ_BYTES_MIN 4096
#define IDLE_BYTES_MAX (64 * 1024) /* of a buffer that is kept while nothing is in it */

enum message_type {
    MESSAGE_REQUEST = 0,
    MESSAGE_NOTIFICATION = 2,
};

struct message {
    enum message_type type;
    uint32_t id; /* of a request */
    struct tocsin_str method;
    struct tc_rpc_params params; /* not yet looked at: any value */
};

/* ---- Out ---- */

struct leftover {
    uv_write_t request;
    struct tc_rpc_client *client;
    size_t size; /* of this allocation */
    char bytes[];
};

static void on_leftover_written(uv_write_t *request, int status)
{
    struct leftover *left = request->data;

    left->client->backlog_bytes -= left->size;
    if (status < 0)
        tc_rpc_client_close(left->client);
    free(left);
}

/* Queues all but the first `skip` bytes of the buffers. */
static int queue_leftover(struct tc_rpc_client *client, const uv_buf_t bufs[2],
                          size_t skip)
{
    struct leftover *left;
    size_t total = bufs[0].len + bufs[1].len, n;
    uv_buf_t buf;
    char *to;
    int r;

    if (total == skip)
        return 0;
    left = malloc(sizeof(*left) + total - skip);
    if (!left)
        return -ENOMEM;
    to = left->bytes;
    for (unsigned i = 0; i < 2; i++) {
        n = skip < bufs[i].len ? skip : bufs[i].len;
        skip -= n;
        if (bufs[i].len > n)
            memcpy(to, bufs[i].base + n, bufs[i].len - n);
        to += bufs[i].len - n;
    }
    left->size = sizeof(*left) + (size_t)(to - left->bytes);
    left->client = client;
    left->request.data = left;
    buf = uv_buf_init(left->bytes, (unsigned)(to - left->bytes));
    r = uv_write(&left->request, (uv_stream_t *)&client->pipe, &buf, 1,
                 on_leftover_written);
    if (r)
        free(left);
    else
        client->backlog_bytes += left->size;
    return r;
}

static int write_parts(struct tc_rpc_client *client, const uv_buf_t bufs[2])
{
    uv_stream_t *stream = (uv_stream_t *)&client->pipe;
    int r;

    if (client->backlog_bytes > TC_RPC_BACKLOG_BYTES) {
        client->rpc->counters.cut_off++;
        return -ENOBUFS;
    }
    r = uv_try_write(stream, bufs, bufs[1].len ? 2 : 1);
    if (r >= 0 || r == UV_EAGAIN)
        r = queue_leftover(client, bufs, r < 0 ? 0 : (size_t)r);
    return r;
}

void tc_rpc_client_send(struct tc_rpc_client *client, struct tc_pack *p, const void *more,
                        size_t len)
{
    uv_buf_t bufs[2] = {
        uv_buf_init(p->bytes.data, (unsigned)p->bytes.size),
        uv_buf_init((char *)(uintptr_t)more, (unsigned)len),
    };

    if (!client->closing && (p->error || write_parts(client, bufs) < 0))
        tc_rpc_client_close(client);
    tc_pack_done(p);
}

/* Says what is wrong if the socket takes it at once, and closes the connection. */
static void refuse(struct tc_rpc_client *client, const char *code, const char *message)
{
    struct tc_pack p;
    uv_buf_t buf;

    tc_rpc_pack_error(&p, NULL, code, message);
    buf = uv_buf_init(p.bytes.data, (unsigned)p.bytes.size);
    if (!p.error)
        uv_try_write((uv_stream_t *)&client->pipe, &buf, 1);
    tc_pack_done(&p);
    tc_rpc_client_close(client);
}

static void refuse_bytes(struct tc_rpc_client *client, const char *message)
{
    client->rpc->counters.malformed++;
    refuse(client, "usage", message);
}

/* ---- In ---- */

/* Reads a message that is in `data`. False when it is none that a client sends. */
static bool read_message(const msgpack_object *o, const uint8_t *data, size_t len,
                         struct message *ret)
{
    const msgpack_object *item = o->via.array.ptr;

    if (o->type != MSGPACK_OBJECT_ARRAY || !o->via.array.size ||
        item->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    if (item->via.u64 == MESSAGE_REQUEST && o->via.array.size == 4) {
        ret->type = MESSAGE_REQUEST;
        item++;
        if (item->type != MSGPACK_OBJECT_POSITIVE_INTEGER || item->via.u64 > UINT32_MAX)
            return false;
        ret->id = (uint32_t)item->via.u64;
    } else if (item->via.u64 == MESSAGE_NOTIFICATION && o->via.array.size == 3) {
        ret->type = MESSAGE_NOTIFICATION;
    } else {
        return false;
    }
    item++;
    ret->method = tc_unpack_text(item);
    ret->params.map = item + 1;
    ret->params.data = tc_unpack_last(data, len);
    ret->params.len = (size_t)(data + len - (const uint8_t *)ret->params.data);
    return item->type == MSGPACK_OBJECT_STR;
}

/* Narrows params down to the one map that they are or hold. Returns what is wrong with
 * them, or NULL. */
static const char *read_params(struct tc_rpc_params *params)
{
    static const msgpack_object none = {.type = MSGPACK_OBJECT_MAP};
    static const uint8_t empty_map = 0x80;
    const msgpack_object_array *array = &params->map->via.array;
    const uint8_t *end = (const uint8_t *)params->data + params->len;

    if (params->map->type == MSGPACK_OBJECT_ARRAY) {
        if (array->size == 0) {
            *params = (struct tc_rpc_params){&none, &empty_map, sizeof(empty_map)};
            return NULL;
        }
        if (array->size > 1)
            return "params are at most one map";
        params->data = tc_unpack_last(params->data, params->len);
        params->len = (size_t)(end - (const uint8_t *)params->data);
        params->map = array->ptr;
    }
    if (params->map->type != MSGPACK_OBJECT_MAP)
        return "params are a map, or an array of at most one";
    switch (tc_frame_check(params->data, params->len)) {
    case 0:
        return NULL;
    case -EMSGSIZE:
        return "params are too long";
    case -ELOOP:
        return "params are nested too deep";
    default:
        return "params are a map whose keys are strings";
    }
}

static void handle_request(struct tc_rpc_client *client, struct message *message)
{
    const struct tc_rpc_options *options = &client->rpc->options;
    const struct tocsin_str *method = &message->method;
    bool named =
        method->len <= TC_RPC_METHOD_BYTES_MAX && !memchr(method->ptr, '\0', method->len);
    struct tc_rpc_call *call;
    const char *wrong;

    call = tc_rpc_call_new(client, message->id, named ? method->ptr : "",
                           named ? method->len : 0);
    if (!call) {
        tc_rpc_client_close(client);
        return;
    }
    wrong = read_params(&message->params);
    if (client->calls_count > TC_RPC_CALLS_MAX) {
        client->rpc->counters.refused_calls++;
        tc_rpc_fail(call, "refused", "%d calls of this connection are unanswered",
                    TC_RPC_CALLS_MAX);
    } else if (!named) {
        tc_rpc_fail(call, "unknown_method", "no method has such a name");
    } else if (wrong) {
        tc_rpc_fail(call, "usage", "%s: %s", call->method, wrong);
    } else if (!tc_rpc_tap_call(call, &message->params)) {
        options->call(options->arg, call, call->method, &message->params);
    }
}

static void handle_message(struct tc_rpc_client *client, const uint8_t *data, size_t len)
{
    msgpack_unpacked unpacked;
    struct message message;

    msgpack_unpacked_init(&unpacked);
    if (tc_unpack(&unpacked, data, len) < 0)
        tc_rpc_client_close(client); /* out of memory */
    else if (!read_message(&unpacked.data, data, len, &message))
        refuse_bytes(client, "not a MessagePack-RPC request");
    else if (message.type == MESSAGE_REQUEST)
        handle_request(client, &message);
    /* The agent takes no notifications, and a notification has no reply. */
    msgpack_unpacked_destroy(&unpacked);
}

static const char *frame_error(int r)
{
    switch (r) {
    case -EMSGSIZE:
        return "message too long";
    case -E2BIG:
        return "message of too many values";
    case -ELOOP:
        return "message nested too deep";
    default:
        return "not MessagePack";
    }
}

/* Handles every whole message that is in the buffer and keeps the rest. */
static void handle_bytes(struct tc_rpc_client *client)
{
    static const struct tc_frame_limits limits = {.bytes = TC_RPC_MAX_BYTES,
                                                  .values = TC_RPC_MAX_VALUES,
                                                  .depth = TC_RPC_MAX_DEPTH};
    size_t at = 0, len = 0;
    int r = 0;

    if (client->in_len < client->in_need)
        return;
    while (!client->closing && at < client->in_len) {
        r = tc_frame_next(client->in + at, client->in_len - at, &limits, &len);
        if (r)
            break;
        handle_message(client, client->in + at, len);
        at += len;
    }
    if (client->closing)
        return;
    if (r && r != -EAGAIN) {
        refuse_bytes(client, frame_error(r));
        return;
    }
    client->in_need = r ? len : 0;
    client->in_len -= at;
    if (client->in_len) {
        memmove(client->in, client->in + at, client->in_len);
    } else if (client->in_cap > IDLE_BYTES_MAX) {
        free(client->in);
        client->in = NULL;
        client->in_cap = 0;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct tc_rpc_client *client = handle->data;
    uint8_t *grown;
    size_t cap;

    (void)suggested;
    if (client->in_cap - client->in_len < READ_BYTES_MIN) {
        cap = client->in_cap ? 2 * client->in_cap : 2 * READ_BYTES_MIN;
        grown = realloc(client->in, cap);
        if (!grown) {
            *ret_buf = uv_buf_init(NULL, 0); /* reads as UV_ENOBUFS */
            return;
        }
        client->in = grown;
        client->in_cap = cap;
    }
    *ret_buf = uv_buf_init((char *)client->in + client->in_len,
                           (unsigned)(client->in_cap - client->in_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct tc_rpc_client *client = stream->data;

    (void)buf;
    if (n < 0) {
        tc_rpc_client_close(client);
        return;
    }
    client->in_len += (size_t)n;
    handle_bytes(client);
}

/* ---- Beginning and end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct tc_rpc_client *client = handle->data;
    struct tc_rpc *rpc = client->rpc;

    free(client->in);
    free(client);
    tc_rpc_handle_closed(rpc);
}

void tc_rpc_client_close(struct tc_rpc_client *client)
{
    struct tc_rpc *rpc = client->rpc;

    if (client->closing)
        return;
    client->closing = true;
    if (client->prev)
        client->prev->next = client->next;
    else
        rpc->clients = client->next;
    if (client->next)
        client->next->prev = client->prev;
    rpc->clients_count--;
    tc_rpc_close_taps(client);
    uv_close((uv_handle_t *)&client->pipe, on_closed);
    tc_rpc_calls_abandon(client);
}

static int read_peer(struct tc_rpc_client *client)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);
    uv_os_fd_t fd;
    int r;

    r = uv_fileno((uv_handle_t *)&client->pipe, &fd);
    if (r)
        return r;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return -errno;
    client->peer.uid = cred.uid;
    client->peer.gid = cred.gid;
    client->peer.pid = cred.pid;
    return 0;
}

/*
 * Clients take no more than an eighth of the descriptors, which sensors live on; and the
 * last places are for those who may change the agent, so that nobody locks them out.
 */
static bool finds_room(const struct tc_rpc_client *client)
{
    struct rlimit files = {.rlim_cur = 1024};
    size_t most = TC_RPC_CLIENTS_MAX;

    getrlimit(RLIMIT_NOFILE, &files);
    if (most > files.rlim_cur / 8)
        most = (size_t)files.rlim_cur / 8;
    if (client->peer.uid != 0 && client->peer.uid != geteuid())
        most -= most / 8;
    return client->rpc->clients_count <= most;
}

int tc_rpc_client_accept(struct tc_rpc *rpc)
{
    struct tc_rpc_client *client = calloc(1, sizeof(*client));

    if (!client)
        return -ENOMEM;
    if (uv_pipe_init(rpc->pipe.loop, &client->pipe, 0) < 0) {
        free(client);
        return -ENOMEM;
    }
    rpc->handles++;
    client->rpc = rpc;
    client->pipe.data = client;
    client->next = rpc->clients;
    if (client->next)
        client->next->prev = client;
    rpc->clients = client;
    rpc->clients_count++;
    if (uv_accept((uv_stream_t *)&rpc->pipe, (uv_stream_t *)&client->pipe) < 0) {
        tc_rpc_client_close(client);
        return 0;
    }
    if (read_peer(client) < 0) {
        tc_rpc_client_close(client);
        return 0;
    }
    if (!finds_room(client)) {
        rpc->counters.refused_clients++;
        refuse(client, "refused", "the agent has as many clients as it takes: try later");
        return 0;
    }
    rpc->counters.accepted++;
    if (uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) < 0)
        tc_rpc_client_close(client);
    return 0;
}
