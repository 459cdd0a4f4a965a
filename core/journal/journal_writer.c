/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see the header. The failure policy is the table below. */
#include "core/journal/journal_writer.h"

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

static void set_trouble(struct tc_journal_writer *writer, int err, const char *detail)
{
    struct tc_journal_writer_issue *issue = &writer->trouble;
    const char *cause = strerror(-err), *fix = "check the disk of the state folder";

    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        if (reasons[i].err == -err) {
            cause = reasons[i].cause;
            fix = reasons[i].fix;
        }
    }
    (void)snprintf(issue->why, sizeof(issue->why),
                   "%.200s cannot be written: %s (%.120s); events wait in memory",
                   writer->path, cause, detail);
    (void)snprintf(issue->fix, sizeof(issue->fix), "%s", fix);
}

int tc_journal_writer_init(struct tc_journal_writer *writer, const char *state_dir)
{
    memset(writer, 0, sizeof(*writer));
    if (snprintf(writer->path, sizeof(writer->path), "%s/journal.db", state_dir) >=
        (int)sizeof(writer->path))
        return -ENAMETOOLONG;
    return 0;
}

void tc_journal_writer_done(struct tc_journal_writer *writer)
{
    tc_store_close(writer->store);
    writer->store = NULL;
}

/* Puts the corrupt database out of the way. On success a new one can be begun. */
static int set_aside(struct tc_journal_writer *writer)
{
    struct tc_journal_writer_issue *notice = &writer->notice;
    char name[4096];
    int err;

    if (writer->asides == TC_JOURNAL_WRITER_ASIDES_MAX)
        return -EUCLEAN;
    tc_journal_writer_done(writer);
    err = tc_store_set_aside(writer->path, name, sizeof(name));
    if (err)
        return err;
    writer->asides++;
    (void)snprintf(notice->why, sizeof(notice->why),
                   "the journal was corrupt: it was set aside as %.300s and a new one "
                   "begun, without the earlier record",
                   name);
    (void)snprintf(notice->fix, sizeof(notice->fix),
                   "check the disk; recover with: sqlite3 %.300s .recover", name);
    return 0;
}

/* The file is a newer Tocsin's: leaves it alone and works without one. */
static int use_memory(struct tc_journal_writer *writer, const char *detail, char why[256])
{
    const struct tc_store_limits keep = {TC_JOURNAL_WRITER_MEMORY_EVENTS,
                                         TC_JOURNAL_WRITER_MEMORY_BYTES};
    struct tc_journal_writer_issue *notice = &writer->notice;
    int err;

    err = tc_store_open(NULL, keep, &writer->store, why);
    if (err)
        return err;
    writer->memory = true;
    (void)snprintf(notice->why, sizeof(notice->why),
                   "%.200s is left untouched: %.120s; what happens now is kept in memory "
                   "only and lost when the agent ends",
                   writer->path, detail);
    (void)snprintf(notice->fix, sizeof(notice->fix),
                   "install the newer Tocsin again, or move %.200s away, then restart "
                   "the agent",
                   writer->path);
    return 0;
}

static int open_file(struct tc_journal_writer *writer, char why[256])
{
    const struct tc_store_limits keep = {TC_JOURNAL_KEEP_EVENTS, TC_JOURNAL_KEEP_BYTES};

    return tc_store_open(writer->path, keep, &writer->store, why);
}

int tc_journal_writer_ready(struct tc_journal_writer *writer)
{
    char why[256], detail[256];
    int err;

    if (writer->store && !tc_store_renamed(writer->store))
        return 0;
    if (writer->store) {
        tc_journal_writer_done(writer);
        (void)snprintf(
            writer->notice.why, sizeof(writer->notice.why),
            "%.200s was deleted or replaced while in use; what it held is gone "
            "and recording goes on in a new file",
            writer->path);
        (void)snprintf(writer->notice.fix, sizeof(writer->notice.fix),
                       "stop the agent before touching its state folder");
    }
    err = open_file(writer, why);
    if (err == -EUCLEAN) {
        err = set_aside(writer);
        if (!err)
            err = open_file(writer, why);
    }
    if (err == -EPROTONOSUPPORT) {
        memcpy(detail, why, sizeof(detail));
        err = use_memory(writer, detail, why);
    }
    if (err)
        set_trouble(writer, err, why);
    else
        writer->trouble.why[0] = '\0';
    return err;
}

static int write_once(struct tc_journal_writer *writer, struct tc_event *const *events,
                      size_t n, uint64_t lost, size_t *ret_refused)
{
    struct tc_store *store = writer->store;
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
        set_trouble(writer, err, tc_store_why(store));
        tc_store_rollback(store);
        return err;
    }
    *ret_refused = refused;
    return 0;
}

int tc_journal_writer_write(struct tc_journal_writer *writer,
                            struct tc_event *const *events, size_t n, uint64_t lost,
                            size_t *ret_refused)
{
    int err;

    err = tc_journal_writer_ready(writer);
    if (!err)
        err = write_once(writer, events, n, lost, ret_refused);
    if (err == -EUCLEAN && writer->store) {
        tc_journal_writer_failed(writer, err);
        err = tc_journal_writer_ready(writer);
        if (!err)
            err = write_once(writer, events, n, lost, ret_refused);
    }
    if (!err)
        writer->trouble.why[0] = '\0';
    return err;
}

void tc_journal_writer_failed(struct tc_journal_writer *writer, int err)
{
    if (err != -EUCLEAN || writer->memory)
        return;
    err = set_aside(writer);
    if (err)
        set_trouble(writer, err, "while setting it aside");
}

const struct tc_journal_writer_issue *
tc_journal_writer_issue(const struct tc_journal_writer *writer)
{
    if (writer->trouble.why[0])
        return &writer->trouble;
    return writer->notice.why[0] ? &writer->notice : NULL;
}
