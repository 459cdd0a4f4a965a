/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the questions that the journal answers, one SQL text each, whose column names
 * are the keys of the answer; and the crash counts. Must not: write anything else.
 */
#include "core/journal/journal_store.h"

#include <errno.h>
#include <string.h>

#include "ipc/pack.h"
#include "ipc/unpack.h"

#define THREAT_COLUMNS                                                                   \
    "id, name, severity, status, action, path, sha256, rule,"                            \
    " process_executable AS process, process_pid AS pid,"                                \
    " first_seen_ns, last_seen_ns, count, source"
#define ALERT_COLUMNS                                                                    \
    "id, title, severity, category, detected_from, time_ns, last_seen_ns, count, rule,"  \
    " rule_id, rule_author, technique, process_executable AS process,"                   \
    " process_pid AS pid, process_user AS user,"                                         \
    " process_command_line AS command_line, path, source"
#define EVENT_COLUMNS "time_ns, topic, source, data AS event"

enum shape {
    ONE,  /* one row by id, its columns are the answer */
    LIST, /* {items: [row]} */
};

static const struct question {
    const char *kind;
    enum shape shape;
    const char *sql;
    /* Of ONE: a list beside its columns, of values or, where there is more than one
     * column, of maps; or NULL. */
    const char *list, *list_sql;
} questions[] = {
    {"threats", LIST,
     "SELECT " THREAT_COLUMNS " FROM threats"
     " ORDER BY last_seen_ns DESC, rowid DESC LIMIT :limit",
     NULL, NULL},
    {"threat", ONE,
     "SELECT " THREAT_COLUMNS ", process_user AS user,"
     " process_command_line AS command_line, reason, detected, remediated"
     " FROM threats WHERE id = :id",
     "paths",
     "SELECT path FROM threat_paths WHERE threat_id = :id ORDER BY first_seen_ns, path"},
    {"alerts", LIST,
     "SELECT " ALERT_COLUMNS " FROM alerts"
     " ORDER BY last_seen_ns DESC, rowid DESC LIMIT :limit",
     NULL, NULL},
    {"alert", ONE, "SELECT " ALERT_COLUMNS ", data AS event FROM alerts WHERE id = :id",
     "responses",
     "SELECT time_ns, action, status, reason, processes, process_pid AS pid,"
     " process_executable AS process, path"
     " FROM alert_responses WHERE alert_id = :id ORDER BY id"},
    {"events", LIST, "SELECT " EVENT_COLUMNS " FROM events ORDER BY id DESC LIMIT :limit",
     NULL, NULL},
};

/* The index alone finds the newest of a topic or family; only those are then read. */
static const struct question events_of_topic = {
    "events", LIST,
    "SELECT " EVENT_COLUMNS " FROM events WHERE id IN (SELECT id FROM events"
    " WHERE kind IN (SELECT id FROM kinds WHERE topic = :topic)"
    " ORDER BY id DESC LIMIT :limit) ORDER BY id DESC",
    NULL, NULL};
static const struct question events_of_family = {
    "events", LIST,
    "SELECT " EVENT_COLUMNS " FROM events WHERE id IN (SELECT id FROM events"
    " WHERE kind IN (SELECT id FROM kinds"
    " WHERE topic >= rtrim(:topic, '*') AND topic < rtrim(:topic, '.*') || '/')"
    " ORDER BY id DESC LIMIT :limit) ORDER BY id DESC",
    NULL, NULL};

