/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the promises of include/tocsin/event.h: what the writer writes, libmsgpack reads
 * as meant; what libmsgpack and the public test suite write, the reader reads as they
 * mean it; and no bytes, however cut or broken, make the reader step outside them.
 */
#include <math.h>
#include <msgpack.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <tocsin/event.h>

#include "tests/support/skip.h"
#include <cmocka.h>

#define ROUNDS 3000

/* ---- Helpers. ---- */

/* The same bytes ending where the heap block ends: a sanitizer sees any step too far. */
static uint8_t *exact(const void *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

/* xorshift64: the same numbers in every run. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* A number of any magnitude, rather than nearly always a huge one. */
static uint64_t random_magnitude(uint64_t *seed)
{
    unsigned shift = next_random(seed) % 64;

    return next_random(seed) >> shift;
}

static bool same(const struct tocsin_value *v, const msgpack_object *o);

static bool same_entries(const struct tocsin_value *v, const msgpack_object *o)
{
    bool map = o->type == MSGPACK_OBJECT_MAP;
    uint32_t n = map ? o->via.map.size : o->via.array.size;
    struct tocsin_value key, value;
    struct tocsin_iter it;

    if (v->type != (map ? TOCSIN_MAP : TOCSIN_ARRAY) || v->count != n)
        return false;
    tocsin_iter_init(&it, v);
    for (uint32_t i = 0; i < n; i++) {
        if (!tocsin_iter_next(&it, &key, &value))
            return false;
        if (map && !same(&key, &o->via.map.ptr[i].key))
            return false;
        if (!same(&value, map ? &o->via.map.ptr[i].val : &o->via.array.ptr[i]))
            return false;
    }
    return !tocsin_iter_next(&it, &key, &value);
}

static bool same_bytes(const struct tocsin_value *v, const char *ptr, uint32_t len)
{
    return v->len == len && (!len || !memcmp(v->ptr, ptr, len));
}

/* Whether both readers saw the same value. */
static bool same(const struct tocsin_value *v, const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        return v->type == TOCSIN_NIL;
    case MSGPACK_OBJECT_BOOLEAN:
        return v->type == TOCSIN_BOOL && v->b == o->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return v->type == TOCSIN_UINT && v->u == o->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return v->type == TOCSIN_INT && v->i == o->via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return v->type == TOCSIN_DOUBLE &&
               (v->d == o->via.f64 || (isnan(v->d) && isnan(o->via.f64)));
    case MSGPACK_OBJECT_STR:
        return v->type == TOCSIN_STR && same_bytes(v, o->via.str.ptr, o->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return v->type == TOCSIN_BIN && same_bytes(v, o->via.bin.ptr, o->via.bin.size);
    case MSGPACK_OBJECT_EXT:
        return v->type == TOCSIN_EXT && same_bytes(v, o->via.ext.ptr, o->via.ext.size);
    default:
        return same_entries(v, o);
    }
}

/* Whether both readers take the first value of the bytes for the same, of one length. */
static bool agree(const uint8_t *data, size_t len)
{
    const uint8_t *end = tocsin_skip(data, data + len);
    struct tocsin_value v;
    msgpack_unpacked got;
    size_t used = 0;
    bool ok;

    msgpack_unpacked_init(&got);
    ok = msgpack_unpack_next(&got, (const char *)data, len, &used) ==
             MSGPACK_UNPACK_SUCCESS &&
         end == data + used && tocsin_read(data, data + len, &v) && same(&v, &got.data) &&
         tocsin_value_size(&v) == used;
    msgpack_unpacked_destroy(&got);
    return ok;
}

/* Every shorter piece of a value is seen to be cut, and nothing outside it is read. */
static void assert_truncations_are_seen(const uint8_t *data, size_t len)
{
    for (size_t n = 0; n < len; n++) {
        uint8_t *cut = exact(data, n);
        struct tocsin_value v, key;
        struct tocsin_iter it;

        assert_null(tocsin_skip(cut, cut + n));
        if (tocsin_read(cut, cut + n, &v)) {
            assert_int_equal(tocsin_value_size(&v), 0);
            tocsin_iter_init(&it, &v);
            while (tocsin_iter_next(&it, &key, &v))
                ;
        }
        tocsin_find(cut, n, "a.b", &v);
        free(cut);
    }
}

/* ---- The writer, judged by libmsgpack. ---- */

static void event_integers_are_written_as_libmsgpack_writes_them(void **state)
{
    static const int64_t edges[] = {
        0,          1,
        127,        128,
        255,        256,
        65535,      65536,
        UINT32_MAX, 4294967296,
        INT64_MAX,  -1,
        -32,        -33,
        -128,       -129,
        -32768,     -32769,
        INT32_MIN,  INT64_C(-2147483649),
        INT64_MIN,  INT64_MIN + 1,
        INT32_MAX,
    };
    uint64_t seed = 1;

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        bool edge = i < sizeof(edges) / sizeof(*edges);
        int64_t want = edge ? edges[i] : (int64_t)random_magnitude(&seed);
        struct tocsin_writer w;
        msgpack_sbuffer theirs;
        msgpack_packer pk;
        uint8_t buf[16];

        if (!edge && i % 2)
            want = -(want / 2);
        msgpack_sbuffer_init(&theirs);
        msgpack_packer_init(&pk, &theirs, msgpack_sbuffer_write);
        msgpack_pack_int64(&pk, want);
        tocsin_writer_init(&w, buf, sizeof(buf));
        tocsin_put_int(&w, NULL, want);
        assert_int_equal(w.error, 0);
        assert_int_equal(w.len, theirs.size);
        assert_memory_equal(w.buf, theirs.data, w.len);
        assert_true(agree(w.buf, w.len));
        assert_truncations_are_seen(w.buf, w.len);
        msgpack_sbuffer_destroy(&theirs);
    }
}

