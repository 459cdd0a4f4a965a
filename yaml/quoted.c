/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see quoted.h. */
#include "yaml/quoted.h"

#include <string.h>

bool tc_quoted_is_misread(const char *raw, size_t len)
{
    return memmem(raw, len, "''''", 4) != NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Bytes of the line's end there; 0: it does not end. */
static size_t line_end(const char *at, size_t left)
{
    if (*at == '\n')
        return 1;
    return *at != '\r' ? 0 : left > 1 && at[1] == '\n' ? 2 : 1;
}

/* Passes over ends of lines and the blanks behind each. Returns how many it were. */
static size_t skip_ends(const char *raw, size_t len, size_t *i)
{
    size_t ends = 0, n;

    while (*i < len && (n = line_end(raw + *i, len - *i)) > 0) {
        ends++;
        *i += n;
        while (*i < len && is_blank(raw[*i]))
            ++*i;
    }
    return ends;
}

/* At a backslash: the bytes of the escape, up to the next line's text where it joins. */
static size_t escape_len(const char *raw, size_t len, size_t at, bool *ret_joins)
{
    size_t end = at + 1 < len ? line_end(raw + at + 1, len - at - 1) : 0,
           i = at + 1 + end;

    *ret_joins = end > 0;
    if (!end)
        return len - at < 2 ? len - at : 2;
    while (i < len && is_blank(raw[i]))
        i++;
    return i - at;
}

bool tc_quoted_double_is_misread(const char *raw, size_t len)
{
    bool joins = false, before;

    for (size_t i = 0; i < len;) {
        before = i >= 2 && raw[i - 1] == '\\' && raw[i - 2] == '\\';
        if (raw[i] != '\\') {
            i++;
            continue;
        }
        i += escape_len(raw, len, i, &joins);
        if (joins && before)
            return true;
    }
    return false;
}

char *tc_quoted_double_joined(struct tc_arena *arena, const char *raw, size_t len,
                              size_t *ret_len)
{
    char *text = tc_arena_take(arena, len + 3);
    size_t out = 0, n;
    bool joins;

    if (!text)
        return NULL;
    text[out++] = '"';
    for (size_t i = 0; i < len; i += n) {
        n = 1;
        joins = false;
        if (raw[i] == '\\')
            n = escape_len(raw, len, i, &joins);
        if (!joins) {
            memcpy(text + out, raw + i, n);
            out += n;
        }
    }
    text[out++] = '"';
    *ret_len = out;
    return text;
}

char *tc_quoted_text(struct tc_arena *arena, const char *raw, size_t len)
{
    char *text = tc_arena_take(arena, len + 1);
    size_t out = 0, ends;

    for (size_t i = 0; text && i < len;) {
        if (!line_end(raw + i, len - i)) {
            text[out++] = raw[i];
            i += raw[i] == '\'' ? 2 : 1;
            continue;
        }
        while (out && is_blank(text[out - 1]))
            out--;
        ends = skip_ends(raw, len, &i);
        /* One end is a blank; of several the first is nothing. */
        if (ends == 1)
            text[out++] = ' ';
        else if (ends > 1)
            memset(text + out, '\n', ends - 1);
        out += ends - 1;
    }
    return text;
}
