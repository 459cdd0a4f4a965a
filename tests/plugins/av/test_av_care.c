/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin av where a quarantine is not possible at first, or its folder goes. */
#include "test_av_util.h"

#include <dirent.h>
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <tocsin/event.h>

#include "tests/support/harness.h"
#include "tests/support/skip.h"

#define PLUGIN TEST_PLUGIN_DIR "/tocsin_av.so"
#define BUILT_IN "rules=" TEST_SOURCE_DIR "/config/rules/yara"

struct fixture {
    struct tc_harness h;
    char *dir;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->dir = scratch_new();
    tc_harness_init(&f->h);
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

static struct tc_harness *run(struct fixture *f, const char *extra)
{
    const char *const options[] = {BUILT_IN, "quarantine_retry=100ms", extra, NULL};

    if (tc_harness_load(&f->h, PLUGIN, options) || tc_harness_start(&f->h))
        fail_msg("%s", f->h.why);
    return &f->h;
}

static const char *eicar_file(struct fixture *f, char path[PATH_MAX], const char *name)
{
    char text[EICAR_BYTES + 1];

    eicar(text);
    put_text(in(path, f->dir, name), text);
    return path;
}

static bool lock(const char *path, bool on)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), flags = 0, r;

    assert_true(fd >= 0);
    r = ioctl(fd, FS_IOC_GETFLAGS, &flags);
    flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    if (!r)
        r = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    close(fd);
    return !r;
}

static const char *remediated(struct tc_harness *h)
{
    const struct tocsin_event *event =
        tc_harness_await(h, TOCSIN_TOPIC_THREAT_REMEDIATED, 0);

    assert_non_null(event);
    return tc_harness_text(h, event, "detection.status");
}

static bool no_issue(struct tc_harness *h)
{
    return !tc_harness_reported(h, "not_quarantined");
}

/* Once told, once alerted, however often it is tried; and nobody has to open it. */
static void regress_av_quarantines_when_the_hindrance_is_over(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], folder[PATH_MAX];
    struct tc_harness *h;

    mkdir(in(folder, f->dir, "folder"), 0755);
    eicar_file(f, path, "folder/eicar");
    if (!lock(folder, true)) {
        test_skip("no immutable attribute here: %s", strerror(errno));
    }
    h = run(f, NULL);
    tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path);
    assert_string_equal(remediated(h), "failed");
    assert_non_null(tc_harness_reported(h, "not_quarantined"));
    assert_non_null(strstr(tc_harness_reported(h, "not_quarantined")->text, "immutable"));
    assert_true(lock(folder, false));
    assert_string_equal(remediated(h), "quarantined");
    assert_int_equal(access(path, F_OK), -1);
    assert_true(tc_harness_run(h, no_issue, TC_HARNESS_WAIT_MS));
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_THREAT_DETECTED), 1);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 1);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_THREAT_REMEDIATED), 2);
}

/* Nor is health to speak of what somebody has allowed. */
static void av_allowed_file_is_no_issue(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];
    uint8_t buf[128];
    struct tocsin_writer w;
    struct tc_harness *h;

    eicar_file(f, path, "eicar");
    if (!lock(path, true)) {
        test_skip("no immutable attribute here: %s", strerror(errno));
    }
    h = run(f, NULL);
    tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path);
    assert_string_equal(remediated(h), "failed");
    assert_false(no_issue(h));
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "sha256",
                   "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f");
    tocsin_end(&w);
    assert_non_null(tc_harness_await(h, TOCSIN_TOPIC_RPC_REPLY,
                                     tc_harness_publish(h, "rpc.av.allow", 0, -1, &w)));
    assert_true(no_issue(h));
    assert_true(lock(path, false));
}

static void av_takes_an_immutable_file_when_it_is_told_to(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX];
    struct tc_harness *h;

    eicar_file(f, path, "eicar");
    if (!lock(path, true)) {
        test_skip("no immutable attribute here: %s", strerror(errno));
    }
    h = run(f, "clear_immutable=true");
    tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path);
    assert_string_equal(remediated(h), "quarantined");
    assert_int_equal(access(path, F_OK), -1);
}

static const char *decision(struct tc_harness *h, const char *path)
{
    const struct tocsin_event *event = tc_harness_await(
        h, TOCSIN_TOPIC_VERDICT,
        tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path));

    assert_non_null(event);
    return tc_harness_text(h, event, "decision");
}