static void event_strings_and_bytes_of_every_length_class_come_back(void **state)
{
    static const size_t lens[] = {0, 1, 31, 32, 255, 256, 65535, 65536, 200000};
    char *text = malloc(200000);

    (void)state;
    assert_non_null(text);
    memset(text, 'x', 200000);
    for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
        struct tocsin_writer w;
        struct tocsin_value v;

        tocsin_writer_init_growing(&w);
        tocsin_begin_map(&w, NULL);
        tocsin_put_strn(&w, "s", text, lens[i]);
        tocsin_put_bin(&w, "b", text, lens[i]);
        tocsin_end(&w);
        assert_int_equal(w.error, 0);
        assert_true(agree(w.buf, w.len));
        assert_true(tocsin_find(w.buf, w.len, "s", &v));
        assert_int_equal(v.type, TOCSIN_STR);
        assert_int_equal(v.len, lens[i]);
        assert_true(tocsin_find(w.buf, w.len, "b", &v));
        assert_int_equal(v.type, TOCSIN_BIN);
        assert_int_equal(v.len, lens[i]);
        assert_memory_equal(v.ptr, text, lens[i]);
        tocsin_writer_done(&w);
    }
    free(text);
}

/* Writes one entry of a random kind; maps and arrays hold some more. */
static void put_random(struct tocsin_writer *w, const char *key, uint64_t *seed)
{
    static const char text[] = "/usr/lib/x86_64-linux-gnu/libgr\xc3\xbc\xc3\x9f.so";
    uint64_t pick = next_random(seed);
    double d;

    switch (pick % 10) {
    case 0:
        tocsin_put_nil(w, key);
        return;
    case 1:
        tocsin_put_bool(w, key, pick >> 60 & 1);
        return;
    case 2:
        tocsin_put_uint(w, key, random_magnitude(seed));
        return;
    case 3:
        tocsin_put_int(w, key, -(int64_t)(random_magnitude(seed) >> 1));
        return;
    case 4:
        pick = next_random(seed);
        memcpy(&d, &pick, sizeof(d));
        tocsin_put_double(w, key, d);
        return;
    case 5:
        tocsin_put_bin(w, key, text, (pick >> 32) % sizeof(text));
        return;
    case 6:
    case 7: /* cut anywhere, so within a character too: then it is bin */
        tocsin_put_strn(w, key, text, (pick >> 32) % sizeof(text));
        return;
    default:
        break;
    }
    if (w->depth >= TOCSIN_EVENT_MAX_DEPTH) {
        tocsin_put_nil(w, key);
        return;
    }
    if (pick % 10 == 8)
        tocsin_begin_map(w, key);
    else
        tocsin_begin_array(w, key);
    for (uint64_t n = (pick >> 32) % 6; n; n--)
        put_random(w, pick % 10 == 8 ? "nested_key" : NULL, seed);
    tocsin_end(w);
}

