/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/fw_spool.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "spool/fw_sqlite.h"

#define BUSY_TIMEOUT_MS 2000
#define FREE_PAGES_MAX 1024 /* more are given back to the disk when nothing waits */

/* The place is that of the journal (struct tc_fw_place); without an id, all from that
 * time on is still to come. `wants` has a bit for each sink. */
static const char schema[] =
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA cache_size = -1024;"
    "PRAGMA journal_size_limit = 4194304;"
    "CREATE TABLE IF NOT EXISTS events ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL,"
    " topic TEXT NOT NULL, source TEXT NOT NULL, wants INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS sinks ("
    " name TEXT PRIMARY KEY, bit INTEGER NOT NULL UNIQUE, cursor INTEGER NOT NULL,"
    " sent INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0)"
    " WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS dead ("
    " sink TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL,"
    " refused_ns INTEGER NOT NULL, why TEXT NOT NULL, time_ns INTEGER, topic TEXT,"
    " source TEXT, data BLOB, PRIMARY KEY (sink, seq)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS place ("
    " one INTEGER PRIMARY KEY CHECK (one = 1), id INTEGER, time_ns INTEGER);";

static int run(struct tc_fw_spool *spool, const char *sql)
{
    return tc_fw_errno(spool->db, sqlite3_exec(spool->db, sql, NULL, NULL, NULL));
}

static void bind_text(sqlite3_stmt *s, int index, const char *text)
{
    (void)sqlite3_bind_text(s, index, text ? text : "", -1, SQLITE_STATIC);
}

static int prepare(struct tc_fw_spool *spool, const char *sql, sqlite3_stmt **ret)
{
    return tc_fw_errno(spool->db, sqlite3_prepare_v2(spool->db, sql, -1, ret, NULL));
}

/* Ends a statement that was stepped to `rc`. */
static int finish(struct tc_fw_spool *spool, sqlite3_stmt *s, int rc)
{
    int err = tc_fw_errno(spool->db, rc);

    (void)sqlite3_finalize(s);
    return err;
}

/* A statement of up to three numbers and, first, a name, that gives one number or none.
 */
static int ask(struct tc_fw_spool *spool, const char *sql, const char *name, int64_t a,
               int64_t b, int64_t *ret)
{
    sqlite3_stmt *s;
    int rc, err = prepare(spool, sql, &s);

    if (err)
        return err;
    bind_text(s, 1, name);
    (void)sqlite3_bind_int64(s, 2, a);
    (void)sqlite3_bind_int64(s, 3, b);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW && ret)
        *ret = sqlite3_column_int64(s, 0);
    return finish(spool, s, rc);
}

static int end(struct tc_fw_spool *spool, int err)
{
    if (!err)
        err = run(spool, "COMMIT");
    if (err && !sqlite3_get_autocommit(spool->db))
        (void)run(spool, "ROLLBACK");
    return err;
}

/* ---- Opening. ---- */

/* A bit that no sink has, for one that has none yet. */
static int know_sink(struct tc_fw_spool *spool, size_t i, unsigned taken)
{
    const char *name = spool->sinks[i].name;
    int64_t bit = -1;
    int err = ask(spool, "SELECT bit FROM sinks WHERE name = ?1", name, 0, 0, &bit);

    if (!err && bit < 0) {
        for (bit = 0; taken & (1u << bit);)
            bit++;
        err = ask(spool,
                  "INSERT INTO sinks (name, bit, cursor) VALUES (?1, ?2,"
                  " ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0))",
                  name, bit, 0, NULL);
    }
    spool->bits[i] = 1u << (bit & 31);
    return err;
}

static bool is_configured(const struct tc_fw_spool *spool, const char *name)
{
    for (size_t i = 0; i < spool->sink_count; i++)
        if (!strcmp(spool->sinks[i].name, name))
            return true;
    return false;
}

