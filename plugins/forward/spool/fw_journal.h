/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: reading the agent's journal beside it, as docs/journal.md promises its readers.
 * Every call blocks; one thread. Must not: write to it, nor open its files in any other
 * way than SQLite's (closing one would release the locks of the agent's own connection).
 */
#ifndef TC_FW_JOURNAL_H
#define TC_FW_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sqlite3;
struct sqlite3_stmt;

/* Where somebody has read up to: the row, and its time, by which it is known again. */
struct tc_fw_place {
    int64_t id;
    int64_t time_ns;
};

struct tc_fw_row {
    int64_t id, time_ns;
    const char *topic, *source;
    const void *data;
    int len;
};

struct tc_fw_journal {
    const char *path; /* borrowed */
    struct sqlite3 *db;
    struct sqlite3_stmt *rows;
    dev_t device;
    ino_t inode;
};

/* 0; -ENOENT while there is none; else a negative errno. Follows a journal that was
 * replaced. */
int tc_fw_journal_open(struct tc_fw_journal *journal);
void tc_fw_journal_close(struct tc_fw_journal *journal);

/* The last row from before that time; {0, 0}: none is. */
int tc_fw_journal_before(struct tc_fw_journal *journal, int64_t time_ns,
                         struct tc_fw_place *ret);

/* Whether the journal is still the one in which *place was; if not, it is a new one, and
 * *place becomes its beginning. */
int tc_fw_journal_check(struct tc_fw_journal *journal, struct tc_fw_place *place);

/* Up to `limit` rows behind *place, which moves along. `take` returns 0 to go on. */
int tc_fw_journal_read(struct tc_fw_journal *journal, struct tc_fw_place *place,
                       int limit, int (*take)(void *arg, const struct tc_fw_row *row),
                       void *arg, int *ret_count);

#endif
