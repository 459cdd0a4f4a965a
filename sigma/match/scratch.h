/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a thread holds to evaluate: the values of the event at hand, answers to
 * atoms, and which rules apply to which log source. values.c fills in the values,
 * evaluate.c goes over the rules.
 */
#ifndef TC_SIGMA_SCRATCH_H
#define TC_SIGMA_SCRATCH_H

#include "sigma/match/correlate.h"
#include "sigma/match/predicate.h"
#include "sigma/match/scan.h"

#define TC_VIEWS_MAX 64 /* log sources that are remembered; then the oldest goes */

/* The passes over a field, in the order in which a view has them. */
enum tc_pass {
    TC_PASS_KEYS,    /* of rules of the view */
    TC_PASS_FOREIGN, /* for keys of others' rules alone, which those of the view ask, too
                      */
    TC_PASS_REST,    /* for atoms that are no rule's key */
    TC_PASSES,
};

/* A field of the event at hand. */
struct tc_field_state {
    uint64_t event;              /* that `first` and `count` are of */
    uint64_t scanned[TC_PASSES]; /* the event that was gone over last */
    size_t first, count;         /* in scratch->values */
};

/* Of view->scans, those of pass p are from at[p] up to at[p + 1]. */
struct tc_view_field {
    uint32_t at[TC_PASSES + 1];
};

/* The rules for the events of one log source, or of one kind. */
struct tc_view {
    char *category, *product, *service; /* NULL: not given */
    const void *kind;                   /* the same */
    uint64_t *rules;                    /* bits */
    uint64_t *always; /* bits: of these, the ones to be looked at whatever is found */
    const struct tc_sigma_scan **scans; /* of these rules, by field */
    struct tc_view_field *fields;       /* by a field's index */
    uint32_t *key_fields; /* that are to be looked at to find the other rules */
    size_t key_field_count;
};

struct tc_sigma_scratch {
    const struct tc_sigma_set *set;
    hs_scratch_t *scan;
    struct tc_work work;
    struct tc_arena arena; /* of the event at hand */
    struct tc_correlation_state *correlations;
    struct tc_sigma_counters counters;

    uint64_t number; /* of the event at hand, from 1 */
    const struct tc_sigma_event *event;
    const struct tc_view *view;
    bool failed; /* there was no memory for the event */
    struct tc_field_state *fields;
    struct tc_value *values;
    size_t value_count, value_room;
    struct tocsin_str joined; /* all values of the event, in lower case; NULL: not made */

    size_t atom_words, rule_words;
    uint64_t *hits;                 /* atoms that a pass has found */
    uint64_t *known, *truth;        /* atoms that were looked at, and their answers */
    uint64_t *candidates, *matched; /* rules */

    struct tc_counted {
        uint64_t count;
        uint32_t position; /* of the rule that the event has fed it as */
    } * counts;            /* of correlations that match, by rule */

    struct tc_view views[TC_VIEWS_MAX];
    size_t view_count;

    struct tc_sigma_field *found; /* of the match that is reported */
    size_t found_count;
};

static inline bool tc_bit(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static inline void tc_set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* The values of a field, asked for once an event. */
const struct tc_field_state *tc_values_of(struct tc_sigma_scratch *s, uint32_t field);

/* The text in lower case, made once a value. */
void tc_value_lower(struct tc_sigma_scratch *s, struct tc_value *value);

/* Goes over a field's values, once an event: sets the hits, and of the keys' rules that
 * are in the view the candidates. */
void tc_field_scan(struct tc_sigma_scratch *s, uint32_t field, enum tc_pass pass);

/* The answer to an atom, worked out once an event. */
bool tc_atom_true(struct tc_sigma_scratch *s, uint32_t atom);

/* The value that the answer is true for; NULL: there is none, or it is false. */
const struct tc_value *tc_atom_value(struct tc_sigma_scratch *s, uint32_t atom);

/* The view of the event's log source. NULL: no memory. */
const struct tc_view *tc_view_get(struct tc_sigma_scratch *s,
                                  const struct tc_sigma_event *event);
void tc_views_free(struct tc_sigma_scratch *s);

#endif
