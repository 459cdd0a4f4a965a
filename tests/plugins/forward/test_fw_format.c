/* SPDX-License-Identifier: Apache-2.0 */
/* What receivers are given: valid whatever a file's name or a command line holds. */
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "format/fw_format.h"
#include "format/fw_shorten.h"

#define NASTY "a\"b\\c\n\x01|=\xff\xc3\xa9<script>"

struct fixture {
    struct tocsin_writer w;
    struct tc_fw_event event;
    struct tc_fw_text text;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.text = {.p = NULL}};
    tocsin_writer_init_growing(&f->w);
    tocsin_begin_map(&f->w, NULL);
    tocsin_put_uint(&f->w, "@timestamp", UINT64_C(1796077318513892290));
    tocsin_begin_map(&f->w, "alert");
    tocsin_put_str(&f->w, "id", "4711");
    tocsin_put_str(&f->w, "title", "Title " NASTY);
    tocsin_put_str(&f->w, "severity", "critical");
    tocsin_end(&f->w);
    tocsin_begin_map(&f->w, "process");
    tocsin_put_uint(&f->w, "pid", 12);
    tocsin_put_uint(&f->w, "start", UINT64_C(1796077318000000001));
    tocsin_put_str(&f->w, "command_line", NASTY);
    tocsin_end(&f->w);
    tocsin_begin_map(&f->w, "threat");
    tocsin_begin_map(&f->w, "technique");
    tocsin_begin_array(&f->w, "id");
    tocsin_put_str(&f->w, NULL, "T1059.004");
    tocsin_put_str(&f->w, NULL, "T1140");
    tocsin_end(&f->w);
    tocsin_end(&f->w);
    tocsin_end(&f->w);
}

static void finish(struct fixture *f)
{
    tocsin_end(&f->w);
    assert_int_equal(f->w.error, 0);
    f->event = (struct tc_fw_event){.topic = "alert.raised",
                                    .source = "edr",
                                    .time_ns = UINT64_C(1796077318513892290),
                                    .data = f->w.buf,
                                    .len = f->w.len};
    tc_fw_event_know(&f->event);
}

static void done(struct fixture *f)
{
    tc_fw_text_done(&f->text);
    tocsin_writer_done(&f->w);
}

static json_object *parsed(struct fixture *f, enum tc_fw_format format)
{
    json_object *o;

    tc_fw_format(format, &f->event, "web1", &f->text);
    assert_false(f->text.failed);
    assert_true(tocsin_utf8_valid(f->text.p, f->text.len));
    o = json_tokener_parse(f->text.p);
    assert_non_null(o);
    return o;
}

static const char *at(json_object *o, const char *pointer)
{
    json_object *found = NULL;

    assert_int_equal(json_pointer_get(o, pointer, &found), 0);
    return json_object_get_string(found);
}

static void ecs_has_ecs_fields_in_their_place_and_the_rest_below_tocsin(void **state)
{
    struct fixture f;
    json_object *o;

    (void)state;
    begin(&f);
    finish(&f);
    o = parsed(&f, TC_FW_ECS);
    assert_string_equal(at(o, "/@timestamp"), "2026-11-30T22:21:58.513892290Z");
    assert_string_equal(at(o, "/process/start"), "2026-11-30T22:21:58.000000001Z");
    assert_string_equal(at(o, "/process/command_line"),
                        "a\"b\\c\n\x01|=\xef\xbf\xbd\xc3\xa9<script>");
    assert_string_equal(at(o, "/threat/technique/id/1"), "T1140");
    assert_string_equal(at(o, "/tocsin/alert/id"), "4711");
    assert_string_equal(at(o, "/event/severity"), "99");
    assert_string_equal(at(o, "/event/id"), f.event.id);
    assert_string_equal(at(o, "/host/name"), "web1");
    json_object_put(o);
    done(&f);
}

