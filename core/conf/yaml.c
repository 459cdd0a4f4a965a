/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: see yaml.h. libfyaml reads the text and gives events; the tree is built here, by
 * descent, in memory that is freed as one. libfyaml's own documents are not used: they
 * keep the text, resolve aliases without bound, and let a repeated key pass unplaced.
 */
#include "core/conf/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "core/base/arena.h"

#define NAME_SHOWN_MAX 120 /* of a file's name in a sentence; the end tells more */

struct tc_yaml {
    struct tc_arena arena; /* everything below, and the name */
    const char *name;
    struct tc_yaml_node root;
};

struct anchor {
    const char *name;
    const struct tc_yaml_node *node;
};

struct reader {
    struct tc_yaml *yaml;
    struct fy_diag *diag;
    struct fy_parser *parser;
    struct fy_event *event; /* the one at hand; never NULL while a value is read */
    struct anchor anchors[TC_YAML_ANCHORS_MAX];
    size_t anchor_count;
    char *why;
};

/* What files hold may be any bytes; a sentence is one line of valid UTF-8. */
static void make_printable(char why[256])
{
    size_t len = strlen(why);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)why[i] < ' ' || why[i] == 0x7f)
            why[i] = '?';
    while (len && !tocsin_utf8_valid(why, len))
        why[--len] = '\0';
}

