/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: reading, of yaml.h; what is asked of a tree is in node.c. libfyaml reads the text
 * and gives events; the trees are built here, by recursive descent, in memory that is
 * freed as one. Its own documents are not used: they keep the text, resolve aliases
 * without bound, and let a repeated key pass.
 */
#include "yaml/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tocsin/event.h>

#include "yaml/place.h"
#include "yaml/reader.h"

static const struct tc_yaml_place start = {1, 1};

/* By its address: in quotes it is a key like any other. */
static const char merge_key[] = "<<";

static int refuse_syntax(struct tc_yaml_reader *r)
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
static int advance(struct tc_yaml_reader *r)
{
    fy_parser_event_free(r->parser, r->event);
    r->event = fy_parser_parse(r->parser);
    if (!r->event || fy_parser_get_stream_error(r->parser))
        return refuse_syntax(r);
    return 0;
}

/* Counts nodes against the bound, those behind an alias as often as they are used. */
static int count_nodes(struct tc_yaml_reader *r, struct tc_yaml_place place, size_t n)
{
    if (n > r->limits->nodes - r->nodes)
        return tc_yaml_refuse(r->error, place, "%s", r->limits->too_large);
    r->nodes += n;
    return 0;
}

static int new_node(struct tc_yaml_reader *r, struct tc_yaml_place place,
                    struct tc_yaml_node **ret_node)
{
    int error = count_nodes(r, place, 1);

    if (error < 0)
        return error;
    *ret_node = tc_arena_take(&r->yaml->arena, sizeof(**ret_node));
    if (!*ret_node)
        return tc_yaml_refuse_memory(r);
    (*ret_node)->weight = 1;
    return 0;
}

/* The parent's measures have the child's in them. */
static void append(struct tc_yaml_node *parent, struct tc_yaml_node **last,
                   struct tc_yaml_node *child)
{
    *(*last ? &(*last)->next : &parent->first) = child;
    *last = child;
    parent->count++;
    parent->weight += child->weight;
    if (parent->height <= child->height)
        parent->height = (unsigned short)(child->height + 1);
}

static int refuse_depth(struct tc_yaml_reader *r, struct tc_yaml_place place)
{
    return tc_yaml_refuse(r->error, place, "this is nested more than %u deep",
                          (unsigned)r->limits->depth);
}

