/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one event against a set: the pass over its fields, the rules that may match by
 * what it found, correlations, and the matches as they are reported.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sigma/match/scratch.h"

#define EVENT_BYTES_MAX (64u << 20) /* of an event's texts in lower case */
#define FOUND_MAX 64                /* values reported of one match */

static uint64_t *new_bits(size_t words)
{
    return calloc(words, sizeof(uint64_t));
}

int tc_sigma_scratch_new(const struct tc_sigma_set *set,
                         struct tc_sigma_scratch **ret_scratch)
{
    struct tc_sigma_scratch *s = calloc(1, sizeof(*s));
    int error = s ? tc_work_init(&s->work) : -ENOMEM;

    if (error < 0)
        goto out;
    s->set = set;
    s->arena.limit = EVENT_BYTES_MAX;
    s->atom_words = set->atom_count / 64 + 1;
    s->rule_words = set->rule_count / 64 + 1;
    s->fields = calloc(set->field_count, sizeof(*s->fields));
    s->hits = new_bits(s->atom_words);
    s->known = new_bits(s->atom_words);
    s->truth = new_bits(s->atom_words);
    s->candidates = new_bits(s->rule_words);
    s->matched = new_bits(s->rule_words);
    s->counts = calloc(set->rule_count + 1, sizeof(*s->counts));
    s->found = calloc(FOUND_MAX, sizeof(*s->found));
    error = tc_correlation_state_new(set, &s->correlations);
    if (!s->fields || !s->hits || !s->known || !s->truth || !s->candidates ||
        !s->matched || !s->counts || !s->found ||
        (set->scratch && hs_clone_scratch(set->scratch, &s->scan) != HS_SUCCESS))
        error = -ENOMEM;

out:
    if (error < 0)
        tc_sigma_scratch_free(s);
    else
        *ret_scratch = s;
    return error;
}

void tc_sigma_scratch_free(struct tc_sigma_scratch *s)
{
    if (!s)
        return;
    tc_views_free(s);
    tc_work_done(&s->work);
    tc_correlation_state_free(s->correlations);
    hs_free_scratch(s->scan);
    tc_arena_done(&s->arena);
    free(s->fields);
    free(s->values);
    free(s->hits);
    free(s->known);
    free(s->truth);
    free(s->candidates);
    free(s->matched);
    free(s->counts);
    free(s->found);
    free(s);
}

static bool is_true(struct tc_sigma_scratch *s, const struct tc_expr *expr)
{
    bool all = expr->op == TC_OP_AND;

    if (expr->op == TC_OP_ATOM)
        return tc_atom_true(s, expr->atom);
    if (expr->op == TC_OP_NOT)
        return !is_true(s, expr->kids[0]);
    for (size_t i = 0; i < expr->count; i++)
        if (is_true(s, expr->kids[i]) != all)
            return !all;
    return all;
}

/* ---- What is reported of a match ---- */

static void add_found(struct tc_sigma_scratch *s, uint32_t atom)
{
    const struct tc_value *value = tc_atom_value(s, atom);
    const char *name = s->set->fields[s->set->atoms[atom].field].name;

    if (!value || value->is.type == TC_SIGMA_NULL || s->found_count == FOUND_MAX)
        return;
    for (size_t i = 0; i < s->found_count; i++)
        if (s->found[i].name == name && s->found[i].value.ptr == value->is.text.ptr)
            return;
    s->found[s->found_count++] = (struct tc_sigma_field){name, value->is.text};
}

/* Every value that helped the expression to be true; what a `not` is about did not. */
static void find_values(struct tc_sigma_scratch *s, const struct tc_expr *expr)
{
    if (expr->op == TC_OP_NOT)
        return;
    if (expr->op == TC_OP_ATOM) {
        add_found(s, expr->atom);
        return;
    }
    for (size_t i = 0; i < expr->count; i++)
        if (expr->op == TC_OP_AND || is_true(s, expr->kids[i]))
            find_values(s, expr->kids[i]);
}

static void add_field(struct tc_sigma_scratch *s, uint32_t field)
{
    const struct tc_field_state *state = tc_values_of(s, field);

    if (state->count && s->found_count < FOUND_MAX)
        s->found[s->found_count++] = (struct tc_sigma_field){
            s->set->fields[field].name, s->values[state->first].is.text};
}

