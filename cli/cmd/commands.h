/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the names of the subcommands' run functions, for the table in main.c. Each
 * returns enum tc_exit and has said what went wrong.
 */
#ifndef TC_CLI_COMMANDS_H
#define TC_CLI_COMMANDS_H

#include <stdbool.h>

struct tc_cli;

/*
 * What most subcommands are. Each calls `method` with {param: argument, limit} and
 * prints, with --output json, the result, of a list its items. As text: a table, or
 * `said` when it is empty; a record; the argument and what was done with it, which is
 * `said`.
 */
int tc_run_list(struct tc_cli *cli);
int tc_run_record(struct tc_cli *cli);
int tc_run_action(struct tc_cli *cli);

int tc_run_health(struct tc_cli *cli);
int tc_run_version(struct tc_cli *cli);
int tc_run_approval_list(struct tc_cli *cli);
int tc_run_alert_get(struct tc_cli *cli);
int tc_run_alert_state(struct tc_cli *cli); /* close, reopen; of cases, too */
int tc_run_case_get(struct tc_cli *cli);
int tc_run_threat_get(struct tc_cli *cli);
int tc_run_threat_allow(struct tc_cli *cli);
int tc_run_threat_disallow(struct tc_cli *cli);
int tc_run_quarantine_restore(struct tc_cli *cli);
int tc_run_quarantine_remove(struct tc_cli *cli);
int tc_run_scan_custom(struct tc_cli *cli);
int tc_run_plugin_check(struct tc_cli *cli);
int tc_run_call(struct tc_cli *cli);
int tc_run_config_validate(struct tc_cli *cli);
int tc_run_config_show(struct tc_cli *cli);
int tc_run_config_reload(struct tc_cli *cli);
int tc_run_config_edit(struct tc_cli *cli);
int tc_run_profile_list(struct tc_cli *cli);
int tc_run_profile_check(struct tc_cli *cli);
int tc_run_definitions_list(struct tc_cli *cli);
int tc_run_definitions_reload(struct tc_cli *cli);
int tc_run_definitions_check(struct tc_cli *cli);
int tc_run_rule_test(struct tc_cli *cli);

/* The option `filters`; TC_EXIT_USAGE when it is no reading, which has been said. */
int tc_filters_option(const struct tc_cli *cli, bool *ret_joined);

int tc_run_edr_selftest(struct tc_cli *cli);
int tc_run_network_filter_set(struct tc_cli *cli);
int tc_run_isolate_on(struct tc_cli *cli);
int tc_run_isolate_off(struct tc_cli *cli);
int tc_run_forward_test(struct tc_cli *cli);
int tc_run_indicator_list(struct tc_cli *cli);
int tc_run_indicator_add(struct tc_cli *cli);
int tc_run_indicator_remove(struct tc_cli *cli);
int tc_run_indicator_test(struct tc_cli *cli);
int tc_run_netfilter_record(struct tc_cli *cli); /* any method, printed as it answers */
int tc_run_portal_login(struct tc_cli *cli);
int tc_run_stats(struct tc_cli *cli);
int tc_run_tap(struct tc_cli *cli);

#endif
