/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see text.h. */
#include "sigma/base/text.h"

#include <string.h>
#include <tocsin/event.h>
#include <wctype.h>

static struct tc_pattern new_pattern(struct tc_arena *arena, size_t room)
{
    return (struct tc_pattern){tc_arena_take(arena, (room + 1) * sizeof(uint16_t)), 0};
}

static bool is_wildcard(char c)
{
    return c == '*' || c == '?';
}

/*
 * The specification's table: a backslash before * ? or \ takes its meaning away; any
 * other is itself. So `\\*` is a backslash and a wildcard, and `\\\` are two backslashes.
 */
struct tc_pattern tc_pattern_parse(struct tc_arena *arena, const char *text, size_t len)
{
    struct tc_pattern p = new_pattern(arena, len);

    for (size_t i = 0; p.units && i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '\\' && i + 1 < len && (is_wildcard(text[i + 1]) || text[i + 1] == '\\'))
            p.units[p.len++] = (unsigned char)text[++i];
        else if (c == '*')
            p.units[p.len++] = TC_UNIT_MANY;
        else
            p.units[p.len++] = c == '?' ? TC_UNIT_ONE : c;
    }
    return p;
}

struct tc_pattern tc_pattern_plain(struct tc_arena *arena, const void *bytes, size_t len)
{
    const unsigned char *from = bytes;
    struct tc_pattern p = new_pattern(arena, len);

    for (size_t i = 0; p.units && i < len; i++)
        p.units[p.len++] = from[i];
    return p;
}

struct tc_pattern tc_pattern_join(struct tc_arena *arena, struct tc_pattern a,
                                  struct tc_pattern b)
{
    struct tc_pattern p = new_pattern(arena, a.len + b.len);

    if (!p.units || !a.units || !b.units)
        return (struct tc_pattern){NULL, 0};
    memcpy(p.units, a.units, a.len * sizeof(*p.units));
    memcpy(p.units + a.len, b.units, b.len * sizeof(*p.units));
    p.len = a.len + b.len;
    return p;
}

struct tc_pattern tc_pattern_wrap(struct tc_arena *arena, struct tc_pattern p,
                                  bool before, bool after)
{
    struct tc_pattern wrapped = new_pattern(arena, p.len + 2);

    if (!wrapped.units)
        return wrapped;
    if (before && (!p.len || p.units[0] != TC_UNIT_MANY))
        wrapped.units[wrapped.len++] = TC_UNIT_MANY;
    memcpy(wrapped.units + wrapped.len, p.units, p.len * sizeof(*p.units));
    wrapped.len += p.len;
    if (after && (!wrapped.len || wrapped.units[wrapped.len - 1] != TC_UNIT_MANY))
        wrapped.units[wrapped.len++] = TC_UNIT_MANY;
    return wrapped;
}

/* Bytes of an en dash, em dash or horizontal bar (U+2013 to U+2015) at `at`, or 0. */
static size_t long_dash(const uint16_t *at, size_t left)
{
    return left >= 3 && at[0] == 0xe2 && at[1] == 0x80 && at[2] >= 0x93 && at[2] <= 0x95
               ? 3
               : 0;
}

struct tc_pattern tc_pattern_windash(struct tc_arena *arena, struct tc_pattern p)
{
    struct tc_pattern w = new_pattern(arena, p.len);

    for (size_t i = 0, n; w.units && i < p.len; i += n) {
        n = long_dash(p.units + i, p.len - i);
        if (!n && (p.units[i] == '-' || p.units[i] == '/'))
            n = 1;
        w.units[w.len++] = n ? TC_UNIT_DASH : p.units[i];
        n = n ? n : 1;
    }
    return w;
}

/* The code point at `from`, and of how many bytes; one that is no UTF-8 is of one. */
static uint32_t code_point(const unsigned char *from, size_t left, size_t *ret_len)
{
    size_t n = *from < 0xc2 ? 1 : *from < 0xe0 ? 2 : *from < 0xf0 ? 3 : 4;
    uint32_t c;

    *ret_len = 1;
    if (n == 1 || *from > 0xf4 || n > left || !tocsin_utf8_valid((const char *)from, n))
        return *from;
    *ret_len = n;
    c = *from & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (from[i] & 0x3f);
    return c;
}

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* The text between wildcards that starts at unit `at`: bytes into `to`. */
static size_t literal_run(struct tc_pattern p, size_t at, unsigned char *to)
{
    size_t n = 0;

    while (at + n < p.len && p.units[at + n] < 256) {
        to[n] = (unsigned char)p.units[at + n];
        n++;
    }
    return n;
}

