/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see compile.h. The patterns of a field become one Hyperscan database over the
 * field's text in lower case. A pattern that such a database cannot have exactly (letters
 * that count in upper and lower case, wildcards in the middle) is there with its longest
 * literal, and looked at again where that is found.
 *
 * A rule is listed with the atoms of which at least one must be true for it to match: of
 * all such lists the one that is likely to be hit least.
 */
#include "sigma/compile.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LITERAL_MAX 96       /* bytes of a text that the pass looks for */
#define LIKELY_LENGTH_MAX 24 /* beyond it a text is as rare as can be */

/* Part of a pattern: units without wildcards, and what stands around them. */
struct literal {
    const uint16_t *units;
    size_t len;
    bool before, after; /* other text may stand there */
    bool whole;         /* there is nothing else in the pattern */
};

/* Which atoms point to which rules, before it is sorted. */
struct link {
    uint32_t atom, rule;
};

struct compiler {
    struct tc_sigma_set *set;
    struct link *links;
    size_t link_count, link_room;
    bool scans; /* this processor can run Hyperscan */
};

/* ---- What the pass looks for ---- */

static bool is_wildcard(uint16_t unit)
{
    return unit == TC_UNIT_ONE || unit == TC_UNIT_MANY;
}

static struct literal literal_of(struct tc_pattern p)
{
    struct literal best = {.before = true, .after = true};
    size_t from = 0, to = p.len, n;

    while (from < to && p.units[from] == TC_UNIT_MANY)
        from++;
    while (to > from && p.units[to - 1] == TC_UNIT_MANY)
        to--;
    for (size_t i = from; i < to; i += n + 1) {
        for (n = 0; i + n < to && !is_wildcard(p.units[i + n]); n++)
            continue;
        if (n > best.len) {
            best.units = p.units + i;
            best.len = n;
        }
    }
    best.whole = best.len && best.len == to - from && best.len <= LITERAL_MAX;
    if (best.whole) {
        best.before = from > 0;
        best.after = to < p.len;
    } else if (best.len > LITERAL_MAX) {
        best.len = LITERAL_MAX;
    }
    return best;
}

/* The literal as Hyperscan reads it, for free(). */
static char *expression_of(const struct literal *literal)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return NULL;
    fputs(literal->before ? "" : "^", out);
    for (size_t i = 0; i < literal->len; i++)
        if (literal->units[i] == TC_UNIT_DASH)
            fputs("(?:[-/]|\\xe2\\x80[\\x93-\\x95])", out);
        else
            fprintf(out, "\\x%02x", literal->units[i]);
    fputs(literal->after ? "" : "\\z", out);
    if (!fclose(out))
        return text;
    free(text);
    return NULL;
}

/* Whether the pass can find the atom. The text that it goes over is in lower case. */
static bool is_scannable(const struct tc_atom *atom)
{
    struct literal literal;

    if (!atom->used || atom->kind != TC_ATOM_TEXT)
        return false;
    literal = literal_of(atom->pattern);
    if (!literal.len || atom->field != TC_FIELD_ANY)
        return literal.len > 0;
    /* The pass goes over all values of the event in one text. */
    for (size_t i = 0; i < literal.len; i++)
        if (literal.units[i] == TC_BETWEEN_VALUES)
            return false;
    return literal.before && literal.after;
}

static int compile_expressions(struct tc_field *field, char **expressions,
                               const unsigned *flags, const unsigned *ids)
{
    const char *const *texts = (const char *const *)expressions;
    hs_compile_error_t *why = NULL;
    hs_error_t error;

    error = hs_compile_multi(texts, flags, ids, (unsigned)field->atom_count,
                             HS_MODE_BLOCK, NULL, &field->database, &why);
    hs_free_compile_error(why);
    /* Whatever else it may not like: the patterns are then tried one by one. */
    return error == HS_NOMEM ? -ENOMEM : 0;
}

static int compile_field(struct compiler *c, struct tc_field *field)
{
    struct tc_sigma_set *set = c->set;
    char **expressions = calloc(field->atom_count, sizeof(*expressions));
    unsigned *flags = calloc(field->atom_count, sizeof(*flags));
    unsigned *ids = calloc(field->atom_count, sizeof(*ids));
    int error = expressions && flags && ids ? 0 : -ENOMEM;

    for (size_t i = 0; error == 0 && i < field->atom_count; i++) {
        struct tc_atom *atom = &set->atoms[field->atoms[i]];
        struct tc_pattern lower =
            atom->cased ? tc_pattern_fold(&set->pool, atom->pattern, set->locale)
                        : atom->pattern;
        struct literal literal = literal_of(lower);

        atom->scanned = true;
        atom->sure = literal.whole && !atom->cased;
        expressions[i] = lower.units ? expression_of(&literal) : NULL;
        flags[i] = HS_FLAG_SINGLEMATCH;
        ids[i] = (unsigned)i;
        error = expressions[i] ? 0 : -ENOMEM;
    }
    if (error == 0 && c->scans)
        error = compile_expressions(field, expressions, flags, ids);
    if (error == 0 && field->database &&
        hs_alloc_scratch(field->database, &set->scratch) != HS_SUCCESS)
        error = -ENOMEM;
    for (size_t i = 0; expressions && i < field->atom_count; i++)
        free(expressions[i]);
    free(expressions);
    free(flags);
    free(ids);
    return error;
}

