/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: correlation rules: what they count, over which time, for whom. The state of a
 * thread is bounded; what does not fit evicts the oldest, which is counted. Pure: time is
 * that of the events. Must not: read YAML.
 *
 * A correlation is looked at whenever an event feeds it, with the events of the same
 * group that are at most `timespan_ns` older; it matches as often as its condition holds.
 */
#ifndef TC_SIGMA_CORRELATE_H
#define TC_SIGMA_CORRELATE_H

#include "sigma/match/model.h"

#define TC_CORRELATION_RULES_MAX 64          /* that one may refer to */
#define TC_CORRELATION_FIELDS_MAX 16         /* in group-by, or counted */
#define TC_CORRELATION_ENTRIES_MAX 20000     /* events of one group that are remembered */
#define TC_CORRELATION_GROUPS_MAX 16384      /* of all of a thread */
#define TC_CORRELATION_BYTES_MAX (24u << 20) /* of all of a thread */

enum tc_correlation_type {
    TC_CORRELATION_EVENT_COUNT,
    TC_CORRELATION_VALUE_COUNT,
    TC_CORRELATION_TEMPORAL,
    TC_CORRELATION_TEMPORAL_ORDERED,
    TC_CORRELATION_VALUE_SUM,
    TC_CORRELATION_VALUE_AVG,
    TC_CORRELATION_VALUE_PERCENTILE,
};

#define TC_CORRELATION_BOUNDS_MAX 6

struct tc_correlation {
    enum tc_correlation_type type;
    uint32_t rule;      /* its own index */
    const char **names; /* the rules it refers to, by id or name */
    uint32_t *rules;    /* the same, by index */
    size_t rule_count;
    bool generate;
    uint64_t timespan_ns;

    /* Fields that make an event's group, and those that are counted, as they are named in
     * the events of each rule: groups[position * group_count + i]. Set when rules are
     * linked, from the names. */
    const char **group_names, **value_names;
    size_t group_count, value_count;
    uint32_t *groups, *values;
    struct tc_alias {
        const char *alias, *rule, *field;
    } * aliases;
    size_t alias_count;

    struct tc_bound {
        enum tc_compare compare;
        double number;
    } bounds[TC_CORRELATION_BOUNDS_MAX]; /* all must hold */
    size_t bound_count;
};

static inline bool tc_correlation_is_temporal(const struct tc_correlation *c)
{
    return c->type == TC_CORRELATION_TEMPORAL ||
           c->type == TC_CORRELATION_TEMPORAL_ORDERED;
}

struct tc_correlation_state; /* of all correlations of a set, for one thread */

int tc_correlation_state_new(const struct tc_sigma_set *set,
                             struct tc_correlation_state **ret_state);
void tc_correlation_state_free(struct tc_correlation_state *state); /* takes NULL */

/* Gives the text of a field's first value; {NULL, 0}: there is none. */
typedef struct tocsin_str (*tc_field_text_fn)(void *arg, uint32_t field);

/* What a correlation is fed with. */
struct tc_correlated {
    uint64_t number; /* of the event, from 1: in one group it counts once */
    uint64_t time_ns;
    tc_field_text_fn field;
    void *arg;
};

/*
 * The event has matched the correlation's rule at `position`. Whether the correlation
 * matches now, and what it has counted.
 */
bool tc_correlation_feed(struct tc_correlation_state *state,
                         const struct tc_correlation *correlation, uint32_t position,
                         const struct tc_correlated *event, uint64_t *ret_count);

uint64_t tc_correlation_evicted(const struct tc_correlation_state *state);

#endif
