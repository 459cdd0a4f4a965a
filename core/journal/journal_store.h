/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the journal's database behind plain calls: opening it, its schema, the statements
 * that store events and those that answer questions. Internal to core/journal*.c. Must
 * not: know threads, loops, or what to do about a failure (core/journal/journal.c does).
 *
 * Every call blocks; one thread at a time. Errors are negative errno values, mapped from
 * SQLite's by tc_store_errno: -EUCLEAN the file is corrupt or no journal; -EINVAL this
 * one event cannot be stored; -EPROTONOSUPPORT a newer Tocsin wrote the file; else what
 * the disk said.
 */
#ifndef TC_CORE_JOURNAL_STORE_H
#define TC_CORE_JOURNAL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sqlite3.h>

struct tocsin_event;
struct tc_pack;

#define TC_STORE_ANSWER_BYTES                                                            \
    (1024u * 1024u) /* a list that grows beyond it ends early: truncated: true */
#define TC_STORE_LIMIT_DEFAULT 100
#define TC_STORE_LIMIT_MAX 10000
#define TC_STORE_PATHS_MAX 256     /* kept of one threat; `count` still counts the rest */
#define TC_STORE_RESPONSES_MAX 256 /* kept of one alert; all are in `events` */
#define TC_STORE_LINE_MAX                                                                \
    1000 /* of a command line in a list of alerts; events have all */

#define TC_STORE_CASE_PROCESSES_MAX 256 /* of one case, by which others join it */
#define TC_STORE_CASE_NS                                                                 \
    (INT64_C(3600) * 1000000000) /* after its last alert a case is over */

/* A severity as a number, in SQL: 1, informational or unknown, to 5. */
#define TC_STORE_RANK(severity)                                                          \
    "(CASE " severity " WHEN 'critical' THEN 5 WHEN 'high' THEN 4 WHEN 'medium' THEN 3"  \
    " WHEN 'low' THEN 2 ELSE 1 END)"

/* Statements that are prepared once, at opening. */
enum tc_store_statement {
    TC_STORE_BEGIN,
    TC_STORE_COMMIT,
    TC_STORE_ROLLBACK,
    TC_STORE_PUT_EVENT,
    TC_STORE_PUT_KIND,
    TC_STORE_COUNT_EVENTS,
    TC_STORE_MEASURE_ROWS,
    TC_STORE_MEASURE_FILE,
    TC_STORE_OWNER_OF_THREAT,
    TC_STORE_OWNER_OF_ALERT,
    TC_STORE_PUT_THREAT,
    TC_STORE_PUT_PATH,
    TC_STORE_PUT_REMEDY,
    TC_STORE_PUT_ALERT,
    TC_STORE_PUT_RESPONSE,
    TC_STORE_CASE_OF_ALERT,
    TC_STORE_CASE_OF_PROCESS,
    TC_STORE_PUT_CASE,
    TC_STORE_PUT_CASE_PROCESS,
    TC_STORE_PUT_UNMASKED,
    TC_STORE_STATEMENTS,
};

#define TC_STORE_KINDS_MAX 32 /* counted together, of one transaction */

/* What pruning leaves. */
struct tc_store_limits {
    int64_t events; /* rows of `events` */
    int64_t bytes;  /* of the database, as a file */
    int64_t age_ns; /* what happened longer ago goes; 0: nothing goes for its age */
};

/* What the database holds, and what it has removed so far, in any agent's life. */
struct tc_store_usage {
    int64_t events;     /* rows */
    int64_t used_bytes; /* of the file, without free pages */
    int64_t free_bytes;
    int64_t pruned_events, pruned_threats, pruned_alerts;
};

/* Events of one kind that the transaction has stored, and `kinds` does not count yet. */
struct tc_store_kind {
    const char *topic, *source; /* borrowed from an event of the transaction */
    int64_t id, rows, bytes;
};

struct tc_store {
    sqlite3 *db;
    sqlite3_stmt *statements[TC_STORE_STATEMENTS];
    struct tc_store_limits keep;
    struct tc_store_usage usage; /* when it was last pruned */
    struct tc_store_kind kinds[TC_STORE_KINDS_MAX];
    size_t kinds_len;
    bool shrinking;         /* it was full, and is not below its mark yet */
    uint64_t age_due_ns;    /* when to look for what is too old, by the wall clock */
    uint64_t vacuum_due_ns; /* when the file may be made smaller again */
    bool logged;            /* it has a write-ahead log, with something in it */
    int64_t page_bytes;
    int64_t held_bytes; /* of the log, which its last checkpoint has left */
};

/*
 * Opens or creates the database at `path` (mode 0600), or one in memory for NULL, and
 * brings its schema up to date.
 */
int tc_store_open(const char *path, struct tc_store_limits keep,
                  struct tc_store **ret_store, char why[256]);

/* Takes NULL. */
void tc_store_close(struct tc_store *store);

/* True when the file has been deleted, or another put in its place. */
bool tc_store_moved(const struct tc_store *store);

