/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see rule.h: what rules have besides their selections. */
#include "sigma/read/rule.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LIST_MAX 1024 /* tags, references */

/* The text of a key that may be missing, in the set's memory. */
static int read_text(struct tc_reading *r, const struct tc_yaml_node *map,
                     const char *key, const char **ret_text)
{
    const struct tc_yaml_node *node = tc_yaml_get(map, key);

    if (!node || node->kind == TC_YAML_NULL)
        return 0;
    if (node->kind != TC_YAML_TEXT)
        return tc_yaml_refuse(r->error, node->place, "%s needs to be a text", key);
    *ret_text = tc_arena_text(&r->set->arena, node->text, strlen(node->text));
    return *ret_text ? 0 : -ENOMEM;
}

/* A list of texts, or one, which may be missing; NULL behind the last. What is no text is
 * refused, or left out where it is only for people to read. */
static int read_texts(struct tc_reading *r, const struct tc_yaml_node *map,
                      const char *key, bool strict, const char *const **ret_texts)
{
    const struct tc_yaml_node *node = tc_yaml_get(map, key), *at;
    size_t count = !node ? 0 : node->kind == TC_YAML_LIST ? node->count : 1, n = 0;
    const char **texts;

    if (count > LIST_MAX)
        return tc_yaml_refuse(r->error, node->place, "%s has more than %d entries", key,
                              LIST_MAX);
    texts = tc_arena_take(&r->set->arena, (count + 1) * sizeof(*texts));
    if (!texts)
        return -ENOMEM;
    *ret_texts = texts;
    at = node && node->kind == TC_YAML_LIST ? node->first : node;
    for (; at && n < count; at = at->next) {
        if (at->kind == TC_YAML_NULL || (at->kind != TC_YAML_TEXT && !strict))
            continue;
        if (at->kind != TC_YAML_TEXT)
            return tc_yaml_refuse(r->error, at->place, "%s needs to be a list of texts",
                                  key);
        texts[n] = tc_arena_text(&r->set->arena, at->text, strlen(at->text));
        if (!texts[n++])
            return -ENOMEM;
    }
    return 0;
}

static int read_level(struct tc_reading *r, const struct tc_yaml_node *document,
                      enum tc_sigma_level *ret_level)
{
    static const char *const names[] = {"informational", "low", "medium", "high",
                                        "critical"};
    const struct tc_yaml_node *node = tc_yaml_get(document, "level");

    *ret_level = TC_SIGMA_MEDIUM;
    if (!node || node->kind == TC_YAML_NULL)
        return 0;
    for (size_t i = 0; node->kind == TC_YAML_TEXT && i < sizeof(names) / sizeof(*names);
         i++)
        if (!strcmp(node->text, names[i])) {
            *ret_level = (enum tc_sigma_level)i;
            return 0;
        }
    return tc_yaml_refuse(r->error, node->place,
                          "level is informational, low, medium, high or critical");
}

int tc_rule_read_head(struct tc_reading *r, const struct tc_yaml_node *document,
                      const char *file, struct tc_rule *rule)
{
    struct tc_sigma_rule *info = &rule->info;
    const struct {
        const char *key;
        const char **text;
    } texts[] = {
        {"title", &info->title},
        {"id", &info->id},
        {"name", &rule->name},
        {"author", &info->author},
        {"license", &info->license},
        {"status", &info->status},
        {"description", &info->description},
    };
    int error = 0;

    *rule = (struct tc_rule){.info.file = file,
                             .line = document->place.line,
                             .column = document->place.column};
    for (size_t i = 0; error == 0 && i < sizeof(texts) / sizeof(*texts); i++)
        error = read_text(r, document, texts[i].key, texts[i].text);
    if (error == 0 && (!info->title || !*info->title))
        error = tc_yaml_refuse(r->error, document->place, "the rule has no title");
    if (error == 0)
        error = read_texts(r, document, "tags", true, &info->tags);
    if (error == 0)
        error = read_texts(r, document, "references", true, &info->references);
    if (error == 0)
        error = read_texts(r, document, "falsepositives", false, &info->falsepositives);
    return error == 0 ? read_level(r, document, &info->level) : error;
}

int tc_keys_check(struct tc_reading *r, const struct tc_yaml_node *map,
                  const char *const *keys, const char *what)
{
    const char *const *key;

    for (const struct tc_yaml_node *at = map->first; at; at = at->next) {
        for (key = keys; *key && strcmp(*key, at->key); key++)
            ;
        if (!*key)
            return tc_yaml_refuse(r->error, at->key_place, "%s has no \"%.64s\"", what,
                                  at->key);
    }
    return 0;
}

