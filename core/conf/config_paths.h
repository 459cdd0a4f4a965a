/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a configuration names in the file system for its plugins, and whether it is
 * there: what no table can say. The places are looked at on a pool thread, apart from
 * the configuration, which stays with the loop. Must not: open what it looks at.
 */
#ifndef TC_CORE_CONFIG_PATHS_H
#define TC_CORE_CONFIG_PATHS_H

#include "core/conf/config.h"

struct tc_config_paths;

/* -ENOMEM. */
int tc_config_paths_new(struct tc_config_paths **ret_paths);
void tc_config_paths_free(struct tc_config_paths *paths);

/*
 * Notes what the plugin's section gives to options of `table` that have
 * TOCSIN_OPTION_PATH (defaults are the plugin's own affair). Everything is copied.
 * -ENOMEM.
 */
int tc_config_paths_add(struct tc_config_paths *paths, const struct tc_config *config,
                        const char *plugin, struct tc_option_table table);

/*
 * Looks at all of them. Blocks: a mount may not answer. -EINVAL and why, which begins
 * "file:line:column: ", for one that its option forbids (TOCSIN_OPTION_WATCHED on a
 * pseudo file system); one that does not exist is a warning. -ENOMEM.
 */
int tc_config_paths_check(struct tc_config_paths *paths, char why[256]);

/* The warnings of the last check, a line each without an end, or ""; owned by `paths`,
 * which may be NULL. */
const char *tc_config_paths_warnings(const struct tc_config_paths *paths);

#endif
