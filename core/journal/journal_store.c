/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: opening journal.db and the statements that write it. How an event becomes rows:
 * one in `events` always; threat.* and alert.raised also make or update the one row that
 * their id has, alert.response adds one to its alert. Must not: decide what a failure
 * means for the agent.
 */
#include "core/journal/journal_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tocsin/plugin.h>

#include "core/base/why.h"

#define BUSY_TIMEOUT_MS                                                                  \
    2000 /* somebody else, such as sqlite3(1), has the file locked                       \
          */

/* What every connection begins with. The page cache is small because the tail of
 * `events` and the newest threats are all that is ever hot. */
static const char setup[] = "PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL;"
                            "PRAGMA foreign_keys = ON;"
                            "PRAGMA cache_size = -512;"
                            "PRAGMA temp_store = MEMORY;"
                            "PRAGMA journal_size_limit = 4194304;";

/* What is stored of an event is bound by number, the same in all three statements that
 * make a row of one: see `fields` below. */
#define FIRST_FIELD 4 /* ?1 id, ?2 time_ns, ?3 the encoded event */

#define LIST_TEXT_MAX 512 /* of a list that becomes one text */

#define TEXT_OF(what) #what
#define NUMBER_TEXT(number) TEXT_OF(number)

static const char *const statements[TC_STORE_STATEMENTS] = {
    [TC_STORE_BEGIN] = "BEGIN IMMEDIATE",
    [TC_STORE_COMMIT] = "COMMIT",
    [TC_STORE_ROLLBACK] = "ROLLBACK",
    [TC_STORE_PUT_EVENT] = "INSERT INTO events (time_ns, topic, source, data)"
                           " VALUES (?1, ?2, ?3, ?4)",
    [TC_STORE_USED_BYTES] =
        "SELECT (page_count - freelist_count) * page_size"
        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    [TC_STORE_PRUNE_EVENTS] =
        "DELETE FROM events WHERE id IN (SELECT id FROM events"
        " WHERE id <= (SELECT max(id) FROM events) - ?1 ORDER BY id LIMIT ?2)",

    /* A later detection counts; it opens the threat again if it came after the remedy. */
    [TC_STORE_PUT_THREAT] =
        "INSERT INTO threats (id, first_seen_ns, last_seen_ns, count, detected, name,"
        " severity, action, status, path, sha256, rule, process_pid, process_executable,"
        " process_command_line, process_user)"
        " VALUES (?1, ?2, ?2, 1, ?3, ?4, ?5, ?6, coalesce(?7, 'detected'), ?9, ?10,"
        " coalesce(?11, ?12), ?13, ?14, ?15, coalesce(?16, ?17))"
        " ON CONFLICT (id) DO UPDATE SET"
        " first_seen_ns = min(first_seen_ns, excluded.first_seen_ns),"
        " last_seen_ns = max(last_seen_ns, excluded.last_seen_ns),"
        " count = count + 1,"
        " detected = coalesce(detected, excluded.detected),"
        " name = coalesce(name, excluded.name),"
        " severity = coalesce(excluded.severity, severity),"
        " action = iif(?2 > ifnull(remediated_ns, 0),"
        "  coalesce(excluded.action, action), action),"
        " status = iif(?2 > ifnull(remediated_ns, 0), excluded.status, status),"
        " path = coalesce(path, excluded.path),"
        " sha256 = coalesce(sha256, excluded.sha256),"
        " rule = coalesce(rule, excluded.rule),"
        " process_pid = coalesce(process_pid, excluded.process_pid),"
        " process_executable = coalesce(process_executable, excluded.process_executable),"
        " process_command_line ="
        "  coalesce(process_command_line, excluded.process_command_line),"
        " process_user = coalesce(process_user, excluded.process_user)",
    [TC_STORE_PUT_PATH] =
        "INSERT OR IGNORE INTO threat_paths (threat_id, path, first_seen_ns)"
        " SELECT ?1, ?2, ?3"
        " WHERE (SELECT count(*) FROM threat_paths WHERE threat_id = ?1) < ?4",

    /* Without a row for its id (a journal begun anew since), a remedy makes one. */
    [TC_STORE_PUT_REMEDY] =
        "INSERT INTO threats (id, first_seen_ns, last_seen_ns, count, remediated_ns,"
        " remediated, name, severity, action, status, reason, path, sha256, rule)"
        " VALUES (?1, ?2, ?2, 0, ?2, ?3, ?4, ?5, ?6, coalesce(?7, 'detected'), ?8, ?9,"
        " ?10, coalesce(?11, ?12))"
        " ON CONFLICT (id) DO UPDATE SET"
        " remediated_ns = excluded.remediated_ns,"
        " remediated = excluded.remediated,"
        " action = coalesce(excluded.action, action),"
        " status = coalesce(?7, status),"
        " reason = excluded.reason"
        " WHERE excluded.remediated_ns >= ifnull(remediated_ns, 0)",

    /* An alert that counts for itself says how often it has matched; of others each
     * event is one more. */
    [TC_STORE_PUT_ALERT] =
        "INSERT INTO alerts (id, time_ns, last_seen_ns, count, data, title, severity,"
        " category, detected_from, path, rule, rule_id, rule_author, technique,"
        " process_pid, process_executable, process_command_line, process_user)"
        " VALUES (?1, coalesce(?21, ?2), coalesce(?22, ?2), coalesce(?20, 1), ?3, ?4, ?5,"
        " ?6, ?7, ?9, coalesce(?11, ?12), ?12, ?18, ?19, ?13, ?14,"
        " substr(?15, 1, " NUMBER_TEXT(
            TC_STORE_LINE_MAX) "), coalesce(?16, ?17))"
                               " ON CONFLICT (id) DO UPDATE SET"
                               " time_ns = min(time_ns, excluded.time_ns),"
                               " last_seen_ns = max(last_seen_ns, excluded.last_seen_ns),"
                               " count = iif(?20 IS NULL, count + 1, max(count, ?20)),"
                               " severity = coalesce(excluded.severity, severity)",

    [TC_STORE_PUT_RESPONSE] =
        "INSERT INTO alert_responses (alert_id, time_ns, action, status, reason,"
        " processes, process_pid, process_executable, path)"
        " SELECT ?1, ?2, ?4, ?5, ?6, ?7, ?13, ?14, ?9"
        " WHERE (SELECT count(*) FROM alert_responses WHERE alert_id = ?1)"
        " < " NUMBER_TEXT(TC_STORE_RESPONSES_MAX),
};

