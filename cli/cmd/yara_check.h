/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: whether a file of YARA rules is right: it compiles as plugin av compiles it, by
 * itself and without includes. */
#ifndef TC_CLI_CMD_YARA_CHECK_H
#define TC_CLI_CMD_YARA_CHECK_H

#include <stdbool.h>

/* What is wrong, with its line, or 0 when it is about the whole file. */
typedef void (*tc_yara_problem_fn)(void *arg, const char *file, unsigned line,
                                   const char *text);

/* Whether the name is that of YARA rules: .yar, .yara, .yarc. */
bool tc_yara_is(const char *path);

/* Compiles the file; each mistake goes to `problem`. How many rules it has. */
unsigned tc_yara_check(const char *path, tc_yara_problem_fn problem, void *arg);

#endif
