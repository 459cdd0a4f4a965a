/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal against real files: what it answers, what it keeps across restarts and
 * kill -9, and what it does when the disk is full, read-only or lies. Runs in a mount
 * namespace of its own where it may, for the disks it fills.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <tocsin/plugin.h>
#include <uv.h>

#include "core/journal.h"
#include "core/journal_store.h"
#include "ipc/event.h"
#include "ipc/topic.h"

#define DEADLINE_MS 60000 /* for anything that is waited for */

struct fixture {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct tc_topics *topics;
    struct tc_journal *journal;
    char dir[256], db[300];
    bool mounted;

    unsigned health_calls;
    char why[512], fix[512]; /* as health was told last */

    bool answered;
    int status;
    uint8_t *result;
    size_t len;
};

/* ---- Support ---- */

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void wait_until(struct fixture *f, const bool *flag)
{
    assert_int_equal(uv_timer_start(&f->deadline, on_deadline, DEADLINE_MS, 0), 0);
    while (!*flag)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&f->deadline);
}

static void on_health(void *arg, const char *why, const char *fix)
{
    struct fixture *f = arg;

    f->health_calls++;
    (void)snprintf(f->why, sizeof(f->why), "%s", why ? why : "");
    (void)snprintf(f->fix, sizeof(f->fix), "%s", fix ? fix : "");
}

/* Waits until health shows something, or nothing any more. */
static void wait_for_health(struct fixture *f, bool trouble)
{
    assert_int_equal(uv_timer_start(&f->deadline, on_deadline, DEADLINE_MS, 0), 0);
    while ((f->why[0] != '\0') != trouble)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&f->deadline);
}

static void open_journal(struct fixture *f)
{
    char why[256] = "";

    assert_int_equal(tc_journal_open(&f->loop, f->dir, on_health, f, &f->journal, why),
                     0);
}

static void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static void close_journal(struct fixture *f)
{
    bool closed = false;

    tc_journal_close(f->journal, on_closed, &closed);
    wait_until(f, &closed);
    f->journal = NULL;
}

static void restart(struct fixture *f)
{
    close_journal(f);
    open_journal(f);
}

static void on_stored(void *arg, int status)
{
    struct fixture *f = arg;

    f->status = status;
    f->answered = true;
}

static int sync_journal(struct fixture *f)
{
    f->answered = false;
    assert_int_equal(tc_journal_sync(f->journal, on_stored, f), 0);
    wait_until(f, &f->answered);
    return f->status;
}

static void on_answer(void *arg, int status, const void *result, size_t len)
{
    struct fixture *f = arg;

    free(f->result);
    f->result = NULL;
    f->len = 0;
    f->status = status;
    f->answered = true;
    if (status)
        return;
    f->result = malloc(len);
    assert_non_null(f->result);
    memcpy(f->result, result, len);
    f->len = len;
}

/* Asks, with the parameter `key` = `value` unless NULL, and keeps the answer. */
static int ask(struct fixture *f, const char *kind, const char *key, const char *value,
               int limit)
{
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    if (key)
        tocsin_put_str(&w, key, value);
    if (limit)
        tocsin_put_int(&w, "limit", limit);
    tocsin_end(&w);
    assert_int_equal(w.error, 0);
    f->answered = false;
    assert_int_equal(tc_journal_query(f->journal, kind, w.buf, w.len, on_answer, f), 0);
    wait_until(f, &f->answered);
    return f->status;
}

/* Entry `index` of the array `key` of the answer. */
static struct tocsin_value entry(const struct fixture *f, const char *key, unsigned index)
{
    struct tocsin_value v;
    struct tocsin_iter it;

    assert_true(tocsin_find(f->result, f->len, key, &v));
    tocsin_iter_init(&it, &v);
    do
        assert_true(tocsin_iter_next(&it, NULL, &v));
    while (index--);
    return v;
}

static unsigned count_entries(const struct fixture *f, const char *key)
{
    struct tocsin_value v;

    assert_true(tocsin_find(f->result, f->len, key, &v));
    assert_int_equal(v.type, TOCSIN_ARRAY);
    return v.count;
}

static void assert_str(const void *data, size_t len, const char *path, const char *text)
{
    struct tocsin_str s = tocsin_find_str(data, len, path);

    if (!tocsin_str_is(s, text))
        fail_msg("%s is '%.*s', not '%s'", path, (int)s.len, s.ptr ? s.ptr : "", text);
}

