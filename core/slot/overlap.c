/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of records, chained, the newest first. A record is ASKED from FIRST's report
 * until its answer, found by the event's id; then PASSED, found by what it is about,
 * until SECOND's report takes it; SEEN is a published event that does not block, found by
 * its dedupe_key. PASSED and SEEN also stand in a list by age, from whose old end they
 * are forgotten.
 *
 * Why only PASSED, and by the time of the answer: the kernel asks SECOND of a call only
 * after FIRST has allowed it, so answer < time of SECOND's report holds for each call
 * that both see. A denied call can therefore never have swallowed a report of another.
 *
 * Why records are good for less from commit on: when SECOND comes, FIRST has recorded
 * calls that SECOND did not see yet, and calls may fail after FIRST's answer; nobody
 * takes these records. They do no harm while FIRST sees everything, but then SECOND sees
 * calls that FIRST does not, and each record left would swallow one. So when FIRST goes
 * no record is good for longer than one crossing. Between live and commit two crossings
 * pass: then no record from before live can make good, by a chain of reports heard out of
 * order, for one that was taken wrongly.
 *
 * Why records outlive the end: when FIRST goes, its last calls are still to be reported
 * by SECOND.
 *
 * Why the newest: threads of one process that do the same to the same file cannot be kept
 * apart, nor need they be: what must come out right is how many reports are suppressed.
 * Reports come late and out of order, and a report of time s may take any record answered
 * before s. Taking the newest of them leaves the older to the reports that can take
 * nothing else, so no report that has a partner misses one, in whatever order they come;
 * taking the oldest does not have this property. And a record that nobody will ever take
 * (the call failed after FIRST's answer) stays at the bottom, ages there and is dropped,
 * instead of being exchanged for younger ones for ever.
 */
#include "core/slot/overlap.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 16384 /* a power of two */

enum kind {
    ASKED,
    PASSED,
    SEEN,
};

struct record {
    enum kind kind;
    struct tc_overlap_report report;
    unsigned overlap; /* in which it was made: its number */
    uint64_t event_id;
    uint64_t since_ns;            /* PASSED: the answer. SEEN: when it was heard */
    uint64_t over_ns;             /* a report from then on is not of this call */
    struct record **link, *next;  /* in its bucket; spare: next */
    struct record *older, *newer; /* PASSED, SEEN */
};

struct tc_overlap {
    struct record *buckets[BUCKETS];
    struct record *oldest, *newest;
    struct record *spare;
    size_t records;
    unsigned number; /* of overlaps begun */
    bool begun, live, committed;
    enum tc_overlap_role coming, going; /* going: once committed */
    struct tc_overlap_report asking;    /* FIRST's, admitted and not published yet */
    bool is_asking;
    struct tc_overlap_statistics statistics;
};

struct tc_overlap *tc_overlap_new(void)
{
    return calloc(1, sizeof(struct tc_overlap));
}

/* ---- The table and the list by age. ---- */

/* The finalizer of MurmurHash3: every bit of the input moves about half of the output. */
static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value;
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ hash >> 33;
}

/* The start of the process is not hashed: it may not be known. */
static struct record **bucket_of(struct tc_overlap *o, enum kind kind,
                                 const struct tc_overlap_report *report,
                                 uint64_t event_id)
{
    uint64_t hash = mix(0, kind);

    if (kind == ASKED) {
        hash = mix(hash, event_id);
    } else if (kind == SEEN) {
        hash = mix(hash, report->dedupe_key);
    } else {
        hash = mix(hash, (uint64_t)report->operation << 32 | (uint32_t)report->pid);
        hash = mix(mix(hash, report->device), report->inode);
    }
    return &o->buckets[hash & (BUCKETS - 1)];
}

static void table_insert(struct tc_overlap *o, struct record *r)
{
    r->link = bucket_of(o, r->kind, &r->report, r->event_id);
    r->next = *r->link;
    if (r->next)
        r->next->link = &r->next;
    *r->link = r;
}

static void table_remove(struct record *r)
{
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
}

static void age_append(struct tc_overlap *o, struct record *r)
{
    r->older = o->newest;
    r->newer = NULL;
    *(o->newest ? &o->newest->newer : &o->oldest) = r;
    o->newest = r;
}

static void drop(struct tc_overlap *o, struct record *r)
{
    table_remove(r);
    if (r->kind != ASKED) {
        *(r->older ? &r->older->newer : &o->oldest) = r->newer;
        *(r->newer ? &r->newer->older : &o->newest) = r->older;
    }
    o->records--;
    r->next = o->spare;
    o->spare = r;
}

