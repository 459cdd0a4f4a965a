/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the statements that write the journal, and how an event becomes rows: one in
 * `events` always; threat.* and alert.raised also make or update the one row that their
 * id has, alert.response adds one to its alert. Such a row belongs to the plugin whose
 * event made it: what another one says under the same id gets a row of its own. Must not:
 * decide what is kept for how long (journal_prune.c does).
 */
#include "core/journal/journal_store.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <tocsin/plugin.h>

/* What is stored of an event is bound by number, the same in all statements that make a
 * row of one: see `fields` below. */
#define FIRST_FIELD 4 /* ?1 id, ?2 time_ns, ?3 the encoded event */

#define SOURCE_FIELD 23  /* the plugin whose row it is */
#define MATCHES_FIELD 24 /* of an alert: what its matches differ in */

#define ID_MAX 255    /* bytes; whose id is longer has none */
#define KEY_BYTES 336 /* an id, '@', and a plugin's name */

#define LIST_TEXT_MAX 512 /* of a list that becomes one text */

#define TEXT_OF(what) #what
#define NUMBER_TEXT(number) TEXT_OF(number)

const char *const tc_store_sql[TC_STORE_STATEMENTS] = {
    [TC_STORE_BEGIN] = "BEGIN IMMEDIATE",
    [TC_STORE_COMMIT] = "COMMIT",
    [TC_STORE_ROLLBACK] = "ROLLBACK",
    [TC_STORE_PUT_EVENT] = "INSERT INTO events (time_ns, topic, source, data, kind)"
                           " VALUES (?1, ?2, ?3, ?4, ?5)",
    [TC_STORE_PUT_KIND] =
        "INSERT INTO kinds (topic, source) VALUES (?1, ?2)"
        " ON CONFLICT (topic, source) DO UPDATE SET rows = rows RETURNING id",
    [TC_STORE_COUNT_EVENTS] =
        "UPDATE kinds SET rows = rows + ?2, bytes = bytes + ?3 WHERE id = ?1",
    /* The tables of threats and alerts are kinds, too: names without a dot. */
    [TC_STORE_MEASURE_ROWS] = "SELECT sum(iif(instr(topic, '.'), rows, 0)),"
                              " sum(iif(instr(topic, '.'), pruned, 0)),"
                              " sum(iif(topic = 'threats', pruned, 0)),"
                              " sum(iif(topic = 'alerts', pruned, 0)) FROM kinds",
    [TC_STORE_MEASURE_FILE] =
        "SELECT page_count * page_size, freelist_count * page_size, page_size"
        " FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
    [TC_STORE_OWNER_OF_THREAT] = "SELECT source FROM threats WHERE id = ?1",
    [TC_STORE_OWNER_OF_ALERT] = "SELECT source FROM alerts WHERE id = ?1",

    /* A later detection counts; it opens the threat again if it came after the remedy. */
    [TC_STORE_PUT_THREAT] =
        "INSERT INTO threats (id, first_seen_ns, last_seen_ns, count, detected, name,"
        " severity, action, status, path, sha256, rule, process_pid, process_executable,"
        " process_command_line, process_user, source)"
        " VALUES (?1, ?2, ?2, 1, ?3, ?4, ?5, ?6, coalesce(?7, 'detected'), ?9, ?10,"
        " coalesce(?11, ?12), ?13, ?14, ?15, coalesce(?16, ?17), ?23)"
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
        " remediated, name, severity, action, status, reason, path, sha256, rule,"
        " source)"
        " VALUES (?1, ?2, ?2, 0, ?2, ?3, ?4, ?5, ?6, coalesce(?7, 'detected'), ?8, ?9,"
        " ?10, coalesce(?11, ?12), ?23)"
        " ON CONFLICT (id) DO UPDATE SET"
        " remediated_ns = excluded.remediated_ns,"
        " remediated = excluded.remediated,"
        " action = coalesce(excluded.action, action),"
        " status = coalesce(?7, status),"
        " reason = excluded.reason"
        " WHERE excluded.remediated_ns >= ifnull(remediated_ns, 0)",

    /* An alert that counts for itself says how often it has matched; of others each
     * event is one more. What was closed and matches again is open. */
    [TC_STORE_PUT_ALERT] =
        "INSERT INTO alerts (id, time_ns, last_seen_ns, count, data, title, severity,"
        " category, detected_from, path, rule, rule_id, rule_author, technique,"
        " process_pid, process_executable, process_command_line, process_user, source,"
        " matches)"
        " VALUES (?1, coalesce(?21, ?2), coalesce(?22, ?2), coalesce(?20, 1), ?3, ?4, ?5,"
        " ?6, ?7, ?9, coalesce(?11, ?12), ?12, ?18, ?19, ?13, ?14,"
        " substr(?15, 1, " NUMBER_TEXT(
            TC_STORE_LINE_MAX) "), coalesce(?16, ?17), ?23, ?24)"
                               " ON CONFLICT (id) DO UPDATE SET"
                               " time_ns = min(time_ns, excluded.time_ns),"
                               " last_seen_ns = max(last_seen_ns, excluded.last_seen_ns),"
                               " count = iif(?20 IS NULL, count + 1, max(count, ?20)),"
                               " severity = coalesce(excluded.severity, severity),"
                               " closed_ns = iif(closed_ns < excluded.last_seen_ns,"
                               "  NULL, closed_ns),"
                               " matches = coalesce(excluded.matches, matches)",

    [TC_STORE_PUT_RESPONSE] =
        "INSERT INTO alert_responses (alert_id, time_ns, action, status, reason,"
        " processes, process_pid, process_executable, path)"
        " SELECT ?1, ?2, ?4, ?5, ?6, ?7, ?13, ?14, ?9 FROM alerts"
        " WHERE id = ?1 AND (SELECT count(*) FROM alert_responses WHERE alert_id = ?1)"
        " < " NUMBER_TEXT(TC_STORE_RESPONSES_MAX),

    [TC_STORE_CASE_OF_ALERT] = "SELECT case_id, last_seen_ns FROM alerts WHERE id = ?1",
    [TC_STORE_CASE_OF_PROCESS] =
        "SELECT c.id, c.last_seen_ns FROM case_processes AS p JOIN cases AS c"
        " ON c.id = p.case_id WHERE p.pid = ?1 AND p.start = ?2",
    [TC_STORE_PUT_CASE] = "UPDATE alerts SET case_id = ?2 WHERE id = ?1",
    [TC_STORE_PUT_UNMASKED] =
        "INSERT OR IGNORE INTO alert_unmasked (alert_id, data) SELECT ?1, ?2"
        " FROM alerts WHERE id = ?1 AND data IS ?3",
    [TC_STORE_PUT_CASE_PROCESS] =
        "INSERT OR REPLACE INTO case_processes (case_id, pid, start) SELECT ?1, ?2, ?3"
        " WHERE (SELECT count(*) FROM case_processes WHERE case_id = ?1) < " NUMBER_TEXT(
            TC_STORE_CASE_PROCESSES_MAX),
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
    enum tc_store_statement statement, owner;
    bool made_without_id;
} row_kinds[] = {
    {TOCSIN_TOPIC_THREAT_DETECTED, TOCSIN_FIELD_DETECTION_ID, threat_fields,
     TC_STORE_PUT_THREAT, TC_STORE_OWNER_OF_THREAT, true},
    {TOCSIN_TOPIC_THREAT_REMEDIATED, TOCSIN_FIELD_DETECTION_ID, threat_fields,
     TC_STORE_PUT_REMEDY, TC_STORE_OWNER_OF_THREAT, false},
    {TOCSIN_TOPIC_ALERT_RAISED, TOCSIN_FIELD_ALERT_ID, alert_fields, TC_STORE_PUT_ALERT,
     TC_STORE_OWNER_OF_ALERT, true},
    {TOCSIN_TOPIC_ALERT_RESPONSE, TOCSIN_FIELD_ALERT_ID, response_fields,
     TC_STORE_PUT_RESPONSE, TC_STORE_OWNER_OF_ALERT, false},
};

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

