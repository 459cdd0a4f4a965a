/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: YAML's texts in quotes, where libfyaml reads them wrongly: single ones
 * (findings/libfyaml_quotes.sh), and double ones whose lines are joined behind an escape
 * (findings/libfyaml_escaped_break.sh). Of what it reads rightly the same comes. Pure.
 */
#ifndef TC_YAML_QUOTED_H
#define TC_YAML_QUOTED_H

#include <stdbool.h>
#include <stddef.h>

#include "yaml/arena.h"

/* Whether what stands between single quotes is such a text. */
bool tc_quoted_is_misread(const char *raw, size_t len);

/* Whether what stands between double quotes is. */
bool tc_quoted_double_is_misread(const char *raw, size_t len);

/* The same text with its quotes, and with such lines joined: libfyaml reads that. NULL:
 * no memory. */
char *tc_quoted_double_joined(struct tc_arena *arena, const char *raw, size_t len,
                              size_t *ret_len);

/* The text, with lines folded as YAML 1.2 has it. NULL: no memory. */
char *tc_quoted_text(struct tc_arena *arena, const char *raw, size_t len);

#endif
