/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what an error of SQLite is called everywhere else. */
#ifndef TC_FW_SQLITE_H
#define TC_FW_SQLITE_H

#include <sqlite3.h>

/* 0 (also of a row, and of the end of rows) or a negative errno value: of the system call
 * where SQLite knows it. `db` as it was when `rc` came; NULL: there is none. */
int tc_fw_errno(sqlite3 *db, int rc);

#endif
