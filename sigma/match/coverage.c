/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whether any record that events of ours make could match a rule, by what the
 * tables of records say alone; see tc_sigma_no_source in record.h. A rule's expression is
 * worked out with what is known of a kind of record: an atom is false where no record of
 * that kind can have such a value, else nobody knows.
 */
#include <string.h>
#include <strings.h>

#include "sigma/match/correlate.h"
#include "sigma/match/predicate.h"
#include "sigma/match/record_read.h"

#define LOWER_MAX 64 /* bytes of a kind's own value, in lower case */

enum answer {
    NO,
    MAYBE,
    YES,
};

/* Not by a regular expression, as no rule asks for these so. */
static enum answer text_is(const struct tc_sigma_set *set, const struct tc_atom *atom,
                           const char *text)
{
    struct tc_value value = {.is = {.type = TC_SIGMA_TEXT, .text = {text, strlen(text)}}};
    struct tc_work work = {.match = NULL};
    char lower[LOWER_MAX];

    if (atom->kind == TC_ATOM_EXISTS)
        return YES;
    if (atom->kind == TC_ATOM_NULL)
        return NO;
    if (atom->kind != TC_ATOM_TEXT || 2 * value.is.text.len + 8 > sizeof(lower))
        return MAYBE;
    value.lower.ptr = lower;
    value.lower.len = tc_text_fold(lower, text, value.is.text.len, set->locale);
    return tc_value_matches(atom, &value, &work) ? YES : NO;
}

static enum answer one_of(const struct tc_sigma_set *set, const struct tc_atom *atom,
                          const char *const *texts)
{
    for (; *texts; texts++)
        if (text_is(set, atom, *texts) != NO)
            return MAYBE;
    return NO;
}

/* Of a field that no record of the kind has. */
static enum answer nothing_is(const struct tc_atom *atom)
{
    return atom->kind == TC_ATOM_NULL ? YES : NO;
}

static enum answer atom_is(const struct tc_sigma_set *set, const struct tc_atom *atom,
                           const struct tc_sigma_record_kind *kind)
{
    static const char *const success[] = {"yes", "no", NULL};
    enum tc_field_how how;

    if (atom->field == TC_FIELD_ANY)
        return MAYBE;
    switch (tc_sigma_record_has(kind, set->fields[atom->field].name, &how)) {
    case TC_HAS_NOT:
        return nothing_is(atom);
    case TC_HAS_OWN:
        return MAYBE;
    case TC_HAS:
        break;
    }
    if (how == TC_HOW_TYPE)
        return text_is(set, atom, kind->type);
    if (how == TC_HOW_NAMETYPE)
        return text_is(set, atom, kind->nametype);
    if (how == TC_HOW_SYSCALL)
        return one_of(set, atom, kind->syscalls);
    return how == TC_HOW_SUCCESS ? one_of(set, atom, success) : MAYBE;
}

static enum answer expr_is(const struct tc_sigma_set *set, const struct tc_expr *expr,
                           const struct tc_sigma_record_kind *kind)
{
    enum answer answer = expr->op == TC_OP_AND ? YES : NO, kid;

    if (expr->op == TC_OP_ATOM)
        return atom_is(set, &set->atoms[expr->atom], kind);
    if (expr->op == TC_OP_NOT)
        return YES - expr_is(set, expr->kids[0], kind);
    for (size_t i = 0; i < expr->count; i++) {
        kid = expr_is(set, expr->kids[i], kind);
        if (expr->op == TC_OP_AND ? kid < answer : kid > answer)
            answer = kid;
    }
    return answer;
}

bool tc_sigma_record_can(const void *kind, const struct tc_sigma_set *set, size_t rule)
{
    return expr_is(set, set->rules[rule].expr, kind) != NO;
}

/* ---- Log sources ---- */

static bool part_fits(const char *rule, const char *kind)
{
    return !rule || !strcasecmp(rule, kind);
}

static bool kind_fits(const struct tc_sigma_rule *rule,
                      const struct tc_sigma_record_kind *kind)
{
    return part_fits(rule->category, kind->category) &&
           part_fits(rule->service, kind->service);
}

static bool is_part(struct tocsin_str rule, const char *kind)
{
    return !rule.ptr ||
           (rule.len == strlen(kind) && !strncasecmp(rule.ptr, kind, rule.len));
}

const char *tc_sigma_topic(struct tocsin_str category, struct tocsin_str service,
                           size_t index)
{
    const struct tc_sigma_record_kind *kind = tc_sigma_record_kinds;

    if (!category.ptr && !service.ptr)
        return NULL;
    for (; kind < tc_sigma_record_kinds + tc_sigma_record_kind_count; kind++)
        if (is_part(category, kind->category) && is_part(service, kind->service) &&
            index-- == 0)
            return kind->topic;
    return NULL;
}

static const char *wrong_product(const char *product, const char *here)
{
    static const char *const others[][2] = {
        {"linux", "it is made for Linux, and this machine does not run it"},
        {"macos", "it is made for macOS, and this machine does not run it"},
        {"windows", "it is made for Windows, and this machine does not run it"},
    };

    if (part_fits(product, here))
        return NULL;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (!strcasecmp(product, others[i][0]))
            return others[i][1];
    return "no sensor reports on its product";
}

static const char *no_source(const struct tc_sigma_set *set, const struct tc_rule *rule,
                             const char *product)
{
    const struct tc_sigma_rule *info = &rule->info;
    const char *why = wrong_product(info->product, product);
    bool fits = false;

    if (why || (!info->category && !info->service))
        return why             ? why
               : info->product ? "it is about lines of log files, which no sensor reads"
                               : NULL;
    for (size_t i = 0; i < tc_sigma_record_kind_count; i++) {
        if (!kind_fits(info, &tc_sigma_record_kinds[i]))
            continue;
        fits = true;
        if (!rule->expr || expr_is(set, rule->expr, &tc_sigma_record_kinds[i]) != NO)
            return NULL;
    }
    if (fits)
        return "it asks for records or fields that no sensor's events have";
    return info->service ? "it is about a service whose log no sensor reads"
                         : "it is about a category that no sensor's events belong to";
}

const char *tc_sigma_no_source_on(const struct tc_sigma_set *set, size_t index,
                                  const char *product)
{
    const struct tc_rule *rule = &set->rules[index];
    const struct tc_correlation *c = rule->correlation;
    const char *why = NULL;

    if (rule->info.why_not)
        return NULL;
    if (!c)
        return no_source(set, rule, product);
    /* Those of time need all that they refer to, the others one. There are no circles of
     * those that run. */
    for (size_t i = 0; i < c->rule_count; i++) {
        why = tc_sigma_no_source_on(set, c->rules[i], product);
        if (!why != tc_correlation_is_temporal(c))
            break;
    }
    return why ? "a rule that it needs can never match here" : NULL;
}

const char *tc_sigma_no_source(const struct tc_sigma_set *set, size_t index)
{
    return tc_sigma_no_source_on(set, index, TC_RECORD_PRODUCT);
}

const char *tc_sigma_rule_topic(const struct tc_sigma_set *set, size_t rule, size_t index)
{
    const struct tc_rule *r = &set->rules[rule];
    const struct tc_sigma_record_kind *kind = tc_sigma_record_kinds;

    if (!r->expr || (!r->info.category && !r->info.service))
        return NULL;
    for (; kind < tc_sigma_record_kinds + tc_sigma_record_kind_count; kind++)
        if (kind_fits(&r->info, kind) && expr_is(set, r->expr, kind) != NO &&
            index-- == 0)
            return kind->topic;
    return NULL;
}