/* ?4 to ?8 mean something else in each kind of row, the rest the same in all. */
#define COMMON_FIELDS                                                                    \
    TOCSIN_FIELD_FILE_PATH, TOCSIN_FIELD_FILE_SHA256, TOCSIN_FIELD_RULE_NAME,            \
        TOCSIN_FIELD_RULE_ID, TOCSIN_FIELD_PROCESS_PID, TOCSIN_FIELD_PROCESS_EXECUTABLE, \
        TOCSIN_FIELD_PROCESS_COMMAND_LINE, "process.user.name",                          \
        TOCSIN_FIELD_PROCESS_USER_ID

static const char *const threat_fields[] = {
    TOCSIN_FIELD_DETECTION_NAME,
    TOCSIN_FIELD_DETECTION_SEVERITY,
    TOCSIN_FIELD_DETECTION_ACTION,
    TOCSIN_FIELD_DETECTION_STATUS,
    "detection.reason",
    COMMON_FIELDS,
    NULL,
};
static const char *const alert_fields[] = {
    TOCSIN_FIELD_ALERT_TITLE,
    TOCSIN_FIELD_ALERT_SEVERITY,
    "alert.category",
    "alert.detected_from",
    "alert.reason",
    COMMON_FIELDS,
    "rule.author",
    "threat.technique.id",
    "alert.count",
    "alert.first_seen",
    "alert.last_seen",
    NULL,
};
static const char *const response_fields[] = {
    "response.action",
    "response.status",
    "response.reason",
    "response.processes",
    TOCSIN_FIELD_ALERT_SEVERITY, /* ?8, which its row has no use for */
    COMMON_FIELDS,
    NULL,
};