static void bind_matches(sqlite3_stmt *statement, const struct tocsin_event *event)
{
    struct tocsin_value v;

    if (tocsin_find(event->data, event->len, "matches", &v) && v.type == TOCSIN_MAP)
        (void)sqlite3_bind_blob64(statement, MATCHES_FIELD, v.start,
                                  tocsin_value_size(&v), SQLITE_STATIC);
    else
        (void)sqlite3_bind_null(statement, MATCHES_FIELD);
}

static const char *source_of(const struct tocsin_event *event)
{
    return event->source ? event->source : "";
}

static int put_event(struct tc_store *store, const struct tocsin_event *event)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_PUT_EVENT];
    int64_t kind;
    int err;

    err = tc_store_count(store, event, &kind);
    if (err)
        return err;
    (void)sqlite3_bind_int64(statement, 1, (int64_t)event->time_ns);
    (void)sqlite3_bind_text(statement, 2, event->topic, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(statement, 3, source_of(event), -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(statement, 4, event->data, event->len, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 5, kind);
    return tc_store_run(store, TC_STORE_PUT_EVENT);
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
    return tc_store_run(store, TC_STORE_PUT_PATH);
}

/* Whether the row of that id is another plugin's. */
static bool is_of_another(struct tc_store *store, const struct row_kind *kind,
                          struct tocsin_str id, const char *source)
{
    sqlite3_stmt *statement = store->statements[kind->owner];
    bool another;

    bind_str(statement, 1, id.ptr, id.len);
    another = sqlite3_step(statement) == SQLITE_ROW &&
              strcmp((const char *)sqlite3_column_text(statement, 0), source) != 0;
    (void)sqlite3_reset(statement);
    return another;
}

/*
 * The key of the row that the event is about, into `key`: its id; with the plugin's name
 * behind it, as in id@acme, where the row of that id is another's, or the id looks as if.
 * One that names none, or one too long, has a row of its own, or none: false.
 */
static bool find_key(struct tc_store *store, const struct row_kind *kind,
                     const struct tocsin_event *event, char key[KEY_BYTES],
                     struct tocsin_str *ret_key)
{
    struct tocsin_str id = tocsin_event_str(event, kind->id_field);
    const char *source = source_of(event);
    size_t n = id.len;

    if (id.ptr && id.len <= ID_MAX)
        memcpy(key, id.ptr, id.len);
    else if (kind->made_without_id)
        n = (size_t)snprintf(key, KEY_BYTES, "event-%lld",
                             (long long)sqlite3_last_insert_rowid(store->db));
    else
        return false;
    *ret_key = (struct tocsin_str){key, n};
    if (memchr(key, '@', n) || is_of_another(store, kind, *ret_key, source))
        ret_key->len += (size_t)snprintf(key + n, KEY_BYTES - n, "@%.64s", source);
    return true;
}

/* Keeps the event as it was, where the row has it with its secrets masked. */
static int put_unmasked(struct tc_store *store, struct tocsin_str id,
                        const struct tocsin_event *event,
                        const struct tocsin_event *unmasked)
{
    sqlite3_stmt *statement = store->statements[TC_STORE_PUT_UNMASKED];

    bind_str(statement, 1, id.ptr, id.len);
    (void)sqlite3_bind_blob64(statement, 2, unmasked->data, unmasked->len, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(statement, 3, event->data, event->len, SQLITE_STATIC);
    return tc_store_run(store, TC_STORE_PUT_UNMASKED);
}

/* Makes or updates the one row that a threat or an alert has. */
static int put_row(struct tc_store *store, const struct row_kind *kind,
                   const struct tocsin_event *event, const struct tocsin_event *unmasked)
{
    sqlite3_stmt *statement = store->statements[kind->statement];
    int count = sqlite3_bind_parameter_count(statement), err;
    struct tocsin_str id;
    char key[KEY_BYTES];

    if (!find_key(store, kind, event, key, &id))
        return 0;
    bind_str(statement, 1, id.ptr, id.len);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)event->time_ns);
    (void)sqlite3_bind_blob64(statement, 3, event->data, event->len, SQLITE_STATIC);
    for (int i = 0; kind->fields[i] && FIRST_FIELD + i <= count; i++)
        bind_field(statement, FIRST_FIELD + i, event, kind->fields[i]);
    (void)sqlite3_bind_text(statement, SOURCE_FIELD, source_of(event), -1, SQLITE_STATIC);
    if (count >= MATCHES_FIELD)
        bind_matches(statement, event);
    err = tc_store_run(store, kind->statement);
    if (!err && kind->statement == TC_STORE_PUT_THREAT)
        err = put_path(store, id, event);
    if (!err && kind->statement == TC_STORE_PUT_ALERT)
        err = tc_store_put_case(store, id.ptr, id.len, event);
    if (!err && unmasked && kind->statement == TC_STORE_PUT_ALERT)
        err = put_unmasked(store, id, event, unmasked);
    return err;
}

int tc_store_put(struct tc_store *store, const struct tocsin_event *event,
                 const struct tocsin_event *unmasked)
{
    int err = put_event(store, event);

    for (size_t i = 0; !err && i < sizeof(row_kinds) / sizeof(*row_kinds); i++)
        if (!strcmp(event->topic, row_kinds[i].topic))
            err = put_row(store, &row_kinds[i], event, unmasked);
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
