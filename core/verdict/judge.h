/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the way of a question through the agent: publishes AUTH events and opens their
 * cases (core/verdict), hears the voters' `verdict` events, keeps the budget's timer, and
 * publishes `verdict.final` for the sensor that asked. Loop thread. Must not: open a
 * file, log, or wait: somebody in the kernel does.
 */
#ifndef TC_CORE_JUDGE_H
#define TC_CORE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "core/verdict/verdict.h"

struct tc_bus;
struct tc_judge;
struct tocsin_event;

/* Who votes. */
struct tc_judge_voters {
    /* Which voter a `verdict` event's source is (tc_plugin_voter); 0: none. */
    uint64_t (*bit)(void *arg, const char *source);
    /* Writes the names of a set of voters, separated by commas; cut, never overrun. */
    void (*names)(void *arg, uint64_t set, char *buf, size_t cap);
    void *arg;
};

/*
 * Cases that get the default answer, but for those that a voter abstained from, are
 * reported by a `verdict.timeout` event {count,
 * missing, answer}, at most one a second.
 */
int tc_judge_new(uv_loop_t *loop, struct tc_bus *bus,
                 const struct tc_judge_voters *voters, struct tc_judge **ret_judge);

/* Closes what is open with the default; to be called before the sensors stop. Frees
 * itself on the loop. */
void tc_judge_free(struct tc_judge *judge);

/* budget_ms is what an AUTH event gets whose sensor names no deadline. */
void tc_judge_configure(struct tc_judge *judge, bool on_timeout_allow,
                        uint64_t budget_ms);

/*
 * Publishes any event: fills in the time where it is 0 and, for an AUTH event, the
 * deadline, and opens its case. Otherwise as tc_bus_publish.
 */
int tc_judge_publish(struct tc_judge *judge, const struct tocsin_event *draft,
                     const char *source, const struct tocsin_event **ret_event);

/*
 * Not all who judge have come: from here on questions about files are kept, at most
 * TC_EARLY_MAX, until tc_judge_complete. tc_judge_ask_again, when one has come, asks them
 * once more, as the core's own: nobody waits for the answer, but what is bad is found.
 */
void tc_judge_incomplete(struct tc_judge *judge);
void tc_judge_complete(struct tc_judge *judge);
void tc_judge_ask_again(struct tc_judge *judge);

/* Hears of an answer just before the sensor that has asked does. */
typedef void (*tc_judge_answered_fn)(void *arg, uint64_t id, bool allow);

/* A handover between two sensors is under way (`answered` NULL: it is over): no allow
 * is cacheable, and `answered` hears of each. */
void tc_judge_handover(struct tc_judge *judge, tc_judge_answered_fn answered, void *arg);

/* Hears of each question that a detector has denied for good: the answer holds for the
 * file, until verdicts are reset. NULL: nobody does. */
typedef void (*tc_judge_denied_fn)(void *arg, const struct tocsin_event *question);
void tc_judge_on_denied(struct tc_judge *judge, tc_judge_denied_fn denied, void *arg);

/* Shows fn each question that waits for its answer. */
void tc_judge_each_open(const struct tc_judge *judge,
                        void (*fn)(void *arg, const struct tocsin_event *question),
                        void *arg);

/*
 * An event that another sensor has published already: made like tc_judge_publish does,
 * but shown to nobody. One with AUTH gets the answer of the other's question `same`, as
 * soon as that one has its own; a question that has been answered by now was allowed.
 */
int tc_judge_suppress(struct tc_judge *judge, const struct tocsin_event *draft,
                      const char *source, uint64_t same,
                      const struct tocsin_event **ret_event);

void tc_judge_voter_gone(struct tc_judge *judge, uint64_t voter);

/* So many questions in a row that a voter has not answered in time, and it is silent. */
#define TC_JUDGE_SILENT_AFTER 3

/* The set of voters that are silent, until one of them answers in time or goes. */
uint64_t tc_judge_silent(const struct tc_judge *judge);

void tc_judge_counters(const struct tc_judge *judge, struct tc_verdict_counters *ret);

#endif
