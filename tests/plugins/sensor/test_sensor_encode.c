/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor_encode.h"

#include <string.h>

#define PID 77

static int64_t key_of(const char *sensor, const char *topic,
                      const struct tc_sensor_file *file, int32_t pid)
{
    struct tc_sensor_stamp stamp = {.topic = topic,
                                    .sensor = sensor,
                                    .time_ns = *sensor, /* no two are the same */
                                    .sequence = (uint64_t)*sensor,
                                    .epoch = (uint64_t)*sensor};
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tc_sensor_encode(&w, &stamp, file, NULL, pid);
    assert_int_equal(w.error, 0);
    return tocsin_find_int(w.buf, w.len, TOCSIN_FIELD_DEDUPE_KEY, -1);
}

static void two_sensors_give_one_key(void **state)
{
    const struct tc_sensor_file by_es = {
        .path = "/a/f", .known = true, .device = 5, .inode = 6, .size = 1};
    struct tc_sensor_file by_kext = by_es;

    (void)state;
    by_kext.size = 2; /* looked at later */
    assert_true(key_of("es", TOCSIN_TOPIC_FILE_WRITTEN, &by_es, PID) > 0);
    assert_int_equal(key_of("es", TOCSIN_TOPIC_FILE_WRITTEN, &by_es, PID),
                     key_of("kext", TOCSIN_TOPIC_FILE_WRITTEN, &by_kext, PID));
    by_kext.known = false;
    by_kext.inode = by_kext.device = 0;
    assert_int_equal(key_of("es", TOCSIN_TOPIC_FILE_CREATED, &by_es, PID),
                     key_of("kext", TOCSIN_TOPIC_FILE_CREATED, &by_kext, PID));
}

static void what_differs_has_another_key(void **state)
{
    const struct tc_sensor_file a = {
        .path = "/a/f", .old_path = "/b", .known = true, .device = 5, .inode = 6};
    struct tc_sensor_file b = a;
    int64_t written = key_of("es", TOCSIN_TOPIC_FILE_WRITTEN, &a, PID);
    int64_t renamed = key_of("es", TOCSIN_TOPIC_FILE_RENAMED, &a, PID);

    (void)state;
    assert_int_not_equal(written, renamed);
    assert_int_not_equal(key_of("es", TOCSIN_TOPIC_FILE_WRITTEN, &a, PID + 1), written);
    b.inode++;
    assert_int_not_equal(key_of("es", TOCSIN_TOPIC_FILE_WRITTEN, &b, PID), written);
    b.old_path = "/c";
    assert_int_not_equal(key_of("es", TOCSIN_TOPIC_FILE_RENAMED, &b, PID), renamed);
    b.path = "/a/f/b"; /* the two paths must not run into each other */
    b.old_path = NULL;
    assert_int_not_equal(key_of("es", TOCSIN_TOPIC_FILE_RENAMED, &b, PID), renamed);
}

static void what_blocks_has_no_key(void **state)
{
    const struct tc_sensor_file file = {.path = "/a/f"};

    (void)state;
    assert_int_equal(key_of("es", TOCSIN_TOPIC_FILE_OPEN, &file, PID), -1);
    assert_int_equal(key_of("es", TOCSIN_TOPIC_FILE_EXEC, &file, PID), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sensors_give_one_key),
        cmocka_unit_test(what_differs_has_another_key),
        cmocka_unit_test(what_blocks_has_no_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
