/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the files of the journal by their names: whether they are still the ones that are
 * open, setting one aside, and putting the open one back. Must not: decide when.
 */
#include "core/journal/journal_store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/why.h"

static int rename_suffixed(const char *path, const char *name, const char *suffix)
{
    char from[4096], to[4096];

    if (snprintf(from, sizeof(from), "%s%s", path, suffix) >= (int)sizeof(from) ||
        snprintf(to, sizeof(to), "%s%s", name, suffix) >= (int)sizeof(to))
        return -ENAMETOOLONG;
    return rename(from, to) ? -errno : 0;
}

static void unlink_suffixed(const char *path, const char *suffix)
{
    char name[4096];

    if (snprintf(name, sizeof(name), "%s%s", path, suffix) < (int)sizeof(name))
        (void)unlink(name);
}

/* <path>.<what>-<UTC time> */
static int name_aside(const char *path, const char *what, char *ret_name, size_t cap)
{
    struct timespec now;
    char when[32];
    struct tm tm;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
    if (snprintf(ret_name, cap, "%s.%s-%s.%09ldZ", path, what, when, now.tv_nsec) >=
        (int)cap)
        return -ENAMETOOLONG;
    return 0;
}

int tc_store_set_aside(const char *path, char *ret_name, size_t cap)
{
    char name[4096];
    int err;

    err = name_aside(path, "corrupt", name, sizeof(name));
    if (err)
        return err;
    /* The log goes first: left behind, it would be applied to the new database. */
    err = rename_suffixed(path, name, "-wal");
    if (err && err != -ENOENT)
        return err;
    err = rename_suffixed(path, name, "");
    if (err)
        return err;
    unlink_suffixed(path, "-shm");
    (void)snprintf(ret_name, cap, "%s", name);
    return 0;
}

bool tc_store_moved(const struct tc_store *store)
{
    int moved = 0;

    (void)sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    return moved != 0;
}

bool tc_store_log_gone(const struct tc_store *store, const char *path)
{
    char log[4096];
    struct stat st;

    return store->logged &&
           snprintf(log, sizeof(log), "%s-wal", path) < (int)sizeof(log) &&
           stat(log, &st) && errno == ENOENT;
}

/* Copies the database that is open into a new file. */
static int copy(struct tc_store *store, const char *path, char why[256])
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    sqlite3_backup *backup;
    sqlite3 *to = NULL;
    int rc, err;

    if (fd < 0) {
        err = -errno;
        tc_why(why, "%s", strerror(-err));
        return err;
    }
    (void)close(fd);
    rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK) {
        backup = sqlite3_backup_init(to, "main", store->db, "main");
        if (backup)
            (void)sqlite3_backup_step(backup, -1);
        rc = backup ? sqlite3_backup_finish(backup) : sqlite3_errcode(to);
    }
    err = to ? tc_store_errno(to, rc) : -ENOMEM;
    if (err)
        tc_why(why, "%s", to ? sqlite3_errmsg(to) : "out of memory");
    (void)sqlite3_close(to);
    return err;
}

int tc_store_put_back(struct tc_store *store, const char *path, char *ret_other,
                      size_t cap, char why[256])
{
    char name[4096], other[4096];
    int err;

    if (snprintf(name, sizeof(name), "%s.back", path) >= (int)sizeof(name))
        return -ENAMETOOLONG;
    (void)unlink(name);
    err = copy(store, name, why);
    if (!err)
        err = name_aside(path, "replaced", other, sizeof(other));
    if (err) {
        (void)unlink(name);
        return err;
    }
    /* SQLite removes what is called like its log when it closes: before the rest. */
    tc_store_close(store);
    unlink_suffixed(path, "-wal");
    unlink_suffixed(path, "-shm");
    *ret_other = '\0';
    if (!rename(path, other))
        (void)snprintf(ret_other, cap, "%s", other);
    (void)rename(name, path);
    return 0;
}
