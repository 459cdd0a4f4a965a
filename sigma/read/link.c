/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: how rules find each other, by id or name: see compile.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sigma/read/compile.h"

struct entry {
    const char *name;
    uint32_t rule;
};

struct linker {
    struct tc_sigma_set *set;
    struct entry *entries; /* sorted; ids and names */
    size_t count;
    bool filters_are_joined;
    unsigned char *visited; /* a rule: 1 while its feeders are ordered, 2 afterwards */
    tc_rule_problem_fn problem;
    void *arg;
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static int index_names(struct linker *l)
{
    l->entries = calloc(2 * l->set->rule_count + 1, sizeof(*l->entries));
    l->visited = calloc(l->set->rule_count + 1, 1);
    if (!l->entries || !l->visited)
        return -ENOMEM;
    for (size_t i = 0; i < l->set->rule_count; i++) {
        const struct tc_rule *rule = &l->set->rules[i];

        if (rule->info.id)
            l->entries[l->count++] = (struct entry){rule->info.id, (uint32_t)i};
        if (rule->name)
            l->entries[l->count++] = (struct entry){rule->name, (uint32_t)i};
    }
    qsort(l->entries, l->count, sizeof(*l->entries), compare_entries);
    return 0;
}

static bool find_rule(const struct linker *l, const char *name, uint32_t *ret_rule)
{
    const struct entry wanted = {.name = name};
    const struct entry *found =
        bsearch(&wanted, l->entries, l->count, sizeof(*l->entries), compare_entries);

    if (found)
        *ret_rule = found->rule;
    return found != NULL;
}

static void say(const struct linker *l, const struct tc_rule *rule, const char *text)
{
    l->problem(l->arg, rule->info.file, (struct tc_yaml_place){rule->line, rule->column},
               rule->info.id, false, text);
}

static int set_why_not(const struct linker *l, struct tc_rule *rule, const char *text)
{
    if (rule->info.why_not)
        return 0;
    say(l, rule, text);
    rule->info.why_not = tc_arena_text(&l->set->arena, text, strlen(text));
    return rule->info.why_not ? 0 : -ENOMEM;
}

/* ---- Correlations ---- */

/* The field that a name means in the events of this rule. */
static const char *alias_of(const struct tc_correlation *c, const char *name,
                            const struct tc_rule *rule)
{
    for (size_t i = 0; i < c->alias_count; i++)
        if (!strcmp(c->aliases[i].alias, name) &&
            ((rule->name && !strcmp(c->aliases[i].rule, rule->name)) ||
             (rule->info.id && !strcmp(c->aliases[i].rule, rule->info.id))))
            return c->aliases[i].field;
    return name;
}

/* The fields that names mean in the events of each rule. */
static int find_fields(const struct linker *l, const struct tc_correlation *c,
                       const char *const *names, size_t count, uint32_t **ret_fields)
{
    uint32_t *fields =
        tc_arena_take(&l->set->arena, (c->rule_count * count + 1) * sizeof(*fields));
    int error = fields ? 0 : -ENOMEM;

    for (size_t i = 0; error == 0 && i < c->rule_count; i++)
        for (size_t k = 0; error == 0 && k < count; k++)
            error =
                tc_set_field(l->set, alias_of(c, names[k], &l->set->rules[c->rules[i]]),
                             &fields[i * count + k]);
    *ret_fields = fields;
    return error;
}

static int add_feed(struct tc_sigma_set *set, struct tc_rule *rule, uint32_t correlation,
                    uint32_t position)
{
    struct tc_feed *feeds =
        tc_arena_take(&set->arena, (rule->feed_count + 1) * sizeof(*feeds));

    if (!feeds)
        return -ENOMEM;
    if (rule->feed_count)
        memcpy(feeds, rule->feeds, rule->feed_count * sizeof(*feeds));
    feeds[rule->feed_count++] = (struct tc_feed){correlation, position};
    rule->feeds = feeds;
    return 0;
}

static int find_rules(const struct linker *l, struct tc_rule *rule)
{
    struct tc_correlation *c = rule->correlation;
    char why[256];
    int error;

    c->rules = tc_arena_take(&l->set->arena, c->rule_count * sizeof(*c->rules));
    if (!c->rules)
        return -ENOMEM;
    for (size_t i = 0; i < c->rule_count; i++)
        if (!find_rule(l, c->names[i], &c->rules[i])) {
            snprintf(why, sizeof(why), "there is no rule \"%.64s\" for this correlation",
                     c->names[i]);
            return set_why_not(l, rule, why);
        }
    error = find_fields(l, c, c->group_names, c->group_count, &c->groups);
    return error == 0 ? find_fields(l, c, c->value_names, c->value_count, &c->values)
                      : error;
}

/* What it refers to serves it alone, unless it says otherwise. */
static int feed(const struct linker *l, uint32_t index)
{
    struct tc_correlation *c = l->set->rules[index].correlation;
    int error = 0;

    for (uint32_t i = 0; error == 0 && i < c->rule_count; i++) {
        struct tc_rule *rule = &l->set->rules[c->rules[i]];

        rule->silent |= !c->generate;
        rule->standalone |= c->generate;
        error = add_feed(l->set, rule, index, i);
    }
    return error;
}

/* Puts the correlation behind those that feed it. */
static int order(struct linker *l, uint32_t index)
{
    struct tc_rule *rule = &l->set->rules[index];
    struct tc_correlation *c = rule->correlation;
    int error = 0;

    if (!c || l->visited[index] == 2)
        return 0;
    if (l->visited[index] == 1)
        return set_why_not(l, rule, "this correlation refers to itself");
    l->visited[index] = 1;
    for (size_t i = 0; error == 0 && !rule->info.why_not && i < c->rule_count; i++) {
        const struct tc_rule *other = &l->set->rules[c->rules[i]];

        error = order(l, c->rules[i]);
        if (error == 0 && other->info.why_not)
            error = set_why_not(l, rule, "a rule of this correlation cannot run");
    }
    l->visited[index] = 2;
    if (error == 0 && !rule->info.why_not) {
        l->set->correlations[l->set->correlation_count++] = index;
        error = feed(l, index);
    }
    return error;
}

static int link_correlations(struct linker *l)
{
    struct tc_sigma_set *set = l->set;
    int error = 0;

    set->correlations =
        tc_arena_take(&set->arena, (set->rule_count + 1) * sizeof(*set->correlations));
    if (!set->correlations)
        return -ENOMEM;
    for (size_t i = 0; error == 0 && i < set->rule_count; i++) {
        if (!set->rules[i].correlation)
            continue;
        set->rules[i].correlation->rule = (uint32_t)i;
        error = find_rules(l, &set->rules[i]);
    }
    for (size_t i = 0; error == 0 && i < set->rule_count; i++)
        error = order(l, (uint32_t)i);
    return error;
}

/* ---- Filters ---- */

static bool source_agrees(const char *filter, const char *rule)
{
    return !filter || (rule && !strcasecmp(filter, rule));
}

static int apply_filter(const struct linker *l, const struct tc_filter *filter,
                        struct tc_rule *rule)
{
    struct tc_exprs both = {0};
    const struct tc_expr *not = filter->expr;
    int error = 0;

