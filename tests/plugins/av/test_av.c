/* SPDX-License-Identifier: Apache-2.0 */
/* Plugin av as the agent runs it: questions, threats, requests. */
#include "test_av_util.h"

#include <sys/mman.h>
#include <tocsin/event.h>

#include "tests/support/harness.h"

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

static struct tc_harness *run(struct fixture *f, const char *const *options)
{
    const char *const built_in[] = {BUILT_IN, NULL};

    if (tc_harness_load(&f->h, PLUGIN, options ? options : built_in) ||
        tc_harness_start(&f->h))
        fail_msg("%s", f->h.why);
    return &f->h;
}

/* Until its change time is long ago as clocks go: verdicts on it are kept. */
static void settle(const char *path)
{
    struct timespec now;
    struct stat st;

    stat(path, &st);
    do
        clock_gettime(CLOCK_REALTIME, &now);
    while ((now.tv_sec - st.st_ctim.tv_sec) * 1000000000 + now.tv_nsec -
               st.st_ctim.tv_nsec <
           25000000);
}

static const char *settled_file(struct fixture *f, char path[PATH_MAX], const char *name,
                                const void *data, size_t len)
{
    put_bytes(in(path, f->dir, name), data, len);
    settle(path);
    return path;
}

static const char *eicar_file(struct fixture *f, char path[PATH_MAX], const char *name)
{
    char text[EICAR_BYTES + 1];

    eicar(text);
    return settled_file(f, path, name, text, EICAR_BYTES);
}

static uint64_t ask(struct tc_harness *h, const char *topic, const char *path)
{
    return tc_harness_publish_file(h, topic, TOCSIN_EVENT_AUTH, path);
}

static const struct tocsin_event *verdict(struct tc_harness *h, uint64_t id)
{
    const struct tocsin_event *event = tc_harness_await(h, TOCSIN_TOPIC_VERDICT, id);

    assert_non_null(event);
    return event;
}

static const char *decision(struct tc_harness *h, uint64_t id)
{
    return tc_harness_text(h, verdict(h, id), "decision");
}

static const struct tocsin_event *await(struct tc_harness *h, const char *topic)
{
    const struct tocsin_event *event = tc_harness_await(h, topic, 0);

    assert_non_null(event);
    return event;
}

static const struct tocsin_event *call(struct tc_harness *h, const char *topic,
                                       const struct tocsin_writer *w)
{
    const struct tocsin_event *event = tc_harness_await(
        h, TOCSIN_TOPIC_RPC_REPLY, tc_harness_publish(h, topic, 0, -1, w));

    assert_non_null(event);
    return event;
}

static const struct tocsin_event *call_text(struct tc_harness *h, const char *topic,
                                            const char *key, const char *value,
                                            const char *to)
{
    struct tocsin_writer w;
    uint8_t buf[PATH_MAX + 256];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, key, value);
    if (to)
        tocsin_put_str(&w, "to", to);
    tocsin_end(&w);
    return call(h, topic, &w);
}

static uint64_t stat_of(struct tc_harness *h, const char *name)
{
    const struct tocsin_event *reply = call(h, "rpc.av.stats", NULL);
    int64_t n = tocsin_event_int(reply, name, -1);

    assert_true(n >= 0);
    return (uint64_t)n;
}

static void av_denies_reports_once_and_quarantines(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *detected, *alert, *remediated;
    char path[PATH_MAX], id[64];
    uint64_t first;

    eicar_file(f, path, "eicar");
    first = ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    assert_string_equal(decision(h, first), "deny");
    detected = await(h, TOCSIN_TOPIC_THREAT_DETECTED);
    alert = await(h, TOCSIN_TOPIC_ALERT_RAISED);
    remediated = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, detected, "detection.id"));
    assert_int_equal(strlen(id), 36);
    assert_string_equal(tc_harness_text(h, detected, "detection.name"),
                        "EICAR-Test-File");
    assert_string_equal(tc_harness_text(h, detected, "detection.status"), "detected");
    assert_string_equal(tc_harness_text(h, detected, "detection.action"), "quarantine");
    assert_string_equal(tc_harness_text(h, detected, "file.path"), path);
    assert_string_equal(tc_harness_text(h, detected, "rule.name"), "EICAR_Test_File");
    assert_string_equal(tc_harness_text(h, detected, "file.hash.sha256"),
                        "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651"
                        "fd0f");
    assert_int_equal(tocsin_event_int(detected, "process.pid", 0), getpid());
    assert_string_equal(tc_harness_text(h, alert, "alert.category"), "malware");
    assert_string_equal(tc_harness_text(h, alert, "detection.id"), id);
    assert_string_equal(tc_harness_text(h, remediated, "detection.id"), id);
    assert_string_equal(tc_harness_text(h, remediated, "detection.status"),
                        "quarantined");
    assert_int_equal(access(path, F_OK), -1);
}

