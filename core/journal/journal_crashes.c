/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: which plugin has crashed when, in the journal's database. */
#include "core/journal/journal_store.h"

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
