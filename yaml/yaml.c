/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see tree.h. libfyaml reads the text and gives events; the trees are built here,
 * by descent. Its own documents are not used: they resolve aliases without bound, and let
 * a repeated key pass.
 */
#include "yaml/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <tocsin/event.h>

#include "yaml/quoted.h"

struct anchor {
    const char *name;
    const struct tc_node *node;
};

struct reader {
    struct tc_tree *tree;
    const char *text;
    size_t len;
    struct fy_diag *diag;
    struct fy_parser *parser;
    struct fy_event *event; /* the one at hand */
    struct anchor anchors[TC_TREE_ANCHORS_MAX];
    size_t anchor_count, nodes;
    struct tc_mistake *mistake;
};

int tc_refuse(struct tc_mistake *mistake, struct tc_place place, const char *format, ...)
{
    va_list args;
    size_t len;

    va_start(args, format);
    vsnprintf(mistake->why, sizeof(mistake->why), format, args);
    va_end(args);
    mistake->place = place;
    len = strlen(mistake->why);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)mistake->why[i] < ' ' || mistake->why[i] == 0x7f)
            mistake->why[i] = '?';
    while (len && !tocsin_utf8_valid(mistake->why, len))
        mistake->why[--len] = '\0';
    return -EINVAL;
}