/* Sinks that are gone go here too; *ret_taken are the bits of the others. */
static int forget_sinks(struct tc_fw_spool *spool, unsigned *ret_taken)
{
    char gone[TC_FW_SINKS_MAX][TC_FW_NAME_BYTES];
    size_t count = 0;
    sqlite3_stmt *s;
    int rc, err = prepare(spool, "SELECT name, bit FROM sinks", &s);

    *ret_taken = 0;
    if (err)
        return err;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(s, 0);

        if (name && is_configured(spool, name))
            *ret_taken |= 1u << (sqlite3_column_int(s, 1) & 31);
        else if (name && count < TC_FW_SINKS_MAX)
            snprintf(gone[count++], TC_FW_NAME_BYTES, "%s", name);
    }
    err = finish(spool, s, rc);
    for (size_t i = 0; !err && i < count; i++) {
        err = ask(spool, "DELETE FROM sinks WHERE name = ?1", gone[i], 0, 0, NULL);
        if (!err)
            err = ask(spool, "DELETE FROM dead WHERE sink = ?1", gone[i], 0, 0, NULL);
    }
    return err;
}

static int know_sinks(struct tc_fw_spool *spool)
{
    unsigned taken;
    int err = run(spool, "BEGIN IMMEDIATE");

    if (err)
        return err;
    err = forget_sinks(spool, &taken);
    for (size_t i = 0; !err && i < spool->sink_count; i++) {
        err = know_sink(spool, i, taken);
        taken |= spool->bits[i];
    }
    return end(spool, err);
}

static int open_file(struct tc_fw_spool *spool, const char *path)
{
    int64_t last = 0;
    int rc, err;

    rc = sqlite3_open_v2(path, &spool->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                         NULL);
    err = tc_fw_errno(spool->db, rc);
    if (!err) {
        (void)sqlite3_busy_timeout(spool->db, BUSY_TIMEOUT_MS);
        err = run(spool, schema);
    }
    if (!err)
        err = know_sinks(spool);
    if (!err)
        err = ask(spool, "INSERT OR IGNORE INTO place VALUES (1, NULL, ?2)", NULL,
                  spool->since_ns, 0, NULL);
    if (!err)
        err = ask(spool, "SELECT seq FROM sqlite_sequence WHERE name = 'events'", NULL, 0,
                  0, &last);
    spool->last = (uint64_t)last;
    return err;
}

int tc_fw_spool_open(struct tc_fw_spool *spool, const char *dir)
{
    char path[4096], aside[4096 + 16];
    int err;

    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    if (snprintf(path, sizeof(path), "%s/spool.db", dir) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    err = open_file(spool, path);
    if (err == -EUCLEAN) {
        (void)sqlite3_close(spool->db);
        spool->db = NULL;
        snprintf(aside, sizeof(aside), "%s.corrupt", path);
        (void)rename(path, aside);
        snprintf(aside, sizeof(aside), "%s-wal", path);
        (void)remove(aside);
    }
    if (err) {
        (void)sqlite3_close(spool->db);
        spool->db = NULL;
    }
    return err;
}

void tc_fw_spool_close(struct tc_fw_spool *spool)
{
    tc_fw_journal_close(&spool->journal);
    (void)sqlite3_close(spool->db);
    spool->db = NULL;
}

/* ---- From the journal. ---- */

struct pump {
    struct tc_fw_spool *spool;
    sqlite3_stmt *put;
    bool some;
};

static int take_row(void *arg, const struct tc_fw_row *row)
{
    struct pump *pump = arg;
    struct tc_fw_spool *spool = pump->spool;
    struct tc_fw_event event = {.topic = row->topic ? row->topic : "",
                                .source = row->source ? row->source : "",
                                .time_ns = (uint64_t)row->time_ns,
                                .data = row->data,
                                .len = (size_t)row->len};
    unsigned wants = 0;
    int rc;

    tc_fw_event_know(&event);
    for (size_t i = 0; i < spool->sink_count; i++)
        if (tc_fw_config_wants(&spool->sinks[i], event.topic, event.severity))
            wants |= spool->bits[i];
    if (!wants || !row->data)
        return 0;
    (void)sqlite3_bind_int64(pump->put, 1, row->time_ns);
    bind_text(pump->put, 2, event.topic);
    bind_text(pump->put, 3, event.source);
    (void)sqlite3_bind_int64(pump->put, 4, wants);
    (void)sqlite3_bind_blob(pump->put, 5, row->data, row->len, SQLITE_STATIC);
    rc = sqlite3_step(pump->put);
    (void)sqlite3_reset(pump->put);
    pump->some = true;
    return tc_fw_errno(spool->db, rc);
}

/* Where it was read up to; of an agent that forwards for the first time, what is older is
 * history. */
static int find_place(struct tc_fw_spool *spool, struct tc_fw_place *ret)
{
    bool known = false;
    sqlite3_stmt *s;
    int rc, err = prepare(spool, "SELECT id, time_ns FROM place", &s);

    if (err)
        return err;
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        known = sqlite3_column_type(s, 0) != SQLITE_NULL;
        *ret = (struct tc_fw_place){.id = sqlite3_column_int64(s, 0),
                                    .time_ns = sqlite3_column_int64(s, 1)};
    }
    err = finish(spool, s, rc);
    if (err)
        return err;
    return known ? tc_fw_journal_check(&spool->journal, ret)
                 : tc_fw_journal_before(&spool->journal, ret->time_ns, ret);
}

