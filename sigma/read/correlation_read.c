/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a document with a correlation; see rule.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sigma/read/rule.h"

#define TIMESPAN_S_MAX (UINT64_C(3650) * 86400)

static int read_type(struct tc_reading *r, const struct tc_yaml_node *body,
                     enum tc_correlation_type *ret_type)
{
    static const char *const names[] = {"event_count",      "value_count", "temporal",
                                        "temporal_ordered", "value_sum",   "value_avg",
                                        "value_percentile"};
    const struct tc_yaml_node *node = tc_yaml_get(body, "type");

    for (size_t i = 0;
         node && node->kind == TC_YAML_TEXT && i < sizeof(names) / sizeof(*names); i++)
        if (!strcmp(node->text, names[i])) {
            *ret_type = (enum tc_correlation_type)i;
            return 0;
        }
    return tc_yaml_refuse(
        r->error, node ? node->place : body->key_place,
        "the correlation needs a type: event_count, value_count, value_sum, "
        "value_avg, temporal or temporal_ordered");
}

/* 90m: a number and s, m, h or d. */
static int read_timespan(struct tc_reading *r, const struct tc_yaml_node *body,
                         uint64_t *ret_ns)
{
    const struct tc_yaml_node *node = tc_yaml_get(body, "timespan");
    uint64_t unit = 0, number;
    char *end;

    if (node && node->kind == TC_YAML_TEXT && node->text[0] >= '0' &&
        node->text[0] <= '9') {
        errno = 0;
        number = strtoull(node->text, &end, 10);
        unit = !strcmp(end, "s")   ? 1
               : !strcmp(end, "m") ? 60
               : !strcmp(end, "h") ? 3600
               : !strcmp(end, "d") ? 86400
                                   : 0;
        if (unit && !errno && number && number <= TIMESPAN_S_MAX / unit) {
            *ret_ns = number * unit * UINT64_C(1000000000);
            return 0;
        }
    }
    return tc_yaml_refuse(
        r->error, node ? node->place : body->key_place,
        "the correlation needs a timespan of up to ten years, as 90m: a "
        "number and s, m, h or d");
}

static int read_groups(struct tc_reading *r, const struct tc_yaml_node *body,
                       struct tc_correlation *c)
{
    if (!tc_yaml_get(body, "group-by"))
        return 0;
    return tc_names_read(r, body, "group-by", TC_CORRELATION_FIELDS_MAX, &c->group_names,
                         &c->group_count);
}

/* aliases: {alias: {rule: field}} */
static int read_aliases(struct tc_reading *r, const struct tc_yaml_node *body,
                        struct tc_correlation *c)
{
    const struct tc_yaml_node *aliases = tc_yaml_get(body, "aliases");
    struct tc_arena *arena = &r->set->arena;
    size_t room = 0;

    if (!aliases || aliases->kind == TC_YAML_NULL)
        return 0;
    for (const struct tc_yaml_node *at = aliases->first; at; at = at->next)
        room += at->count;
    c->aliases = tc_arena_take(arena, (room + 1) * sizeof(*c->aliases));
    if (!c->aliases)
        return -ENOMEM;
    for (const struct tc_yaml_node *at = aliases->first; at; at = at->next)
        for (const struct tc_yaml_node *rule = at->first; rule; rule = rule->next) {
            struct tc_alias *alias = &c->aliases[c->alias_count++];

            if (!at->key || !rule->key || rule->kind != TC_YAML_TEXT)
                return tc_yaml_refuse(r->error, rule->place,
                                      "aliases are maps of a rule's name to a field's");
            alias->alias = tc_arena_text(arena, at->key, strlen(at->key));
            alias->rule = tc_arena_text(arena, rule->key, strlen(rule->key));
            alias->field = tc_arena_text(arena, rule->text, strlen(rule->text));
            if (!alias->alias || !alias->rule || !alias->field)
                return -ENOMEM;
        }
    return 0;
}

static int read_value_fields(struct tc_reading *r, const struct tc_yaml_node *node,
                             struct tc_correlation *c)
{
    const struct tc_yaml_node *at = node->kind == TC_YAML_LIST ? node->first : node;
    struct tc_arena *arena = &r->set->arena;

    c->value_names =
        tc_arena_take(arena, TC_CORRELATION_FIELDS_MAX * sizeof(*c->value_names));
    if (!c->value_names)
        return -ENOMEM;
    for (; at; at = node->kind == TC_YAML_LIST ? at->next : NULL) {
        if (at->kind != TC_YAML_TEXT || c->value_count == TC_CORRELATION_FIELDS_MAX)
            return tc_yaml_refuse(r->error, at->place,
                                  "field needs to be the name of a field, or up to %d",
                                  TC_CORRELATION_FIELDS_MAX);
        c->value_names[c->value_count] = tc_arena_text(arena, at->text, strlen(at->text));
        if (!c->value_names[c->value_count++])
            return -ENOMEM;
    }
    return 0;
}

