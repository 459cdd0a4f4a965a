/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the texts of scalars, as libfyaml should have given them; see reader.h. */
#include <errno.h>
#include <string.h>

#include "yaml/place.h"
#include "yaml/quoted.h"
#include "yaml/reader.h"

static const struct tc_yaml_place start = {1, 1};

int tc_yaml_refuse_memory(struct tc_yaml_reader *r)
{
    bool full = r->yaml->arena.full;

    tc_yaml_refuse(r->error, tc_yaml_place_of(r->event, start), "%s",
                   full ? r->limits->too_large : "out of memory");
    return full ? -EINVAL : -ENOMEM;
}

/* What stands between the token's quotes, if libfyaml misreads it; else NULL. */
static const char *misread(const struct tc_yaml_reader *r, struct fy_token *token,
                           size_t *ret_len)
{
    const struct fy_mark *from = fy_token_start_mark(token);
    const struct fy_mark *to = fy_token_end_mark(token);
    enum fy_scalar_style style = fy_token_scalar_style(token);
    const char *raw;
    size_t len;

    if (!from || !to || from->input_pos > to->input_pos || to->input_pos > r->len)
        return NULL;
    raw = r->text + from->input_pos;
    len = *ret_len = to->input_pos - from->input_pos;
    if ((style == FYSS_SINGLE_QUOTED && tc_quoted_is_misread(raw, len)) ||
        (style == FYSS_DOUBLE_QUOTED && tc_quoted_double_is_misread(raw, len)))
        return raw;
    return NULL;
}

/* By libfyaml, once it cannot go wrong; a copy. NULL: no memory. */
static const char *reread(struct tc_arena *arena, const char *raw, size_t *len)
{
    struct fy_document *document;
    const char *text = NULL;

    raw = tc_quoted_double_joined(arena, raw, *len, len);
    document = raw ? fy_document_build_from_string(NULL, raw, *len) : NULL;
    if (document)
        text = fy_node_get_scalar(fy_document_root(document), len);
    if (text)
        text = tc_arena_text(arena, text, *len);
    fy_document_destroy(document);
    return text;
}

/* As libfyaml has it, or should have. NULL: no memory. */
static const char *raw_text(struct tc_arena *arena, struct fy_token *token,
                            const char *misread, size_t *len)
{
    const char *text;

    if (misread)
        return reread(arena, misread, len);
    text = fy_token_get_text(token, len);
    /* Real ones are refused before: findings/libfyaml_folded_nul.sh */
    while (text && fy_token_scalar_style(token) == FYSS_FOLDED && *len &&
           text[*len - 1] == '\0')
        --*len;
    return text;
}

int tc_yaml_token_text(struct tc_yaml_reader *r, struct fy_token *token,
                       const char **ret_text)
{
    struct tc_arena *arena = &r->yaml->arena;
    size_t len = 0;
    const char *wrong = token ? misread(r, token, &len) : NULL, *text, *raw;

    if (wrong && fy_token_scalar_style(token) == FYSS_SINGLE_QUOTED) {
        text = tc_quoted_text(arena, wrong, len);
    } else {
        raw = token ? raw_text(arena, token, wrong, &len) : "";
        if (raw && memchr(raw, '\0', len)) {
            tc_yaml_refuse(r->error, tc_yaml_place_of(r->event, start),
                           "a text cannot have a NUL in it");
            return -EINVAL;
        }
        text = raw ? tc_arena_text(arena, raw, len) : NULL;
    }
    if (!text)
        return tc_yaml_refuse_memory(r);
    *ret_text = text;
    return 0;
}

static bool is_null(const struct tc_yaml_reader *r, const char *text)
{
    return !*text || !strcmp(text, "~") || !strcmp(text, "null") ||
           (r->limits->null_in_capitals &&
            (!strcmp(text, "Null") || !strcmp(text, "NULL")));
}

/* Refuses a block that swallows a key: findings/libfyaml_block_swallows_key.sh */
static int check_block(struct tc_yaml_reader *r, const struct tc_yaml_node *node)
{
    struct tc_yaml_place place = node->key ? node->key_place : node->place;
    size_t indent = node->key ? place.column : 1;
    const struct fy_mark *end = fy_event_end_mark(r->event);
    size_t stop = end && end->input_pos < r->len ? end->input_pos : r->len, at = 0;
    unsigned line = 1;

    if (!r->limits->blocks)
        return tc_yaml_refuse(r->error, tc_yaml_place_of(r->event, node->place),
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

int tc_yaml_read_scalar(struct tc_yaml_reader *r, struct tc_yaml_node *node)
{
    struct fy_token *token = r->event->scalar.value;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    int error = 0;

    if (style == FYSS_LITERAL || style == FYSS_FOLDED)
        error = check_block(r, node);
    if (error == 0)
        error = tc_yaml_token_text(r, token, &node->text);
    if (error < 0)
        return error;
    node->quoted = style != FYSS_PLAIN;
    node->kind = !node->quoted && is_null(r, node->text) ? TC_YAML_NULL : TC_YAML_TEXT;
    return 0;
}
