/* SPDX-License-Identifier: Apache-2.0 */
#include "yaml/edit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "yaml/write.h"

/* The text that is changed, and where what is asked for leads in it. */
struct edit {
    const char *text;
    size_t len;
    const struct tc_yaml_node *root;
    const struct tc_yaml_node *parent, *node; /* as far as the path leads */
    const char *const *rest;                  /* of the path, from there */
};

/* `to` bytes are taken out at `from`, and these written there. */
struct splice {
    size_t from, to;
    char *insert; /* malloc'ed */
};

/* ---- values on one line ---- */

/* Before it and behind it; between them the keys of `path`, each in a map of its own. */
static char *write_line(const char *before, const char *const *path,
                        const struct tc_yaml_node *value, const char *after)
{
    char *line = NULL;
    size_t len = 0, open = 0;
    FILE *out = open_memstream(&line, &len);

    if (!out)
        return NULL;
    fputs(before, out);
    for (; path && *path; path++) {
        tc_yaml_write_key(out, *path);
        if (path[1]) {
            fputc('{', out);
            open++;
        }
    }
    tc_yaml_write(out, value);
    while (open--)
        fputc('}', out);
    fputs(after, out);
    if (fclose(out)) {
        free(line);
        return NULL;
    }
    return line;
}

char *tc_yaml_line(const struct tc_yaml_node *node)
{
    return write_line("", NULL, node, "");
}

/* ---- what is the same ---- */

/* Whether all that `a` has beside `key` is in `b`. */
static bool has_the_rest(const struct tc_yaml_node *a, const struct tc_yaml_node *b,
                         const char *key)
{
    for (const struct tc_yaml_node *at = a ? a->first : NULL; at; at = at->next) {
        const struct tc_yaml_node *other =
            at->key && b && b->kind == TC_YAML_MAP ? tc_yaml_get(b, at->key) : NULL;

        if (!at->key || (strcmp(at->key, key) && (!other || !tc_yaml_same(at, other))))
            return false;
    }
    return true;
}

/* Whether two trees differ only in what `path` leads to; NULL: there is nothing. */
static bool same_but(const struct tc_yaml_node *a, const struct tc_yaml_node *b,
                     const char *const *path)
{
    if (!*path)
        return true;
    if (!has_the_rest(a, b, *path) || !has_the_rest(b, a, *path))
        return false;
    return (!a && !b) || same_but(a ? tc_yaml_get(a, *path) : NULL,
                                  b ? tc_yaml_get(b, *path) : NULL, path + 1);
}

/* ---- where things are ---- */

static bool is_alias(const struct edit *e, const struct tc_yaml_node *node)
{
    return node->span.to && e->text[node->span.from] == '*';
}

/* Where a value ends; of one that is not written, where it would begin. */
static size_t end_of(const struct edit *e, const struct tc_yaml_node *node)
{
    const struct tc_yaml_node *last = node->first;
    size_t at = node->key_span.to;

    if (node->kind >= TC_YAML_LIST && !node->flow && last && !is_alias(e, node)) {
        while (last->next)
            last = last->next;
        return end_of(e, last);
    }
    if (node->span.to)
        return node->span.to;
    while (at < e->len && e->text[at] != ':')
        at++;
    return at < e->len ? at + 1 : at;
}

static size_t line_start(const struct edit *e, size_t at)
{
    while (at && e->text[at - 1] != '\n')
        at--;
    return at;
}

/* Behind the last byte of the line, before its newline. */
static size_t line_end(const struct edit *e, size_t at)
{
    while (at < e->len && e->text[at] != '\n')
        at++;
    return at;
}

/* Where a child of a map or list begins, with its key or its hyphen. */
static size_t start_of(const struct edit *e, const struct tc_yaml_node *parent,
                       const struct tc_yaml_node *child)
{
    size_t at = child->key ? child->key_span.from : child->span.from;

    if (parent->kind == TC_YAML_LIST && !parent->flow)
        while (at && e->text[at] != '-')
            at--;
    return at;
}

/* As far as the path leads. -EINVAL: through what is no map. */
static int find(struct edit *e, const char *const *path)
{
    e->node = e->root;
    e->parent = NULL;
    for (e->rest = path; *e->rest; e->rest++) {
        const struct tc_yaml_node *next =
            e->node->kind == TC_YAML_MAP ? tc_yaml_get(e->node, *e->rest) : NULL;

        if (is_alias(e, e->node))
            return -ENOTSUP;
        if (!next)
            return e->node->kind == TC_YAML_TEXT || e->node->kind == TC_YAML_LIST
                       ? -EINVAL
                       : 0;
        e->parent = e->node;
        e->node = next;
    }
    return 0;
}