int tc_yaml_refuse(const struct tc_yaml *yaml, struct tc_yaml_place place, char why[256],
                   const char *format, ...)
{
    size_t name_len = strlen(yaml->name);
    bool cut = name_len > NAME_SHOWN_MAX;
    va_list args;
    int len;

    len = snprintf(why, 256, "%s%s:%u:%u: ", cut ? "..." : "",
                   yaml->name + (cut ? name_len - NAME_SHOWN_MAX : 0), place.line,
                   place.column);
    va_start(args, format);
    vsnprintf(why + len, 256 - (size_t)len, format, args);
    va_end(args);
    make_printable(why);
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

/* A value that is not there; from libfyaml 0.8 on it has a mark, and a token of "". */
static bool is_absent(const struct fy_event *event)
{
    size_t len;

    return event->type == FYET_SCALAR && event->scalar.value &&
           fy_token_scalar_style(event->scalar.value) == FYSS_PLAIN &&
           fy_token_get_text(event->scalar.value, &len) && len == 0;
}

/* Where the event at hand begins; `other` when it has nothing in the text. */
static struct tc_yaml_place event_place(const struct reader *r,
                                        struct tc_yaml_place other)
{
    const struct fy_mark *mark = fy_event_start_mark(r->event);
    struct tc_yaml_place place;

    if (!mark || is_absent(r->event))
        return other;
    place.line = (unsigned)mark->line + 1;
    place.column = (unsigned)mark->column + 1;
    if (place.column > 1 && opens_with_sign(r->event))
        place.column--;
    return place;
}

/* -E2BIG comes from the arena: the tree has outgrown its bound. */
static int explain(struct reader *r, struct tc_yaml_place place, int error)
{
    if (error == -E2BIG) {
        tc_yaml_refuse(r->yaml, place, r->why,
                       "with its aliases written out the file needs more than %d MiB: "
                       "shorten it",
                       TC_YAML_TREE_BYTES_MAX >> 20);
        return -EINVAL;
    }
    if (error == -ENOMEM)
        tc_yaml_refuse(r->yaml, place, r->why, "out of memory");
    return error;
}

static int refuse_syntax(struct reader *r)
{
    void *iterator = NULL;
    const struct fy_diag_error *error = fy_diag_errors_iterate(r->diag, &iterator);
    struct tc_yaml_place place = {1, 1};

    if (!error)
        return tc_yaml_refuse(r->yaml, place, r->why, "this is not YAML");
    place.line = error->line > 0 ? (unsigned)error->line : 1;
    place.column = error->column > 0 ? (unsigned)error->column : 1;
    return tc_yaml_refuse(r->yaml, place, r->why, "%s", error->msg);
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

static int token_text(struct reader *r, struct fy_token *token, const char **ret_text)
{
    struct tc_yaml_place place = event_place(r, (struct tc_yaml_place){1, 1});
    const char *text;
    size_t len = 0;

    text = token ? fy_token_get_text(token, &len) : "";
    if (!text)
        return explain(r, place, -ENOMEM);
    if (memchr(text, '\0', len))
        return tc_yaml_refuse(r->yaml, place, r->why, "a text cannot have a NUL in it");
    return explain(r, place, tc_arena_text(&r->yaml->arena, text, len, ret_text));
}

static int check_tag(struct reader *r, struct tc_yaml_place place)
{
    if (!fy_event_get_tag_token(r->event))
        return 0;
    return tc_yaml_refuse(r->yaml, place, r->why,
                          "tags, as in !!str, are not used here: leave it out");
}

static bool is_null(const char *text)
{
    return !*text || !strcmp(text, "~") || !strcmp(text, "null");
}

static int read_scalar(struct reader *r, struct tc_yaml_node *node)
{
    struct fy_token *token = r->event->scalar.value;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    int error;

    /*
     * libfyaml 0.7.12 takes lines that are not indented below the key for part of a
     * block, and would so swallow the keys that follow; nothing here needs a block.
     */
    if (style == FYSS_LITERAL || style == FYSS_FOLDED)
        return tc_yaml_refuse(r->yaml, event_place(r, node->place), r->why,
                              "texts in blocks (| and >) are not used here: put it in "
                              "quotes");
    error = token_text(r, token, &node->text);
    if (error < 0)
        return error;
    node->quoted = style != FYSS_PLAIN;
    node->kind = !node->quoted && is_null(node->text) ? TC_YAML_NULL : TC_YAML_TEXT;
    return 0;
}

static int new_child(struct reader *r, struct tc_yaml_node *parent,
                     struct tc_yaml_node **last, struct tc_yaml_node **ret_child)
{
    struct tc_yaml_node *child;
    void *memory;
    int error = tc_arena_take(&r->yaml->arena, sizeof(*child), &memory);

    if (error < 0)
        return explain(r, event_place(r, parent->place), error);
    child = memory;
    if (*last)
        (*last)->next = child;
    else
        parent->first = child;
    *last = child;
    parent->count++;
    *ret_child = child;
    return 0;
}

/* Copies what is below `from`, whose depth counts from that of the alias. */
static int copy_children(struct reader *r, const struct tc_yaml_node *from,
                         unsigned depth, struct tc_yaml_node *to)
{
    struct tc_yaml_node *last = NULL, *child;
    int error;

    if (from->kind > TC_YAML_TEXT && depth >= TC_YAML_DEPTH_MAX)
        return tc_yaml_refuse(r->yaml, to->place, r->why,
                              "this is nested more than %d deep", TC_YAML_DEPTH_MAX);
    to->first = NULL;
    to->count = 0;
    for (const struct tc_yaml_node *at = from->first; at; at = at->next) {
        error = new_child(r, to, &last, &child);
        if (error < 0)
            return error;
        *child = *at; /* NOLINT(clang-analyzer-core.*): error says that it is set */
        child->next = NULL;
        error = copy_children(r, at, depth + 1, child);
        if (error < 0)
            return error;
    }
    return 0;
}

static int read_alias(struct reader *r, unsigned depth, struct tc_yaml_node *node)
{
    size_t i = r->anchor_count;
    const char *name;
    int error;

    error = token_text(r, r->event->alias.anchor, &name);
    if (error < 0)
        return error;
    while (i > 0 && strcmp(r->anchors[i - 1].name, name))
        i--;
    if (i == 0)
        return tc_yaml_refuse(r->yaml, node->place, r->why,
                              "there is no anchor &%s before this alias", name);
    node->kind = r->anchors[i - 1].node->kind;
    node->quoted = r->anchors[i - 1].node->quoted;
    node->text = r->anchors[i - 1].node->text;
    return copy_children(r, r->anchors[i - 1].node, depth, node);
}

static int read_value(struct reader *r, unsigned depth, struct tc_yaml_node *node);

static int read_list(struct reader *r, unsigned depth, struct tc_yaml_node *list)
{
    struct tc_yaml_node *last = NULL, *item;
    int error;

    list->kind = TC_YAML_LIST;
    while ((error = advance(r)) == 0 && r->event->type != FYET_SEQUENCE_END) {
        error = new_child(r, list, &last, &item);
        if (error < 0)
            return error;
        item->place = event_place(r, list->place);
        error = read_value(r, depth + 1, item);
        if (error < 0)
            return error;
    }
    return error;
}

static int read_key(struct reader *r, struct tc_yaml_node *map,
                    struct tc_yaml_node *child)
{
    struct tc_yaml_place place = event_place(r, map->place);
    struct tc_yaml_node key = {0};
    const struct tc_yaml_node *same;
    int error;

    if (r->event->type != FYET_SCALAR)
        return tc_yaml_refuse(r->yaml, place, r->why, "a key must be a plain text");
    error = check_tag(r, place);
    if (error == 0)
        error = read_scalar(r, &key);
    if (error < 0)
        return error;
    if (key.kind != TC_YAML_TEXT)
        return tc_yaml_refuse(r->yaml, place, r->why, "there is no key before the colon");
    same = tc_yaml_get(map, key.text);
    if (same)
        return tc_yaml_refuse(r->yaml, place, r->why,
                              "the key \"%.64s\" is already at line %u: keep one",
                              key.text, same->key_place.line);
    child->key = key.text;
    child->key_place = place;
    child->place = place;
    return 0;
}

static int read_map(struct reader *r, unsigned depth, struct tc_yaml_node *map)
{
    struct tc_yaml_node *last = NULL, *child;
    int error;

    map->kind = TC_YAML_MAP;
    while ((error = advance(r)) == 0 && r->event->type != FYET_MAPPING_END) {
        if (map->count == TC_YAML_KEYS_MAX)
            return tc_yaml_refuse(r->yaml, event_place(r, map->place), r->why,
                                  "this map has more than %d keys", TC_YAML_KEYS_MAX);
        error = new_child(r, map, &last, &child);
        if (error == 0)
            error = read_key(r, map, child);
        if (error == 0)
            error = advance(r);
        if (error < 0)
            return error;
        child->place = event_place(r, child->key_place);
        error = read_value(r, depth + 1, child);
        if (error < 0)
            return error;
    }
    return error;
}

static int add_anchor(struct reader *r, const char *name, const struct tc_yaml_node *node)
{
    if (r->anchor_count == TC_YAML_ANCHORS_MAX)
        return tc_yaml_refuse(r->yaml, node->place, r->why,
                              "there are more than %d anchors", TC_YAML_ANCHORS_MAX);
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

    if (error == 0 && nests && depth >= TC_YAML_DEPTH_MAX)
        error = tc_yaml_refuse(r->yaml, node->place, r->why,
                               "this is nested more than %d deep", TC_YAML_DEPTH_MAX);
    if (error == 0 && anchor && r->event->type != FYET_ALIAS)
        error = token_text(r, anchor, &name);
    if (error < 0)
        return error;
    if (r->event->type == FYET_ALIAS)
        error = read_alias(r, depth, node);
    else if (r->event->type == FYET_SEQUENCE_START)
        error = read_list(r, depth, node);
    else if (r->event->type == FYET_MAPPING_START)
        error = read_map(r, depth, node);
    else if (r->event->type == FYET_SCALAR)
        error = read_scalar(r, node);
    else
        error = tc_yaml_refuse(r->yaml, node->place, r->why, "a value is missing here");
    /* Only now: an alias to what it is itself part of finds nothing. */
    return error == 0 && name ? add_anchor(r, name, node) : error;
}

static int read_stream(struct reader *r)
{
    int error = advance(r); /* to the start of the stream */

    if (error == 0)
        error = advance(r);
    if (error < 0 || r->event->type == FYET_STREAM_END)
        return error;
    error = advance(r); /* past the start of the document */
    if (error < 0)
        return error;
    r->yaml->root.place = event_place(r, r->yaml->root.place);
    error = read_value(r, 0, &r->yaml->root);
    if (error == 0)
        error = advance(r); /* to the end of the document */
    if (error == 0)
        error = advance(r);
    if (error == 0 && r->event->type != FYET_STREAM_END)
        error = tc_yaml_refuse(r->yaml, event_place(r, r->yaml->root.place), r->why,
                               "a second document begins here: one file holds one");
    return error;
}

/*
 * libfyaml stops at the first NUL or wrong byte as if the text ended there, and would so
 * ignore the rest in silence.
 */
static int check_bytes(const struct tc_yaml *yaml, const char *text, size_t len,
                       char why[256])
{
    struct tc_yaml_place place = {1, 1};
    size_t line_start = 0;

    if (len > TC_YAML_TEXT_BYTES_MAX)
        return tc_yaml_refuse(yaml, place, why, "the file is larger than %d MiB",
                              TC_YAML_TEXT_BYTES_MAX >> 20);
    for (size_t i = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char)text[i] : '\n';

        place.column = (unsigned)(i - line_start) + 1;
        if ((c < ' ' && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
            return tc_yaml_refuse(yaml, place, why,
                                  "the byte 0x%02x cannot be in a YAML file", c);
        if (c != '\n')
            continue;
        if (!tocsin_utf8_valid(text + line_start, i - line_start)) {
            place.column = 1;
            return tc_yaml_refuse(yaml, place, why, "this line is not valid UTF-8");
        }
        place.line++;
        line_start = i + 1;
    }
    return 0;
}

static int parse(struct tc_yaml *yaml, const char *text, size_t len, char why[256])
{
    struct fy_diag_cfg diag_cfg;
    struct fy_parse_cfg cfg = {
        .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE,
    };
    struct reader reader = {.yaml = yaml, .why = why};
    int error = -ENOMEM;

    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.level = FYET_ERROR;
    reader.diag = fy_diag_create(&diag_cfg);
    if (!reader.diag)
        goto out;
    fy_diag_set_collect_errors(reader.diag, true);
    cfg.diag = reader.diag;
    reader.parser = fy_parser_create(&cfg);
    if (!reader.parser || fy_parser_set_string(reader.parser, text, len) != 0)
        goto out;
    error = read_stream(&reader);

out:
    fy_parser_event_free(reader.parser, reader.event);
    fy_parser_destroy(reader.parser);
    fy_diag_destroy(reader.diag);
    return error;
}

int tc_yaml_parse(const char *name, const char *text, size_t len,
                  struct tc_yaml **ret_yaml, char why[256])
{
    struct tc_yaml *yaml = calloc(1, sizeof(*yaml));
    int error = -ENOMEM;

    why[0] = '\0';
    if (!yaml)
        goto out;
    tc_arena_init(&yaml->arena, TC_YAML_TREE_BYTES_MAX);
    yaml->root.place = (struct tc_yaml_place){1, 1};
    error = tc_arena_text(&yaml->arena, name, strlen(name), &yaml->name);
    if (error < 0)
        goto out;
    error = check_bytes(yaml, text, len, why);
    if (error == 0)
        error = parse(yaml, text, len, why);
    if (error < 0)
        goto out;
    *ret_yaml = yaml;
    yaml = NULL;

out:
    if (error == -ENOMEM && !why[0])
        snprintf(why, 256, "%.200s:1:1: out of memory", name);
    tc_yaml_free(yaml);
    return error;
}

void tc_yaml_free(struct tc_yaml *yaml)
{
    if (!yaml)
        return;
    tc_arena_done(&yaml->arena);
    free(yaml);
}

const char *tc_yaml_name(const struct tc_yaml *yaml)
{
    return yaml->name;
}

const struct tc_yaml_node *tc_yaml_root(const struct tc_yaml *yaml)
{
    return &yaml->root;
}

const struct tc_yaml_node *tc_yaml_get(const struct tc_yaml_node *map, const char *key)
{
    for (const struct tc_yaml_node *at = map->first; at; at = at->next)
        if (at->key && !strcmp(at->key, key))
            return at;
    return NULL;
}
