/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see compile.h. The keys of a rule are atoms of which at least one must be true
 * for it to match: of all such lists the one that is likely to be found least. Rules of
 * which a pass (scan.c) finds no key are not looked at.
 */
#include "sigma/read/compile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "sigma/match/record_table.h"
#include "sigma/match/scan.h"

#define LIKELY_LENGTH_MAX 24 /* beyond it a text is as rare as can be */
#define PLACED_LENGTH 6      /* by which one is rarer that stands at one place alone */
#define COMMON_LENGTH 1      /* of a text that says which kind of record it is */
#define SHARED_LENGTH 3      /* by which it is less rare, with twice as many rules */

/* Which atoms are keys of which rules, before it is sorted. */
struct link {
    uint32_t atom, rule;
};

struct compiler {
    struct tc_sigma_set *set;
    struct link *links;
    size_t link_count, link_room;
};

/* An atom that many rules use is taken as likely: it is mostly a precondition. */
static double atom_likelihood(const struct tc_sigma_set *set, const struct tc_atom *atom)
{
    bool placed;
    size_t len = tc_literal_len(atom, &placed);

    if (!len)
        return INFINITY;
    if (tc_sigma_record_is_common(set->fields[atom->field].number))
        return exp2(-COMMON_LENGTH);
    len = len < LIKELY_LENGTH_MAX ? len : LIKELY_LENGTH_MAX;
    return exp2(SHARED_LENGTH * log2((double)atom->uses) -
                (double)(placed ? len + PLACED_LENGTH : len));
}

/* How likely an event has one of the atoms without which the expression is false;
 * INFINITY: there are none that the pass would find. */
static double likelihood(const struct tc_sigma_set *set, const struct tc_expr *expr)
{
    double sum = 0, least = INFINITY, kid;

    switch (expr->op) {
    case TC_OP_ATOM:
        return atom_likelihood(set, &set->atoms[expr->atom]);
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
    uint32_t *rules = tc_arena_take(&set->arena, (c->link_count + 1) * sizeof(*rules));

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

    set->always =
        tc_arena_take(&set->arena, (set->rule_count + 1) * sizeof(*set->always));
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

static void count_uses(struct tc_sigma_set *set, const struct tc_expr *expr)
{
    if (expr->op == TC_OP_ATOM)
        set->atoms[expr->atom].uses++;
    for (size_t i = 0; i < expr->count; i++)
        count_uses(set, expr->kids[i]);
}

int tc_set_compile(struct tc_sigma_set *set)
{
    struct compiler c = {.set = set};
    bool placed;
    int error;

    for (size_t i = 0; i < set->atom_count; i++)
        set->atoms[i].scanned = tc_literal_len(&set->atoms[i], &placed) > 0;
    for (size_t i = 0; i < set->rule_count; i++)
        if (set->rules[i].expr)
            count_uses(set, set->rules[i].expr);
    error = link_rules(&c);
    if (error == 0)
        error = tc_sigma_scans_make(set);
    free(c.links);
    return error;
}
