/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/es_scratch.h"

#include "tests/support/skip.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int unlink_it(const char *path, const char *other)
{
    (void)other;
    return unlink(path) ? errno : 0;
}

static int read_with_cat(const char *path, const char *other)
{
    (void)other;
    execl("/bin/cat", "cat", path, "--", (char *)NULL);
    return 200;
}

static int read_as_nobody(const char *path, const char *other)
{
    if (tc_child_open(path, other) || setuid(65534))
        return 200;
    return tc_child_open(path, other);
}

/* Opens before and after its exec, as a shell does for `cat <file`. */
static int open_then_cat(const char *path, const char *other)
{
    int err = tc_child_open(path, other);

    return err ? err : read_with_cat(path, other);
}

/* A process that has ended before the loop looks. */
static int short_lived(const char *path, const char *other)
{
    (void)other;
    if (vfork() == 0) {
        execl("/bin/cat", "cat", path, (char *)NULL);
        _exit(127);
    }
    return 0;
}

static const struct tocsin_event *nth(struct tc_scratch *s, const char *topic, size_t n)
{
    const struct tocsin_event *event = tc_harness_event(&s->h, topic, n);

    assert_non_null(event);
    return event;
}

static void es_reports_all_about_the_file(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;
    struct stat st;
    char byte = 0;

    tc_child_put(tc_scratch_in(s, "f"), "hello");
    assert_int_equal(stat(tc_scratch_in(s, "f"), &st), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    event = nth(s, TOCSIN_TOPIC_FILE_OPEN, 0);
    assert_true(event->flags & TOCSIN_EVENT_AUTH);
    assert_string_equal(tc_harness_text(&s->h, event, "file.path"),
                        tc_scratch_in(s, "f"));
    assert_string_equal(tc_harness_text(&s->h, event, "file.name"), "f");
    assert_int_equal(tocsin_event_int(event, "file.inode", -1), st.st_ino);
    assert_int_equal(tocsin_event_int(event, "file.device", -1), st.st_dev);
    assert_int_equal(tocsin_event_int(event, "file.size", -1), 5);
    assert_int_equal(tocsin_event_int(event, "file.uid", -1), st.st_uid);
    assert_int_equal(tocsin_event_int(event, "file.mode", -1), st.st_mode);
    assert_int_equal(tocsin_event_int(event, "file.mtime", -1),
                     st.st_mtim.tv_sec * 1000000000ll + st.st_mtim.tv_nsec);
    assert_int_equal(tocsin_event_int(event, "file.ctime", -1),
                     st.st_ctim.tv_sec * 1000000000ll + st.st_ctim.tv_nsec);
    assert_string_equal(tc_harness_text(&s->h, event, "sensor"), "es");
    assert_int_equal(tocsin_event_int(event, "event.sequence", -1), 1);
    assert_int_equal(pread(event->fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 'h');
}

static void es_reports_who_opens(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;
    char line[160], comm[32];
    int pid;

    tc_child_put(tc_scratch_in(s, "f"), "");
    pid = tc_child_begin(read_with_cat, tc_scratch_in(s, "f"), NULL);
    assert_int_equal(tc_scratch_child_end(s, pid), 0);
    event = nth(s, TOCSIN_TOPIC_FILE_OPEN, 0);
    snprintf(line, sizeof(line), "cat %s --", tc_scratch_in(s, "f"));
    assert_int_equal(tocsin_event_int(event, "process.pid", -1), pid);
    assert_string_equal(tc_harness_text(&s->h, event, "process.name"), "cat");
    assert_non_null(strstr(tc_harness_text(&s->h, event, "process.executable"), "/cat"));
    assert_string_equal(tc_harness_text(&s->h, event, "process.command_line"), line);
    assert_int_equal(tocsin_event_int(event, "process.user.id", -1), 0);
    assert_true(tocsin_event_int(event, "process.start", -1) > 0);
    assert_int_equal(tocsin_event_int(event, "process.parent.pid", -1), getpid());
    snprintf(comm, sizeof(comm), "test_es_events");
    assert_string_equal(tc_harness_text(&s->h, event, "process.parent.name"), comm);
    assert_true(tocsin_event_int(event, "process.parent.start", -1) <=
                tocsin_event_int(event, "process.start", -1));
}

static void es_sees_that_a_process_has_executed_something_else(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *before, *after;

    tc_child_put(tc_scratch_in(s, "f"), "");
    assert_int_equal(tc_scratch_child(s, open_then_cat, tc_scratch_in(s, "f"), NULL), 0);
    before = nth(s, TOCSIN_TOPIC_FILE_OPEN, 0);
    after = nth(s, TOCSIN_TOPIC_FILE_OPEN, 1);
    assert_int_equal(tocsin_event_int(before, "process.pid", -1),
                     tocsin_event_int(after, "process.pid", -2));
    assert_string_equal(tc_harness_text(&s->h, before, "process.name"), "test_es_events");
    assert_string_equal(tc_harness_text(&s->h, after, "process.name"), "cat");
}

static void es_sees_that_a_process_has_changed_its_user(void **state)
{
    struct tc_scratch *s = *state;

    assert_int_equal(chmod(s->root, 0755), 0);
    tc_child_put(tc_scratch_in(s, "f"), "");
    assert_int_equal(tc_scratch_child(s, read_as_nobody, tc_scratch_in(s, "f"), NULL), 0);
    assert_int_equal(
        tocsin_event_int(nth(s, TOCSIN_TOPIC_FILE_OPEN, 0), "process.user.id", -1), 0);
    assert_int_equal(
        tocsin_event_int(nth(s, TOCSIN_TOPIC_FILE_OPEN, 1), "process.user.id", -1),
        65534);
}

static void es_knows_a_process_that_has_lived_a_moment_only(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    tc_child_put(tc_scratch_in(s, "f"), "");
    assert_int_equal(tc_scratch_child(s, short_lived, tc_scratch_in(s, "f"), NULL), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_OPEN, 0);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, "process.name"), "cat");
}

