/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the journal's tests share: a journal in a scratch folder on a loop of its
 * own, events to store, ways to wait for answers, and small disks to fill.
 */
#ifndef TEST_JOURNAL_FIXTURE_H
#define TEST_JOURNAL_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>
#include <tocsin/plugin.h>
#include <uv.h>

#include "core/journal/journal.h"
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
    const char *source; /* of the events that are made; NULL: "test" */

    unsigned health_calls;
    char why[512], fix[512]; /* as health has it */

    bool answered;
    int status;
    uint8_t *result;
    size_t len;
};

static inline void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static inline void wait_until(struct fixture *f, const bool *flag)
{
    assert_int_equal(uv_timer_start(&f->deadline, on_deadline, DEADLINE_MS, 0), 0);
    while (!*flag)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&f->deadline);
}

static inline void on_health(void *arg, const char *why, const char *fix)
{
    struct fixture *f = arg;

    f->health_calls++;
    (void)snprintf(f->why, sizeof(f->why), "%s", why ? why : "");
    (void)snprintf(f->fix, sizeof(f->fix), "%s", fix ? fix : "");
}

/* Waits until health shows something, or nothing any more. */
static inline void wait_for_health(struct fixture *f, bool trouble)
{
    assert_int_equal(uv_timer_start(&f->deadline, on_deadline, DEADLINE_MS, 0), 0);
    while ((f->why[0] != '\0') != trouble)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&f->deadline);
}

static inline void open_journal(struct fixture *f)
{
    char why[256] = "";

    assert_int_equal(tc_journal_open(&f->loop, f->dir, on_health, f, &f->journal, why),
                     0);
}

static inline void on_closed(void *arg)
{
    *(bool *)arg = true;
}

static inline void close_journal(struct fixture *f)
{
    bool closed = false;

    tc_journal_close(f->journal, on_closed, &closed);
    wait_until(f, &closed);
    f->journal = NULL;
}

static inline void restart(struct fixture *f)
{
    close_journal(f);
    open_journal(f);
}

static inline void on_stored(void *arg, int status)
{
    struct fixture *f = arg;

    f->status = status;
    f->answered = true;
}

static inline int sync_journal(struct fixture *f)
{
    f->answered = false;
    assert_int_equal(tc_journal_sync(f->journal, on_stored, f), 0);
    wait_until(f, &f->answered);
    return f->status;
}

static inline void on_answer(void *arg, int status, const void *result, size_t len)
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
static inline int ask(struct fixture *f, const char *kind, const char *key,
                      const char *value, int limit)
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
static inline struct tocsin_value entry(const struct fixture *f, const char *key,
                                        unsigned index)
{
    struct tocsin_value v = {.type = TOCSIN_NIL};
    struct tocsin_iter it;

    assert_true(tocsin_find(f->result, f->len, key, &v));
    tocsin_iter_init(&it, &v);
    do
        assert_true(tocsin_iter_next(&it, NULL, &v));
    while (index--);
    return v;
}

static inline unsigned count_entries(const struct fixture *f, const char *key)
{
    struct tocsin_value v = {.type = TOCSIN_NIL};

    assert_true(tocsin_find(f->result, f->len, key, &v));
    assert_int_equal(v.type, TOCSIN_ARRAY);
    return v.count;
}

static inline void assert_str(const void *data, size_t len, const char *path,
                              const char *text)
{
    struct tocsin_str s = tocsin_find_str(data, len, path);

    if (!tocsin_str_is(s, text))
        fail_msg("%s is '%.*s', not '%s'", path, (int)s.len, s.ptr ? s.ptr : "", text);
}

static inline void assert_item(const struct fixture *f, unsigned index, const char *path,
                               const char *text)
{
    struct tocsin_value v = entry(f, "items", index);

    assert_str(v.start, tocsin_value_size(&v), path, text);
}

static inline int64_t item_int(const struct fixture *f, unsigned index, const char *path)
{
    struct tocsin_value v = entry(f, "items", index);

    return tocsin_find_int(v.start, tocsin_value_size(&v), path, -1);
}

static inline struct tc_event *make_event(struct fixture *f, const char *topic,
                                          uint64_t time_ns, const struct tocsin_writer *w,
                                          int fd)
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
    assert_int_equal(
        tc_event_new(&draft, interned, f->source ? f->source : "test", 1, &event), 0);
    return event;
}

static inline void store(struct fixture *f, const char *topic, uint64_t time_ns,
                         const struct tocsin_writer *w)
{
    struct tc_event *event = make_event(f, topic, time_ns, w, -1);

    tc_journal_store(f->journal, event);
    tc_event_unref(event);
}

