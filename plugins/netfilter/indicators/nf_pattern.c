/* SPDX-License-Identifier: Apache-2.0 */
#include "indicators/nf_pattern.h"

#include <stdbool.h>
#include <string.h>

struct reader {
    struct tc_nf_text rest;
    tc_nf_pattern_fn each; /* NULL: it is only checked */
    void *arg;
    char *why;
};

static int refuse(const struct reader *reader)
{
    char quote[TC_NF_QUOTE_MAX];

    if (!reader->rest.len)
        return tc_nf_refuse(reader->why, "the pattern ends too early");
    return tc_nf_refuse(reader->why,
                        "the pattern cannot be taken from \"%s\" on; only =, ISSUBSET "
                        "and IN, with OR between them, can",
                        tc_nf_quote(reader->rest, quote));
}

static void skip(struct reader *reader, size_t len)
{
    reader->rest.at += len;
    reader->rest.len -= len;
}

/* Takes the word, or sign, if it is next. */
static bool next_is(struct reader *reader, const char *word)
{
    size_t len = strlen(word);

    reader->rest = tc_nf_trim(reader->rest);
    if (reader->rest.len < len ||
        !tc_nf_is((struct tc_nf_text){reader->rest.at, len}, word))
        return false;
    skip(reader, len);
    return true;
}

/* The type of an object path. */
static struct tc_nf_text read_path(struct reader *reader)
{
    static const char value[] = ":value";
    struct tc_nf_text path;

    reader->rest = tc_nf_trim(reader->rest);
    path = (struct tc_nf_text){reader->rest.at, 0};
    while (path.len < reader->rest.len &&
           !tc_nf_is_one_of(path.at[path.len], " \t\r\n=!<>[]()"))
        path.len++;
    skip(reader, path.len);
    if (path.len > sizeof(value) - 1 &&
        !memcmp(path.at + path.len - (sizeof(value) - 1), value, sizeof(value) - 1))
        path.len -= sizeof(value) - 1;
    return path;
}

static int read_text(struct reader *reader, struct tc_nf_text type)
{
    char text[TC_NF_PATTERN_TEXT_MAX];
    size_t len = 0;

    if (!next_is(reader, "'"))
        return refuse(reader);
    while (reader->rest.len && reader->rest.at[0] != '\'') {
        if (reader->rest.at[0] == '\\')
            skip(reader, 1);
        if (!reader->rest.len || len == sizeof(text))
            return refuse(reader);
        text[len++] = reader->rest.at[0];
        skip(reader, 1);
    }
    if (!next_is(reader, "'"))
        return refuse(reader);
    return reader->each ? reader->each(reader->arg, type, (struct tc_nf_text){text, len})
                        : 0;
}

static int read_comparison(struct reader *reader)
{
    struct tc_nf_text type = read_path(reader);
    int r;

    if (!type.len)
        return refuse(reader);
    if (next_is(reader, "=") || next_is(reader, "ISSUBSET"))
        return read_text(reader, type);
    if (!next_is(reader, "IN") || !next_is(reader, "("))
        return refuse(reader);
    do
        r = read_text(reader, type);
    while (!r && next_is(reader, ","));
    return r || next_is(reader, ")") ? r : refuse(reader);
}

static int read_all(struct reader reader)
{
    int r;

    do {
        if (!next_is(&reader, "["))
            return refuse(&reader);
        do
            r = read_comparison(&reader);
        while (!r && next_is(&reader, "OR"));
        if (!r && !next_is(&reader, "]"))
            r = refuse(&reader);
    } while (!r && next_is(&reader, "OR"));
    if (!r && tc_nf_trim(reader.rest).len)
        r = refuse(&reader);
    return r;
}

int tc_nf_pattern_read(struct tc_nf_text pattern, tc_nf_pattern_fn each, void *arg,
                       char why[TC_NF_WHY_MAX])
{
    struct reader reader = {.rest = pattern, .arg = arg, .why = why};
    int r = read_all(reader);

    if (r)
        return r;
    reader.each = each;
    return read_all(reader);
}
