/* SPDX-License-Identifier: Apache-2.0 */
#include "spool/fw_sqlite.h"

#include <errno.h>

int tc_fw_errno(sqlite3 *db, int rc)
{
    int err = db ? sqlite3_system_errno(db) : 0;

    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return 0;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_CANTOPEN:
        return err ? -err : -ENOENT;
    case SQLITE_IOERR:
        return err ? -err : -EIO;
    default:
        return -EIO;
    }
}
