/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see model.h: the building, and the end, of a set. */
#include "sigma/match/model.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "sigma/match/correlate.h"
#include "sigma/match/record_table.h"

/* Entries of the trees: they outlive the arrays, which move. */
struct name_key {
    const char *name;
    uint32_t index;
};

struct atom_key {
    struct tc_atom atom;
    struct tc_expr expr;
};

int tc_grow(void *array, size_t *room, size_t count, size_t size)
{
    size_t wanted = *room ? 2 * *room : 64;
    void *grown;

    if (count < *room)
        return 0;
    memcpy(&grown, array, sizeof(grown));
    grown = reallocarray(grown, wanted, size);
    if (!grown)
        return -ENOMEM;
    memcpy(array, &grown, sizeof(grown));
    *room = wanted;
    return 0;
}

int tc_set_new(struct tc_sigma_set **ret_set)
{
    struct tc_sigma_set *set = calloc(1, sizeof(*set));
    uint32_t any;

    if (!set)
        return -ENOMEM;
    set->arena.limit = TC_SET_BYTES_MAX;
    set->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (tc_set_field(set, "", &any) < 0) {
        tc_sigma_set_free(set);
        return -ENOMEM;
    }
    *ret_set = set;
    return 0;
}

static void keep(void *key)
{
    (void)key; /* the arena's */
}

void tc_sigma_set_free(struct tc_sigma_set *set)
{
    if (!set)
        return;
    tdestroy(set->field_names, keep);
    tdestroy(set->atom_keys, keep);
    tdestroy(set->ids, keep);
    for (size_t i = 0; i < set->scan_count; i++)
        hs_free_database(set->scans[i].database);
    for (size_t i = 0; i < set->atom_count; i++)
        pcre2_code_free(set->atoms[i].code);
    hs_free_scratch(set->scratch);
    free(set->fields);
    free(set->atoms);
    free(set->rules);
    free(set->sources);
    free(set->scans);
    tc_arena_done(&set->arena);
    if (set->locale)
        freelocale(set->locale);
    free(set);
}

static int compare_names(const void *a, const void *b)
{
    const struct name_key *left = a, *right = b;

    return strcmp(left->name, right->name);
}

int tc_set_field(struct tc_sigma_set *set, const char *name, uint32_t *ret_field)
{
    struct name_key wanted = {.name = name}, *key;
    struct name_key **found = tfind(&wanted, &set->field_names, compare_names);

    if (found) {
        *ret_field = (*found)->index;
        return 0;
    }
    key = tc_arena_take(&set->arena, sizeof(*key));
    if (!key || tc_grow(&set->fields, &set->field_room, set->field_count,
                        sizeof(*set->fields)) < 0)
        return -ENOMEM;
    key->name = tc_arena_text(&set->arena, name, strlen(name));
    key->index = (uint32_t)set->field_count;
    if (!key->name || !tsearch(key, &set->field_names, compare_names))
        return -ENOMEM;
    set->fields[set->field_count++] = (struct tc_field){
        .name = key->name, .index = key->index, .number = tc_sigma_record_number(name)};
    *ret_field = key->index;
    return 0;
}

#define DIFFER(member)                                                                   \
    do {                                                                                 \
        if (left->member != right->member)                                               \
            return left->member < right->member ? -1 : 1;                                \
    } while (0)

static int compare_atoms(const void *a, const void *b)
{
    const struct tc_atom *left = a, *right = b;
    int order;

    DIFFER(kind);
    DIFFER(field);
    DIFFER(other);
    DIFFER(cased);
    DIFFER(before);
    DIFFER(after);
    DIFFER(family);
    DIFFER(bits);
    DIFFER(compare);
    DIFFER(part);
    DIFFER(regex_options);
    DIFFER(pattern.len);
    order = memcmp(left->address, right->address, sizeof(left->address));
    if (!order)
        order = tc_number_compare(&left->number, &right->number);
    if (!order && left->pattern.len)
        order = memcmp(left->pattern.units, right->pattern.units,
                       left->pattern.len * sizeof(*left->pattern.units));
    return order;
}

#undef DIFFER

int tc_set_atom(struct tc_sigma_set *set, const struct tc_atom *atom,
                const struct tc_expr **ret_expr)
{
    struct atom_key **found, *key;
    int error = -ENOMEM;

    found = tfind(atom, &set->atom_keys, compare_atoms);
    if (found) {
        pcre2_code_free(atom->code);
        *ret_expr = &(*found)->expr;
        return 0;
    }
    if (set->atom_count == TC_SET_ATOMS_MAX) {
        error = -E2BIG;
        goto out;
    }
    key = tc_arena_take(&set->arena, sizeof(*key));
    if (!key ||
        tc_grow(&set->atoms, &set->atom_room, set->atom_count, sizeof(*set->atoms)) < 0)
        goto out;
    key->atom = *atom;
    key->expr.atom = (uint32_t)set->atom_count;
    key->expr.weight = 1;
    if (!tsearch(key, &set->atom_keys, compare_atoms))
        goto out;
    set->atoms[set->atom_count++] = *atom;
    *ret_expr = &key->expr;
    return 0;

out:
    pcre2_code_free(atom->code);
    return error;
}

int tc_set_rule(struct tc_sigma_set *set, const struct tc_rule *rule)
{
    int error =
        tc_grow(&set->rules, &set->rule_room, set->rule_count, sizeof(*set->rules));

    if (error == 0)
        set->rules[set->rule_count++] = *rule;
    return error;
}

int tc_exprs_add(struct tc_sigma_set *set, struct tc_exprs *list,
                 const struct tc_expr *expr)
{
    const struct tc_expr **grown;
    size_t room = list->room ? 2 * list->room : 8;

    if (list->count == list->room) {
        grown = tc_arena_take(&set->arena, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        if (list->count)
            memcpy(grown, list->items, list->count * sizeof(*grown));
        list->items = grown;
        list->room = room;
    }
    list->items[list->count++] = expr;
    return 0;
}

int tc_exprs_join(struct tc_sigma_set *set, enum tc_op op, const struct tc_exprs *list,
                  const struct tc_expr **ret_expr)
{
    struct tc_expr *expr;

    if (list->count == 1) {
        *ret_expr = list->items[0];
        return 0;
    }
    expr = tc_arena_take(&set->arena, sizeof(*expr));
    if (!expr)
        return -ENOMEM;
    *expr = (struct tc_expr){.op = op, .count = list->count, .kids = list->items};
    for (size_t i = 0; i < list->count; i++)
        expr->weight += list->items[i]->weight;
    *ret_expr = expr;
    return 0;
}

int tc_expr_not(struct tc_sigma_set *set, const struct tc_expr *expr,
                const struct tc_expr **ret_expr)
{
    struct tc_exprs list = {0};
    struct tc_expr * not ;
    int error = tc_exprs_add(set, &list, expr);

    if (error < 0)
        return error;
    not = tc_arena_take(&set->arena, sizeof(*not ));
    if (!not )
        return -ENOMEM;
    *not = (struct tc_expr){.op = TC_OP_NOT, .count = 1, .kids = list.items};
    not ->weight = expr->weight;
    *ret_expr = not ;
    return 0;
}

size_t tc_sigma_count(const struct tc_sigma_set *set)
{
    return set->rule_count;
}

const struct tc_sigma_rule *tc_sigma_rule(const struct tc_sigma_set *set, size_t index)
{
    return index < set->rule_count ? &set->rules[index].info : NULL;
}
