/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the questions that the journal answers, one SQL text each, whose column names
 * are the keys of the answer; and the crash counts. Must not: write anything else.
 */
#include "core/journal/journal_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/journal/journal.h"
#include "ipc/filter.h"
#include "ipc/names.h"
#include "ipc/pack.h"
#include "ipc/unpack.h"

#define ID_MAX 256 /* bytes of an id, or of what one begins with */

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

static const char *const threat_names[] = {
    "id",     "name",   "severity", "status", "action",        "path",
    "sha256", "rule",   "process",  "pid",    "first_seen_ns", "last_seen_ns",
    "count",  "source", NULL,
};
static const char *const alert_names[] = {
    "id",           "title",        "severity", "category", "detected_from",
    "time_ns",      "last_seen_ns", "count",    "rule",     "rule_id",
    "rule_author",  "technique",    "process",  "pid",      "user",
    "command_line", "path",         "source",   NULL,
};
static const struct tc_names threat_fields = {.all = threat_names};
static const struct tc_names alert_fields = {.all = alert_names};

static const struct question {
    const char *kind;
    enum shape shape;
    const char *sql;
    /* Of ONE: a list beside its columns, of values or, where there is more than one
     * column, of maps; or NULL. */
    const char *list, *list_sql;
    /* Of LIST: what its filters know, and how many rows there are. */
    const struct tc_names *fields;
    const char *count_sql;
    const char *table; /* of ONE: where its id is */
} questions[] = {
    {"threats", LIST,
     "SELECT " THREAT_COLUMNS " FROM threats WHERE last_seen_ns >= :since"
     " ORDER BY last_seen_ns DESC, rowid DESC LIMIT :limit",
     NULL, NULL, &threat_fields,
     "SELECT count(*) FROM threats WHERE last_seen_ns >= :since", NULL},
    {"threat", ONE,
     "SELECT " THREAT_COLUMNS ", process_user AS user,"
     " process_command_line AS command_line, reason, detected, remediated"
     " FROM threats WHERE id = :id",
     "paths",
     "SELECT path FROM threat_paths WHERE threat_id = :id ORDER BY first_seen_ns, path",
     NULL, NULL, "threats"},
    {"alerts", LIST,
     "SELECT " ALERT_COLUMNS " FROM alerts WHERE last_seen_ns >= :since"
     " ORDER BY last_seen_ns DESC, rowid DESC LIMIT :limit",
     NULL, NULL, &alert_fields,
     "SELECT count(*) FROM alerts WHERE last_seen_ns >= :since", NULL},
    {"alert", ONE, "SELECT " ALERT_COLUMNS ", data AS event FROM alerts WHERE id = :id",
     "responses",
     "SELECT time_ns, action, status, reason, processes, process_pid AS pid,"
     " process_executable AS process, path"
     " FROM alert_responses WHERE alert_id = :id ORDER BY id",
     NULL, NULL, "alerts"},
    {"events", LIST, "SELECT " EVENT_COLUMNS " FROM events ORDER BY id DESC LIMIT :limit",
     NULL, NULL, NULL, NULL, NULL},
};

/* The index alone finds the newest of a topic or family; only those are then read. */
static const struct question events_of_topic = {
    "events",
    LIST,
    "SELECT " EVENT_COLUMNS " FROM events WHERE id IN (SELECT id FROM events"
    " WHERE kind IN (SELECT id FROM kinds WHERE topic = :topic)"
    " ORDER BY id DESC LIMIT :limit) ORDER BY id DESC",
    NULL,
    NULL,
    NULL,
    NULL,
    NULL};
static const struct question events_of_family = {
    "events",
    LIST,
    "SELECT " EVENT_COLUMNS " FROM events WHERE id IN (SELECT id FROM events"
    " WHERE kind IN (SELECT id FROM kinds"
    " WHERE topic >= rtrim(:topic, '*') AND topic < rtrim(:topic, '.*') || '/')"
    " ORDER BY id DESC LIMIT :limit) ORDER BY id DESC",
    NULL,
    NULL,
    NULL,
    NULL,
    NULL};

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

/* What is asked for. */
struct asked {
    const msgpack_object *params;
    char id[ID_MAX + 1];
    int64_t limit;
    struct tc_filter *filter; /* NULL: all */
};

static int64_t limit_of(const msgpack_object *params)
{
    int64_t limit = tc_unpack_int(params, "limit", TC_STORE_LIMIT_DEFAULT);

    return limit < 0 || limit > TC_STORE_LIMIT_MAX ? TC_STORE_LIMIT_MAX : limit;
}

static void bind_int(sqlite3_stmt *statement, const char *name, int64_t value)
{
    int index = sqlite3_bind_parameter_index(statement, name);

    if (index)
        (void)sqlite3_bind_int64(statement, index, value);
}

