/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes ipc/frame.h, judged by the reader of tocsin/event.h: what the check lets through
 * is one map that the reader can walk from end to end, and the cut of a stream finds the
 * length that the reader finds.
 */
#include "ipc/frame.h"

#include <errno.h>
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

static void cut(const uint8_t *data, size_t len)
{
    const uint8_t *after = tocsin_skip(data, data + len);
    size_t n = 0, again = 0;
    int r = tc_frame_next(data, len, STREAM_MAX_BYTES, TC_FRAME_DEPTH_MAX, &n);

    switch (r) {
    case 0:
        insist(n > 0 && n <= len && n <= STREAM_MAX_BYTES && after == data + n);
        /* What is whole is whole alone, and cut short it asks for more. */
        insist(tc_frame_next(data, n, n, TC_FRAME_DEPTH_MAX, &again) == 0 && again == n);
        insist(tc_frame_next(data, n - 1, n, TC_FRAME_DEPTH_MAX, &again) == -EAGAIN);
        break;
    case -EAGAIN:
    case -EINVAL:
        insist(!after);
        break;
    default:
        insist(r == -EMSGSIZE || r == -ELOOP);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (!len)
        return 0;
    check(data, len);
    cut(data, len);
    return 0;
}
