/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: conditions, by recursive descent; or binds least, then and, then not, then `1 of
 * x*`:
 *
 *     or    = and { "or" and }
 *     and   = not { "and" not }
 *     not   = "not" not | "(" or ")" | ("1" | "any" | "all") "of" pattern | selection
 *
 * `not 1 of x*` holds where no selection is named so: people take a rule's filters out
 * and leave its condition. Anything else about no selection is refused.
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "sigma/read/reading.h"

#define CONDITION_BYTES_MAX 65536
#define CONDITION_DEPTH_MAX 64 /* parentheses and nots within each other */

struct parser {
    struct tc_reading *r;
    const struct tc_yaml_node *node;
    const struct tc_selection *selections;
    size_t count;
    const char *at; /* behind the word at hand */
    const char *word;
    size_t len; /* of the word; 0: the end */
    unsigned depth;
    bool negated; /* the word before was not */
};

/* Where the word at hand is; in a text over several lines, where that begins. */
static struct tc_yaml_place word_place(const struct parser *p)
{
    struct tc_yaml_place place = p->node->place;

    if (!memchr(p->node->text, '\n', (size_t)(p->word - p->node->text)))
        place.column += (unsigned)(p->word - p->node->text) + p->node->quoted;
    return place;
}

static void next_word(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
    p->word = p->at;
    if (*p->at == '(' || *p->at == ')' || *p->at == '|')
        p->at++;
    else
        while (*p->at && !isspace((unsigned char)*p->at) && *p->at != '(' &&
               *p->at != ')')
            p->at++;
    p->len = (size_t)(p->at - p->word);
}

static bool word_is(const struct parser *p, const char *text)
{
    return p->len == strlen(text) && !strncasecmp(p->word, text, p->len);
}

static int refuse_word(const struct parser *p, const char *what)
{
    int len = p->len < 64 ? (int)p->len : 64;

    if (!p->len)
        return tc_yaml_refuse(p->r->error, word_place(p),
                              "the condition ends here: %s is missing", what);
    return tc_yaml_refuse(p->r->error, word_place(p), "%s is missing before \"%.*s\"",
                          what, len, p->word);
}

static int or_read(struct parser *p, const struct tc_expr **ret_expr);

/* Whether `1 of pattern` means the selection; names with _ only if the pattern has it. */
static bool meant(const char *pattern, const char *name)
{
    if (!strcmp(pattern, "them"))
        return *name != '_';
    return fnmatch(pattern, name, 0) == 0 && (*name != '_' || *pattern == '_');
}

/* fnmatch(3) knows more signs than *: what is before them is taken as it is. */
static char *glob_of(struct parser *p)
{
    char *pattern = tc_arena_take(p->r->arena, 2 * p->len + 1), *to = pattern;

    for (size_t i = 0; pattern && i < p->len; i++) {
        if (strchr("?[]\\", p->word[i]))
            *to++ = '\\';
        *to++ = p->word[i];
    }
    return pattern;
}

static int of_read(struct parser *p, bool all, const struct tc_expr **ret_expr)
{
    struct tc_exprs list = {0};
    char *pattern;
    int error = 0;

    if (!p->len || strchr("()|", *p->word))
        return refuse_word(p, "a pattern of selections");
    pattern = glob_of(p);
    if (!pattern)
        return -ENOMEM;
    for (size_t i = 0; error == 0 && i < p->count; i++)
        if (meant(pattern, p->selections[i].name))
            error = tc_exprs_add(p->r->set, &list, p->selections[i].expr);
    if (error < 0)
        return error;
    if (!list.count && (all || !p->negated))
        return tc_yaml_refuse(p->r->error, word_place(p),
                              "no selection is named \"%.64s\"", pattern);
    next_word(p);
    return tc_exprs_join(p->r->set, all ? TC_OP_AND : TC_OP_OR, &list, ret_expr);
}

static const struct tc_expr *selection(const struct parser *p)
{
    for (size_t i = 0; i < p->count; i++)
        if (strlen(p->selections[i].name) == p->len &&
            !memcmp(p->selections[i].name, p->word, p->len))
            return p->selections[i].expr;
    return NULL;
}

static bool is_number(const struct parser *p)
{
    for (size_t i = 0; i < p->len; i++)
        if (!isdigit((unsigned char)p->word[i]))
            return false;
    return p->len > 0;
}

