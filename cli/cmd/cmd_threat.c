/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the subcommands of `tocsin threat` that are more than a list or an action. */
#include <stdio.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/print.h"

#define SHA256_DIGITS 64

static bool is_sha256(const char *s)
{
    return strlen(s) == SHA256_DIGITS &&
           strspn(s, "0123456789abcdefABCDEF") == SHA256_DIGITS;
}

int tc_run_threat_allow(struct tc_cli *cli)
{
    const char *what = cli->args[0];
    struct tocsin_value result;
    struct tc_answer answer;
    struct tocsin_writer w;
    int r;

    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, is_sha256(what) ? "sha256" : "id", what);
    tocsin_end(&w);
    for (size_t i = 0; is_sha256(what) && i < w.len && !w.error; i++)
        if (w.buf[i] >= 'A' && w.buf[i] <= 'F')
            w.buf[i] = (uint8_t)(w.buf[i] + ('a' - 'A'));
    r = tc_call(cli, "av.allow", &w, NULL, NULL, &answer);
    tocsin_writer_done(&w);
    if (!r)
        r = tc_call_value(&answer, &result);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(&result);
    tc_print_str(stdout, (struct tocsin_str){what, strlen(what)});
    puts(": allowed from now on");
    return TC_EXIT_DONE;
}

int tc_run_quarantine_restore(struct tc_cli *cli)
{
    const char *to = tc_args_option(cli, "to");
    struct tocsin_value result;
    struct tc_answer answer;
    struct tocsin_writer w;
    char *path = NULL;
    int r;

    r = to ? tc_general_path(to, &path) : TC_EXIT_DONE;
    if (r)
        return r;
    tocsin_writer_init_growing(&w);
    tocsin_begin_map(&w, NULL);
    tocsin_put_str(&w, "id", cli->args[0]);
    if (path)
        tocsin_put_str(&w, "to", path);
    if (tc_args_option(cli, "overwrite"))
        tocsin_put_bool(&w, "overwrite", true);
    tocsin_end(&w);
    r = tc_call(cli, "av.restore", &w, NULL, NULL, &answer);
    tocsin_writer_done(&w);
    free(path);
    if (!r)
        r = tc_call_value(&answer, &result);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(&result);
    fputs("restored ", stdout);
    tc_print_str(stdout, tocsin_find_str(answer.result, answer.len, "path"));
    fputs(" (sha256 ", stdout);
    tc_print_str(stdout, tocsin_find_str(answer.result, answer.len, "sha256"));
    fputs(")\n", stdout);
    return TC_EXIT_DONE;
}
