/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an event against the rules in force: its records, their evaluation, and whether a
 * match counts. Must not: tell of one.
 */
#include "edr.h"
#include "sigma/match/record.h"

#define RULES_MAX 256 /* of one event, that are kept from matching it twice */

struct judging {
    struct tc_edr *edr;
    const struct tocsin_event *event;
    size_t rules[RULES_MAX]; /* that have matched */
    size_t rules_n;
    int excluded; /* enum tocsin_exclusion; -1: not asked yet */
};

static bool is_excluded(struct judging *judging)
{
    if (judging->excluded < 0)
        judging->excluded = tc_detector_excluded(judging->edr->host, judging->event);
    return judging->excluded != TOCSIN_NOT_EXCLUDED;
}

/* A rule may apply to several records of one event; it is one match. */
static bool is_known(struct judging *judging, size_t rule)
{
    for (size_t i = 0; i < judging->rules_n; i++)
        if (judging->rules[i] == rule)
            return true;
    if (judging->rules_n < RULES_MAX)
        judging->rules[judging->rules_n++] = rule;
    return false;
}

static void on_match(void *arg, const struct tc_sigma_match *match)
{
    struct judging *judging = arg;
    struct tc_edr *edr = judging->edr;

    if (is_known(judging, match->rule))
        return;
    edr->counters.matches++;
    if (is_excluded(judging))
        edr->counters.excluded++;
    else
        tc_edr_tell_match(edr, judging->event, match);
}

void tc_edr_judge(struct tc_edr *edr, const struct tocsin_event *event)
{
    struct judging judging = {.edr = edr, .event = event, .excluded = -1};
    struct tc_sigma_record record;

    edr->counters.events++;
    if (!edr->rules) {
        edr->counters.unjudged++;
        return;
    }
    for (size_t i = 0; tc_sigma_record(&record, i, event->topic, event->data, event->len,
                                       event->time_ns);
         i++) {
        edr->counters.records++;
        tc_sigma_evaluate(edr->rules->set, edr->rules->scratch, &record.sigma, on_match,
                          &judging);
    }
}
