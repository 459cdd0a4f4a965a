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

/* Statements that are prepared once, at opening. */
enum tc_store_statement {
    TC_STORE_BEGIN,
    TC_STORE_COMMIT,
    TC_STORE_ROLLBACK,
    TC_STORE_PUT_EVENT,
    TC_STORE_PRUNE_EVENTS,
    TC_STORE_USED_BYTES,
    TC_STORE_PUT_THREAT,
    TC_STORE_PUT_PATH,
    TC_STORE_PUT_REMEDY,
    TC_STORE_PUT_ALERT,
    TC_STORE_PUT_RESPONSE,
    TC_STORE_STATEMENTS,
};

/* What pruning leaves of the events. */
struct tc_store_limits {
    int64_t events; /* rows */
    int64_t bytes;  /* of the whole database, without free pages */
};

struct tc_store {
    sqlite3 *db;
    sqlite3_stmt *statements[TC_STORE_STATEMENTS];
    struct tc_store_limits keep;
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
bool tc_store_renamed(const struct tc_store *store);

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

/* Stores one event, and makes or updates the threat or the alert that it is about. */
int tc_store_put(struct tc_store *store, const struct tocsin_event *event);

/* Stores an event `journal.lost` of the core: `count` events before it are missing. */
int tc_store_put_loss(struct tc_store *store, uint64_t count);

/* Removes at most `step` of the oldest events beyond the limits. */
int tc_store_prune(struct tc_store *store, unsigned step);

/*
 * Answers as tc_journal_query does, writing one map into `p`. -ENOENT no such id,
 * -EOPNOTSUPP no such kind, -EINVAL `params` is no map or lacks the id.
 */
int tc_store_query(struct tc_store *store, const char *kind, const void *params,
                   size_t len, struct tc_pack *p);

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
