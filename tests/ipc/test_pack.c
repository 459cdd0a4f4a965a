/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/pack.h and ipc/unpack.h. */
#include "ipc/pack.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/frame.h"
#include "ipc/unpack.h"

#define TEXT_MAX 70000

/* One value, written by both: tocsin/event.h, which every plugin holds, and msgpack-c. */
struct both {
    struct tocsin_writer w;
    struct tc_pack p;
};

static void both_init(struct both *both)
{
    tocsin_writer_init_growing(&both->w);
    tc_pack_init(&both->p);
}

static void both_same(struct both *both)
{
    assert_int_equal(both->w.error, 0);
    assert_int_equal(both->p.error, 0);
    assert_int_equal(both->p.bytes.size, both->w.len);
    assert_memory_equal(both->p.bytes.data, both->w.buf, both->w.len);
    tocsin_writer_done(&both->w);
    tc_pack_done(&both->p);
}

static void both_int(struct both *both, const char *key, int64_t v)
{
    tocsin_put_int(&both->w, key, v);
    tc_pack_int(&both->p, key, v);
    tocsin_put_uint(&both->w, key, (uint64_t)v);
    tc_pack_uint(&both->p, key, (uint64_t)v);
}

static void pack_writes_integers_as_events_have_them(void **state)
{
    struct both both;

    (void)state;
    both_init(&both);
    for (unsigned bits = 0; bits < 64; bits++)
        for (int64_t d = -2; d <= 2; d++) {
            both_int(&both, NULL, (int64_t)((UINT64_C(1) << bits) + (uint64_t)d));
            both_int(&both, NULL, -(int64_t)((UINT64_C(1) << bits) / 2) + d);
        }
    both_same(&both);
}

static void pack_writes_text_and_bytes_as_events_have_them(void **state)
{
    static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535, 65536, TEXT_MAX};
    char *text = malloc(TEXT_MAX + 1);
    struct both both;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', TEXT_MAX + 1);
    both_init(&both);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
        tocsin_put_bin(&both.w, NULL, text, lengths[i]);
        tc_pack_bin(&both.p, NULL, text, lengths[i]);
        for (int utf8 = 0; utf8 < 2; utf8++) {
            text[0] = utf8 ? 'x' : '\xff'; /* which no UTF-8 has: bin */
            tocsin_put_strn(&both.w, NULL, text, lengths[i]);
            tc_pack_strn(&both.p, NULL, text, lengths[i]);
        }
    }
    tocsin_put_str(&both.w, NULL, NULL);
    tc_pack_str(&both.p, NULL, NULL);
    tocsin_put_strn(&both.w, NULL, "", 0);
    tc_pack_strn(&both.p, NULL, "", 0);
    both_same(&both);
    free(text);
}

static void pack_writes_maps_and_arrays_as_events_have_them(void **state)
{
    struct both both;
    char key[8];

    (void)state;
    both_init(&both);
    tocsin_begin_map(&both.w, NULL);
    tc_pack_begin_map(&both.p, NULL);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        tocsin_begin_array(&both.w, key);
        tc_pack_begin_array(&both.p, key);
        both_int(&both, NULL, i);
        tocsin_put_double(&both.w, NULL, i / 3.0);
        tc_pack_double(&both.p, NULL, i / 3.0);
        tocsin_put_bool(&both.w, NULL, i % 2);
        tc_pack_bool(&both.p, NULL, i % 2);
        tocsin_begin_map(&both.w, NULL);
        tc_pack_begin_map(&both.p, NULL);
        tocsin_put_nil(&both.w, "none");
        tc_pack_nil(&both.p, "none");
        tocsin_put_encoded(&both.w, "encoded", "\x92\x01\x02", 3);
        tc_pack_encoded(&both.p, "encoded", "\x92\x01\x02", 3);
        tocsin_end(&both.w);
        tc_pack_end(&both.p);
        tocsin_end(&both.w);
        tc_pack_end(&both.p);
    }
    tocsin_end(&both.w);
    tc_pack_end(&both.p);
    both_same(&both);
}

