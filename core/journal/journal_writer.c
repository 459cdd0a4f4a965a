/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see the header. The failure policy is the table below. */
#include "core/journal/journal_writer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/machine.h"
#include "core/journal/journal.h"
#include "core/journal/journal_reader.h"
#include "core/journal/journal_store.h"
#include "ipc/event.h"
#include "ipc/mask.h"

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
    writer->keep = (struct tc_store_limits){.events = TC_JOURNAL_KEEP_EVENTS,
                                            .bytes = TC_JOURNAL_KEEP_BYTES};
    return 0;
}

void tc_journal_writer_configure(struct tc_journal_writer *writer,
                                 const struct tc_journal_limits *limits)
{
    writer->keep.bytes = (int64_t)limits->bytes;
    writer->keep.age_ns = (int64_t)(limits->age_ms * UINT64_C(1000000));
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
    const struct tc_store_limits keep = {.events = TC_JOURNAL_WRITER_MEMORY_EVENTS,
                                         .bytes = TC_JOURNAL_WRITER_MEMORY_BYTES};
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
    return tc_store_open(writer->path, writer->keep, &writer->store, why);
}

/*
 * The file was deleted, or another is in its place: the one that is open goes back there
 * with all that it holds, now, or at another try when that is not possible yet.
 */
static int put_back(struct tc_journal_writer *writer, char why[256])
{
    struct tc_journal_writer_issue *notice = &writer->notice;
    char other[4096];
    int err = tc_store_put_back(writer->store, writer->path, other, sizeof(other), why);

    if (err == -EUCLEAN || err == -EIO) { /* it cannot be read any more */
        tc_journal_writer_done(writer);
        (void)snprintf(
            notice->why, sizeof(notice->why),
            "%.200s was deleted or replaced while in use; what it held is gone "
            "(%.100s) and recording goes on in a new file",
            writer->path, why);
        (void)snprintf(notice->fix, sizeof(notice->fix),
                       "find out who did it, then: systemctl restart tocsind");
        return 0;
    }
    if (err)
        return err;
    writer->store = NULL;
    writer->notice_passes = true;
    (void)snprintf(notice->why, sizeof(notice->why),
                   "%.200s was deleted or replaced while in use; it was put back whole"
                   "%s%.200s",
                   writer->path, *other ? ", and the other file set aside as " : "",
                   other);
    (void)snprintf(notice->fix, sizeof(notice->fix),
                   "nothing is missing: find out who did it");
    return 0;
}

/* Closes what is open, or puts it back, where its names are not there any more. */
static int look_after_names(struct tc_journal_writer *writer, char why[256])
{
    if (!writer->store || writer->memory)
        return 0;
    if (tc_store_moved(writer->store))
        return put_back(writer, why);
    if (tc_store_log_gone(writer->store, writer->path))
        tc_journal_writer_done(writer);
    return 0;
}

int tc_journal_writer_ready(struct tc_journal_writer *writer)
{
    char why[256], detail[256];
    int err;

    if (writer->notice_passes) /* it has been shown */
        memset(&writer->notice, 0, sizeof(writer->notice));
    writer->notice_passes = false;
    err = look_after_names(writer, why);
    if (!err && writer->store)
        return 0;
    if (!err)
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

/* Who reads the journal without end, once its log has grown for that. */
static void look_at_log(struct tc_journal_writer *writer)
{
    struct tc_journal_writer_issue *issue = &writer->reader;
    char who[64];
    int pid;

    if (writer->store->held_bytes < TC_JOURNAL_LOG_BYTES) {
        issue->why[0] = '\0';
        return;
    }
    if (issue->why[0])
        return;
    pid = tc_journal_find_reader(writer->path, who, sizeof(who));
    (void)snprintf(issue->why, sizeof(issue->why),
                   "%.200s-wal grows without bound: %s has been reading the journal all "
                   "the while",
                   writer->path, pid ? who : "another program");
    if (pid)
        (void)snprintf(issue->fix, sizeof(issue->fix), "end it: kill %d", pid);
    else
        (void)snprintf(issue->fix, sizeof(issue->fix),
                       "find it, and end it: fuser -v %.200s-wal", writer->path);
}

static int write_once(struct tc_journal_writer *writer, struct tc_event *const *events,
                      size_t n, uint64_t lost, size_t *ret_refused)
{
    struct tc_store *store = writer->store;
    size_t refused = 0;
    int err;

    if (!writer->memory)
        store->keep = writer->keep;
    err = tc_store_begin(store);
    if (!err && lost)
        err = tc_store_put_loss(store, lost);
    for (size_t i = 0; i < n && !err; i++) {
        struct tc_event *shown = tc_event_shown(events[i]);

        err =
            tc_store_put(store, &shown->pub, shown == events[i] ? NULL : &events[i]->pub);
        if (err == -EINVAL) {
            refused++;
            err = 0;
        }
    }
    if (!err)
        err = tc_store_prune(store, (unsigned)n + PRUNE_SPARE, tc_wall_ns());
    if (!err)
        err = tc_store_commit(store);
    if (err) {
        set_trouble(writer, err, tc_store_why(store));
        tc_store_rollback(store);
        return err;
    }
    if (!writer->memory)
        (void)tc_store_shrink(store, tc_wall_ns()); /* a file that stays is no trouble */
    look_at_log(writer);
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

int tc_journal_writer_tend(struct tc_journal_writer *writer)
{
    size_t refused;
    int err = tc_journal_writer_ready(writer);

    if (err || !writer->keep.age_ns)
        return err;
    return tc_journal_writer_write(writer, NULL, 0, 0, &refused);
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
    if (writer->reader.why[0])
        return &writer->reader;
    return writer->notice.why[0] ? &writer->notice : NULL;
}
