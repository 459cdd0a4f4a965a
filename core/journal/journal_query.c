/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how a question of the journal is answered. Which there are is
 * journal_questions.c's, and what may be asked journal_asked.c's. Must not: write.
 */
#include "core/journal/journal_questions.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/journal/journal.h"
#include "ipc/filter.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

/* The columns that hold a whole event, encoded. */
static bool is_encoded(const char *column)
{
    return !strcmp(column, "event") || !strcmp(column, "detected") ||
           !strcmp(column, "remediated") || !strcmp(column, "matches");
}

static void put_column(struct tc_pack *p, const char *key, sqlite3_stmt *row, int column)
{
    int type = sqlite3_column_type(row, column);
    const void *data;
    size_t n;

    if (type == SQLITE_NULL) {
        tc_pack_nil(p, key);
        return;
    }
    if (type == SQLITE_INTEGER) {
        tc_pack_int(p, key, sqlite3_column_int64(row, column));
        return;
    }
    data = sqlite3_column_blob(row, column);
    n = (size_t)sqlite3_column_bytes(row, column);
    if (key && is_encoded(key))
        tc_pack_encoded(p, key, data, n);
    else
        tc_pack_strn(p, key, data ? data : "", n);
}

static void put_columns(struct tc_pack *p, sqlite3_stmt *row)
{
    for (int i = 0; i < sqlite3_column_count(row); i++)
        if (sqlite3_column_name(row, i)[0] != '.') /* our own */
            put_column(p, sqlite3_column_name(row, i), row, i);
}

/* Binds a parameter to the string of that name in `params`, as it is stored. */
static void bind_param(sqlite3_stmt *statement, const char *name, struct tocsin_str s)
{
    int index = sqlite3_bind_parameter_index(statement, name);

    if (!index || !s.ptr)
        return;
    if (tocsin_utf8_valid(s.ptr, s.len))
        (void)sqlite3_bind_text64(statement, index, s.ptr, s.len, SQLITE_STATIC,
                                  SQLITE_UTF8);
    else
        (void)sqlite3_bind_blob64(statement, index, s.ptr, s.len, SQLITE_STATIC);
}

static void bind_int(sqlite3_stmt *statement, const char *name, int64_t value)
{
    int index = sqlite3_bind_parameter_index(statement, name);

    if (index)
        (void)sqlite3_bind_int64(statement, index, value);
}

static int prepare(struct tc_store *store, const char *sql,
                   const struct tc_journal_asked *asked, sqlite3_stmt **ret_statement)
{
    sqlite3_stmt *statement;
    int rc;

    rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tc_store_errno(store->db, rc);
    bind_param(statement, ":id", (struct tocsin_str){asked->id, strlen(asked->id)});
    bind_param(statement, ":topic", tc_unpack_str(asked->params, "topic"));
    bind_int(statement, ":since", tc_unpack_int(asked->params, "since_ns", 0));
    bind_int(statement, ":before_ns", asked->before_ns);
    bind_int(statement, ":before_row", asked->before_row);
    bind_int(statement, ":rank", asked->rank);
    bind_param(statement, ":state", tc_unpack_str(asked->params, "state"));
    bind_param(statement, ":rule", tc_unpack_str(asked->params, "rule"));
    if (asked->of_case[0])
        bind_param(statement, ":case",
                   (struct tocsin_str){asked->of_case, strlen(asked->of_case)});
    /* A filter looks at all rows: how many it wants is to be told. */
    bind_int(statement, ":limit", asked->filter ? -1 : asked->limit);
    *ret_statement = statement;
    return 0;
}

/* ---- Lists ---- */

