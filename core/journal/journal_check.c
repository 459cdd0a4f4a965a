/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the proof that the journal can be written and read: one row, as every other. */
#include <errno.h>
#include <stdlib.h>

#include "core/journal/journal.h"
#include "core/journal/journal_store.h"
#include "core/journal/journal_thread.h"

static int run(sqlite3 *db, const char *sql, int64_t value, int64_t *ret_value)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(statement, 1, value);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return tc_store_errno(db, rc);
}

/* On the journal's thread. */
static int run_check(struct tc_journal_job *job, struct tc_store *store)
{
    static const char write[] = "INSERT INTO meta VALUES ('checked_ns', ?1) "
                                "ON CONFLICT (key) DO UPDATE SET value = ?1";
    static const char read[] = "SELECT value FROM meta WHERE key = 'checked_ns' "
                               "AND ?1 >= 0";
    int64_t written = (int64_t)job->time_ns, found = 0;
    int err = run(store->db, write, written, &found);

    if (!err)
        err = run(store->db, read, 0, &found);
    return err ? err : found == written ? 0 : -EIO;
}

static void answer_check(struct tc_journal_job *job)
{
    job->stored(job->arg, job->status);
}

int tc_journal_check(struct tc_journal *journal, uint64_t now_ns,
                     void (*checked)(void *arg, int status), void *arg)
{
    struct tc_journal_job *job = calloc(1, sizeof(*job));

    if (!job)
        return -ENOMEM;
    job->run = run_check;
    job->answer = answer_check;
    job->stored = checked;
    job->arg = arg;
    job->time_ns = now_ns;
    tc_journal_add_job(journal, job);
    return 0;
}