static void av_open_exec_and_write_of_one_file_are_one_threat(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX];
    uint64_t a, b;

    eicar_file(f, path, "eicar");
    tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_WRITTEN, 0, path);
    a = ask(h, TOCSIN_TOPIC_FILE_EXEC, path);
    b = ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    assert_string_equal(decision(h, a), "deny");
    assert_string_equal(decision(h, b), "deny");
    await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    tc_harness_settle(h);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_THREAT_DETECTED), 1);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 1);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_THREAT_REMEDIATED), 1);
}

static void av_second_link_goes_into_the_same_threat(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *detected;
    char path[PATH_MAX], second[PATH_MAX], id[64];

    eicar_file(f, path, "eicar");
    assert_int_equal(link(path, in(second, f->dir, "second")), 0);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "deny");
    detected = await(h, TOCSIN_TOPIC_THREAT_DETECTED);
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, detected, "detection.id"));
    await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, second)), "deny");
    detected = await(h, TOCSIN_TOPIC_THREAT_DETECTED);
    assert_string_equal(tc_harness_text(h, detected, "detection.id"), id);
    assert_string_equal(tc_harness_text(h, detected, "file.path"), second);
    await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    assert_int_equal(access(second, F_OK), -1);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 1);
    assert_int_equal(stat_of(h, "links_removed"), 1);
}

static void av_same_malware_dropped_again_is_another_threat(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX];

    for (int i = 0; i < 3; i++) {
        eicar_file(f, path, "eicar");
        assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "deny");
        await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
        assert_int_equal(access(path, F_OK), -1);
    }
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 3);
}

static void av_allows_a_clean_file_and_answers_the_next_from_the_cache(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *v;
    char path[PATH_MAX];

    settled_file(f, path, "clean", "nothing here", 12);
    v = verdict(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path));
    assert_string_equal(tc_harness_text(h, v, "decision"), "allow");
    assert_true(tocsin_find_bool(v->data, v->len, "cacheable", false));
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_EXEC, path)), "allow");
    assert_int_equal(stat_of(h, "scanned"), 1);
    assert_int_equal(stat_of(h, "answered_from_cache"), 1);
    /* Another content of the same length: another change time, another scan. */
    settled_file(f, path, "clean", "NOTHING HERE", 12);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    assert_int_equal(stat_of(h, "scanned"), 2);
}

static void av_does_not_cache_a_file_written_this_moment(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *v;
    char path[PATH_MAX];

    put_text(in(path, f->dir, "fresh"), "nothing here");
    v = verdict(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path));
    assert_string_equal(tc_harness_text(h, v, "decision"), "allow");
    assert_false(tocsin_find_bool(v->data, v->len, "cacheable", true));
}

static void
regress_av_does_not_remember_an_empty_file_that_was_made_this_moment(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *v;
    char path[PATH_MAX];

    put_text(in(path, f->dir, "empty"), "");
    v = verdict(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path));
    assert_string_equal(tc_harness_text(h, v, "decision"), "allow");
    assert_false(tocsin_find_bool(v->data, v->len, "cacheable", true));
    settled_file(f, path, "old", "", 0);
    v = verdict(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path));
    assert_true(tocsin_find_bool(v->data, v->len, "cacheable", false));
}

