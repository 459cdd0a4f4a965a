/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: texts of rules as patterns (wildcards, escapes, encodings), how letters compare
 * without case, and the plain match of a pattern. Pure. Must not: know fields or rules.
 *
 * Case: a text compares by its simple lower-case form, code point by code point, as
 * towlower(3) of the locale C.UTF-8 has it; where there is no such locale, ASCII alone.
 * Bytes that are no UTF-8 stand for themselves.
 */
#ifndef TC_SIGMA_TEXT_H
#define TC_SIGMA_TEXT_H

#include <locale.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "yaml/arena.h"

/* What a unit of a pattern may be besides a byte. */
enum {
    TC_UNIT_ONE = 256,  /* ?: one character */
    TC_UNIT_MANY = 257, /* *: any number of bytes */
    TC_UNIT_DASH = 258, /* one of - / and the three long dashes (windash) */
};

struct tc_pattern {
    uint16_t *units;
    size_t len;
};

/* All of these give units NULL when there is no memory. */

/* A value as rules write it: wildcards, and backslashes that escape them. */
struct tc_pattern tc_pattern_parse(struct tc_arena *arena, const char *text, size_t len);

/* Bytes that stand for themselves. */
struct tc_pattern tc_pattern_plain(struct tc_arena *arena, const void *bytes, size_t len);

/* `before` and `after` say whether any number of bytes may stand there. */
struct tc_pattern tc_pattern_wrap(struct tc_arena *arena, struct tc_pattern p,
                                  bool before, bool after);
struct tc_pattern tc_pattern_windash(struct tc_arena *arena, struct tc_pattern p);
struct tc_pattern tc_pattern_join(struct tc_arena *arena, struct tc_pattern a,
                                  struct tc_pattern b);

/* UTF-16 of the text, wildcards kept. */
struct tc_pattern tc_pattern_utf16(struct tc_arena *arena, struct tc_pattern p, bool big,
                                   bool mark);

/* Base64 of the bytes behind `shift` unknown ones, without the characters that those and
 * what may follow have a part in; shift < 0: of the bytes alone, whole. No wildcards. */
struct tc_pattern tc_pattern_base64(struct tc_arena *arena, struct tc_pattern p,
                                    int shift);

/* The pattern in lower case. */
struct tc_pattern tc_pattern_fold(struct tc_arena *arena, struct tc_pattern p,
                                  locale_t locale);

bool tc_pattern_has_wildcards(struct tc_pattern p);

/* Lower case of `len` bytes into `to`, which has TC_FOLD_ROOM(len). Returns how many. */
#define TC_FOLD_ROOM(len) (2 * (len) + 8)
size_t tc_text_fold(char *to, const char *from, size_t len, locale_t locale);

/*
 * Whether the whole text is as the pattern says. `steps` is what may be spent, less what
 * was; at 0 the answer is no.
 */
bool tc_pattern_match(struct tc_pattern p, const char *text, size_t len, uint64_t *steps);

#endif
