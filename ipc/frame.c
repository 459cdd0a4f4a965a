/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the check of untrusted msgpack bytes, and the cut of a byte stream into messages:
 * each one pass over the tags, without recursion, that looks at no byte of a string. Must
 * not: interpret what a message says.
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

/* clang-format off */
static const struct shape shapes[32] = {
    {KIND_PLAIN, 0, 0}, {KIND_BAD, 0, 0},                        /* nil, 0xc1 */
    {KIND_PLAIN, 0, 0}, {KIND_PLAIN, 0, 0},                      /* false, true */
    {KIND_PLAIN, 1, 0}, {KIND_PLAIN, 2, 0}, {KIND_PLAIN, 4, 0},  /* bin 8, 16, 32 */
    {KIND_PLAIN, 1, 1}, {KIND_PLAIN, 2, 1}, {KIND_PLAIN, 4, 1},  /* ext 8, 16, 32 */
    {KIND_PLAIN, 0, 4}, {KIND_PLAIN, 0, 8},                      /* float 32, 64 */
    {KIND_PLAIN, 0, 1}, {KIND_PLAIN, 0, 2},                      /* uint 8, 16 */
    {KIND_PLAIN, 0, 4}, {KIND_PLAIN, 0, 8},                      /* uint 32, 64 */
    {KIND_PLAIN, 0, 1}, {KIND_PLAIN, 0, 2},                      /* int 8, 16 */
    {KIND_PLAIN, 0, 4}, {KIND_PLAIN, 0, 8},                      /* int 32, 64 */
    {KIND_PLAIN, 0, 2}, {KIND_PLAIN, 0, 3}, {KIND_PLAIN, 0, 5},  /* fixext 1, 2, 4 */
    {KIND_PLAIN, 0, 9}, {KIND_PLAIN, 0, 17},                     /* fixext 8, 16 */
    {KIND_STR, 1, 0}, {KIND_STR, 2, 0}, {KIND_STR, 4, 0},        /* str 8, 16, 32 */
    {KIND_ARRAY, 2, 0}, {KIND_ARRAY, 4, 0},                      /* array 16, 32 */
    {KIND_MAP, 2, 0}, {KIND_MAP, 4, 0},                          /* map 16, 32 */
};

/*
 * Bytes of a value that follow from its tag alone, 0 for all others: the quick way through the
 * many small ones, a tenth off the whole check.
 */
static const uint8_t known[256] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 00 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 10 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 20 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 30 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 40 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 50 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 60 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 70 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 80 */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* 90 */
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, /* a0 */
    17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, /* b0 */
    1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 5, 9, 2, 3, 5, 9, /* c0 */
    2, 3, 5, 9, 3, 4, 6, 10, 18, 0, 0, 0, 0, 0, 0, 0, /* d0 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* e0 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* f0 */
};
/* clang-format on */