/* The columns that hold a whole event, encoded. */
static bool is_encoded(const char *column)
{
    return !strcmp(column, "event") || !strcmp(column, "detected") ||
           !strcmp(column, "remediated");
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

static int prepare(struct tc_store *store, const char *sql, const msgpack_object *params,
                   sqlite3_stmt **ret_statement)
{
    int64_t limit = tc_unpack_int(params, "limit", TC_STORE_LIMIT_DEFAULT);
    sqlite3_stmt *statement;
    int rc, index;

    rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tc_store_errno(store->db, rc);
    bind_param(statement, ":id", tc_unpack_str(params, "id"));
    bind_param(statement, ":topic", tc_unpack_str(params, "topic"));
    index = sqlite3_bind_parameter_index(statement, ":limit");
    if (limit < 0 || limit > TC_STORE_LIMIT_MAX)
        limit = TC_STORE_LIMIT_MAX;
    if (index)
        (void)sqlite3_bind_int64(statement, index, limit);
    *ret_statement = statement;
    return 0;
}

static int put_list(struct tc_store *store, sqlite3_stmt *rows, struct tc_pack *p)
{
    bool truncated = false;
    int rc;

    tc_pack_begin_array(p, "items");
    while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
        truncated = p->bytes.size > TC_STORE_ANSWER_BYTES;
        if (truncated)
            break;
        tc_pack_begin_map(p, NULL);
        put_columns(p, rows);
        tc_pack_end(p);
    }
    tc_pack_end(p);
    if (truncated)
        tc_pack_bool(p, "truncated", true);
    return tc_store_errno(store->db, rc);
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

static int put_beside(struct tc_store *store, const struct question *question,
                      const msgpack_object *params, struct tc_pack *p)
{
    sqlite3_stmt *rows = NULL;
    int rc, err;

    err = prepare(store, question->list_sql, params, &rows);
    if (err)
        return err;
    tc_pack_begin_array(p, question->list);
    while ((rc = sqlite3_step(rows)) == SQLITE_ROW)
        put_row(p, rows);
    tc_pack_end(p);
    err = tc_store_errno(store->db, rc);
    (void)sqlite3_finalize(rows);
    return err;
}

/* The question about events that a topic asks: by name, "prefix.*", or "*" and none. */
static const struct question *find_events_question(const struct question *all,
                                                   struct tocsin_str topic)
{
    if (!topic.ptr || tocsin_str_is(topic, "*"))
        return all;
    if (topic.len > 2 && !memcmp(topic.ptr + topic.len - 2, ".*", 2))
        return &events_of_family;
    return &events_of_topic;
}

static const struct question *find_question(const char *kind,
                                            const msgpack_object *params)
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
        if (strcmp(questions[i].kind, kind))
            continue;
        if (!strcmp(kind, "events"))
            return find_events_question(&questions[i], tc_unpack_str(params, "topic"));
        return &questions[i];
    }
    return NULL;
}

static int answer(struct tc_store *store, const char *kind, const msgpack_object *params,
                  struct tc_pack *p)
{
    const struct question *question = find_question(kind, params);
    sqlite3_stmt *rows = NULL;
    int err;

    if (!question)
        return -EOPNOTSUPP;
    if (question->shape == ONE && !tc_unpack_str(params, "id").ptr)
        return -EINVAL;
    err = prepare(store, question->sql, params, &rows);
    if (err)
        return err;
    tc_pack_begin_map(p, NULL);
    err = question->shape == ONE ? put_one(store, rows, p) : put_list(store, rows, p);
    (void)sqlite3_finalize(rows);
    if (!err && question->list)
        err = put_beside(store, question, params, p);
    tc_pack_end(p);
    return err ? err : p->error;
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

/* Runs one statement about the crashes of a plugin; its first column into ret_value. */
static int run_crash(struct tc_store *store, const char *sql, const char *plugin,
                     uint64_t time_ns, int64_t *ret_value)
{
    sqlite3_stmt *statement;
    int rc, err;

    rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tc_store_errno(store->db, rc);
    (void)sqlite3_bind_text(statement, 1, plugin, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)time_ns);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && ret_value)
        *ret_value = sqlite3_column_int64(statement, 0);
    err = tc_store_errno(store->db, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

int tc_store_add_crash(struct tc_store *store, const char *plugin, uint64_t time_ns)
{
    return run_crash(store, "INSERT INTO crashes (plugin, time_ns) VALUES (?1, ?2)",
                     plugin, time_ns, NULL);
}

int tc_store_count_crashes(struct tc_store *store, const char *plugin, uint64_t since_ns,
                           unsigned *ret_count)
{
    int64_t count = 0;
    int err;

    err = run_crash(store,
                    "SELECT count(*) FROM crashes WHERE plugin = ?1 AND time_ns >= ?2",
                    plugin, since_ns, &count);
    if (!err)
        *ret_count = (unsigned)count;
    return err;
}

int tc_store_forget_crashes(struct tc_store *store, const char *plugin)
{
    return run_crash(store, "DELETE FROM crashes WHERE plugin = ?1", plugin, 0, NULL);
}