/* Whoever can still write to it can do so without changing its times. */
static void av_does_not_answer_by_what_it_knows_while_somebody_can_write(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX];
    int fd;

    settled_file(f, path, "clean", "nothing here", 12);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    for (int i = 0; i < 2; i++)
        assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    assert_int_equal(stat_of(h, "answered_from_cache"), 0);
    close(fd);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    assert_int_equal(stat_of(h, "answered_from_cache"), 1);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    assert_int_equal(stat_of(h, "answered_from_cache"), 1);
    close(fd);
}

/* The page is dirty already when the file is judged: what follows changes no times. */
static void regress_av_reads_a_mapped_file_again_when_it_is_closed(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX], text[EICAR_BYTES + 1], *map;
    struct stat before, after;
    int fd;

    eicar(text);
    put_bytes(in(path, f->dir, "mapped"), text + 1, EICAR_BYTES);
    fd = open(path, O_RDWR | O_CLOEXEC);
    map = mmap(NULL, EICAR_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    close(fd);
    map[1] = 'x';
    settle(path);
    stat(path, &before);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    memcpy(map, text, EICAR_BYTES);
    munmap(map, EICAR_BYTES);
    stat(path, &after);
    assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
    tc_harness_publish_file(h, TOCSIN_TOPIC_FILE_WRITTEN, 0, path);
    await(h, TOCSIN_TOPIC_THREAT_DETECTED);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "deny");
}

/* The close is known to the sensor, and to the detector only later: questions go first.
 */
static void av_does_not_answer_by_what_it_read_before_the_last_close(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX];
    uint64_t id;

    settled_file(f, path, "clean", "nothing here", 12);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    assert_int_equal(stat_of(h, "scanned"), 1);
    id = tc_harness_publish(h, "test.nothing", 0, -1, NULL);
    h->written_event = id;
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    assert_int_equal(stat_of(h, "scanned"), 2);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    assert_int_equal(stat_of(h, "scanned"), 2); /* read since */
}

static void av_remembers_nothing_of_a_served_file_system(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *v;
    char path[PATH_MAX];

    settled_file(f, path, "clean", "nothing here", 12);
    h->served = true;
    for (int i = 0; i < 2; i++) {
        v = verdict(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path));
        assert_string_equal(tc_harness_text(h, v, "decision"), "allow");
        assert_false(tocsin_find_bool(v->data, v->len, "cacheable", true));
    }
    assert_int_equal(stat_of(h, "scanned"), 2);
}

/* verdict.on_timeout then says what is done. */
static void av_abstains_from_what_it_cannot_read(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);

    assert_string_equal(decision(h, tc_harness_publish(h, TOCSIN_TOPIC_FILE_OPEN,
                                                       TOCSIN_EVENT_AUTH, -1, NULL)),
                        "abstain");
}

static void av_questions_about_one_large_file_share_a_scan(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    size_t len = 3 << 20;
    char path[PATH_MAX], *data = calloc(1, len);
    uint64_t ids[20];

    settled_file(f, path, "large", data, len);
    free(data);
    for (int i = 0; i < 20; i++)
        ids[i] = ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    for (int i = 0; i < 20; i++)
        assert_string_equal(decision(h, ids[i]), "allow");
    assert_int_equal(stat_of(h, "scanned"), 1);
}

static void av_scans_files_larger_than_a_turn_in_order(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    size_t len = 5 << 20;
    char path[PATH_MAX], name[16], *data = calloc(1, len);
    uint64_t ids[5];

    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "big-%d", i);
        put_bytes(in(path, f->dir, name), data, len);
        ids[i] = ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    }
    free(data);
    for (int i = 0; i < 5; i++)
        assert_string_equal(decision(h, ids[i]), "allow");
}

static void av_passive_mode_reports_and_touches_nothing(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = &f->h;
    const struct tocsin_event *v, *detected;
    char path[PATH_MAX];

    h->passive = true;
    run(f, NULL);
    eicar_file(f, path, "eicar");
    v = verdict(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path));
    assert_string_equal(tc_harness_text(h, v, "decision"), "allow");
    assert_false(tocsin_find_bool(v->data, v->len, "cacheable", true));
    detected = await(h, TOCSIN_TOPIC_THREAT_DETECTED);
    assert_string_equal(tc_harness_text(h, detected, "detection.action"), "none");
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_THREAT_DETECTED), 1);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_THREAT_REMEDIATED), 0);
    assert_int_equal(access(path, F_OK), 0);
}