/* A selection by its name, or `1 of` and `all of`. */
static int name_read(struct parser *p, const struct tc_expr **ret_expr)
{
    const struct parser before = *p;
    const struct tc_expr *named = selection(p);

    next_word(p);
    if (word_is(p, "of") &&
        (word_is(&before, "1") || word_is(&before, "any") || word_is(&before, "all"))) {
        next_word(p);
        return of_read(p, word_is(&before, "all"), ret_expr);
    }
    if (word_is(p, "of") && is_number(&before))
        return tc_yaml_refuse(p->r->error, word_place(&before),
                              "Sigma has 1 of and all of only");
    if (word_is(p, "near") || word_is(&before, "near"))
        return tc_yaml_refuse(
            p->r->error, word_place(p),
            "near is of the old aggregations: write a correlation rule");
    if (!named)
        return tc_yaml_refuse(p->r->error, word_place(&before),
                              "there is no selection \"%.*s\"",
                              before.len < 64 ? (int)before.len : 64, before.word);
    *ret_expr = named;
    return 0;
}

static int not_read(struct parser *p, const struct tc_expr **ret_expr)
{
    int error;

    if (p->depth++ == CONDITION_DEPTH_MAX)
        return tc_yaml_refuse(p->r->error, word_place(p),
                              "the condition is nested more than %d deep",
                              CONDITION_DEPTH_MAX);
    if (word_is(p, "not")) {
        next_word(p);
        p->negated = true;
        error = not_read(p, ret_expr);
        p->negated = false;
        if (error == 0)
            error = tc_expr_not(p->r->set, *ret_expr, ret_expr);
    } else if (word_is(p, "(")) {
        p->negated = false;
        next_word(p);
        error = or_read(p, ret_expr);
        if (error == 0 && !word_is(p, ")"))
            error = refuse_word(p, "a closing parenthesis");
        next_word(p);
    } else if (!p->len || word_is(p, ")") || word_is(p, "|") || word_is(p, "and") ||
               word_is(p, "or")) {
        error = refuse_word(p, "a selection");
    } else {
        error = name_read(p, ret_expr);
    }
    p->depth--;
    return error;
}

static int and_read(struct parser *p, const struct tc_expr **ret_expr)
{
    struct tc_exprs list = {0};
    const struct tc_expr *expr = NULL;
    bool more = true;
    int error = 0;

    while (error == 0 && more) {
        error = not_read(p, &expr);
        if (error == 0)
            error = tc_exprs_add(p->r->set, &list, expr);
        more = error == 0 && word_is(p, "and");
        if (more)
            next_word(p);
    }
    return error == 0 ? tc_exprs_join(p->r->set, TC_OP_AND, &list, ret_expr) : error;
}

static int or_read(struct parser *p, const struct tc_expr **ret_expr)
{
    struct tc_exprs list = {0};
    const struct tc_expr *expr = NULL;
    bool more = true;
    int error = 0;

    while (error == 0 && more) {
        error = and_read(p, &expr);
        if (error == 0)
            error = tc_exprs_add(p->r->set, &list, expr);
        more = error == 0 && word_is(p, "or");
        if (more)
            next_word(p);
    }
    return error == 0 ? tc_exprs_join(p->r->set, TC_OP_OR, &list, ret_expr) : error;
}

int tc_condition_read(struct tc_reading *r, const struct tc_yaml_node *text,
                      const struct tc_selection *selections, size_t count,
                      const struct tc_expr **ret_expr)
{
    struct parser p = {.r = r, .node = text, .selections = selections, .count = count};
    int error;

    if (text->kind != TC_YAML_TEXT)
        return tc_yaml_refuse(r->error, text->place, "a condition is a text");
    if (strlen(text->text) > CONDITION_BYTES_MAX)
        return tc_yaml_refuse(r->error, text->place,
                              "the condition has more than 64 KiB");
    p.at = text->text;
    next_word(&p);
    error = or_read(&p, ret_expr);
    if (error == 0 && word_is(&p, "|"))
        return tc_yaml_refuse(
            r->error, word_place(&p),
            "aggregations behind | (count, near, ...) are no longer Sigma: "
            "write a correlation rule");
    if (error == 0 && p.len)
        return refuse_word(&p, "and or or");
    return error;
}