static void assert_item(const struct fixture *f, unsigned index, const char *path,
                        const char *text)
{
    struct tocsin_value v = entry(f, "items", index);

    assert_str(v.start, tocsin_value_size(&v), path, text);
}

static int64_t item_int(const struct fixture *f, unsigned index, const char *path)
{
    struct tocsin_value v = entry(f, "items", index);

    return tocsin_find_int(v.start, tocsin_value_size(&v), path, -1);
}

static struct tc_event *make_event(struct fixture *f, const char *topic, uint64_t time_ns,
                                   const struct tocsin_writer *w, int fd)
{
    struct tocsin_event draft = {.size = sizeof(draft),
                                 .fd = fd,
                                 .time_ns = time_ns,
                                 .topic = topic,
                                 .data = w->buf,
                                 .len = w->len};
    const struct tc_topic *interned;
    struct tc_event *event;

    assert_int_equal(w->error, 0);
    assert_int_equal(tc_topic_intern(f->topics, topic, &interned), 0);
    assert_int_equal(tc_event_new(&draft, interned, "test", 1, &event), 0);
    return event;
}

static void store(struct fixture *f, const char *topic, uint64_t time_ns,
                  const struct tocsin_writer *w)
{
    struct tc_event *event = make_event(f, topic, time_ns, w, -1);

    tc_journal_store(f->journal, event);
    tc_event_unref(event);
}

/* Stores an event that carries a number and `ballast` bytes. */
static void store_number(struct fixture *f, const char *topic, uint64_t n, size_t ballast)
{
    struct tocsin_writer w;
    char *bytes = calloc(1, ballast + 1);

    assert_non_null(bytes);
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "n", n);
    tocsin_put_bin(&w, "ballast", bytes, ballast);
    tocsin_end(&w);
    store(f, topic, n, &w);
    tocsin_writer_done(&w);
    free(bytes);
}

struct threat {
    const char *id, *action, *status, *reason, *path;
};

static void store_threat(struct fixture *f, const char *topic, uint64_t time_ns,
                         const struct threat *threat)
{
    struct tocsin_writer w;
    uint8_t buf[1024];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "detection");
    if (threat->id)
        tocsin_put_str(&w, "id", threat->id);
    tocsin_put_str(&w, "name", "Test.Virus");
    tocsin_put_str(&w, "severity", "high");
    if (threat->action)
        tocsin_put_str(&w, "action", threat->action);
    if (threat->status)
        tocsin_put_str(&w, "status", threat->status);
    if (threat->reason)
        tocsin_put_str(&w, "reason", threat->reason);
    tocsin_end(&w);
    tocsin_begin_map(&w, "file");
    if (threat->path)
        tocsin_put_str(&w, "path", threat->path);
    tocsin_begin_map(&w, "hash");
    tocsin_put_str(&w, "sha256", "00ff");
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_begin_map(&w, "rule");
    tocsin_put_str(&w, "id", "rule-1");
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_uint(&w, "pid", 4711);
    tocsin_put_str(&w, "executable", "/usr/bin/curl");
    tocsin_put_str(&w, "command_line", "curl -O x");
    tocsin_begin_map(&w, "user");
    tocsin_put_uint(&w, "id", 1000);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    store(f, topic, time_ns, &w);
}

static void detect(struct fixture *f, uint64_t time_ns, const char *id, const char *path)
{
    store_threat(f, TOCSIN_TOPIC_THREAT_DETECTED, time_ns,
                 &(struct threat){.id = id, .status = "detected", .path = path});
}

static void remediate(struct fixture *f, uint64_t time_ns, const char *id)
{
    store_threat(f, TOCSIN_TOPIC_THREAT_REMEDIATED, time_ns,
                 &(struct threat){.id = id,
                                  .action = "quarantine",
                                  .status = "quarantined",
                                  .reason = "rule matched"});
}

/* Runs one statement against the file from outside and returns its first number. */
static int64_t sql_int(const struct fixture *f, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t value = -1;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return value;
}

static void overwrite(const char *path, off_t from, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i += 4)
        assert_int_equal(pwrite(fd, "\xde\xad\xbe\xef", 4, from + (off_t)i), 4);
    (void)close(fd);
}

