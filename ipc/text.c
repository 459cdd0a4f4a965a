/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see text.h. */
#include "ipc/text.h"

#include <tocsin/event.h>

/*
 * Characters beyond C0 and C1 that do not show as themselves: Unicode's Bidi_Control,
 * zero-width ones, separators of lines and paragraphs, the byte order mark, tags.
 * First and last of each range, in order.
 */
static const uint32_t hidden[][2] = {
    {0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e},
    {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
    {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
};

size_t tc_text_next(const char *s, size_t n, uint32_t *ret_character)
{
    uint8_t lead = (uint8_t)*s;
    size_t take = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c;

    if (take > n || !tocsin_utf8_valid(s, take))
        return 0;
    c = take == 1 ? lead : lead & (0x7fu >> take);
    for (size_t i = 1; i < take; i++)
        c = c << 6 | ((uint8_t)s[i] & 0x3f);
    *ret_character = c;
    return take;
}

bool tc_text_shows(uint32_t character)
{
    if (character < 0x20 || (character >= 0x7f && character < 0xa0))
        return false;
    for (size_t i = 0; i < sizeof(hidden) / sizeof(*hidden); i++)
        if (character >= hidden[i][0] && character <= hidden[i][1])
            return false;
    return true;
}

/* The escape of one character, or of a byte that is none. */
static size_t escape(FILE *out, uint32_t c)
{
    int n;

    if (c == '\\')
        n = fprintf(out, "\\\\");
    else if (c == '\n')
        n = fprintf(out, "\\n");
    else if (c == '\r')
        n = fprintf(out, "\\r");
    else if (c == '\t')
        n = fprintf(out, "\\t");
    else if (c < 0x80)
        n = fprintf(out, "\\x%02x", c);
    else
        n = fprintf(out, "\\u{%x}", c);
    return n > 0 ? (size_t)n : 0;
}

size_t tc_text_escape(FILE *out, const char *s, size_t n, unsigned flags)
{
    bool lines = (flags & TC_TEXT_LINES) != 0;
    size_t columns = 0, take;
    uint32_t c;

    for (; n; s += take, n -= take) {
        take = tc_text_next(s, n, &c);
        if (!take) {
            columns += (size_t)fprintf(out, "\\x%02x", (unsigned)(uint8_t)*s);
            take = 1;
        } else if ((tc_text_shows(c) && c != '\\') ||
                   (lines && (c == '\n' || c == '\t' || c == '\\'))) {
            fwrite(s, 1, take, out);
            columns++;
        } else {
            columns += escape(out, c);
        }
    }
    return columns;
}