static void event_anything_written_is_read_alike_by_libmsgpack(void **state)
{
    uint64_t seed = 2;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct tocsin_writer w;

        tocsin_writer_init_growing(&w);
        tocsin_begin_map(&w, NULL);
        for (int n = i % 20; n; n--)
            put_random(&w, "some.key", &seed);
        tocsin_end(&w);
        assert_int_equal(w.error, 0);
        assert_int_equal(w.depth, 0);
        assert_true(agree(w.buf, w.len));
        if (i % 50 == 0)
            assert_truncations_are_seen(w.buf, w.len);
        tocsin_writer_done(&w);
    }
}

static void event_text_is_str_when_utf8_and_bin_otherwise(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        bool utf8;
    } table[] = {
        {"", 0, true},
        {"plain", 5, true},
        {"a text of more than eight bytes", 31, true},
        {"a text of more th\xc3\xa4n eight bytes", 32, true},
        {"a text of more than \xff", 21, false},
        {"nul\0inside", 10, true},
        {"\x7f", 1, true},
        {"\xc2\x80", 2, true},
        {"\xdf\xbf", 2, true},
        {"\xe0\xa0\x80", 3, true},
        {"\xed\x9f\xbf", 3, true},
        {"\xee\x80\x80", 3, true},
        {"\xef\xbf\xbf", 3, true},
        {"\xf0\x90\x80\x80", 4, true},
        {"\xf4\x8f\xbf\xbf", 4, true},
        {"\x80", 1, false},
        {"\xbf", 1, false},
        {"\xc0\x80", 2, false}, /* overlong */
        {"\xc1\xbf", 2, false}, /* overlong */
        {"\xc2", 1, false},     /* cut */
        {"\xc2"
         "a",
         2, false},                     /* no continuation */
        {"\xe0\x9f\xbf", 3, false},     /* overlong */
        {"\xe2\x82", 2, false},         /* cut */
        {"\xed\xa0\x80", 3, false},     /* surrogate */
        {"\xed\xbf\xbf", 3, false},     /* surrogate */
        {"\xf0\x8f\xbf\xbf", 4, false}, /* overlong */
        {"\xf0\x90\x80", 3, false},     /* cut */
        {"\xf4\x90\x80\x80", 4, false}, /* beyond U+10FFFF */
        {"\xf5\x80\x80\x80", 4, false},
        {"\xfe", 1, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        char *text = (char *)exact(table[i].text, table[i].len);
        struct tocsin_writer w;
        struct tocsin_value v;
        uint8_t buf[64];

        assert_int_equal(tocsin_utf8_valid(text, table[i].len), table[i].utf8);
        tocsin_writer_init(&w, buf, sizeof(buf));
        tocsin_put_strn(&w, NULL, text, table[i].len);
        assert_non_null(tocsin_read(w.buf, w.buf + w.len, &v));
        assert_int_equal(v.type, table[i].utf8 ? TOCSIN_STR : TOCSIN_BIN);
        assert_int_equal(v.len, table[i].len);
        assert_memory_equal(v.ptr, text, table[i].len);
        free(text);
    }
}

