/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the promises of ipc/json.h and ipc/text.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <math.h>
#include <tocsin/event.h>

#include "ipc/frame.h"
#include "ipc/json.h"
#include "ipc/text.h"
#include "ipc/unpack.h"

struct example {
    const char *bytes;
    size_t len;
    const char *json;
};

#define EXAMPLE(bytes, json)                                                             \
    {                                                                                    \
        bytes, sizeof(bytes) - 1, json                                                   \
    }

/* The bytes as JSON; what is wrong with them, or with the value. */
static int as_json(const void *data, size_t len, char **ret_text)
{
    msgpack_unpacked unpacked;
    int r;

    msgpack_unpacked_init(&unpacked);
    r = tc_unpack(&unpacked, data, len);
    if (!r)
        r = tc_json_text(&unpacked.data, ret_text);
    msgpack_unpacked_destroy(&unpacked);
    return r;
}

static void check(const void *data, size_t len, const char *want)
{
    char *text = NULL;

    assert_int_equal(as_json(data, len, &text), 0);
    assert_string_equal(text, want);
    free(text);
}

static void json_says_every_type(void **state)
{
    static const struct example examples[] = {
        EXAMPLE("\xc0", "null"),
        EXAMPLE("\xc3", "true"),
        EXAMPLE("\xc2", "false"),
        EXAMPLE("\x07", "7"),
        EXAMPLE("\xff", "-1"),
        EXAMPLE("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
        EXAMPLE("\xd3\x80\x00\x00\x00\x00\x00\x00\x00", "-9223372036854775808"),
        EXAMPLE("\xa2hi", "\"hi\""),
        EXAMPLE("\x93\x01\xa1x\x90", "[1,\"x\",[]]"),
        EXAMPLE("\x82\xa1k\x01\xa1m\x80", "{\"k\":1,\"m\":{}}"),
        EXAMPLE("\x81\x05\xc3", "{\"5\":true}"),
        EXAMPLE("\xd6\x05\x01\x02\x03\x04", "{\"$ext\":5,\"$bin\":\"01020304\"}"),
        EXAMPLE("\xd4\xff\x2a", "{\"$ext\":-1,\"$bin\":\"2a\"}"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++)
        check(examples[i].bytes, examples[i].len, examples[i].json);
}

static void check_double(double d, const char *want)
{
    struct tocsin_writer w;
    uint8_t buf[16];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_put_double(&w, NULL, d);
    assert_int_equal(w.error, 0);
    check(buf, w.len, want);
}

static void json_numbers_read_back_as_they_were(void **state)
{
    (void)state;
    check_double(0.1, "0.1");
    check_double(1.0 / 3, "0.3333333333333333");
    check_double(1e300, "1e+300");
    check_double(NAN, "null");
    check_double(-INFINITY, "null");
}

static void json_escapes_what_drives_a_terminal(void **state)
{
    (void)state;
    check("\xa4\x1b[2J", 5, "\"\\u001b[2J\"");
    check("\xa5\"\\\n\r\t", 6, "\"\\\"\\\\\\n\\r\\t\"");
    check("\xa2\xc2\x9b", 3, "\"\\u009b\"");
    check("\xa3\xe2\x80\xae", 4, "\"\\u202e\"");
    check("\xa4\xf3\xa0\x80\x81", 5, "\"\\udb40\\udc01\"");
    check("\xa4\xf0\x9f\x90\x9d", 5, "\"\xf0\x9f\x90\x9d\"");
}

static void json_keeps_bytes_that_are_no_utf8(void **state)
{
    (void)state;
    check("\xc4\x06/tmp/\xff", 8,
          "{\"$bin\":\"2f746d702fff\",\"$text\":\"/tmp/\\ufffd\"}");
    check("\xa2\xc0\x80", 3, "{\"$bin\":\"c080\",\"$text\":\"\\ufffd\\ufffd\"}");
}

static void json_refuses_what_is_not_one_value(void **state)
{
    static const struct example bad[] = {
        EXAMPLE("", ""),     EXAMPLE("\xc1", ""),         EXAMPLE("\x01\x01", ""),
        EXAMPLE("\x92", ""), EXAMPLE("\x81\xa1k", ""),    EXAMPLE("\xa9x", ""),
        EXAMPLE("\xdd", ""), EXAMPLE("\x81\x90\x01", ""),
    };
    char *text = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(as_json(bad[i].bytes, bad[i].len, &text), -EINVAL);
    assert_null(text);
}

static void json_says_the_deepest_that_is_read(void **state)
{
    uint8_t deep[TC_FRAME_DEPTH_MAX + 1];
    char *text = NULL;

    (void)state;
    memset(deep, 0x91, sizeof(deep));
    deep[TC_FRAME_DEPTH_MAX] = 0xc0;
    assert_int_equal(as_json(deep, sizeof(deep), &text), 0);
    assert_int_equal(strlen(text), 2 * TC_FRAME_DEPTH_MAX + strlen("null"));
    free(text);
    deep[TC_FRAME_DEPTH_MAX] = 0x90;
    assert_int_equal(as_json(deep, sizeof(deep), &text), -ENOMEM);
}

static void check_escape(const char *s, unsigned flags, const char *want, size_t columns)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    assert_int_equal(tc_text_escape(out, s, strlen(s), flags), columns);
    fclose(out);
    assert_string_equal(text, want);
    free(text);
}

static void text_escapes_so_that_bytes_can_be_recovered(void **state)
{
    (void)state;
    check_escape("/tmp/a b", 0, "/tmp/a b", 8);
    check_escape("a\x1b]0;x\x07", 0, "a\\x1b]0;x\\x07", 13);
    check_escape("a\\x1b", 0, "a\\\\x1b", 6);
    check_escape("\xff\xc3\xa9", 0, "\\xff\xc3\xa9", 5);
    check_escape("\xc2\x85\xe2\x80\xae", 0, "\\u{85}\\u{202e}", 14);
    check_escape("a\tb\r\n", 0, "a\\tb\\r\\n", 8);
}

static void text_that_is_laid_out_keeps_its_lines(void **state)
{
    (void)state;
    check_escape("k: \"\\d\"\n\tv\x1b\n", TC_TEXT_LINES, "k: \"\\d\"\n\tv\\x1b\n", 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_says_every_type),
        cmocka_unit_test(json_numbers_read_back_as_they_were),
        cmocka_unit_test(json_escapes_what_drives_a_terminal),
        cmocka_unit_test(json_keeps_bytes_that_are_no_utf8),
        cmocka_unit_test(json_refuses_what_is_not_one_value),
        cmocka_unit_test(json_says_the_deepest_that_is_read),
        cmocka_unit_test(text_escapes_so_that_bytes_can_be_recovered),
        cmocka_unit_test(text_that_is_laid_out_keeps_its_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
