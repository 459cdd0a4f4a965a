/* SPDX-License-Identifier: Apache-2.0 */
#include "core/journal/journal_questions.h"

#include <string.h>

#include "ipc/names.h"
#include "ipc/unpack.h"

#define THREAT_COLUMNS                                                                   \
    "id, name, severity, status, action, path, sha256, rule,"                            \
    " process_executable AS process, process_pid AS pid,"                                \
    " first_seen_ns, last_seen_ns, count, source"
#define ALERT_COLUMNS                                                                    \
    "id, title, severity, category, detected_from, time_ns, last_seen_ns, count, rule,"  \
    " rule_id, rule_author, technique, process_executable AS process,"                   \
    " process_pid AS pid, process_user AS user,"                                         \
    " process_command_line AS command_line, path, source, case_id AS \"case\","          \
    " iif(closed_ns IS NULL, 'open', 'closed') AS state, closed_ns, closed_by, note"
#define CASE_COLUMNS                                                                     \
    "id, title, severity, iif(open > 0, 'open', 'closed') AS state, alerts,"             \
    " open AS alerts_open, first_seen_ns, last_seen_ns"
#define RESPONSE_COLUMNS                                                                 \
    "time_ns, action, status, reason, processes, process_pid AS pid,"                    \
    " process_executable AS process, path"
#define EVENT_COLUMNS "time_ns, topic, source, data AS event"

/* Where a row is in a list that is paged. */
#define CURSOR ", last_seen_ns AS '.time', rowid AS '.row'"

/* The alerts that are asked for; the index alerts_by_time alone tells which these are. */
#define ALERTS_ASKED                                                                     \
    " FROM alerts WHERE last_seen_ns >= :since"                                          \
    " AND (:state IS NULL OR :state = 'all'"                                             \
    "  OR (closed_ns IS NULL) = (:state = 'open'))"                                      \
    " AND (:rank = 0 OR " TC_STORE_RANK(                                                 \
        "severity") " >= :rank)"                                                         \
                    " AND (:rule IS NULL OR rule = :rule OR rule_id = :rule)"            \
                    " AND (:case IS NULL OR case_id = :case)"
#define CASES_ASKED                                                                      \
    " FROM cases WHERE last_seen_ns >= :since"                                           \
    " AND (:state IS NULL OR :state = 'all' OR (open > 0) = (:state = 'open'))"          \
    " AND (:rank = 0 OR " TC_STORE_RANK("severity") " >= :rank)"
#define BEFORE " AND (last_seen_ns, rowid) < (:before_ns, :before_row)"
#define NEWEST " ORDER BY last_seen_ns DESC, rowid DESC LIMIT :limit"

static const char *const threat_names[] = {
    "id",     "name",   "severity", "status", "action",        "path",
    "sha256", "rule",   "process",  "pid",    "first_seen_ns", "last_seen_ns",
    "count",  "source", NULL,
};
static const char *const alert_names[] = {
    "id",           "title", "severity",  "category",     "detected_from", "time_ns",
    "last_seen_ns", "count", "rule",      "rule_id",      "rule_author",   "technique",
    "process",      "pid",   "user",      "command_line", "path",          "source",
    "case",         "state", "closed_ns", "closed_by",    "note",          NULL,
};
static const char *const case_names[] = {
    "id",          "title",         "severity",     "state", "alerts",
    "alerts_open", "first_seen_ns", "last_seen_ns", NULL,
};
static const struct tc_names threat_fields = {.all = threat_names};
static const struct tc_names alert_fields = {.all = alert_names};
static const struct tc_names case_fields = {.all = case_names};

