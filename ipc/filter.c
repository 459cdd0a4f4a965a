/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whether an event's fields are what a tap's reader asked for. Must not: know
 * connections or the bus.
 */
#include "ipc/filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#define NUMBER_BYTES 40 /* a double of 17 digits with sign, point and exponent */

struct term {
    char *path;
    char *pattern;
    size_t pattern_len;
    bool literal; /* no wildcard: compared byte by byte */
};

struct tc_filter {
    char *text; /* the field at hand, ended for fnmatch(3) */
    size_t text_cap;
    size_t count;
    struct term terms[TC_FILTER_TERMS_MAX];
};

/* The text that a value compares as; false for what has none. `number` is where to put it
 * if the value holds none itself. */
static bool value_text(const struct tocsin_value *v, char number[NUMBER_BYTES],
                       struct tocsin_str *ret_text)
{
    ret_text->ptr = number;
    switch (v->type) {
    case TOCSIN_STR:
    case TOCSIN_BIN:
        ret_text->ptr = v->ptr;
        ret_text->len = v->len;
        return true;
    case TOCSIN_BOOL:
        snprintf(number, NUMBER_BYTES, "%s", v->b ? "true" : "false");
        break;
    case TOCSIN_UINT:
        snprintf(number, NUMBER_BYTES, "%" PRIu64, v->u);
        break;
    case TOCSIN_INT:
        snprintf(number, NUMBER_BYTES, "%" PRId64, v->i);
        break;
    case TOCSIN_DOUBLE:
        snprintf(number, NUMBER_BYTES, "%.15g", v->d);
        break;
    default:
        return false;
    }
    ret_text->len = strlen(number);
    return true;
}

static bool keepable(const struct tocsin_str *text)
{
    return text->len <= TC_FILTER_TEXT_MAX && !memchr(text->ptr, '\0', text->len);
}

static int add_term(struct tc_filter *filter, const struct tocsin_value *key,
                    const struct tocsin_value *value, char why[256])
{
    struct term *term = &filter->terms[filter->count];
    struct tocsin_str path = {key->ptr, key->len}, pattern;
    char number[NUMBER_BYTES];

    if (filter->count == TC_FILTER_TERMS_MAX) {
        snprintf(why, 256, "a filter has at most %d terms", TC_FILTER_TERMS_MAX);
        return -EINVAL;
    }
    if (key->type != TOCSIN_STR || !key->len || !keepable(&path)) {
        snprintf(why, 256, "a filter's keys are names of fields, such as process.name");
        return -EINVAL;
    }
    if (!value_text(value, number, &pattern) || !keepable(&pattern)) {
        snprintf(why, 256,
                 "filter %.*s: give text, a number or a boolean, at most %d "
                 "bytes of it",
                 (int)(path.len < 100 ? path.len : 100), path.ptr, TC_FILTER_TEXT_MAX);
        return -EINVAL;
    }
    filter->count++;
    term->path = strndup(path.ptr, path.len);
    term->pattern = strndup(pattern.ptr, pattern.len);
    if (!term->path || !term->pattern)
        return -ENOMEM;
    term->pattern_len = pattern.len;
    term->literal = !strpbrk(term->pattern, "*?[\\");
    return 0;
}

int tc_filter_new(const struct tocsin_value *map, struct tc_filter **ret_filter,
                  char why[256])
{
    struct tocsin_value key, value;
    struct tc_filter *filter;
    struct tocsin_iter it;
    int r = 0;

    if (map->type != TOCSIN_MAP) {
        snprintf(why, 256, "a filter is a map of fields to patterns");
        return -EINVAL;
    }
    filter = calloc(1, sizeof(*filter));
    if (!filter)
        return -ENOMEM;
    tocsin_iter_init(&it, map);
    while (!r && tocsin_iter_next(&it, &key, &value))
        r = add_term(filter, &key, &value, why);
    if (r)
        tc_filter_free(filter);
    else
        *ret_filter = filter;
    return r;
}

void tc_filter_free(struct tc_filter *filter)
{
    if (!filter)
        return;
    for (size_t i = 0; i < filter->count; i++) {
        free(filter->terms[i].path);
        free(filter->terms[i].pattern);
    }
    free(filter->text);
    free(filter);
}

/* The text as a string; NULL when it holds a NUL, which no pattern matches, or when out
 * of memory. */
static const char *ended(struct tc_filter *filter, const struct tocsin_str *text)
{
    char *grown;

    if (memchr(text->ptr, '\0', text->len))
        return NULL;
    if (filter->text_cap <= text->len) {
        grown = realloc(filter->text, text->len + 1);
        if (!grown)
            return NULL;
        filter->text = grown;
        filter->text_cap = text->len + 1;
    }
    memcpy(filter->text, text->ptr, text->len);
    filter->text[text->len] = '\0';
    return filter->text;
}

static bool term_match(struct tc_filter *filter, const struct term *term,
                       const void *data, size_t len)
{
    char number[NUMBER_BYTES];
    struct tocsin_value value;
    struct tocsin_str text;
    const char *string;

    if (!tocsin_find(data, len, term->path, &value) || !value_text(&value, number, &text))
        return false;
    if (term->literal)
        return text.len == term->pattern_len &&
               !memcmp(text.ptr, term->pattern, text.len);
    string = ended(filter, &text);
    return string && !fnmatch(term->pattern, string, 0);
}

bool tc_filter_match(struct tc_filter *filter, const void *data, size_t len)
{
    if (!filter)
        return true;
    for (size_t i = 0; i < filter->count; i++)
        if (!term_match(filter, &filter->terms[i], data, len))
            return false;
    return true;
}
