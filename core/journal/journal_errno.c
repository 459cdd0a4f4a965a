/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what an error of SQLite is called everywhere else. */
#include <errno.h>

#include "core/journal/journal_store.h"

int tc_store_errno(sqlite3 *db, int rc)
{
    int err = sqlite3_system_errno(db);

    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EACCES;
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return -EINVAL;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return err > 0 ? -err : -EIO;
    default:
        /* CORRUPT and NOTADB; and ERROR: our fixed statements fail so only when the
         * tables are not those that the schema made. */
        return -EUCLEAN;
    }
}