static int exclude_all(struct tc_harness *h, const char *path, const char *executable)
{
    (void)h;
    (void)executable;
    return path && strstr(path, "eicar") ? TOCSIN_EXCLUDED_BY_PATH : TOCSIN_NOT_EXCLUDED;
}

static void av_ignores_excluded_files(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = &f->h;
    const struct tocsin_event *reply;
    char path[PATH_MAX];

    h->excluded = exclude_all;
    run(f, NULL);
    eicar_file(f, path, "eicar");
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    reply = call_text(h, "rpc.av.scan", "path", f->dir, NULL);
    assert_int_equal(tocsin_event_int(reply, "threats", -1), 0);
    assert_int_equal(tocsin_event_int(reply, "skipped", -1), 1);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_THREAT_DETECTED), 0);
    assert_int_equal(access(path, F_OK), 0);
}

static void av_written_file_without_descriptor_is_scanned_by_its_path(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    struct tocsin_writer w;
    uint8_t buf[PATH_MAX + 64];
    char path[PATH_MAX];

    eicar_file(f, path, "eicar");
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", path);
    tocsin_end(&w);
    tocsin_end(&w);
    tc_harness_publish(h, TOCSIN_TOPIC_FILE_RENAMED, 0, -1, &w);
    await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    assert_int_equal(access(path, F_OK), -1);
}

/* Publishes a question about `path` with a copy of it, as of a served file. */
static uint64_t ask_served(struct tc_harness *h, const char *path, int fd)
{
    struct tocsin_writer w;
    uint8_t buf[PATH_MAX + 256];
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "file");
    tocsin_put_str(&w, "path", path);
    tocsin_put_bool(&w, "served", true);
    tocsin_put_uint(&w, "device", st.st_dev);
    tocsin_put_uint(&w, "inode", st.st_ino);
    tocsin_put_uint(&w, "size", (uint64_t)st.st_size);
    tocsin_put_uint(&w, "ctime", (uint64_t)st.st_ctim.tv_sec * 1000000000u);
    tocsin_end(&w);
    tocsin_end(&w);
    return tc_harness_publish(h, TOCSIN_TOPIC_FILE_OPEN, TOCSIN_EVENT_AUTH, fd, &w);
}

static int copy_of(const char *text, size_t len)
{
    int fd = memfd_create("copy", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    return fd;
}

/* By the copy alone: what is at the path says something else, and stays as it is. */
static void av_judges_the_copy_of_a_served_file_and_leaves_the_file(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *event;
    char path[PATH_MAX], text[EICAR_BYTES + 1];
    uint64_t id;

    eicar(text);
    settled_file(f, path, "served", "clean, for who opens it", EICAR_BYTES / 3);
    for (int i = 0; i < 2; i++) {
        id = ask_served(h, path, copy_of(text, EICAR_BYTES));
        assert_string_equal(decision(h, id), "deny");
    }
    event = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    assert_string_equal(tc_harness_text(h, event, "detection.status"), "failed");
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_THREAT_DETECTED), 1);
    assert_int_equal(access(path, F_OK), 0);

    /* Nothing is remembered of it. */
    id = ask_served(h, path, copy_of("clean", 5));
    event = verdict(h, id);
    assert_string_equal(tc_harness_text(h, event, "decision"), "allow");
    assert_false(tocsin_find_bool(event->data, event->len, "cacheable", true));
    assert_int_equal(stat_of(h, "answered_from_cache"), 0);
}

/* Whoever opened it by its path might wait for its server without end. */
static void av_never_opens_a_served_file(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX];

    eicar_file(f, path, "eicar");
    assert_string_equal(decision(h, ask_served(h, path, -1)), "abstain");
    assert_int_equal(stat_of(h, "unknown"), 1);
    assert_int_equal(access(path, F_OK), 0);
}

