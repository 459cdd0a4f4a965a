/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the options of a plugin, from the command line. */
#ifndef TC_PLUGINTEST_RUN_OPTIONS_H
#define TC_PLUGINTEST_RUN_OPTIONS_H

struct tc_lone;
struct tocsin_plugin;

/* As tc_run_set and tc_run_set_json of run.h. */
int tc_run_options_pair(struct tc_lone *lone, const struct tocsin_plugin *plugin,
                        const char *pair, char why[256]);
int tc_run_options_json(struct tc_lone *lone, const char *json, char why[256]);

#endif