static unsigned count_files(const struct fixture *f, const char *prefix)
{
    unsigned count = 0;
    struct dirent *file;
    DIR *dir = opendir(f->dir);

    assert_non_null(dir);
    while ((file = readdir(dir)) != NULL)
        count += !strncmp(file->d_name, prefix, strlen(prefix));
    (void)closedir(dir);
    return count;
}

static void remove_files(const struct fixture *f)
{
    char path[600];
    struct dirent *file;
    DIR *dir = opendir(f->dir);

    assert_non_null(dir);
    while ((file = readdir(dir)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->dir, file->d_name);
        if (file->d_name[0] != '.')
            (void)unlink(path);
    }
    (void)closedir(dir);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    if (!f)
        return -1;
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/tocsin-journal-XXXXXX");
    if (!mkdtemp(f->dir) || uv_loop_init(&f->loop) ||
        uv_timer_init(&f->loop, &f->deadline))
        return -1;
    (void)snprintf(f->db, sizeof(f->db), "%s/journal.db", f->dir);
    f->topics = tc_topics_new();
    *state = f;
    return f->topics ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int err;

    if (f->journal)
        close_journal(f);
    uv_close((uv_handle_t *)&f->deadline, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    err = uv_loop_close(&f->loop);
    if (f->mounted)
        (void)umount2(f->dir, MNT_DETACH);
    else
        remove_files(f);
    (void)rmdir(f->dir);
    tc_topics_free(f->topics);
    free(f->result);
    free(f);
    return err;
}

/* Puts a small disk of its own under the state folder, or skips the test. */
static void mount_disk(struct fixture *f, const char *options)
{
    if (mount("tmpfs", f->dir, "tmpfs", 0, options)) {
        print_message("skipped: cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    f->mounted = true;
}

/* ---- What is stored is answered ---- */

static void journal_answers_events_newest_first(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t n = 1; n <= 5; n++)
        store_number(f, n % 2 ? "sensor.gap" : "approval.granted", n, 10);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 5);
    assert_int_equal(item_int(f, 0, "time_ns"), 5);
    assert_int_equal(item_int(f, 4, "event.n"), 1);
    assert_item(f, 0, "source", "test");

    assert_int_equal(ask(f, "events", NULL, NULL, 2), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_int_equal(ask(f, "events", "topic", "approval.granted", 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 1, "topic", "approval.granted");
    assert_int_equal(ask(f, "events", "topic", "sensor.*", 0), 0);
    assert_int_equal(count_entries(f, "items"), 3);
    assert_item(f, 0, "topic", "sensor.gap");
    assert_int_equal(ask(f, "events", "topic", "sens.*", 0), 0);
    assert_int_equal(count_entries(f, "items"), 0);
    assert_int_equal(ask(f, "events", "topic", "*", 0), 0);
    assert_int_equal(count_entries(f, "items"), 5);
}

static void journal_ends_a_list_early_that_grows_too_large(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t n = 1; n <= 12; n++)
        store_number(f, "sensor.gap", n, 200000);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_true(tocsin_find_bool(f->result, f->len, "truncated", false));
    assert_int_equal(count_entries(f, "items"), 6);
}

static void journal_makes_one_row_of_a_threat_seen_twice(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/a");
    detect(f, 200, "t1", "/tmp/b");
    detect(f, 150, "t2", "/tmp/c");
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "id", "t1");
    assert_item(f, 0, "name", "Test.Virus");
    assert_item(f, 0, "severity", "high");
    assert_item(f, 0, "status", "detected");
    assert_item(f, 0, "path", "/tmp/a");
    assert_item(f, 0, "sha256", "00ff");
    assert_item(f, 0, "rule", "rule-1");
    assert_item(f, 0, "process", "/usr/bin/curl");
    assert_int_equal(item_int(f, 0, "pid"), 4711);
    assert_int_equal(item_int(f, 0, "first_seen_ns"), 100);
    assert_int_equal(item_int(f, 0, "last_seen_ns"), 200);
    assert_int_equal(item_int(f, 0, "count"), 2);

    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_int_equal(count_entries(f, "paths"), 2);
    assert_str(f->result, f->len, "command_line", "curl -O x");
    assert_int_equal(tocsin_find_int(f->result, f->len, "user", -1), 1000);
    assert_str(f->result, f->len, "detected.file.path", "/tmp/a");
}

static void journal_updates_a_threat_when_it_is_remediated(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/a");
    remediate(f, 100, "t1");
    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_str(f->result, f->len, "status", "quarantined");
    assert_str(f->result, f->len, "action", "quarantine");
    assert_str(f->result, f->len, "reason", "rule matched");
    assert_str(f->result, f->len, "remediated.detection.status", "quarantined");
    assert_int_equal(tocsin_find_int(f->result, f->len, "count", -1), 1);
}

static void journal_remediates_a_threat_after_a_restart(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/a");
    restart(f);
    remediate(f, 300, "t1");
    restart(f);
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_item(f, 0, "status", "quarantined");
    assert_item(f, 0, "path", "/tmp/a");
}

static void journal_reopens_a_threat_seen_again_after_its_remedy(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/a");
    remediate(f, 200, "t1");
    detect(f, 150, "t1", "/tmp/a"); /* late, from before the remedy */
    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_str(f->result, f->len, "status", "quarantined");
    detect(f, 300, "t1", "/tmp/a");
    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_str(f->result, f->len, "status", "detected");
}

static void journal_keeps_a_remedy_whose_detection_it_never_saw(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    remediate(f, 200, "t1");
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_item(f, 0, "status", "quarantined");
    assert_int_equal(item_int(f, 0, "count"), 0);
}

static void journal_lists_a_threat_that_has_no_id(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    detect(f, 100, NULL, "/tmp/a");
    detect(f, 100, NULL, "/tmp/b");
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "id", "event-2");
}

