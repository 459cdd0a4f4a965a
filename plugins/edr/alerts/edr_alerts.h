/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which matches are one alert. Matches of one rule by one process chain (the
 * executables of the process and its ancestors, and its user) are one alert for as long
 * as the next comes within `suppress_ms` of the one before. Each is counted; the first is
 * reported at once, later ones at most every `repeat_ms`, and what is left when the alert
 * is over, with the count so far: nothing is dropped in silence. Pure: the time is given,
 * nothing is published here. Bounded; the longest unused alert is closed early, which is
 * counted.
 */
#ifndef TC_EDR_ALERTS_H
#define TC_EDR_ALERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alerts/edr_distinct.h"
#include "sigma/base/sigma.h"

#define TC_EDR_ALERT_ID_BYTES 37 /* a UUID and its NUL */
#define TC_EDR_ALERTS_MAX 4096   /* open at a time */
#define TC_EDR_KEY_BYTES 32

struct tc_edr_alerts;

struct tc_edr_alerts_options {
    uint64_t suppress_ms; /* 0: each match is an alert of its own */
    uint64_t repeat_ms;
};

/* What is to be reported of an alert. Texts live until the next call of any function
 * here; what they say of the rule is as the first match gave it, and NULL where it said
 * nothing. */
struct tc_edr_alert {
    const char *id;
    const char *rule_id, *title, *author, *license, *file;
    enum tc_sigma_level level;
    uint64_t count;             /* matches so far, this one included */
    uint64_t first_ns, last_ns; /* event times of the first and the latest match */
    const struct tc_edr_distinct *distinct; /* NULL: of one that is not kept */
};

/* -ENOMEM. `new_id` fills in a UUID; `arg` is its own. */
int tc_edr_alerts_new(const struct tc_edr_alerts_options *options,
                      void (*new_id)(void *arg, char ret[TC_EDR_ALERT_ID_BYTES]),
                      void *arg, struct tc_edr_alerts **ret_alerts);
void tc_edr_alerts_free(struct tc_edr_alerts *alerts); /* takes NULL */
void tc_edr_alerts_set(struct tc_edr_alerts *alerts,
                       const struct tc_edr_alerts_options *options);

/*
 * A match of a rule; `key` is of rule and chain, `now_ms` monotonic, `time_ns` of the
 * event. True: it is to be reported now, and *ret says as what. False: it was counted,
 * and tc_edr_alerts_due will give it (*ret is filled in all the same). Without memory for
 * one more, it is reported as an alert of its own, with the rule's own texts.
 */
bool tc_edr_alerts_match(struct tc_edr_alerts *alerts,
                         const uint8_t key[TC_EDR_KEY_BYTES],
                         const struct tc_sigma_rule *rule, uint64_t now_ms,
                         uint64_t time_ns, struct tc_edr_alert *ret);

/* What the match of that key that was told last differs in; a kind's ptr is NULL where it
 * has none. What an alert that was filled in says of this changes with it. */
void tc_edr_alerts_note(struct tc_edr_alerts *alerts, const uint8_t key[TC_EDR_KEY_BYTES],
                        const struct tocsin_str texts[TC_EDR_DISTINCT_KINDS]);

/* When something will be due, on now_ms's clock; UINT64_MAX: nothing waits. */
uint64_t tc_edr_alerts_next(const struct tc_edr_alerts *alerts);

/* The next whose counted matches are to be reported at now_ms (UINT64_MAX: all that
 * wait); false: none. */
bool tc_edr_alerts_due(struct tc_edr_alerts *alerts, uint64_t now_ms,
                       struct tc_edr_alert *ret);

struct tc_edr_alerts_counters {
    uint64_t matches;
    uint64_t raised, repeated; /* reported the first time; again */
    uint64_t evicted;          /* closed before their time, to make room */
    uint64_t single;           /* of those raised, without room or memory to be kept */
    size_t open;
};
void tc_edr_alerts_counters(const struct tc_edr_alerts *alerts,
                            struct tc_edr_alerts_counters *ret);

#endif
