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