/* Of a correlation: the group it has counted for, as the event names its fields. */
static void find_group(struct tc_sigma_scratch *s, size_t index)
{
    const struct tc_correlation *c = s->set->rules[index].correlation;

    for (size_t g = 0; g < c->group_count; g++)
        add_field(s, c->groups[s->counts[index].position * c->group_count + g]);
}

static void report_matches(struct tc_sigma_scratch *s, tc_sigma_match_fn match, void *arg)
{
    struct tc_sigma_match found;

    for (size_t i = 0; i < s->set->rule_count; i++) {
        const struct tc_rule *rule = &s->set->rules[i];

        if (!s->matched[i / 64]) {
            i |= 63;
            continue;
        }
        if (!tc_bit(s->matched, i) || (rule->silent && !rule->standalone))
            continue;
        s->found_count = 0;
        if (rule->correlation)
            find_group(s, i);
        else
            find_values(s, rule->expr);
        found =
            (struct tc_sigma_match){.rule = i,
                                    .fields = s->found,
                                    .field_count = s->found_count,
                                    .count = rule->correlation ? s->counts[i].count : 1};
        s->counters.matched++;
        match(arg, &found);
    }
}

/* ---- Correlations ---- */

static struct tocsin_str first_text(void *arg, uint32_t field)
{
    struct tc_sigma_scratch *s = arg;
    const struct tc_field_state *state = tc_values_of(s, field);
    const struct tc_value *value = &s->values[state->first];

    if (!state->count || value->is.type == TC_SIGMA_NULL)
        return (struct tocsin_str){NULL, 0};
    return value->is.text;
}

/* Of a temporal correlation an event may be several of the rules, in an ordered one not
 * one after another: so backwards. */
static void feed(struct tc_sigma_scratch *s, uint32_t index)
{
    const struct tc_correlation *c = s->set->rules[index].correlation;
    const struct tc_correlated event = {s->number, s->event->time_ns, first_text, s};
    uint64_t count = 0;

    for (uint32_t i = (uint32_t)c->rule_count; i-- > 0;)
        if (tc_bit(s->matched, c->rules[i]) &&
            tc_correlation_feed(s->correlations, c, i, &event, &count)) {
            tc_set_bit(s->matched, index);
            s->counts[index] = (struct tc_counted){count, i};
        }
}

/* ---- The event ---- */

static void begin(struct tc_sigma_scratch *s, const struct tc_sigma_event *event)
{
    tc_arena_reset(&s->arena);
    tc_work_begin(&s->work);
    s->number++;
    s->counters.events++;
    s->event = event;
    s->value_count = 0;
    s->joined = (struct tocsin_str){NULL, 0};
    s->failed = false;
    memset(s->hits, 0, s->atom_words * sizeof(*s->hits));
    memset(s->known, 0, s->atom_words * sizeof(*s->known));
    memset(s->truth, 0, s->atom_words * sizeof(*s->truth));
    memset(s->matched, 0, s->rule_words * sizeof(*s->matched));
}

static void evaluate_rule(struct tc_sigma_scratch *s, size_t rule)
{
    s->counters.looked_at++;
    if (is_true(s, s->set->rules[rule].expr))
        tc_set_bit(s->matched, rule);
}

void tc_sigma_evaluate(const struct tc_sigma_set *set, struct tc_sigma_scratch *s,
                       const struct tc_sigma_event *event, tc_sigma_match_fn match,
                       void *arg)
{
    begin(s, event);
    s->view = tc_view_get(s, event);
    if (!s->view) {
        s->counters.failed++;
        return;
    }
    memcpy(s->candidates, s->view->always, s->rule_words * sizeof(*s->candidates));
    for (size_t i = 0; i < s->view->key_field_count; i++)
        tc_field_scan(s, s->view->key_fields[i], TC_PASS_KEYS);
    for (size_t word = 0; word < s->rule_words; word++)
        for (uint64_t left = s->candidates[word]; left; left &= left - 1)
            evaluate_rule(s, 64 * word + (size_t)__builtin_ctzll(left));
    for (size_t i = 0; i < set->correlation_count; i++)
        feed(s, set->correlations[i]);
    report_matches(s, match, arg);
    s->counters.failed += s->failed;
}

void tc_sigma_counters(const struct tc_sigma_scratch *s, struct tc_sigma_counters *ret)
{
    *ret = s->counters;
    ret->regex_limits = s->work.limits;
    ret->correlations_evicted = tc_correlation_evicted(s->correlations);
}
