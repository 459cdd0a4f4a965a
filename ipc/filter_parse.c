/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a filter's text, as people write it, and the sentence when it is none. A value
 * ends at a comma, at " and " or " or ", or with the text, so that most need no quotes.
 */
#include "ipc/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/filter_priv.h"
#include "ipc/names.h"

#define SHOWN 80 /* bytes of a text that a sentence shows */

struct parser {
    struct tc_filter *filter;
    const struct tc_names *names;
    const char *at, *end;
    char *why;
};

/* ---- Numbers ---- */

struct unit {
    const char *name;
    long double factor;
    bool duration;
};

static const struct unit units[] = {
    {"", 1, false},
    {"ns", 1, true},
    {"us", 1e3L, true},
    {"ms", 1e6L, true},
    {"s", 1e9L, true},
    {"m", 60e9L, true},
    {"h", 3600e9L, true},
    {"d", 86400e9L, true},
    {"k", 1e3L, false},
    {"M", 1e6L, false},
    {"G", 1e9L, false},
    {"Ki", 1024.0L, false},
    {"Mi", 1048576.0L, false},
    {"Gi", 1073741824.0L, false},
};

bool tc_filter_number(const char *text, size_t len, long double *ret, bool *ret_duration)
{
    size_t i = 0, digits = 0;
    bool minus = len && text[0] == '-';
    long double n = 0, place = 1;

    for (i += minus; i < len && text[i] >= '0' && text[i] <= '9'; i++, digits++)
        n = n * 10 + (text[i] - '0');
    if (digits && i < len && text[i] == '.')
        for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
            place *= 10;
            n = n * 10 + (text[i] - '0');
        }
    n /= place;
    for (size_t u = 0; digits && u < sizeof(units) / sizeof(*units); u++) {
        if (strlen(units[u].name) != len - i ||
            memcmp(units[u].name, text + i, len - i) != 0)
            continue;
        *ret = (minus ? -n : n) * units[u].factor;
        *ret_duration = units[u].duration;
        return true;
    }
    return false;
}

/* Nanoseconds of one unit of a field, by how its name ends. */
static long double unit_of_field(const char *path)
{
    static const struct {
        const char *end;
        long double ns;
    } ends[] = {{"microseconds", 1e3L},
                {"_us", 1e3L},
                {"_ms", 1e6L},
                {"seconds", 1e9L},
                {"_s", 1e9L}};
    size_t n = strlen(path), len;

    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        len = strlen(ends[i].end);
        if (n >= len && !strcmp(path + n - len, ends[i].end))
            return ends[i].ns;
    }
    return 1;
}

int tc_filter_rank(const char *text, size_t len)
{
    static const char *const ranks[] = {"informational", "low", "medium", "high",
                                        "critical"};

    for (int i = 0; i < 5; i++)
        if (strlen(ranks[i]) == len && !memcmp(ranks[i], text, len))
            return i + 1;
    return 0;
}

/* ---- Words ---- */

static int wrong(struct parser *p, const char *what, const char *text, size_t n)
{
    snprintf(p->why, 256, "filter: %s%s%.*s", what, n ? ": " : "",
             (int)(n < SHOWN ? n : SHOWN), text);
    return -EINVAL;
}

/* Whether a blank, the word, and a blank or the end is what comes at `at`. */
static bool is_word(const struct parser *p, const char *at, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(p->end - at) > n && at[0] == ' ' && !memcmp(at + 1, word, n) &&
           (at + n + 1 == p->end || at[n + 1] == ' ');
}

/* Up to what is none, or to a word that ends a value: an empty one stands before it. */
static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && *p->at == ' ' && !is_word(p, p->at, "and") &&
           !is_word(p, p->at, "or"))
        p->at++;
}

/* Takes what stands in quotes, in memory for free(); \ takes the next character as it is.
 */