static void journal_gives_back_a_path_that_is_not_utf8(void **state)
{
    struct fixture *f = *state;
    struct tocsin_value v;

    open_journal(f);
    detect(f, 100, "t1", "/tmp/\xff\xfe");
    assert_int_equal(ask(f, "threat", "id", "t1", 0), 0);
    assert_true(tocsin_find(f->result, f->len, "path", &v));
    assert_int_equal(v.type, TOCSIN_BIN);
    assert_str(f->result, f->len, "path", "/tmp/\xff\xfe");
    v = entry(f, "paths", 0);
    assert_int_equal(v.type, TOCSIN_BIN);
}

static void raise_alert(struct fixture *f, uint64_t time_ns, const char *id)
{
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", id);
    tocsin_put_str(&w, "title", "Reverse shell");
    tocsin_put_str(&w, "severity", "critical");
    tocsin_put_str(&w, "category", "execution");
    tocsin_put_str(&w, "detected_from", "edr");
    tocsin_end(&w);
    tocsin_begin_map(&w, "rule");
    tocsin_put_str(&w, "name", "shell over a socket");
    tocsin_put_str(&w, "id", "r1");
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_str(&w, "executable", "/bin/bash");
    tocsin_end(&w);
    tocsin_end(&w);
    store(f, TOCSIN_TOPIC_ALERT_RAISED, time_ns, &w);
}