static void ocsf_is_a_detection_finding(void **state)
{
    struct fixture f;
    json_object *o;

    (void)state;
    begin(&f);
    finish(&f);
    o = parsed(&f, TC_FW_OCSF);
    assert_string_equal(at(o, "/class_uid"), "2004");
    assert_string_equal(at(o, "/type_uid"), "200401");
    assert_string_equal(at(o, "/severity_id"), "5");
    assert_string_equal(at(o, "/time"), "1796077318513");
    assert_string_equal(at(o, "/finding_info/uid"), "4711");
    assert_string_equal(at(o, "/attacks/0/technique/uid"), "T1059.004");
    assert_string_equal(at(o, "/evidences/0/process/pid"), "12");
    assert_string_equal(at(o, "/unmapped/alert/severity"), "critical");
    json_object_put(o);
    done(&f);
}

static void cef_escapes_what_its_header_and_its_extension_are_made_of(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    finish(&f);
    tc_fw_format(TC_FW_CEF, &f.event, "web1", &f.text);
    assert_true(!strncmp(
        f.text.p, "CEF:0|Tocsin|Tocsin|0.1.0|alert.raised|Title a\"b\\\\c  \\|=", 54));
    assert_non_null(strstr(f.text.p, " cs1=a\"b\\\\c\\n |\\="));
    assert_non_null(strstr(f.text.p, " cs2Label=ATT&CK technique cs2=T1059.004,T1140"));
    assert_null(strchr(f.text.p, '\n'));
    done(&f);
}

static void id_is_the_same_for_the_same_event_and_for_no_other(void **state)
{
    struct fixture f;
    struct tc_fw_event again, other;

    (void)state;
    begin(&f);
    finish(&f);
    again = other = f.event;
    again.seq = 77;
    other.time_ns++;
    tc_fw_event_know(&again);
    tc_fw_event_know(&other);
    assert_string_equal(again.id, f.event.id);
    assert_string_not_equal(other.id, f.event.id);
    assert_int_equal(f.event.severity, TC_FW_CRITICAL);
    done(&f);
}

static void shortened_event_still_says_which_alert_it_is(void **state)
{
    static char ballast[100000];
    struct fixture f;
    struct tocsin_writer less;
    size_t before = SIZE_MAX;

    (void)state;
    memset(ballast, 'x', sizeof(ballast) - 1);
    begin(&f);
    tocsin_begin_map(&f.w, "file");
    tocsin_put_str(&f.w, "path", ballast);
    tocsin_end(&f.w);
    tocsin_begin_map(&f.w, "matched");
    tocsin_put_str(&f.w, "value", ballast);
    tocsin_end(&f.w);
    finish(&f);
    for (unsigned level = 0; level < TC_FW_SHORTEN_LEVELS; level++) {
        tocsin_writer_init_growing(&less);
        tc_fw_shorten(f.w.buf, f.w.len, level, &less);
        assert_int_equal(less.error, 0);
        assert_true(less.len < before);
        before = less.len;
        assert_true(
            tocsin_str_is(tocsin_find_str(less.buf, less.len, "alert.id"), "4711"));
        assert_true(tocsin_find_bool(less.buf, less.len, "truncated", false));
        tocsin_writer_done(&less);
    }
    assert_true(before < 600);
    done(&f);
}

static void text_of_any_bytes_is_a_json_string(void **state)
{
    struct tc_fw_text text = {.p = NULL};
    char bytes[256];
    json_object *o;

    (void)state;
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    tc_fw_put_string(&text, bytes, sizeof(bytes));
    assert_true(tocsin_utf8_valid(text.p, text.len));
    o = json_tokener_parse(text.p);
    assert_non_null(o);
    /* 128 of ASCII, and U+FFFD for each that is no character. */
    assert_int_equal(json_object_get_string_len(o), 128 + 3 * 128);
    json_object_put(o);
    tc_fw_text_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ecs_has_ecs_fields_in_their_place_and_the_rest_below_tocsin),
        cmocka_unit_test(ocsf_is_a_detection_finding),
        cmocka_unit_test(cef_escapes_what_its_header_and_its_extension_are_made_of),
        cmocka_unit_test(id_is_the_same_for_the_same_event_and_for_no_other),
        cmocka_unit_test(shortened_event_still_says_which_alert_it_is),
        cmocka_unit_test(text_of_any_bytes_is_a_json_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