static void event_absent_text_is_nil(void **state)
{
    struct tocsin_writer w;
    struct tocsin_str s;
    struct tocsin_value v;
    uint8_t buf[64];

    (void)state;
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    s = tocsin_find_str("\x80", 1, "missing");
    tocsin_put_strn(&w, "a", s.ptr, s.len);
    tocsin_put_str(&w, "b", NULL);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    assert_true(tocsin_find(w.buf, w.len, "a", &v));
    assert_int_equal(v.type, TOCSIN_NIL);
    assert_true(tocsin_find(w.buf, w.len, "b", &v));
    assert_int_equal(v.type, TOCSIN_NIL);
}

static void put_sample(struct tocsin_writer *w)
{
    tocsin_begin_map(w, NULL);
    tocsin_begin_map(w, "process");
    tocsin_put_int(w, "pid", 4711);
    tocsin_put_str(w, "executable", "/usr/bin/python3.11");
    tocsin_begin_map(w, "parent");
    tocsin_put_int(w, "pid", -1);
    tocsin_end(w);
    tocsin_end(w);
    tocsin_begin_array(w, "args");
    tocsin_put_str(w, NULL, "-c");
    tocsin_put_double(w, NULL, 0.5);
    tocsin_end(w);
    tocsin_put_bool(w, "cacheable", true);
    tocsin_put_uint(w, "huge", UINT64_MAX);
    tocsin_end(w);
}

static void event_writer_says_enospc_for_every_buffer_that_is_too_small(void **state)
{
    struct tocsin_writer whole;

    (void)state;
    tocsin_writer_init_growing(&whole);
    put_sample(&whole);
    assert_int_equal(whole.error, 0);
    for (size_t cap = 0; cap <= whole.len; cap++) {
        uint8_t *buf = exact(whole.buf, cap);
        struct tocsin_writer w;

        tocsin_writer_init(&w, buf, cap);
        put_sample(&w);
        assert_int_equal(w.error, cap < whole.len ? -ENOSPC : 0);
        assert_true(w.len <= cap);
        tocsin_writer_done(&w);
        free(buf);
    }
    tocsin_writer_done(&whole);
}

static void event_writer_says_einval_for_what_makes_no_map(void **state)
{
    struct tocsin_writer w;
    uint8_t buf[256];

    (void)state;
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_end(&w);
    assert_int_equal(w.error, -EINVAL);

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_int(&w, NULL, 1);
    assert_int_equal(w.error, -EINVAL);

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_array(&w, NULL);
    assert_int_equal(w.error, -EINVAL);

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_array(&w, NULL);
    tocsin_put_str(&w, "key", "in an array");
    assert_int_equal(w.error, -EINVAL);

    tocsin_writer_init(&w, buf, sizeof(buf));
    for (int i = 0; i < TOCSIN_EVENT_MAX_DEPTH; i++)
        tocsin_begin_array(&w, NULL);
    assert_int_equal(w.error, 0);
    tocsin_begin_array(&w, NULL);
    assert_int_equal(w.error, -EINVAL);
}

static void event_writer_counts_up_to_65535_entries(void **state)
{
    struct tocsin_writer w;

    (void)state;
    for (int n = 65535; n <= 65536; n++) {
        tocsin_writer_init_growing(&w);
        tocsin_begin_array(&w, NULL);
        for (int i = 0; i < n; i++)
            tocsin_put_nil(&w, NULL);
        tocsin_end(&w);
        assert_int_equal(w.error, n == 65535 ? 0 : -ENOSPC);
        if (n == 65535)
            assert_true(agree(w.buf, w.len));
        tocsin_writer_done(&w);
    }
}

static void event_growing_writer_refuses_an_absurd_length(void **state)
{
    struct tocsin_writer w;

    (void)state;
    tocsin_writer_init_growing(&w);
    tocsin_put_bin(&w, NULL, "", SIZE_MAX);
    assert_int_equal(w.error, -ENOSPC);
    tocsin_writer_done(&w);
    tocsin_writer_init_growing(&w);
    tocsin_put_bin(&w, NULL, "", TOCSIN_WRITER_MAX_BYTES);
    assert_int_equal(w.error, -ENOSPC);
    tocsin_writer_done(&w);
}