static void pack_refuses_what_is_too_deep_or_has_too_many(void **state)
{
    struct tc_pack p;

    (void)state;
    tc_pack_init(&p);
    for (int i = 0; i < TC_PACK_DEPTH_MAX; i++)
        tc_pack_begin_array(&p, NULL);
    assert_int_equal(p.error, 0);
    tc_pack_begin_map(&p, NULL);
    assert_int_equal(p.error, -EINVAL);
    tc_pack_end(&p); /* and whatever follows is harmless */
    tc_pack_uint(&p, "k", 1);
    assert_int_equal(p.error, -EINVAL);
    tc_pack_done(&p);

    tc_pack_init(&p);
    tc_pack_begin_array(&p, NULL);
    for (unsigned i = 0; i <= TC_PACK_COUNT_MAX; i++)
        tc_pack_nil(&p, NULL);
    tc_pack_end(&p);
    assert_int_equal(p.error, -ENOSPC);
    tc_pack_done(&p);
    tc_pack_done(&p);
}

/* ---- Reading ---- */

/* {a: {b: "text", b: 1, "": ""}, n: -5, u: 2^64-1, yes: true, list: [1], bytes: <ff>} */
static void pack_example(struct tc_pack *p)
{
    tc_pack_init(p);
    tc_pack_begin_map(p, NULL);
    tc_pack_begin_map(p, "a");
    tc_pack_str(p, "b", "text");
    tc_pack_uint(p, "b", 1);
    tc_pack_str(p, "", "");
    tc_pack_end(p);
    tc_pack_int(p, "n", -5);
    tc_pack_uint(p, "u", UINT64_MAX);
    tc_pack_bool(p, "yes", true);
    tc_pack_begin_array(p, "list");
    tc_pack_uint(p, NULL, 1);
    tc_pack_end(p);
    tc_pack_bin(p, "bytes", "\xff", 1);
    tc_pack_end(p);
}

static void unpack_finds_fields_by_their_paths(void **state)
{
    const msgpack_object *map;
    struct tc_pack p;

    (void)state;
    pack_example(&p);
    map = tc_pack_read(&p);
    assert_non_null(map);
    assert_true(tc_unpack_is(tc_unpack_find(map, "a.b"), "text")); /* the first */
    assert_false(tc_unpack_is(tc_unpack_find(map, "a.b"), "tex"));
    assert_true(tc_unpack_is(tc_unpack_find(map, "a."), ""));
    assert_null(tc_unpack_find(map, "a.c"));
    assert_null(tc_unpack_find(map, "n.b"));
    assert_null(tc_unpack_find(map, ""));
    assert_null(tc_unpack_find(NULL, "a"));
    assert_true(tocsin_str_is(tc_unpack_str(map, "a."), ""));
    assert_true(tocsin_str_is(tc_unpack_str(map, "bytes"), "\xff"));
    assert_null(tc_unpack_str(map, "n").ptr);
    assert_int_equal(tc_unpack_int(map, "n", 0), -5);
    assert_int_equal(tc_unpack_int(map, "u", 7), 7); /* does not fit */
    assert_int_equal(tc_unpack_int(map, "a", 7), 7);
    assert_true(tc_unpack_bool(map, "yes", false));
    assert_true(tc_unpack_bool(map, "n", true));
    assert_int_equal(tc_unpack_array(map, "list")->via.array.size, 1);
    assert_null(tc_unpack_array(map, "a"));
    tc_pack_done(&p);
}

static void unpack_takes_one_value_and_nothing_else(void **state)
{
    msgpack_unpacked got;

    (void)state;
    msgpack_unpacked_init(&got);
    assert_int_equal(tc_unpack(&got, "\x92\x01\x02", 3), 0);
    assert_int_equal(tc_unpack(&got, "\x92\x01\x02", 2), -EINVAL);
    assert_int_equal(tc_unpack(&got, "\x91\x01\x02", 3), -EINVAL);
    assert_int_equal(tc_unpack(&got, "\xc1", 1), -EINVAL);
    assert_int_equal(tc_unpack(&got, "", 0), -EINVAL);
    msgpack_unpacked_destroy(&got);
}

