/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: an event against the rules in force: its records, their evaluation, and whether a
 * match counts. Must not: report one.
 */
#include "edr.h"
#include "sigma/match/record.h"

#define RULES_MAX 256 /* of one event, that are kept from matching it twice */

struct matching {
    struct tc_edr *edr;
    const struct tocsin_event *event;
    size_t rules[RULES_MAX]; /* that have matched */
    size_t rules_n;
    int excluded; /* enum tocsin_exclusion; -1: not asked yet */
};

static bool is_excluded(struct matching *matching)
{
    if (matching->excluded < 0)
        matching->excluded = tc_detector_excluded(matching->edr->host, matching->event);
    return matching->excluded != TOCSIN_NOT_EXCLUDED;
}

/* A rule may apply to several records of one event; it is one match. */
static bool is_known(struct matching *matching, size_t rule)
{
    for (size_t i = 0; i < matching->rules_n; i++)
        if (matching->rules[i] == rule)
            return true;
    if (matching->rules_n < RULES_MAX)
        matching->rules[matching->rules_n++] = rule;
    return false;
}

static void on_match(void *arg, const struct tc_sigma_match *match)
{
    struct matching *matching = arg;
    struct tc_edr *edr = matching->edr;

    if (is_known(matching, match->rule))
        return;
    edr->counters.matches++;
    if (is_excluded(matching))
        edr->counters.excluded++;
    else
        tc_edr_report_match(edr, matching->event, match);
}

void tc_edr_match(struct tc_edr *edr, const struct tocsin_event *event)
{
    struct matching matching = {.edr = edr, .event = event, .excluded = -1};
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
                          &matching);
    }
}