/* ---- the changes ---- */

static int made(struct splice *ret, size_t from, size_t to, char *insert)
{
    *ret = (struct splice){from, to, insert};
    return insert ? 0 : -ENOMEM;
}

/* Another value where one is, or none yet is written. */
static int replace(const struct edit *e, const char *const *path,
                   const struct tc_yaml_node *value, struct splice *ret)
{
    bool wrap = *path;
    size_t end = end_of(e, e->node);

    if (!e->node->span.to)
        return made(ret, end, end,
                    write_line(wrap ? " {" : " ", path, value, wrap ? "}" : ""));
    return made(ret, e->node->span.from, end,
                write_line(wrap ? "{" : "", path, value, wrap ? "}" : ""));
}

/* One more child of a map or list, behind the last. */
static int append(const struct edit *e, const struct tc_yaml_node *parent,
                  const char *const *path, const struct tc_yaml_node *value,
                  struct splice *ret)
{
    const struct tc_yaml_node *last = parent->first;
    size_t at, indent;
    char *line, before[128];

    while (last && last->next)
        last = last->next;
    if (parent->flow) {
        at = last ? end_of(e, last) : parent->span.from + 1u;
        return made(ret, at, at, write_line(last ? ", " : "", path, value, ""));
    }
    if (!last)
        return -ENOTSUP;
    at = start_of(e, parent, parent->first);
    indent = at - line_start(e, at);
    if (indent > sizeof(before) - 4)
        return -ENOTSUP;
    (void)snprintf(before, sizeof(before), "\n%*s%s", (int)indent, "",
                   parent->kind == TC_YAML_LIST ? "- " : "");
    line = write_line(before, path, value, "");
    at = line_end(e, end_of(e, last));
    return made(ret, at, at, line);
}

/* The root is nothing: all of the file is comments. */
static int begin(const struct edit *e, const char *const *path,
                 const struct tc_yaml_node *value, struct splice *ret)
{
    bool open = e->len && e->text[e->len - 1] != '\n';

    return made(ret, e->len, e->len, write_line(open ? "\n" : "", path, value, "\n"));
}

static int set(const struct edit *e, const struct tc_yaml_node *value, struct splice *ret)
{
    if (!*e->rest || (e->node->kind == TC_YAML_NULL && e->node != e->root))
        return replace(e, e->rest, value, ret);
    if (e->node->kind == TC_YAML_NULL)
        return begin(e, e->rest, value, ret);
    return append(e, e->node, e->rest, value, ret);
}

/* In brackets, with the comma that stood before it, or behind it. */
static void cut_flow(const struct edit *e, const struct tc_yaml_node *parent,
                     const struct tc_yaml_node *child, struct splice *ret)
{
    const struct tc_yaml_node *before = parent->first;

    ret->from = start_of(e, parent, child);
    ret->to = end_of(e, child);
    if (child->next) {
        ret->to = start_of(e, parent, child->next);
    } else if (before != child) {
        while (before->next != child)
            before = before->next;
        ret->from = end_of(e, before);
    }
}

static int cut(const struct edit *e, const struct tc_yaml_node *parent,
               const struct tc_yaml_node *child, struct splice *ret)
{
    size_t start, at = start_of(e, parent, child);

    ret->insert = strdup("");
    if (!ret->insert)
        return -ENOMEM;
    if (parent->flow) {
        cut_flow(e, parent, child, ret);
        return 0;
    }
    start = line_start(e, at);
    while (start < at && e->text[start] == ' ')
        start++;
    if (start < at) /* something else stands before it on its line */
        return -ENOTSUP;
    ret->from = line_start(e, at);
    ret->to = line_end(e, end_of(e, child));
    ret->to += ret->to < e->len;
    return 0;
}

/* What is left of a list is still one, beside its key. */
static int empty_list(const struct edit *e, struct splice *ret)
{
    size_t item = line_start(e, start_of(e, e->node, e->node->first)), from;
    struct tc_yaml_node absent = *e->node;

    absent.kind = TC_YAML_NULL;
    absent.span = (struct tc_yaml_span){0, 0};
    from = end_of(e, &absent);
    ret->from = from;
    ret->to = line_end(e, end_of(e, e->node));
    if (item <= from ||
        asprintf(&ret->insert, " []%.*s", (int)(item - 1 - from), e->text + from) < 0) {
        ret->insert = NULL;
        return item <= from ? -ENOTSUP : -ENOMEM;
    }
    return 0;
}

static const struct tc_yaml_node *find_item(const struct tc_yaml_node *list,
                                            const struct tc_yaml_node *value)
{
    const struct tc_yaml_node *at = list->first;

    while (at && !tc_yaml_same(at, value))
        at = at->next;
    return at;
}

