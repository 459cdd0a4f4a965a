/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see args.h. */
#include "cli/args.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"

const struct tc_option *tc_args_common(void)
{
    static const struct tc_option common[] = {
        {"output", "text|json", "how to print: for people, or for programs", false},
        {"socket", "PATH", "the agent's socket, instead of $TOCSIN_SOCKET or the usual",
         false},
        {"help", NULL, "say what this does", true},
        {"version", NULL, "print the version of this command", true},
        {NULL, NULL, NULL, false},
    };

    return common;
}

int tc_args_wrong(const struct tc_cli *cli, const char *format, ...)
{
    va_list ap;

    fputs("tocsin: ", stderr);
    va_start(ap, format);
    tc_print_vsay(stderr, format, ap);
    va_end(ap);
    if (cli->command)
        fprintf(stderr, "\nusage: tocsin %s%s%s   (tocsin %s --help says more)\n",
                cli->command->path, cli->command->usage ? " " : "",
                cli->command->usage ? cli->command->usage : "", cli->command->path);
    else
        fputs("\n`tocsin --help` lists what there is\n", stderr);
    return TC_EXIT_USAGE;
}

static const struct tc_option *find_option(const struct tc_option *table,
                                           const char *name, size_t n)
{
    for (; table && table->name; table++)
        if (strlen(table->name) == n && !memcmp(table->name, name, n))
            return table;
    return NULL;
}

/* Options may stand before the subcommand: any subcommand's says whether it has a value.
 */
static const struct tc_option *find_any_option(const struct tc_cli *cli, const char *name,
                                               size_t n)
{
    const struct tc_option *found = find_option(tc_args_common(), name, n);

    for (const struct tc_command *c = cli->commands; !found && c->path; c++)
        found = find_option(c->options, name, n);
    return found;
}

/* Takes the option at argv[*at], and its value, which may be the word after it. */
static int take_option(struct tc_cli *cli, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *name, *equals;
    const struct tc_option *option;
    struct tc_given *given;
    size_t n;

    name = !strcmp(word, "-h") ? "help" : word + 2;
    equals = strchr(name, '=');
    n = equals ? (size_t)(equals - name) : strlen(name);
    option = word[1] == '-' || name != word + 2 ? find_any_option(cli, name, n) : NULL;
    if (!option)
        return tc_args_wrong(cli, "there is no option %s", word);
    if (cli->given_count == TC_CLI_OPTIONS_MAX)
        return tc_args_wrong(cli, "more than %d options", TC_CLI_OPTIONS_MAX);
    if (!option->value && equals)
        return tc_args_wrong(cli, "--%s takes no value", option->name);
    given = &cli->given[cli->given_count];
    given->option = option;
    given->value = equals ? equals + 1 : "";
    if (option->value && !equals) {
        if (*at + 1 >= argc)
            return tc_args_wrong(cli, "--%s wants %s", option->name, option->value);
        given->value = argv[++*at];
    }
    cli->given_count++;
    return TC_EXIT_DONE;
}

static int split(struct tc_cli *cli, int argc, char **argv)
{
    bool options = true;
    int r = TC_EXIT_DONE;

    for (int i = 1; i < argc && r == TC_EXIT_DONE; i++) {
        if (options && !strcmp(argv[i], "--"))
            options = false;
        else if (options && argv[i][0] == '-' && argv[i][1])
            r = take_option(cli, argc, argv, &i);
        else if (cli->word_count == TC_CLI_WORDS_MAX)
            r = tc_args_wrong(cli, "more than %d words", TC_CLI_WORDS_MAX);
        else
            cli->words[cli->word_count++] = argv[i];
    }
    return r;
}

/* How many words a path has. */
static size_t word_count(const char *path)
{
    size_t n = 1;

    for (; *path; path++)
        n += *path == ' ';
    return n;
}

size_t tc_args_word(const char *path, size_t index, const char **ret_word)
{
    while (index && *path)
        index -= *path++ == ' ';
    *ret_word = path;
    return index ? 0 : strcspn(path, " ");
}

