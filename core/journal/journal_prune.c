/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how long the journal keeps what, and which goes first when there is too much.
 * Must not: know what an event says.
 *
 * `kinds` has a row for each topic of each source, and one for each source in the tables
 * of threats and alerts: how many rows and bytes of the file are theirs. Pruning takes
 * from whoever has most, so all of them end at the same share, or below it, and a flood
 * pushes out nothing but itself.
 */
#include "core/journal/journal_store.h"

#include <stdio.h>
#include <string.h>

#include <tocsin/plugin.h>

#define ROW_BYTES 128 /* beside its data; journal_schema.c says it, too */
#define MARK 64       /* once full, it is emptied by this part below the limit */
#define PASSES_MAX 64 /* of one call */
#define PART 8        /* of a kind's rows, that one pass takes at most */
#define AGE_EVERY_NS (60 * UINT64_C(1000000000))
#define ROOM_BYTES (INT64_C(8) * 1024 * 1024) /* left for the next transaction, */
#define ROOM_PART 4                           /* or this part of the limit */
#define VACUUM_EVERY_NS (3600 * UINT64_C(1000000000))

/* ---- What there is ---- */

/* The row that counts events of that topic and source; made when there is none. */
static int find_id(struct tc_store *store, const struct tc_store_kind *kind,
                   int64_t *ret_id)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_PUT_KIND];
    int rc;

    (void)sqlite3_bind_text(statement, 1, kind->topic, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 2, kind->source, -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *ret_id = sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    return tc_store_errno(store->db, rc);
}

int tc_store_count(struct tc_store *store, const struct tocsin_event *event,
                   int64_t *ret_kind)
{
    const char *source = event->source ? event->source : "";
    struct tc_store_kind *kind = store->kinds, *end = kind + store->kinds_len;
    int err = 0;

    while (kind < end && (kind->topic != event->topic || kind->source != source))
        kind++;
    if (kind == store->kinds + TC_STORE_KINDS_MAX) {
        err = tc_store_flush_counts(store);
        kind = end = store->kinds;
    }
    if (kind == end) {
        *kind = (struct tc_store_kind){.topic = event->topic, .source = source};
        if (!err)
            err = find_id(store, kind, &kind->id);
        if (err)
            return err;
        store->kinds_len++;
    }
    kind->rows++;
    kind->bytes += (int64_t)event->len + ROW_BYTES;
    *ret_kind = kind->id;
    return 0;
}

int tc_store_flush_counts(struct tc_store *store)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_COUNT_EVENTS];
    int err = 0;

    for (size_t i = 0; i < store->kinds_len && !err; i++) {
        const struct tc_store_kind *kind = &store->kinds[i];

        (void)sqlite3_bind_int64(statement, 1, kind->id);
        (void)sqlite3_bind_int64(statement, 2, kind->rows);
        (void)sqlite3_bind_int64(statement, 3, kind->bytes);
        err = tc_store_run(store, TC_STORE_COUNT_EVENTS);
    }
    store->kinds_len = 0;
    return err;
}

static int measure(struct tc_store *store)
{
    struct tc_store_usage *usage = &store->usage;
    sqlite3_stmt *file = store->statements[TC_STORE_MEASURE_FILE];
    sqlite3_stmt *rows = store->statements[TC_STORE_MEASURE_ROWS];
    int rc = sqlite3_step(file);

    if (rc == SQLITE_ROW) {
        usage->free_bytes = sqlite3_column_int64(file, 1);
        usage->used_bytes = sqlite3_column_int64(file, 0) - usage->free_bytes;
        store->page_bytes = sqlite3_column_int64(file, 2);
        rc = sqlite3_step(rows);
    }
    if (rc == SQLITE_ROW) {
        usage->events = sqlite3_column_int64(rows, 0);
        usage->pruned_events = sqlite3_column_int64(rows, 1);
        usage->pruned_threats = sqlite3_column_int64(rows, 2);
        usage->pruned_alerts = sqlite3_column_int64(rows, 3);
    }
    (void)sqlite3_reset(file);
    (void)sqlite3_reset(rows);
    return tc_store_errno(store->db, rc);
}