static void av_restored_file_is_back_and_passes_from_then_on(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;
    struct tocsin_value items;
    char path[PATH_MAX], id[64];

    eicar_file(f, path, "eicar");
    ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    reply = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, reply, "detection.id"));
    reply = call(h, "rpc.av.quarantine_list", NULL);
    assert_true(tocsin_find(reply->data, reply->len, "items", &items));
    assert_int_equal(items.count, 1);

    reply = call_text(h, "rpc.av.restore", "id", id, NULL);
    assert_string_equal(tc_harness_text(h, reply, "status"), "restored");
    assert_string_equal(tc_harness_text(h, reply, "path"), path);
    reply = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    assert_string_equal(tc_harness_text(h, reply, "detection.status"), "restored");
    assert_int_equal(access(path, F_OK), 0);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");

    reply = call_text(h, "rpc.av.restore", "id", id, NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "not_found");
    /* And it stays so over a restart. */
    assert_int_equal(tc_harness_stop(h), 0);
    assert_int_equal(tc_harness_start(h), 0);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
}

static void av_refused_restore_does_not_allow_the_file(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;
    char path[PATH_MAX], id[64];

    eicar_file(f, path, "eicar");
    ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    reply = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, reply, "detection.id"));
    put_text(path, "in the way");
    reply = call_text(h, "rpc.av.restore", "id", id, NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "refused");
    call(h, "rpc.av.reload", NULL);
    eicar_file(f, path, "other");
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "deny");
}

static void av_removed_file_is_gone_for_good(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;
    struct tocsin_value items;
    char path[PATH_MAX], id[64];

    eicar_file(f, path, "eicar");
    ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    reply = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, reply, "detection.id"));
    reply = call_text(h, "rpc.av.remove", "id", id, NULL);
    assert_string_equal(tc_harness_text(h, reply, "status"), "removed");
    reply = call(h, "rpc.av.quarantine_list", NULL);
    assert_true(tocsin_find(reply->data, reply->len, "items", &items));
    assert_int_equal(items.count, 0);
    reply = call_text(h, "rpc.av.remove", "id", "../../etc/passwd", NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "not_found");
}

static void av_allowed_hash_passes(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;
    char path[PATH_MAX];

    reply = call_text(h, "rpc.av.allow", "sha256",
                      "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f",
                      NULL);
    assert_string_equal(tc_harness_text(h, reply, "status"), "allowed");
    eicar_file(f, path, "eicar");
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    reply = call_text(h, "rpc.av.allow", "sha256", "short", NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "usage");
}

/* It was in force only when all rules and lists had been read again. */
static void regress_a_hash_that_is_allowed_no_longer_is_refused_at_once(void **state)
{
    static const char hash[] =
        "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f";
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;
    char path[PATH_MAX];

    call_text(h, "rpc.av.allow", "sha256", hash, NULL);
    eicar_file(f, path, "eicar");
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    reply = call_text(h, "rpc.av.disallow", "sha256", hash, NULL);
    assert_string_equal(tc_harness_text(h, reply, "status"), "removed");
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "deny");
    reply = call_text(h, "rpc.av.disallow", "sha256", hash, NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "not_found");
}

/* A refused restore has the lists read again; that once ended after the next restore. */
static void regress_restore_right_after_a_refused_one_is_allowed(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *event;
    char path[PATH_MAX], name[32], id[64], text[EICAR_BYTES + 32];

    for (int i = 0; i < 20; i++) {
        /* Each with white space of its own at the end: another hash. */
        snprintf(name, sizeof(name), "eicar%d", i);
        eicar(text);
        memset(text + EICAR_BYTES, ' ', (size_t)i);
        settled_file(f, path, name, text, EICAR_BYTES + (size_t)i);
        ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
        event = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
        assert_string_equal(tc_harness_text(h, event, "detection.status"), "quarantined");
        snprintf(id, sizeof(id), "%s", tc_harness_text(h, event, "detection.id"));
        put_text(path, "in the way");
        event = call_text(h, "rpc.av.restore", "id", id, NULL);
        assert_string_equal(tc_harness_text(h, event, "code"), "refused");
        assert_int_equal(unlink(path), 0);
        event = call_text(h, "rpc.av.restore", "id", id, NULL);
        assert_string_equal(tc_harness_text(h, event, "status"), "restored");
        assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
        event = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
        assert_string_equal(tc_harness_text(h, event, "detection.status"), "restored");
    }
}