/* Larger than what is scanned of it. */
static void regress_av_restored_large_file_passes(void **state)
{
    struct fixture *f = *state;
    char path[PATH_MAX], rules[PATH_MAX], option[PATH_MAX + 16], id[64];
    uint8_t buf[128];
    static char large[3 * 4096] = "find-me";
    const char *const options[] = {option, "max_file_size=4096", NULL};
    const struct tocsin_event *event;
    struct tc_harness *h = &f->h;
    struct tocsin_writer w;

    put_text(in(rules, f->dir, "a.yar"),
             "rule a { strings: $a = \"find-me\" condition: $a }");
    snprintf(option, sizeof(option), "rules=%s", rules);
    if (tc_harness_load(h, PLUGIN, options) || tc_harness_start(h))
        fail_msg("%s", h->why);
    put_bytes(in(path, f->dir, "large"), large, sizeof(large));
    assert_string_equal(decision(h, path), "deny");
    event = tc_harness_await(h, TOCSIN_TOPIC_THREAT_REMEDIATED, 0);
    assert_non_null(event);
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, event, "detection.id"));
    assert_int_equal(access(path, F_OK), -1);

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "id", id);
    tocsin_end(&w);
    event = tc_harness_await(h, TOCSIN_TOPIC_RPC_REPLY,
                             tc_harness_publish(h, "rpc.av.restore", 0, -1, &w));
    assert_non_null(event);
    assert_string_equal(tc_harness_text(h, event, "status"), "restored");
    assert_string_equal(decision(h, path), "allow");
    assert_int_equal(access(path, F_OK), 0);
}

static bool folder_is_there(struct tc_harness *h)
{
    char path[PATH_MAX];

    return !access(in(path, h->dir, "quarantine"), F_OK) &&
           tc_harness_reported(h, "quarantine") != NULL;
}

static void regress_av_makes_the_quarantine_folder_again(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX];

    assert_int_equal(rmdir(in(path, h->dir, "quarantine")), 0);
    assert_true(tc_harness_run(h, folder_is_there, TC_HARNESS_WAIT_MS));
    assert_non_null(strstr(tc_harness_reported(h, "quarantine")->text, "removed"));
    eicar_file(f, path, "eicar");
    tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path);
    assert_string_equal(remediated(h), "quarantined");
    assert_int_equal(access(path, F_OK), -1);
}

/* What is one's goes at once, and nothing of anybody else's. */
static void av_removes_all_of_one_user(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;
    struct tocsin_writer w;
    char path[PATH_MAX], name[16];
    uint8_t buf[64];

    if (geteuid()) {
        test_skip("only root takes files of others");
    }
    for (uid_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "eicar-%u", i);
        eicar_file(f, path, name);
        assert_int_equal(chown(path, i < 2 ? 12 : 13, (gid_t)-1), 0);
        tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path);
        assert_string_equal(remediated(h), "quarantined");
    }
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "user_id", 12);
    tocsin_end(&w);
    reply = tc_harness_await(h, TOCSIN_TOPIC_RPC_REPLY,
                             tc_harness_publish(h, "rpc.av.remove", 0, -1, &w));
    assert_non_null(reply);
    assert_int_equal(tocsin_event_int(reply, "count", -1), 2);
    assert_string_equal(remediated(h), "removed");
    assert_string_equal(remediated(h), "removed");
    reply =
        tc_harness_await(h, TOCSIN_TOPIC_RPC_REPLY,
                         tc_harness_publish(h, "rpc.av.quarantine_list", 0, -1, NULL));
    assert_non_null(reply);
    assert_non_null(memmem(reply->data, reply->len, "eicar-2", 7));
    assert_null(memmem(reply->data, reply->len, "eicar-0", 7));
}

static size_t items(const struct tc_harness *h)
{
    char path[PATH_MAX];
    struct dirent **list;
    int n = scandir(in(path, h->dir, "quarantine"), &list, NULL, alphasort);

    for (int i = 0; i < n; i++)
        free(list[i]);
    free(list);
    return (size_t)n - 2;
}

/* Who fills his share of the quarantine is named in health, with what helps. */
static void regress_av_says_whose_share_is_full(void **state)
{
    struct fixture *f = *state;
    const struct tc_harness_report *issue;
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX], file[PATH_MAX], name[96];

    if (geteuid()) {
        test_skip("only root takes files of others");
    }
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof(name), "quarantine/%08d-0000-8000-8000-000000000000.tq", i);
        put_text(in(path, h->dir, name), "");
        assert_int_equal(chown(path, 12, (gid_t)-1), 0);
    }
    eicar_file(f, path, "eicar");
    assert_int_equal(chown(path, 12, (gid_t)-1), 0);
    tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, path);
    assert_string_equal(remediated(h), "failed");
    issue = tc_harness_reported(h, "not_quarantined");
    assert_non_null(issue);
    assert_non_null(strstr(issue->text, "user 12"));
    assert_non_null(strstr(issue->fix, "tocsin threat quarantine remove"));
    assert_int_equal(
        unlink(in(file, h->dir, "quarantine/00000000-0000-8000-8000-000000000000.tq")),
        0);
    assert_string_equal(remediated(h), "quarantined");
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(items(h), 1024);
    assert_true(tc_harness_run(h, no_issue, TC_HARNESS_WAIT_MS));
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(regress_av_quarantines_when_the_hindrance_is_over),
        TEST(av_allowed_file_is_no_issue),
        TEST(av_takes_an_immutable_file_when_it_is_told_to),
        TEST(regress_av_restored_large_file_passes),
        TEST(regress_av_makes_the_quarantine_folder_again),
        TEST(av_removes_all_of_one_user),
        TEST(regress_av_says_whose_share_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