/* The topics that have a row of their own beside that in `events`. */
static const struct row_kind {
    const char *topic, *id_field;
    const char *const *fields;
    enum tc_store_statement statement;
    bool made_without_id;
} row_kinds[] = {
    {TOCSIN_TOPIC_THREAT_DETECTED, TOCSIN_FIELD_DETECTION_ID, threat_fields,
     TC_STORE_PUT_THREAT, true},
    {TOCSIN_TOPIC_THREAT_REMEDIATED, TOCSIN_FIELD_DETECTION_ID, threat_fields,
     TC_STORE_PUT_REMEDY, false},
    {TOCSIN_TOPIC_ALERT_RAISED, TOCSIN_FIELD_ALERT_ID, alert_fields, TC_STORE_PUT_ALERT,
     true},
    {TOCSIN_TOPIC_ALERT_RESPONSE, TOCSIN_FIELD_ALERT_ID, response_fields,
     TC_STORE_PUT_RESPONSE, false},
};

const char *tc_store_why(const struct tc_store *store)
{
    return sqlite3_errmsg(store->db);
}

/* Makes the file with the mode we want, and finds out why it cannot be written while the
 * errno still says so. SQLite gives its -wal and -shm the same mode. */
static int make_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -errno;
    (void)close(fd);
    return 0;
}

static int prepare(struct tc_store *store)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < TC_STORE_STATEMENTS && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &store->statements[i], NULL);
    return rc;
}

int tc_store_open(const char *path, struct tc_store_limits keep,
                  struct tc_store **ret_store, char why[256])
{
    struct tc_store *store;
    int rc, err;

    err = path ? make_file(path) : 0;
    if (err) {
        tc_why(why, "%s", strerror(-err));
        return err;
    }
    store = calloc(1, sizeof(*store));
    if (!store) {
        tc_why(why, "out of memory");
        return -ENOMEM;
    }
    store->keep = keep;
    rc = sqlite3_open_v2(path ? path : ":memory:", &store->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                             SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                         NULL);
    if (rc != SQLITE_OK)
        goto failed;
    (void)sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS);
    err = tc_schema_check(store->db, tc_schema_version, why);
    if (err)
        goto out;
    rc = sqlite3_exec(store->db, setup, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        goto failed;
    err = tc_schema_apply(store->db, tc_schema_steps, tc_schema_version, why);
    if (err)
        goto out;
    rc = prepare(store);
    if (rc != SQLITE_OK)
        goto failed;
    *ret_store = store;
    return 0;
failed:
    err = tc_store_errno(store->db, rc);
    tc_why(why, "%s", sqlite3_errmsg(store->db));
out:
    tc_store_close(store);
    return err;
}

void tc_store_close(struct tc_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < TC_STORE_STATEMENTS; i++)
        (void)sqlite3_finalize(store->statements[i]);
    (void)sqlite3_close(store->db);
    free(store);
}

bool tc_store_renamed(const struct tc_store *store)
{
    int renamed = 0;

    (void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &renamed);
    return renamed != 0;
}

static int rename_suffixed(const char *path, const char *name, const char *suffix)
{
    char from[4096], to[4096];

    if (snprintf(from, sizeof(from), "%s%s", path, suffix) >= (int)sizeof(from) ||
        snprintf(to, sizeof(to), "%s%s", name, suffix) >= (int)sizeof(to))
        return -ENAMETOOLONG;
    return rename(from, to) ? -errno : 0;
}

