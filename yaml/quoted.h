/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: YAML's texts in single quotes, where libfyaml reads them wrongly
 * (findings/libfyaml_quotes.sh); of what it reads rightly it makes the same. Pure.
 */
#ifndef TC_YAML_QUOTED_H
#define TC_YAML_QUOTED_H

#include <stdbool.h>
#include <stddef.h>

#include "yaml/arena.h"

/* Whether what stands between the quotes is such a text. */
bool tc_quoted_is_misread(const char *raw, size_t len);

/* The text, with lines folded as YAML 1.2 has it. NULL: no memory. */
char *tc_quoted_text(struct tc_arena *arena, const char *raw, size_t len);

#endif