static int read_bound(struct tc_reading *r, const struct tc_yaml_node *node,
                      struct tc_correlation *c)
{
    static const char *const names[] = {"eq", "lt", "lte", "gt", "gte", "neq"};
    struct tc_bound *bound = &c->bounds[c->bound_count];
    char *end = NULL;

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(node->key, names[i]))
            continue;
        if (node->kind == TC_YAML_TEXT && !node->quoted)
            bound->number = strtod(node->text, &end);
        if (!end || end == node->text || *end)
            return tc_yaml_refuse(r->error, node->place, "%s needs a number", node->key);
        bound->compare = (enum tc_compare)i;
        c->bound_count++;
        return 0;
    }
    return tc_yaml_refuse(
        r->error, node->key_place,
        "a condition has field, eq, neq, gt, gte, lt and lte, not \"%.64s\"", node->key);
}

static bool counts_values(enum tc_correlation_type type)
{
    return type == TC_CORRELATION_VALUE_COUNT || type >= TC_CORRELATION_VALUE_SUM;
}

static int read_condition(struct tc_reading *r, const struct tc_yaml_node *body,
                          struct tc_correlation *c)
{
    const struct tc_yaml_node *condition = tc_yaml_get(body, "condition");
    int error = 0;

    if (!condition && tc_correlation_is_temporal(c)) {
        c->bounds[0] = (struct tc_bound){TC_COMPARE_GTE, (double)c->rule_count};
        c->bound_count = 1;
        return 0;
    }
    if (!condition || condition->kind != TC_YAML_MAP)
        return tc_yaml_refuse(r->error, condition ? condition->place : body->key_place,
                              "the correlation needs a condition, as gte: 10");
    for (const struct tc_yaml_node *at = condition->first; error == 0 && at;
         at = at->next)
        error = !strcmp(at->key, "field") ? read_value_fields(r, at, c)
                                          : read_bound(r, at, c);
    if (error < 0)
        return error;
    if (!c->bound_count)
        return tc_yaml_refuse(r->error, condition->place,
                              "the condition has no number, as gte: 10");
    if (counts_values(c->type) != (c->value_count > 0))
        return tc_yaml_refuse(r->error, condition->place,
                              c->value_count
                                  ? "only correlations of values have a field"
                                  : "the condition needs the field to be counted");
    if (c->value_count > 1 && c->type != TC_CORRELATION_VALUE_COUNT)
        return tc_yaml_refuse(r->error, condition->place,
                              "only value_count takes several fields");
    return 0;
}

/* What the specification leaves open, or would need more memory than there may be. */
static void find_why_not(struct tc_reading *r, const struct tc_correlation *c)
{
    if (c->type == TC_CORRELATION_VALUE_PERCENTILE)
        snprintf(r->why_not, sizeof(r->why_not),
                 "value_percentile is not run: the specification does not say what of "
                 "the field is compared");
    for (size_t i = 0; i < c->bound_count && c->type != TC_CORRELATION_VALUE_SUM &&
                       c->type != TC_CORRELATION_VALUE_AVG;
         i++)
        if (c->bounds[i].number > TC_CORRELATION_ENTRIES_MAX)
            snprintf(r->why_not, sizeof(r->why_not),
                     "the condition counts further than %d, which is not remembered",
                     TC_CORRELATION_ENTRIES_MAX);
}

int tc_correlation_read(struct tc_reading *r, const struct tc_yaml_node *document,
                        const char *file, struct tc_rule *ret_rule)
{
    static const char *const keys[] = {"type",      "rules",   "group-by", "timespan",
                                       "condition", "aliases", "generate", NULL};
    const struct tc_yaml_node *body = tc_yaml_get(document, "correlation");
    const struct tc_yaml_node *generate = tc_yaml_get(body, "generate");
    struct tc_arena *arena = &r->set->arena;
    struct tc_correlation *c = tc_arena_take(arena, sizeof(*c));
    struct tc_rule rule;
    int error = c ? tc_rule_read_head(r, document, file, &rule) : -ENOMEM;

    if (error == 0)
        error = tc_keys_check(r, body, keys,
                              "a correlation, which has type, rules, group-by, timespan, "
                              "condition, aliases and generate,");
    if (error < 0)
        return error;
    if (!generate) /* the schema has it beside the correlation */
        generate = tc_yaml_get(document, "generate");
    c->generate =
        generate && generate->kind == TC_YAML_TEXT && !strcasecmp(generate->text, "true");
    error = read_type(r, body, &c->type);
    if (error == 0)
        error = tc_names_read(r, body, "rules", TC_CORRELATION_RULES_MAX, &c->names,
                              &c->rule_count);
    if (error == 0)
        error = read_groups(r, body, c);
    if (error == 0)
        error = read_timespan(r, body, &c->timespan_ns);
    if (error == 0)
        error = read_aliases(r, body, c);
    if (error == 0)
        error = read_condition(r, body, c);
    if (error < 0)
        return error;
    find_why_not(r, c);
    if (r->why_not[0])
        rule.info.why_not = tc_arena_text(arena, r->why_not, strlen(r->why_not));
    rule.info.correlation = true;
    rule.correlation = c;
    *ret_rule = rule;
    return 0;
}