/* True when the write-ahead log's name is gone: what is written into it would be lost
 * with this process. To close the store empties it into the database. */
bool tc_store_log_gone(const struct tc_store *store, const char *path);

/*
 * Where tc_store_moved says so: copies the whole database to `path`, and closes the
 * store. What is there now, if anything, becomes <path>.replaced-<UTC time>, whose name
 * is put into ret_other, else "". After a failure, with the reason in `why`, the store is
 * open as it was, and nothing has changed.
 */
int tc_store_put_back(struct tc_store *store, const char *path, char *ret_other,
                      size_t cap, char why[256]);

/* What went wrong last, in SQLite's words. */
const char *tc_store_why(const struct tc_store *store);

/*
 * Renames the database at `path` and its write-ahead log to <path>.corrupt-<UTC time>,
 * the new name in ret_name. It must not be open.
 */
int tc_store_set_aside(const char *path, char *ret_name, size_t cap);

/* A transaction: begin, then put any number of events, then commit, or roll back. */
int tc_store_begin(struct tc_store *store);
int tc_store_commit(struct tc_store *store);
void tc_store_rollback(struct tc_store *store);

/* Stores one event, and makes or updates the threat or the alert that it is about.
 * `unmasked`: the event with its secrets, of which an alert keeps the first; NULL: it has
 * none. */
int tc_store_put(struct tc_store *store, const struct tocsin_event *event,
                 const struct tocsin_event *unmasked);

/* For journal_put, behind the row of an alert (journal_case.c): the case it is of. */
int tc_store_put_case(struct tc_store *store, const char *id, size_t id_len,
                      const struct tocsin_event *event);

/* Stores an event `journal.lost` of the core: `count` events before it are missing. */
int tc_store_put_loss(struct tc_store *store, uint64_t count);

/*
 * Inside a transaction, after its events: removes what is beyond the limits at `now_ns`
 * (wall clock). What is too old goes first. Then whoever takes the largest share, by
 * source and the first word of the topic, or by source in the tables of threats and
 * alerts, loses its oldest: at most `step` rows a call, but as many as it takes for the
 * bytes. So one source cannot push out what others have said.
 */
int tc_store_prune(struct tc_store *store, unsigned step, uint64_t now_ns);

/*
 * Outside a transaction: makes the file smaller where it is beyond its limit, as that has
 * been lowered, and what it holds is not. At most once an hour; it takes as much disk
 * again as it holds.
 */
int tc_store_shrink(struct tc_store *store, uint64_t now_ns);

/* For journal_put, ahead of an event: counts it in `kinds`, at the end of its
 * transaction; the id of its kind into ret_kind. */
int tc_store_count(struct tc_store *store, const struct tocsin_event *event,
                   int64_t *ret_kind);
int tc_store_flush_counts(struct tc_store *store);

/* Runs a statement whose values are bound, and makes it ready for the next time. */
int tc_store_run(struct tc_store *store, enum tc_store_statement which);

/* Their texts: journal_put.c. */
extern const char *const tc_store_sql[TC_STORE_STATEMENTS];

/*
 * Answers as tc_journal_query does, writing one map into `p`. -ENOENT no such id,
 * -EOPNOTSUPP no such kind, -EINVAL `params` is no map or lacks the id.
 */
int tc_store_query(struct tc_store *store, const char *kind, const void *params,
                   size_t len, struct tc_pack *p);

/*
 * Outside a transaction: closes or opens the alert, or all alerts of the case, that
 * `params` names, as tc_journal_change has it, whose answer it writes into `p`.
 */
int tc_store_change(struct tc_store *store, const char *kind, const void *params,
                    size_t len, struct tc_pack *p);

/*
 * The whole id of what `id` is or begins, in that table, into it: case does not count,
 * and it must be the only one; "latest" is that with the last event. -ENOENT, -ENOTUNIQ.
 */
#define TC_STORE_ID_MAX 256 /* bytes of an id, or of what one begins with */
int tc_store_find_id(struct tc_store *store, const char *table,
                     char id[TC_STORE_ID_MAX + 1]);

int tc_store_add_crash(struct tc_store *store, const char *plugin, uint64_t time_ns);
int tc_store_count_crashes(struct tc_store *store, const char *plugin, uint64_t since_ns,
                           unsigned *ret_count);
int tc_store_forget_crashes(struct tc_store *store, const char *plugin);

/* The errno for what SQLite returned last on `db`. */
int tc_store_errno(sqlite3 *db, int rc);

/* The schema: step i brings user_version i to i + 1. */
extern const char *const tc_schema_steps[];
extern const size_t tc_schema_version;

/* -EPROTONOSUPPORT when the version of `db` is beyond `count`; changes nothing. */
int tc_schema_check(sqlite3 *db, size_t count, char why[256]);

/*
 * Applies the steps that `db` lacks, each in a transaction of its own; one that
 * fails leaves the version before it. Also fails as tc_schema_check does.
 */
int tc_schema_apply(sqlite3 *db, const char *const *steps, size_t count, char why[256]);

#endif