/* ---- The reader. ---- */

static void event_fields_are_found_by_dotted_path(void **state)
{
    struct tocsin_writer w;
    struct tocsin_value v = {0};
    uint8_t buf[256];

    (void)state;
    tocsin_writer_init(&w, buf, sizeof(buf));
    put_sample(&w);
    assert_int_equal(tocsin_find_int(buf, w.len, "process.pid", 0), 4711);
    assert_int_equal(tocsin_find_int(buf, w.len, "process.parent.pid", 0), -1);
    assert_true(tocsin_str_is(tocsin_find_str(buf, w.len, "process.executable"),
                              "/usr/bin/python3.11"));
    assert_true(tocsin_find_bool(buf, w.len, "cacheable", false));
    assert_true(tocsin_find(buf, w.len, "args", &v));
    assert_int_equal(v.type, TOCSIN_ARRAY);
    assert_int_equal(v.count, 2);

    /* Absent, of another type, or too large: the fallback. */
    assert_int_equal(tocsin_find_int(buf, w.len, "process.ppid", 9), 9);
    assert_int_equal(tocsin_find_int(buf, w.len, "process", 9), 9);
    assert_int_equal(tocsin_find_int(buf, w.len, "process.pid.x", 9), 9);
    assert_int_equal(tocsin_find_int(buf, w.len, "proc", 9), 9);
    assert_int_equal(tocsin_find_int(buf, w.len, "", 9), 9);
    assert_int_equal(tocsin_find_int(buf, w.len, ".", 9), 9);
    assert_int_equal(tocsin_find_int(buf, w.len, "huge", 9), 9);
    assert_true(tocsin_find_bool(buf, w.len, "process.pid", true));
    assert_null(tocsin_find_str(buf, w.len, "process.pid").ptr);
    assert_false(tocsin_str_is(tocsin_find_str(buf, w.len, "none"), ""));
    assert_int_equal(tocsin_find_int(NULL, 0, "a", 9), 9);
    assert_truncations_are_seen(buf, w.len);
}

static void event_find_takes_the_first_of_two_equal_keys(void **state)
{
    static const char twice[] = "\x82\xa1"
                                "a\x01\xa1"
                                "a\x02";

    (void)state;
    assert_int_equal(tocsin_find_int(twice, sizeof(twice) - 1, "a", 0), 1);
}

static void event_find_passes_over_keys_that_are_no_strings(void **state)
{
    static const char odd[] = "\x83\x05\x06\xc4\x01"
                              "a\x07\xa1"
                              "a\x08";

    (void)state;
    assert_int_equal(tocsin_find_int(odd, sizeof(odd) - 1, "a", 0), 8);
}

static void event_value_can_be_copied_encoded_into_another_map(void **state)
{
    struct tocsin_writer from, to;
    struct tocsin_value v;
    uint8_t a[256], b[256];

    (void)state;
    tocsin_writer_init(&from, a, sizeof(a));
    put_sample(&from);
    assert_true(tocsin_find(a, from.len, "process", &v));
    tocsin_writer_init(&to, b, sizeof(b));
    tocsin_begin_map(&to, NULL);
    tocsin_put_encoded(&to, "process", v.start, tocsin_value_size(&v));
    tocsin_put_int(&to, "after", 5);
    tocsin_end(&to);
    assert_int_equal(to.error, 0);
    assert_true(agree(b, to.len));
    assert_int_equal(tocsin_find_int(b, to.len, "process.parent.pid", 0), -1);
    assert_int_equal(tocsin_find_int(b, to.len, "after", 0), 5);
}

/* Random bytes that often begin as something: what one reader takes, so does the other.
 */