/* libfyaml's marks are after the quote or the asterisk that opens a value. */
static bool opens_with_sign(const struct fy_event *event)
{
    enum fy_scalar_style style;

    if (event->type == FYET_ALIAS)
        return true;
    if (event->type != FYET_SCALAR || !event->scalar.value)
        return false;
    style = fy_token_scalar_style(event->scalar.value);
    return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

/* Where the event at hand begins; `other` when it has nothing in the text. */
static struct tc_place event_place(const struct reader *r, struct tc_place other)
{
    const struct fy_mark *mark = fy_event_start_mark(r->event);
    struct tc_place place;

    if (!mark)
        return other;
    place.line = (unsigned)mark->line + 1;
    place.column = (unsigned)mark->column + 1;
    if (place.column > 1 && opens_with_sign(r->event))
        place.column--;
    return place;
}

static int refuse_syntax(struct reader *r)
{
    void *iterator = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(r->diag, &iterator);
    struct tc_place place = {1, 1};

    if (!error)
        return tc_refuse(r->mistake, place, "this is not YAML");
    place.line = error->line > 0 ? (unsigned)error->line : 1;
    place.column = error->column > 0 ? (unsigned)error->column : 1;
    return tc_refuse(r->mistake, place, "%s", error->msg);
}

/* Makes the next event the one at hand. */
static int advance(struct reader *r)
{
    fy_parser_event_free(r->parser, r->event);
    r->event = fy_parser_parse(r->parser);
    if (!r->event || fy_parser_get_stream_error(r->parser))
        return refuse_syntax(r);
    return 0;
}

static int out_of_memory(struct reader *r)
{
    struct tc_place place = event_place(r, (struct tc_place){1, 1});

    if (r->tree->arena.limit - r->tree->arena.used < TC_TREE_BYTES_MAX / 2)
        return tc_refuse(r->mistake, place,
                         "reading the file needs more than %d MiB: shorten it",
                         TC_TREE_BYTES_MAX >> 20);
    return -ENOMEM;
}

/* The token's text; NULL: no memory. */
static const char *read_token(struct reader *r, struct fy_token *token, size_t *ret_len)
{
    const struct fy_mark *start = fy_token_start_mark(token);
    const struct fy_mark *end = fy_token_end_mark(token);

    if (start && end && start->input_pos <= end->input_pos && end->input_pos <= r->len &&
        fy_token_scalar_style(token) == FYSS_SINGLE_QUOTED &&
        tc_quoted_is_misread(r->text + start->input_pos,
                             end->input_pos - start->input_pos))
        return tc_quoted_text(&r->tree->arena, r->text + start->input_pos,
                              end->input_pos - start->input_pos, ret_len);
    return fy_token_get_text(token, ret_len);
}

static int token_text(struct reader *r, struct fy_token *token, const char **ret_text)
{
    struct tc_place place = event_place(r, (struct tc_place){1, 1});
    const char *text, *copy;
    size_t len = 0;

    text = token ? read_token(r, token, &len) : "";
    if (!text)
        return out_of_memory(r);
    if (memchr(text, '\0', len))
        return tc_refuse(r->mistake, place, "a text cannot have a NUL in it");
    copy = tc_arena_text(&r->tree->arena, text, len);
    if (!copy)
        return out_of_memory(r);
    *ret_text = copy;
    return 0;
}

static bool is_null(const char *text)
{
    return !*text || !strcmp(text, "~") || !strcmp(text, "null") ||
           !strcmp(text, "Null") || !strcmp(text, "NULL");
}

/* Refuses a block that swallows a key: findings/libfyaml_block_swallows_key.sh */
static int check_block(struct reader *r, struct tc_place place, unsigned indent)
{
    const struct fy_mark *end = fy_event_end_mark(r->event);
    size_t stop = end && end->input_pos < r->len ? end->input_pos : r->len, at = 0;
    unsigned line = 1;

    while (at < stop) {
        size_t blanks = strspn(r->text + at, " ");
        const char *newline = memchr(r->text + at, '\n', r->len - at);
        char c = at + blanks < r->len ? r->text[at + blanks] : '\n';

        if (line > place.line && blanks < indent && at + blanks < stop && c != '\n' &&
            c != '\r')
            return tc_refuse(r->mistake, (struct tc_place){line, 1},
                             "this line is not indented below the block's key");
        if (!newline)
            break;
        at = (size_t)(newline - r->text) + 1;
        line++;
    }
    return 0;
}

static int read_scalar(struct reader *r, struct tc_node *node)
{
    struct fy_token *token = r->event->scalar.value;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    int error = 0;

    if (style == FYSS_LITERAL || style == FYSS_FOLDED)
        error = check_block(r, node->key ? node->key_place : node->place,
                            node->key ? node->key_place.column : 1);
    if (error == 0)
        error = token_text(r, token, &node->text);
    if (error < 0)
        return error;
    node->quoted = style != FYSS_PLAIN;
    node->kind =
        !node->quoted && node->text && is_null(node->text) ? TC_TREE_NULL : TC_TREE_TEXT;
    return 0;
}

/* Counts nodes against the bound, those behind an alias as often as they are used. */
static int count_nodes(struct reader *r, struct tc_place place, size_t n)
{
    if (n > TC_TREE_NODES_MAX - r->nodes)
        return tc_refuse(r->mistake, place,
                         "with its aliases written out the file has more than %d values: "
                         "split it",
                         TC_TREE_NODES_MAX);
    r->nodes += n;
    return 0;
}

static int new_child(struct reader *r, struct tc_node *parent, struct tc_node **last,
                     struct tc_node **ret_child)
{
    struct tc_node *child;
    int error = count_nodes(r, event_place(r, parent->place), 1);

    if (error < 0)
        return error;
    child = tc_arena_take(&r->tree->arena, sizeof(*child));
    if (!child)
        return out_of_memory(r);
    child->weight = 1;
    if (*last)
        (*last)->next = child;
    else
        parent->first = child;
    *last = child;
    parent->count++;
    *ret_child = child;
    return 0;
}

/* What the anchor has is shared, not copied; its depth was checked where it stands. */
static int read_alias(struct reader *r, struct tc_node *node)
{
    const struct tc_node *from;
    size_t i = r->anchor_count;
    const char *name = NULL;
    int error = token_text(r, r->event->alias.anchor, &name);

    if (error < 0 || !name)
        return error;
    while (i > 0 && strcmp(r->anchors[i - 1].name, name))
        i--;
    if (i == 0)
        return tc_refuse(r->mistake, node->place,
                         "there is no anchor &%.64s before this alias", name);
    from = r->anchors[i - 1].node;
    node->kind = from->kind;
    node->quoted = from->quoted;
    node->text = from->text;
    node->count = from->count;
    node->first = from->first;
    node->weight = from->weight;
    return count_nodes(r, node->place, from->weight);
}

static int read_value(struct reader *r, unsigned depth, struct tc_node *node);

static int read_list(struct reader *r, unsigned depth, struct tc_node *list)
{
    struct tc_node *last = NULL, *item = NULL;
    int error;

    list->kind = TC_TREE_LIST;
    while ((error = advance(r)) == 0 && r->event->type != FYET_SEQUENCE_END) {
        error = new_child(r, list, &last, &item);
        if (error < 0 || !item)
            return error;
        item->place = event_place(r, list->place);
        error = read_value(r, depth + 1, item);
        if (error < 0)
            return error;
        list->weight += item->weight;
    }
    return error;
}

static int read_key(struct reader *r, const struct tc_node *map, struct tc_node *child)
{
    struct tc_place place = event_place(r, map->place);
    struct tc_node key = {.place = place};
    const struct tc_node *same;
    int error;

    if (r->event->type != FYET_SCALAR)
        return tc_refuse(r->mistake, place, "a key must be a plain text");
    error = read_scalar(r, &key);
    if (error < 0)
        return error;
    if (key.kind != TC_TREE_TEXT)
        return tc_refuse(r->mistake, place, "there is no key before the colon");
    same = tc_tree_get(map, key.text);
    if (same)
        return tc_refuse(r->mistake, place,
                         "the key \"%.64s\" is already at line %u: keep one", key.text,
                         same->key_place.line);
    child->key = key.text;
    child->key_place = place;
    child->place = place;
    return 0;
}

static int read_map(struct reader *r, unsigned depth, struct tc_node *map)
{
    struct tc_node *last = NULL, *child = NULL;
    int error;

    map->kind = TC_TREE_MAP;
    while ((error = advance(r)) == 0 && r->event->type != FYET_MAPPING_END) {
        if (map->count == TC_TREE_KEYS_MAX)
            return tc_refuse(r->mistake, event_place(r, map->place),
                             "this map has more than %d keys: split the rule",
                             TC_TREE_KEYS_MAX);
        error = new_child(r, map, &last, &child);
        if (error == 0 && child)
            error = read_key(r, map, child);
        if (error == 0)
            error = advance(r);
        if (error < 0 || !child)
            return error;
        child->place = event_place(r, child->key_place);
        error = read_value(r, depth + 1, child);
        if (error < 0)
            return error;
        map->weight += child->weight;
    }
    return error;
}

static int add_anchor(struct reader *r, const char *name, const struct tc_node *node)
{
    if (r->anchor_count == TC_TREE_ANCHORS_MAX)
        return tc_refuse(r->mistake, node->place, "there are more than %d anchors",
                         TC_TREE_ANCHORS_MAX);
    r->anchors[r->anchor_count].name = name;
    r->anchors[r->anchor_count++].node = node;
    return 0;
}

/* The value that begins with the event at hand; its last event is at hand afterwards. */
static int read_value(struct reader *r, unsigned depth, struct tc_node *node)
{
    struct fy_token *anchor = fy_event_get_anchor_token(r->event);
    bool nests =
        r->event->type == FYET_SEQUENCE_START || r->event->type == FYET_MAPPING_START;
    const char *name = NULL;
    int error = 0;

    if (fy_event_get_tag_token(r->event))
        error = tc_refuse(r->mistake, node->place,
                          "tags, as in !!str, are not used here: leave it out");
    if (error == 0 && nests && depth >= TC_TREE_DEPTH_MAX)
        error = tc_refuse(r->mistake, node->place, "this is nested more than %d deep",
                          TC_TREE_DEPTH_MAX);
    if (error == 0 && anchor && r->event->type != FYET_ALIAS)
        error = token_text(r, anchor, &name);
    if (error < 0)
        return error;
    if (r->event->type == FYET_ALIAS)
        error = read_alias(r, node);
    else if (r->event->type == FYET_SEQUENCE_START)
        error = read_list(r, depth, node);
    else if (r->event->type == FYET_MAPPING_START)
        error = read_map(r, depth, node);
    else if (r->event->type == FYET_SCALAR)
        error = read_scalar(r, node);
    else
        error = tc_refuse(r->mistake, node->place, "a value is missing here");
    /* Only now: an alias to what it is itself part of finds nothing. */
    return error == 0 && name ? add_anchor(r, name, node) : error;
}

static int read_document(struct reader *r)
{
    struct tc_node *root;
    int error;

    if (r->tree->count == TC_TREE_DOCUMENTS_MAX)
        return tc_refuse(r->mistake, event_place(r, (struct tc_place){1, 1}),
                         "the file has more than %d documents", TC_TREE_DOCUMENTS_MAX);
    root = tc_arena_take(&r->tree->arena, sizeof(*root));
    if (!root)
        return out_of_memory(r);
    root->weight = 1;
    root->place = event_place(r, (struct tc_place){1, 1});
    error = advance(r); /* past the start of the document */
    if (error < 0)
        return error;
    root->place = event_place(r, root->place);
    r->anchor_count = 0;
    error = read_value(r, 0, root);
    if (error == 0)
        error = advance(r); /* to the end of the document */
    if (error == 0)
        r->tree->documents[r->tree->count++] = root;
    return error;
}

static int read_stream(struct reader *r)
{
    int error = advance(r); /* to the start of the stream */

    while (error == 0 && (error = advance(r)) == 0 && r->event->type != FYET_STREAM_END)
        error = read_document(r);
    return error;
}

/*
 * libfyaml stops at the first NUL or wrong byte as if the text ended there, and would so
 * ignore the rest in silence.
 */
static int check_bytes(const char *text, size_t len, struct tc_mistake *mistake)
{
    struct tc_place place = {1, 1};
    size_t line_start = 0;

    for (size_t i = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char)text[i] : '\n';

        place.column = (unsigned)(i - line_start) + 1;
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
            return tc_refuse(mistake, place, "the byte 0x%02x cannot be in a YAML file",
                             c);
        if (c != '\n')
            continue;
        if (!tocsin_utf8_valid(text + line_start, i - line_start)) {
            place.column = 1;
            return tc_refuse(mistake, place, "this line is not valid UTF-8");
        }
        place.line++;
        line_start = i + 1;
    }
    return 0;
}

