/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: finding the process that reads a database of SQLite's, by the locks it holds.
 * Internal to core/journal. Must not: open the files: to close one would release the
 * locks that SQLite holds for us.
 */
#ifndef TC_CORE_JOURNAL_READER_H
#define TC_CORE_JOURNAL_READER_H

#include <stddef.h>

/*
 * The pid of a process, not this one, that has a read transaction open on the database at
 * `path`, and its name as "sqlite3 (pid 4711)"; 0 when none is found, `who` untouched.
 * /proc/locks lists each lock once: it takes a while where there are thousands.
 */
int tc_journal_find_reader(const char *path, char *who, size_t cap);

#endif