static int read_source(struct tc_reading *r, const struct tc_yaml_node *document,
                       const char **category, const char **product, const char **service)
{
    static const char *const keys[] = {"category", "product", "service", "definition",
                                       NULL};
    const struct tc_yaml_node *source = tc_yaml_get(document, "logsource");
    int error;

    if (!source || source->kind != TC_YAML_MAP)
        return tc_yaml_refuse(
            r->error, source ? source->place : document->place,
            "the rule has no logsource: say category, product or service");
    error = tc_keys_check(r, source, keys,
                          "a logsource, which has category, product, service and "
                          "definition,");
    if (error == 0)
        error = read_text(r, source, "category", category);
    if (error == 0)
        error = read_text(r, source, "product", product);
    return error == 0 ? read_text(r, source, "service", service) : error;
}

/* Keeps why it cannot run, if that has been found. */
static int take_why_not(struct tc_reading *r, struct tc_rule *rule)
{
    if (!r->why_not[0])
        return 0;
    rule->expr = NULL;
    rule->info.why_not = tc_arena_text(&r->set->arena, r->why_not, strlen(r->why_not));
    return rule->info.why_not ? 0 : -ENOMEM;
}

int tc_rule_read(struct tc_reading *r, const struct tc_yaml_node *document,
                 const char *file, struct tc_rule *ret_rule)
{
    struct tc_rule rule;
    int error = tc_rule_read_head(r, document, file, &rule);

    if (error == 0)
        error = read_source(r, document, &rule.info.category, &rule.info.product,
                            &rule.info.service);
    if (error == 0)
        error =
            tc_detection_read(r, tc_yaml_get(document, "detection"), NULL, &rule.expr);
    if (error == 0)
        error = take_why_not(r, &rule);
    if (error == 0)
        *ret_rule = rule;
    return error;
}

int tc_names_read(struct tc_reading *r, const struct tc_yaml_node *parent,
                  const char *key, size_t max, const char ***ret_names, size_t *ret_count)
{
    const struct tc_yaml_node *list = tc_yaml_get(parent, key), *at;
    bool one = list && list->kind == TC_YAML_TEXT;
    const char **names;
    size_t n = 0;

    if (!one && (!list || list->kind != TC_YAML_LIST || !list->count))
        return tc_yaml_refuse(r->error, list ? list->place : parent->key_place,
                              "%s needs to be a name or a list of names", key);
    if (list->count > max)
        return tc_yaml_refuse(r->error, list->place, "%s has more than %zu entries", key,
                              max);
    names = tc_arena_take(&r->set->arena, (list->count + 1) * sizeof(*names));
    if (!names)
        return -ENOMEM;
    for (at = one ? list : list->first; at; at = one ? NULL : at->next) {
        if (at->kind != TC_YAML_TEXT || !*at->text)
            return tc_yaml_refuse(r->error, at->place,
                                  "%s needs to be a name or a list of names", key);
        for (size_t i = 0; i < n; i++)
            if (!strcmp(names[i], at->text))
                return tc_yaml_refuse(r->error, at->place, "\"%.64s\" is here twice",
                                      at->text);
        names[n] = tc_arena_text(&r->set->arena, at->text, strlen(at->text));
        if (!names[n++])
            return -ENOMEM;
    }
    *ret_names = names;
    *ret_count = n;
    return 0;
}

/* Whether it describes nothing but what is not to be. */
static bool is_negation(const struct tc_expr *expr)
{
    bool negation = expr->op == TC_OP_AND || expr->op == TC_OP_OR;

    if (expr->op == TC_OP_NOT)
        return !is_negation(expr->kids[0]);
    for (size_t i = 0; negation && i < expr->count; i++)
        negation = is_negation(expr->kids[i]);
    return negation;
}

/* Two readings of filters are in use, and the same file does the opposite by each. */
static int check_reading(struct tc_reading *r, const struct tc_yaml_node *body,
                         const struct tc_filter *filter)
{
    if (r->options->filters_are_joined || !is_negation(filter->expr))
        return 0;
    return tc_yaml_refuse(
        r->error, tc_yaml_get(body, "condition")->place,
        "by the specification a filter's condition describes what is left out, so this "
        "one "
        "leaves out all but that; by pySigma it describes what is kept: write it without "
        "not, or set filters: pysigma, by which all filters are read");
}

int tc_filter_read(struct tc_reading *r, const struct tc_yaml_node *document,
                   const char *file, struct tc_filter *ret_filter)
{
    const struct tc_yaml_node *body = tc_yaml_get(document, "filter");
    struct tc_filter filter = {.file = file, .place = document->place};
    struct tc_rule head;
    int error = tc_rule_read_head(r, document, file, &head);

    if (error == 0)
        error =
            read_source(r, document, &filter.category, &filter.product, &filter.service);
    if (error == 0)
        error = tc_names_read(r, body, "rules", TC_FILTER_RULES_MAX, &filter.names,
                              &filter.name_count);
    if (error == 0)
        filter.any = filter.name_count == 1 && !strcmp(filter.names[0], "any");
    if (error == 0)
        error = tc_detection_read(r, body, "rules", &filter.expr);
    if (error == 0)
        error = check_reading(r, body, &filter);
    snprintf(filter.why_not, sizeof(filter.why_not), "%s", r->why_not);
    if (error == 0)
        *ret_filter = filter;
    return error;
}
