/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the journal does about failures of its database: putting it back when it was
 * deleted, setting a corrupt one aside, naming who keeps its log from being emptied,
 * working in memory beside one that a newer Tocsin wrote, and the sentences that health
 * shows meanwhile. Internal to core/journal*.c. Must not: know threads, loops or clocks:
 * when to try again is core/journal/journal.c's.
 */
#ifndef TC_CORE_JOURNAL_WRITER_H
#define TC_CORE_JOURNAL_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/journal/journal_store.h"

#define TC_JOURNAL_WRITER_ASIDES_MAX                                                     \
    4 /* corrupt files one run sets aside; then it only reports */
#define TC_JOURNAL_WRITER_MEMORY_EVENTS 4096 /* rows kept when there is no file */
#define TC_JOURNAL_WRITER_MEMORY_BYTES (16 * 1024 * 1024)

struct tc_event;
struct tc_journal_limits;

/* What health shows. An empty `why`: nothing. */
struct tc_journal_writer_issue {
    char why[512];
    char fix[512];
};

struct tc_journal_writer {
    char path[4096];
    struct tc_store *store; /* NULL until a file could be opened */
    struct tc_journal_writer_issue
        trouble; /* of the last attempt; empty when it worked */
    struct tc_journal_writer_issue
        reader; /* who keeps the log from being emptied, while it is so */
    struct tc_journal_writer_issue
        notice;         /* what stays true until the agent starts anew, */
    bool notice_passes; /* or, once it is shown, until the next call */
    struct tc_store_limits keep;
    unsigned asides;
    bool memory; /* nothing is kept beyond the agent's life */
};

/* -ENAMETOOLONG. Opens nothing yet. */
int tc_journal_writer_init(struct tc_journal_writer *writer, const char *state_dir);

/* Closes the database. */
void tc_journal_writer_done(struct tc_journal_writer *writer);

/* What is kept, from the next write on. */
void tc_journal_writer_configure(struct tc_journal_writer *writer,
                                 const struct tc_journal_limits *limits);

/*
 * Makes writer->store usable: opens it, or, when the file was deleted or replaced, puts
 * it back as it is, as it is still open. A negative errno, and writer->trouble says why,
 * when it cannot be.
 */
int tc_journal_writer_ready(struct tc_journal_writer *writer);

/*
 * Stores the events in one transaction, all or none, but for those that are themselves
 * impossible to store: ret_refused counts them. `lost`: events lost before these, not yet
 * on record; 0: none.
 */
int tc_journal_writer_write(struct tc_journal_writer *writer,
                            struct tc_event *const *events, size_t n, uint64_t lost,
                            size_t *ret_refused);

/*
 * Removes what has become too old, when nothing is written that would: for a quiet
 * journal, now and then. As tc_journal_writer_write; without an age it does nothing.
 */
int tc_journal_writer_tend(struct tc_journal_writer *writer);

/* To be called on the failure of any other call of the store: sets a corrupt file aside.
 */
void tc_journal_writer_failed(struct tc_journal_writer *writer, int err);

/* What to show: trouble, else a reader, else the notice, else NULL. */
const struct tc_journal_writer_issue *
tc_journal_writer_issue(const struct tc_journal_writer *writer);

#endif