static int change_list(const struct edit *e, enum tc_yaml_change change,
                       const struct tc_yaml_node *value, struct splice *ret)
{
    const struct tc_yaml_node *at;

    if (*e->rest || e->node->kind != TC_YAML_LIST)
        return -ENOENT;
    if (is_alias(e, e->node))
        return -ENOTSUP;
    at = find_item(e->node, value);
    if (change == TC_YAML_ADD)
        return at ? made(ret, 0, 0, strdup("")) : append(e, e->node, NULL, value, ret);
    if (!at)
        return -ENOENT;
    return e->node->flow || e->node->count > 1 ? cut(e, e->node, at, ret)
                                               : empty_list(e, ret);
}

static int plan(struct edit *e, enum tc_yaml_change change, const char *const *path,
                const struct tc_yaml_node *value, struct splice *ret)
{
    int r = find(e, path);

    if (r < 0)
        return r;
    if (change == TC_YAML_SET) {
        if (!*e->rest && tc_yaml_same(e->node, value))
            return made(ret, 0, 0, strdup(""));
        return set(e, value, ret);
    }
    if (change == TC_YAML_UNSET)
        return *e->rest || !e->parent ? made(ret, 0, 0, strdup(""))
                                      : cut(e, e->parent, e->node, ret);
    return change_list(e, change, value, ret);
}

static char *apply(const struct edit *e, const struct splice *splice)
{
    size_t n = strlen(splice->insert), tail = e->len - splice->to;
    char *text = malloc(splice->from + n + tail + 1);

    if (!text)
        return NULL;
    memcpy(text, e->text, splice->from);
    memcpy(text + splice->from, splice->insert, n);
    memcpy(text + splice->from + n, e->text + splice->to, tail);
    text[splice->from + n + tail] = '\0';
    return text;
}

/* Whether `after` is `before` with the item at its end, or without it. */
static bool is_changed_list(const struct tc_yaml_node *before,
                            const struct tc_yaml_node *after, enum tc_yaml_change change,
                            const struct tc_yaml_node *value)
{
    const struct tc_yaml_node *item = find_item(before, value), *b = after->first;

    if (after->kind != TC_YAML_LIST)
        return false;
    for (const struct tc_yaml_node *a = before->first; a; a = a->next) {
        if (change == TC_YAML_REMOVE && a == item)
            continue;
        if (!b || !tc_yaml_same(a, b))
            return false;
        b = b->next;
    }
    if (change == TC_YAML_REMOVE || item)
        return !b;
    return b && !b->next && tc_yaml_same(b, value);
}

/* Whether it reads as what it was but for what `path` leads to, which is as asked for. */
static int check(const struct edit *e, const struct tc_yaml_limits *limits,
                 enum tc_yaml_change change, const char *const *path,
                 const struct tc_yaml_node *value, const char *text)
{
    struct edit after = {.text = text, .len = strlen(text)};
    struct tc_yaml_error error;
    struct tc_yaml *yaml;
    int r = tc_yaml_parse("", text, after.len, limits, &yaml, &error);

    if (r < 0)
        return r == -ENOMEM ? r : -ENOTSUP;
    after.root = yaml->documents;
    r = find(&after, path);
    if (!r && !same_but(e->root, after.root, path))
        r = -ENOTSUP;
    if (!r && change == TC_YAML_SET && (*after.rest || !tc_yaml_same(after.node, value)))
        r = -ENOTSUP;
    if (!r && change == TC_YAML_UNSET && !*after.rest)
        r = -ENOTSUP;
    if (!r && change >= TC_YAML_ADD &&
        (*after.rest || !is_changed_list(e->node, after.node, change, value)))
        r = -ENOTSUP;
    tc_yaml_free(yaml);
    return r;
}

int tc_yaml_edit(const char *text, size_t len, const struct tc_yaml_limits *limits,
                 enum tc_yaml_change change, const char *const *path,
                 const struct tc_yaml_node *value, char **ret_text)
{
    struct edit e = {.text = text, .len = len};
    struct splice splice = {0, 0, NULL};
    struct tc_yaml_error error;
    struct tc_yaml *yaml;
    char *edited = NULL;
    int r = tc_yaml_parse("", text, len, limits, &yaml, &error);

    if (r < 0)
        return r == -ENOMEM ? r : -ENOTSUP;
    e.root = yaml->documents;
    r = plan(&e, change, path, value, &splice);
    if (!r) {
        edited = apply(&e, &splice);
        r = edited ? check(&e, limits, change, path, value, edited) : -ENOMEM;
    }
    if (!r)
        *ret_text = edited;
    else
        free(edited);
    free(splice.insert);
    tc_yaml_free(yaml);
    return r;
}