int tc_store_set_aside(const char *path, char *ret_name, size_t cap)
{
    char shm[4096], when[32], name[4096];
    struct timespec now;
    struct tm tm;
    int err;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
    if (snprintf(name, sizeof(name), "%s.corrupt-%s.%09ldZ", path, when, now.tv_nsec) >=
        (int)sizeof(name))
        return -ENAMETOOLONG;
    /* The log goes first: left behind, it would be applied to the new database. */
    err = rename_suffixed(path, name, "-wal");
    if (err && err != -ENOENT)
        return err;
    err = rename_suffixed(path, name, "");
    if (err)
        return err;
    if (snprintf(shm, sizeof(shm), "%s-shm", path) < (int)sizeof(shm))
        (void)unlink(shm);
    (void)snprintf(ret_name, cap, "%s", name);
    return 0;
}

/* Runs a statement whose values are bound, and makes it ready for the next time. */
static int run(struct tc_store *store, enum tc_store_statement which)
{
    sqlite3_stmt *statement = store->statements[which];
    int rc = sqlite3_step(statement);
    int err = tc_store_errno(store->db, rc);

    (void)sqlite3_reset(statement);
    return err;
}

int tc_store_begin(struct tc_store *store)
{
    return run(store, TC_STORE_BEGIN);
}

int tc_store_commit(struct tc_store *store)
{
    return run(store, TC_STORE_COMMIT);
}

void tc_store_rollback(struct tc_store *store)
{
    /* Some failures, a full disk among them, have rolled back already. */
    if (!sqlite3_get_autocommit(store->db))
        (void)run(store, TC_STORE_ROLLBACK);
}

static void bind_str(sqlite3_stmt *statement, int index, const char *s, size_t n)
{
    if (tocsin_utf8_valid(s, n))
        (void)sqlite3_bind_text64(statement, index, s, n, SQLITE_STATIC, SQLITE_UTF8);
    else
        (void)sqlite3_bind_blob64(statement, index, s, n, SQLITE_STATIC);
}

/* Binds the texts of a list, with commas between; NULL when there are none. */
static void bind_list(sqlite3_stmt *statement, int index, const struct tocsin_value *list)
{
    char text[LIST_TEXT_MAX];
    struct tocsin_value item;
    struct tocsin_iter it;
    size_t n = 0, comma;

    tocsin_iter_init(&it, list);
    while (tocsin_iter_next(&it, NULL, &item)) {
        comma = n ? 2 : 0;
        if (item.type != TOCSIN_STR || item.len + comma > sizeof(text) - n)
            continue;
        memcpy(text + n, ", ", comma);
        memcpy(text + n + comma, item.ptr, item.len);
        n += comma + item.len;
    }
    if (n)
        (void)sqlite3_bind_text64(statement, index, text, n, SQLITE_TRANSIENT,
                                  SQLITE_UTF8);
    else
        (void)sqlite3_bind_null(statement, index);
}

/* Binds the event's field of that path; NULL when there is none, or it is a map. */
static void bind_field(sqlite3_stmt *statement, int index,
                       const struct tocsin_event *event, const char *path)
{
    struct tocsin_value v;

    if (!tocsin_find(event->data, event->len, path, &v))
        (void)sqlite3_bind_null(statement, index);
    else if (v.type == TOCSIN_STR || v.type == TOCSIN_BIN)
        bind_str(statement, index, v.ptr, v.len);
    else if (v.type == TOCSIN_UINT && v.u <= (uint64_t)INT64_MAX)
        (void)sqlite3_bind_int64(statement, index, (int64_t)v.u);
    else if (v.type == TOCSIN_INT)
        (void)sqlite3_bind_int64(statement, index, v.i);
    else if (v.type == TOCSIN_ARRAY)
        bind_list(statement, index, &v);
    else
        (void)sqlite3_bind_null(statement, index);
}

