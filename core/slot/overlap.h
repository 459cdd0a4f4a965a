/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the overlap table of a handover (docs/slot.md): while two sensors see the same
 * files, which of their reports is published and which is the other's once more. Must
 * not: look at a clock, publish, or decode events. Pure.
 *
 * Events that block. The kernel asks the two sensors one after the other inside one
 * system call, always in the same order; that order is fixed when the overlap begins.
 * FIRST's report is always published, and recorded. Once its answer was allow, SECOND
 * will be asked: its report of the same thing takes the record with it and is suppressed.
 * Without a record it is published. When the answer was deny, SECOND is never asked and
 * the record is dropped.
 *
 * SECOND may be heard late (a ring buffer is read lazily) but says when it was asked: a
 * record matches only if FIRST's answer is older than that, by TC_OVERLAP_FLIGHT_NS at
 * most. Of several the newest is taken. docs/slot.md proves what that promises: nothing
 * lost and nothing twice, save in two cases named there.
 *
 * Events that do not block have no such order: they match by their dedupe_key within
 * TC_OVERLAP_WINDOW_NS; in doubt both are published, and carry the same key.
 */
#ifndef TC_CORE_OVERLAP_H
#define TC_CORE_OVERLAP_H

#include <stdbool.h>
#include <stdint.h>

#define TC_OVERLAP_WINDOW_NS (2 * UINT64_C(1000000000))

/* From FIRST's answer until SECOND is asked, in the kernel: microseconds, but an exec
 * waits meanwhile for the file system and for the answer about its interpreter. */
#define TC_OVERLAP_FLIGHT_NS (2 * UINT64_C(1000000000))

/* The same, once FIRST goes: less, since a record that nobody takes does harm then. Two
 * of these lie between live and commit. */
#define TC_OVERLAP_CROSSING_NS (250 * UINT64_C(1000000))

/* SECOND's reports are heard within so long. */
#define TC_OVERLAP_LATE_NS (8 * UINT64_C(1000000000))

/* A process has started at the same time if no more lies between: one sensor reads it
 * from the kernel, the other from /proc in ticks of 10 ms, each by its own sight of the
 * clock. No process id comes round so soon. */
#define TC_OVERLAP_START_NS (50 * UINT64_C(1000000))

#define TC_OVERLAP_RECORDS_MAX 65536 /* beyond it the oldest is forgotten, counted */

enum tc_overlap_role {
    TC_OVERLAP_FIRST,
    TC_OVERLAP_SECOND,
};

/* What identifies a report. */
struct tc_overlap_report {
    enum tc_overlap_role role;
    bool blocks;         /* file.open, file.exec, network.flow; else the fields below
                            dedupe_key do not matter */
    bool replaces;       /* file.exec: once it has come through, no other of the same
                            process that began before is under way (execve(2)) */
    uint64_t time_ns;    /* when it happened, by the clock of now_ns, never stepped */
    uint64_t dedupe_key; /* of an event that does not block; 0: none, never a match */
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
    uint64_t suppressed; /* reports not published; more than matched by late ones of what
                            was counted in the overlap before */
    uint64_t unrecorded; /* no room or memory, or forgotten: may have been twice */
};

struct tc_overlap;

/* Begins with nothing recorded. NULL when out of memory. */
struct tc_overlap *tc_overlap_new(void);
void tc_overlap_free(struct tc_overlap *overlap); /* takes NULL */

/*
 * From here on the sensor that comes may report; to be called before it is started. What
 * it reports of events that do not block is suppressed until `live` says that all its
 * marks are set: the holder sees it too. `coming`: the role of the sensor that comes. If
 * it is SECOND, questions of FIRST that are open now are to be given at once with
 * tc_overlap_open: SECOND may yet be asked the same.
 */
void tc_overlap_begin(struct tc_overlap *overlap, enum tc_overlap_role coming,
                      uint64_t now_ns);
void tc_overlap_open(struct tc_overlap *overlap, const struct tc_overlap_report *report,
                     uint64_t event_id);
void tc_overlap_live(struct tc_overlap *overlap);

/* What to do with a report. ret_match is filled on SUPPRESS of one that blocks. */
enum tc_overlap_admission tc_overlap_admit(struct tc_overlap *overlap,
                                           const struct tc_overlap_report *report,
                                           uint64_t now_ns,
                                           struct tc_overlap_match *ret_match);

/* The event that FIRST's published report became; to be called right after admit. */
void tc_overlap_published(struct tc_overlap *overlap, uint64_t event_id);

/* That event's answer, to be given before the sensor has it. Only after `allowed` can a
 * report of SECOND match. Ids that are not known are ignored. */
void tc_overlap_allowed(struct tc_overlap *overlap, uint64_t event_id, uint64_t now_ns);
void tc_overlap_denied(struct tc_overlap *overlap, uint64_t event_id);

/* To be called before `going` (the old one, or a new one that was turned away) is asked
 * to stop: nothing that does not block is suppressed any more, but what was not live yet
 * stays so. Two TC_OVERLAP_CROSSING_NS after live at the earliest. */
void tc_overlap_commit(struct tc_overlap *overlap, enum tc_overlap_role going);

/*
 * It has stopped, and all it had to report has been admitted. ret (may be NULL) says what
 * happened since begin. Until the next begin everything is published and nothing
 * recorded, except that SECOND, unless it was the one to go, may still report what FIRST
 * has published: go on calling admit while tc_overlap_busy.
 */
void tc_overlap_end(struct tc_overlap *overlap, struct tc_overlap_statistics *ret);

/* Whether admit has anything to do: in an overlap, and while records are left after it.
 */
bool tc_overlap_busy(const struct tc_overlap *overlap);

#endif