static size_t put_utf16(uint16_t *to, uint32_t c, bool big)
{
    uint16_t words[2] = {(uint16_t)c, 0};
    size_t count = 1;

    if (c >= 0x10000) {
        words[0] = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
        words[1] = (uint16_t)(0xdc00 + ((c - 0x10000) & 0x3ff));
        count = 2;
    }
    for (size_t i = 0; i < count; i++) {
        to[2 * i] = big ? words[i] >> 8 : words[i] & 0xff;
        to[2 * i + 1] = big ? words[i] & 0xff : words[i] >> 8;
    }
    return 2 * count;
}

struct tc_pattern tc_pattern_utf16(struct tc_arena *arena, struct tc_pattern p, bool big,
                                   bool mark)
{
    struct tc_pattern wide = new_pattern(arena, 2 * p.len + 2);
    unsigned char *run = tc_arena_take(arena, p.len + 1);
    size_t n, step;

    if (!wide.units || !run)
        return (struct tc_pattern){NULL, 0};
    if (mark)
        wide.len = put_utf16(wide.units, 0xfeff, big);
    for (size_t at = 0; at < p.len; at += n) {
        n = literal_run(p, at, run);
        for (size_t i = 0; i < n; i += step)
            wide.len +=
                put_utf16(wide.units + wide.len, code_point(run + i, n - i, &step), big);
        if (n == 0) {
            wide.units[wide.len++] = p.units[at];
            n = 1;
        }
    }
    return wide;
}

struct tc_pattern tc_pattern_base64(struct tc_arena *arena, struct tc_pattern p,
                                    int shift)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    /* Digits that the unknown bytes before and after have a part in. */
    static const size_t first[3] = {0, 2, 3}, last[3] = {0, 3, 2};
    size_t before = shift > 0 ? (size_t)shift : 0, len = p.len + before, end;
    struct tc_pattern encoded = new_pattern(arena, (len + 2) / 3 * 4);

    for (size_t i = 0; encoded.units && i < len; i += 3) {
        uint32_t three = 0;

        for (size_t j = i; j < i + 3; j++)
            three = three << 8 | (j >= before && j < len ? p.units[j - before] : 0);
        for (size_t j = 0; j < 4; j++)
            encoded.units[encoded.len++] =
                i + j <= len ? (unsigned char)digits[three >> (18 - 6 * j) & 63] : '=';
    }
    if (shift < 0 || !encoded.units)
        return encoded;
    end = encoded.len - last[len % 3];
    encoded.units += first[before];
    encoded.len = end > first[before] ? end - first[before] : 0;
    return encoded;
}

/* Eight bytes of ASCII at once; false: there is another among them. */
static bool fold_eight(uint64_t *eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    uint64_t upper;

    /* The high bit of each byte that is A or more, and of each beyond Z. */
    upper = (*eight + ones * (0x80 - 'A')) & ~(*eight + ones * (0x80 - 'Z' - 1)) & high;
    if (*eight & high)
        return false;
    *eight |= upper >> 2;
    return true;
}

/* As much of the text as is ASCII, by eight bytes. Returns how many bytes. */
static size_t fold_ascii(char *to, const char *from, size_t len)
{
    uint64_t eight;
    size_t i = 0;

    while (len - i >= sizeof(eight)) {
        memcpy(&eight, from + i, sizeof(eight));
        if (!fold_eight(&eight))
            return i;
        memcpy(to + i, &eight, sizeof(eight));
        i += sizeof(eight);
        /* The last eight bytes, some of them done already: quicker than one by one. */
        if (i < len && len - i < sizeof(eight))
            i = len - sizeof(eight);
    }
    return i;
}