static int take_quoted(struct parser *p, char **ret, size_t *ret_len)
{
    const char *from = p->at++;
    char *text = malloc((size_t)(p->end - from));
    size_t n = 0;

    if (!text)
        return -ENOMEM;
    for (; p->at < p->end && *p->at != '"'; p->at++) {
        if (*p->at == '\\' && p->at + 1 < p->end)
            p->at++;
        text[n++] = *p->at;
    }
    if (p->at == p->end) {
        free(text);
        return wrong(p, "a quote is not closed", from, (size_t)(p->end - from));
    }
    p->at++;
    text[n] = '\0';
    *ret = text;
    *ret_len = n;
    return 0;
}

/* Whether an operator comes, perhaps behind blanks. */
static bool is_op(const struct parser *p)
{
    const char *at = p->at;

    while (at < p->end && *at == ' ')
        at++;
    return at < p->end && strchr("=!<>", *at);
}

static int take_field(struct parser *p, char **ret)
{
    const char *from = p->at;
    char hint[128] = "";
    size_t n = 0;
    int r;

    if (p->at < p->end && *p->at == '"') {
        r = take_quoted(p, ret, &n);
        if (!r && (!n || strlen(*ret) != n)) {
            free(*ret);
            r = wrong(p, "a field has a name", "", 0);
        }
        return r;
    }
    while (p->at < p->end && !strchr(" =!<>\",", *p->at))
        p->at++;
    n = (size_t)(p->at - from);
    if (!n || memchr(from, '\0', n) || !is_op(p))
        return wrong(p, "it is FIELD=VALUE, as process.name=curl, not", from,
                     (size_t)(p->end - from));
    *ret = strndup(from, n);
    if (!*ret)
        return -ENOMEM;
    if (!p->names || tc_names_know(p->names, *ret))
        return 0;
    tc_names_suggest(p->names, *ret, hint, sizeof(hint));
    snprintf(p->why, 256, "filter: there is no field %.*s%s%s", SHOWN, *ret, hint,
             *hint ? "" : " (one of a plugin's own stands in quotes)");
    free(*ret);
    return -EINVAL;
}

static int take_op(struct parser *p, enum tc_filter_op *ret)
{
    static const struct {
        const char *text;
        enum tc_filter_op op;
    } ops[] = {{"!=", TC_OP_IS_NOT}, {"<=", TC_OP_LE}, {">=", TC_OP_GE},
               {"=", TC_OP_IS},      {"<", TC_OP_LT},  {">", TC_OP_GT}};

    skip_blanks(p);
    for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++) {
        size_t n = strlen(ops[i].text);

        if ((size_t)(p->end - p->at) < n || memcmp(p->at, ops[i].text, n) != 0)
            continue;
        p->at += n;
        *ret = ops[i].op;
        skip_blanks(p);
        return 0;
    }
    return wrong(p, "= != < <= > or >= is missing before", p->at,
                 (size_t)(p->end - p->at));
}

/* Whether what follows a blank looks like another term, which "and" or "or" joins. */
static bool looks_like_term(const struct parser *p, const char *at)
{
    const char *word = at;

    while (at < p->end && !strchr(" =!<>,\"", *at))
        at++;
    return at > word && at < p->end && strchr("=!<>", *at) &&
           (*at != '!' || (at + 1 < p->end && at[1] == '='));
}

/* Takes a value without quotes. */
static int take_bare(struct parser *p, char **ret, size_t *ret_len)
{
    const char *from = p->at;
    size_t n;

    while (p->at < p->end && *p->at != ',' && !is_word(p, p->at, "and") &&
           !is_word(p, p->at, "or")) {
        if (*p->at == ' ' && looks_like_term(p, p->at + 1))
            return wrong(p, "`and` or `or` is missing, or quotes", from,
                         (size_t)(p->end - from));
        p->at += *p->at == '\\' && p->at + 1 < p->end ? 2 : 1;
    }
    n = (size_t)(p->at - from);
    while (n && from[n - 1] == ' ' && (n < 2 || from[n - 2] != '\\'))
        n--;
    if (memchr(from, '\0', n))
        return wrong(p, "a value has no NUL", "", 0);
    *ret = strndup(from, n);
    *ret_len = n;
    return *ret ? 0 : -ENOMEM;
}

