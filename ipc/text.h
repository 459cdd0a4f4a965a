/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how bytes that somebody else chose (file names, command lines) are shown to
 * people: what drives a terminal, or makes text read other than it is, is escaped. Pure;
 * any thread.
 */
#ifndef TC_IPC_TEXT_H
#define TC_IPC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Leave line feeds, tabs and backslashes as they are: for text that is laid out already.
 */
#define TC_TEXT_LINES (1u << 0)

/*
 * Reads the character that starts at s, of n > 0 bytes. Returns how many bytes it takes,
 * 0 when the bytes there are no UTF-8 (RFC 3629).
 */
size_t tc_text_next(const char *s, size_t n, uint32_t *ret_character);

/*
 * Whether a character shows as itself and nothing else: no control character (C0, DEL,
 * C1), no direction override, nothing invisible, no line or paragraph separator.
 */
bool tc_text_shows(uint32_t character);

/*
 * Writes the n bytes to `out`. Escaped, so that the bytes follow from the result:
 * \\ \n \r \t, other ASCII controls and bytes that are no UTF-8 as \xNN, other characters
 * that do not show as \u{N}. `flags`: TC_TEXT_LINES or 0. Returns the columns taken,
 * counting one a character.
 */
size_t tc_text_escape(FILE *out, const char *s, size_t n, unsigned flags);

#endif