/* Stores an event that carries a number and `ballast` bytes. */
static inline void store_number(struct fixture *f, const char *topic, uint64_t n,
                                size_t ballast)
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

static inline void store_threat(struct fixture *f, const char *topic, uint64_t time_ns,
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

static inline void detect(struct fixture *f, uint64_t time_ns, const char *id,
                          const char *path)
{
    store_threat(f, TOCSIN_TOPIC_THREAT_DETECTED, time_ns,
                 &(struct threat){.id = id, .status = "detected", .path = path});
}

static inline void remediate(struct fixture *f, uint64_t time_ns, const char *id)
{
    store_threat(f, TOCSIN_TOPIC_THREAT_REMEDIATED, time_ns,
                 &(struct threat){.id = id,
                                  .action = "quarantine",
                                  .status = "quarantined",
                                  .reason = "rule matched"});
}

static inline void raise_alert(struct fixture *f, uint64_t time_ns, const char *id)
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

/* One that counts for itself, as edr's do, and says more. */
struct counted_alert {
    const char *id;
    uint64_t count, first_seen, last_seen;
};

static inline void raise_counted(struct fixture *f, uint64_t time_ns,
                                 const struct counted_alert *alert)
{
    struct tocsin_writer w;
    uint8_t buf[8192];
    char line[4000];

    memset(line, 'x', sizeof(line));
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", alert->id);
    tocsin_put_str(&w, "title", "Reverse shell");
    tocsin_put_str(&w, "severity", "informational");
    tocsin_put_uint(&w, "count", alert->count);
    tocsin_put_uint(&w, "first_seen", alert->first_seen);
    tocsin_put_uint(&w, "last_seen", alert->last_seen);
    tocsin_end(&w);
    tocsin_begin_map(&w, "rule");
    tocsin_put_str(&w, "id", "r1");
    tocsin_put_str(&w, "name", "shell over a socket");
    tocsin_put_str(&w, "author", "Somebody");
    tocsin_end(&w);
    tocsin_begin_map(&w, "threat");
    tocsin_begin_map(&w, "technique");
    tocsin_begin_array(&w, "id");
    tocsin_put_str(&w, NULL, "T1059.004");
    tocsin_put_str(&w, NULL, "T1071");
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_uint(&w, "pid", 4711);
    tocsin_put_strn(&w, "command_line", line, sizeof(line));
    tocsin_begin_map(&w, "user");
    tocsin_put_uint(&w, "id", 1000);
    tocsin_end(&w);
    tocsin_end(&w);
    tocsin_end(&w);
    store(f, TOCSIN_TOPIC_ALERT_RAISED, time_ns, &w);
}

static inline void respond(struct fixture *f, uint64_t time_ns, const char *id,
                           const char *action)
{
    struct tocsin_writer w;
    uint8_t buf[512];

    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_begin_map(&w, "alert");
    tocsin_put_str(&w, "id", id);
    tocsin_end(&w);
    tocsin_begin_map(&w, "response");
    tocsin_put_str(&w, "action", action);
    tocsin_put_str(&w, "status", "failed");
    tocsin_put_str(&w, "reason", "it has ended");
    tocsin_put_uint(&w, "processes", 2);
    tocsin_end(&w);
    tocsin_begin_map(&w, "process");
    tocsin_put_uint(&w, "pid", 4711);
    tocsin_put_str(&w, "executable", "/bin/bash");
    tocsin_end(&w);
    tocsin_end(&w);
    store(f, "alert.response", time_ns, &w);
}

/* Runs one statement against the file from outside and returns its first number. */
static inline int64_t sql_int(const struct fixture *f, const char *sql)
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

static inline void overwrite(const char *path, off_t from, size_t n)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i += 4)
        assert_int_equal(pwrite(fd, "\xde\xad\xbe\xef", 4, from + (off_t)i), 4);
    (void)close(fd);
}

static inline unsigned count_files(const struct fixture *f, const char *prefix)
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

static inline void remove_files(const struct fixture *f)
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

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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
static inline void mount_disk(struct fixture *f, const char *options)
{
    if (mount("tmpfs", f->dir, "tmpfs", 0, options)) {
        print_message("skipped: cannot mount a tmpfs: %s\n", strerror(errno));
        skip();
    }
    f->mounted = true;
}

/* Mounts of ours vanish with the process. Without the right, mount_disk skips. */
static inline void leave_mount_namespace(void)
{
    if (!unshare(CLONE_NEWNS))
        (void)mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