static void event_broken_bytes_are_read_as_libmsgpack_reads_them(void **state)
{
    uint64_t seed = 3;
    int taken = 0;

    (void)state;
    for (int i = 0; i < 20 * ROUNDS; i++) {
        size_t len = next_random(&seed) % 24 + 1, used = 0;
        msgpack_unpack_return r;
        msgpack_unpacked got;
        uint8_t bytes[24], *data;

        for (size_t n = 0; n < len; n++) {
            bytes[n] = (uint8_t)(next_random(&seed) >> 32) | (n % 3 ? 0 : 0x80);
            /* libmsgpack allocates what array 32 and map 32 announce, be it 64 GiB. */
            if (bytes[n] == 0xdd || bytes[n] == 0xdf)
                bytes[n]--;
        }
        data = exact(bytes, len);
        msgpack_unpacked_init(&got);
        r = msgpack_unpack_next(&got, (const char *)data, len, &used);
        msgpack_unpacked_destroy(&got);
        if (r == MSGPACK_UNPACK_SUCCESS) {
            assert_true(agree(data, len));
            taken++;
        } else if (r != MSGPACK_UNPACK_NOMEM_ERROR) {
            assert_null(tocsin_skip(data, data + len));
        }
        free(data);
    }
    assert_true(taken > ROUNDS);
}

/* ---- The public test suite. ---- */

static char *read_suite(void)
{
    FILE *file =
        fopen(TEST_SOURCE_DIR "/../shared/data/msgpack/msgpack-test-suite.json", "r");
    char *text;
    size_t n;

    if (!file)
        return NULL;
    text = calloc(1, 1 << 20);
    assert_non_null(text);
    n = fread(text, 1, (1 << 20) - 1, file);
    assert_true(n > 0);
    fclose(file);
    return text;
}

/* Reads "c5-00-01" into bytes; returns how many, and leaves *text after the quote. */
static size_t read_hex(const char **text, uint8_t *ret)
{
    const char *p = *text;
    unsigned byte;
    size_t n = 0;

    while (sscanf(p, "%2x", &byte) == 1) {
        ret[n++] = (uint8_t)byte;
        p += p[2] == '-' ? 3 : 2;
    }
    assert_int_equal(*p, '"');
    *text = p + 1;
    return n;
}

static void event_reads_the_public_test_suite_as_libmsgpack_does(void **state)
{
    char *suite = read_suite();
    const char *p = suite, *close;
    int encodings = 0;

    (void)state;
    if (!suite) {
        test_skip("../shared/data/msgpack is not here");
    }
    while ((p = strstr(p, "\"msgpack\": [")) != NULL) {
        p += strlen("\"msgpack\": [");
        close = strchr(p, ']');
        assert_non_null(close);
        while ((p = strchr(p, '"')) != NULL && p < close) {
            uint8_t bytes[4096], *data;
            size_t n;

            p++;
            n = read_hex(&p, bytes);
            data = exact(bytes, n);
            assert_true(agree(data, n));
            assert_truncations_are_seen(data, n);
            free(data);
            encodings++;
        }
        p = close;
    }
    assert_true(encodings > 200);
    free(suite);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_integers_are_written_as_libmsgpack_writes_them),
        cmocka_unit_test(event_strings_and_bytes_of_every_length_class_come_back),
        cmocka_unit_test(event_anything_written_is_read_alike_by_libmsgpack),
        cmocka_unit_test(event_text_is_str_when_utf8_and_bin_otherwise),
        cmocka_unit_test(event_absent_text_is_nil),
        cmocka_unit_test(event_writer_says_enospc_for_every_buffer_that_is_too_small),
        cmocka_unit_test(event_writer_says_einval_for_what_makes_no_map),
        cmocka_unit_test(event_writer_counts_up_to_65535_entries),
        cmocka_unit_test(event_growing_writer_refuses_an_absurd_length),
        cmocka_unit_test(event_fields_are_found_by_dotted_path),
        cmocka_unit_test(event_find_takes_the_first_of_two_equal_keys),
        cmocka_unit_test(event_find_passes_over_keys_that_are_no_strings),
        cmocka_unit_test(event_value_can_be_copied_encoded_into_another_map),
        cmocka_unit_test(event_broken_bytes_are_read_as_libmsgpack_reads_them),
        cmocka_unit_test(event_reads_the_public_test_suite_as_libmsgpack_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
