/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the shape of journal.db, in steps that are only ever appended to: a database of
 * any older Tocsin is brought up to date by the steps it lacks. docs/journal.md explains
 * the tables to operators.
 *
 * Columns that hold names from the kernel have no type: text where it is valid UTF-8,
 * else a blob of the same bytes.
 */
#include "core/journal/journal_store.h"

#include <errno.h>
#include <inttypes.h>

#include "core/base/why.h"

const char *const tc_schema_steps[] = {
    /* 0 -> 1 */
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('program', 'tocsin');"

    "CREATE TABLE events ("
    " id INTEGER PRIMARY KEY,"
    " time_ns INTEGER NOT NULL,"
    " topic TEXT NOT NULL,"
    " source TEXT,"
    " data BLOB NOT NULL);"
    "CREATE INDEX events_by_topic ON events (topic);"

    "CREATE TABLE threats ("
    " id TEXT PRIMARY KEY,"
    " first_seen_ns INTEGER NOT NULL,"
    " last_seen_ns INTEGER NOT NULL,"
    " count INTEGER NOT NULL,"
    " name, severity, action, status, reason, path, sha256, rule,"
    " process_pid INTEGER, process_executable, process_command_line, process_user,"
    " detected BLOB,"
    " remediated BLOB,"
    " remediated_ns INTEGER);"
    "CREATE INDEX threats_by_time ON threats (last_seen_ns);"
    "CREATE TABLE threat_paths ("
    " threat_id TEXT NOT NULL REFERENCES threats (id) ON DELETE CASCADE,"
    " path NOT NULL,"
    " first_seen_ns INTEGER NOT NULL,"
    " PRIMARY KEY (threat_id, path)) WITHOUT ROWID;"

    "CREATE TABLE alerts ("
    " id TEXT PRIMARY KEY,"
    " time_ns INTEGER NOT NULL,"
    " last_seen_ns INTEGER NOT NULL,"
    " count INTEGER NOT NULL,"
    " title, severity, category, detected_from, rule, path,"
    " process_executable, process_pid INTEGER,"
    " data BLOB);"
    "CREATE INDEX alerts_by_time ON alerts (last_seen_ns);"

    "CREATE TABLE crashes (plugin TEXT NOT NULL, time_ns INTEGER NOT NULL);"
    "CREATE INDEX crashes_by_plugin ON crashes (plugin, time_ns);",

    /* 1 -> 2 */
    "ALTER TABLE alerts ADD COLUMN rule_id;"
    "ALTER TABLE alerts ADD COLUMN rule_author;"
    "ALTER TABLE alerts ADD COLUMN technique;"
    "ALTER TABLE alerts ADD COLUMN process_command_line;"
    "ALTER TABLE alerts ADD COLUMN process_user;"
    "CREATE TABLE alert_responses ("
    " id INTEGER PRIMARY KEY,"
    " alert_id TEXT NOT NULL,"
    " time_ns INTEGER NOT NULL,"
    " action, status, reason, processes INTEGER, process_pid INTEGER, "
    "process_executable, path);"
    "CREATE INDEX alert_responses_by_alert ON alert_responses (alert_id);",

    /* 2 -> 3: whose each row is, and how much of the file each kind takes: its data and
     * 128 bytes of an event, 1024 of others, with which come paths and responses.
     * journal_prune.c counts the events that are stored; triggers do the rest. */
    "CREATE TABLE kinds ("
    " id INTEGER PRIMARY KEY,"
    " topic TEXT NOT NULL,"
    " source TEXT NOT NULL,"
    " rows INTEGER NOT NULL DEFAULT 0,"
    " bytes INTEGER NOT NULL DEFAULT 0,"
    " pruned INTEGER NOT NULL DEFAULT 0,"
    " UNIQUE (topic, source));"
    "INSERT INTO kinds (topic, source, rows, bytes)"
    " SELECT topic, ifnull(source, ''), count(*), sum(length(data) + 128)"
    " FROM events GROUP BY 1, 2;"
    "ALTER TABLE events ADD COLUMN kind INTEGER;"
    "UPDATE events SET kind = (SELECT k.id FROM kinds AS k"
    " WHERE k.topic = events.topic AND k.source = ifnull(events.source, ''));"
    "DROP INDEX events_by_topic;"
    "CREATE INDEX events_by_kind ON events (kind);"
    "CREATE TRIGGER event_deleted AFTER DELETE ON events BEGIN"
    " UPDATE kinds SET rows = rows - 1, pruned = pruned + 1,"
    "  bytes = bytes - length(old.data) - 128 WHERE id = old.kind;"
    " END;"

    /* What an older Tocsin has stored says no more of whose it is. */
    "ALTER TABLE threats ADD COLUMN source TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE threats ADD COLUMN bytes INTEGER AS (ifnull(length(detected), 0)"
    " + ifnull(length(remediated), 0) + 1024);"
    "UPDATE threats SET source = 'av';"
    "CREATE INDEX threats_by_kind ON threats (source, process_user, last_seen_ns);"
    "INSERT INTO kinds (topic, source, rows, bytes)"
    " SELECT 'threats', source, count(*), sum(bytes) FROM threats GROUP BY source;"
    "CREATE TRIGGER threat_made AFTER INSERT ON threats BEGIN"
    " INSERT INTO kinds (topic, source, rows, bytes)"
    "  VALUES ('threats', new.source, 1, new.bytes)"
    "  ON CONFLICT (topic, source) DO UPDATE"
    "  SET rows = rows + 1, bytes = bytes + excluded.bytes;"
    " END;"
    "CREATE TRIGGER threat_changed AFTER UPDATE OF detected, remediated ON threats BEGIN"
    " UPDATE kinds SET bytes = bytes + new.bytes - old.bytes"
    "  WHERE topic = 'threats' AND source = new.source;"
    " END;"
    "CREATE TRIGGER threat_deleted AFTER DELETE ON threats BEGIN"
    " UPDATE kinds SET rows = rows - 1, bytes = bytes - old.bytes, pruned = pruned + 1"
    "  WHERE topic = 'threats' AND source = old.source;"
    " END;"

    "ALTER TABLE alerts ADD COLUMN source TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE alerts ADD COLUMN bytes INTEGER AS (ifnull(length(data), 0) + 1024);"
    "UPDATE alerts SET source = ifnull(detected_from, '');"
    "CREATE INDEX alerts_by_kind"
    " ON alerts (source, rule_id, process_user, last_seen_ns);"
    "INSERT INTO kinds (topic, source, rows, bytes)"
    " SELECT 'alerts', source, count(*), sum(bytes) FROM alerts GROUP BY source;"
    "CREATE TRIGGER alert_made AFTER INSERT ON alerts BEGIN"
    " INSERT INTO kinds (topic, source, rows, bytes)"
    "  VALUES ('alerts', new.source, 1, new.bytes)"
    "  ON CONFLICT (topic, source) DO UPDATE"
    "  SET rows = rows + 1, bytes = bytes + excluded.bytes;"
    " END;"
    "CREATE TRIGGER alert_deleted AFTER DELETE ON alerts BEGIN"
    " DELETE FROM alert_responses WHERE alert_id = old.id;"
    " UPDATE kinds SET rows = rows - 1, bytes = bytes - old.bytes, pruned = pruned + 1"
    "  WHERE topic = 'alerts' AND source = old.source;"
    " END;"
    "DELETE FROM alert_responses WHERE alert_id NOT IN (SELECT id FROM alerts);",

    /* 3 -> 4: cases, and alerts that are closed. Triggers keep what a case says of its
     * alerts; journal_case.c says which case an alert is of. Of what an older Tocsin has
     * stored each alert is a case of its own. */
    "ALTER TABLE alerts ADD COLUMN case_id TEXT;"
    "ALTER TABLE alerts ADD COLUMN closed_ns INTEGER;"
    "ALTER TABLE alerts ADD COLUMN closed_by INTEGER;"
    "ALTER TABLE alerts ADD COLUMN note;"
    "CREATE TABLE cases ("
    " id TEXT PRIMARY KEY,"
    " first_seen_ns INTEGER NOT NULL,"
    " last_seen_ns INTEGER NOT NULL,"
    " severity, title,"
    " alerts INTEGER NOT NULL,"
    " open INTEGER NOT NULL);"
    "CREATE TABLE case_processes ("
    " pid INTEGER NOT NULL,"
    " start INTEGER NOT NULL,"
    " case_id TEXT NOT NULL,"
    " PRIMARY KEY (pid, start)) WITHOUT ROWID;"
    "CREATE INDEX case_processes_by_case ON case_processes (case_id);"
    "CREATE TRIGGER alert_joined AFTER UPDATE OF case_id ON alerts BEGIN"
    " INSERT INTO cases (id, first_seen_ns, last_seen_ns, severity, title, alerts, open)"
    "  VALUES (new.case_id, new.time_ns, new.last_seen_ns, new.severity, new.title, 1,"
    "   new.closed_ns IS NULL)"
    "  ON CONFLICT (id) DO UPDATE SET"
    "  first_seen_ns = min(first_seen_ns, excluded.first_seen_ns),"
    "  last_seen_ns = max(last_seen_ns, excluded.last_seen_ns),"
    "  severity = iif(" TC_STORE_RANK("excluded.severity") " > " TC_STORE_RANK(
        "severity") ", excluded.severity, severity),"
                    "  alerts = alerts + 1, open = open + excluded.open;"
                    " END;"
                    "UPDATE alerts SET case_id = id;"
                    "CREATE TRIGGER alert_changed AFTER UPDATE OF time_ns, last_seen_ns,"
                    " severity, closed_ns ON alerts BEGIN"
                    " UPDATE cases SET"
                    "  first_seen_ns = min(first_seen_ns, new.time_ns),"
                    "  last_seen_ns = max(last_seen_ns, new.last_seen_ns),"
                    "  severity = iif(" TC_STORE_RANK("new.severity") " > " TC_STORE_RANK(
                        "severity") ", new.severity, severity),"
                                    "  open = open + (new.closed_ns IS NULL)"
                                    "   - (old.closed_ns IS NULL)"
                                    "  WHERE id = new.case_id;"
                                    " END;"
                                    "CREATE TRIGGER alert_left AFTER DELETE ON alerts "
                                    "BEGIN"
                                    " UPDATE cases SET alerts = alerts - 1, open = open "
                                    "- (old.closed_ns IS NULL)"
                                    "  WHERE id = old.case_id;"
                                    " DELETE FROM cases WHERE id = old.case_id AND "
                                    "alerts <= 0;"
                                    " END;"
                                    "CREATE TRIGGER case_deleted AFTER DELETE ON cases "
                                    "BEGIN"
                                    " DELETE FROM case_processes WHERE case_id = old.id;"
                                    " END;"
                                    "CREATE INDEX cases_by_time ON cases (last_seen_ns);"
                                    "CREATE INDEX alerts_by_case ON alerts (case_id);"
                                    /* All that a list is filtered by, so that it reads no
                                       other row than those it has. */
                                    "DROP INDEX alerts_by_time;"
                                    "CREATE INDEX alerts_by_time"
                                    " ON alerts (last_seen_ns, closed_ns, severity, "
                                    "rule, rule_id, case_id);",

    /* 4 -> 5: the event of an alert whose `data` has secrets masked, as it was. */
    "CREATE TABLE alert_unmasked (alert_id TEXT PRIMARY KEY, data BLOB NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TRIGGER alert_forgotten AFTER DELETE ON alerts BEGIN"
    " DELETE FROM alert_unmasked WHERE alert_id = old.id;"
    " END;",

    /* 5 -> 6: what the matches of an alert differ in, the encoded map. */
    "ALTER TABLE alerts ADD COLUMN matches BLOB;",
};
const size_t tc_schema_version = sizeof(tc_schema_steps) / sizeof(*tc_schema_steps);

