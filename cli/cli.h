/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the parts of the command `tocsin` share: a subcommand's entry in the table,
 * what was asked for, and how it ends. Must not: know a method of the agent.
 */
#ifndef TC_CLI_CLI_H
#define TC_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

struct tc_client;
struct tc_cli;
struct tc_column;

#define TC_CLI_SOCKET "/run/tocsin/tocsin.sock"
#define TC_CLI_STATE "/var/lib/tocsin"
#define TC_CLI_WORDS_MAX 4096 /* words of a command line that are no options */
#define TC_CLI_OPTIONS_MAX 64 /* options of a command line */

/* How the program ends; tocsin(1). */
enum tc_exit {
    TC_EXIT_DONE = 0,
    TC_EXIT_FAILED = 1, /* or refused by the agent */
    TC_EXIT_USAGE = 2,
    TC_EXIT_NO_AGENT = 3,
};

/* An option of a subcommand. An option of one name takes a value everywhere or nowhere.
 */
struct tc_option {
    const char *name;  /* without the dashes; NULL ends a table */
    const char *value; /* what stands for its value in the help; NULL: it takes none */
    const char *help;
    bool many; /* may be given more than once */
};

/* A subcommand. */
struct tc_command {
    const char *path;                /* "threat quarantine list"; NULL ends the table */
    const char *usage;               /* its arguments, for the help; NULL: none */
    const char *help;                /* one line */
    const struct tc_option *options; /* NULL: none of its own */
    unsigned args_min, args_max;
    int (*run)(struct tc_cli *cli); /* returns enum tc_exit */

    /* What the run functions of cmd_general.c go by. */
    const char *method;              /* of the agent */
    const char *param;               /* what the argument is called there */
    const struct tc_column *columns; /* of a list */
    const char *said; /* a list: when it is empty; an action: what is done now */
};

/* An option that was given. */
struct tc_given {
    const struct tc_option *option;
    const char *value;
};

/* One run of the program. Strings are argv's. */
struct tc_cli {
    const struct tc_command *commands;
    const struct tc_command *command; /* NULL: none named */
    const char *words[TC_CLI_WORDS_MAX];
    size_t word_count;
    const char *const *args; /* the words after the command's own */
    size_t arg_count;
    struct tc_given given[TC_CLI_OPTIONS_MAX];
    size_t given_count;
    const char *socket;
    bool json, help, version;
    struct tc_client *client;
};

#endif