/* ---- What goes ---- */

struct victim {
    char topic[256], source[128];
    int64_t kind, rows, bytes;
};

/* Runs a statement of ours; how many rows it has removed into ret_removed. */
static int remove_rows(struct tc_store *store, const char *sql, const struct victim *of,
                       int64_t limit, int64_t older_than_ns, int64_t *ret_removed)
{
    sqlite3_stmt *statement;
    int rc, err;

    rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tc_store_errno(store->db, rc);
    (void)sqlite3_bind_int64(statement, 1, limit);
    if (of) {
        (void)sqlite3_bind_text(statement, 2, of->source, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 3, of->kind);
    } else {
        (void)sqlite3_bind_int64(statement, 2, older_than_ns);
    }
    rc = sqlite3_step(statement);
    err = tc_store_errno(store->db, rc);
    if (!err)
        *ret_removed = sqlite3_changes64(store->db);
    (void)sqlite3_finalize(statement);
    return err;
}

/* What happened before `now_ns` less the limit; ids go with the time of arrival. */
static int prune_old(struct tc_store *store, unsigned step, uint64_t now_ns)
{
    static const char *const sql[] = {
        "DELETE FROM events WHERE id IN (SELECT id FROM (SELECT id, time_ns FROM events"
        " ORDER BY id LIMIT ?1) WHERE time_ns < ?2)",
        "DELETE FROM threats WHERE id IN (SELECT id FROM threats"
        " WHERE last_seen_ns < ?2 ORDER BY last_seen_ns LIMIT ?1)",
        "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts"
        " WHERE last_seen_ns < ?2 ORDER BY last_seen_ns LIMIT ?1)",
    };
    bool more = false;
    int err = 0;

    if (!store->keep.age_ns || now_ns < store->age_due_ns ||
        now_ns < (uint64_t)store->keep.age_ns)
        return 0;
    for (size_t i = 0; i < sizeof(sql) / sizeof(*sql) && !err; i++) {
        int64_t removed = 0;

        err = remove_rows(store, sql[i], NULL, step, (int64_t)now_ns - store->keep.age_ns,
                          &removed);
        more |= removed == step;
    }
    if (!err && !more)
        store->age_due_ns = now_ns + AGE_EVERY_NS;
    return err;
}

/*
 * Who has most: a source in one family of topics, and of these the largest topic. Of the
 * bytes, threats and alerts count a quarter: they are what the record is kept for. Of
 * the rows, those of `events` alone.
 */
#define FAMILY "substr(topic, 1, instr(topic || '.', '.') - 1)"
#define LARGEST(weight)                                                                  \
    "WITH top AS (SELECT " FAMILY " AS family, source AS owner FROM kinds"               \
    " WHERE rows > 0 GROUP BY 1, 2 ORDER BY sum(" weight ") DESC LIMIT 1)"               \
    " SELECT topic, source, rows, bytes, id FROM kinds, top"                             \
    " WHERE source = owner AND " FAMILY " = family AND rows > 0"                         \
    " ORDER BY " weight " DESC LIMIT 1"

static int find_victim(struct tc_store *store, bool by_bytes, struct victim *ret)
{
    const char *sql = by_bytes ? LARGEST("iif(instr(topic, '.'), bytes, bytes / 4)")
                               : LARGEST("iif(instr(topic, '.'), rows, 0)");
    sqlite3_stmt *statement;
    int rc;

    ret->rows = 0;
    rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tc_store_errno(store->db, rc);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        (void)snprintf(ret->topic, sizeof(ret->topic), "%s",
                       (const char *)sqlite3_column_text(statement, 0));
        (void)snprintf(ret->source, sizeof(ret->source), "%s",
                       (const char *)sqlite3_column_text(statement, 1));
        ret->rows = sqlite3_column_int64(statement, 2);
        ret->bytes = sqlite3_column_int64(statement, 3);
        ret->kind = sqlite3_column_int64(statement, 4);
    }
    (void)sqlite3_finalize(statement);
    return tc_store_errno(store->db, rc);
}