static int read_version(sqlite3 *db, int64_t *ret_version)
{
    sqlite3_stmt *statement;
    int rc;

    rc = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            *ret_version = sqlite3_column_int64(statement, 0);
        sqlite3_finalize(statement);
    }
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int apply_step(sqlite3 *db, const char *step, size_t version)
{
    char end[64];
    int rc;

    (void)snprintf(end, sizeof(end), "PRAGMA user_version = %zu; COMMIT", version);
    rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, step, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, end, NULL, NULL, NULL);
    return rc;
}

int tc_schema_check(sqlite3 *db, size_t count, char why[256])
{
    int64_t version = 0;
    int rc = read_version(db, &version);

    if (rc != SQLITE_OK) {
        tc_why(why, "%s", sqlite3_errmsg(db));
        return tc_store_errno(db, rc);
    }
    if (version < 0 || (uint64_t)version > count) {
        tc_why(why,
               "a newer Tocsin wrote it (schema %" PRId64 ", this one knows up to %zu)",
               version, count);
        return -EPROTONOSUPPORT;
    }
    return 0;
}

int tc_schema_apply(sqlite3 *db, const char *const *steps, size_t count, char why[256])
{
    int64_t version = 0;
    int rc, err;

    err = tc_schema_check(db, count, why);
    if (err)
        return err;
    rc = read_version(db, &version);
    for (size_t i = (size_t)version; i < count && rc == SQLITE_OK; i++)
        rc = apply_step(db, steps[i], i + 1);
    if (rc == SQLITE_OK)
        return 0;
    err = tc_store_errno(db, rc);
    tc_why(why, "%s", sqlite3_errmsg(db));
    if (!sqlite3_get_autocommit(db))
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}
