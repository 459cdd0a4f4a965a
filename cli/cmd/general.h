/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what several groups of subcommands do alike. */
#ifndef TC_CLI_GENERAL_H
#define TC_CLI_GENERAL_H

#include <msgpack.h>

struct tc_answer;
struct tc_cli;

/* Calls the command's method with its argument and --limit, if it has them. A failure has
 * been said. */
int tc_general_call(struct tc_cli *cli, struct tc_answer *ret_answer);

/* Prints a value as a line of JSON on stdout. */
int tc_general_json(const msgpack_object *o);

/* The entry of that plugin in the answer of plugin.list, or NULL. */
const msgpack_object *tc_general_plugin(const msgpack_object *list, const char *name);

/*
 * The absolute path of what may not exist yet: its folder resolved, its own name left as
 * it is, so that a symbolic link stays one. In memory for free(). A failure has been
 * said.
 */
int tc_general_path(const char *path, char **ret_path);

#endif
