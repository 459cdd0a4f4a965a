/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ipc/bus.h"

#define NS_PER_S 1000000000ull
#define MANY 3000

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Publishes as if by that plugin, or by the core. */
static void publish_gap(struct tc_scratch *s, const char *source, uint64_t from_ns,
                        uint64_t to_ns)
{
    struct tocsin_event draft = {
        .size = sizeof(draft), .fd = -1, .topic = TOCSIN_TOPIC_SENSOR_GAP};
    struct tocsin_writer w;
    uint8_t buf[64];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "from", from_ns);
    if (to_ns)
        tocsin_put_uint(&w, "to", to_ns);
    tocsin_end(&w);
    draft.data = w.buf;
    draft.len = w.len;
    assert_int_equal(tc_bus_publish(s->h.bus, &draft, source, NULL, NULL), 0);
}

static const struct tocsin_event *call(struct tc_scratch *s, int64_t from_ns)
{
    struct tocsin_writer w;
    uint8_t buf[64];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_int(&w, "from", from_ns);
    tocsin_end(&w);
    return tc_harness_await(&s->h, TOCSIN_TOPIC_RPC_REPLY,
                            tc_harness_publish(&s->h, "rpc.es.catch_up", 0, -1, &w));
}

static bool has_walked(struct tc_harness *h)
{
    return tc_scratch_stat((struct tc_scratch *)(void *)h, "catch_up_walks") == 1;
}

static void es_reports_what_was_written_in_a_gap(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;
    struct stat st;
    char byte = 0;

    tc_child_put(tc_scratch_in(s, "f"), "x"); /* by us: es itself does not report it */
    tc_child_put(tc_scratch_out(s, "f"), "x");
    publish_gap(s, "core", now_ns(), now_ns());
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, 0);
    assert_non_null(event);
    assert_int_equal(stat(tc_scratch_in(s, "f"), &st), 0);
    assert_string_equal(tc_harness_text(&s->h, event, "file.path"),
                        tc_scratch_in(s, "f"));
    assert_string_equal(tc_harness_text(&s->h, event, TOCSIN_FIELD_EVENT_REASON), "gap");
    assert_int_equal(tocsin_event_int(event, "file.inode", -1), st.st_ino);
    assert_int_equal(tocsin_event_int(event, "process.pid", -1), -1);
    assert_int_equal(pread(event->fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 'x');
    assert_true(tc_harness_run(&s->h, has_walked, 5000));
    assert_int_equal(tc_scratch_stat(s, "caught_up"), 1); /* not the one outside */
    assert_int_equal(tc_scratch_stat(s, "catch_up_skipped"), 0);
}

static void es_reports_nothing_that_is_older_than_the_gap(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    publish_gap(s, "core", now_ns() + 10 * NS_PER_S, now_ns() + 11 * NS_PER_S);
    assert_true(tc_harness_run(&s->h, has_walked, 5000));
    assert_int_equal(tc_scratch_stat(s, "caught_up"), 0);
}

static void es_heeds_only_a_gap_of_the_agent_that_has_ended(void **state)
{
    struct tc_scratch *s = *state;

    tc_child_put(tc_scratch_in(s, "f"), "x");
    publish_gap(s, "es", now_ns(), now_ns());
    publish_gap(s, "core", now_ns(), 0);
    tc_harness_settle(&s->h);
    publish_gap(s, "core", now_ns() + 10 * NS_PER_S, now_ns() + 11 * NS_PER_S);
    assert_true(tc_harness_run(&s->h, has_walked, 5000));
    assert_int_equal(tc_scratch_stat(s, "caught_up"), 0);
}

static void es_catches_up_when_it_is_called(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *reply;

    assert_int_equal(tc_harness_stop(&s->h), 0);
    tc_child_put(tc_scratch_in(s, "f"), "x");
    assert_int_equal(tc_harness_start(&s->h), 0);
    reply = call(s, 0);
    assert_non_null(reply);
    assert_non_null(strstr(tc_harness_text(&s->h, reply, "error"), "from: "));
    reply = call(s, (int64_t)now_ns());
    assert_non_null(reply);
    assert_string_equal(tc_harness_text(&s->h, reply, "error"), "");
    assert_non_null(tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, 0));
}

static int excluded(struct tc_harness *h, const char *path, const char *executable)
{
    (void)h;
    (void)executable;
    return path && strstr(path, "/spared") ? TOCSIN_EXCLUDED_BY_PATH
                                           : TOCSIN_NOT_EXCLUDED;
}

static void es_spares_what_is_excluded_when_it_catches_up(void **state)
{
    struct tc_scratch *s = *state;

    s->h.excluded = excluded;
    tc_child_put(tc_scratch_in(s, "spared"), "x");
    publish_gap(s, "core", now_ns(), now_ns());
    assert_true(tc_harness_run(&s->h, has_walked, 5000));
    assert_int_equal(tc_scratch_stat(s, "caught_up"), 0);
    assert_int_equal(tc_scratch_stat(s, "catch_up_skipped"), 1);
}

static bool has_begun(struct tc_harness *h)
{
    return tc_harness_count(h, TOCSIN_TOPIC_FILE_WRITTEN) > 0;
}

static void es_can_be_stopped_while_it_catches_up(void **state)
{
    struct tc_scratch *s = *state;
    char name[16];

    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "%d", i);
        tc_child_put(tc_scratch_in(s, name), "");
    }
    publish_gap(s, "core", now_ns() - 60 * NS_PER_S, now_ns());
    assert_true(tc_harness_run(&s->h, has_begun, 5000));
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_true(tc_harness_count(&s->h, TOCSIN_TOPIC_FILE_WRITTEN) < MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, tc_es_scratch_setup, tc_scratch_teardown)
        TEST(es_reports_what_was_written_in_a_gap),
        TEST(es_reports_nothing_that_is_older_than_the_gap),
        TEST(es_heeds_only_a_gap_of_the_agent_that_has_ended),
        TEST(es_catches_up_when_it_is_called),
        TEST(es_spares_what_is_excluded_when_it_catches_up),
        TEST(es_can_be_stopped_while_it_catches_up),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