static void free_spare(struct tc_overlap *o)
{
    struct record *r;

    while ((r = o->spare)) {
        o->spare = r->next;
        free(r);
    }
}

/* Whom no report that is still to be heard can match. */
static void forget_old(struct tc_overlap *o, uint64_t now_ns)
{
    while (o->oldest && now_ns > o->oldest->since_ns &&
           now_ns - o->oldest->since_ns > TC_OVERLAP_FLIGHT_NS + TC_OVERLAP_LATE_NS)
        drop(o, o->oldest);
    if (!o->begun)
        free_spare(o);
}

/* NULL when there is no room: counted. */
static struct record *take_record(struct tc_overlap *o)
{
    struct record *r;

    if (o->records >= TC_OVERLAP_RECORDS_MAX) {
        o->statistics.unrecorded++;
        if (!o->oldest)
            return NULL;
        drop(o, o->oldest);
    }
    r = o->spare;
    if (r)
        o->spare = r->next;
    else
        r = malloc(sizeof(*r));
    if (r)
        o->records++;
    else
        o->statistics.unrecorded++;
    return r;
}

static void forget_all(struct tc_overlap *o, bool passed_too)
{
    struct record *r, *next;

    for (size_t i = 0; o->records && i < BUCKETS; i++) {
        for (r = o->buckets[i]; r; r = next) {
            next = r->next;
            if (passed_too || r->kind != PASSED)
                drop(o, r);
        }
    }
    free_spare(o);
}

void tc_overlap_free(struct tc_overlap *o)
{
    if (!o)
        return;
    forget_all(o, true);
    free(o);
}

/* ---- Events that block. ---- */

static bool same_start(uint64_t a, uint64_t b)
{
    return !a || !b || (a > b ? a - b : b - a) <= TC_OVERLAP_START_NS;
}

static bool same_call(const struct tc_overlap_report *a,
                      const struct tc_overlap_report *b)
{
    return a->pid == b->pid && a->operation == b->operation && a->inode == b->inode &&
           a->device == b->device && same_start(a->start_ns, b->start_ns);
}

/* The newest record that SECOND's report can be about, or NULL. */
static struct record *find_passed(struct tc_overlap *o,
                                  const struct tc_overlap_report *report)
{
    struct record *found = NULL, *r = *bucket_of(o, PASSED, report, 0);
    uint64_t time_ns = report->time_ns;

    for (; r && (!found || report->replaces); r = r->next) {
        if (r->kind != PASSED || r->since_ns > time_ns || !same_call(&r->report, report))
            continue;
        if (!found && time_ns < r->over_ns)
            found = r;
        else if (report->replaces && time_ns < r->over_ns)
            r->over_ns = time_ns;
    }
    return found;
}

static enum tc_overlap_admission admit_second(struct tc_overlap *o,
                                              const struct tc_overlap_report *report,
                                              struct tc_overlap_match *ret_match)
{
    struct record *r = find_passed(o, report);

    if (!r) {
        o->statistics.only_second++;
        return TC_OVERLAP_PUBLISH;
    }
    if (r->overlap == o->number) {
        o->statistics.only_first--;
        o->statistics.matched++;
    }
    o->statistics.suppressed++;
    if (ret_match)
        ret_match->event_id = r->event_id;
    drop(o, r);
    return TC_OVERLAP_SUPPRESS;
}

static void record_asked(struct tc_overlap *o, const struct tc_overlap_report *report,
                         uint64_t event_id, unsigned overlap)
{
    struct record *r = take_record(o);

    if (!r)
        return;
    *r = (struct record){
        .kind = ASKED, .report = *report, .overlap = overlap, .event_id = event_id};
    table_insert(o, r);
}

void tc_overlap_published(struct tc_overlap *o, uint64_t event_id)
{
    if (!o->is_asking)
        return;
    o->is_asking = false;
    o->statistics.only_first++;
    record_asked(o, &o->asking, event_id, o->number);
}

/* It was published before this overlap, and is not counted. */
void tc_overlap_open(struct tc_overlap *o, const struct tc_overlap_report *report,
                     uint64_t event_id)
{
    record_asked(o, report, event_id, o->number - 1);
}

static struct record *find_asked(struct tc_overlap *o, uint64_t event_id)
{
    struct record *r = *bucket_of(o, ASKED, NULL, event_id);

    while (r && (r->kind != ASKED || r->event_id != event_id))
        r = r->next;
    return r;
}