static void av_scan_finds_and_quarantines_below_a_folder(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;
    struct tocsin_value items, item;
    struct tocsin_iter it;
    char path[PATH_MAX], outside[PATH_MAX], name[32];
    int n = 0;

    mkdir(in(path, f->dir, "tree"), 0755);
    mkdir(in(path, f->dir, "tree/sub"), 0755);
    mkdir(in(path, f->dir, "outside"), 0755);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "tree/sub/clean-%d", i);
        put_text(in(path, f->dir, name), "clean");
    }
    eicar_file(f, outside, "outside/eicar");
    assert_int_equal(
        symlink(in(path, f->dir, "outside"), in(outside, f->dir, "tree/link")), 0);
    eicar_file(f, path, "tree/one");
    eicar_file(f, path, "tree/sub/two");
    reply = call_text(h, "rpc.av.scan", "path", in(path, f->dir, "tree"), NULL);
    assert_int_equal(tocsin_event_int(reply, "files", -1), 32);
    assert_int_equal(tocsin_event_int(reply, "threats", -1), 2);
    assert_int_equal(tocsin_event_int(reply, "errors", -1), 0);
    assert_int_equal(tocsin_event_int(reply, "skipped", -1), 1);
    assert_true(tocsin_find(reply->data, reply->len, "items", &items));
    tocsin_iter_init(&it, &items);
    while (tocsin_iter_next(&it, NULL, &item)) {
        struct tocsin_str status =
            tocsin_find_str(item.start, tocsin_value_size(&item), "status");

        assert_true(tocsin_str_is(status, "quarantined"));
        n++;
    }
    assert_int_equal(n, 2);
    assert_int_equal(access(in(path, f->dir, "tree/one"), F_OK), -1);
    assert_int_equal(access(in(path, f->dir, "outside/eicar"), F_OK), 0);
    assert_int_equal(tc_harness_count(h, TOCSIN_TOPIC_ALERT_RAISED), 2);
}

static void av_scan_of_nothing_is_refused_with_a_sentence(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;

    reply = call_text(h, "rpc.av.scan", "path", "/nonexistent/x", NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "not_found");
    reply = call_text(h, "rpc.av.scan", "path", "relative", NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "usage");
    reply = call_text(h, "rpc.av.scan", "path", "/proc", NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "refused");
    reply = call_text(h, "rpc.av.nonsense", "path", "x", NULL);
    assert_string_equal(tc_harness_text(h, reply, "code"), "unknown_method");
}

static void av_scan_reports_its_progress_and_ends_when_cancelled(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;
    struct tocsin_writer w;
    uint8_t buf[256];
    uint64_t id;

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "path", "/usr");
    tocsin_end(&w);
    id = tc_harness_publish(h, "rpc.av.scan", 0, -1, &w);
    reply = tc_harness_await(h, TOCSIN_TOPIC_RPC_PROGRESS, id);
    assert_non_null(reply);
    assert_true(tocsin_event_int(reply, "files", 0) > 0);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "call", id);
    tocsin_end(&w);
    reply = call(h, "rpc.av.cancel", &w);
    assert_int_equal(tocsin_event_int(reply, "cancelled", -1), 1);
    reply = tc_harness_await(h, TOCSIN_TOPIC_RPC_REPLY, id);
    assert_non_null(reply);
    assert_true(tocsin_find_bool(reply->data, reply->len, "cancelled", false));
}

static void av_stops_in_the_middle_of_scans_and_answers_all(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    size_t len = 6 << 20;
    char path[PATH_MAX], name[16], *data = calloc(1, len);
    struct tocsin_writer w;
    uint8_t buf[256];
    uint64_t ids[6];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "path", "/usr");
    tocsin_end(&w);
    tc_harness_publish(h, "rpc.av.scan", 0, -1, &w);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "big-%d", i);
        put_bytes(in(path, f->dir, name), data, len);
        ids[i] = ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    }
    free(data);
    tc_harness_settle(h);
    assert_int_equal(tc_harness_stop(h), 0);
    for (int i = 0; i < 6; i++) { /* what was scanned by then, or was not */
        const char *answer = decision(h, ids[i]);

        assert_true(!strcmp(answer, "allow") || !strcmp(answer, "abstain"));
    }
}

