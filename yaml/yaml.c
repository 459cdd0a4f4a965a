/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: reading, of yaml.h; what is asked of a tree is in node.c. libfyaml reads the text
 * and gives events; the trees are built here, by recursive descent, in memory that is
 * freed as one. Its own documents are not used: they keep the text, resolve aliases
 * without bound, and let a repeated key pass.
 */
#include "yaml/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "yaml/place.h"
#include "yaml/quoted.h"

struct anchor {
    const char *name;
    const struct tc_yaml_node *node;
};

struct reader {
    struct tc_yaml *yaml;
    const struct tc_yaml_limits *limits;
    const char *text;
    size_t len;
    struct fy_diag *diag;
    struct fy_parser *parser;
    struct fy_event *event; /* the one at hand; never NULL while a value is read */
    struct anchor anchors[TC_YAML_ANCHORS_MAX];
    size_t anchor_count, nodes;
    struct tc_yaml_error *error;
};

static const struct tc_yaml_place start = {1, 1};

/* Where the event at hand begins; `other` when it has nothing in the text. */
static struct tc_yaml_place event_place(const struct reader *r,
                                        struct tc_yaml_place other)
{
    return tc_yaml_place_of(r->event, other);
}

static int refuse_syntax(struct reader *r)
{
    void *iterator = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(r->diag, &iterator);
    struct tc_yaml_place place;

    if (!error)
        return tc_yaml_refuse(r->error, start, "this is not YAML");
    place.line = error->line > 0 ? (unsigned)error->line : 1;
    place.column = error->column > 0 ? (unsigned)error->column : 1;
    return tc_yaml_refuse(r->error, place, "%s", error->msg);
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

/* Why the arena gave nothing. */
static int refuse_memory(struct reader *r)
{
    bool full = r->yaml->arena.full;

    tc_yaml_refuse(r->error, event_place(r, start), "%s",
                   full ? r->limits->too_large : "out of memory");
    return full ? -EINVAL : -ENOMEM;
}

/* What stands between the token's quotes, if libfyaml misreads it; else NULL. */
static const char *misread(const struct reader *r, struct fy_token *token,
                           size_t *ret_len)
{
    const struct fy_mark *from = fy_token_start_mark(token);
    const struct fy_mark *to = fy_token_end_mark(token);

    if (!from || !to || from->input_pos > to->input_pos || to->input_pos > r->len ||
        fy_token_scalar_style(token) != FYSS_SINGLE_QUOTED)
        return NULL;
    *ret_len = to->input_pos - from->input_pos;
    return tc_quoted_is_misread(r->text + from->input_pos, *ret_len)
               ? r->text + from->input_pos
               : NULL;
}

static int token_text(struct reader *r, struct fy_token *token, const char **ret_text)
{
    struct tc_arena *arena = &r->yaml->arena;
    size_t len = 0;
    const char *raw = token ? misread(r, token, &len) : NULL;
    const char *text = NULL;

    if (raw) {
        text = tc_quoted_text(arena, raw, len);
    } else {
        raw = token ? fy_token_get_text(token, &len) : "";
        if (raw && memchr(raw, '\0', len)) {
            tc_yaml_refuse(r->error, event_place(r, start),
                           "a text cannot have a NUL in it");
            return -EINVAL;
        }
        text = raw ? tc_arena_text(arena, raw, len) : NULL;
    }
    if (!text)
        return refuse_memory(r);
    *ret_text = text;
    return 0;
}

static bool is_null(const struct reader *r, const char *text)
{
    return !*text || !strcmp(text, "~") || !strcmp(text, "null") ||
           (r->limits->null_in_capitals &&
            (!strcmp(text, "Null") || !strcmp(text, "NULL")));
}

/* Refuses a block that swallows a key: findings/libfyaml_block_swallows_key.sh */
static int check_block(struct reader *r, const struct tc_yaml_node *node)
{
    struct tc_yaml_place place = node->key ? node->key_place : node->place;
    size_t indent = node->key ? place.column : 1;
    const struct fy_mark *end = fy_event_end_mark(r->event);
    size_t stop = end && end->input_pos < r->len ? end->input_pos : r->len, at = 0;
    unsigned line = 1;

    if (!r->limits->blocks)
        return tc_yaml_refuse(r->error, event_place(r, node->place),
                              "texts in blocks (| and >) are not used here: put it in "
                              "quotes");
    while (at < stop) {
        const char *newline = memchr(r->text + at, '\n', r->len - at);
        size_t blanks = 0;

        while (at + blanks < stop && r->text[at + blanks] == ' ')
            blanks++;
        if (line > place.line && blanks < indent && at + blanks < stop &&
            r->text[at + blanks] != '\n' && r->text[at + blanks] != '\r')
            return tc_yaml_refuse(r->error, (struct tc_yaml_place){line, 1},
                                  "this line is not indented below the block's key");
        if (!newline)
            break;
        at = (size_t)(newline - r->text) + 1;
        line++;
    }
    return 0;
}

static int read_scalar(struct reader *r, struct tc_yaml_node *node)
{
    struct fy_token *token = r->event->scalar.value;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    int error = 0;

    if (style == FYSS_LITERAL || style == FYSS_FOLDED)
        error = check_block(r, node);
    if (error == 0)
        error = token_text(r, token, &node->text);
    if (error < 0)
        return error;
    node->quoted = style != FYSS_PLAIN;
    node->kind = !node->quoted && is_null(r, node->text) ? TC_YAML_NULL : TC_YAML_TEXT;
    return 0;
}

/* Counts nodes against the bound, those behind an alias as often as they are used. */
static int count_nodes(struct reader *r, struct tc_yaml_place place, size_t n)
{
    if (n > r->limits->nodes - r->nodes)
        return tc_yaml_refuse(r->error, place, "%s", r->limits->too_large);
    r->nodes += n;
    return 0;
}

static int new_child(struct reader *r, struct tc_yaml_node *parent,
                     struct tc_yaml_node **last, struct tc_yaml_node **ret_child)
{
    struct tc_yaml_node *child;
    int error = count_nodes(r, event_place(r, parent->place), 1);

    if (error < 0)
        return error;
    child = tc_arena_take(&r->yaml->arena, sizeof(*child));
    if (!child)
        return refuse_memory(r);
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

static int refuse_depth(struct reader *r, struct tc_yaml_place place)
{
    return tc_yaml_refuse(r->error, place, "this is nested more than %u deep",
                          (unsigned)r->limits->depth);
}

/* What the anchor has is shared, not copied. */
static int read_alias(struct reader *r, unsigned depth, struct tc_yaml_node *node)
{
    const struct tc_yaml_node *from;
    size_t i = r->anchor_count;
    const char *name = NULL;
    int error = token_text(r, r->event->alias.anchor, &name);

    if (error < 0 || !name)
        return error;
    while (i > 0 && strcmp(r->anchors[i - 1].name, name))
        i--;
    if (i == 0)
        return tc_yaml_refuse(r->error, node->place,
                              "there is no anchor &%.64s before this alias", name);
    from = r->anchors[i - 1].node;
    if (depth + from->height > r->limits->depth)
        return refuse_depth(r, node->place);
    node->kind = from->kind;
    node->quoted = from->quoted;
    node->height = from->height;
    node->text = from->text;
    node->count = from->count;
    node->weight = from->weight;
    node->first = from->first;
    return count_nodes(r, node->place, from->weight);
}

/* The parent's measures, of which the child's are part. */
static void measure(struct tc_yaml_node *parent, const struct tc_yaml_node *child)
{
    parent->weight += child->weight;
    if (parent->height <= child->height)
        parent->height = (unsigned short)(child->height + 1);
}

/* The event at hand ends `node`: by a bracket, or with its last child. */
static void end_span(const struct reader *r, struct tc_yaml_node *node)
{
    struct tc_yaml_span end = tc_yaml_span_of(r->event);

    node->flow = node->span.from < r->len && strchr("[{", r->text[node->span.from]) &&
                 r->text[node->span.from];
    node->span.to = node->flow ? end.to : node->span.from;
}

static int read_value(struct reader *r, unsigned depth, struct tc_yaml_node *node);

static int check_tag(struct reader *r, struct tc_yaml_place place)
{
    if (!fy_event_get_tag_token(r->event))
        return 0;
    return tc_yaml_refuse(r->error, place,
                          "tags, as in !!str, are not used here: leave it out");
}

static int read_list(struct reader *r, unsigned depth, struct tc_yaml_node *list)
{
    struct tc_yaml_node *last = NULL, *item = NULL;
    int error;

    list->kind = TC_YAML_LIST;
    list->height = 1;
    while ((error = advance(r)) == 0 && r->event->type != FYET_SEQUENCE_END) {
        error = new_child(r, list, &last, &item);
        if (error < 0 || !item)
            return error;
        item->place = event_place(r, list->place);
        error = read_value(r, depth + 1, item);
        if (error < 0)
            return error;
        measure(list, item);
    }
    if (error == 0)
        end_span(r, list);
    return error;
}

static int read_key(struct reader *r, const struct tc_yaml_node *map,
                    struct tc_yaml_node *child)
{
    struct tc_yaml_place place = event_place(r, map->place);
    struct tc_yaml_node key = {.place = place};
    const struct tc_yaml_node *same;
    int error;

    if (r->event->type != FYET_SCALAR)
        return tc_yaml_refuse(r->error, place, "a key must be a plain text");
    error = check_tag(r, place);
    if (error == 0)
        error = read_scalar(r, &key);
    if (error < 0)
        return error;
    if (key.kind != TC_YAML_TEXT)
        return tc_yaml_refuse(r->error, place, "there is no key before the colon");
    same = tc_yaml_get(map, key.text);
    if (same)
        return tc_yaml_refuse(r->error, place,
                              "the key \"%.64s\" is already at line %u: keep one",
                              key.text, same->key_place.line);
    child->key = key.text;
    child->key_place = place;
    child->key_span = tc_yaml_span_of(r->event);
    child->place = place;
    return 0;
}

static int read_map(struct reader *r, unsigned depth, struct tc_yaml_node *map)
{
    struct tc_yaml_node *last = NULL, *child = NULL;
    int error;

    map->kind = TC_YAML_MAP;
    map->height = 1;
    while ((error = advance(r)) == 0 && r->event->type != FYET_MAPPING_END) {
        if (map->count == TC_YAML_KEYS_MAX)
            return tc_yaml_refuse(r->error, event_place(r, map->place), "%s",
                                  r->limits->too_many_keys);
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
        measure(map, child);
    }
    if (error == 0)
        end_span(r, map);
    return error;
}

static int add_anchor(struct reader *r, const char *name, const struct tc_yaml_node *node)
{
    if (r->anchor_count == TC_YAML_ANCHORS_MAX)
        return tc_yaml_refuse(r->error, node->place, "there are more than %d anchors",
                              TC_YAML_ANCHORS_MAX);
    r->anchors[r->anchor_count].name = name;
    r->anchors[r->anchor_count++].node = node;
    return 0;
}

/* The value that begins with the event at hand; its last event is at hand afterwards. */
static int read_value(struct reader *r, unsigned depth, struct tc_yaml_node *node)
{
    struct fy_token *anchor = fy_event_get_anchor_token(r->event);
    bool nests =
        r->event->type == FYET_SEQUENCE_START || r->event->type == FYET_MAPPING_START;
    const char *name = NULL;
    int error = check_tag(r, node->place);

    if (error == 0 && nests && depth >= r->limits->depth)
        error = refuse_depth(r, node->place);
    if (error == 0 && anchor && r->event->type != FYET_ALIAS)
        error = token_text(r, anchor, &name);
    if (error < 0)
        return error;
    node->span = tc_yaml_span_of(r->event);
    if (r->event->type == FYET_ALIAS)
        error = read_alias(r, depth, node);
    else if (r->event->type == FYET_SEQUENCE_START)
        error = read_list(r, depth, node);
    else if (r->event->type == FYET_MAPPING_START)
        error = read_map(r, depth, node);
    else if (r->event->type == FYET_SCALAR)
        error = read_scalar(r, node);
    else
        error = tc_yaml_refuse(r->error, node->place, "a value is missing here");
    /* Only now: an alias to what it is itself part of finds nothing. */
    return error == 0 && name ? add_anchor(r, name, node) : error;
}

static int read_document(struct reader *r, struct tc_yaml_node *root)
{
    int error = advance(r); /* past the start of the document */

    if (error < 0)
        return error;
    root->place = event_place(r, root->place);
    r->anchor_count = 0;
    error = read_value(r, 0, root);
    return error == 0 ? advance(r) : error; /* to the end of the document */
}

static int refuse_document(struct reader *r, const struct tc_yaml_node *last)
{
    if (r->limits->documents == 1)
        return tc_yaml_refuse(r->error, event_place(r, last->place),
                              "a second document begins here: one file holds one");
    return tc_yaml_refuse(r->error, event_place(r, start),
                          "the file has more than %zu documents", r->limits->documents);
}

/* `root` is the first document's, and all there is of a file without any. */
static int read_stream(struct reader *r, struct tc_yaml_node *root)
{
    size_t count = 0;
    int error = advance(r); /* to the start of the stream */

    while (error == 0 && (error = advance(r)) == 0 && r->event->type != FYET_STREAM_END) {
        if (count++ == r->limits->documents)
            return refuse_document(r, root);
        if (count > 1) {
            struct tc_yaml_node *next = tc_arena_take(&r->yaml->arena, sizeof(*next));

            if (!next)
                return refuse_memory(r);
            *next = (struct tc_yaml_node){.weight = 1};
            root->next = next;
            root = next;
        }
        root->place = event_place(r, start);
        error = read_document(r, root);
    }
    return error;
}

/*
 * libfyaml stops at the first NUL or wrong byte as if the text ended there, and would so
 * ignore the rest in silence.
 */
static int check_bytes(const struct reader *r)
{
    struct tc_yaml_place place = start;
    size_t line_start = 0;

    if (r->len > r->limits->text_bytes)
        return tc_yaml_refuse(r->error, place, "the file is larger than %zu MiB",
                              r->limits->text_bytes >> 20);
    for (size_t i = 0; i <= r->len; i++) {
        unsigned char c = i < r->len ? (unsigned char)r->text[i] : '\n';

        place.column = (unsigned)(i - line_start) + 1;
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
            return tc_yaml_refuse(r->error, place,
                                  "the byte 0x%02x cannot be in a YAML file", c);
        if (c != '\n')
            continue;
        if (!tocsin_utf8_valid(r->text + line_start, i - line_start)) {
            place.column = 1;
            return tc_yaml_refuse(r->error, place, "this line is not valid UTF-8");
        }
        place.line++;
        line_start = i + 1;
    }
    return 0;
}

static int parse(struct reader *r, struct tc_yaml_node *root)
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
    error = read_stream(r, root);

out:
    fy_parser_event_free(r->parser, r->event);
    fy_parser_destroy(r->parser);
    fy_diag_destroy(r->diag);
    return error;
}

int tc_yaml_parse(const char *name, const char *text, size_t len,
                  const struct tc_yaml_limits *limits, struct tc_yaml **ret_yaml,
                  struct tc_yaml_error *error)
{
    struct tc_yaml *yaml = calloc(1, sizeof(*yaml));
    struct reader reader = {
        .yaml = yaml, .limits = limits, .text = text, .len = len, .error = error};
    struct tc_yaml_node *root;
    int r = -ENOMEM;

    tc_yaml_refuse(error, start, "out of memory");
    if (!yaml)
        return r;
    yaml->arena.limit = limits->arena_bytes;
    yaml->name = tc_arena_text(&yaml->arena, name, strlen(name));
    root = tc_arena_take(&yaml->arena, sizeof(*root));
    if (!yaml->name || !root)
        goto out;
    *root = (struct tc_yaml_node){.weight = 1, .place = start};
    yaml->documents = root;
    r = check_bytes(&reader);
    if (r == 0)
        r = parse(&reader, root);
    if (r < 0)
        goto out;
    *ret_yaml = yaml;
    yaml = NULL;

out:
    tc_yaml_free(yaml);
    return r;
}

void tc_yaml_free(struct tc_yaml *yaml)
{
    if (!yaml)
        return;
    tc_arena_done(&yaml->arena);
    free(yaml);
}