static int drop_oldest(struct tc_fw_spool *spool);

static int pump_rows(struct tc_fw_spool *spool, struct tc_fw_place *place, int *ret_count)
{
    struct pump pump = {.spool = spool, .put = NULL};
    int err = prepare(spool,
                      "INSERT INTO events (time_ns, topic, source, wants, data)"
                      " VALUES (?1, ?2, ?3, ?4, ?5)",
                      &pump.put);

    if (err)
        return err;
    err = tc_fw_journal_read(&spool->journal, place, TC_FW_PUMP_ROWS, take_row, &pump,
                             ret_count);
    (void)sqlite3_finalize(pump.put);
    if (!err && *ret_count)
        err =
            ask(spool, "INSERT OR REPLACE INTO place (one, id, time_ns) SELECT 1, ?2, ?3",
                "", place->id, place->time_ns, NULL);
    if (!err && pump.some) {
        spool->last = (uint64_t)sqlite3_last_insert_rowid(spool->db);
        err = drop_oldest(spool);
    }
    return err;
}

int tc_fw_spool_pump(struct tc_fw_spool *spool, bool *ret_more)
{
    struct tc_fw_place place = {.id = 0};
    uint64_t last = spool->last;
    int64_t newest = 0;
    int count = 0, err = tc_fw_journal_open(&spool->journal);

    *ret_more = false;
    if (err)
        return err;
    err = find_place(spool, &place);
    if (err)
        return err;
    err = run(spool, "BEGIN IMMEDIATE");
    if (err)
        return err;
    err = end(spool, pump_rows(spool, &place, &count));
    if (err) {
        spool->last = last;
        return err;
    }
    (void)ask(spool, "SELECT seq FROM sqlite_sequence WHERE name = 'events'", NULL, 0, 0,
              &newest);
    spool->last = (uint64_t)newest;
    *ret_more = count == TC_FW_PUMP_ROWS;
    return 0;
}

/* ---- Bounds. ---- */

int tc_fw_spool_bytes(struct tc_fw_spool *spool, uint64_t *ret_bytes)
{
    int64_t bytes = 0;
    int err = ask(spool,
                  "SELECT (SELECT page_count FROM pragma_page_count)"
                  " * (SELECT page_size FROM pragma_page_size)",
                  NULL, 0, 0, &bytes);

    *ret_bytes = (uint64_t)bytes;
    return err;
}

static bool is_full(struct tc_fw_spool *spool)
{
    int64_t used = 0;

    (void)ask(spool,
              "SELECT ((SELECT page_count FROM pragma_page_count)"
              " - (SELECT freelist_count FROM pragma_freelist_count))"
              " * (SELECT page_size FROM pragma_page_size)",
              NULL, 0, 0, &used);
    return (uint64_t)used > spool->max_bytes;
}

