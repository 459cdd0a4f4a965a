/* SPDX-License-Identifier: Apache-2.0 */
/* The lower level: all of it in a child that is nobody, as it cannot be undone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/harness.h"

#include "tests/support/skip.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALARM_S 60

struct place {
    struct tc_harness h;
    char root[64], path[160];
};

static const char *at(struct place *p, const char *name)
{
    snprintf(p->path, sizeof(p->path), "%s/%s", p->root, name);
    return p->path;
}

static void put(struct place *p, const char *name, const char *text)
{
    int fd = open(at(p, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static bool nobody_is_agent(struct tc_harness *h, int32_t pid)
{
    (void)h;
    (void)pid;
    return false; /* so that this process's own operations are reported */
}

/* Loads as root, as the loader wants the file to be root's, then gives root up. */
static int setup(void **state)
{
    static struct place place;
    char watch[80];
    const char *options[] = {watch, NULL};

    strcpy(place.root, "/tmp/tocsin-es-XXXXXX");
    assert_non_null(mkdtemp(place.root));
    assert_int_equal(mkdir(at(&place, "old"), 0777), 0);
    snprintf(watch, sizeof(watch), "watch=%s", place.root);
    tc_harness_init(&place.h);
    place.h.is_agent = nobody_is_agent;
    if (tc_harness_load(&place.h, TEST_PLUGIN_DIR "/tocsin_es.so", options))
        fail_msg("%s", place.h.why);
    assert_int_equal(chown(place.root, 65534, 65534), 0);
    assert_int_equal(chown(at(&place, "old"), 65534, 65534), 0);
    assert_int_equal(chown(place.h.env.state_dir, 65534, 65534), 0); /* its canary's */
    assert_int_equal(seteuid(65534), 0);
    *state = &place;
    if (tc_harness_start(&place.h)) {
        print_message("es did not start: %s\n", place.h.why);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char command[128];

    tc_harness_unload(&p->h);
    assert_int_equal(seteuid(0), 0);
    tc_harness_done(&p->h);
    snprintf(command, sizeof(command), "rm -rf %s", p->root);
    return system(command);
}

static const struct tocsin_event *await_path(struct place *p, const char *topic,
                                             const char *path)
{
    const struct tocsin_event *event;

    do {
        event = tc_harness_await(&p->h, topic, 0);
        assert_non_null(event);
    } while (strcmp(tc_harness_text(&p->h, event, "file.path"), path) != 0);
    return event;
}

static void es_says_that_it_only_detects_without_privilege(void **state)
{
    struct place *p = *state;
    const struct tc_harness_report *report;

    report = tc_harness_reported(&p->h, "sensor_mechanism");
    assert_non_null(report);
    assert_string_equal(report->text, "fanotify_notify");
    report = tc_harness_reported(&p->h, "detect_only");
    assert_non_null(report);
    assert_int_equal(report->what, TOCSIN_REPORT_ISSUE);
    assert_string_equal(report->fix, "run the agent as root");
}

static void es_reports_writes_without_privilege(void **state)
{
    struct place *p = *state;
    const struct tocsin_event *event;
    char text[8] = "";

    put(p, "old/f", "hello");
    event = await_path(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, "old/f"));
    assert_int_equal(tocsin_event_int(event, "file.size", -1), 5);
    assert_int_equal(pread(event->fd, text, 5, 0), 5);
    assert_string_equal(text, "hello");
}

static void es_reports_renames_and_deletions_without_privilege(void **state)
{
    struct place *p = *state;
    const struct tocsin_event *event;
    char from[160];

    put(p, "old/f", "hello");
    strcpy(from, at(p, "old/f"));
    assert_int_equal(rename(from, at(p, "g")), 0);
    event = await_path(p, TOCSIN_TOPIC_FILE_RENAMED, at(p, "g"));
    assert_string_equal(tc_harness_text(&p->h, event, "file.old_path"), from);
    assert_int_equal(unlink(at(p, "g")), 0);
    (void)await_path(p, TOCSIN_TOPIC_FILE_DELETED, at(p, "g"));
}

static void es_follows_new_folders_without_privilege(void **state)
{
    struct place *p = *state;

    assert_int_equal(mkdir(at(p, "new"), 0777), 0);
    assert_int_equal(mkdir(at(p, "new/deep"), 0777), 0);
    put(p, "new/deep/early", "x"); /* before it is marked, perhaps */
    (void)await_path(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, "new/deep/early"));
    put(p, "new/deep/late", "x");
    (void)await_path(p, TOCSIN_TOPIC_FILE_WRITTEN, at(p, "new/deep/late"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        TEST(es_says_that_it_only_detects_without_privilege),
        TEST(es_reports_writes_without_privilege),
        TEST(es_reports_renames_and_deletions_without_privilege),
        TEST(es_follows_new_folders_without_privilege),
#undef TEST
    };

    alarm(ALARM_S);
    if (geteuid()) {
        print_message("skipped: the loader wants plugins that are root's\n");
        return test_skipped();
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
