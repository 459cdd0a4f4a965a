/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the check of untrusted msgpack bytes, and the cut of a byte stream into messages:
 * one pass over the tags, without recursion, that looks at no byte of a string. Must not:
 * interpret what a message says.
 */
#include "ipc/frame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <tocsin/event.h>

enum kind { KIND_BAD, KIND_PLAIN, KIND_STR, KIND_ARRAY, KIND_MAP };

/*
 * What follows a tag from 0xc0 to 0xdf: `digits` bytes that say a length (of an array or
 * a map: a count), then `fixed` bytes whatever the length, then as many as it says.
 */
struct shape {
    uint8_t kind, digits, fixed;
};

static const struct shape shapes[32] = {
    {KIND_PLAIN, 0, 0}, {KIND_BAD, 0, 0},    {KIND_PLAIN, 0, 0},
    {KIND_PLAIN, 0, 0}, {KIND_PLAIN, 1, 0},  {KIND_PLAIN, 2, 0},
    {KIND_PLAIN, 4, 0},                                          /* bin 8, 16, 32 */
    {KIND_PLAIN, 1, 1}, {KIND_PLAIN, 2, 1},  {KIND_PLAIN, 4, 1}, /* ext 8, 16, 32 */
    {KIND_PLAIN, 0, 4}, {KIND_PLAIN, 0, 8},                      /* float 32, 64 */
    {KIND_PLAIN, 0, 1}, {KIND_PLAIN, 0, 2},  {KIND_PLAIN, 0, 4},
    {KIND_PLAIN, 0, 8}, /* uint 8 to 64 */
    {KIND_PLAIN, 0, 1}, {KIND_PLAIN, 0, 2},  {KIND_PLAIN, 0, 4},
    {KIND_PLAIN, 0, 8}, /* int 8 to 64 */
    {KIND_PLAIN, 0, 2}, {KIND_PLAIN, 0, 3},  {KIND_PLAIN, 0, 5},
    {KIND_PLAIN, 0, 9}, {KIND_PLAIN, 0, 17}, /* fixext 1 to 16 */
    {KIND_STR, 1, 0},   {KIND_STR, 2, 0},    {KIND_STR, 4, 0},
    {KIND_ARRAY, 2, 0}, {KIND_ARRAY, 4, 0},  {KIND_MAP, 2, 0},
    {KIND_MAP, 4, 0},
};

/* One tag, read: the bytes up to the next tag, and how many values a container holds. */
struct token {
    enum kind kind;
    uint64_t bytes;
    uint64_t values;
};

/* 0; -EAGAIN: the bytes end within the length; -EINVAL: no such tag. len is at least 1.
 */
static inline int frame_token(const uint8_t *p, size_t len, struct token *ret)
{
    const struct shape *shape;
    uint64_t n = 0;
    uint8_t tag = *p;

    ret->bytes = 1;
    ret->values = 0;
    if (tag < 0x80 || tag >= 0xe0) {
        ret->kind = KIND_PLAIN;
    } else if (tag < 0x90) {
        ret->kind = KIND_MAP;
        ret->values = 2 * (tag & 0x0fu);
    } else if (tag < 0xa0) {
        ret->kind = KIND_ARRAY;
        ret->values = tag & 0x0fu;
    } else if (tag < 0xc0) {
        ret->kind = KIND_STR;
        ret->bytes = 1 + (tag & 0x1fu);
    } else {
        shape = &shapes[tag - 0xc0];
        if (shape->kind == KIND_BAD)
            return -EINVAL;
        if (len <= shape->digits)
            return -EAGAIN;
        for (unsigned i = 1; i <= shape->digits; i++)
            n = n << 8 | p[i];
        ret->kind = shape->kind;
        ret->bytes = 1u + shape->digits + shape->fixed;
        if (ret->kind == KIND_MAP)
            ret->values = 2 * n;
        else if (ret->kind == KIND_ARRAY)
            ret->values = n;
        else
            ret->bytes += n;
    }
    return 0;
}

/* A map or an array that is not finished: the values it still lacks. */
struct level {
    uint64_t left;
    bool map;
};

static inline int frame_lacks(uint64_t least, size_t *ret_len)
{
    *ret_len = (size_t)least;
    return -EAGAIN;
}

/*
 * Walks one value. `owed` counts the values that must still come in all: each takes a
 * byte at least, so that a container that announces more than can fit ends the walk at
 * once. Inlined into its two callers, who want different checks.
 */
static inline __attribute__((always_inline)) int
frame_walk(const uint8_t *p, size_t len, size_t max_bytes, unsigned max_depth,
           bool str_keys, size_t *ret_len)
{
    struct level levels[TC_FRAME_DEPTH_MAX + 1];
    struct level *top = levels;
    struct token token;
    uint64_t owed = 1;
    size_t at = 0;
    int r;

    top->left = 1;
    top->map = false;
    for (;;) {
        if (at == len)
            return frame_lacks(at + owed, ret_len);
        r = frame_token(p + at, len - at, &token);
        if (r == -EAGAIN)
            return frame_lacks(len + 1, ret_len);
        if (r < 0)
            return r;
        if (str_keys && top->map && top->left % 2 == 0 && token.kind != KIND_STR)
            return -EINVAL;
        owed = owed - 1 + token.values;
        if (token.bytes + owed > max_bytes - at)
            return -EMSGSIZE;
        if (token.bytes > len - at)
            return frame_lacks(at + token.bytes + owed, ret_len);
        at += (size_t)token.bytes;
        top->left--;
        if (token.kind >= KIND_ARRAY) {
            if (top == levels + max_depth)
                return -ELOOP;
            top++;
            top->left = token.values;
            top->map = token.kind == KIND_MAP;
        }
        if (!owed)
            break;
        while (!top->left)
            top--;
    }
    *ret_len = at;
    return 0;
}

int tc_frame_check(const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t used = 0;
    int r;

    if (len > TOCSIN_EVENT_MAX_BYTES)
        return -EMSGSIZE;
    if (!p || !len || !((*p & 0xf0) == 0x80 || *p == 0xde || *p == 0xdf))
        return -EINVAL;
    r = frame_walk(p, len, len, TOCSIN_EVENT_MAX_DEPTH, true, &used);
    if (r == -ELOOP)
        return r;
    return r < 0 || used != len ? -EINVAL : 0;
}

int tc_frame_next(const void *data, size_t len, size_t max_bytes, unsigned max_depth,
                  size_t *ret_len)
{
    if (max_depth > TC_FRAME_DEPTH_MAX)
        max_depth = TC_FRAME_DEPTH_MAX;
    return frame_walk(data, len, max_bytes, max_depth, false, ret_len);
}
