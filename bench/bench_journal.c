/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many events a second the journal stores, beside the floor: the same rows put into
 * a table of the same shape by SQLite alone, in transactions of the same size. Then the
 * same of a journal that is full, where as much has to go as comes; of the floor the
 * oldest rows go. All in turn, in the same run; the medians count.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>
#include <tocsin/plugin.h>
#include <uv.h>

#include "core/journal/journal.h"
#include "core/journal/journal_store.h"
#include "core/journal/journal_thread.h"
#include "ipc/event.h"
#include "ipc/topic.h"

#define ROUNDS 5
#define EVENTS 20480
#define BALLAST 900 /* bytes: rows of about 1 kB */

#define FULL_BYTES (16u * 1024 * 1024) /* less than EVENTS take */

struct figures {
    double journal, floor, full, full_floor; /* events a second */
    double hand_over_ns;                     /* what one call costs the loop */
};

static void must(int err, const char *what)
{
    if (!err)
        return;
    (void)fprintf(stderr, "bench_journal: %s: %d\n", what, err);
    exit(1);
}

static struct tc_event *make_event(struct tc_topics *topics)
{
    struct tocsin_event draft = {.size = sizeof(draft), .fd = -1, .time_ns = 1};
    const struct tc_topic *topic;
    struct tc_event *event;
    struct tocsin_writer w;
    char ballast[BALLAST];

    memset(ballast, 'x', sizeof(ballast));
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_strn(&w, "ballast", ballast, sizeof(ballast));
    tocsin_end(&w);
    draft.data = w.buf;
    draft.len = w.len;
    must(tc_topic_intern(topics, "process.started", &topic), "topic");
    must(tc_event_new(&draft, topic, "bench", 1, &event), "event");
    tocsin_writer_done(&w);
    return event;
}

static void on_stored(void *arg, int status)
{
    must(status, "sync");
    *(uint64_t *)arg = uv_hrtime();
}

/* Hands over all events; when the last one is stored, what it took in ns. */
static uint64_t fill(uv_loop_t *loop, struct tc_journal *journal, struct tc_event *event,
                     uint64_t *ret_handed_ns)
{
    uint64_t start = uv_hrtime(), stored = 0;

    for (int i = 0; i < EVENTS; i++)
        tc_journal_store(journal, event);
    *ret_handed_ns = uv_hrtime() - start;
    must(tc_journal_sync(journal, on_stored, &stored), "sync");
    while (!stored)
        (void)uv_run(loop, UV_RUN_ONCE);
    return stored - start;
}

static void measure_journal(const char *dir, struct tc_event *event, struct figures *ret)
{
    const struct tc_journal_limits limits = {.bytes = FULL_BYTES};
    struct tc_journal *journal;
    uint64_t handed;
    char why[256];
    uv_loop_t loop;

    must(uv_loop_init(&loop), "loop");
    must(tc_journal_open(&loop, dir, NULL, NULL, &journal, why), why);
    ret->journal = EVENTS * 1e9 / (double)fill(&loop, journal, event, &handed);
    ret->hand_over_ns = (double)handed / EVENTS;
    tc_journal_configure(journal, &limits);
    (void)fill(&loop, journal, event, &handed); /* until it is as small as it is to be */
    ret->full = EVENTS * 1e9 / (double)fill(&loop, journal, event, &handed);
    tc_journal_close(journal, NULL, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    must(uv_loop_close(&loop), "loop close");
}

/* `full`: as many of the oldest go. */
static void insert_batch(sqlite3 *db, sqlite3_stmt *insert, const struct tc_event *event,
                         bool full)
{
    char sql[128];

    (void)snprintf(sql, sizeof(sql),
                   "DELETE FROM events WHERE id IN"
                   " (SELECT id FROM events ORDER BY id LIMIT %d)",
                   TC_JOURNAL_BATCH_MAX);
    must(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), "begin");
    if (full)
        must(sqlite3_exec(db, sql, NULL, NULL, NULL), "delete");
    for (int i = 0; i < TC_JOURNAL_BATCH_MAX; i++) {
        (void)sqlite3_bind_int64(insert, 1, (int64_t)event->pub.time_ns);
        (void)sqlite3_bind_text(insert, 2, event->pub.topic, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(insert, 3, event->pub.source, -1, SQLITE_STATIC);
        (void)sqlite3_bind_blob64(insert, 4, event->pub.data, event->pub.len,
                                  SQLITE_STATIC);
        must(sqlite3_step(insert) != SQLITE_DONE, "insert");
        (void)sqlite3_reset(insert);
    }
    must(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), "commit");
}

