/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the subcommands of `tocsin threat` that are more than a list or an action. */
#include <ctype.h>
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
    char hash[SHA256_DIGITS + 1];
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    if (is_sha256(what)) {
        for (size_t i = 0; i < sizeof(hash); i++)
            hash[i] = (char)tolower((uint8_t)what[i]);
        tc_pack_str(&p, "sha256", hash);
    } else {
        tc_pack_str(&p, "id", what);
    }
    tc_pack_end(&p);
    r = tc_call(cli, "av.allow", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    tc_print_str(stdout, (struct tocsin_str){what, strlen(what)});
    puts(": allowed from now on");
    return TC_EXIT_DONE;
}

int tc_run_quarantine_restore(struct tc_cli *cli)
{
    const char *to = tc_args_option(cli, "to");
    struct tc_answer answer;
    struct tc_pack p;
    char *path = NULL;
    int r;

    r = to ? tc_general_path(to, &path) : TC_EXIT_DONE;
    if (r)
        return r;
    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_str(&p, "id", cli->args[0]);
    if (path)
        tc_pack_str(&p, "to", path);
    if (tc_args_option(cli, "overwrite"))
        tc_pack_bool(&p, "overwrite", true);
    tc_pack_end(&p);
    r = tc_call(cli, "av.restore", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    free(path);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    fputs("restored ", stdout);
    tc_print_str(stdout, tc_unpack_str(answer.result, "path"));
    fputs(" (sha256 ", stdout);
    tc_print_str(stdout, tc_unpack_str(answer.result, "sha256"));
    fputs(")\n", stdout);
    if (tc_unpack_str(answer.result, "not_restored").ptr) {
        fputs("could not give back: ", stdout);
        tc_print_str(stdout, tc_unpack_str(answer.result, "not_restored"));
        fputc('\n', stdout);
    }
    return TC_EXIT_DONE;
}

static int remove_of_user(struct tc_cli *cli, uint64_t user)
{
    struct tc_answer answer;
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_pack_uint(&p, "user_id", user);
    tc_pack_end(&p);
    r = tc_call(cli, "av.remove", &p, NULL, NULL, &answer);
    tc_pack_done(&p);
    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    printf("%lld files of user %llu: removed for good\n",
           (long long)tc_unpack_int(answer.result, "count", 0), (unsigned long long)user);
    return TC_EXIT_DONE;
}

int tc_run_quarantine_remove(struct tc_cli *cli)
{
    bool all = tc_args_option(cli, "user");
    uint64_t user;
    int r = tc_args_number(cli, "user", 0, &user);

    if (r)
        return r;
    if (all == (cli->arg_count == 1))
        return tc_args_wrong(cli, "an ID is needed, or --user UID");
    return all ? remove_of_user(cli, user) : tc_run_action(cli);
}