/* The oldest twentieth goes, and is counted with each sink that has not had it. */
static int drop_oldest(struct tc_fw_spool *spool)
{
    int64_t cut = 0;
    int err = 0;

    while (!err && is_full(spool)) {
        cut = 0;
        err = ask(spool,
                  "SELECT seq FROM events ORDER BY seq LIMIT 1 OFFSET"
                  " (SELECT count(*) / 20 FROM events)",
                  NULL, 0, 0, &cut);
        if (err || !cut)
            break; /* it is full of dead letters, which are bounded themselves */
        err = ask(spool,
                  "UPDATE sinks SET dropped = dropped + (SELECT count(*) FROM events"
                  "  WHERE seq > cursor AND seq <= ?2 AND wants & (1 << bit)),"
                  " cursor = max(cursor, ?2)",
                  NULL, cut, 0, NULL);
        if (!err)
            err = ask(spool, "DELETE FROM events WHERE seq <= ?2", NULL, cut, 0, NULL);
    }
    return err;
}

static int sweep(struct tc_fw_spool *spool)
{
    return ask(spool, "DELETE FROM events WHERE seq <= (SELECT min(cursor) FROM sinks)",
               NULL, 0, 0, NULL);
}

/* When nothing waits, a file that has grown is made smaller. */
static void shrink(struct tc_fw_spool *spool)
{
    int64_t rows = 1, pages = 0;

    (void)ask(spool, "SELECT count(*) FROM (SELECT 1 FROM events LIMIT 1)", NULL, 0, 0,
              &rows);
    (void)ask(spool, "SELECT freelist_count FROM pragma_freelist_count", NULL, 0, 0,
              &pages);
    if (rows || pages < FREE_PAGES_MAX)
        return;
    (void)run(spool, "PRAGMA incremental_vacuum");
    (void)sqlite3_wal_checkpoint_v2(spool->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                    NULL);
}

/* ---- To the sinks. ---- */

static int give(struct tc_fw_spool *spool, sqlite3_stmt *s,
                int (*take)(void *arg, const struct tc_fw_event *event), void *arg,
                bool *ret_some)
{
    int rc, stop = 0;

    while (!stop && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct tc_fw_event event = {
            .seq = (uint64_t)sqlite3_column_int64(s, 0),
            .time_ns = (uint64_t)sqlite3_column_int64(s, 1),
            .topic = (const char *)sqlite3_column_text(s, 2),
            .source = (const char *)sqlite3_column_text(s, 3),
            .data = sqlite3_column_blob(s, 4),
            .len = (size_t)sqlite3_column_bytes(s, 4),
        };

        *ret_some = true;
        if (!event.topic || !event.source || !event.data)
            return -ENOMEM;
        tc_fw_event_know(&event);
        stop = take(arg, &event);
    }
    return stop ? 0 : tc_fw_errno(spool->db, rc);
}

int tc_fw_spool_next(struct tc_fw_spool *spool, size_t sink, int limit,
                     int (*take)(void *arg, const struct tc_fw_event *event), void *arg)
{
    const char *name = spool->sinks[sink].name;
    sqlite3_stmt *s;
    bool some = false;
    int err = prepare(spool,
                      "SELECT seq, time_ns, topic, source, data FROM events"
                      " WHERE seq > (SELECT cursor FROM sinks WHERE name = ?1)"
                      " AND wants & ?2 ORDER BY seq LIMIT ?3",
                      &s);

    if (err)
        return err;
    bind_text(s, 1, name);
    (void)sqlite3_bind_int64(s, 2, spool->bits[sink]);
    (void)sqlite3_bind_int(s, 3, limit);
    err = give(spool, s, take, arg, &some);
    (void)sqlite3_finalize(s);
    if (err || some)
        return err;
    /* It wants nothing of what is left, which need not wait for it. */
    err = ask(spool, "UPDATE sinks SET cursor = ?2 WHERE name = ?1 AND cursor < ?2", name,
              (int64_t)spool->last, 0, NULL);
    if (!err)
        err = sweep(spool);
    if (!err)
        shrink(spool);
    return err;
}