size_t tc_args_common_words(const char *path, const char *const *words, size_t n)
{
    const char *word;
    size_t i, len;

    for (i = 0; i < n; i++) {
        len = tc_args_word(path, i, &word);
        if (!len || strlen(words[i]) != len || memcmp(words[i], word, len) != 0)
            break;
    }
    return i;
}

/* The command with the most words that the command line begins with. */
static void find_command(struct tc_cli *cli)
{
    size_t most = 0, n;

    for (const struct tc_command *c = cli->commands; c->path; c++) {
        n = word_count(c->path);
        if (n <= most || n > cli->word_count ||
            tc_args_common_words(c->path, cli->words, n) != n)
            continue;
        most = n;
        cli->command = c;
    }
    cli->args = cli->words + most;
    cli->arg_count = cli->word_count - most;
}

static int check_options(const struct tc_cli *cli)
{
    const struct tc_option *option, *own;

    for (size_t i = 0; i < cli->given_count; i++) {
        option = cli->given[i].option;
        own = find_option(tc_args_common(), option->name, strlen(option->name));
        if (!own && cli->command)
            own = find_option(cli->command->options, option->name, strlen(option->name));
        if (!own)
            return tc_args_wrong(cli, "--%s does not belong here", option->name);
        for (size_t j = 0; j < i && !own->many; j++)
            if (!strcmp(cli->given[j].option->name, own->name))
                return tc_args_wrong(cli, "--%s is given twice", own->name);
    }
    return TC_EXIT_DONE;
}

static int take_common(struct tc_cli *cli)
{
    const char *output = tc_args_option(cli, "output");

    cli->json = output && !strcmp(output, "json");
    if (output && !cli->json && strcmp(output, "text") != 0)
        return tc_args_wrong(cli, "--output is text or json, not %s", output);
    cli->socket = tc_args_option(cli, "socket");
    if (!cli->socket)
        cli->socket = getenv("TOCSIN_SOCKET");
    if (!cli->socket || !*cli->socket)
        cli->socket = TC_CLI_SOCKET;
    return TC_EXIT_DONE;
}

int tc_args_parse(struct tc_cli *cli, int argc, char **argv)
{
    int r;

    r = split(cli, argc, argv);
    if (r)
        return r;
    cli->help = tc_args_option(cli, "help") != NULL;
    cli->version = tc_args_option(cli, "version") != NULL;
    if (cli->version)
        return TC_EXIT_DONE;
    if (cli->word_count && !strcmp(cli->words[0], "help")) {
        cli->help = true;
        cli->word_count--;
        memmove(cli->words, cli->words + 1, cli->word_count * sizeof(*cli->words));
    }
    find_command(cli);
    if (cli->help || !cli->command)
        return TC_EXIT_DONE;
    r = check_options(cli);
    if (!r)
        r = take_common(cli);
    if (r)
        return r;
    if (cli->arg_count < cli->command->args_min)
        return tc_args_wrong(cli, "an argument is missing");
    if (cli->arg_count > cli->command->args_max)
        return tc_args_wrong(cli, "what is %s for?", cli->args[cli->command->args_max]);
    return TC_EXIT_DONE;
}

const char *tc_args_next(const struct tc_cli *cli, const char *name, size_t *at)
{
    while (*at < cli->given_count) {
        const struct tc_given *given = &cli->given[(*at)++];

        if (!strcmp(given->option->name, name))
            return given->value;
    }
    return NULL;
}

const char *tc_args_option(const struct tc_cli *cli, const char *name)
{
    size_t at = 0;

    return tc_args_next(cli, name, &at);
}

int tc_args_number(const struct tc_cli *cli, const char *name, uint64_t fallback,
                   uint64_t *ret)
{
    const char *text = tc_args_option(cli, name);
    unsigned long long n;
    char *end;

    if (!text) {
        *ret = fallback;
        return TC_EXIT_DONE;
    }
    errno = 0;
    n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || !n)
        return tc_args_wrong(cli, "--%s is a number from 1 on, not %s", name, text);
    *ret = n;
    return TC_EXIT_DONE;
}