static void av_takes_new_rules_by_itself_and_resets_verdicts(void **state)
{
    struct fixture *f = *state;
    char option[PATH_MAX + 32], path[PATH_MAX], rule[PATH_MAX];
    const char *options[] = {option, NULL};
    const struct tc_harness_report *report;
    struct tc_harness *h;

    mkdir(in(path, f->dir, "rules"), 0755);
    snprintf(option, sizeof(option), "rules=%s", path);
    put_text(in(rule, f->dir, "rules/a.yar"), "rule a { condition: false }");
    h = run(f, options);
    await(h, TOCSIN_TOPIC_VERDICT_RESET);
    settled_file(f, path, "file", "find-me", 7);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "allow");
    put_text(in(rule, f->dir, "rules/b.yar"),
             "rule b { strings: $a = \"find-me\" condition: $a }");
    await(h, TOCSIN_TOPIC_VERDICT_RESET);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "deny");
    await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);

    put_text(rule, "rule b {\n nonsense }");
    await(h, TOCSIN_TOPIC_VERDICT_RESET);
    report = tc_harness_reported(h, "rules_0");
    assert_non_null(report);
    assert_int_equal(report->what, TOCSIN_REPORT_ISSUE);
    assert_non_null(strstr(report->text, "b.yar:2: "));
    unlink(rule);
    await(h, TOCSIN_TOPIC_VERDICT_RESET);
    assert_null(tc_harness_reported(h, "rules_0"));
}

static void av_without_any_rule_starts_and_says_so(void **state)
{
    struct fixture *f = *state;
    char option[PATH_MAX + 32], list[PATH_MAX], path[PATH_MAX];
    const char *options[] = {"rules=/nonexistent/rules", option, NULL};
    struct tc_harness *h;

    snprintf(option, sizeof(option), "block_list=%s", in(list, f->dir, "block"));
    put_text(list, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n");
    h = run(f, options);
    assert_non_null(tc_harness_reported(h, "no_rules"));
    assert_string_equal(tc_harness_reported(h, "definitions_version")->text, "none");
    settled_file(f, path, "hello", "hello", 5);
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "deny");
}

static void av_reports_engine_and_definitions(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *reply;

    assert_string_equal(tc_harness_reported(h, "engine_load_status")->text, "loaded");
    assert_non_null(strstr(tc_harness_reported(h, "engine_version")->text, "YARA 4"));
    assert_int_equal(strlen(tc_harness_reported(h, "definitions_version")->text), 12);
    assert_int_equal(tc_harness_reported(h, "definitions_updated")->text[10], 'T');
    reply = call(h, "rpc.av.reload", NULL);
    assert_string_equal(tc_harness_text(h, reply, "version"),
                        tc_harness_reported(h, "definitions_version")->text);
    assert_int_equal(tocsin_event_int(reply, "failed", -1), 0);
}

static void av_changed_options_hold_without_a_restart(void **state)
{
    struct fixture *f = *state;
    const char *const off[] = {BUILT_IN, "quarantine=false", NULL};
    struct tc_harness *h = run(f, NULL);
    char path[PATH_MAX];
    bool restart = true;

    assert_int_equal(tc_harness_reconfigure(h, off, &restart), 0);
    assert_false(restart);
    eicar_file(f, path, "eicar");
    assert_string_equal(decision(h, ask(h, TOCSIN_TOPIC_FILE_OPEN, path)), "deny");
    assert_string_equal(
        tc_harness_text(h, await(h, TOCSIN_TOPIC_THREAT_DETECTED), "detection.action"),
        "none");
    assert_int_equal(access(path, F_OK), 0);
}