static void journal_makes_one_row_of_an_alert_raised_twice(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    raise_alert(f, 100, "a1");
    raise_alert(f, 300, "a1");
    raise_alert(f, 200, "a2");
    assert_int_equal(ask(f, "alerts", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 2);
    assert_item(f, 0, "id", "a1");
    assert_item(f, 0, "title", "Reverse shell");
    assert_item(f, 0, "severity", "critical");
    assert_item(f, 0, "category", "execution");
    assert_item(f, 0, "detected_from", "edr");
    assert_item(f, 0, "rule", "shell over a socket");
    assert_item(f, 0, "process", "/bin/bash");
    assert_int_equal(item_int(f, 0, "time_ns"), 100);
    assert_int_equal(item_int(f, 0, "last_seen_ns"), 300);
    assert_int_equal(item_int(f, 0, "count"), 2);
    assert_int_equal(ask(f, "alert", "id", "a1", 0), 0);
    assert_str(f->result, f->len, "event.alert.title", "Reverse shell");
}

static void journal_tells_what_it_cannot_answer(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    assert_int_equal(ask(f, "threat", "id", "nobody", 0), -ENOENT);
    assert_int_equal(ask(f, "alert", "id", "nobody", 0), -ENOENT);
    assert_int_equal(ask(f, "threat", NULL, NULL, 0), -EINVAL);
    assert_int_equal(ask(f, "weather", NULL, NULL, 0), -EOPNOTSUPP);
}

static void journal_counts_crashes_of_each_plugin_across_restarts(void **state)
{
    struct fixture *f = *state;
    unsigned count = 99;

    open_journal(f);
    assert_int_equal(tc_journal_add_crash(f->journal, "acme", 100), 0);
    assert_int_equal(tc_journal_add_crash(f->journal, "acme", 200), 0);
    assert_int_equal(tc_journal_add_crash(f->journal, "av", 200), 0);
    restart(f);
    assert_int_equal(tc_journal_count_crashes(f->journal, "acme", 0, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(tc_journal_count_crashes(f->journal, "acme", 150, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(tc_journal_forget_crashes(f->journal, "acme"), 0);
    assert_int_equal(tc_journal_count_crashes(f->journal, "acme", 0, &count), 0);
    assert_int_equal(count, 0);
    assert_int_equal(tc_journal_count_crashes(f->journal, "av", 0, &count), 0);
    assert_int_equal(count, 1);
}

static void journal_holds_no_descriptor_of_an_event(void **state)
{
    struct fixture *f = *state;
    struct tocsin_writer w;
    struct tc_event *event;
    uint8_t buf[16];
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    mount_disk(f, "size=256k"); /* too small: the event waits */
    open_journal(f);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_end(&w);
    for (uint64_t n = 1; n <= 40; n++)
        store_number(f, "sensor.gap", n, 10000);
    event = make_event(f, "sensor.gap", 1, &w, fd);
    tc_journal_store(f->journal, event);
    tc_event_unref(event);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void journal_is_for_the_agent_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 0);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(stat(f->db, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void journal_stores_what_is_pending_when_it_closes(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t n = 1; n <= 3000; n++)
        store_number(f, "sensor.gap", n, 10);
    close_journal(f);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 3000);
}

/* ---- Disks that fail ---- */

/* Writes to `path` until its disk is full. */
static void fill_disk(const char *path)
{
    char block[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    memset(block, 1, sizeof(block));
    while (write(fd, block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    (void)close(fd);
}

static void journal_waits_out_a_full_disk_and_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct tc_journal_counters counters;
    char filler[400];

    mount_disk(f, "size=4m");
    open_journal(f);
    store_number(f, "sensor.gap", 1, 100);
    assert_int_equal(sync_journal(f), 0);
    (void)snprintf(filler, sizeof(filler), "%s/filler", f->dir);
    fill_disk(filler);

    for (uint64_t n = 2; n <= 20; n++)
        store_number(f, "sensor.gap", n, 20000);
    assert_int_equal(sync_journal(f), -ENOSPC);
    assert_non_null(strstr(f->why, "the disk is full"));
    assert_non_null(strstr(f->fix, "free space"));
    tc_journal_counters(f->journal, &counters);
    assert_int_equal(counters.pending, 19);
    assert_true(counters.failed_writes >= 1);
    /* What is on disk can still be read. */
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);

    assert_int_equal(unlink(filler), 0);
    assert_int_equal(sync_journal(f), 0);
    assert_string_equal(f->why, "");
    tc_journal_counters(f->journal, &counters);
    assert_int_equal(counters.pending, 0);
    assert_int_equal(counters.lost, 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 20);
}

static void journal_tries_again_by_itself(void **state)
{
    struct fixture *f = *state;
    char filler[400];

    mount_disk(f, "size=4m");
    open_journal(f);
    (void)snprintf(filler, sizeof(filler), "%s/filler", f->dir);
    fill_disk(filler);
    for (uint64_t n = 1; n <= 20; n++)
        store_number(f, "sensor.gap", n, 20000);
    assert_int_equal(sync_journal(f), -ENOSPC);
    assert_int_equal(unlink(filler), 0);
    wait_for_health(f, false); /* no sync has asked: the first batch is on disk */
    assert_true(sql_int(f, "SELECT count(*) FROM events") > 0);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 20);
}

static void journal_loses_the_oldest_and_counts_them_when_too_many_wait(void **state)
{
    struct fixture *f = *state;
    struct tc_journal_counters counters;
    char filler[400];

    mount_disk(f, "size=64m");
    open_journal(f);
    assert_int_equal(sync_journal(f), 0);
    (void)snprintf(filler, sizeof(filler), "%s/filler", f->dir);
    fill_disk(filler);
    for (uint64_t n = 1; n <= 2000; n++)
        store_number(f, "sensor.gap", n, 100);
    assert_int_equal(sync_journal(f), -ENOSPC);
    for (uint64_t n = 2001; n <= TC_JOURNAL_PENDING_MAX + 100; n++)
        store_number(f, "sensor.gap", n, 100);
    tc_journal_counters(f->journal, &counters);
    assert_int_equal(counters.pending, TC_JOURNAL_PENDING_MAX);
    assert_int_equal(counters.lost, 100);

    assert_int_equal(unlink(filler), 0);
    assert_int_equal(sync_journal(f), -ENOBUFS); /* told once */
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events WHERE topic = 'sensor.gap'"),
                     TC_JOURNAL_PENDING_MAX);
    assert_int_equal(
        sql_int(f, "SELECT max(time_ns) FROM events WHERE topic = 'sensor.gap'"),
        TC_JOURNAL_PENDING_MAX + 100);
    /* The record itself says where something is missing. */
    assert_int_equal(ask(f, "events", "topic", "journal.lost", 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_int_equal(item_int(f, 0, "event.lost"), 100);
}

static void journal_starts_on_a_read_only_disk_and_stores_when_it_may(void **state)
{
    struct fixture *f = *state;

    mount_disk(f, "size=4m");
    assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    open_journal(f);
    wait_for_health(f, true);
    assert_non_null(strstr(f->why, "read-only"));
    assert_int_equal(tc_journal_add_crash(f->journal, "acme", 1), -EROFS);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), -EROFS);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), -EROFS);

    assert_int_equal(mount(NULL, f->dir, NULL, MS_REMOUNT, NULL), 0);
    wait_for_health(f, false);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
}

static void journal_sets_a_corrupt_file_aside_at_the_start(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    close_journal(f);
    overwrite(f->db, 0, 4096);

    open_journal(f);
    wait_for_health(f, true);
    assert_non_null(strstr(f->why, "journal.db.corrupt-"));
    assert_non_null(strstr(f->fix, ".recover"));
    store_number(f, "sensor.gap", 2, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(ask(f, "events", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    assert_int_equal(count_files(f, "journal.db.corrupt-"), 1);
}

static void journal_sets_a_file_aside_that_is_corrupt_inside(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    for (uint64_t n = 1; n <= 200; n++)
        store_number(f, "sensor.gap", n, 1000);
    close_journal(f);
    overwrite(f->db, 4096, 300000); /* all but the schema: it opens */

    open_journal(f);
    detect(f, 1, "t1", "/tmp/a");
    assert_int_equal(sync_journal(f), 0);
    assert_non_null(strstr(f->why, "journal.db.corrupt-"));
    assert_int_equal(count_files(f, "journal.db.corrupt-"), 1);
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
}

static void journal_sets_a_file_aside_that_is_no_database_of_ours(void **state)
{
    struct fixture *f = *state;

    (void)sql_int(f, "CREATE TABLE other (x)");
    (void)sql_int(f, "PRAGMA user_version = 1");
    open_journal(f);
    wait_for_health(f, true);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_int_equal(count_files(f, "journal.db.corrupt-"), 1);
}

static void journal_begins_anew_when_its_file_is_deleted(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    assert_int_equal(sync_journal(f), 0);
    remove_files(f);
    store_number(f, "sensor.gap", 2, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_non_null(strstr(f->why, "deleted"));
    assert_int_equal(sql_int(f, "SELECT min(time_ns) FROM events"), 2);
}

static void journal_leaves_a_newer_database_alone_and_works_in_memory(void **state)
{
    struct fixture *f = *state;

    open_journal(f);
    store_number(f, "sensor.gap", 1, 10);
    close_journal(f);
    (void)sql_int(f, "PRAGMA user_version = 99");

    open_journal(f);
    wait_for_health(f, true);
    assert_non_null(strstr(f->why, "schema 99"));
    assert_non_null(strstr(f->fix, "install the newer Tocsin"));
    detect(f, 1, "t1", "/tmp/a");
    assert_int_equal(sync_journal(f), -EPROTONOSUPPORT);
    assert_int_equal(ask(f, "threats", NULL, NULL, 0), 0);
    assert_int_equal(count_entries(f, "items"), 1);
    close_journal(f);
    assert_int_equal(sql_int(f, "PRAGMA user_version"), 99);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM threats"), 0);
}

static void journal_refuses_a_state_folder_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    char why[256] = "";

    assert_int_equal(
        tc_journal_open(&f->loop, "/nonexistent/state", on_health, f, &f->journal, why),
        -ENOENT);
    assert_non_null(strstr(why, "/nonexistent/state"));
    assert_null(f->journal);
}

/* ---- Crashes of the agent ---- */

struct child {
    struct fixture *f;
    uint64_t next, acknowledged;
    int out;
};

static void store_and_sync(struct child *child);

static void on_acknowledged(void *arg, int status)
{
    struct child *child = arg;

    if (status || write(child->out, &child->acknowledged, sizeof(uint64_t)) < 0)
        _exit(1);
    store_and_sync(child);
}

/* Hands over some events and asks to be told when they are on disk. */
static void store_and_sync(struct child *child)
{
    uint64_t until = child->next + 1 + child->next % 7;

    while (child->next < until)
        store_number(child->f, "sensor.gap", child->next++, 300);
    child->acknowledged = child->next - 1;
    if (tc_journal_sync(child->f->journal, on_acknowledged, child))
        _exit(1);
}

/* In the child: stores events numbered from `first`, writing each number up to which all
 * are acknowledged, until killed. */
static void run_child(struct fixture *f, uint64_t first, int out)
{
    struct child child = {.f = f, .next = first, .out = out};
    uv_loop_t loop;
    char why[256];

    if (uv_loop_init(&loop) ||
        tc_journal_open(&loop, f->dir, NULL, NULL, &f->journal, why))
        _exit(1);
    store_and_sync(&child);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    _exit(1);
}

/* Kills the child after `count` acknowledgements; returns the last one it got out. */
static uint64_t kill_after(pid_t pid, int in, unsigned count)
{
    uint64_t number, last = 0;
    int status;

    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(read(in, &number, sizeof(number)), sizeof(number));
        last = number;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(in, &number, sizeof(number)) == sizeof(number))
        last = number;
    return last;
}

static void journal_keeps_every_acknowledged_event_across_kill_9(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 1, last;
    unsigned seed = 20;
    char sql[160];
    int fds[2];
    pid_t pid;

    for (int round = 0; round < 20; round++) {
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (!pid)
            run_child(f, first, fds[1]);
        (void)close(fds[1]);
        last = kill_after(pid, fds[0], 1 + (unsigned)rand_r(&seed) % 40);
        (void)close(fds[0]);
        (void)snprintf(sql, sizeof(sql),
                       "SELECT count(*) FROM events WHERE time_ns BETWEEN %llu AND %llu",
                       (unsigned long long)first, (unsigned long long)last);
        assert_int_equal(sql_int(f, sql), last - first + 1);
        first = (uint64_t)sql_int(f, "SELECT max(time_ns) FROM events") + 1;
    }
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), first - 1);
    open_journal(f);
    store_number(f, "sensor.gap", first, 10);
    assert_int_equal(sync_journal(f), 0);
    assert_string_equal(f->why, "");
}

/* ---- The store alone ---- */

static struct tc_store *open_store(const struct fixture *f, int64_t events, int64_t bytes)
{
    struct tc_store *store;
    char why[256];

    assert_int_equal(
        tc_store_open(f->db, (struct tc_store_limits){events, bytes}, &store, why), 0);
    return store;
}

static void store_keeps_the_newest_events_and_all_threats_when_pruned(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store;

    open_journal(f); /* makes the rows */
    detect(f, 1, "t1", "/tmp/a");
    for (uint64_t n = 2; n <= 100; n++)
        store_number(f, "sensor.gap", n, 10);
    close_journal(f);

    store = open_store(f, 30, INT64_MAX);
    assert_int_equal(tc_store_prune(store, 50), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 50);
    assert_int_equal(tc_store_prune(store, 50), 0);
    assert_int_equal(tc_store_prune(store, 50), 0);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM events"), 30);
    assert_int_equal(sql_int(f, "SELECT min(time_ns) FROM events"), 71);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM threats"), 1);
    tc_store_close(store);
}

static void store_removes_events_when_the_database_grows_too_large(void **state)
{
    struct fixture *f = *state;
    struct tc_store *store;

    open_journal(f);
    for (uint64_t n = 1; n <= 100; n++)
        store_number(f, "sensor.gap", n, 10000);
    close_journal(f);

    store = open_store(f, 1000, 500000);
    for (int i = 0; i < 20; i++)
        assert_int_equal(tc_store_prune(store, 10), 0);
    assert_in_range(sql_int(f, "SELECT count(*) FROM events"), 20, 49);
    assert_int_equal(sql_int(f, "SELECT max(time_ns) FROM events"), 100);
    tc_store_close(store);
}

static void schema_is_reached_from_each_older_version(void **state)
{
    struct fixture *f = *state;
    char why[256];
    sqlite3 *db;

    for (size_t version = 0; version < tc_schema_version; version++) {
        assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
        assert_int_equal(tc_schema_apply(db, tc_schema_steps, version, why), 0);
        (void)sqlite3_close(db);
        assert_int_equal(sql_int(f, "PRAGMA user_version"), version);

        open_journal(f);
        detect(f, 1, "t1", "/tmp/a");
        raise_alert(f, 1, "a1");
        assert_int_equal(sync_journal(f), 0);
        assert_string_equal(f->why, "");
        close_journal(f);
        assert_int_equal(sql_int(f, "PRAGMA user_version"), tc_schema_version);
        remove_files(f);
    }
}

static void schema_stays_at_the_version_before_a_step_that_fails(void **state)
{
    static const char *const broken[] = {
        "CREATE TABLE a (x);",
        "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);",
    };
    static const char *const mended[] = {
        "CREATE TABLE a (x);",
        "CREATE TABLE b (x);",
        "INSERT INTO b VALUES (7);",
    };
    struct fixture *f = *state;
    char why[256] = "";
    sqlite3 *db;

    assert_int_equal(sqlite3_open(f->db, &db), SQLITE_OK);
    assert_true(tc_schema_apply(db, broken, 2, why) < 0);
    assert_non_null(strstr(why, "nowhere"));
    assert_int_equal(sql_int(f, "PRAGMA user_version"), 1);
    assert_int_equal(sql_int(f, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(tc_schema_apply(db, mended, 3, why), 0);
    assert_int_equal(sql_int(f, "SELECT x FROM b"), 7);
    assert_int_equal(tc_schema_apply(db, mended, 2, why), -EPROTONOSUPPORT);
    (void)sqlite3_close(db);
}

/* Mounts of ours vanish with the process. Without the right, mount_disk skips. */
static void leave_mount_namespace(void)
{
    if (!unshare(CLONE_NEWNS))
        (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(journal_answers_events_newest_first),
        TEST(journal_ends_a_list_early_that_grows_too_large),
        TEST(journal_makes_one_row_of_a_threat_seen_twice),
        TEST(journal_updates_a_threat_when_it_is_remediated),
        TEST(journal_remediates_a_threat_after_a_restart),
        TEST(journal_reopens_a_threat_seen_again_after_its_remedy),
        TEST(journal_keeps_a_remedy_whose_detection_it_never_saw),
        TEST(journal_lists_a_threat_that_has_no_id),
        TEST(journal_gives_back_a_path_that_is_not_utf8),
        TEST(journal_makes_one_row_of_an_alert_raised_twice),
        TEST(journal_tells_what_it_cannot_answer),
        TEST(journal_counts_crashes_of_each_plugin_across_restarts),
        TEST(journal_holds_no_descriptor_of_an_event),
        TEST(journal_is_for_the_agent_alone),
        TEST(journal_stores_what_is_pending_when_it_closes),
        TEST(journal_waits_out_a_full_disk_and_loses_nothing),
        TEST(journal_tries_again_by_itself),
        TEST(journal_loses_the_oldest_and_counts_them_when_too_many_wait),
        TEST(journal_starts_on_a_read_only_disk_and_stores_when_it_may),
        TEST(journal_sets_a_corrupt_file_aside_at_the_start),
        TEST(journal_sets_a_file_aside_that_is_corrupt_inside),
        TEST(journal_sets_a_file_aside_that_is_no_database_of_ours),
        TEST(journal_begins_anew_when_its_file_is_deleted),
        TEST(journal_leaves_a_newer_database_alone_and_works_in_memory),
        TEST(journal_refuses_a_state_folder_that_is_not_there),
        TEST(journal_keeps_every_acknowledged_event_across_kill_9),
        TEST(store_keeps_the_newest_events_and_all_threats_when_pruned),
        TEST(store_removes_events_when_the_database_grows_too_large),
        TEST(schema_is_reached_from_each_older_version),
        TEST(schema_stays_at_the_version_before_a_step_that_fails),
    };

    leave_mount_namespace();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