static void es_reports_a_file_made_written_and_deleted(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;
    char text[8] = "";

    assert_int_equal(
        tc_scratch_child(s, tc_child_write, tc_scratch_in(s, "new"), "hello"), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, 0);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, "file.path"),
                        tc_scratch_in(s, "new"));
    assert_int_equal(tocsin_event_int(event, "file.size", -1), 5);
    assert_int_equal(pread(event->fd, text, 5, 0), 5);
    assert_string_equal(text, "hello");
    assert_string_equal(tc_harness_text(&s->h, event, "process.name"), "test_es_events");
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_CREATED, 0);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, "file.path"),
                        tc_scratch_in(s, "new"));
    assert_int_equal(tc_scratch_child(s, unlink_it, tc_scratch_in(s, "new"), NULL), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_DELETED, 0);
    assert_non_null(event);
    assert_string_equal(tc_harness_text(&s->h, event, "file.path"),
                        tc_scratch_in(s, "new"));
}

static void es_numbers_its_events_without_a_hole(void **state)
{
    struct tc_scratch *s = *state;

    for (int i = 0; i < 5; i++)
        assert_int_equal(tc_scratch_child(s, tc_child_write, tc_scratch_in(s, "f"), "x"),
                         0);
    for (size_t n = 0, expected = 1; n < s->h.count; n++) {
        const struct tocsin_event *event = tc_harness_event(&s->h, "file.open", n);

        if (!event)
            break;
        assert_true(tocsin_event_int(event, "event.sequence", -1) >= (int64_t)expected);
        expected = (size_t)tocsin_event_int(event, "event.sequence", -1) + 1;
    }
    assert_true(tc_scratch_stat(s, "sequence") >= 10); /* each asked, and written */
}

static void es_stamps_each_start_with_its_time(void **state)
{
    struct tc_scratch *s = *state;
    int64_t first, second;

    tc_child_put(tc_scratch_in(s, "f"), "");
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    first = tocsin_event_int(nth(s, TOCSIN_TOPIC_FILE_OPEN, 0), TOCSIN_FIELD_EPOCH, -1);
    assert_in_range(time(NULL) - first / 1000, 0, 60);
    assert_int_equal(tc_harness_stop(&s->h), 0);
    assert_int_equal(tc_harness_start(&s->h), 0);
    assert_int_equal(tc_scratch_child(s, tc_child_open, tc_scratch_in(s, "f"), NULL), 0);
    second = tocsin_event_int(nth(s, TOCSIN_TOPIC_FILE_OPEN, 1), TOCSIN_FIELD_EPOCH, -1);
    assert_true(second > first);
}

static void es_gives_a_key_to_what_blocks_nobody(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;

    assert_int_equal(tc_scratch_child(s, tc_child_write, tc_scratch_in(s, "f"), "x"), 0);
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_FILE_WRITTEN, 0);
    assert_non_null(event);
    assert_true(tocsin_event_int(event, TOCSIN_FIELD_DEDUPE_KEY, -1) > 0);
    event = nth(s, TOCSIN_TOPIC_FILE_OPEN, 0);
    assert_int_equal(tocsin_event_int(event, TOCSIN_FIELD_DEDUPE_KEY, -1), -1);
}

static void es_admits_a_gap_when_the_kernel_lost_names(void **state)
{
    struct tc_scratch *s = *state;
    const struct tocsin_event *event;
    char name[16];

    for (int i = 0; i < 20000; i++) { /* max_queued_events is 16384 */
        snprintf(name, sizeof(name), "%d", i);
        tc_child_put(tc_scratch_in(s, name), "");
    }
    event = tc_harness_await(&s->h, TOCSIN_TOPIC_SENSOR_GAP, 0);
    assert_non_null(event);
    assert_true(tocsin_event_int(event, "from", -1) > 0);
    assert_true(tocsin_event_int(event, "to", -1) >= tocsin_event_int(event, "from", -1));
    assert_int_equal(tc_scratch_stat(s, "gaps"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f)                                                                          \
    cmocka_unit_test_setup_teardown(f, tc_es_scratch_setup, tc_scratch_teardown)
        TEST(es_reports_all_about_the_file),
        TEST(es_reports_who_opens),
        TEST(es_sees_that_a_process_has_executed_something_else),
        TEST(es_sees_that_a_process_has_changed_its_user),
        TEST(es_knows_a_process_that_has_lived_a_moment_only),
        TEST(es_reports_a_file_made_written_and_deleted),
        TEST(es_numbers_its_events_without_a_hole),
        TEST(es_stamps_each_start_with_its_time),
        TEST(es_gives_a_key_to_what_blocks_nobody),
        TEST(es_admits_a_gap_when_the_kernel_lost_names),
#undef TEST
    };

    if (!tc_es_scratch_possible())
        return test_skipped();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
