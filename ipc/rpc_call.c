/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one request from when it was read until it is answered, and the encoding of
 * answers. Must not: read from a connection, or know what a method does.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "ipc/rpc_internal.h"

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
static void answer(struct tc_rpc_call *call, const uv_buf_t *bufs, unsigned count)
{
    struct tc_rpc_client *client = call->client;

    if (client) {
        unlink_call(client, call);
        tc_rpc_client_send(client, bufs, count);
    }
    free(call);
}

void tc_rpc_put_error(struct tocsin_writer *w, const uint32_t *id, const char *code,
                      const char *message)
{
    tocsin_begin_array(w, NULL);
    tocsin_put_uint(w, NULL, 1);
    if (id)
        tocsin_put_uint(w, NULL, *id);
    else
        tocsin_put_nil(w, NULL);
    tocsin_begin_map(w, NULL);
    tocsin_put_str(w, "code", code);
    tocsin_put_str(w, "message", message);
    tocsin_end(w);
    tocsin_put_nil(w, NULL);
    tocsin_end(w);
}

void tc_rpc_reply(struct tc_rpc_call *call, const void *result, size_t len)
{
    static const uint8_t empty_map = 0x80;
    struct tocsin_writer w;
    uint8_t head[16];
    uv_buf_t bufs[2];

    tocsin_writer_init(&w, head, sizeof(head));
    tocsin_begin_array(&w, NULL);
    tocsin_put_uint(&w, NULL, 1);
    tocsin_put_uint(&w, NULL, call->id);
    tocsin_put_nil(&w, NULL);
    /* counts as the fourth entry; its bytes follow in a buffer of their own */
    tocsin_put_encoded(&w, NULL, NULL, 0);
    tocsin_end(&w);
    bufs[0] = uv_buf_init((char *)head, (unsigned)w.len);
    bufs[1] = len ? uv_buf_init((char *)(uintptr_t)result, (unsigned)len)
                  : uv_buf_init((char *)(uintptr_t)&empty_map, 1);
    answer(call, bufs, 2);
}

void tc_rpc_fail(struct tc_rpc_call *call, const char *code, const char *format, ...)
{
    char message[TC_RPC_MESSAGE_BYTES];
    uint8_t bytes[TC_RPC_ERROR_BYTES];
    struct tocsin_writer w;
    uv_buf_t buf;
    va_list ap;

    va_start(ap, format);
    vsnprintf(message, sizeof(message), format, ap);
    va_end(ap);
    tocsin_writer_init(&w, bytes, sizeof(bytes));
    tc_rpc_put_error(&w, &call->id, code, message);
    buf = uv_buf_init((char *)bytes, (unsigned)w.len);
    answer(call, &buf, 1);
}

/* The header of [2, "progress", [{call: id, <more> entries}]]. */
static void put_progress_head(struct tocsin_writer *w, uint32_t id, uint32_t more)
{
    tocsin_begin_array(w, NULL);
    tocsin_put_uint(w, NULL, 2);
    tocsin_put_str(w, NULL, "progress");
    tocsin_begin_array(w, NULL);
    tocsin_put_encoded(w, NULL, NULL, 0);
    tocsin_end(w);
    tocsin_end(w);
    /* The writer counts what it writes itself; these entries come from elsewhere. */
    tocsin_put_be_(w, 0xdf, (uint64_t)more + 1, 4);
    tocsin_put_uint(w, "call", id);
}

void tc_rpc_progress(struct tc_rpc_call *call, const void *map, size_t len)
{
    const uint8_t *end = (const uint8_t *)map + len;
    struct tc_rpc_client *client = call->client;
    struct tocsin_value value;
    struct tocsin_writer w;
    uint8_t head[48];
    uv_buf_t bufs[2];

    if (!client || !tocsin_read(map, end, &value) || value.type != TOCSIN_MAP)
        return;
    if (client->backlog_bytes > TC_RPC_PROGRESS_BYTES) {
        client->rpc->counters.progress_dropped++;
        return;
    }
    tocsin_writer_init(&w, head, sizeof(head));
    put_progress_head(&w, call->id, value.count);
    bufs[0] = uv_buf_init((char *)head, (unsigned)w.len);
    bufs[1] = uv_buf_init((char *)(uintptr_t)value.ptr,
                          (unsigned)(end - (const uint8_t *)value.ptr));
    tc_rpc_client_send(client, bufs, 2);
}

const struct tc_rpc_peer *tc_rpc_call_peer(const struct tc_rpc_call *call)
{
    return &call->peer;
}

const char *tc_rpc_call_method(const struct tc_rpc_call *call)
{
    return call->method;
}
