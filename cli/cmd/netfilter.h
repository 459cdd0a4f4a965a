/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the way of the subcommands about the network to the plugin netfilter. */
#ifndef TC_CLI_NETFILTER_H
#define TC_CLI_NETFILTER_H

struct tc_answer;
struct tc_cli;
struct tc_pack;

/*
 * As tc_call, of the command's method. Where that plugin does not run, one
 * sentence says why, and what to do.
 */
int tc_netfilter_call(struct tc_cli *cli, const struct tc_pack *params,
                      struct tc_answer *ret_answer);

/* Packs the option --reason into the open map, if it was given. */
void tc_netfilter_pack_reason(const struct tc_cli *cli, struct tc_pack *p);

#endif
