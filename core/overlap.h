/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the ordered ledger of a handover (approval.md 4): while two sensors see the same
 * files, which of their reports is published and which is the other's once more. Must
 * not: look at a clock, publish, or decode events. Pure.
 *
 * Events that block. The kernel asks the two sensors one after the other inside one
 * system call, always in the same order; that order is fixed when the overlap begins.
 * FIRST's report is always published, and recorded. SECOND's report of the same thing is
 * suppressed and takes the record with it; without a record it is published. A record is
 * dropped when FIRST was denied: SECOND is then never asked. SECOND may be heard late (a
 * ring buffer is read lazily), so records of one process stand in a queue, and only those
 * match that are older than the report itself.
 *
 * Events that do not block have no such order: they match by their dedupe_key within
 * TC_OVERLAP_WINDOW_NS; in doubt both are published, and carry the same key.
 */
#ifndef TC_CORE_OVERLAP_H
#define TC_CORE_OVERLAP_H

#include <stdbool.h>
#include <stdint.h>

#define TC_OVERLAP_WINDOW_NS (2 * UINT64_C(1000000000))
#define TC_OVERLAP_RECORDS_MAX 65536 /* beyond it nothing is recorded, counted */

enum tc_overlap_role {
    TC_OVERLAP_FIRST,
    TC_OVERLAP_SECOND,
};

/* What identifies a report. */
struct tc_overlap_report {
    enum tc_overlap_role role;
    bool blocks;         /* file.open, file.exec, network.flow; else the fields below
                            dedupe_key do not matter */
    uint64_t time_ns;    /* when it happened, the same clock for both sensors */
    uint64_t dedupe_key; /* of an event that does not block */
    uint32_t operation;  /* the caller's number for the topic */
    int32_t pid;
    uint64_t start_ns; /* of the process; 0: not known, matches any */
    uint64_t device, inode;
};

enum tc_overlap_admission {
    TC_OVERLAP_PUBLISH,
    TC_OVERLAP_SUPPRESS,
};

/* What SECOND's suppressed report shares with FIRST's. */
struct tc_overlap_match {
    uint64_t event_id; /* of FIRST's event */
};

struct tc_overlap_statistics {
    uint64_t matched;                 /* reported by both */
    uint64_t only_first, only_second; /* reported by one */
    uint64_t suppressed;              /* reports not published */
    uint64_t unrecorded;              /* no room: may have been published twice */
};

struct tc_overlap;

/* Begins with nothing recorded. NULL when out of memory. */
struct tc_overlap *tc_overlap_new(void);
void tc_overlap_free(struct tc_overlap *overlap); /* takes NULL */

/*
 * From here on the sensor that comes may report; what it reports of events that do not
 * block is suppressed until `live` says that all its marks are set: the holder sees it
 * too. `coming`: the role of the sensor that comes.
 */
void tc_overlap_begin(struct tc_overlap *overlap, enum tc_overlap_role coming,
                      uint64_t now_ns);
void tc_overlap_live(struct tc_overlap *overlap, uint64_t now_ns);

/* What to do with a report. ret_match is filled on SUPPRESS of one that blocks. */
enum tc_overlap_admission tc_overlap_admit(struct tc_overlap *overlap,
                                           const struct tc_overlap_report *report,
                                           uint64_t now_ns,
                                           struct tc_overlap_match *ret_match);

/* The event that FIRST's published report became; to be called right after admit. */
void tc_overlap_published(struct tc_overlap *overlap, uint64_t event_id);

/* That event was denied. */
void tc_overlap_denied(struct tc_overlap *overlap, uint64_t event_id);

/* The one that goes has been told to stop: nothing that does not block is suppressed any
 * more. */
void tc_overlap_commit(struct tc_overlap *overlap, uint64_t now_ns);

/* Forgets all records; ret (may be NULL) says what happened since begin. */
void tc_overlap_end(struct tc_overlap *overlap, struct tc_overlap_statistics *ret);

#endif
