/* SPDX-License-Identifier: Apache-2.0 */
#include "alerts/edr_distinct.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 3
#define FIRST_BYTES 256 /* of what is asked for at first; then twice as much */

void tc_edr_distinct_done(struct tc_edr_distinct *distinct)
{
    free(distinct->bytes);
    *distinct = (struct tc_edr_distinct){.bytes = NULL};
}

/* Bytes of a text that are kept: never a part of a character. */
static size_t kept(struct tocsin_str text)
{
    size_t n = text.len;

    if (n <= TC_EDR_DISTINCT_TEXT_MAX)
        return n;
    for (n = TC_EDR_DISTINCT_TEXT_MAX;
         n > TC_EDR_DISTINCT_TEXT_MAX - 4 && ((uint8_t)text.ptr[n] & 0xc0) == 0x80;)
        n--;
    return n;
}

/* The text at `at`, and where the next is. */
static struct tocsin_str text_at(const struct tc_edr_distinct *distinct, size_t at,
                                 size_t *ret_next)
{
    size_t n = (size_t)distinct->bytes[at + 1] << 8 | distinct->bytes[at + 2];

    *ret_next = at + HEAD_BYTES + n;
    return (struct tocsin_str){(const char *)distinct->bytes + at + HEAD_BYTES, n};
}

static bool has(const struct tc_edr_distinct *distinct, enum tc_edr_distinct_kind kind,
                const char *text, size_t n)
{
    for (size_t at = 0, next; at < distinct->len; at = next) {
        struct tocsin_str other = text_at(distinct, at, &next);

        if (distinct->bytes[at] == kind && other.len == n && !memcmp(other.ptr, text, n))
            return true;
    }
    return false;
}

static bool make_room(struct tc_edr_distinct *distinct, size_t n)
{
    size_t cap = distinct->cap ? distinct->cap : FIRST_BYTES;
    uint8_t *bytes;

    if (distinct->len + n > TC_EDR_DISTINCT_BYTES)
        return false;
    while (cap < distinct->len + n)
        cap *= 2;
    if (cap == distinct->cap)
        return true;
    bytes = realloc(distinct->bytes, cap);
    if (!bytes)
        return false;
    distinct->bytes = bytes;
    distinct->cap = cap;
    return true;
}

void tc_edr_distinct_add(struct tc_edr_distinct *distinct, enum tc_edr_distinct_kind kind,
                         struct tocsin_str text)
{
    size_t n = text.ptr ? kept(text) : 0;
    uint8_t *at;

    if (!n || has(distinct, kind, text.ptr, n))
        return;
    if (distinct->n[kind] == TC_EDR_DISTINCT_MAX ||
        !make_room(distinct, HEAD_BYTES + n)) {
        distinct->more[kind]++;
        return;
    }
    at = distinct->bytes + distinct->len;
    at[0] = (uint8_t)kind;
    at[1] = (uint8_t)(n >> 8);
    at[2] = (uint8_t)n;
    memcpy(at + HEAD_BYTES, text.ptr, n);
    distinct->len += HEAD_BYTES + n;
    distinct->n[kind]++;
}

static void put_kind(struct tocsin_writer *w, const struct tc_edr_distinct *distinct,
                     enum tc_edr_distinct_kind kind)
{
    static const struct {
        const char *list, *more;
    } names[TC_EDR_DISTINCT_KINDS] = {
        [TC_EDR_COMMAND_LINES] = {"command_lines", "command_lines_more"},
        [TC_EDR_PATHS] = {"paths", "paths_more"},
        [TC_EDR_ADDRESSES] = {"addresses", "addresses_more"},
    };

    tocsin_begin_array(w, names[kind].list);
    for (size_t at = 0, next; at < distinct->len; at = next) {
        struct tocsin_str text = text_at(distinct, at, &next);

        if (distinct->bytes[at] == kind)
            tocsin_put_strn(w, NULL, text.ptr, text.len);
    }
    tocsin_end(w);
    if (distinct->more[kind])
        tocsin_put_uint(w, names[kind].more, distinct->more[kind]);
}

void tc_edr_distinct_put(struct tocsin_writer *w, const struct tc_edr_distinct *distinct)
{
    bool any = false;

    for (size_t i = 0; distinct && i < TC_EDR_DISTINCT_KINDS; i++)
        any |= distinct->n[i] > 1 || distinct->more[i];
    if (!any)
        return;
    tocsin_begin_map(w, "matches");
    for (size_t i = 0; i < TC_EDR_DISTINCT_KINDS; i++)
        if (distinct->n[i] > 1 || distinct->more[i])
            put_kind(w, distinct, (enum tc_edr_distinct_kind)i);
    tocsin_end(w);
}