/* What rules that were refused have left behind is not looked for. */
static void mark_used(struct tc_sigma_set *set, const struct tc_expr *expr)
{
    if (expr->op == TC_OP_ATOM)
        set->atoms[expr->atom].used = true;
    for (size_t i = 0; i < expr->count; i++)
        mark_used(set, expr->kids[i]);
}

static int compile_fields(struct compiler *c)
{
    struct tc_sigma_set *set = c->set;
    int error = 0;

    for (size_t i = 0; i < set->rule_count; i++)
        if (set->rules[i].expr)
            mark_used(set, set->rules[i].expr);
    for (size_t i = 0; i < set->atom_count; i++)
        set->fields[set->atoms[i].field].atom_count += is_scannable(&set->atoms[i]);
    for (size_t i = 0; i < set->field_count; i++) {
        struct tc_field *field = &set->fields[i];

        field->atoms =
            tc_pool_take(&set->pool, (field->atom_count + 1) * sizeof(*field->atoms));
        if (!field->atoms)
            return -ENOMEM;
        field->atom_count = 0;
    }
    for (size_t i = 0; i < set->atom_count; i++) {
        struct tc_field *field = &set->fields[set->atoms[i].field];

        if (is_scannable(&set->atoms[i]))
            field->atoms[field->atom_count++] = (uint32_t)i;
    }
    for (size_t i = 0; error == 0 && i < set->field_count; i++)
        if (set->fields[i].atom_count)
            error = compile_field(c, &set->fields[i]);
    return error;
}

/* ---- What a rule cannot match without ---- */

/* How likely an event has one of the atoms without which the expression is false;
 * INFINITY: there are none that the pass would find. */
static double likelihood(const struct tc_sigma_set *set, const struct tc_expr *expr)
{
    const struct tc_atom *atom = &set->atoms[expr->atom];
    double sum = 0, least = INFINITY, kid;

    switch (expr->op) {
    case TC_OP_ATOM:
        if (!atom->scanned)
            return INFINITY;
        return exp2(-(double)(atom->pattern.len < LIKELY_LENGTH_MAX ? atom->pattern.len
                                                                    : LIKELY_LENGTH_MAX));
    case TC_OP_NOT:
        return INFINITY;
    case TC_OP_AND:
    case TC_OP_OR:
        break;
    }
    for (size_t i = 0; i < expr->count; i++) {
        kid = likelihood(set, expr->kids[i]);
        sum += kid;
        least = kid < least ? kid : least;
    }
    return expr->op == TC_OP_AND ? least : sum;
}

static const struct tc_expr *least_likely(const struct tc_sigma_set *set,
                                          const struct tc_expr *expr)
{
    const struct tc_expr *best = expr->kids[0];
    double least = INFINITY, kid;

    for (size_t i = 0; i < expr->count; i++) {
        kid = likelihood(set, expr->kids[i]);
        if (kid < least) {
            least = kid;
            best = expr->kids[i];
        }
    }
    return best;
}

static int add_links(struct compiler *c, const struct tc_expr *expr, uint32_t rule)
{
    int error = 0;

    while (expr->op == TC_OP_AND)
        expr = least_likely(c->set, expr);
    for (size_t i = 0; error == 0 && i < expr->count; i++)
        error = add_links(c, expr->kids[i], rule);
    if (expr->op != TC_OP_ATOM)
        return error;
    error = tc_grow(&c->links, &c->link_room, c->link_count, sizeof(*c->links));
    if (error == 0)
        c->links[c->link_count++] = (struct link){expr->atom, rule};
    return error;
}

static int by_atom(const void *a, const void *b)
{
    const struct link *left = a, *right = b;

    if (left->atom != right->atom)
        return left->atom < right->atom ? -1 : 1;
    return (left->rule > right->rule) - (left->rule < right->rule);
}

/* Gives each atom its rules, out of the sorted links. */
static int give_rules(struct compiler *c)
{
    struct tc_sigma_set *set = c->set;
    uint32_t *rules = tc_pool_take(&set->pool, (c->link_count + 1) * sizeof(*rules));

    if (!rules)
        return -ENOMEM;
    qsort(c->links, c->link_count, sizeof(*c->links), by_atom);
    for (size_t i = 0; i < c->link_count; i++) {
        struct tc_atom *atom = &set->atoms[c->links[i].atom];

        if (!atom->rule_count)
            atom->rules = rules + i;
        rules[i] = c->links[i].rule;
        atom->rule_count++;
    }
    return 0;
}

static int link_rules(struct compiler *c)
{
    struct tc_sigma_set *set = c->set;
    int error = 0;

    set->always = tc_pool_take(&set->pool, (set->rule_count + 1) * sizeof(*set->always));
    if (!set->always)
        return -ENOMEM;
    for (size_t i = 0; error == 0 && i < set->rule_count; i++) {
        const struct tc_expr *expr = set->rules[i].expr;

        if (!expr)
            continue;
        if (isinf(likelihood(set, expr)))
            set->always[set->always_count++] = (uint32_t)i;
        else
            error = add_links(c, expr, (uint32_t)i);
    }
    return error == 0 && c->link_count ? give_rules(c) : error;
}

int tc_set_compile(struct tc_sigma_set *set)
{
    struct compiler c = {.set = set, .scans = hs_valid_platform() == HS_SUCCESS};
    int error = compile_fields(&c);

    if (error == 0)
        error = link_rules(&c);
    free(c.links);
    return error;
}
