/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: that the start of a flow is what was sent, however its segments come. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/nf_stream.h"

#define ROUNDS 2000
#define SENT_BYTES 4000

static void add(struct tc_nf_stream *stream, uint32_t seq, const char *text)
{
    assert_int_equal(tc_nf_stream_add(stream, seq, (const uint8_t *)text, strlen(text)),
                     0);
}

static void assert_start(const struct tc_nf_stream *stream, const char *want)
{
    assert_int_equal(tc_nf_stream_bytes(stream), strlen(want));
    assert_memory_equal(stream->data, want, strlen(want));
}

static void stream_puts_segments_in_order(void **state)
{
    struct tc_nf_stream stream;

    (void)state;
    tc_nf_stream_init(&stream, 1000);
    assert_start(&stream, "");
    add(&stream, 1006, "ghi");
    assert_start(&stream, "");
    add(&stream, 1000, "abc");
    assert_start(&stream, "abc");
    add(&stream, 1003, "def");
    assert_start(&stream, "abcdefghi");
    add(&stream, 1003, "DEF"); /* again: what is there stays */
    add(&stream, 1008, "Ijk");
    assert_start(&stream, "abcdefghijk");
    add(&stream, 1011, "");
    assert_start(&stream, "abcdefghijk");
}

static void stream_fills_gaps_and_keeps_what_came_first(void **state)
{
    struct tc_nf_stream stream;

    (void)state;
    tc_nf_stream_init(&stream, 0);
    add(&stream, 2, "cd");
    add(&stream, 6, "gh");
    add(&stream, 0, "ABCDEFGHI");
    assert_start(&stream, "ABcdEFghI");
}

static void stream_goes_over_the_end_of_the_numbers(void **state)
{
    struct tc_nf_stream stream;

    (void)state;
    tc_nf_stream_init(&stream, 0xfffffffe);
    add(&stream, 1, "def");
    add(&stream, 0xfffffffe, "abc");
    assert_start(&stream, "abcdef");
    tc_nf_stream_init(&stream, 2);
    add(&stream, 0xffffffff, "xyzab"); /* three bytes of which are before the start */
    add(&stream, 0xfffffff0, "xyz");
    assert_start(&stream, "ab");
}

static void stream_ends_at_its_limit(void **state)
{
    static uint8_t sent[TC_NF_STREAM_MAX + 100];
    struct tc_nf_stream stream;

    (void)state;
    memset(sent, 'x', sizeof(sent));
    tc_nf_stream_init(&stream, 7);
    assert_int_equal(tc_nf_stream_add(&stream, 7 + TC_NF_STREAM_MAX, sent, 10), 0);
    assert_int_equal(stream.pieces_count, 0);
    assert_int_equal(tc_nf_stream_add(&stream, 7 + TC_NF_STREAM_MAX - 1, sent, 10), 0);
    assert_int_equal(tc_nf_stream_add(&stream, 7, sent, sizeof(sent)), 0);
    assert_int_equal(tc_nf_stream_bytes(&stream), TC_NF_STREAM_MAX);
    assert_int_equal(stream.pieces_count, 1);
}

static void stream_drops_what_lies_in_too_many_pieces(void **state)
{
    struct tc_nf_stream stream;

    (void)state;
    tc_nf_stream_init(&stream, 0);
    for (uint32_t i = 0; i < TC_NF_STREAM_PIECES_MAX; i++)
        add(&stream, 2 * i + 1, "x");
    assert_int_equal(tc_nf_stream_add(&stream, 100, (const uint8_t *)"y", 1), -ENOBUFS);
    add(&stream, 0, "x"); /* joins one */
    assert_int_equal(stream.pieces_count, TC_NF_STREAM_PIECES_MAX);
    add(&stream, 2, "x"); /* makes one of two */
    add(&stream, 100, "y");
    assert_start(&stream, "xxxx");
}

/* Segments of any length, anywhere, twice, until all was there. */
static void stream_is_what_was_sent_in_any_order(void **state)
{
    uint8_t sent[SENT_BYTES];
    struct tc_nf_stream *stream = malloc(sizeof(*stream));
    unsigned seed = 1;

    (void)state;
    assert_non_null(stream);
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)rand_r(&seed);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t first = (uint32_t)rand_r(&seed) * 2;
        size_t known = 0;

        tc_nf_stream_init(stream, first);
        for (int i = 0; i < 40; i++) {
            size_t at = (size_t)rand_r(&seed) % SENT_BYTES;
            size_t len = (size_t)rand_r(&seed) % (SENT_BYTES - at);

            tc_nf_stream_add(stream, first + (uint32_t)at, sent + at, len);
            assert_true(tc_nf_stream_bytes(stream) >= known);
            known = tc_nf_stream_bytes(stream);
            assert_memory_equal(stream->data, sent, known);
        }
        assert_int_equal(tc_nf_stream_add(stream, first, sent, SENT_BYTES), 0);
        assert_int_equal(tc_nf_stream_bytes(stream), SENT_BYTES);
        assert_int_equal(stream->pieces_count, 1);
        assert_memory_equal(stream->data, sent, SENT_BYTES);
    }
    free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_puts_segments_in_order),
        cmocka_unit_test(stream_fills_gaps_and_keeps_what_came_first),
        cmocka_unit_test(stream_goes_over_the_end_of_the_numbers),
        cmocka_unit_test(stream_ends_at_its_limit),
        cmocka_unit_test(stream_drops_what_lies_in_too_many_pieces),
        cmocka_unit_test(stream_is_what_was_sent_in_any_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
