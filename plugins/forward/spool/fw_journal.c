/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/fw_journal.h"

#include <errno.h>
#include <sqlite3.h>
#include <stddef.h>
#include <sys/stat.h>

#include "spool/fw_sqlite.h"

#define BUSY_TIMEOUT_MS 2000

void tc_fw_journal_close(struct tc_fw_journal *journal)
{
    (void)sqlite3_finalize(journal->rows);
    (void)sqlite3_close(journal->db);
    journal->rows = NULL;
    journal->db = NULL;
}

int tc_fw_journal_open(struct tc_fw_journal *journal)
{
    struct stat st;
    int rc, err;

    if (stat(journal->path, &st) < 0) {
        err = -errno;
        tc_fw_journal_close(journal);
        return err;
    }
    if (journal->db && st.st_dev == journal->device && st.st_ino == journal->inode)
        return 0;
    tc_fw_journal_close(journal);
    rc = sqlite3_open_v2(journal->path, &journal->db,
                         SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_busy_timeout(journal->db, BUSY_TIMEOUT_MS);
        rc = sqlite3_prepare_v3(journal->db,
                                "SELECT id, time_ns, topic, source, data FROM events"
                                " WHERE id > ?1 ORDER BY id LIMIT ?2",
                                -1, SQLITE_PREPARE_PERSISTENT, &journal->rows, NULL);
    }
    if (rc != SQLITE_OK) {
        /* Without the table it has just been made, and has no rows. */
        err = rc == SQLITE_ERROR ? -ENOENT : tc_fw_errno(journal->db, rc);
        tc_fw_journal_close(journal);
        return err;
    }
    journal->device = st.st_dev;
    journal->inode = st.st_ino;
    return 0;
}

/* One row of two numbers; {0, 0} when there is none. */
static int ask(struct tc_fw_journal *journal, const char *sql, int64_t arg,
               int64_t ret[2])
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL);

    ret[0] = ret[1] = 0;
    if (rc != SQLITE_OK)
        return tc_fw_errno(journal->db, rc);
    (void)sqlite3_bind_int64(statement, 1, arg);
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        ret[0] = sqlite3_column_int64(statement, 0);
        ret[1] = sqlite3_column_int64(statement, 1);
    }
    (void)sqlite3_finalize(statement);
    return tc_fw_errno(journal->db, rc);
}

int tc_fw_journal_before(struct tc_fw_journal *journal, int64_t time_ns,
                         struct tc_fw_place *ret)
{
    int64_t row[2];
    int err = ask(journal,
                  "SELECT id, time_ns FROM events WHERE time_ns < ?1"
                  " ORDER BY id DESC LIMIT 1",
                  time_ns, row);

    if (!err)
        *ret = (struct tc_fw_place){.id = row[0], .time_ns = row[1]};
    return err;
}

int tc_fw_journal_check(struct tc_fw_journal *journal, struct tc_fw_place *place)
{
    int64_t row[2], last[2];
    int err =
        ask(journal, "SELECT id, time_ns FROM events WHERE id = ?1", place->id, row);

    if (!err)
        err = ask(journal, "SELECT ifnull(max(id), 0), ?1 FROM events", 0, last);
    /* Old rows are pruned: a row that is gone, with later ones there, says nothing. */
    if (!err && (last[0] < place->id || (row[0] && row[1] != place->time_ns)))
        *place = (struct tc_fw_place){.id = 0};
    return err;
}

int tc_fw_journal_read(struct tc_fw_journal *journal, struct tc_fw_place *place,
                       int limit, int (*take)(void *arg, const struct tc_fw_row *row),
                       void *arg, int *ret_count)
{
    sqlite3_stmt *rows = journal->rows;
    int rc, err = 0;

    *ret_count = 0;
    (void)sqlite3_bind_int64(rows, 1, place->id);
    (void)sqlite3_bind_int(rows, 2, limit);
    while (!err && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
        const struct tc_fw_row row = {
            .id = sqlite3_column_int64(rows, 0),
            .time_ns = sqlite3_column_int64(rows, 1),
            .topic = (const char *)sqlite3_column_text(rows, 2),
            .source = (const char *)sqlite3_column_text(rows, 3),
            .data = sqlite3_column_blob(rows, 4),
            .len = sqlite3_column_bytes(rows, 4),
        };

        err = take(arg, &row);
        if (!err) {
            *place = (struct tc_fw_place){.id = row.id, .time_ns = row.time_ns};
            (*ret_count)++;
        }
    }
    (void)sqlite3_reset(rows);
    return err ? err : tc_fw_errno(journal->db, rc);
}
