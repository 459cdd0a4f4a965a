/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the help at every level, made of the table of subcommands, and the guess at what
 * a mistyped one was meant to be. */
#ifndef TC_CLI_HELP_H
#define TC_CLI_HELP_H

#include <stdio.h>

struct tc_cli;

/*
 * Prints help for the command, the group of commands, or the whole. TC_EXIT_USAGE, and
 * the nearest name said, when the words name nothing.
 */
int tc_help_print(const struct tc_cli *cli, FILE *out);

/* Says that the words name no command, and which one is near. Returns TC_EXIT_USAGE. */
int tc_help_unknown(const struct tc_cli *cli);

#endif
