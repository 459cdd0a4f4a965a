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
    char method[64]; /* of the notification handed out last */
};

/* A message as it was read; its values point into the client's buffer. */
struct incoming {
    uint64_t type; /* 1: response, 2: notification */
    struct tocsin_value id, error, result;
    struct tocsin_value method, params;
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
    free(client->in);
    free(client);
}

int tc_client_fd(const struct tc_client *client)
{
    return client->fd;
}

/* Sends it all, going on after a signal: half a request would spoil the connection. */
static int send_all(struct tc_client *client, const uint8_t *data, size_t len)
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
    struct tocsin_writer w;
    int r;

    tocsin_writer_init_growing(&w);
    tocsin_begin_array(&w, NULL);
    tocsin_put_uint(&w, NULL, 0);
    tocsin_put_uint(&w, NULL, ++client->last_id);
    tocsin_put_str(&w, NULL, method);
    tocsin_begin_array(&w, NULL);
    if (len)
        tocsin_put_encoded(&w, NULL, params, len);
    tocsin_end(&w);
    tocsin_end(&w);
    r = w.error ? w.error : send_all(client, w.buf, w.len);
    tocsin_writer_done(&w);
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

static int read_incoming(const uint8_t *data, size_t len, struct incoming *ret)
{
    struct tocsin_value array, type;
    struct tocsin_iter it;

    if (!tocsin_read(data, data + len, &array) || array.type != TOCSIN_ARRAY)
        return -EPROTO;
    tocsin_iter_init(&it, &array);
    if (!tocsin_iter_next(&it, NULL, &type) || type.type != TOCSIN_UINT)
        return -EPROTO;
    ret->type = type.u;
    if (type.u == 1 && array.count == 4 && tocsin_iter_next(&it, NULL, &ret->id) &&
        tocsin_iter_next(&it, NULL, &ret->error) &&
        tocsin_iter_next(&it, NULL, &ret->result))
        return 0;
    if (type.u == 2 && array.count == 3 && tocsin_iter_next(&it, NULL, &ret->method) &&
        tocsin_iter_next(&it, NULL, &ret->params) && ret->method.type == TOCSIN_STR &&
        ret->params.type == TOCSIN_ARRAY)
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
    return read_incoming(data, len, ret);
}

static void take_notification(struct tc_client *client, const struct incoming *incoming,
                              struct tc_message *ret_message)
{
    size_t len = incoming->method.len;

    if (len >= sizeof(client->method))
        len = sizeof(client->method) - 1;
    memcpy(client->method, incoming->method.ptr, len);
    client->method[len] = '\0';
    ret_message->method = client->method;
    ret_message->params = incoming->params.start;
    ret_message->len = tocsin_value_size(&incoming->params);
}

static void take_text(const struct tocsin_value *map, const char *key, char *to,
                      size_t cap)
{
    struct tocsin_str s = tocsin_find_str(map->start, tocsin_value_size(map), key);
    size_t len = s.len < cap ? s.len : cap - 1;

    if (s.ptr)
        memcpy(to, s.ptr, len);
    to[s.ptr ? len : 0] = '\0';
}

static int take_answer(const struct incoming *incoming, struct tc_answer *ret_answer)
{
    memset(ret_answer, 0, sizeof(*ret_answer));
    if (incoming->error.type == TOCSIN_MAP) {
        take_text(&incoming->error, "code", ret_answer->code, sizeof(ret_answer->code));
        take_text(&incoming->error, "message", ret_answer->message,
                  sizeof(ret_answer->message));
        return 0;
    }
    if (incoming->error.type != TOCSIN_NIL || incoming->result.type != TOCSIN_MAP)
        return -EPROTO;
    ret_answer->result = incoming->result.start;
    ret_answer->len = tocsin_value_size(&incoming->result);
    return 0;
}

/* An answer to this call, or to bytes that the agent could not make out a call in. */
static bool answers(const struct incoming *incoming, uint32_t id)
{
    return incoming->id.type == TOCSIN_NIL ||
           (incoming->id.type == TOCSIN_UINT && incoming->id.u == id);
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