/* Of a source's alerts, the rule and user with most lose; of its threats, the user. */
#define REMOVE_FROM(table, first, second)                                                \
    "WITH most AS (SELECT " first " AS a, " second " AS b FROM " table                   \
    " WHERE source = ?2 GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1)"                   \
    " DELETE FROM " table " WHERE rowid IN (SELECT t.rowid FROM " table " AS t, most"    \
    " WHERE t.source = ?2 AND t." first " IS a AND t." second " IS b"                    \
    " ORDER BY t.last_seen_ns LIMIT ?1)"

static int prune_victim(struct tc_store *store, const struct victim *victim,
                        int64_t limit, int64_t *ret_removed)
{
    const char *sql;

    if (!strcmp(victim->topic, "threats"))
        sql = REMOVE_FROM("threats", "process_user", "process_user");
    else if (!strcmp(victim->topic, "alerts"))
        sql = REMOVE_FROM("alerts", "rule_id", "process_user");
    else
        sql = "DELETE FROM events WHERE id IN (SELECT id FROM events"
              " WHERE kind = ?3 ORDER BY id LIMIT ?1)";
    return remove_rows(store, sql, victim, limit, 0, ret_removed);
}

static int64_t min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whatever the next transaction adds, the file stays within its bound. */
static int64_t limit_bytes(const struct tc_store *store)
{
    return store->keep.bytes - min(ROOM_BYTES, store->keep.bytes / ROOM_PART);
}

/* How many rows are to go before the mark is reached; 0: none. */
static int64_t excess(struct tc_store *store, bool *ret_by_bytes,
                      const struct victim *last)
{
    const struct tc_store_limits *keep = &store->keep;
    const struct tc_store_usage *usage = &store->usage;
    int64_t rows = usage->events - (keep->events - keep->events / MARK);
    int64_t bytes = usage->used_bytes - (limit_bytes(store) - keep->bytes / MARK);
    int64_t row_bytes = last->rows > 0 ? last->bytes / last->rows : ROW_BYTES;

    if (usage->events > keep->events || usage->used_bytes > limit_bytes(store))
        store->shrinking = true;
    else if (rows <= 0 && bytes <= 0)
        store->shrinking = false;
    if (!store->shrinking)
        return 0;
    *ret_by_bytes = bytes > 0;
    return bytes > 0 ? bytes / (row_bytes + ROW_BYTES) + 1 : rows;
}

/* One pass; how many rows went into ret_removed, 0 when there is no more to do. */
static int prune_pass(struct tc_store *store, int64_t step, int64_t *ret_removed)
{
    struct victim victim = {.rows = 0};
    bool by_bytes = false;
    int64_t limit;
    int err;

    *ret_removed = 0;
    if (!excess(store, &by_bytes, &victim))
        return 0;
    err = find_victim(store, by_bytes, &victim);
    if (err || !victim.rows)
        return err;
    limit = min(min(step, excess(store, &by_bytes, &victim)), victim.rows / PART + 1);
    err = prune_victim(store, &victim, limit, ret_removed);
    return err ? err : measure(store);
}

int tc_store_prune(struct tc_store *store, unsigned step, uint64_t now_ns)
{
    int64_t left = step, removed = 1;
    int err;

    err = tc_store_flush_counts(store);
    if (!err)
        err = prune_old(store, step, now_ns);
    if (!err)
        err = measure(store);
    for (int i = 0; i < PASSES_MAX && removed && !err; i++) {
        if (store->usage.used_bytes <= limit_bytes(store) && left <= 0)
            break;
        err = prune_pass(store, left > 0 ? left : step, &removed);
        left -= removed;
    }
    return err;
}

int tc_store_shrink(struct tc_store *store, uint64_t now_ns)
{
    const struct tc_store_usage *usage = &store->usage;
    int rc;

    if (usage->used_bytes + usage->free_bytes <= store->keep.bytes ||
        usage->used_bytes > limit_bytes(store) || now_ns < store->vacuum_due_ns)
        return 0;
    store->vacuum_due_ns = now_ns + VACUUM_EVERY_NS;
    rc = sqlite3_exec(store->db, "VACUUM", NULL, NULL, NULL);
    return rc == SQLITE_OK ? measure(store) : tc_store_errno(store->db, rc);
}
