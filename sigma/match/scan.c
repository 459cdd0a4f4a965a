/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see scan.h. The databases are Hyperscan's, of pure literals: where a literal must
 * stand is looked at here, which is cheaper by far than to have it find that out. */
#include "sigma/match/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- Literals ---- */

/* Part of a pattern: units that are bytes, and what stands around them. */
struct piece {
    const uint16_t *units;
    size_t len;
    bool start, end; /* of the pattern */
    bool whole;      /* there is nothing else in it, but for * around */
};

static struct piece longest_piece(struct tc_pattern p)
{
    struct piece best = {.len = 0};
    size_t from = 0, to = p.len, n;

    while (from < to && p.units[from] == TC_UNIT_MANY)
        from++;
    while (to > from && p.units[to - 1] == TC_UNIT_MANY)
        to--;
    for (size_t i = from; i < to; i += n + 1) {
        for (n = 0; i + n < to && p.units[i + n] < 256; n++)
            continue;
        if (n > best.len) {
            best.units = p.units + i;
            best.len = n;
        }
    }
    best.whole = best.len && best.len == to - from && best.len <= TC_LITERAL_MAX;
    best.start = best.whole && from == 0;
    best.end = best.whole && to == p.len;
    if (best.len > TC_LITERAL_MAX)
        best.len = TC_LITERAL_MAX;
    return best;
}

size_t tc_literal_len(const struct tc_atom *atom, bool *ret_placed)
{
    struct piece piece;

    *ret_placed = false;
    if (atom->kind != TC_ATOM_TEXT)
        return 0;
    piece = longest_piece(atom->pattern);
    *ret_placed = piece.start || piece.end;
    if (atom->field != TC_FIELD_ANY)
        return piece.len;
    /* The pass goes over all values of the event in one text. */
    for (size_t i = 0; i < piece.len; i++)
        if (piece.units[i] == TC_BETWEEN_VALUES)
            return 0;
    return *ret_placed ? 0 : piece.len;
}

/* ---- Databases ---- */

/* What is to become one database. */
struct texts {
    char **texts;
    size_t *lens;
    unsigned *flags, *ids;
};

static int texts_new(struct texts *t, size_t count)
{
    *t = (struct texts){
        .texts = calloc(count, sizeof(*t->texts)),
        .lens = calloc(count, sizeof(*t->lens)),
        .flags = calloc(count, sizeof(*t->flags)),
        .ids = calloc(count, sizeof(*t->ids)),
    };
    return t->texts && t->lens && t->flags && t->ids ? 0 : -ENOMEM;
}

static void texts_done(struct texts *t, size_t count)
{
    for (size_t i = 0; t->texts && i < count; i++)
        free(t->texts[i]);
    free(t->texts);
    free(t->lens);
    free(t->flags);
    free(t->ids);
}

static int add_literal(struct tc_sigma_set *set, struct tc_literal *literal,
                       struct texts *t, size_t i)
{
    struct tc_atom *atom = &set->atoms[literal->atom];
    struct tc_pattern lower =
        atom->cased ? tc_pattern_fold(&set->arena, atom->pattern, set->locale)
                    : atom->pattern;
    struct piece piece = {.len = 0};

    if (lower.units)
        piece = longest_piece(lower);
    t->texts[i] = malloc(TC_LITERAL_MAX);
    if (!lower.units || !t->texts[i])
        return -ENOMEM;
    for (size_t k = 0; k < piece.len; k++)
        t->texts[i][k] = (char)piece.units[k];
    t->lens[i] = piece.len;
    t->ids[i] = (unsigned)i;
    atom->sure = piece.whole && !atom->cased;
    literal->len = (uint16_t)piece.len;
    literal->start = piece.start;
    literal->end = piece.end;
    return 0;
}

static int make_database(struct tc_sigma_set *set, struct tc_sigma_scan *scan, bool runs)
{
    struct texts t;
    hs_compile_error_t *why = NULL;
    hs_error_t failed;
    int error = texts_new(&t, scan->count);

    for (size_t i = 0; error == 0 && i < scan->count; i++)
        error = add_literal(set, &scan->literals[i], &t, i);
    if (error == 0 && runs) {
        failed = hs_compile_lit_multi((const char *const *)t.texts, t.flags, t.ids,
                                      t.lens, (unsigned)scan->count, HS_MODE_BLOCK, NULL,
                                      &scan->database, &why);
        hs_free_compile_error(why);
        /* Whatever else it may not like: the atoms are then tried one by one. */
        error = failed == HS_NOMEM ? -ENOMEM : 0;
    }
    if (error == 0 && scan->database &&
        hs_alloc_scratch(scan->database, &set->scratch) != HS_SUCCESS)
        error = -ENOMEM;
    texts_done(&t, scan->count);
    return error;
}

/* ---- Which pass looks for what ---- */