static void unpack_knows_the_bytes_of_the_last_entry(void **state)
{
    static const char example[] = "\xdc\x00\x03\x92\x01\x02\xa1x\xcd\x00\x01";
    static const char one[] = "\x91\x80";

    (void)state;
    assert_ptr_equal(tc_unpack_last(one, 2), one + 1);
    assert_ptr_equal(tc_unpack_last(example, sizeof(example) - 1), example + 8);
}

static void object_of_a_pair_is_packed_as_it_was_read(void **state)
{
    const msgpack_object *map;
    struct tc_pack p, copy;

    (void)state;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "text", "x");
    tc_pack_bin(&p, "bytes", "\xff", 1);
    tc_pack_double(&p, "number", 0.1);
    tc_pack_int(&p, "int", -70000);
    tc_pack_end(&p);
    map = tc_pack_read(&p);
    assert_non_null(map);
    tc_pack_init(&copy);
    tc_pack_begin_map(&copy, NULL);
    for (uint32_t i = 0; i < map->via.map.size; i++)
        tc_pack_pair(&copy, &map->via.map.ptr[i]);
    tc_pack_end(&copy);
    assert_int_equal(copy.bytes.size, p.bytes.size);
    assert_memory_equal(copy.bytes.data, p.bytes.data, p.bytes.size);
    tc_pack_done(&copy);
    tc_pack_done(&p);
}

/* Of a sanitizer, whose heap mallinfo(3) does not know. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

/* What the heap has handed out. */
static size_t heap_bytes(void)
{
    struct mallinfo2 info;

    if (__sanitizer_get_current_allocated_bytes)
        return __sanitizer_get_current_allocated_bytes();
    info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Frames of as many values as a limit lets through, which cost the most: arrays in an
 * array, `each` values in every one. */
static void unpack_takes_no_more_memory_than_the_limit_of_values_says(void **state)
{
    static const size_t values = 256 * 1024;
    const struct tc_frame_limits limits = {
        .bytes = SIZE_MAX, .values = values + 1, .depth = 16};
    size_t before, used, len;
    msgpack_unpacked got;
    uint8_t *buf = malloc(2 * values);

    (void)state;
    assert_non_null(buf);
    for (unsigned each = 0; each < 16; each++) {
        size_t arrays = values / (each + 1), n = 0;

        buf[n++] = 0xdd;
        for (int i = 24; i >= 0; i -= 8)
            buf[n++] = (uint8_t)(arrays >> i);
        for (size_t i = 0; i < arrays; i++) {
            buf[n++] = (uint8_t)(0x90 | each);
            for (unsigned k = 0; k < each; k++)
                buf[n++] = (uint8_t)k;
        }
        assert_int_equal(tc_frame_next(buf, n, &limits, &len), 0);
        msgpack_unpacked_init(&got);
        before = heap_bytes();
        assert_int_equal(tc_unpack(&got, buf, n), 0);
        used = heap_bytes() - before;
        /* at most, as ipc/unpack.h has it, and what malloc(3) keeps beside */
        assert_in_range(used, sizeof(msgpack_object) * arrays,
                        2 * sizeof(msgpack_object) * values + 16 * 1024);
        msgpack_unpacked_destroy(&got);
    }
    free(buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pack_writes_integers_as_events_have_them),
        cmocka_unit_test(pack_writes_text_and_bytes_as_events_have_them),
        cmocka_unit_test(pack_writes_maps_and_arrays_as_events_have_them),
        cmocka_unit_test(pack_refuses_what_is_too_deep_or_has_too_many),
        cmocka_unit_test(unpack_finds_fields_by_their_paths),
        cmocka_unit_test(unpack_takes_one_value_and_nothing_else),
        cmocka_unit_test(unpack_knows_the_bytes_of_the_last_entry),
        cmocka_unit_test(object_of_a_pair_is_packed_as_it_was_read),
        cmocka_unit_test(unpack_takes_no_more_memory_than_the_limit_of_values_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