static void measure_floor(const char *path, const struct tc_event *event,
                          struct figures *ret)
{
    sqlite3_stmt *insert;
    uint64_t start;
    sqlite3 *db;

    must(sqlite3_open(path, &db), "open");
    must(sqlite3_exec(db,
                      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                      "CREATE TABLE events (id INTEGER PRIMARY KEY, time_ns INTEGER,"
                      " topic TEXT, source TEXT, data BLOB);"
                      "CREATE INDEX events_by_topic ON events (topic)",
                      NULL, NULL, NULL),
         "schema");
    must(sqlite3_prepare_v2(db,
                            "INSERT INTO events (time_ns, topic, source, data)"
                            " VALUES (?1, ?2, ?3, ?4)",
                            -1, &insert, NULL),
         "prepare");
    start = uv_hrtime();
    for (int i = 0; i < EVENTS / TC_JOURNAL_BATCH_MAX; i++)
        insert_batch(db, insert, event, false);
    ret->floor = EVENTS * 1e9 / (double)(uv_hrtime() - start);
    start = uv_hrtime();
    for (int i = 0; i < EVENTS / TC_JOURNAL_BATCH_MAX; i++)
        insert_batch(db, insert, event, true);
    ret->full_floor = EVENTS * 1e9 / (double)(uv_hrtime() - start);
    (void)sqlite3_finalize(insert);
    (void)sqlite3_close(db);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof(*values), by_size);
    return values[ROUNDS / 2];
}

int main(void)
{
    double journal[ROUNDS], floor[ROUNDS], full[ROUNDS], full_floor[ROUNDS];
    double hand_over[ROUNDS];
    struct tc_topics *topics = tc_topics_new();
    struct tc_event *event = make_event(topics);
    char dir[] = BENCH_BUILD_DIR "/bench-journal-XXXXXX";
    char db[sizeof(dir) + 16], bare[sizeof(dir) + 16];
    struct figures figures;

    must(!mkdtemp(dir), "mkdtemp");
    (void)snprintf(db, sizeof(db), "%s/journal.db", dir);
    (void)snprintf(bare, sizeof(bare), "%s/bare.db", dir);
    for (int i = 0; i < ROUNDS; i++) {
        measure_floor(bare, event, &figures);
        measure_journal(dir, event, &figures);
        journal[i] = figures.journal;
        floor[i] = figures.floor;
        full[i] = figures.full;
        full_floor[i] = figures.full_floor;
        hand_over[i] = figures.hand_over_ns;
        (void)unlink(db);
        (void)unlink(bare);
    }
    (void)rmdir(dir);
    (void)printf("{\"bench\":\"journal_store\",\"event_bytes\":%zu,\"batch\":%d,"
                 "\"events_per_s\":%.0f,\"floor_events_per_s\":%.0f,\"ratio\":%.2f,"
                 "\"hand_over_ns\":%.0f}\n",
                 event->pub.len, TC_JOURNAL_BATCH_MAX, median(journal), median(floor),
                 median(journal) / median(floor), median(hand_over));
    (void)printf("{\"bench\":\"journal_full\",\"event_bytes\":%zu,\"batch\":%d,"
                 "\"events_per_s\":%.0f,\"floor_events_per_s\":%.0f,\"ratio\":%.2f}\n",
                 event->pub.len, TC_JOURNAL_BATCH_MAX, median(full), median(full_floor),
                 median(full) / median(full_floor));
    tc_event_unref(event);
    tc_topics_free(topics);
    return 0;
}