/* A number of 1, 2 or 4 bytes, big end first. */
static inline uint32_t digits_read(const uint8_t *p, unsigned digits)
{
    if (digits == 1)
        return p[0];
    if (digits == 2)
        return (uint32_t)p[0] << 8 | p[1];
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* One tag, read: the bytes up to the next tag, and how many entries a container has. */
struct token {
    enum kind kind;
    uint32_t count;
    uint64_t bytes;
};

/* 0; -EAGAIN: the bytes end within the length; -EINVAL: no such tag. len: at least 1. */
static inline int token_read(const uint8_t *p, size_t len, struct token *ret)
{
    const struct shape *shape;
    uint8_t tag = *p;

    ret->kind = KIND_PLAIN;
    ret->count = tag & 0x0f;
    ret->bytes = 1;
    if (tag < 0x80 || tag >= 0xe0)
        return 0;
    if (tag < 0xa0) {
        ret->kind = tag < 0x90 ? KIND_MAP : KIND_ARRAY;
        return 0;
    }
    if (tag < 0xc0) {
        ret->kind = KIND_STR;
        ret->bytes = 1 + (tag & 0x1fu);
        return 0;
    }
    shape = &shapes[tag - 0xc0];
    ret->kind = shape->kind;
    ret->bytes = 1u + shape->digits + shape->fixed;
    if (!shape->digits)
        return shape->kind == KIND_BAD ? -EINVAL : 0;
    if (len <= shape->digits)
        return -EAGAIN;
    ret->count = digits_read(p + 1, shape->digits);
    if (shape->kind < KIND_ARRAY)
        ret->bytes += ret->count;
    return 0;
}

/* Steps over a str; NULL when it is none, or cut short. */
static inline const uint8_t *str_skip(const uint8_t *p, const uint8_t *end)
{
    struct token token;

    if (p == end)
        return NULL;
    if ((*p & 0xe0) == 0xa0) /* nearly every key: one comparison instead of five */
        token.bytes = 1 + (*p & 0x1fu);
    else if (token_read(p, (size_t)(end - p), &token) < 0 || token.kind != KIND_STR)
        return NULL;
    return token.bytes <= (size_t)(end - p) ? p + token.bytes : NULL;
}

/* A map or an array that is not finished, and the entries that it still lacks. */
struct level {
    uint32_t left;
    bool map;
};

int tc_frame_check(const void *data, size_t len)
{
    struct level open[TOCSIN_EVENT_MAX_DEPTH], now = {.left = 1};
    const uint8_t *p = data, *end;
    struct token token;
    unsigned depth = 0;

    if (len > TOCSIN_EVENT_MAX_BYTES)
        return -EMSGSIZE;
    if (!p || !len || !((*p & 0xf0) == 0x80 || *p == 0xde || *p == 0xdf))
        return -EINVAL;
    for (end = p + len;;) {
        while (now.left) {
            now.left--;
            if (now.map) {
                p = str_skip(p, end);
                if (!p)
                    return -EINVAL;
            }
            if (p == end)
                return -EINVAL;
            token.kind = KIND_PLAIN;
            token.bytes = known[*p];
            if (!token.bytes && token_read(p, (size_t)(end - p), &token) < 0)
                return -EINVAL;
            if (token.bytes > (size_t)(end - p))
                return -EINVAL;
            p += token.bytes;
            if (token.kind < KIND_ARRAY)
                continue;
            if (depth == TOCSIN_EVENT_MAX_DEPTH)
                return -ELOOP;
            open[depth++] = now;
            now.left = token.count;
            now.map = token.kind == KIND_MAP;
        }
        if (!depth)
            return p == end ? 0 : -EINVAL;
        now = open[--depth];
    }
}

static int frame_lacks(uint64_t least, size_t *ret_len)
{
    *ret_len = (size_t)least;
    return -EAGAIN;
}

/*
 * `owed` counts the values that must still come in all: each takes a byte at least, so
 * that a container that announces more than can fit ends the walk at once.
 */
int tc_frame_next(const void *data, size_t len, const struct tc_frame_limits *limits,
                  size_t *ret_len)
{
    uint64_t left[TC_FRAME_DEPTH_MAX + 1] = {1}, owed = 1, values = 1;
    unsigned max_depth = limits->depth, depth = 0;
    const uint8_t *p = data;
    struct token token;
    size_t at = 0;
    int r;

    if (max_depth > TC_FRAME_DEPTH_MAX)
        max_depth = TC_FRAME_DEPTH_MAX;
    do {
        if (at == len)
            return frame_lacks(at + owed, ret_len);
        r = token_read(p + at, len - at, &token);
        if (r == -EAGAIN)
            return frame_lacks(len + 1, ret_len);
        if (r < 0)
            return r;
        while (!left[depth])
            depth--;
        left[depth]--;
        owed--;
        if (token.kind >= KIND_ARRAY) {
            if (depth == max_depth)
                return -ELOOP;
            left[++depth] = token.kind == KIND_MAP ? 2ull * token.count : token.count;
            owed += left[depth];
            values += left[depth];
        }
        if (token.bytes + owed > limits->bytes - at)
            return -EMSGSIZE;
        if (values > limits->values)
            return -E2BIG;
        if (token.bytes > len - at)
            return frame_lacks(at + token.bytes + owed, ret_len);
        at += (size_t)token.bytes;
    } while (owed);
    *ret_len = at;
    return 0;
}
