/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin av, when another detector asks it to put a file into quarantine. */
#include "test_av_util.h"

#include <tocsin/event.h>

#include "tests/support/harness.h"

#define PLUGIN TEST_PLUGIN_DIR "/tocsin_av.so"
#define BUILT_IN "rules=" TEST_SOURCE_DIR "/config/rules/yara"
#define CONTENT "#!/bin/sh\necho nothing that any rule knows\n"
#define OTHER_HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct fixture {
    struct tc_harness h;
    char *dir, path[PATH_MAX];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->dir = scratch_new();
    tc_harness_init(&f->h);
    put_text(in(f->path, f->dir, "program"), CONTENT);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    tc_harness_done(&f->h);
    scratch_free(f->dir);
    free(f);
    return 0;
}

static struct tc_harness *run(struct fixture *f, const char *option)
{
    const char *const options[] = {BUILT_IN, option, NULL};

    if (tc_harness_load(&f->h, PLUGIN, options) || tc_harness_start(&f->h))
        fail_msg("%s", f->h.why);
    return &f->h;
}

static const struct tocsin_event *request(struct tc_harness *h, int fd, const char *hash)
{
    const struct tocsin_event *event;
    struct tocsin_writer w;
    uint8_t buf[1024];
    uint64_t id;

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", "an-alert");
    tocsin_put_str(&w, "severity", "critical");
    tocsin_end(&w);
    tocsin_begin_map(&w, "rule");
    tocsin_put_str(&w, "id", "a-rule");
    tocsin_put_str(&w, "name", "Something odd");
    tocsin_end(&w);
    if (hash) {
        tocsin_begin_map(&w, "file");
        tocsin_begin_map(&w, "hash");
        tocsin_put_str(&w, "sha256", hash);
        tocsin_end(&w);
        tocsin_end(&w);
    }
    tocsin_end(&w);
    id = tc_harness_publish(h, TOCSIN_TOPIC_QUARANTINE_REQUESTED, 0, fd, &w);
    event = tc_harness_await(h, TOCSIN_TOPIC_QUARANTINE_DONE, id);
    assert_non_null(event);
    return event;
}

static void assert_refused(struct fixture *f, const struct tocsin_event *done,
                           const char *status, const char *reason)
{
    assert_string_equal(tc_harness_text(&f->h, done, "status"), status);
    assert_non_null(strstr(tc_harness_text(&f->h, done, "reason"), reason));
    assert_int_equal(access(f->path, F_OK), 0);
    assert_int_equal(tc_harness_count(&f->h, TOCSIN_TOPIC_THREAT_REMEDIATED), 0);
}

static void av_quarantines_what_it_is_asked_to(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *done = request(h, open_ro(f->path), NULL), *threat;
    char id[64];

    assert_string_equal(tc_harness_text(h, done, "status"), "quarantined");
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, done, "detection.id"));
    assert_int_equal(access(f->path, F_OK), -1);
    threat = tc_harness_event(h, TOCSIN_TOPIC_THREAT_DETECTED, 0);
    assert_non_null(threat);
    assert_string_equal(tc_harness_text(h, threat, "detection.id"), id);
    assert_string_equal(tc_harness_text(h, threat, "detection.name"), "Something odd");
    assert_string_equal(tc_harness_text(h, threat, "detection.severity"), "critical");
    assert_string_equal(tc_harness_text(h, threat, "rule.id"), "a-rule");
    assert_string_equal(tc_harness_text(h, threat, "alert.id"), "an-alert");
    assert_string_equal(tc_harness_text(h, threat, "file.path"), f->path);
    threat = tc_harness_event(h, TOCSIN_TOPIC_THREAT_REMEDIATED, 0);
    assert_non_null(threat);
    assert_string_equal(tc_harness_text(h, threat, "detection.id"), id);
    /* Whoever asks has raised the alert. */
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 0);
}

static void av_takes_nothing_in_passive_mode(void **state)
{
    struct fixture *f = *state;

    f->h.passive = true;
    run(f, NULL);
    assert_refused(f, request(&f->h, open_ro(f->path), NULL), "passive", "only detects");
}

static void av_takes_nothing_where_quarantine_is_off(void **state)
{
    struct fixture *f = *state;

    run(f, "quarantine=false");
    assert_refused(f, request(&f->h, open_ro(f->path), NULL), "refused",
                   "plugins.av.quarantine");
}

static int excluded(struct tc_harness *h, const char *path, const char *executable)
{
    (void)h;
    (void)executable;
    return path && strstr(path, "/program") ? TOCSIN_EXCLUDED_BY_PATH
                                            : TOCSIN_NOT_EXCLUDED;
}

static void av_takes_nothing_that_is_excluded(void **state)
{
    struct fixture *f = *state;

    f->h.excluded = excluded;
    run(f, NULL);
    assert_refused(f, request(&f->h, open_ro(f->path), NULL), "refused", "excluded");
}

static void av_takes_nothing_that_is_on_an_allow_list(void **state)
{
    struct fixture *f = *state;
    char list[PATH_MAX], option[PATH_MAX + 32], hash[80];
    const struct tocsin_event *threat;

    /* A first run shows which hash it has. */
    run(f, NULL);
    request(&f->h, open_ro(f->path), NULL);
    threat = tc_harness_event(&f->h, TOCSIN_TOPIC_THREAT_DETECTED, 0);
    snprintf(hash, sizeof(hash), "%s\n",
             tc_harness_text(&f->h, threat, TOCSIN_FIELD_FILE_SHA256));
    tc_harness_done(&f->h);
    tc_harness_init(&f->h);
    put_text(in(list, f->dir, "list"), hash);
    put_text(f->path, CONTENT);
    snprintf(option, sizeof(option), "allow_list=%s", list);
    run(f, option);
    assert_refused(f, request(&f->h, open_ro(f->path), NULL), "refused", "allow list");
}

static void av_takes_no_other_file_than_the_one_that_is_meant(void **state)
{
    struct fixture *f = *state;

    run(f, NULL);
    assert_refused(f, request(&f->h, open_ro(f->path), OTHER_HASH), "failed",
                   "another one");
}

static void av_takes_no_folder_and_nothing_without_a_descriptor(void **state)
{
    struct fixture *f = *state;

    run(f, NULL);
    assert_refused(f, request(&f->h, open_ro(f->dir), NULL), "failed", "no regular file");
    assert_refused(f, request(&f->h, -1, NULL), "failed", "descriptor");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(av_quarantines_what_it_is_asked_to),
        TEST(av_takes_nothing_in_passive_mode),
        TEST(av_takes_nothing_where_quarantine_is_off),
        TEST(av_takes_nothing_that_is_excluded),
        TEST(av_takes_nothing_that_is_on_an_allow_list),
        TEST(av_takes_no_other_file_than_the_one_that_is_meant),
        TEST(av_takes_no_folder_and_nothing_without_a_descriptor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