/* What the anchor has is shared, not copied. */
static int read_alias(struct tc_yaml_reader *r, unsigned depth, struct tc_yaml_node *node)
{
    const struct tc_yaml_node *from;
    size_t i = r->anchor_count;
    const char *name = NULL;
    int error = tc_yaml_token_text(r, r->event->alias.anchor, &name);

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

/* The event at hand ends `node`: by a bracket, or with its last child. */
static void end_span(const struct tc_yaml_reader *r, struct tc_yaml_node *node)
{
    struct tc_yaml_span end = tc_yaml_span_of(r->event);

    node->flow = node->span.from < r->len && strchr("[{", r->text[node->span.from]) &&
                 r->text[node->span.from];
    node->span.to = node->flow ? end.to : node->span.from;
}

static int read_value(struct tc_yaml_reader *r, unsigned depth,
                      struct tc_yaml_node *node);

static int check_tag(struct tc_yaml_reader *r, struct tc_yaml_place place)
{
    if (!fy_event_get_tag_token(r->event))
        return 0;
    return tc_yaml_refuse(r->error, place,
                          "tags, as in !!str, are not used here: leave it out");
}

static int read_list(struct tc_yaml_reader *r, unsigned depth, struct tc_yaml_node *list)
{
    struct tc_yaml_node *last = NULL, *item = NULL;
    int error;

    list->kind = TC_YAML_LIST;
    list->height = 1;
    while ((error = advance(r)) == 0 && r->event->type != FYET_SEQUENCE_END) {
        error = new_node(r, tc_yaml_place_of(r->event, list->place), &item);
        if (error < 0 || !item)
            return error;
        item->place = tc_yaml_place_of(r->event, list->place);
        error = read_value(r, depth + 1, item);
        if (error < 0)
            return error;
        append(list, &last, item);
    }
    if (error == 0)
        end_span(r, list);
    return error;
}

static int read_key(struct tc_yaml_reader *r, const struct tc_yaml_node *map,
                    const struct tc_yaml_node *merge, struct tc_yaml_node *child)
{
    struct tc_yaml_place place = tc_yaml_place_of(r->event, map->place);
    struct tc_yaml_node key = {.place = place};
    const struct tc_yaml_node *same;
    int error;

    if (r->event->type != FYET_SCALAR)
        return tc_yaml_refuse(r->error, place, "a key must be a plain text");
    error = check_tag(r, place);
    if (error == 0)
        error = tc_yaml_read_scalar(r, &key);
    if (error < 0)
        return error;
    if (key.kind != TC_YAML_TEXT)
        return tc_yaml_refuse(r->error, place, "there is no key before the colon");
    if (r->limits->merge_keys && !key.quoted && !strcmp(key.text, merge_key))
        key.text = merge_key;
    same = key.text == merge_key ? merge : tc_yaml_get(map, key.text);
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

/* The children of `from` whose keys the map does not have; they share what is below. */
static int adopt(struct tc_yaml_reader *r, struct tc_yaml_node *map,
                 struct tc_yaml_node **last, const struct tc_yaml_node *merge,
                 const struct tc_yaml_node *from)
{
    struct tc_yaml_node *copy = NULL;
    int error = 0;

    if (from->kind != TC_YAML_MAP)
        return tc_yaml_refuse(r->error, from->place,
                              "<< takes a map, or a list of maps, whose keys are added");
    for (const struct tc_yaml_node *at = from->first; error == 0 && at; at = at->next) {
        if (tc_yaml_get(map, at->key))
            continue;
        if (map->count == TC_YAML_KEYS_MAX)
            return tc_yaml_refuse(r->error, merge->key_place, "%s",
                                  r->limits->too_many_keys);
        error = count_nodes(r, merge->key_place, at->weight - 1);
        if (error == 0)
            error = new_node(r, merge->key_place, &copy);
        if (error < 0 || !copy)
            return error;
        *copy = *at;
        copy->next = NULL;
        append(map, last, copy);
    }
    return error;
}

/* The merge key of YAML 1.1: what the map says itself comes first, then the list's
 * earlier maps. */
static int take_merge(struct tc_yaml_reader *r, struct tc_yaml_node *map,
                      struct tc_yaml_node **last, const struct tc_yaml_node *merge)
{
    int error = 0;

    if (merge->kind != TC_YAML_LIST)
        return adopt(r, map, last, merge, merge);
    for (const struct tc_yaml_node *at = merge->first; error == 0 && at; at = at->next)
        error = adopt(r, map, last, merge, at);
    return error;
}

static int read_map(struct tc_yaml_reader *r, unsigned depth, struct tc_yaml_node *map)
{
    struct tc_yaml_node *last = NULL, *child = NULL, *merge = NULL;
    int error;

    map->kind = TC_YAML_MAP;
    map->height = 1;
    while ((error = advance(r)) == 0 && r->event->type != FYET_MAPPING_END) {
        if (map->count == TC_YAML_KEYS_MAX)
            return tc_yaml_refuse(r->error, tc_yaml_place_of(r->event, map->place), "%s",
                                  r->limits->too_many_keys);
        error = new_node(r, tc_yaml_place_of(r->event, map->place), &child);
        if (error == 0 && child)
            error = read_key(r, map, merge, child);
        if (error == 0)
            error = advance(r);
        if (error < 0 || !child)
            return error;
        child->place = tc_yaml_place_of(r->event, child->key_place);
        error = read_value(r, depth + 1, child);
        if (error < 0)
            return error;
        if (child->key == merge_key)
            merge = child;
        else
            append(map, &last, child);
    }
    if (error == 0)
        end_span(r, map);
    return error == 0 && merge ? take_merge(r, map, &last, merge) : error;
}

static int add_anchor(struct tc_yaml_reader *r, const char *name,
                      const struct tc_yaml_node *node)
{
    if (r->anchor_count == TC_YAML_ANCHORS_MAX)
        return tc_yaml_refuse(r->error, node->place, "there are more than %d anchors",
                              TC_YAML_ANCHORS_MAX);
    r->anchors[r->anchor_count].name = name;
    r->anchors[r->anchor_count++].node = node;
    return 0;
}

/* The value that begins with the event at hand; its last event is at hand afterwards. */
static int read_value(struct tc_yaml_reader *r, unsigned depth, struct tc_yaml_node *node)
{
    struct fy_token *anchor = fy_event_get_anchor_token(r->event);
    bool nests =
        r->event->type == FYET_SEQUENCE_START || r->event->type == FYET_MAPPING_START;
    const char *name = NULL;
    int error = check_tag(r, node->place);

    if (error == 0 && nests && depth >= r->limits->depth)
        error = refuse_depth(r, node->place);
    if (error == 0 && anchor && r->event->type != FYET_ALIAS)
        error = tc_yaml_token_text(r, anchor, &name);
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
        error = tc_yaml_read_scalar(r, node);
    else
        error = tc_yaml_refuse(r->error, node->place, "a value is missing here");
    /* Only now: an alias to what it is itself part of finds nothing. */
    return error == 0 && name ? add_anchor(r, name, node) : error;
}

static int read_document(struct tc_yaml_reader *r, struct tc_yaml_node *root)
{
    int error = advance(r); /* past the start of the document */

    if (error < 0)
        return error;
    root->place = tc_yaml_place_of(r->event, root->place);
    r->anchor_count = 0;
    error = read_value(r, 0, root);
    return error == 0 ? advance(r) : error; /* to the end of the document */
}

static int refuse_document(struct tc_yaml_reader *r, const struct tc_yaml_node *last)
{
    if (r->limits->documents == 1)
        return tc_yaml_refuse(r->error, tc_yaml_place_of(r->event, last->place),
                              "a second document begins here: one file holds one");
    return tc_yaml_refuse(r->error, tc_yaml_place_of(r->event, start),
                          "the file has more than %zu documents", r->limits->documents);
}

/* `root` is the first document's, and all there is of a file without any. */
static int read_stream(struct tc_yaml_reader *r, struct tc_yaml_node *root)
{
    size_t count = 0;
    int error = advance(r); /* to the start of the stream */

    while (error == 0 && (error = advance(r)) == 0 && r->event->type != FYET_STREAM_END) {
        if (count++ == r->limits->documents)
            return refuse_document(r, root);
        if (count > 1) {
            struct tc_yaml_node *next = tc_arena_take(&r->yaml->arena, sizeof(*next));

            if (!next)
                return tc_yaml_refuse_memory(r);
            *next = (struct tc_yaml_node){.weight = 1};
            root->next = next;
            root = next;
        }
        root->place = tc_yaml_place_of(r->event, start);
        error = read_document(r, root);
    }
    return error;
}

/*
 * libfyaml stops at the first NUL or wrong byte as if the text ended there, and would so
 * ignore the rest in silence.
 */
static int check_bytes(const struct tc_yaml_reader *r)
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

static int parse(struct tc_yaml_reader *r, struct tc_yaml_node *root)
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
    struct tc_yaml_reader reader = {
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