static void av_recovers_and_reports_what_a_crash_left_half_done(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *event;
    char path[PATH_MAX], from[PATH_MAX], to[PATH_MAX], id[64];

    eicar_file(f, path, "eicar");
    ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    event = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, event, "detection.id"));
    await(h, TOCSIN_TOPIC_THREAT_DETECTED);
    assert_int_equal(tc_harness_stop(h), 0);
    /* As if it had died between the unlink of the original and the last rename. */
    snprintf(from, sizeof(from), "%s/quarantine/%s.tq", h->dir, id);
    snprintf(to, sizeof(to), "%s/quarantine/%s.partial", h->dir, id);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(tc_harness_start(h), 0);
    event = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    assert_string_equal(tc_harness_text(h, event, "detection.id"), id);
    assert_string_equal(tc_harness_text(h, event, "detection.status"), "quarantined");
    assert_int_equal(access(from, F_OK), 0);
}

static void regress_av_lists_the_rest_when_one_file_cannot_be_recovered(void **state)
{
    struct fixture *f = *state;
    struct tc_harness *h = run(f, NULL);
    const struct tocsin_event *event;
    char path[PATH_MAX], folder[PATH_MAX], id[64];

    eicar_file(f, path, "eicar");
    ask(h, TOCSIN_TOPIC_FILE_OPEN, path);
    event = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    snprintf(id, sizeof(id), "%s", tc_harness_text(h, event, "detection.id"));
    await(h, TOCSIN_TOPIC_THREAT_DETECTED);
    assert_int_equal(tc_harness_stop(h), 0);
    /* What cannot be read: a folder by the name of a copy. */
    snprintf(folder, sizeof(folder),
             "%s/quarantine/00000000-0000-8000-8000-000000000000.partial", h->dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(tc_harness_start(h), 0);
    event = await(h, TOCSIN_TOPIC_THREAT_REMEDIATED);
    assert_string_equal(tc_harness_text(h, event, "detection.id"), id);
    assert_string_equal(tc_harness_text(h, event, "detection.status"), "quarantined");
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
#define TEST(name_) cmocka_unit_test_setup_teardown(name_, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(av_denies_reports_once_and_quarantines),
        TEST(av_open_exec_and_write_of_one_file_are_one_threat),
        TEST(av_second_link_goes_into_the_same_threat),
        TEST(av_same_malware_dropped_again_is_another_threat),
        TEST(av_allows_a_clean_file_and_answers_the_next_from_the_cache),
        TEST(av_does_not_cache_a_file_written_this_moment),
        TEST(regress_av_does_not_remember_an_empty_file_that_was_made_this_moment),
        TEST(av_does_not_answer_by_what_it_knows_while_somebody_can_write),
        TEST(regress_av_reads_a_mapped_file_again_when_it_is_closed),
        TEST(av_does_not_answer_by_what_it_read_before_the_last_close),
        TEST(av_remembers_nothing_of_a_served_file_system),
        TEST(av_abstains_from_what_it_cannot_read),
        TEST(av_questions_about_one_large_file_share_a_scan),
        TEST(av_scans_files_larger_than_a_turn_in_order),
        TEST(av_passive_mode_reports_and_touches_nothing),
        TEST(av_judges_the_copy_of_a_served_file_and_leaves_the_file),
        TEST(av_never_opens_a_served_file),
        TEST(av_ignores_excluded_files),
        TEST(av_written_file_without_descriptor_is_scanned_by_its_path),
        TEST(av_restored_file_is_back_and_passes_from_then_on),
        TEST(av_refused_restore_does_not_allow_the_file),
        TEST(av_removed_file_is_gone_for_good),
        TEST(av_allowed_hash_passes),
        TEST(regress_a_hash_that_is_allowed_no_longer_is_refused_at_once),
        TEST(regress_restore_right_after_a_refused_one_is_allowed),
        TEST(av_scan_finds_and_quarantines_below_a_folder),
        TEST(av_scan_of_nothing_is_refused_with_a_sentence),
        TEST(av_scan_reports_its_progress_and_ends_when_cancelled),
        TEST(av_stops_in_the_middle_of_scans_and_answers_all),
        TEST(av_takes_new_rules_by_itself_and_resets_verdicts),
        TEST(av_without_any_rule_starts_and_says_so),
        TEST(av_reports_engine_and_definitions),
        TEST(av_changed_options_hold_without_a_restart),
        TEST(av_recovers_and_reports_what_a_crash_left_half_done),
        TEST(regress_av_lists_the_rest_when_one_file_cannot_be_recovered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
