/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: opening journal.db, and its transactions. Must not: decide what a failure means
 * for the agent.
 */
#include "core/journal/journal_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tocsin/plugin.h>

#include "core/base/why.h"

#define BUSY_TIMEOUT_MS                                                                  \
    2000 /* somebody else, such as sqlite3(1), has the file locked                       \
          */

#define CHECKPOINT_PAGES 1000 /* of the log, as SQLite's own default */

/* What every connection begins with. The page cache is small because the tail of
 * `events` and the newest threats are all that is ever hot. */
static const char setup[] = "PRAGMA journal_mode = WAL;"
                            "PRAGMA synchronous = FULL;"
                            "PRAGMA foreign_keys = ON;"
                            "PRAGMA cache_size = -512;"
                            "PRAGMA temp_store = MEMORY;"
                            "PRAGMA journal_size_limit = 4194304;";

const char *tc_store_why(const struct tc_store *store)
{
    return sqlite3_errmsg(store->db);
}

/*
 * Instead of SQLite's own: after a commit, moves the log's pages into the database, and
 * notes what had to stay because somebody still reads as it was before.
 */
static int on_committed(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct tc_store *store = arg;
    int in_log = pages, moved = 0, rc;

    store->logged = true;
    store->held_bytes = 0;
    if (pages < CHECKPOINT_PAGES)
        return SQLITE_OK;
    rc = sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
    if (rc == SQLITE_OK || rc == SQLITE_BUSY)
        store->held_bytes = (int64_t)(in_log - moved) * store->page_bytes;
    return SQLITE_OK;
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
        rc = sqlite3_prepare_v3(store->db, tc_store_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
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
    (void)sqlite3_wal_hook(store->db, on_committed, store);
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

int tc_store_run(struct tc_store *store, enum tc_store_statement which)
{
    sqlite3_stmt *statement = store->statements[which];
    int rc = sqlite3_step(statement);
    int err = tc_store_errno(store->db, rc);

    (void)sqlite3_reset(statement);
    return err;
}

int tc_store_begin(struct tc_store *store)
{
    store->kinds_len = 0;
    return tc_store_run(store, TC_STORE_BEGIN);
}

int tc_store_commit(struct tc_store *store)
{
    int err = tc_store_flush_counts(store);

    return err ? err : tc_store_run(store, TC_STORE_COMMIT);
}

void tc_store_rollback(struct tc_store *store)
{
    store->kinds_len = 0;
    /* Some failures, a full disk among them, have rolled back already. */
    if (!sqlite3_get_autocommit(store->db))
        (void)tc_store_run(store, TC_STORE_ROLLBACK);
}