/* ---- Terms ---- */

/* What a value is beside its text. */
static int weigh(struct parser *p, const struct tc_filter_term *term,
                 struct tc_filter_value *value)
{
    bool duration = false;

    value->number = tc_filter_number(value->text, value->len, &value->n, &duration);
    if (value->number && duration)
        value->n /= unit_of_field(term->path);
    if (term->op <= TC_OP_IS_NOT)
        return 0;
    value->rank = tc_filter_rank(value->text, value->len);
    if (value->rank)
        value->n = value->rank;
    if (value->rank || value->number)
        return 0;
    return wrong(p, "< and > take a number, as 1ms or 4k, or a severity, not",
                 value->text, value->len);
}

static int take_value(struct parser *p, struct tc_filter_term *term)
{
    struct tc_filter *filter = p->filter;
    struct tc_filter_value *value = &filter->values[filter->value_count];
    bool quoted = p->at < p->end && *p->at == '"';
    int r;

    if (filter->value_count == TC_FILTER_VALUES_MAX)
        return wrong(p, "it has more values than 256", "", 0);
    r = quoted ? take_quoted(p, &value->text, &value->len)
               : take_bare(p, &value->text, &value->len);
    if (r)
        return r;
    filter->value_count++;
    term->count++;
    value->literal = quoted || !strpbrk(value->text, "*?[\\");
    return quoted && term->op <= TC_OP_IS_NOT ? 0 : weigh(p, term, value);
}

static int take_term(struct parser *p, enum tc_filter_place place)
{
    struct tc_filter *filter = p->filter;
    struct tc_filter_term *term = &filter->terms[filter->term_count];
    int r;

    if (filter->term_count == TC_FILTER_TERMS_MAX)
        return wrong(p, "it has more terms than 64", "", 0);
    skip_blanks(p);
    r = take_field(p, &term->path);
    if (r)
        return r;
    filter->term_count++;
    term->place = place;
    term->first = filter->value_count;
    term->count = 0;
    r = take_op(p, &term->op);
    if (!r)
        r = take_value(p, term);
    while (!r && p->at < p->end && *p->at == ',') {
        p->at++;
        skip_blanks(p);
        r = term->op <= TC_OP_IS_NOT ? take_value(p, term)
                                     : wrong(p, "< and > take one value", "", 0);
    }
    return r;
}

static int parse(struct parser *p)
{
    int r = take_term(p, TC_PLACE_FIRST);

    while (!r && p->at < p->end) {
        if (is_word(p, p->at, "and")) {
            p->at += strlen(" and");
            r = take_term(p, TC_PLACE_AND);
        } else if (is_word(p, p->at, "or")) {
            p->at += strlen(" or");
            r = take_term(p, TC_PLACE_OR);
        } else if (*p->at == ' ') {
            p->at++;
        } else {
            r = wrong(p, "`and`, `or` or a comma is missing before", p->at,
                      (size_t)(p->end - p->at));
        }
    }
    return r;
}

int tc_filter_add(struct tc_filter **filter, const char *text, size_t len,
                  const struct tc_names *names, char why[256])
{
    struct parser p = {.names = names, .at = text, .end = text + len, .why = why};
    int r;

    snprintf(why, 256, "out of memory");
    if (len > TC_FILTER_BYTES_MAX) {
        snprintf(why, 256, "filter: it is longer than %d bytes", TC_FILTER_BYTES_MAX);
        return -EINVAL;
    }
    if (!*filter)
        *filter = calloc(1, sizeof(**filter));
    if (!*filter)
        return -ENOMEM;
    p.filter = *filter;
    r = parse(&p);
    return r;
}
