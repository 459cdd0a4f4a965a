/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: every event that somebody waits on: who still has to answer, and until
 * when. A case closes when all voters have said allow, at the first deny, or when its
 * budget is spent. Must not: look at the clock, publish, log, allocate on a vote, or know
 * plugins and sensors. Pure.
 */
#ifndef TC_CORE_VERDICT_H
#define TC_CORE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_VERDICT_CASES_MAX                                                             \
    8192 /* open at once; beyond it, the default answer, counted */
#define TC_VERDICT_REASON_MAX 160 /* bytes kept of a reason */

struct tc_verdict;

enum tc_verdict_why {
    TC_VERDICT_ALL_ALLOWED, /* also when nobody votes on it */
    TC_VERDICT_DENIED,
    TC_VERDICT_TIMEOUT,  /* the budget ended: the configured default */
    TC_VERDICT_OVERFLOW, /* too many open cases: the configured default */
    /* A voter could not be asked, or has gone; or has said that it cannot tell. The
     * others have allowed: the configured default. */
    TC_VERDICT_ABSENT,
    TC_VERDICT_ABSTAINED,
    TC_VERDICT_WHYS,
};

/* A closed case. Valid inside the callback only. */
struct tc_verdict_final {
    uint64_t id;   /* of the event that asked */
    void *subject; /* as given to tc_verdict_open */
    bool allow;
    /* Allowed: every voter said so, there was one, and nobody was missing. Denied: the
     * one that did said so. Never of a default. */
    bool cacheable;
    enum tc_verdict_why why;
    unsigned voters;     /* how many were asked */
    uint64_t missing;    /* voters without a decision of theirs */
    uint64_t unanswered; /* of those, who was asked and has said nothing */
    uint64_t denied_by;  /* the voter that denied, or 0 */
    const char *reason;  /* of the denial or "" */
    uint64_t opened_ns, closed_ns, budget_ns;
};

typedef void (*tc_verdict_closed_fn)(void *arg, const struct tc_verdict_final *final);

/* on_timeout: what is answered when the budget ends. `closed` may open and vote on other
 * cases. */
struct tc_verdict *tc_verdict_new(bool on_timeout_allow, tc_verdict_closed_fn closed,
                                  void *arg);

/* Closes what is open with the default. */
void tc_verdict_free(struct tc_verdict *verdict);
void tc_verdict_set_default(struct tc_verdict *verdict, bool on_timeout_allow);

/*
 * When a case asked at now_ns with that deadline must be closed: 80 % of what is left,
 * with 1 to 5 s of headroom where so much is left. Never after the deadline.
 */
uint64_t tc_verdict_budget_end(uint64_t now_ns, uint64_t deadline_ns);

/*
 * Opens a case for event `id`; it closes at once, inside this call, if voters is 0.
 * `absent`: who votes on it and could not be asked. `subject` is the caller's, and comes
 * back when the case closes.
 */
void tc_verdict_open(struct tc_verdict *verdict, uint64_t id, uint64_t voters,
                     uint64_t absent, uint64_t now_ns, uint64_t deadline_ns,
                     void *subject);

/* Calls fn for each open case, which must leave them alone. */
void tc_verdict_each(const struct tc_verdict *verdict,
                     void (*fn)(void *arg, void *subject), void *arg);

/* One answer. False when no open case waits for this voter: late, twice or unasked
 * (counted). */
bool tc_verdict_vote(struct tc_verdict *verdict, uint64_t id, uint64_t voter, bool allow,
                     bool cacheable, const char *reason, size_t reason_len,
                     uint64_t now_ns);

/* The answer of one that cannot tell. False as above. */
bool tc_verdict_abstain(struct tc_verdict *verdict, uint64_t id, uint64_t voter,
                        uint64_t now_ns);

/* Whether the event's case is still open. */
bool tc_verdict_is_open(const struct tc_verdict *verdict, uint64_t id);

/* A voter has gone: no case waits for it any more; those it leaves complete close, by
 * default. */
void tc_verdict_voter_gone(struct tc_verdict *verdict, uint64_t voter, uint64_t now_ns);

/* Closes the cases whose budget has ended. */
void tc_verdict_expire(struct tc_verdict *verdict, uint64_t now_ns);

/* When tc_verdict_expire is due next; UINT64_MAX: nothing is open. */
uint64_t tc_verdict_next_ns(const struct tc_verdict *verdict);

/* Bounds of how long cases took, the shortest first; what took longer than the last is
 * counted after them. */
#define TC_VERDICT_BOUNDS 16
uint64_t tc_verdict_bound_ns(size_t index);

struct tc_verdict_counters {
    uint64_t opened, late;
    uint64_t closed[TC_VERDICT_WHYS];
    size_t open, open_max;
    uint64_t longest_ns, took_ns; /* the sum */
    uint64_t
        within[TC_VERDICT_BOUNDS + 1]; /* each in the first bound that it is within */
};
void tc_verdict_counters(const struct tc_verdict *verdict,
                         struct tc_verdict_counters *ret);

#endif
