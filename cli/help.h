/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the help at every level, made of the table of subcommands, and the guess at what
 * a mistyped one was meant to be. */
#ifndef TC_CLI_HELP_H
#define TC_CLI_HELP_H

#include <stddef.h>
#include <stdio.h>

struct tc_cli;

/* How many words a path has, and how many of the first n words given are its own. */
size_t tc_help_words(const char *path);
size_t tc_help_common(const char *path, const char *const *words, size_t n);

/*
 * Prints help for the command, the group of commands, or the whole. TC_EXIT_USAGE, and
 * the nearest name said, when the words name nothing.
 */
int tc_help_print(const struct tc_cli *cli, FILE *out);

/* Says that the words name no command, and which one is near. Returns TC_EXIT_USAGE. */
int tc_help_unknown(const struct tc_cli *cli);

#endif
