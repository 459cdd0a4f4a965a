/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/frame.h. */
#include "ipc/frame.h"

#include <errno.h>
#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include <cmocka.h>

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

/* The same bytes on the heap, ending where they end: so that a sanitizer sees a step too
 * far. */
static uint8_t *exact(const void *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

static int next(const void *data, size_t len, size_t max_bytes, unsigned max_depth,
                size_t *ret_len)
{
    const struct tc_frame_limits limits = {
        .bytes = max_bytes, .values = max_bytes, .depth = max_depth};

    return tc_frame_next(data, len, &limits, ret_len);
}

static void frame_check_takes_one_map_with_string_keys_and_nothing_else(void **state)
{
    const struct {
        const uint8_t *data;
        size_t len;
        int want;
    } table[] = {
        {BYTES(0x80), 0},
        {BYTES(0xde, 0, 0), 0},
        {BYTES(0xdf, 0, 0, 0, 0), 0},
        {BYTES(0x81, 0xa1, 'a', 0x01), 0},
        {BYTES(0x81, 0xd9, 1, 'a', 0xc0), 0},
        {BYTES(0x81, 0xda, 0, 1, 'a', 0xc3), 0},
        {BYTES(0x81, 0xdb, 0, 0, 0, 1, 'a', 0xff), 0},
        {BYTES(0x81, 0xa0, 0x81, 0xa1, 'b', 0x92, 1, 0x80), 0},
        {BYTES(0x81, 0xa1, 'a', 0xd4, 1, 2), 0},
        {BYTES(0x81, 0xa1, 'a', 0xc7, 2, 5, 1, 2), 0},
        {BYTES(0xc0), -EINVAL},
        {BYTES(0x01), -EINVAL},
        {BYTES(0x90), -EINVAL},
        {BYTES(0xa1, 'a'), -EINVAL},
        {BYTES(0x80, 0x80), -EINVAL},
        {BYTES(0x81), -EINVAL},
        {BYTES(0x81, 0xa1, 'a'), -EINVAL},
        {BYTES(0x81, 0xa2, 'a', 1), -EINVAL},
        {BYTES(0x81, 0xa1, 'a', 0xc1), -EINVAL},
        {BYTES(0x81, 1, 1), -EINVAL},
        {BYTES(0x81, 0xc4, 1, 'a', 1), -EINVAL},
        {BYTES(0x81, 0x80, 1), -EINVAL},
        {BYTES(0x81, 0xa1, 'a', 0x81, 1, 1), -EINVAL},
        {BYTES(0x81, 0xa1, 'a', 0x91, 0x81, 0xc0, 1), -EINVAL},
        {BYTES(0xde, 0xff, 0xff, 0xa0, 0), -EINVAL},
        {BYTES(0xdf, 0xff, 0xff, 0xff, 0xff), -EINVAL},
        {BYTES(0x81, 0xa1, 'a', 0xdb, 0xff, 0xff, 0xff, 0xff), -EINVAL},
        {BYTES(0x81, 0xa1, 'a', 0xc9, 0xff, 0xff, 0xff, 0xff, 0), -EINVAL},
        {NULL, 0, -EINVAL},
        {NULL, 5, -EINVAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        uint8_t *data = table[i].data ? exact(table[i].data, table[i].len) : NULL;

        assert_int_equal(tc_frame_check(data, table[i].len), table[i].want);
        free(data);
    }
}

/* {"a": {"a": ... nil}}, `depth` maps; returns the bytes written. */
static size_t nest(uint8_t *buf, unsigned depth)
{
    size_t n = 0;

    for (unsigned i = 0; i < depth; i++) {
        buf[n++] = 0x81;
        buf[n++] = 0xa1;
        buf[n++] = 'a';
    }
    buf[n++] = 0xc0;
    return n;
}

static void frame_check_bounds_the_depth(void **state)
{
    uint8_t buf[3 * TOCSIN_EVENT_MAX_DEPTH + 16];
    size_t n;

    (void)state;
    n = nest(buf, TOCSIN_EVENT_MAX_DEPTH);
    assert_int_equal(tc_frame_check(buf, n), 0);
    n = nest(buf, TOCSIN_EVENT_MAX_DEPTH + 1);
    assert_int_equal(tc_frame_check(buf, n), -ELOOP);
    /* An empty map or array inside the last level is one level more, too. */
    n = nest(buf, TOCSIN_EVENT_MAX_DEPTH);
    buf[n - 1] = 0x90;
    assert_int_equal(tc_frame_check(buf, n), -ELOOP);
}

static void frame_check_of_many_siblings_is_not_deep(void **state)
{
    uint8_t *buf = malloc(64 * 1024);
    size_t n = 0;

    (void)state;
    assert_non_null(buf);
    buf[n++] = 0x81;
    buf[n++] = 0xa0;
    buf[n++] = 0xdc;
    buf[n++] = 0x20;
    buf[n++] = 0x00;
    for (int i = 0; i < 0x2000; i++) {
        buf[n++] = 0x91;
        buf[n++] = 0x80;
    }
    assert_int_equal(tc_frame_check(buf, n), 0);
    free(buf);
}

static void frame_check_bounds_the_size(void **state)
{
    size_t most = TOCSIN_EVENT_MAX_BYTES, payload = most - 7;
    uint8_t *buf = calloc(1, most + 1);

    (void)state;
    assert_non_null(buf);
    memcpy(buf, BYTES(0x81, 0xa0, 0xc6));
    for (int i = 0; i < 4; i++)
        buf[3 + i] = (uint8_t)(payload >> (24 - 8 * i));
    assert_int_equal(tc_frame_check(buf, most), 0);
    assert_int_equal(tc_frame_check(buf, most + 1), -EMSGSIZE);
    free(buf);
}

/* Every kind of value there is, in one map. */
/* clang-format off */
static const uint8_t everything[] = {
    0xde, 0, 21,                                         /* map 16 */
    0xa1, 'a', 0x7f,                                     /* positive fixint */
    0xa1, 'b', 0xe0,                                     /* negative fixint */
    0xa1, 'c', 0xc0,                                     /* nil */
    0xa1, 'd', 0xc2,                                     /* false */
    0xa1, 'e', 0xc4, 2, 1, 2,                            /* bin 8 */
    0xa1, 'f', 0xc5, 0, 1, 2,                            /* bin 16 */
    0xa1, 'g', 0xc6, 0, 0, 0, 1, 2,                      /* bin 32 */
    0xa1, 'h', 0xc7, 1, 9, 2,                            /* ext 8 */
    0xa1, 'i', 0xc8, 0, 1, 9, 2,                         /* ext 16 */
    0xa1, 'j', 0xc9, 0, 0, 0, 1, 9, 2,                   /* ext 32 */
    0xa1, 'k', 0xca, 0, 0, 0, 0,                         /* float 32 */
    0xa1, 'l', 0xcb, 0, 0, 0, 0, 0, 0, 0, 0,             /* float 64 */
    0xa1, 'm', 0x95,                                     /* array of 5 */
    0xcc, 1, 0xcd, 0, 1, 0xce, 0, 0, 0, 1,               /* uint 8, 16, 32 */
    0xcf, 0, 0, 0, 0, 0, 0, 0, 1, 0xd0, 1,               /* uint 64, int 8 */
    0xa1, 'n', 0x93, 0xd1, 0, 1, 0xd2, 0, 0, 0, 1,       /* int 16, 32 */
    0xd3, 0, 0, 0, 0, 0, 0, 0, 1,                        /* int 64 */
    0xa1, 'o', 0xd4, 1, 2,                               /* fixext 1 */
    0xa1, 'p', 0xd5, 1, 2, 3,                            /* fixext 2 */
    0xa1, 'q', 0xd6, 1, 2, 3, 4, 5,                      /* fixext 4 */
    0xa1, 'r', 0xd7, 1, 2, 3, 4, 5, 6, 7, 8, 9,          /* fixext 8 */
    0xa1, 's', 0xd8, 1, 2, 3, 4, 5, 6, 7, 8, 9,          /* fixext 16 */
    0, 0, 0, 0, 0, 0, 0, 0,
    0xd9, 1, 't', 0xdc, 0, 1, 0xdd, 0, 0, 0, 1,          /* str 8, array 16, 32 */
    0xda, 0, 1, 'x',                                     /* str 16 */
    0xa1, 'u', 0xdf, 0, 0, 0, 1,                         /* map 32 */
    0xdb, 0, 0, 0, 1, 'y', 0x80,                         /* str 32, an empty map */
};
/* clang-format on */

static void frame_check_knows_every_type_and_every_truncation(void **state)
{
    (void)state;
    for (size_t n = 0; n <= sizeof(everything); n++) {
        uint8_t *data = exact(everything, n);

        assert_int_equal(tc_frame_check(data, n), n == sizeof(everything) ? 0 : -EINVAL);
        free(data);
    }
}

static void frame_next_asks_for_more_at_every_truncation(void **state)
{
    size_t got;

    (void)state;
    for (size_t n = 0; n < sizeof(everything); n++) {
        uint8_t *data = exact(everything, n);

        got = 77;
        assert_int_equal(next(data, n, 4096, 16, &got), -EAGAIN);
        /* what to wait for is more than there is, and no more than there will be */
        assert_in_range(got, n + 1, sizeof(everything));
        free(data);
    }
    assert_int_equal(next(everything, sizeof(everything), 4096, 16, &got), 0);
    assert_int_equal(got, sizeof(everything));
}

static void frame_next_cuts_a_stream_into_its_messages(void **state)
{
    static const uint8_t stream[] = {0x93, 1, 0xa1, 'x', 0x80, 0x05, 0x81, 7, 8, 0x92};
    size_t at = 0, n;

    (void)state;
    assert_int_equal(next(stream, sizeof(stream), 64, 4, &n), 0);
    assert_int_equal(n, 5);
    at += n;
    assert_int_equal(next(stream + at, sizeof(stream) - at, 64, 4, &n), 0);
    assert_int_equal(n, 1);
    at += n;
    assert_int_equal(next(stream + at, sizeof(stream) - at, 64, 4, &n), 0);
    assert_int_equal(n, 3);
    at += n;
    assert_int_equal(next(stream + at, sizeof(stream) - at, 64, 4, &n), -EAGAIN);
}

static void frame_next_refuses_what_announces_too_much(void **state)
{
    const struct {
        const uint8_t *data;
        size_t len;
        int want;
    } table[] = {
        {BYTES(0xdb, 0, 0, 0, 95), -EAGAIN},   /* 5 + 95 bytes */
        {BYTES(0xdb, 0, 0, 0, 96), -EMSGSIZE}, /* 5 + 96 */
        {BYTES(0xdb, 0xff, 0xff, 0xff, 0xff), -EMSGSIZE},
        {BYTES(0xdd, 0, 0, 0, 95), -EAGAIN}, /* 95 values of a byte at least */
        {BYTES(0xdd, 0, 0, 0, 96), -EMSGSIZE},
        {BYTES(0xdd, 0xff, 0xff, 0xff, 0xff), -EMSGSIZE},
        {BYTES(0xdf, 0, 0, 0, 47), -EAGAIN}, /* 94 values */
        {BYTES(0xdf, 0, 0, 0, 48), -EMSGSIZE},
        {BYTES(0xdf, 0xff, 0xff, 0xff, 0xff), -EMSGSIZE},
        {BYTES(0x92, 0xc4, 95), -EAGAIN}, /* 1 + 2 + 95, and one more value */
        {BYTES(0x92, 0xc4, 97), -EMSGSIZE},
        {BYTES(0xc9, 0xff, 0xff, 0xff, 0xff), -EMSGSIZE},
    };
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        assert_int_equal(next(table[i].data, table[i].len, 100, 8, &n), table[i].want);
}

static void frame_next_distinguishes_deep_from_bad(void **state)
{
    size_t n;

    (void)state;
    assert_int_equal(next(BYTES(0x91, 0x91, 0x90), 64, 3, &n), 0);
    assert_int_equal(next(BYTES(0x91, 0x91, 0x90), 64, 2, &n), -ELOOP);
    assert_int_equal(next(BYTES(0x91), 64, 0, &n), -ELOOP);
    assert_int_equal(next(BYTES(0xc1), 64, 3, &n), -EINVAL);
    assert_int_equal(next(BYTES(0x92, 0x01, 0xc1), 64, 3, &n), -EINVAL);
}

static void frame_next_survives_any_depth_asked_of_it(void **state)
{
    uint8_t *buf = malloc(4096);
    size_t n;

    (void)state;
    assert_non_null(buf);
    memset(buf, 0x91, 4096);
    assert_int_equal(next(buf, 4096, 8192, 1000000, &n), -ELOOP);
    buf[TC_FRAME_DEPTH_MAX] = 0xc0;
    assert_int_equal(next(buf, 4096, 8192, 1000000, &n), 0);
    assert_int_equal(n, TC_FRAME_DEPTH_MAX + 1);
    free(buf);
}

static void frame_next_bounds_the_values(void **state)
{
    const struct {
        const uint8_t *data;
        size_t len;
        int want;
    } table[] = {
        {BYTES(0x93, 1, 2, 3), 0}, /* four values: the array, and what is in it */
        {BYTES(0x94, 1, 2, 3, 4), -E2BIG},
        {BYTES(0x81, 0xa1, 'a', 0x90), 0},
        {BYTES(0x81, 0xa1, 'a', 0x92, 1, 2), -E2BIG},
        {BYTES(0x82), -E2BIG}, /* announced: five */
        {BYTES(0xdd, 0, 0, 0, 4), -E2BIG},
    };
    const struct tc_frame_limits limits = {.bytes = 4096, .values = 4, .depth = 8};
    size_t n;

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
        assert_int_equal(tc_frame_next(table[i].data, table[i].len, &limits, &n),
                         table[i].want);
}

/* ---- Both, judged by msgpack-c, and it by them ---- */

#define FRAME_MAX 512
#define FRAMES 300000
#define ANNOUNCED_MAX                                                                    \
    65536 /* values: msgpack-c makes room for as many before they come */

/* xorshift64*: the same frames in every run */
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

static size_t put_byte(uint8_t *buf, size_t n, unsigned byte)
{
    if (n < FRAME_MAX)
        buf[n] = (uint8_t)byte;
    return n + 1;
}

/* A value of any kind, mostly well-formed; deep and long ones are rare. */
static size_t put_random(uint8_t *buf, size_t n, uint64_t *seed, unsigned depth)
{
    uint64_t what = draw(seed);
    unsigned count = (unsigned)(what >> 8) % 4, kind = (unsigned)what % 16;

    if (kind < 6 && depth < 36) {
        bool map = kind < 4, wide = (what & 0x1000) != 0;

        n = put_byte(buf, n, wide ? (map ? 0xdf : 0xdd) : (map ? 0x80 : 0x90) | count);
        for (int i = 3; wide && i >= 0; i--)
            n = put_byte(buf, n, i ? 0 : count);
        for (unsigned i = 0; i < count; i++) {
            if (map && what % 61)
                n = put_byte(buf, put_byte(buf, n, 0xa1), 'a' + i);
            else if (map)
                n = put_random(buf, n, seed, depth + 1);
            n = put_random(buf, n, seed, depth + 1);
        }
        return n;
    }
    if (kind == 6)
        return put_byte(buf, n, 0xc0 | (what >> 20 & 3)); /* nil, 0xc1, booleans */
    if (kind < 10) {
        n = put_byte(buf, n, 0xa0 | count);
        for (unsigned i = 0; i < count; i++)
            n = put_byte(buf, n, (unsigned)draw(seed));
        return n;
    }
    if (kind < 14)
        return put_byte(buf, n, (unsigned)(what >> 16) & 0x7f);
    return put_byte(buf, n, (unsigned)(what >> 16)); /* whatever it announces */
}

static size_t random_frame(uint8_t *buf, uint64_t *seed)
{
    uint64_t how = draw(seed) % 8;
    size_t n = 0;

    for (unsigned chain = how == 0 ? (unsigned)draw(seed) % 40 : 0; chain; chain--)
        n = put_byte(buf, put_byte(buf, put_byte(buf, n, 0x81), 0xa1), 'k');
    if (how < 6)
        n = put_byte(buf, put_byte(buf, put_byte(buf, n, 0x81), 0xa1), 'k');
    n = put_random(buf, n, seed, 0);
    n = n < FRAME_MAX ? n : FRAME_MAX;
    for (unsigned changes = (unsigned)draw(seed) % 3; changes && how % 2; changes--)
        buf[draw(seed) % n] = (uint8_t)draw(seed);
    return how == 3 ? draw(seed) % (n + 1) : n;
}

/* Whether it keeps to what tc_frame_check adds: keys are strings; a depth. */
static bool keeps_rules(const msgpack_object *o, unsigned depth)
{
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
    for (uint32_t i = 0; keeps && i < o->via.map.size; i++)
        keeps = o->via.map.ptr[i].key.type == MSGPACK_OBJECT_STR &&
                keeps_rules(&o->via.map.ptr[i].val, depth + 1);
    return keeps;
}

static msgpack_unpack_return as_msgpack_has_it(int r)
{
    switch (r) {
    case 0:
        return MSGPACK_UNPACK_SUCCESS;
    case -EAGAIN:
        return MSGPACK_UNPACK_CONTINUE;
    case -ELOOP:
        return MSGPACK_UNPACK_NOMEM_ERROR;
    default:
        return MSGPACK_UNPACK_PARSE_ERROR;
    }
}

/* Compares the verdicts on one frame. Returns whether both took it as an event's. */
static bool compare(const uint8_t *data, size_t len)
{
    const struct tc_frame_limits limits = {
        .bytes = ANNOUNCED_MAX, .values = ANNOUNCED_MAX, .depth = TC_FRAME_DEPTH_MAX};
    int checked = tc_frame_check(data, len), r;
    size_t whole = 0, at = 0;
    msgpack_unpacked got;
    bool event;

    r = tc_frame_next(data, len, &limits, &whole);
    if (r == -EMSGSIZE || r == -E2BIG) {
        assert_true(checked < 0);
        return false;
    }
    msgpack_unpacked_init(&got);
    assert_int_equal(msgpack_unpack_next(&got, (const char *)data, len, &at),
                     as_msgpack_has_it(r));
    assert_true(r || at == whole);
    event = !r && at == len && got.data.type == MSGPACK_OBJECT_MAP &&
            keeps_rules(&got.data, 0);
    assert_int_equal(checked == 0, event);
    msgpack_unpacked_destroy(&got);
    return event;
}

static void frames_are_taken_exactly_as_msgpack_c_reads_them(void **state)
{
    uint64_t seed = UINT64_C(0x746f6373696e);
    unsigned taken = 0;

    (void)state;
    for (unsigned i = 0; i < FRAMES; i++) {
        uint8_t buf[FRAME_MAX], *data;
        size_t len = random_frame(buf, &seed);

        data = exact(buf, len);
        taken += compare(data, len);
        free(data);
    }
    /* Both kinds have been seen. */
    assert_in_range(taken, FRAMES / 10, FRAMES - FRAMES / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_check_takes_one_map_with_string_keys_and_nothing_else),
        cmocka_unit_test(frame_check_bounds_the_depth),
        cmocka_unit_test(frame_check_of_many_siblings_is_not_deep),
        cmocka_unit_test(frame_check_bounds_the_size),
        cmocka_unit_test(frame_check_knows_every_type_and_every_truncation),
        cmocka_unit_test(frame_next_asks_for_more_at_every_truncation),
        cmocka_unit_test(frame_next_cuts_a_stream_into_its_messages),
        cmocka_unit_test(frame_next_refuses_what_announces_too_much),
        cmocka_unit_test(frame_next_distinguishes_deep_from_bad),
        cmocka_unit_test(frame_next_survives_any_depth_asked_of_it),
        cmocka_unit_test(frame_next_bounds_the_values),
        cmocka_unit_test(frames_are_taken_exactly_as_msgpack_c_reads_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