static int put_event(struct tc_store *store, const struct tocsin_event *event)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_PUT_EVENT];

    (void)sqlite3_bind_int64(statement, 1, (int64_t)event->time_ns);
    (void)sqlite3_bind_text(statement, 2, event->topic, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 3, event->source, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(statement, 4, event->data, event->len, SQLITE_STATIC);
    return run(store, TC_STORE_PUT_EVENT);
}

/* Remembers one more path of a threat. */
static int put_path(struct tc_store *store, struct tocsin_str id,
                    const struct tocsin_event *event)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_PUT_PATH];
    struct tocsin_str path = tocsin_event_str(event, TOCSIN_FIELD_FILE_PATH);

    if (!path.ptr)
        return 0;
    bind_str(statement, 1, id.ptr, id.len);
    bind_str(statement, 2, path.ptr, path.len);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)event->time_ns);
    (void)sqlite3_bind_int(statement, 4, TC_STORE_PATHS_MAX);
    return run(store, TC_STORE_PUT_PATH);
}

/* Makes or updates the one row that a threat or an alert has. */
static int put_row(struct tc_store *store, const struct row_kind *kind,
                   const struct tocsin_event *event)
{
    sqlite3_stmt *statement = store->statements[kind->statement];
    struct tocsin_str id = tocsin_event_str(event, kind->id_field);
    int count = sqlite3_bind_parameter_count(statement), err;
    char own_id[32];

    if (!id.ptr && !kind->made_without_id)
        return 0;
    if (!id.ptr) {
        /* A detector that names none still has its finding listed. */
        id.len = (size_t)snprintf(own_id, sizeof(own_id), "event-%lld",
                                  (long long)sqlite3_last_insert_rowid(store->db));
        id.ptr = own_id;
    }
    bind_str(statement, 1, id.ptr, id.len);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)event->time_ns);
    (void)sqlite3_bind_blob64(statement, 3, event->data, event->len, SQLITE_STATIC);
    for (int i = 0; kind->fields[i] && FIRST_FIELD + i <= count; i++)
        bind_field(statement, FIRST_FIELD + i, event, kind->fields[i]);
    err = run(store, kind->statement);
    if (!err && kind->statement == TC_STORE_PUT_THREAT)
        err = put_path(store, id, event);
    return err;
}

int tc_store_put(struct tc_store *store, const struct tocsin_event *event)
{
    int err = put_event(store, event);

    for (size_t i = 0; !err && i < sizeof(row_kinds) / sizeof(*row_kinds); i++)
        if (!strcmp(event->topic, row_kinds[i].topic))
            err = put_row(store, &row_kinds[i], event);
    return err;
}

int tc_store_put_loss(struct tc_store *store, uint64_t count)
{
    struct tocsin_event event = {.topic = "journal.lost", .source = "core"};
    struct tocsin_writer w;
    struct timespec now;
    uint8_t buf[32];

    (void)clock_gettime(CLOCK_REALTIME, &now);
    tocsin_writer_init(&w, buf, sizeof(buf));
    tocsin_begin_map(&w, NULL);
    tocsin_put_uint(&w, "lost", count);
    tocsin_end(&w);
    event.time_ns = (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
    event.data = w.buf;
    event.len = w.len;
    return put_event(store, &event);
}

static bool is_too_large(struct tc_store *store)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_USED_BYTES];
    bool too_large = sqlite3_step(statement) == SQLITE_ROW &&
                     sqlite3_column_int64(statement, 0) > store->keep.bytes;

    (void)sqlite3_reset(statement);
    return too_large;
}

int tc_store_prune(struct tc_store *store, unsigned step)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_PRUNE_EVENTS];

    (void)sqlite3_bind_int64(statement, 1, is_too_large(store) ? 0 : store->keep.events);
    (void)sqlite3_bind_int64(statement, 2, step);
    return run(store, TC_STORE_PRUNE_EVENTS);
}
