/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: `tocsin network-filter`, and records of the plugin netfilter as it answers. */
#include <stdio.h>

#include "cli/args.h"
#include "cli/call.h"
#include "cli/cli.h"
#include "cli/cmd/commands.h"
#include "cli/cmd/general.h"
#include "cli/cmd/netfilter.h"
#include "cli/print.h"

static int call_with_reason(struct tc_cli *cli, struct tc_answer *ret_answer)
{
    struct tc_pack p;
    int r;

    tc_pack_init(&p);
    tc_pack_begin_map(&p, NULL);
    tc_netfilter_pack_reason(cli, &p);
    tc_pack_end(&p);
    r = tc_netfilter_call(cli, &p, ret_answer);
    tc_pack_done(&p);
    return r;
}

int tc_run_network_filter_set(struct tc_cli *cli)
{
    struct tocsin_str reason;
    struct tc_answer answer;
    int r = call_with_reason(cli, &answer);

    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    fputs("network filter: ", stdout);
    tc_print_str(stdout, tc_unpack_str(answer.result, "state"));
    reason = tc_unpack_str(answer.result, "reason");
    if (reason.len) {
        fputs(", ", stdout);
        tc_print_str(stdout, reason);
    }
    putchar('\n');
    return TC_EXIT_DONE;
}

int tc_run_netfilter_record(struct tc_cli *cli)
{
    struct tc_answer answer;
    int r = call_with_reason(cli, &answer);

    if (r)
        return r;
    if (cli->json)
        return tc_general_json(answer.result);
    tc_print_record(stdout, NULL, answer.result);
    return TC_EXIT_DONE;
}
