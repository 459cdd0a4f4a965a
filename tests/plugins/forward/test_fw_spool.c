/* SPDX-License-Identifier: Apache-2.0 */
/* Each event of the journal comes once, goes when all have it, and the bound holds. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include <cmocka.h>

#include "spool/fw_spool.h"

struct fixture {
    char dir[64], spool_dir[80], journal[80];
    sqlite3 *db; /* the journal's */
    struct tc_fw_config sinks[2];
    struct tc_fw_spool spool;
    int64_t next_id;
};

static void sql(struct fixture *f, const char *text)
{
    assert_int_equal(sqlite3_exec(f->db, text, NULL, NULL, NULL), SQLITE_OK);
}

static void open_journal(struct fixture *f)
{
    assert_int_equal(sqlite3_open(f->journal, &f->db), SQLITE_OK);
    sql(f, "PRAGMA journal_mode = WAL;"
           "CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, time_ns INTEGER,"
           " topic TEXT, source TEXT, data BLOB, kind INTEGER)");
}

static void open_spool(struct fixture *f, size_t sinks)
{
    f->spool = (struct tc_fw_spool){.journal = {.path = f->journal},
                                    .since_ns = 100,
                                    .max_bytes = 256 * 1024 * 1024,
                                    .sinks = f->sinks,
                                    .sink_count = sinks};
    assert_int_equal(tc_fw_spool_open(&f->spool, f->spool_dir), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char why[TC_FW_WHY_BYTES];

    snprintf(f->dir, sizeof(f->dir), "/tmp/tocsin-spool-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->spool_dir, sizeof(f->spool_dir), "%s/forward", f->dir);
    snprintf(f->journal, sizeof(f->journal), "%s/journal.db", f->dir);
    assert_int_equal(tc_fw_config_read("file:/a name=a", &f->sinks[0], why), 0);
    assert_int_equal(tc_fw_config_read("file:/b name=b severity=high", &f->sinks[1], why),
                     0);
    open_journal(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];

    tc_fw_spool_close(&f->spool);
    sqlite3_close(f->db);
    tc_fw_config_done(&f->sinks[0]);
    tc_fw_config_done(&f->sinks[1]);
    snprintf(command, sizeof(command), "rm -r %s", f->dir);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test's own folder */
    free(f);
    return 0;
}

/* Alerts number `from` up to `to`, one a time unit from 1000 on; every second is high. */
static void record(struct fixture *f, int from, int to, size_t ballast)
{
    char *text = calloc(1, ballast + 1);

    memset(text, 'x', ballast);
    sql(f, "BEGIN");
    for (int n = from; n < to; n++) {
        sqlite3_stmt *s;
        struct tocsin_writer w;

        tocsin_writer_init_growing(&w);
        tocsin_begin_map(&w, NULL);
        tocsin_begin_map(&w, "alert");
        tocsin_put_int(&w, "n", n);
        tocsin_put_str(&w, "severity", n % 2 ? "high" : "low");
        tocsin_put_str(&w, "ballast", text);
        tocsin_end(&w);
        tocsin_end(&w);
        sqlite3_prepare_v2(f->db,
                           "INSERT INTO events (time_ns, topic, source, data)"
                           " VALUES (?1, 'alert.raised', 'edr', ?2)",
                           -1, &s, NULL);
        sqlite3_bind_int64(s, 1, 1000 + n);
        sqlite3_bind_blob(s, 2, w.buf, (int)w.len, SQLITE_TRANSIENT);
        assert_int_equal(sqlite3_step(s), SQLITE_DONE);
        sqlite3_finalize(s);
        tocsin_writer_done(&w);
    }
    sql(f, "COMMIT");
    free(text);
}

static void pump(struct fixture *f)
{
    bool more = true;

    while (more)
        assert_int_equal(tc_fw_spool_pump(&f->spool, &more), 0);
}

struct taken {
    struct tc_fw_done done[3000];
    int64_t numbers[3000];
    size_t count;
};

static int take(void *arg, const struct tc_fw_event *event)
{
    struct taken *taken = arg;

    taken->done[taken->count] = (struct tc_fw_done){.seq = event->seq, .id = "id"};
    taken->numbers[taken->count++] =
        tocsin_find_int(event->data, event->len, "alert.n", -1);
    return 0;
}

static size_t next(struct fixture *f, size_t sink, int limit, struct taken *ret)
{
    ret->count = 0;
    assert_int_equal(tc_fw_spool_next(&f->spool, sink, limit, take, ret), 0);
    return ret->count;
}

static struct tc_fw_counts counts(struct fixture *f, size_t sink)
{
    struct tc_fw_counts c;

    assert_int_equal(tc_fw_spool_counts(&f->spool, sink, &c), 0);
    return c;
}

static void events_go_once_to_each_sink_that_wants_them(void **state)
{
    struct fixture *f = *state;
    struct taken taken;

    open_spool(f, 2);
    record(f, 0, 10, 10);
    pump(f);
    pump(f);
    assert_int_equal(next(f, 0, 100, &taken), 10);
    assert_int_equal(tc_fw_spool_done(&f->spool, 0, taken.done, 10), 0);
    assert_int_equal(next(f, 0, 100, &taken), 0);
    assert_int_equal(next(f, 1, 100, &taken), 5);
    assert_int_equal(taken.numbers[0], 1);
    assert_int_equal(counts(f, 0).sent, 10);
    assert_int_equal(counts(f, 1).queued, 5);
}

static void spool_goes_on_where_it_was_after_an_end_at_any_moment(void **state)
{
    struct fixture *f = *state;
    struct taken taken;

    open_spool(f, 1);
    record(f, 0, 10, 10);
    pump(f);
    next(f, 0, 4, &taken);
    assert_int_equal(tc_fw_spool_done(&f->spool, 0, taken.done, 4), 0);
    next(f, 0, 100, &taken); /* sent, and never acknowledged */
    tc_fw_spool_close(&f->spool);
    record(f, 10, 12, 10); /* while nobody reads */
    open_spool(f, 1);
    pump(f);
    assert_int_equal(next(f, 0, 100, &taken), 8);
    assert_int_equal(taken.numbers[0], 4);
    assert_int_equal(taken.numbers[7], 11);
}

static void what_is_older_than_the_first_start_is_history(void **state)
{
    struct fixture *f = *state;
    struct taken taken;

    record(f, 0, 10, 10);
    open_spool(f, 1);
    tc_fw_spool_close(&f->spool);
    open_spool(f, 1); /* again: the first start counts */
    sql(f, "UPDATE events SET time_ns = id");
    pump(f);
    assert_int_equal(next(f, 0, 100, &taken), 0);
    record(f, 10, 11, 10);
    pump(f);
    assert_int_equal(next(f, 0, 100, &taken), 1);
}

static void journal_that_was_begun_anew_is_read_from_its_beginning(void **state)
{
    struct fixture *f = *state;
    struct taken taken;
    char wal[100];

    open_spool(f, 1);
    record(f, 0, 10, 10);
    pump(f);
    sqlite3_close(f->db);
    assert_int_equal(remove(f->journal), 0);
    snprintf(wal, sizeof(wal), "%s-wal", f->journal);
    (void)remove(wal);
    snprintf(wal, sizeof(wal), "%s-shm", f->journal);
    (void)remove(wal);
    open_journal(f);
    record(f, 50, 53, 10);
    pump(f);
    assert_int_equal(next(f, 0, 100, &taken), 13);
    assert_int_equal(taken.numbers[10], 50);
}

static void
full_spool_drops_its_oldest_and_counts_them_with_who_has_not_had_them(void **state)
{
    struct fixture *f = *state;
    struct taken taken;
    uint64_t bytes;

    open_spool(f, 1);
    f->spool.max_bytes = 1024 * 1024;
    record(f, 0, 2500, 1000);
    pump(f);
    next(f, 0, 3000, &taken);
    assert_int_equal(taken.numbers[taken.count - 1], 2499);
    assert_true(taken.count > 300);
    assert_int_equal(counts(f, 0).dropped, 2500 - taken.count);
    assert_int_equal(tc_fw_spool_bytes(&f->spool, &bytes), 0);
    assert_true(bytes < 3 * 1024 * 1024);
}

static void put_first(void *arg, const char *sink, const struct tc_fw_event *event,
                      uint64_t refused_ns, const char *why)
{
    int *n = arg;

    assert_string_equal(sink, "a");
    assert_string_equal(why, "no such field");
    assert_true(refused_ns > 0);
    assert_string_equal(event->topic, "alert.raised");
    (*n)++;
}

static void dead_letters_are_kept_apart_and_the_newest_of_them_only(void **state)
{
    struct fixture *f = *state;
    struct taken taken;
    int n = 0;

    open_spool(f, 1);
    record(f, 0, 1500, 10);
    pump(f);
    next(f, 0, 3000, &taken);
    for (size_t i = 0; i < 1200; i++)
        taken.done[i].why = "no such field";
    assert_int_equal(tc_fw_spool_done(&f->spool, 0, taken.done, 1500), 0);
    assert_int_equal(counts(f, 0).dead, TC_FW_DEAD_MAX);
    assert_int_equal(counts(f, 0).sent, 300);
    assert_int_equal(counts(f, 0).queued, 0);
    assert_int_equal(tc_fw_spool_dead(&f->spool, 5, put_first, &n), 0);
    assert_int_equal(n, 5);
}

static void sink_that_is_new_begins_with_what_comes_then(void **state)
{
    struct fixture *f = *state;
    struct taken taken;

    open_spool(f, 1);
    record(f, 0, 10, 10);
    pump(f);
    tc_fw_spool_close(&f->spool);
    open_spool(f, 2);
    record(f, 10, 20, 10);
    pump(f);
    assert_int_equal(next(f, 1, 100, &taken), 5);
    assert_int_equal(next(f, 0, 100, &taken), 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(events_go_once_to_each_sink_that_wants_them),
        TEST(spool_goes_on_where_it_was_after_an_end_at_any_moment),
        TEST(what_is_older_than_the_first_start_is_history),
        TEST(journal_that_was_begun_anew_is_read_from_its_beginning),
        TEST(full_spool_drops_its_oldest_and_counts_them_with_who_has_not_had_them),
        TEST(dead_letters_are_kept_apart_and_the_newest_of_them_only),
        TEST(sink_that_is_new_begins_with_what_comes_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
