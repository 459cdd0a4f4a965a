/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one request from when it was read until it is answered, and the encoding of
 * answers. Must not: read from a connection, or know what a method does.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/pack.h"
#include "ipc/rpc_internal.h"

#define MESSAGE_BYTES 512 /* of an error's sentence */

struct tc_rpc_call *tc_rpc_call_new(struct tc_rpc_client *client, uint32_t id,
                                    const char *method, size_t method_len)
{
    struct tc_rpc_call *call = calloc(1, sizeof(*call));

    if (!call)
        return NULL;
    call->client = client;
    call->peer = client->peer;
    call->id = id;
    memcpy(call->method, method, method_len);
    call->next = client->calls;
    if (call->next)
        call->next->prev = call;
    client->calls = call;
    client->calls_count++;
    return call;
}

static void unlink_call(struct tc_rpc_client *client, struct tc_rpc_call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        client->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    client->calls_count--;
    call->client = NULL;
    call->prev = call->next = NULL;
}

void tc_rpc_calls_abandon(struct tc_rpc_client *client)
{
    const struct tc_rpc_options *options = &client->rpc->options;
    struct tc_rpc_call *call;

    while ((call = client->calls) != NULL) {
        unlink_call(client, call);
        /* may answer, and so free, the call */
        if (options->gone)
            options->gone(options->arg, call);
    }
}

/* Sends the answer and frees the call, whether or not anybody is left to read it. */
static void answer(struct tc_rpc_call *call, struct tc_pack *p, const void *more,
                   size_t len)
{
    struct tc_rpc_client *client = call->client;

    if (client) {
        unlink_call(client, call);
        tc_rpc_client_send(client, p, more, len);
    } else {
        tc_pack_done(p);
    }
    free(call);
}

void tc_rpc_pack_error(struct tc_pack *p, const uint32_t *id, const char *code,
                       const char *message)
{
    tc_pack_init(p);
    tc_pack_begin_array(p, NULL);
    tc_pack_uint(p, NULL, 1);
    if (id)
        tc_pack_uint(p, NULL, *id);
    else
        tc_pack_nil(p, NULL);
    tc_pack_begin_map(p, NULL);
    tc_pack_str(p, "code", code);
    tc_pack_str(p, "message", message);
    tc_pack_end(p);
    tc_pack_nil(p, NULL);
    tc_pack_end(p);
}

void tc_rpc_reply(struct tc_rpc_call *call, const void *result, size_t len)
{
    static const uint8_t empty_map = 0x80;
    struct tc_pack p;

    tc_pack_init(&p);
    tc_pack_begin_array(&p, NULL);
    tc_pack_uint(&p, NULL, 1);
    tc_pack_uint(&p, NULL, call->id);
    tc_pack_nil(&p, NULL);
    tc_pack_entry(&p, NULL); /* the result, whose bytes follow uncopied */
    tc_pack_end(&p);
    answer(call, &p, len ? result : &empty_map, len ? len : sizeof(empty_map));
}

void tc_rpc_fail(struct tc_rpc_call *call, const char *code, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    struct tc_pack p;
    va_list ap;

    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    tc_rpc_pack_error(&p, &call->id, code, message);
    answer(call, &p, NULL, 0);
}

void tc_rpc_reply_packed(struct tc_rpc_call *call, struct tc_pack *p)
{
    if (p->error)
        tc_rpc_fail(call, "failed", "the answer could not be made: %s",
                    strerror(-p->error));
    else
        tc_rpc_reply(call, p->bytes.data, p->bytes.size);
    tc_pack_done(p);
}

/* The head of [2, "progress", [{call: id, <more> entries}]]. */
static void pack_progress_head(struct tc_pack *p, uint32_t id, uint32_t more)
{
    tc_pack_init(p);
    tc_pack_begin_array(p, NULL);
    tc_pack_uint(p, NULL, 2);
    tc_pack_str(p, NULL, "progress");
    tc_pack_begin_array(p, NULL);
    tc_pack_entry(p, NULL);
    tc_pack_end(p);
    tc_pack_end(p);
    msgpack_pack_map(&p->packer, (size_t)more + 1);
    tc_pack_uint(p, "call", id);
}

void tc_rpc_progress(struct tc_rpc_call *call, const void *map, size_t len)
{
    const uint8_t *end = (const uint8_t *)map + len;
    struct tc_rpc_client *client = call->client;
    struct tocsin_value value;
    struct tc_pack p;

    if (!client || !tocsin_read(map, end, &value) || value.type != TOCSIN_MAP)
        return;
    if (client->backlog_bytes > TC_RPC_PROGRESS_BYTES) {
        client->rpc->counters.progress_dropped++;
        return;
    }
    pack_progress_head(&p, call->id, value.count);
    tc_rpc_client_send(client, &p, value.ptr, (size_t)(end - (const uint8_t *)value.ptr));
}

const struct tc_rpc_peer *tc_rpc_call_peer(const struct tc_rpc_call *call)
{
    return &call->peer;
}

const char *tc_rpc_call_method(const struct tc_rpc_call *call)
{
    return call->method;
}