static int count_all(struct tc_store *store, const char *sql,
                     const struct tc_journal_asked *asked, uint64_t *ret)
{
    sqlite3_stmt *statement = NULL;
    int rc, err = prepare(store, sql, asked, &statement);

    if (err)
        return err;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(statement, 0);
    err = tc_store_errno(store->db, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

/* Puts the row as a map, if it is asked for. */
static int put_wanted(const struct tc_journal_asked *asked, sqlite3_stmt *row, bool fits,
                      struct tc_pack *p, bool *ret_wanted)
{
    struct tc_filter_event event = {.id = 0};
    struct tc_pack one;
    int err;

    tc_pack_init(&one);
    tc_pack_begin_map(&one, NULL);
    put_columns(&one, row);
    tc_pack_end(&one);
    event.data = one.bytes.data;
    event.len = one.bytes.size;
    err = one.error;
    *ret_wanted = !err && (!asked->filter || tc_filter_match(asked->filter, &event));
    if (*ret_wanted && fits)
        tc_pack_encoded(p, NULL, one.bytes.data, one.bytes.size);
    tc_pack_done(&one);
    return err;
}

/* Where the row is in its list, as tc_journal_asked_read reads it. */
static void keep_cursor(sqlite3_stmt *row, char cursor[TC_JOURNAL_CURSOR_MAX + 1])
{
    int last = sqlite3_column_count(row) - 1;

    (void)snprintf(cursor, TC_JOURNAL_CURSOR_MAX + 1, "%" PRId64 ".%" PRId64,
                   (int64_t)sqlite3_column_int64(row, last - 1),
                   (int64_t)sqlite3_column_int64(row, last));
}

static int put_list(struct tc_store *store, const struct tc_journal_question *question,
                    const struct tc_journal_asked *asked, sqlite3_stmt *rows,
                    struct tc_pack *p)
{
    char cursor[TC_JOURNAL_CURSOR_MAX + 1] = "";
    bool truncated = false, fits, wanted, more = false;
    uint64_t total = 0, seen = 0;
    int rc = SQLITE_DONE, err = 0;

    tc_pack_begin_array(p, "items");
    while (!err && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
        truncated = truncated || p->bytes.size > TC_STORE_ANSWER_BYTES;
        if (truncated && !asked->filter)
            break;
        fits = !truncated && seen < (uint64_t)asked->limit;
        err = put_wanted(asked, rows, fits, p, &wanted);
        seen += wanted;
        more = more || (wanted && !fits);
        if (wanted && fits && question->paged)
            keep_cursor(rows, cursor);
    }
    tc_pack_end(p);
    if (truncated)
        tc_pack_bool(p, "truncated", true);
    if (!err)
        err = tc_store_errno(store->db, rc);
    total = seen;
    if (!err && question->count_sql && !asked->filter)
        err = count_all(store, question->count_sql, asked, &total);
    if (question->count_sql)
        tc_pack_uint(p, "total", total);
    if (cursor[0] &&
        (truncated || more || (!asked->filter && seen == (uint64_t)asked->limit)))
        tc_pack_str(p, "next", cursor);
    return err;
}

/* ---- One ---- */

int tc_store_find_id(struct tc_store *store, const char *table,
                     char id[TC_STORE_ID_MAX + 1])
{
    bool latest = !strcmp(id, "latest");
    sqlite3_stmt *rows = NULL;
    char sql[256];
    int rc, err;

    (void)snprintf(sql, sizeof(sql),
                   latest ? "SELECT id FROM %s ORDER BY last_seen_ns DESC, rowid DESC"
                            " LIMIT 1"
                          : "SELECT id FROM %s WHERE"
                            " lower(substr(id, 1, length(:id))) = lower(:id)"
                            " ORDER BY id = :id DESC LIMIT 2",
                   table);
    rc = sqlite3_prepare_v2(store->db, sql, -1, &rows, NULL);
    if (rc != SQLITE_OK)
        return tc_store_errno(store->db, rc);
    bind_param(rows, ":id", (struct tocsin_str){id, strlen(id)});
    rc = sqlite3_step(rows);
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(rows, 0);
        bool whole = text && !strcmp(text, id);
        char found[TC_STORE_ID_MAX + 1];

        (void)snprintf(found, sizeof(found), "%s", text ? text : "");
        rc = sqlite3_step(rows);
        err = rc == SQLITE_ROW && !whole ? -ENOTUNIQ : tc_store_errno(store->db, rc);
        (void)sqlite3_reset(rows); /* `id` is bound */
        if (!err)
            memcpy(id, found, sizeof(found));
    } else {
        err = rc == SQLITE_DONE ? -ENOENT : tc_store_errno(store->db, rc);
    }
    (void)sqlite3_finalize(rows);
    return err;
}

static int put_one(struct tc_store *store, sqlite3_stmt *row, struct tc_pack *p)
{
    int rc = sqlite3_step(row);

    if (rc == SQLITE_DONE)
        return -ENOENT;
    if (rc == SQLITE_ROW)
        put_columns(p, row);
    return tc_store_errno(store->db, rc);
}

static void put_row(struct tc_pack *p, sqlite3_stmt *row)
{
    if (sqlite3_column_count(row) == 1) {
        put_column(p, NULL, row, 0);
        return;
    }
    tc_pack_begin_map(p, NULL);
    put_columns(p, row);
    tc_pack_end(p);
}

/* A list beside what is asked for; it ends early where the answer grows too large. */
static int put_beside(struct tc_store *store, const struct tc_journal_beside *beside,
                      const struct tc_journal_asked *asked, struct tc_pack *p)
{
    sqlite3_stmt *rows = NULL;
    int rc, err;

    err = prepare(store, beside->sql, asked, &rows);
    if (err)
        return err;
    tc_pack_begin_array(p, beside->name);
    while ((rc = sqlite3_step(rows)) == SQLITE_ROW &&
           p->bytes.size <= TC_STORE_ANSWER_BYTES)
        put_row(p, rows);
    tc_pack_end(p);
    if (rc == SQLITE_ROW)
        tc_pack_bool(p, "truncated", true);
    err = rc == SQLITE_ROW ? 0 : tc_store_errno(store->db, rc);
    (void)sqlite3_finalize(rows);
    return err;
}

static int put_answer(struct tc_store *store, const struct tc_journal_question *question,
                      const struct tc_journal_asked *asked, struct tc_pack *p)
{
    sqlite3_stmt *rows = NULL;
    int err = prepare(store, question->sql, asked, &rows);

    if (err)
        return err;
    tc_pack_begin_map(p, NULL);
    err = question->shape == TC_JOURNAL_ONE ? put_one(store, rows, p)
                                            : put_list(store, question, asked, rows, p);
    (void)sqlite3_finalize(rows);
    for (size_t i = 0; !err && question->beside[i].name; i++)
        err = put_beside(store, &question->beside[i], asked, p);
    tc_pack_end(p);
    return err ? err : p->error;
}

static int answer(struct tc_store *store, const char *kind, const msgpack_object *params,
                  struct tc_pack *p)
{
    const struct tc_journal_question *question = tc_journal_question(kind, params);
    struct tc_journal_asked asked;
    char why[256];
    int err;

    if (!question)
        return -EOPNOTSUPP;
    err = tc_journal_asked_read(question, params, &asked, why);
    if (!err && question->shape == TC_JOURNAL_ONE)
        err = tc_store_find_id(store, question->table, asked.id);
    if (!err && asked.of_case[0])
        err = tc_store_find_id(store, "cases", asked.of_case);
    if (!err)
        err = put_answer(store, question, &asked, p);
    tc_filter_free(asked.filter);
    return err;
}

int tc_store_query(struct tc_store *store, const char *kind, const void *params,
                   size_t len, struct tc_pack *p)
{
    msgpack_unpacked unpacked;
    int err;

    msgpack_unpacked_init(&unpacked);
    err = len ? tc_unpack(&unpacked, params, len) : 0;
    if (!err)
        err = answer(store, kind, &unpacked.data, p);
    msgpack_unpacked_destroy(&unpacked);
    return err;
}