static bool same(const char *a, const char *b)
{
    return a && b ? !strcasecmp(a, b) : a == b;
}

static int find_source(struct tc_sigma_set *set, const struct tc_sigma_rule *info,
                       uint32_t *ret_source)
{
    size_t i = 0;
    int error;

    while (i < set->source_count && (!same(set->sources[i].category, info->category) ||
                                     !same(set->sources[i].product, info->product) ||
                                     !same(set->sources[i].service, info->service)))
        i++;
    *ret_source = (uint32_t)i;
    if (i < set->source_count)
        return 0;
    error = tc_grow(&set->sources, &set->source_room, set->source_count,
                    sizeof(*set->sources));
    if (error == 0)
        set->sources[set->source_count++] =
            (struct tc_source){info->category, info->product, info->service};
    return error;
}

/* An atom that rules of a log source ask. */
struct use {
    uint32_t field, source, atom;
    bool key;
};

struct uses {
    struct use *items;
    size_t count, room;
};

static int add_uses(const struct tc_sigma_set *set, struct uses *uses, uint32_t source,
                    const struct tc_expr *expr)
{
    const struct tc_atom *atom = &set->atoms[expr->atom];
    int error = 0;

    for (size_t i = 0; error == 0 && i < expr->count; i++)
        error = add_uses(set, uses, source, expr->kids[i]);
    if (error < 0 || expr->op != TC_OP_ATOM || !atom->scanned)
        return error;
    error = tc_grow(&uses->items, &uses->room, uses->count, sizeof(*uses->items));
    if (error == 0)
        uses->items[uses->count++] =
            (struct use){atom->field, source, expr->atom, atom->rule_count > 0};
    return error;
}

static int by_scan(const void *a, const void *b)
{
    const struct use *left = a, *right = b;

    if (left->field != right->field)
        return left->field < right->field ? -1 : 1;
    if (left->key != right->key)
        return left->key ? -1 : 1;
    if (left->source != right->source)
        return left->source < right->source ? -1 : 1;
    return (left->atom > right->atom) - (left->atom < right->atom);
}

/* The scan of the first of sorted uses, and of how many it is. */
static int make_scan(struct tc_sigma_set *set, const struct use *uses, size_t count,
                     bool runs, size_t *ret_taken)
{
    struct tc_sigma_scan scan = {uses->field, uses->source, uses->key, NULL, 0, NULL};
    size_t n = 1;
    int error =
        tc_grow(&set->scans, &set->scan_room, set->scan_count, sizeof(*set->scans));

    while (n < count && uses[n].field == scan.field && uses[n].source == scan.source &&
           uses[n].key == scan.keys)
        n++;
    *ret_taken = n;
    scan.literals = tc_arena_take(&set->arena, n * sizeof(*scan.literals));
    if (error < 0 || !scan.literals)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!i || uses[i].atom != uses[i - 1].atom)
            scan.literals[scan.count++].atom = uses[i].atom;
    error = make_database(set, &scan, runs);
    set->scans[set->scan_count++] = scan;
    return error;
}

int tc_sigma_scans_make(struct tc_sigma_set *set)
{
    bool runs = hs_valid_platform() == HS_SUCCESS;
    struct uses uses = {NULL, 0, 0};
    size_t taken;
    int error = 0;

    for (size_t i = 0; error == 0 && i < set->rule_count; i++) {
        struct tc_rule *rule = &set->rules[i];

        if (!rule->expr)
            continue;
        error = find_source(set, &rule->info, &rule->source);
        if (error == 0)
            error = add_uses(set, &uses, rule->source, rule->expr);
    }
    if (uses.count)
        qsort(uses.items, uses.count, sizeof(*uses.items), by_scan);
    for (size_t i = 0; error == 0 && i < uses.count; i += taken)
        error = make_scan(set, uses.items + i, uses.count - i, runs, &taken);
    free(uses.items);
    return error;
}

/* ---- The pass ---- */

struct pass {
    const struct tc_sigma_scan *scan;
    size_t len; /* of the text */
    tc_found_fn found;
    void *arg;
};

static int on_match(unsigned id, unsigned long long from, unsigned long long to,
                    unsigned flags, void *arg)
{
    const struct pass *pass = arg;
    const struct tc_literal *literal = &pass->scan->literals[id];

    (void)from;
    (void)flags;
    if ((!literal->start || to == literal->len) && (!literal->end || to == pass->len))
        pass->found(pass->arg, literal->atom);
    return 0;
}

bool tc_sigma_scan_text(const struct tc_sigma_scan *scan, struct tocsin_str text,
                        hs_scratch_t *scratch, tc_found_fn found, void *arg)
{
    struct pass pass = {scan, text.len, found, arg};

    return text.len <= UINT32_MAX && hs_scan(scan->database, text.ptr, (unsigned)text.len,
                                             0, scratch, on_match, &pass) == HS_SUCCESS;
}
