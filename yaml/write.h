/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: YAML on one line, of what was read or is to be: quotes where a reader would take
 * a text for something else. Pure, but for the stream. Must not: know what a key means.
 */
#ifndef TC_YAML_WRITE_H
#define TC_YAML_WRITE_H

#include <stdio.h>

#include "yaml/yaml.h"

/* Whether every reader takes the text as it is, without quotes; it may read it as a
 * number or a truth. */
bool tc_yaml_is_harmless(const char *text);

/* The text in double quotes, with escapes. */
void tc_yaml_write_quoted(FILE *out, const char *text);

/* The key, the colon and a blank. */
void tc_yaml_write_key(FILE *out, const char *key);

/* The value; of a list or a map in brackets. What stood without quotes means the same
 * without them. */
void tc_yaml_write(FILE *out, const struct tc_yaml_node *node);

#endif
