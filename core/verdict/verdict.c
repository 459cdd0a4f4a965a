/* SPDX-License-Identifier: Apache-2.0 */
#include "core/verdict/verdict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024 /* of the table by event id; a power of two */
#define HEADROOM_MIN_NS (1000ull * 1000 * 1000)
#define HEADROOM_MAX_NS (5 * HEADROOM_MIN_NS)

struct open_case {
    uint64_t id;
    void *subject;
    unsigned voters;  /* that were asked */
    uint64_t waiting; /* those of them that have not answered */
    uint64_t absent;  /* not asked, or gone */
    uint64_t abstained;
    uint64_t opened_ns;
    uint64_t end_ns;
    bool cacheable;
    struct open_case *same_bucket;
    struct open_case *earlier, *later; /* by end_ns */
};

struct tc_verdict {
    bool on_timeout_allow;
    tc_verdict_closed_fn closed;
    void *arg;
    struct open_case *buckets[BUCKETS];
    struct open_case *first, *last; /* by end_ns */
    struct open_case *spare;        /* linked by `later` */
    struct tc_verdict_counters counters;
};

struct tc_verdict *tc_verdict_new(bool on_timeout_allow, tc_verdict_closed_fn closed,
                                  void *arg)
{
    struct tc_verdict *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    v->on_timeout_allow = on_timeout_allow;
    v->closed = closed;
    v->arg = arg;
    return v;
}

void tc_verdict_set_default(struct tc_verdict *v, bool on_timeout_allow)
{
    v->on_timeout_allow = on_timeout_allow;
}

uint64_t tc_verdict_budget_end(uint64_t now_ns, uint64_t deadline_ns)
{
    uint64_t left = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
    uint64_t headroom = left / 5;

    /* A short deadline keeps its fifth: taking a whole second would leave no budget at
     * all. */
    if (headroom < HEADROOM_MIN_NS && left >= 2 * HEADROOM_MIN_NS)
        headroom = HEADROOM_MIN_NS;
    if (headroom > HEADROOM_MAX_NS)
        headroom = HEADROOM_MAX_NS;
    return now_ns + left - headroom;
}

static struct open_case **slot_of(struct tc_verdict *v, uint64_t id)
{
    struct open_case **slot = &v->buckets[id & (BUCKETS - 1)];

    while (*slot && (*slot)->id != id)
        slot = &(*slot)->same_bucket;
    return slot;
}

/* Deadlines mostly grow, so the place is nearly always at the end. */
static void list_insert(struct tc_verdict *v, struct open_case *c)
{
    struct open_case *before = v->last;

    while (before && before->end_ns > c->end_ns)
        before = before->earlier;
    c->earlier = before;
    c->later = before ? before->later : v->first;
    *(c->later ? &c->later->earlier : &v->last) = c;
    *(before ? &before->later : &v->first) = c;
}

static void list_remove(struct tc_verdict *v, struct open_case *c)
{
    *(c->earlier ? &c->earlier->later : &v->first) = c->later;
    *(c->later ? &c->later->earlier : &v->last) = c->earlier;
}

#define US UINT64_C(1000)
#define MS (1000 * US)

/* From what a cache answers in to what a budget can be. */
static const uint64_t bounds_ns[TC_VERDICT_BOUNDS] = {
    10 * US, 25 * US, 50 * US,  100 * US, 250 * US,  1 * MS,    2500 * US,  5 * MS,
    10 * MS, 25 * MS, 100 * MS, 250 * MS, 1000 * MS, 2500 * MS, 10000 * MS, 60000 * MS};

uint64_t tc_verdict_bound_ns(size_t index)
{
    return bounds_ns[index];
}

static void count_time(struct tc_verdict_counters *c, uint64_t took_ns)
{
    size_t i = 0;

    while (i < TC_VERDICT_BOUNDS && took_ns > bounds_ns[i])
        i++;
    c->within[i]++;
    c->took_ns += took_ns;
    if (took_ns > c->longest_ns)
        c->longest_ns = took_ns;
}

/* Announces the outcome. The case is out of the table already, so the callback may do as
 * it likes. */
static void announce(struct tc_verdict *v, const struct tc_verdict_final *final)
{
    uint64_t took =
        final->closed_ns > final->opened_ns ? final->closed_ns - final->opened_ns : 0;

    v->counters.closed[final->why]++;
    count_time(&v->counters, took);
    v->closed(v->arg, final);
}

static void close_case(struct tc_verdict *v, struct open_case *c,
                       struct tc_verdict_final *final)
{
    struct open_case **slot = slot_of(v, c->id);

    *slot = c->same_bucket;
    list_remove(v, c);
    v->counters.open--;
    final->id = c->id;
    final->subject = c->subject;
    final->voters = c->voters;
    final->missing = c->waiting | c->absent | c->abstained;
    final->unanswered = c->waiting;
    final->opened_ns = c->opened_ns;
    final->budget_ns = c->end_ns - c->opened_ns;
    c->later = v->spare;
    v->spare = c;
    announce(v, final);
}

bool tc_verdict_is_open(const struct tc_verdict *v, uint64_t id)
{
    const struct open_case *c = v->buckets[id & (BUCKETS - 1)];

    while (c && c->id != id)
        c = c->same_bucket;
    return c != NULL;
}

static void close_default(struct tc_verdict *v, struct open_case *c,
                          enum tc_verdict_why why, uint64_t now_ns)
{
    static const char *const reasons[TC_VERDICT_WHYS] = {
        [TC_VERDICT_TIMEOUT] = "no answer within the budget",
        [TC_VERDICT_ABSENT] = "a detector could not be asked",
        [TC_VERDICT_ABSTAINED] = "a detector could not judge it"};
    struct tc_verdict_final final = {.allow = v->on_timeout_allow,
                                     .why = why,
                                     .reason = reasons[why],
                                     .closed_ns = now_ns};