static int parse(struct reader *r)
{
    struct fy_diag_cfg diag_cfg;
    struct fy_parse_cfg cfg = {
        .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
    };
    int error = -ENOMEM;

    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.level = FYET_ERROR;
    r->diag = fy_diag_create(&diag_cfg);
    if (!r->diag)
        goto out;
    fy_diag_set_collect_errors(r->diag, true);
    cfg.diag = r->diag;
    r->parser = fy_parser_create(&cfg);
    if (!r->parser || fy_parser_set_string(r->parser, r->text, r->len) != 0)
        goto out;
    error = read_stream(r);

out:
    fy_parser_event_free(r->parser, r->event);
    fy_parser_destroy(r->parser);
    fy_diag_destroy(r->diag);
    return error;
}

int tc_tree_parse(const char *text, size_t len, struct tc_tree *ret_tree,
                  struct tc_mistake *mistake)
{
    struct tc_tree tree = {.arena = {.limit = TC_TREE_BYTES_MAX}};
    struct reader reader = {.tree = &tree, .len = len, .mistake = mistake};
    int error = check_bytes(text, len, mistake);

    if (error < 0)
        return error;
    error = -ENOMEM;
    /* A NUL behind it, for the functions of string.h. */
    reader.text = tc_arena_text(&tree.arena, text, len);
    tree.documents =
        tc_arena_take(&tree.arena, TC_TREE_DOCUMENTS_MAX * sizeof(*tree.documents));
    if (reader.text && tree.documents)
        error = len ? parse(&reader) : 0;
    if (error < 0)
        tc_tree_done(&tree);
    else
        *ret_tree = tree;
    return error;
}