static int prepare(struct tc_store *store, const char *sql, const struct asked *asked,
                   sqlite3_stmt **ret_statement)
{
    sqlite3_stmt *statement;
    int rc;

    rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return tc_store_errno(store->db, rc);
    bind_param(statement, ":id", (struct tocsin_str){asked->id, strlen(asked->id)});
    bind_param(statement, ":topic", tc_unpack_str(asked->params, "topic"));
    bind_int(statement, ":since", tc_unpack_int(asked->params, "since_ns", 0));
    /* A filter looks at all rows: how many it wants is to be told. */
    bind_int(statement, ":limit", asked->filter ? -1 : asked->limit);
    *ret_statement = statement;
    return 0;
}

/* ---- Lists ---- */

/* A filter's text, or a list of texts that must all hold. */
static int read_filter(const struct tc_names *fields, const msgpack_object *params,
                       struct tc_filter **ret, char why[256])
{
    const msgpack_object *list = tc_unpack_array(params, "filter");
    struct tocsin_str text = tc_unpack_str(params, "filter");
    int err = 0;

    *ret = NULL;
    if (text.ptr)
        err = tc_filter_add(ret, text.ptr, text.len, fields, why);
    for (uint32_t i = 0; list && !err && i < list->via.array.size; i++) {
        text = tc_unpack_text(&list->via.array.ptr[i]);
        err = tc_filter_add(ret, text.ptr ? text.ptr : "", text.len, fields, why);
    }
    if (err) {
        tc_filter_free(*ret);
        *ret = NULL;
    }
    return err;
}

static int count_all(struct tc_store *store, const char *sql, const struct asked *asked,
                     uint64_t *ret)
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
static int put_wanted(const struct asked *asked, sqlite3_stmt *row, bool fits,
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

static int put_list(struct tc_store *store, const struct question *question,
                    const struct asked *asked, sqlite3_stmt *rows, struct tc_pack *p)
{
    bool truncated = false, fits, wanted;
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
    return err;
}

/* ---- One ---- */

/* The whole id of what the text is, or begins: case does not count, and it must be the
 * only one; "latest" is that with the last event. -ENOENT, -ENOTUNIQ. */
static int find_id(struct tc_store *store, const char *table, struct asked *asked)
{
    bool latest = !strcmp(asked->id, "latest");
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
    err = prepare(store, sql, asked, &rows);
    if (err)
        return err;
    rc = sqlite3_step(rows);
    if (rc == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(rows, 0);
        bool whole = id && !strcmp(id, asked->id);
        char found[ID_MAX + 1];

        (void)snprintf(found, sizeof(found), "%s", id ? id : "");
        rc = sqlite3_step(rows);
        err = rc == SQLITE_ROW && !whole ? -ENOTUNIQ : tc_store_errno(store->db, rc);
        if (!err)
            memcpy(asked->id, found, sizeof(found));
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

static int put_beside(struct tc_store *store, const struct question *question,
                      const struct asked *asked, struct tc_pack *p)
{
    sqlite3_stmt *rows = NULL;
    int rc, err;

    err = prepare(store, question->list_sql, asked, &rows);
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

static int put_answer(struct tc_store *store, const struct question *question,
                      const struct asked *asked, struct tc_pack *p)
{
    sqlite3_stmt *rows = NULL;
    int err = prepare(store, question->sql, asked, &rows);

    if (err)
        return err;
    tc_pack_begin_map(p, NULL);
    err = question->shape == ONE ? put_one(store, rows, p)
                                 : put_list(store, question, asked, rows, p);
    (void)sqlite3_finalize(rows);
    if (!err && question->list)
        err = put_beside(store, question, asked, p);
    tc_pack_end(p);
    return err ? err : p->error;
}

static int answer(struct tc_store *store, const char *kind, const msgpack_object *params,
                  struct tc_pack *p)
{
    const struct question *question = find_question(kind, params);
    struct asked asked = {.params = params, .limit = limit_of(params)};
    struct tocsin_str id = tc_unpack_str(params, "id");
    char why[256];
    int err = 0;

    if (!question)
        return -EOPNOTSUPP;
    if (question->shape == ONE) {
        if (!id.ptr)
            return -EINVAL;
        if (!id.len || id.len > ID_MAX || memchr(id.ptr, '\0', id.len))
            return -ENOENT;
        memcpy(asked.id, id.ptr, id.len);
        err = find_id(store, question->table, &asked);
    } else {
        err = read_filter(question->fields, params, &asked.filter, why);
    }
    if (!err)
        err = put_answer(store, question, &asked, p);
    tc_filter_free(asked.filter);
    return err;
}

int tc_journal_may_ask(const char *kind, const msgpack_object *params, char why[256])
{
    const struct question *question = find_question(kind, params);
    struct tc_filter *filter = NULL;
    int err;

    if (!question || question->shape != LIST)
        return 0;
    err = read_filter(question->fields, params, &filter, why);
    tc_filter_free(filter);
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