static const struct tc_journal_question questions[] = {
    {.kind = "threats",
     .shape = TC_JOURNAL_LIST,
     .sql = "SELECT " THREAT_COLUMNS " FROM threats WHERE last_seen_ns >= :since" NEWEST,
     .fields = &threat_fields,
     .count_sql = "SELECT count(*) FROM threats WHERE last_seen_ns >= :since"},
    {.kind = "threat",
     .sql = "SELECT " THREAT_COLUMNS ", process_user AS user,"
            " process_command_line AS command_line, reason, detected, remediated"
            " FROM threats WHERE id = :id",
     .table = "threats",
     .beside = {{"paths", "SELECT path FROM threat_paths WHERE threat_id = :id"
                          " ORDER BY first_seen_ns, path"}}},
    {.kind = "alerts",
     .shape = TC_JOURNAL_LIST,
     .sql = "SELECT " ALERT_COLUMNS CURSOR " FROM alerts WHERE rowid IN"
            " (SELECT rowid" ALERTS_ASKED BEFORE NEWEST ")" NEWEST,
     .fields = &alert_fields,
     .count_sql = "SELECT count(*)" ALERTS_ASKED,
     .paged = true},
    {.kind = "alert",
     .sql = "SELECT " ALERT_COLUMNS ", matches, data AS event FROM alerts WHERE id = :id",
     .table = "alerts",
     .beside = {{"responses", "SELECT " RESPONSE_COLUMNS
                              " FROM alert_responses WHERE alert_id = :id ORDER BY id"}}},
    {.kind = "alert.unmasked",
     .sql = "SELECT " ALERT_COLUMNS ", coalesce((SELECT u.data FROM alert_unmasked AS u"
            " WHERE u.alert_id = alerts.id), data) AS event, matches FROM alerts"
            " WHERE id = :id",
     .table = "alerts",
     .beside = {{"responses", "SELECT " RESPONSE_COLUMNS
                              " FROM alert_responses WHERE alert_id = :id ORDER BY id"}}},
    {.kind = "cases",
     .shape = TC_JOURNAL_LIST,
     .sql = "SELECT " CASE_COLUMNS CURSOR CASES_ASKED BEFORE NEWEST,
     .fields = &case_fields,
     .count_sql = "SELECT count(*)" CASES_ASKED,
     .paged = true},
    /* The alerts last: with their events they may be too many for one answer. */
    {.kind = "case",
     .sql = "SELECT " CASE_COLUMNS " FROM cases WHERE id = :id",
     .table = "cases",
     .beside = {{"responses",
                 "SELECT alert_id AS alert, " RESPONSE_COLUMNS " FROM alert_responses"
                 " WHERE alert_id IN (SELECT id FROM alerts WHERE case_id = :id)"
                 " ORDER BY time_ns, id LIMIT 1000"},
                {"threats", "SELECT " THREAT_COLUMNS ", remediated_ns, reason"
                            " FROM threats WHERE id IN (SELECT id FROM alerts"
                            " WHERE case_id = :id) ORDER BY first_seen_ns LIMIT 1000"},
                {"timeline", "SELECT " ALERT_COLUMNS ", data AS event FROM alerts"
                             " WHERE case_id = :id ORDER BY time_ns, rowid"}}},
    {.kind = "events",
     .shape = TC_JOURNAL_LIST,
     .sql = "SELECT " EVENT_COLUMNS " FROM events ORDER BY id DESC LIMIT :limit"},
};

/* The index alone finds the newest of a topic or family; only those are then read. */
static const struct tc_journal_question events_of_topic = {
    .kind = "events",
    .shape = TC_JOURNAL_LIST,
    .sql = "SELECT " EVENT_COLUMNS " FROM events WHERE id IN (SELECT id FROM events"
           " WHERE kind IN (SELECT id FROM kinds WHERE topic = :topic)"
           " ORDER BY id DESC LIMIT :limit) ORDER BY id DESC"};
static const struct tc_journal_question events_of_family = {
    .kind = "events",
    .shape = TC_JOURNAL_LIST,
    .sql = "SELECT " EVENT_COLUMNS " FROM events WHERE id IN (SELECT id FROM events"
           " WHERE kind IN (SELECT id FROM kinds"
           " WHERE topic >= rtrim(:topic, '*') AND topic < rtrim(:topic, '.*') || '/')"
           " ORDER BY id DESC LIMIT :limit) ORDER BY id DESC"};

/* The question about events that a topic asks: by name, "prefix.*", or "*" and none. */
static const struct tc_journal_question *
events_question(const struct tc_journal_question *all, struct tocsin_str topic)
{
    if (!topic.ptr || tocsin_str_is(topic, "*"))
        return all;
    if (topic.len > 2 && !memcmp(topic.ptr + topic.len - 2, ".*", 2))
        return &events_of_family;
    return &events_of_topic;
}

const struct tc_journal_question *tc_journal_question(const char *kind,
                                                      const msgpack_object *params)
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++) {
        if (strcmp(questions[i].kind, kind))
            continue;
        if (!strcmp(kind, "events"))
            return events_question(&questions[i], tc_unpack_str(params, "topic"));
        return &questions[i];
    }
    return NULL;
}
