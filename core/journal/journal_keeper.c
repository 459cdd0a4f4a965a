/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see the header. The failure policy is the table below. */
#include "core/journal/journal_keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/journal/journal.h"
#include "core/journal/journal_store.h"
#include "ipc/event.h"

#define PRUNE_SPARE 256 /* rows removed beyond those added, to catch up step by step */

static const struct reason {
    int err;
    const char *cause; /* after the path */
    const char *fix;
} reasons[] = {
    {ENOSPC, "the disk is full", "free space on the disk of the state folder"},
    {EDQUOT, "the disk quota is used up", "raise the quota of the state folder"},
    {EROFS, "the file or its file system is read-only",
     "mount the state folder's file system read-write"},
    {EACCES, "the agent may not write it", "give the state folder to the agent's user"},
    {EPERM, "the agent may not write it", "give the state folder to the agent's user"},
    {ENOENT, "the state folder is gone", "create the state folder again, mode 0700"},
    {EBUSY, "another program keeps it locked", "end the program that has it open"},
    {EUCLEAN, "it is corrupt and could not be replaced",
     "check the disk, then move the file away"},
    {EIO, "the disk reported an error", "check the disk (dmesg names the error)"},
    {ENOMEM, "memory is short", "free memory"},
};

static void set_trouble(struct tc_keeper *keeper, int err, const char *detail)
{
    struct tc_keeper_issue *issue = &keeper->trouble;
    const char *cause = strerror(-err), *fix = "check the disk of the state folder";

    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        if (reasons[i].err == -err) {
            cause = reasons[i].cause;
            fix = reasons[i].fix;
        }
    }
    (void)snprintf(issue->why, sizeof(issue->why),
                   "%.200s cannot be written: %s (%.120s); events wait in memory",
                   keeper->path, cause, detail);
    (void)snprintf(issue->fix, sizeof(issue->fix), "%s", fix);
}

int tc_keeper_init(struct tc_keeper *keeper, const char *state_dir)
{
    memset(keeper, 0, sizeof(*keeper));
    if (snprintf(keeper->path, sizeof(keeper->path), "%s/journal.db", state_dir) >=
        (int)sizeof(keeper->path))
        return -ENAMETOOLONG;
    return 0;
}

void tc_keeper_done(struct tc_keeper *keeper)
{
    tc_store_close(keeper->store);
    keeper->store = NULL;
}

/* Puts the corrupt database out of the way. On success a new one can be begun. */
static int set_aside(struct tc_keeper *keeper)
{
    struct tc_keeper_issue *notice = &keeper->notice;
    char name[4096];
    int err;

    if (keeper->asides == TC_KEEPER_ASIDES_MAX)
        return -EUCLEAN;
    tc_keeper_done(keeper);
    err = tc_store_set_aside(keeper->path, name, sizeof(name));
    if (err)
        return err;
    keeper->asides++;
    (void)snprintf(notice->why, sizeof(notice->why),
                   "the journal was corrupt: it was set aside as %.300s and a new one "
                   "begun, without the earlier record",
                   name);
    (void)snprintf(notice->fix, sizeof(notice->fix),
                   "check the disk; recover with: sqlite3 %.300s .recover", name);
    return 0;
}

/* The file is a newer Tocsin's: leaves it alone and works without one. */
static int use_memory(struct tc_keeper *keeper, const char *detail, char why[256])
{
    const struct tc_store_limits keep = {TC_KEEPER_MEMORY_EVENTS, TC_KEEPER_MEMORY_BYTES};
    struct tc_keeper_issue *notice = &keeper->notice;
    int err;

    err = tc_store_open(NULL, keep, &keeper->store, why);
    if (err)
        return err;
    keeper->memory = true;
    (void)snprintf(notice->why, sizeof(notice->why),
                   "%.200s is left untouched: %.120s; what happens now is kept in memory "
                   "only and lost when the agent ends",
                   keeper->path, detail);
    (void)snprintf(notice->fix, sizeof(notice->fix),
                   "install the newer Tocsin again, or move %.200s away, then restart "
                   "the agent",
                   keeper->path);
    return 0;
}

static int open_file(struct tc_keeper *keeper, char why[256])
{
    const struct tc_store_limits keep = {TC_JOURNAL_KEEP_EVENTS, TC_JOURNAL_KEEP_BYTES};

    return tc_store_open(keeper->path, keep, &keeper->store, why);
}

int tc_keeper_ready(struct tc_keeper *keeper)
{
    char why[256], detail[256];
    int err;

    if (keeper->store && !tc_store_moved(keeper->store))
        return 0;
    if (keeper->store) {
        tc_keeper_done(keeper);
        (void)snprintf(
            keeper->notice.why, sizeof(keeper->notice.why),
            "%.200s was deleted or replaced while in use; what it held is gone "
            "and recording goes on in a new file",
            keeper->path);
        (void)snprintf(keeper->notice.fix, sizeof(keeper->notice.fix),
                       "stop the agent before touching its state folder");
    }
    err = open_file(keeper, why);
    if (err == -EUCLEAN) {
        err = set_aside(keeper);
        if (!err)
            err = open_file(keeper, why);
    }
    if (err == -EPROTONOSUPPORT) {
        memcpy(detail, why, sizeof(detail));
        err = use_memory(keeper, detail, why);
    }
    if (err)
        set_trouble(keeper, err, why);
    else
        keeper->trouble.why[0] = '\0';
    return err;
}

static int write_once(struct tc_keeper *keeper, struct tc_event *const *events, size_t n,
                      uint64_t lost, size_t *ret_refused)
{
    struct tc_store *store = keeper->store;
    size_t refused = 0;
    int err;

    err = tc_store_begin(store);
    if (!err && lost)
        err = tc_store_put_loss(store, lost);
    for (size_t i = 0; i < n && !err; i++) {
        err = tc_store_put(store, &events[i]->pub);
        if (err == -EINVAL) {
            refused++;
            err = 0;
        }
    }
    if (!err)
        err = tc_store_prune(store, (unsigned)n + PRUNE_SPARE);
    if (!err)
        err = tc_store_commit(store);
    if (err) {
        set_trouble(keeper, err, tc_store_why(store));
        tc_store_rollback(store);
        return err;
    }
    *ret_refused = refused;
    return 0;
}

int tc_keeper_write(struct tc_keeper *keeper, struct tc_event *const *events, size_t n,
                    uint64_t lost, size_t *ret_refused)
{
    int err;

    err = tc_keeper_ready(keeper);
    if (!err)
        err = write_once(keeper, events, n, lost, ret_refused);
    if (err == -EUCLEAN && keeper->store) {
        tc_keeper_failed(keeper, err);
        err = tc_keeper_ready(keeper);
        if (!err)
            err = write_once(keeper, events, n, lost, ret_refused);
    }
    if (!err)
        keeper->trouble.why[0] = '\0';
    return err;
}

void tc_keeper_failed(struct tc_keeper *keeper, int err)
{
    if (err != -EUCLEAN || keeper->memory)
        return;
    err = set_aside(keeper);
    if (err)
        set_trouble(keeper, err, "while setting it aside");
}

const struct tc_keeper_issue *tc_keeper_issue(const struct tc_keeper *keeper)
{
    if (keeper->trouble.why[0])
        return &keeper->trouble;
    return keeper->notice.why[0] ? &keeper->notice : NULL;
}
