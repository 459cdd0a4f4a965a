/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the client side of the control socket, blocking, for command-line programs and
 * tests. Must not: own a loop or trust the agent's bytes more than the agent trusts ours.
 */
#include "ipc/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <tocsin/event.h>
#include <unistd.h>

#include "ipc/frame.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

#define READ_BYTES_MIN (16 * 1024)
#define MESSAGE_BYTES_MAX (64 * 1024 * 1024)           /* of one message from the agent */
#define MESSAGE_VALUES_MAX (4 * 1024 * 1024)           /* 96 MiB of objects */
#define MESSAGE_DEPTH_MAX (TOCSIN_EVENT_MAX_DEPTH + 4) /* an event inside its message */

struct tc_client {
    int fd;
    uint32_t last_id;
    uint8_t *in;
    size_t in_at; /* where the bytes not yet handed out begin */
    size_t in_len, in_cap;
    msgpack_unpacked message; /* handed out last; its strings are in `in` */
    char method[64];          /* of a notification */
};

/* A message as it was read: [1, id, error, result] or [2, method, params]. */
struct incoming {
    uint64_t type;
    const msgpack_object *items;
    const uint8_t *last; /* the last item as it came */
    size_t last_len;
};

int tc_client_open(const char *path, struct tc_client **ret_client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct tc_client *client;
    int r;

    if (!*path || strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    client = calloc(1, sizeof(*client));
    if (!client)
        return -ENOMEM;
    msgpack_unpacked_init(&client->message);
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0 ||
        connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        r = -errno;
        tc_client_close(client);
        return r;
    }
    *ret_client = client;
    return 0;
}

void tc_client_close(struct tc_client *client)
{
    if (!client)
        return;
    if (client->fd >= 0)
        close(client->fd);
    msgpack_unpacked_destroy(&client->message);
    free(client->in);
    free(client);
}

int tc_client_fd(const struct tc_client *client)
{
    return client->fd;
}

