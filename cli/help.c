/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: see help.h. */
#include "cli/help.h"

#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/print.h"

#define WORD_MAX 24 /* longer words are nobody's typing error */
#define COLUMN 44   /* where the explanations begin */

/* Changes (one letter added, lost, replaced or swapped with its neighbour) between two
 * words: Damerau-Levenshtein, in its restricted form. */
static size_t changes(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[WORD_MAX + 1][WORD_MAX + 1], best;

    if (na > WORD_MAX || nb > WORD_MAX)
        return WORD_MAX;
    for (size_t i = 0; i <= na; i++) {
        for (size_t j = 0; j <= nb; j++) {
            if (!i || !j) {
                rows[i][j] = i + j;
                continue;
            }
            best = rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (rows[i - 1][j] + 1 < best)
                best = rows[i - 1][j] + 1;
            if (rows[i][j - 1] + 1 < best)
                best = rows[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[i - 2][j - 2] + 1 < best)
                best = rows[i - 2][j - 2] + 1;
            rows[i][j] = best;
        }
    }
    return rows[na][nb];
}

/* How many of the words are the beginning of some command. */
static size_t known_words(const struct tc_cli *cli)
{
    size_t most = 0, n;

    for (const struct tc_command *c = cli->commands; c->path; c++) {
        n = tc_args_common_words(c->path, cli->words, cli->word_count);
        most = n > most ? n : most;
    }
    return most;
}

int tc_help_unknown(const struct tc_cli *cli)
{
    size_t known = known_words(cli), best = 3, len, found = 0, n;
    const char *word, *nearest = NULL, *typed;

    if (known == cli->word_count) {
        tc_help_print(cli, stderr);
        return TC_EXIT_USAGE;
    }
    typed = cli->words[known];
    for (const struct tc_command *c = cli->commands; c->path; c++) {
        len = tc_args_word(c->path, known, &word);
        if (!len || tc_args_common_words(c->path, cli->words, known) != known)
            continue;
        n = changes(typed, strlen(typed), word, len);
        if (n >= best || n >= len)
            continue;
        best = n;
        nearest = c->path;
        found = (size_t)(word - c->path) + len;
    }
    if (!nearest)
        return tc_args_wrong(cli, "there is no command %s", typed);
    return tc_args_wrong(cli, "there is no command %s; did you mean `tocsin %.*s`?",
                         typed, (int)found, nearest);
}

static void print_options(const struct tc_option *options, FILE *out)
{
    int n;

    for (; options && options->name; options++) {
        n = fprintf(out, "  --%s%s%s", options->name, options->value ? " " : "",
                    options->value ? options->value : "");
        fprintf(out, "%*s%s\n", n < COLUMN - 1 ? COLUMN - n : 1, "", options->help);
    }
}

static void print_command(const struct tc_command *c, FILE *out)
{
    fprintf(out, "usage: tocsin %s%s%s%s\n\n%s.\n", c->path, c->usage ? " " : "",
            c->usage ? c->usage : "", c->options ? " [OPTION...]" : "", c->help);
    if (c->options) {
        fputs("\noptions:\n", out);
        print_options(c->options, out);
    }
}

static void print_group(const struct tc_cli *cli, FILE *out)
{
    int n;

    fputs("usage: tocsin [OPTION...] COMMAND [ARGUMENT...]\n\ncommands:\n", out);
    for (const struct tc_command *c = cli->commands; c->path; c++) {
        if (tc_args_common_words(c->path, cli->words, cli->word_count) != cli->word_count)
            continue;
        n = fprintf(out, "  %s%s%s", c->path, c->usage ? " " : "",
                    c->usage ? c->usage : "");
        fprintf(out, "%*s%s\n", n < COLUMN - 1 ? COLUMN - n : 1, "", c->help);
    }
}

int tc_help_print(const struct tc_cli *cli, FILE *out)
{
    if (cli->command && !(cli->arg_count && cli->command->args_max == 0)) {
        print_command(cli->command, out);
    } else {
        if (known_words(cli) != cli->word_count)
            return tc_help_unknown(cli);
        print_group(cli, out);
    }
    fputs("\noptions of every command:\n", out);
    print_options(tc_args_common(), out);
    return TC_EXIT_DONE;
}