    close_case(v, c, &final);
}

/* Nobody is waited for any more, and nobody has denied. */
static void close_complete(struct tc_verdict *v, struct open_case *c, uint64_t now_ns)
{
    struct tc_verdict_final final = {.allow = true,
                                     .cacheable = c->cacheable && c->voters,
                                     .why = TC_VERDICT_ALL_ALLOWED,
                                     .reason = "",
                                     .closed_ns = now_ns};

    if (c->absent)
        close_default(v, c, TC_VERDICT_ABSENT, now_ns);
    else if (c->abstained)
        close_default(v, c, TC_VERDICT_ABSTAINED, now_ns);
    else
        close_case(v, c, &final);
}

void tc_verdict_free(struct tc_verdict *v)
{
    struct open_case *c;

    if (!v)
        return;
    while (v->first)
        close_default(v, v->first, TC_VERDICT_TIMEOUT, v->first->end_ns);
    while ((c = v->spare)) {
        v->spare = c->later;
        free(c);
    }
    free(v);
}

static struct open_case *take_case(struct tc_verdict *v)
{
    struct open_case *c = v->spare;

    if (v->counters.open >= TC_VERDICT_CASES_MAX)
        return NULL;
    if (!c)
        return malloc(sizeof(*c));
    v->spare = c->later;
    return c;
}

void tc_verdict_open(struct tc_verdict *v, uint64_t id, uint64_t voters, uint64_t absent,
                     uint64_t now_ns, uint64_t deadline_ns, void *subject)
{
    struct open_case *c = take_case(v), **slot;
    unsigned asked = (unsigned)__builtin_popcountll(voters);

    v->counters.opened++;
    if (!c) {
        struct tc_verdict_final final = {.id = id,
                                         .subject = subject,
                                         .allow = v->on_timeout_allow,
                                         .why = TC_VERDICT_OVERFLOW,
                                         .voters = asked,
                                         .missing = voters | absent,
                                         .reason = "too many questions open",
                                         .opened_ns = now_ns,
                                         .closed_ns = now_ns};

        announce(v, &final);
        return;
    }
    slot = slot_of(v, id);
    *c = (struct open_case){.id = id,
                            .subject = subject,
                            .voters = asked,
                            .waiting = voters,
                            .absent = absent,
                            .opened_ns = now_ns,
                            .end_ns = tc_verdict_budget_end(now_ns, deadline_ns),
                            .cacheable = true,
                            .same_bucket = *slot};
    *slot = c;
    list_insert(v, c);
    if (++v->counters.open > v->counters.open_max)
        v->counters.open_max = v->counters.open;
    if (!voters)
        close_complete(v, c, now_ns);
}

/* The case that waits for this voter, who has now answered; NULL: late, twice, unasked.
 */
static struct open_case *take_answer(struct tc_verdict *v, uint64_t id, uint64_t voter)
{
    struct open_case *c = *slot_of(v, id);

    if (!c || !(c->waiting & voter)) {
        v->counters.late++;
        return NULL;
    }
    c->waiting &= ~voter;
    return c;
}

bool tc_verdict_vote(struct tc_verdict *v, uint64_t id, uint64_t voter, bool allow,
                     bool cacheable, const char *reason, size_t reason_len,
                     uint64_t now_ns)
{
    struct tc_verdict_final final = {.why = TC_VERDICT_DENIED,
                                     .cacheable = cacheable,
                                     .denied_by = voter,
                                     .closed_ns = now_ns};
    char text[TC_VERDICT_REASON_MAX + 1];
    struct open_case *c = take_answer(v, id, voter);

    if (!c)
        return false;
    c->cacheable = c->cacheable && cacheable;
    if (!allow) {
        if (reason_len > TC_VERDICT_REASON_MAX)
            reason_len = TC_VERDICT_REASON_MAX;
        if (reason_len)
            memcpy(text, reason, reason_len);
        text[reason_len] = '\0';
        final.reason = text;
        close_case(v, c, &final);
    } else if (!c->waiting) {
        close_complete(v, c, now_ns);
    }
    return true;
}

bool tc_verdict_abstain(struct tc_verdict *v, uint64_t id, uint64_t voter,
                        uint64_t now_ns)
{
    struct open_case *c = take_answer(v, id, voter);

    if (!c)
        return false;
    c->abstained |= voter;
    if (!c->waiting)
        close_complete(v, c, now_ns);
    return true;
}

void tc_verdict_each(const struct tc_verdict *v, void (*fn)(void *arg, void *subject),
                     void *arg)
{
    for (const struct open_case *c = v->first; c; c = c->later)
        fn(arg, c->subject);
}

void tc_verdict_voter_gone(struct tc_verdict *v, uint64_t voter, uint64_t now_ns)
{
    struct open_case *c = v->first;

    while (c) {
        if (!(c->waiting & voter)) {
            c = c->later;
            continue;
        }
        c->waiting &= ~voter;
        c->absent |= voter;
        if (c->waiting) {
            c = c->later;
            continue;
        }
        /* The callback may change the list, so look at it anew from the start. */
        close_complete(v, c, now_ns);
        c = v->first;
    }
}

void tc_verdict_expire(struct tc_verdict *v, uint64_t now_ns)
{
    while (v->first && v->first->end_ns <= now_ns)
        close_default(v, v->first, TC_VERDICT_TIMEOUT, now_ns);
}

uint64_t tc_verdict_next_ns(const struct tc_verdict *v)
{
    return v->first ? v->first->end_ns : UINT64_MAX;
}

void tc_verdict_counters(const struct tc_verdict *v, struct tc_verdict_counters *ret)
{
    *ret = v->counters;
}