static int bury(struct tc_fw_spool *spool, const char *sink,
                const struct tc_fw_done *done)
{
    struct timespec now;
    sqlite3_stmt *s;
    int err = prepare(spool,
                      "INSERT OR REPLACE INTO dead SELECT ?1, seq, ?2, ?3, ?4, time_ns,"
                      " topic, source, data FROM events WHERE seq = ?5",
                      &s);

    if (err)
        return err;
    clock_gettime(CLOCK_REALTIME, &now);
    bind_text(s, 1, sink);
    bind_text(s, 2, done->id);
    (void)sqlite3_bind_int64(s, 3, now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
    bind_text(s, 4, done->why);
    (void)sqlite3_bind_int64(s, 5, (int64_t)done->seq);
    return finish(spool, s, sqlite3_step(s));
}

int tc_fw_spool_done(struct tc_fw_spool *spool, size_t sink,
                     const struct tc_fw_done *done, size_t count)
{
    const char *name = spool->sinks[sink].name;
    int64_t taken = 0;
    int err;

    if (!count)
        return 0;
    err = run(spool, "BEGIN IMMEDIATE");
    if (err)
        return err;
    for (size_t i = 0; !err && i < count; i++) {
        if (done[i].why)
            err = bury(spool, name, &done[i]);
        else
            taken++;
    }
    if (!err)
        err = ask(spool,
                  "UPDATE sinks SET cursor = max(cursor, ?2), sent = sent + ?3"
                  " WHERE name = ?1",
                  name, (int64_t)done[count - 1].seq, taken, NULL);
    if (!err && (size_t)taken < count)
        err = ask(spool,
                  "DELETE FROM dead WHERE sink = ?1 AND seq < (SELECT seq FROM dead"
                  " WHERE sink = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
                  name, TC_FW_DEAD_MAX - 1, 0, NULL);
    if (!err)
        err = sweep(spool);
    return end(spool, err);
}

int tc_fw_spool_counts(struct tc_fw_spool *spool, size_t sink, struct tc_fw_counts *ret)
{
    const char *name = spool->sinks[sink].name;
    int64_t n[4] = {0};
    int err = ask(spool,
                  "SELECT count(*) FROM events WHERE wants & ?2"
                  " AND seq > (SELECT cursor FROM sinks WHERE name = ?1)",
                  name, spool->bits[sink], 0, &n[0]);

    if (!err)
        err = ask(spool, "SELECT sent FROM sinks WHERE name = ?1", name, 0, 0, &n[1]);
    if (!err)
        err = ask(spool, "SELECT count(*) FROM dead WHERE sink = ?1", name, 0, 0, &n[2]);
    if (!err)
        err = ask(spool, "SELECT dropped FROM sinks WHERE name = ?1", name, 0, 0, &n[3]);
    *ret = (struct tc_fw_counts){.queued = (uint64_t)n[0],
                                 .sent = (uint64_t)n[1],
                                 .dead = (uint64_t)n[2],
                                 .dropped = (uint64_t)n[3]};
    return err;
}

int tc_fw_spool_dead(struct tc_fw_spool *spool, int limit,
                     void (*take)(void *arg, const char *sink,
                                  const struct tc_fw_event *event, uint64_t refused_ns,
                                  const char *why),
                     void *arg)
{
    sqlite3_stmt *s;
    int rc, err = prepare(spool,
                          "SELECT sink, seq, id, refused_ns, why, time_ns, topic, source,"
                          " data FROM dead ORDER BY refused_ns DESC LIMIT ?1",
                          &s);

    if (err)
        return err;
    (void)sqlite3_bind_int(s, 1, limit);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct tc_fw_event event = {
            .seq = (uint64_t)sqlite3_column_int64(s, 1),
            .time_ns = (uint64_t)sqlite3_column_int64(s, 5),
            .topic = (const char *)sqlite3_column_text(s, 6),
            .source = (const char *)sqlite3_column_text(s, 7),
            .data = sqlite3_column_blob(s, 8),
            .len = (size_t)sqlite3_column_bytes(s, 8),
        };
        const char *id = (const char *)sqlite3_column_text(s, 2);

        snprintf(event.id, sizeof(event.id), "%s", id ? id : "");
        take(arg, (const char *)sqlite3_column_text(s, 0), &event,
             (uint64_t)sqlite3_column_int64(s, 3),
             (const char *)sqlite3_column_text(s, 4));
    }
    return finish(spool, s, rc);
}