void tc_overlap_allowed(struct tc_overlap *o, uint64_t event_id, uint64_t now_ns)
{
    struct record *r = find_asked(o, event_id);
    bool first_goes = o->committed && o->going == TC_OVERLAP_FIRST;

    if (!r)
        return;
    table_remove(r);
    r->kind = PASSED;
    r->since_ns = now_ns;
    r->over_ns = now_ns + (first_goes ? TC_OVERLAP_CROSSING_NS : TC_OVERLAP_FLIGHT_NS);
    table_insert(o, r);
    age_append(o, r);
}

void tc_overlap_denied(struct tc_overlap *o, uint64_t event_id)
{
    struct record *r = find_asked(o, event_id);

    if (r)
        drop(o, r);
}

/* ---- Events that do not block. ---- */

/* The other sensor's published event that this may be once more. */
static struct record *find_seen(struct tc_overlap *o,
                                const struct tc_overlap_report *report)
{
    struct record *r = *bucket_of(o, SEEN, report, 0);
    uint64_t a, b = report->time_ns;

    for (; r; r = r->next) {
        a = r->report.time_ns;
        if (r->kind == SEEN && r->report.dedupe_key == report->dedupe_key &&
            r->report.role != report->role &&
            (a > b ? a - b : b - a) <= TC_OVERLAP_WINDOW_NS)
            return r;
    }
    return NULL;
}

static void record_seen(struct tc_overlap *o, const struct tc_overlap_report *report,
                        uint64_t now_ns)
{
    struct record *r = take_record(o);

    if (!r)
        return;
    *r = (struct record){.kind = SEEN, .report = *report, .since_ns = now_ns};
    table_insert(o, r);
    age_append(o, r);
}

/*
 * While both are live each event is reported once by either, so whatever comes in pairs
 * is the same. After commit the one that goes may have missed it: then both are
 * published.
 */
static enum tc_overlap_admission
admit_seen(struct tc_overlap *o, const struct tc_overlap_report *report, uint64_t now_ns)
{
    uint64_t *only[] = {&o->statistics.only_first, &o->statistics.only_second};
    bool pairs = report->dedupe_key && !o->committed;
    struct record *r;

    if (!o->live && report->role == o->coming) {
        o->statistics.suppressed++;
        return TC_OVERLAP_SUPPRESS;
    }
    r = pairs ? find_seen(o, report) : NULL;
    if (r) {
        --*only[r->report.role];
        o->statistics.matched++;
        o->statistics.suppressed++;
        drop(o, r);
        return TC_OVERLAP_SUPPRESS;
    }
    ++*only[report->role];
    if (pairs)
        record_seen(o, report, now_ns);
    return TC_OVERLAP_PUBLISH;
}

/* ---- The overlap. ---- */

void tc_overlap_begin(struct tc_overlap *o, enum tc_overlap_role coming, uint64_t now_ns)
{
    tc_overlap_end(o, NULL);
    forget_old(o, now_ns);
    memset(&o->statistics, 0, sizeof(o->statistics));
    o->live = o->committed = false;
    o->begun = true;
    o->number++;
    o->coming = coming;
}

void tc_overlap_live(struct tc_overlap *o)
{
    o->live = true;
}

enum tc_overlap_admission tc_overlap_admit(struct tc_overlap *o,
                                           const struct tc_overlap_report *report,
                                           uint64_t now_ns,
                                           struct tc_overlap_match *ret_match)
{
    o->is_asking = false;
    if (!o->begun && !o->records)
        return TC_OVERLAP_PUBLISH;
    forget_old(o, now_ns);
    if (report->blocks && report->role == TC_OVERLAP_SECOND)
        return admit_second(o, report, ret_match);
    if (!o->begun)
        return TC_OVERLAP_PUBLISH;
    if (!report->blocks)
        return admit_seen(o, report, now_ns);
    o->asking = *report;
    o->is_asking = true;
    return TC_OVERLAP_PUBLISH;
}

void tc_overlap_commit(struct tc_overlap *o, enum tc_overlap_role going)
{
    o->committed = true;
    o->going = going;
    if (going != TC_OVERLAP_FIRST)
        return;
    for (struct record *r = o->oldest; r; r = r->newer)
        if (r->kind == PASSED && r->over_ns > r->since_ns + TC_OVERLAP_CROSSING_NS)
            r->over_ns = r->since_ns + TC_OVERLAP_CROSSING_NS;
}

void tc_overlap_end(struct tc_overlap *o, struct tc_overlap_statistics *ret)
{
    if (ret)
        *ret = o->statistics;
    forget_all(o, o->committed && o->going == TC_OVERLAP_SECOND);
    o->begun = o->committed = o->is_asking = false;
}

bool tc_overlap_busy(const struct tc_overlap *o)
{
    return o->begun || o->records;
}
