/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whether an event is what a filter asks for. Must not: read a filter's text
 * (filter_parse.c), know connections or the bus.
 */
#include "ipc/filter.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/filter_priv.h"

#define NUMBER_BYTES 40 /* a double of 17 digits with sign, point and exponent */

void tc_filter_free(struct tc_filter *filter)
{
    if (!filter)
        return;
    for (size_t i = 0; i < filter->term_count; i++)
        free(filter->terms[i].path);
    for (size_t i = 0; i < filter->value_count; i++)
        free(filter->values[i].text);
    free(filter->text);
    free(filter);
}

/* ---- One value of an event ---- */

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

/* As a number; of a severity its rank. False when it is neither. */
static bool value_number(const struct tocsin_value *v, bool rank, long double *ret)
{
    int n;

    switch (v->type) {
    case TOCSIN_UINT:
        *ret = v->u;
        return !rank;
    case TOCSIN_INT:
        *ret = v->i;
        return !rank;
    case TOCSIN_DOUBLE:
        *ret = (long double)v->d;
        return !rank;
    case TOCSIN_STR:
        n = rank ? tc_filter_rank(v->ptr, v->len) : 0;
        *ret = n;
        return n > 0;
    default:
        return false;
    }
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

static bool is(struct tc_filter *filter, const struct tc_filter_value *wanted,
               const struct tocsin_value *v)
{
    char number[NUMBER_BYTES];
    struct tocsin_str text;
    const char *string;
    long double n;

    if (wanted->number && value_number(v, false, &n))
        return n == wanted->n;
    if (!value_text(v, number, &text))
        return false;
    if (wanted->literal)
        return text.len == wanted->len && !memcmp(text.ptr, wanted->text, text.len);
    string = ended(filter, &text);
    return string && !fnmatch(wanted->text, string, 0);
}

static bool compares(const struct tc_filter_term *term,
                     const struct tc_filter_value *wanted, const struct tocsin_value *v)
{
    long double n;

    if (!value_number(v, wanted->rank > 0, &n))
        return false;
    switch (term->op) {
    case TC_OP_LT:
        return n < wanted->n;
    case TC_OP_LE:
        return n <= wanted->n;
    case TC_OP_GT:
        return n > wanted->n;
    default:
        return n >= wanted->n;
    }
}

/* Whether one value of a field is one of those that the term names. */
static bool one_of(struct tc_filter *filter, const struct tc_filter_term *term,
                   const struct tocsin_value *v)
{
    for (size_t i = 0; i < term->count; i++) {
        const struct tc_filter_value *wanted = &filter->values[term->first + i];

        if (term->op <= TC_OP_IS_NOT ? is(filter, wanted, v) : compares(term, wanted, v))
            return true;
    }
    return false;
}

/* ---- The field ---- */

/* The member of a map by the first word of the path. */
static bool member(const struct tocsin_value *map, const char *path, size_t n,
                   struct tocsin_value *ret)
{
    struct tocsin_value key;
    struct tocsin_iter it;

    tocsin_iter_init(&it, map);
    while (tocsin_iter_next(&it, &key, ret))
        if (key.type == TOCSIN_STR && key.len == n && !memcmp(key.ptr, path, n))
            return true;
    return false;
}

/* Whether what stands at the rest of the path is one of those that the term names; of a
 * list, whether an entry is. *ret_found: there is something that has a text. */
static bool holds_at(struct tc_filter *filter, const struct tc_filter_term *term,
                     const struct tocsin_value *v, const char *path, unsigned depth,
                     bool *ret_found)
{
    struct tocsin_value inner;
    struct tocsin_iter it;
    size_t n;

    if (depth > TOCSIN_EVENT_MAX_DEPTH)
        return false;
    if (v->type == TOCSIN_ARRAY) {
        tocsin_iter_init(&it, v);
        while (tocsin_iter_next(&it, NULL, &inner))
            if (holds_at(filter, term, &inner, path, depth + 1, ret_found))
                return true;
        return false;
    }
    if (!*path) {
        *ret_found = *ret_found || v->type != TOCSIN_MAP;
        return one_of(filter, term, v);
    }
    n = strcspn(path, ".");
    if (v->type != TOCSIN_MAP || !member(v, path, n, &inner))
        return false;
    path += n;
    return holds_at(filter, term, &inner, path + (*path == '.'), depth + 1, ret_found);
}

/* What an event says besides its map. */
static bool beside(const struct tc_filter_event *event, const char *path,
                   struct tocsin_value *ret)
{
    const struct {
        const char *name;
        struct tocsin_str text;
        uint64_t number;
    } all[] = {
        {"topic", event->topic, 0},
        {"source", event->source, 0},
        {"id", {NULL, 0}, event->id},
        {"reply_to", {NULL, 0}, event->reply_to},
        {TOCSIN_FIELD_TIMESTAMP, {NULL, 0}, event->time_ns},
    };

    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (strcmp(all[i].name, path) != 0)
            continue;
        ret->type = all[i].text.ptr ? TOCSIN_STR : TOCSIN_UINT;
        ret->ptr = all[i].text.ptr;
        ret->len = all[i].text.len;
        if (!ret->ptr)
            ret->u = all[i].number;
        return ret->ptr || all[i].number;
    }
    return false;
}

static bool holds(struct tc_filter *filter, const struct tc_filter_term *term,
                  const struct tc_filter_event *event)
{
    const uint8_t *data = event->data;
    struct tocsin_value v;
    bool found = false, one = false;

    if (event->len && tocsin_read(data, data + event->len, &v))
        one = holds_at(filter, term, &v, term->path, 0, &found);
    if (!found && beside(event, term->path, &v))
        one = one_of(filter, term, &v);
    return one != (term->op == TC_OP_IS_NOT);
}

bool tc_filter_match(struct tc_filter *filter, const struct tc_filter_event *event)
{
    /* `alternative`: the terms joined by "and" so far; `text`: one of those before. */
    bool alternative = true, text = false;

    for (size_t i = 0; filter && i < filter->term_count; i++) {
        const struct tc_filter_term *term = &filter->terms[i];

        if (term->place == TC_PLACE_FIRST) {
            if (i && !text && !alternative)
                return false;
            text = false;
            alternative = true;
        } else if (term->place == TC_PLACE_OR) {
            text = text || alternative;
            alternative = true;
        }
        if (alternative && !text)
            alternative = holds(filter, term, event);
    }
    return text || alternative;
}
