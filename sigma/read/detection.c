/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the selections of a detection, as expressions; see reading.h. */
#include <errno.h>
#include <string.h>

#include "sigma/read/reading.h"

/* A map: all of its fields. */
static int map_read(struct tc_reading *r, const struct tc_yaml_node *map,
                    const struct tc_expr **ret_expr)
{
    struct tc_exprs list = {0};
    const struct tc_expr *expr;
    int error = 0;

    if (!map->count)
        return tc_yaml_refuse(r->error, map->place,
                              "this map is empty: give it a field, or take it out");
    for (const struct tc_yaml_node *at = map->first; error == 0 && at; at = at->next) {
        error = tc_item_read(r, at, &expr);
        if (error == 0)
            error = tc_exprs_add(r->set, &list, expr);
    }
    return error == 0 ? tc_exprs_join(r->set, TC_OP_AND, &list, ret_expr) : error;
}

/* A list: any of its maps and keywords. */
static int list_read(struct tc_reading *r, const struct tc_yaml_node *items,
                     const struct tc_expr **ret_expr)
{
    struct tc_exprs list = {0};
    const struct tc_expr *expr = NULL;
    int error = 0;

    if (!items->count)
        return tc_yaml_refuse(r->error, items->place,
                              "this list is empty: give it an entry, or take it out");
    for (const struct tc_yaml_node *at = items->first; error == 0 && at; at = at->next) {
        if (at->kind == TC_YAML_MAP)
            error = map_read(r, at, &expr);
        else
            error = tc_keyword_read(r, at, &expr);
        if (error == 0)
            error = tc_exprs_add(r->set, &list, expr);
    }
    return error == 0 ? tc_exprs_join(r->set, TC_OP_OR, &list, ret_expr) : error;
}

static int selection_read(struct tc_reading *r, const struct tc_yaml_node *node,
                          const struct tc_expr **ret_expr)
{
    if (node->kind == TC_YAML_MAP)
        return map_read(r, node, ret_expr);
    if (node->kind == TC_YAML_LIST)
        return list_read(r, node, ret_expr);
    return tc_yaml_refuse(
        r->error, node->place,
        "a selection is a map of fields or a list: write a keyword as - '%s'",
        node->kind == TC_YAML_TEXT && strlen(node->text) < 40 ? node->text : "...");
}

/* All conditions of a list: any of them. */
static int conditions_read(struct tc_reading *r, const struct tc_yaml_node *node,
                           const struct tc_selection *selections, size_t count,
                           const struct tc_expr **ret_expr)
{
    struct tc_exprs list = {0};
    const struct tc_expr *expr;
    int error = 0;

    if (node->kind != TC_YAML_LIST)
        return tc_condition_read(r, node, selections, count, ret_expr);
    if (!node->count)
        return tc_yaml_refuse(r->error, node->place, "the list of conditions is empty");
    for (const struct tc_yaml_node *at = node->first; error == 0 && at; at = at->next) {
        error = tc_condition_read(r, at, selections, count, &expr);
        if (error == 0)
            error = tc_exprs_add(r->set, &list, expr);
    }
    return error == 0 ? tc_exprs_join(r->set, TC_OP_OR, &list, ret_expr) : error;
}

int tc_detection_read(struct tc_reading *r, const struct tc_yaml_node *detection,
                      const char *except, const struct tc_expr **ret_expr)
{
    const struct tc_yaml_node *condition = tc_yaml_get(detection, "condition");
    const struct tc_yaml_node *timeframe = tc_yaml_get(detection, "timeframe");
    struct tc_selection *selections;
    size_t count = 0;
    int error = 0;

    if (detection->kind != TC_YAML_MAP)
        return tc_yaml_refuse(r->error, detection->place,
                              "this needs to be a map of selections and a condition");
    if (timeframe)
        return tc_yaml_refuse(r->error, timeframe->key_place,
                              "timeframe is of the old aggregations: write a correlation "
                              "rule with a timespan");
    if (!condition)
        return tc_yaml_refuse(r->error,
                              detection->key ? detection->key_place : detection->place,
                              "there is no condition");
    selections = tc_arena_take(r->arena, (detection->count + 1) * sizeof(*selections));
    if (!selections)
        return -ENOMEM;
    for (const struct tc_yaml_node *at = detection->first; error == 0 && at;
         at = at->next) {
        if (at == condition || (except && !strcmp(at->key, except)))
            continue;
        selections[count].name = at->key;
        error = selection_read(r, at, &selections[count++].expr);
    }
    if (error == 0)
        error = conditions_read(r, condition, selections, count, ret_expr);
    if (error == 0 && (*ret_expr)->weight > TC_READING_WEIGHT_MAX)
        return tc_yaml_refuse(
            r->error, condition->place,
            "the condition, with its selections written out, has more than "
            "%d values",
            TC_READING_WEIGHT_MAX);
    return error;
}
