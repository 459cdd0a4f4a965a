/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes ipc/frame.h, judged by the reader of tocsin/event.h and by msgpack-c: what the
 * check lets through is one map that both can walk from end to end, and the cut of a
 * stream finds the length that they find.
 */
#include "ipc/frame.h"

#include <errno.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <tocsin/event.h>

#define STREAM_MAX_BYTES 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void insist(bool condition)
{
    if (!condition)
        abort();
}

/* Every map has string keys, nothing is deeper than the limit. Recursion is bounded by
 * it.
 */
static void walk(const struct tocsin_value *v, int depth)
{
    struct tocsin_value key, value;
    struct tocsin_iter it;
    uint32_t n = 0;

    if (v->type != TOCSIN_MAP && v->type != TOCSIN_ARRAY)
        return;
    insist(depth < TOCSIN_EVENT_MAX_DEPTH);
    tocsin_iter_init(&it, v);
    for (; tocsin_iter_next(&it, &key, &value); n++) {
        insist(!it.map || key.type == TOCSIN_STR);
        walk(&value, depth + 1);
    }
    insist(n == v->count);
}

/* What the check adds to what is well-formed: string keys, and a depth. */
static bool keeps_rules(const msgpack_object *o, int depth)
{
    const msgpack_object_map *map = &o->via.map;
    bool keeps = true;

    if (o->type != MSGPACK_OBJECT_MAP && o->type != MSGPACK_OBJECT_ARRAY)
        return true;
    if (depth == TOCSIN_EVENT_MAX_DEPTH)
        return false;
    if (o->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; keeps && i < o->via.array.size; i++)
            keeps = keeps_rules(&o->via.array.ptr[i], depth + 1);
        return keeps;
    }
    for (uint32_t i = 0; keeps && i < map->size; i++)
        keeps = map->ptr[i].key.type == MSGPACK_OBJECT_STR &&
                keeps_rules(&map->ptr[i].val, depth + 1);
    return keeps;
}

static void check(const uint8_t *data, size_t len)
{
    const uint8_t *end = data + len;
    struct tocsin_value v;

    if (tc_frame_check(data, len) < 0)
        return;
    insist(tocsin_read(data, end, &v) != NULL && v.type == TOCSIN_MAP);
    insist(tocsin_skip(data, end) == end);
    walk(&v, 0);
}

/* What is cut off a stream, msgpack-c reads; what it takes, and is within the limits, is
 * cut off. It sees no bytes that announce more values than the limit of bytes has room
 * for. */
static void compare(const uint8_t *data, size_t len, int r, size_t n)
{
    msgpack_unpack_return got;
    msgpack_unpacked unpacked;
    size_t at = 0;

    if (r == -EMSGSIZE)
        return;
    msgpack_unpacked_init(&unpacked);
    got = msgpack_unpack_next(&unpacked, (const char *)data, len, &at);
    insist((got == MSGPACK_UNPACK_SUCCESS) == (r == 0) && (r || at == n));
    insist((got == MSGPACK_UNPACK_CONTINUE) == (r == -EAGAIN));
    insist((got == MSGPACK_UNPACK_PARSE_ERROR) == (r == -EINVAL));
    insist(r || at < len || unpacked.data.type != MSGPACK_OBJECT_MAP ||
           (tc_frame_check(data, len) == 0) == keeps_rules(&unpacked.data, 0));
    msgpack_unpacked_destroy(&unpacked);
}

static void cut(const uint8_t *data, size_t len)
{
    const uint8_t *after = tocsin_skip(data, data + len);
    size_t n = 0, again = 0;
    const struct tc_frame_limits limits = {
        .bytes = STREAM_MAX_BYTES, .values = SIZE_MAX, .depth = TC_FRAME_DEPTH_MAX};
    struct tc_frame_limits exact = limits;
    int r = tc_frame_next(data, len, &limits, &n);

    switch (r) {
    case 0:
        insist(n > 0 && n <= len && n <= STREAM_MAX_BYTES && after == data + n);
        /* What is whole is whole alone, and cut short it asks for more. */
        exact.bytes = n;
        insist(tc_frame_next(data, n, &exact, &again) == 0 && again == n);
        insist(tc_frame_next(data, n - 1, &exact, &again) == -EAGAIN);
        break;
    case -EAGAIN:
    case -EINVAL:
        insist(!after);
        break;
    default:
        insist(r == -EMSGSIZE || r == -ELOOP);
    }
    compare(data, len, r, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    check(data, len);
    cut(data, len);
    return 0;
}