/* Sends it all, going on after a signal: half a request would spoil the connection. */
static int send_all(struct tc_client *client, const char *data, size_t len)
{
    ssize_t n;

    while (len) {
        n = send(client->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == ECONNRESET ? -EPIPE : -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

static int send_request(struct tc_client *client, const char *method, const void *params,
                        size_t len)
{
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_array(&p, NULL);
    tc_pack_uint(&p, NULL, 0);
    tc_pack_uint(&p, NULL, ++client->last_id);
    tc_pack_str(&p, NULL, method);
    tc_pack_begin_array(&p, NULL);
    if (len)
        tc_pack_encoded(&p, NULL, params, len);
    tc_pack_end(&p);
    tc_pack_end(&p);
    r = p.error ? p.error : send_all(client, p.bytes.data, p.bytes.size);
    tc_pack_done(&p);
    return r;
}

/* Makes room for more bytes behind those that are there. */
static int make_room(struct tc_client *client)
{
    size_t left = client->in_len - client->in_at, cap;
    uint8_t *grown;

    if (client->in_at) {
        memmove(client->in, client->in + client->in_at, left);
        client->in_at = 0;
        client->in_len = left;
    }
    if (client->in_cap - left >= READ_BYTES_MIN)
        return 0;
    cap = client->in_cap ? 2 * client->in_cap : 2 * READ_BYTES_MIN;
    grown = realloc(client->in, cap);
    if (!grown)
        return -ENOMEM;
    client->in = grown;
    client->in_cap = cap;
    return 0;
}

static int receive_more(struct tc_client *client)
{
    ssize_t n;
    int r;

    r = make_room(client);
    if (r)
        return r;
    n = recv(client->fd, client->in + client->in_len, client->in_cap - client->in_len, 0);
    if (n < 0)
        return errno == ECONNRESET ? -EPIPE : -errno;
    if (n == 0)
        return -EPIPE;
    client->in_len += (size_t)n;
    return 0;
}

static int read_incoming(const msgpack_object *o, struct incoming *ret)
{
    const msgpack_object *items = o->via.array.ptr;
    uint32_t count = o->type == MSGPACK_OBJECT_ARRAY ? o->via.array.size : 0;

    if (!count || items[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return -EPROTO;
    ret->type = items[0].via.u64;
    ret->items = items;
    if (ret->type == 1 && count == 4)
        return 0;
    if (ret->type == 2 && count == 3 && items[1].type == MSGPACK_OBJECT_STR &&
        items[2].type == MSGPACK_OBJECT_ARRAY)
        return 0;
    return -EPROTO;
}

/* Waits for a whole message and takes it from the buffer; it stays valid until the next
 * receive. */
static int next_incoming(struct tc_client *client, struct incoming *ret)
{
    static const struct tc_frame_limits limits = {.bytes = MESSAGE_BYTES_MAX,
                                                  .values = MESSAGE_VALUES_MAX,
                                                  .depth = MESSAGE_DEPTH_MAX};
    const uint8_t *data;
    size_t len = 1; /* or more: what must be there for a look to be worth it */
    size_t have;
    int r;

    for (;;) {
        data = client->in + client->in_at;
        have = client->in_len - client->in_at;
        r = have < len ? -EAGAIN : tc_frame_next(data, have, &limits, &len);
        if (r != -EAGAIN)
            break;
        r = receive_more(client);
        if (r)
            return r;
    }
    if (r)
        return -EPROTO;
    client->in_at += len;
    r = tc_unpack(&client->message, data, len);
    if (!r)
        r = read_incoming(&client->message.data, ret);
    if (r)
        return r;
    ret->last = tc_unpack_last(data, len);
    ret->last_len = (size_t)(data + len - ret->last);
    return 0;
}

static void copy_text(struct tocsin_str s, char *to, size_t cap)
{
    size_t len = s.len < cap ? s.len : cap - 1;

    if (s.ptr)
        memcpy(to, s.ptr, len);
    to[s.ptr ? len : 0] = '\0';
}

static void take_notification(struct tc_client *client, const struct incoming *incoming,
                              struct tc_message *ret_message)
{
    copy_text(tc_unpack_text(&incoming->items[1]), client->method,
              sizeof(client->method));
    ret_message->method = client->method;
    ret_message->params = &incoming->items[2];
    ret_message->data = incoming->last;
    ret_message->len = incoming->last_len;
}

static int take_answer(const struct incoming *incoming, struct tc_answer *ret_answer)
{
    const msgpack_object *error = &incoming->items[2], *result = &incoming->items[3];

    memset(ret_answer, 0, sizeof(*ret_answer));
    if (error->type == MSGPACK_OBJECT_MAP) {
        copy_text(tc_unpack_str(error, "code"), ret_answer->code,
                  sizeof(ret_answer->code));
        copy_text(tc_unpack_str(error, "message"), ret_answer->message,
                  sizeof(ret_answer->message));
        return 0;
    }
    if (error->type != MSGPACK_OBJECT_NIL || result->type != MSGPACK_OBJECT_MAP)
        return -EPROTO;
    ret_answer->result = result;
    ret_answer->data = incoming->last;
    ret_answer->len = incoming->last_len;
    return 0;
}

/* An answer to this call, or to bytes that the agent could not make out a call in. */
static bool answers(const struct incoming *incoming, uint32_t id)
{
    const msgpack_object *of = &incoming->items[1];

    return of->type == MSGPACK_OBJECT_NIL ||
           (of->type == MSGPACK_OBJECT_POSITIVE_INTEGER && of->via.u64 == id);
}

int tc_client_call(struct tc_client *client, const char *method, const void *params,
                   size_t len, tc_client_notify_fn notify, void *arg,
                   struct tc_answer *ret_answer)
{
    struct incoming incoming = {0};
    struct tc_message message;
    int r, sent;

    /* An agent that closes over a request has said why before it did. */
    sent = send_request(client, method, params, len);
    if (sent && sent != -EPIPE)
        return sent;
    for (;;) {
        r = next_incoming(client, &incoming);
        if (r)
            return r;
        if (incoming.type == 1) {
            if (answers(&incoming, client->last_id))
                return take_answer(&incoming, ret_answer);
        } else if (notify) {
            take_notification(client, &incoming, &message);
            notify(arg, &message);
        }
    }
}

int tc_client_next(struct tc_client *client, struct tc_message *ret_message)
{
    struct incoming incoming = {0};
    int r;

    for (;;) {
        r = next_incoming(client, &incoming);
        if (r)
            return r;
        if (incoming.type == 2) {
            take_notification(client, &incoming, ret_message);
            return 0;
        }
        /* else a late answer to a call that a signal cut short */
    }
}