size_t tc_text_fold(char *to, const char *from, size_t len, locale_t locale)
{
    const unsigned char *in = (const unsigned char *)from;
    size_t out = 0, n;

    for (size_t i = 0; i < len;) {
        uint32_t c = in[i];

        n = fold_ascii(to + out, from + i, len - i);
        if (n > 0) {
            i += n;
            out += n;
            continue;
        }
        if (c < 0x80) { /* fewer than eight are left, or there is another among them */
            do
                to[out++] = (char)(c - 'A' < 26u ? c + 32 : c);
            while (++i < len && (c = in[i]) < 0x80);
            continue;
        }
        c = code_point(in + i, len - i, &n);
        if (n == 1)
            to[out++] = (char)c;
        else
            out +=
                put_utf8(to + out, locale ? (uint32_t)towlower_l((wint_t)c, locale) : c);
        i += n;
    }
    return out;
}

struct tc_pattern tc_pattern_fold(struct tc_arena *arena, struct tc_pattern p,
                                  locale_t locale)
{
    struct tc_pattern folded = new_pattern(arena, TC_FOLD_ROOM(p.len));
    unsigned char *run = tc_arena_take(arena, p.len + 1);
    char *lower = tc_arena_take(arena, TC_FOLD_ROOM(p.len));
    size_t n, len;

    if (!folded.units || !run || !lower)
        return (struct tc_pattern){NULL, 0};
    for (size_t at = 0; at < p.len; at += n) {
        n = literal_run(p, at, run);
        len = tc_text_fold(lower, (const char *)run, n, locale);
        for (size_t i = 0; i < len; i++)
            folded.units[folded.len++] = (unsigned char)lower[i];
        if (n == 0) {
            folded.units[folded.len++] = p.units[at];
            n = 1;
        }
    }
    return folded;
}

bool tc_pattern_has_wildcards(struct tc_pattern p)
{
    for (size_t i = 0; i < p.len; i++)
        if (p.units[i] == TC_UNIT_ONE || p.units[i] == TC_UNIT_MANY)
            return true;
    return false;
}

/* Bytes of the character at `text`. */
static size_t character(const char *text, size_t left)
{
    size_t n = 1;

    if ((unsigned char)*text >= 0x80)
        code_point((const unsigned char *)text, left, &n);
    return n;
}

/* How many bytes of text the unit takes; 0: it does not fit. */
static size_t take(uint16_t unit, const char *text, size_t left)
{
    const unsigned char *at = (const unsigned char *)text;

    if (unit < 256)
        return *at == unit;
    if (unit == TC_UNIT_ONE)
        return character(text, left);
    if (*at == '-' || *at == '/')
        return 1;
    return left >= 3 && at[0] == 0xe2 && at[1] == 0x80 && at[2] >= 0x93 && at[2] <= 0x95
               ? 3
               : 0;
}

/* Where the pattern's part from unit `at` on, behind a *, may begin at the earliest. */
static size_t next_start(struct tc_pattern p, size_t at, const char *text, size_t i,
                         size_t len)
{
    const char *found;

    /* Other bytes may be the middle of a character. */
    if (at >= p.len || p.units[at] >= 0x80 || i >= len)
        return i;
    found = memchr(text + i, p.units[at], len - i);
    return found ? (size_t)(found - text) : len;
}

bool tc_pattern_match(struct tc_pattern p, const char *text, size_t len, uint64_t *steps)
{
    size_t at = 0, i = 0, after_many = SIZE_MAX, again = 0, n;

    while (i < len) {
        if (!*steps)
            return false;
        --*steps;
        if (at < p.len && p.units[at] == TC_UNIT_MANY) {
            after_many = ++at;
            again = i = next_start(p, at, text, i, len);
        } else if (at < p.len && (n = take(p.units[at], text + i, len - i)) > 0) {
            at++;
            i += n;
        } else if (after_many != SIZE_MAX) {
            /* The last * takes one character more; an earlier one need never. */
            again += character(text + again, len - again);
            again = i = next_start(p, after_many, text, again, len);
            at = after_many;
        } else {
            return false;
        }
    }
    while (at < p.len && p.units[at] == TC_UNIT_MANY)
        at++;
    return at == p.len;
}
