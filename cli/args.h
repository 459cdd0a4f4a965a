/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the command line: which subcommand, its arguments and options, and the sentence
 * when they do not fit. Must not: talk to the agent.
 */
#ifndef TC_CLI_ARGS_H
#define TC_CLI_ARGS_H

#include <stddef.h>
#include <stdint.h>

struct tc_cli;
struct tc_option;

/* The options that every subcommand takes. */
const struct tc_option *tc_args_common(void);

/*
 * Fills *cli, whose `commands` is set, from the command line. TC_EXIT_DONE, or
 * TC_EXIT_USAGE when it does not fit, which has been said. With `help` the command line
 * may be incomplete; without, a `command` that is NULL means that the words name none
 * (tc_help_unknown says so).
 */
int tc_args_parse(struct tc_cli *cli, int argc, char **argv);

/* Bytes of word `index` of a command's path, from *ret_word on; 0 past the last. */
size_t tc_args_word(const char *path, size_t index, const char **ret_word);

/* How many of the first n words given are those of the path, in order. */
size_t tc_args_common_words(const char *path, const char *const *words, size_t n);

/* The value of an option ("" if it takes none), or NULL when it was not given. */
const char *tc_args_option(const struct tc_cli *cli, const char *name);

/* The value of the next time an option was given, from *at on (first 0), or NULL. */
const char *tc_args_next(const struct tc_cli *cli, const char *name, size_t *at);

/* The option as a number from 1 on, or `fallback`. TC_EXIT_USAGE when it is none. */
int tc_args_number(const struct tc_cli *cli, const char *name, uint64_t fallback,
                   uint64_t *ret);

/* Prints an error in the command line, and where help is. Returns TC_EXIT_USAGE. */
int tc_args_wrong(const struct tc_cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