void tc_tree_done(struct tc_tree *tree)
{
    tc_arena_done(&tree->arena);
    tree->count = 0;
}

const struct tc_node *tc_tree_get(const struct tc_node *map, const char *key)
{
    for (const struct tc_node *at = map->first; at; at = at->next)
        if (at->key && !strcmp(at->key, key))
            return at;
    return NULL;
}

static struct tc_node *append_copy(struct tc_tree *tree, struct tc_node *map,
                                   struct tc_node *last, const struct tc_node *from)
{
    struct tc_node *copy = tc_arena_take(&tree->arena, sizeof(*copy));

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

const struct tc_node *tc_tree_merge(struct tc_tree *tree, const struct tc_node *under,
                                    const struct tc_node *over)
{
    struct tc_node *map = tc_arena_take(&tree->arena, sizeof(*map)), *last = NULL;
    const struct tc_node *other, *both;

    if (!map)
        return NULL;
    *map = *over;
    map->first = NULL;
    map->count = 0;
    for (const struct tc_node *at = under->first; at; at = at->next) {
        other = tc_tree_get(over, at->key);
        both = other ? other : at;
        if (other && other->kind == TC_TREE_MAP && at->kind == TC_TREE_MAP)
            both = tc_tree_merge(tree, at, other);
        last = both ? append_copy(tree, map, last, both) : NULL;
        if (!last)
            return NULL;
    }
    for (const struct tc_node *at = over->first; at; at = at->next) {
        if (tc_tree_get(under, at->key))
            continue;
        last = append_copy(tree, map, last, at);
        if (!last)
            return NULL;
    }
    return map;
}
