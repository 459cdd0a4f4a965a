/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what can be asked of a tree, and what is said of it. See yaml.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tocsin/event.h>

#include "yaml/yaml.h"

void tc_yaml_printable(char *sentence)
{
    size_t len = strlen(sentence);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)sentence[i] < ' ' || sentence[i] == 0x7f)
            sentence[i] = '?';
    while (len && !tocsin_utf8_valid(sentence, len))
        sentence[--len] = '\0';
}

int tc_yaml_refuse(struct tc_yaml_error *error, struct tc_yaml_place place,
                   const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error->why, sizeof(error->why), format, args);
    va_end(args);
    tc_yaml_printable(error->why);
    error->place = place;
    return -EINVAL;
}

const struct tc_yaml_node *tc_yaml_get(const struct tc_yaml_node *map, const char *key)
{
    for (const struct tc_yaml_node *at = map->first; at; at = at->next)
        if (at->key && !strcmp(at->key, key))
            return at;
    return NULL;
}

/* Texts that without quotes are no text. */
static bool is_typed(const char *text)
{
    return !strcmp(text, "true") || !strcmp(text, "false") ||
           (*text && strspn(text, "0123456789-") == strlen(text));
}

bool tc_yaml_same(const struct tc_yaml_node *a, const struct tc_yaml_node *b)
{
    const struct tc_yaml_node *other = b->first;

    if (a->kind != b->kind || a->count != b->count)
        return false;
    /* Quotes tell 'true' from true; of a path they tell nothing. */
    if (a->kind == TC_YAML_TEXT)
        return !strcmp(a->text, b->text) &&
               (a->quoted == b->quoted || !is_typed(a->text));
    for (const struct tc_yaml_node *at = a->first; at; at = at->next) {
        if (a->kind == TC_YAML_MAP)
            other = tc_yaml_get(b, at->key);
        if (!other || !tc_yaml_same(at, other))
            return false;
        if (a->kind == TC_YAML_LIST)
            other = other->next;
    }
    return true;
}

static struct tc_yaml_node *append_copy(struct tc_yaml *yaml, struct tc_yaml_node *map,
                                        struct tc_yaml_node *last,
                                        const struct tc_yaml_node *from)
{
    struct tc_yaml_node *copy = tc_arena_take(&yaml->arena, sizeof(*copy));

    if (!copy)
        return NULL;
    *copy = *from;
    copy->next = NULL;
    if (last)
        last->next = copy;
    else
        map->first = copy;
    map->count++;
    return copy;
}

const struct tc_yaml_node *tc_yaml_merge(struct tc_yaml *yaml,
                                         const struct tc_yaml_node *under,
                                         const struct tc_yaml_node *over)
{
    struct tc_yaml_node *map = tc_arena_take(&yaml->arena, sizeof(*map)), *last = NULL;
    const struct tc_yaml_node *other, *both;

    if (!map)
        return NULL;
    *map = *over;
    map->first = NULL;
    map->count = 0;
    for (const struct tc_yaml_node *at = under->first; at; at = at->next) {
        other = tc_yaml_get(over, at->key);
        both = other ? other : at;
        if (other && other->kind == TC_YAML_MAP && at->kind == TC_YAML_MAP)
            both = tc_yaml_merge(yaml, at, other);
        last = both ? append_copy(yaml, map, last, both) : NULL;
        if (!last)
            return NULL;
    }
    for (const struct tc_yaml_node *at = over->first; at; at = at->next) {
        if (tc_yaml_get(under, at->key))
            continue;
        last = append_copy(yaml, map, last, at);
        if (!last)
            return NULL;
    }
    return map;
}