    if (!rule->expr || !source_agrees(filter->category, rule->info.category) ||
        !source_agrees(filter->product, rule->info.product) ||
        !source_agrees(filter->service, rule->info.service))
        return 0;
    if (!l->filters_are_joined)
        error = tc_expr_not(l->set, filter->expr, &not );
    if (error == 0)
        error = tc_exprs_add(l->set, &both, rule->expr);
    if (error == 0)
        error = tc_exprs_add(l->set, &both, not );
    return error == 0 ? tc_exprs_join(l->set, TC_OP_AND, &both, &rule->expr) : error;
}

static int link_filter(const struct linker *l, const struct tc_filter *filter)
{
    char why[256];
    uint32_t rule;
    int error = 0;

    if (filter->why_not[0]) {
        l->problem(l->arg, filter->file, filter->place, NULL, false, filter->why_not);
        return 0;
    }
    for (size_t i = 0; error == 0 && filter->any && i < l->set->rule_count; i++)
        error = apply_filter(l, filter, &l->set->rules[i]);
    for (size_t i = 0; error == 0 && !filter->any && i < filter->name_count; i++) {
        if (find_rule(l, filter->names[i], &rule)) {
            error = apply_filter(l, filter, &l->set->rules[rule]);
            continue;
        }
        snprintf(why, sizeof(why), "there is no rule \"%.64s\" for this filter",
                 filter->names[i]);
        l->problem(l->arg, filter->file, filter->place, NULL, false, why);
    }
    return error;
}

int tc_set_link(struct tc_sigma_set *set, const struct tc_filter *filters, size_t count,
                bool filters_are_joined, tc_rule_problem_fn problem, void *arg)
{
    struct linker l = {.set = set,
                       .filters_are_joined = filters_are_joined,
                       .problem = problem,
                       .arg = arg};
    int error = index_names(&l);

    for (size_t i = 0; error == 0 && i < count; i++)
        error = link_filter(&l, &filters[i]);
    if (error == 0)
        error = link_correlations(&l);
    free(l.entries);
    free(l.visited);
    return error;
}
