/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the check of a configuration without an agent: what `tocsin config validate` asks
 * of a running one, by the same code, with the plugins that the file names. Starts none
 * of them and changes nothing.
 */
#ifndef TC_CORE_CHECK_H
#define TC_CORE_CHECK_H

/*
 * Reads `path` and conf.d beside it; plugins are looked for in paths.plugins and then in
 * `plugin_dir`. 0, with warnings on stderr, or a negative errno and one sentence. Blocks.
 * Whoever may not read the plugins' files as the agent does hears so.
 */
int tc_check_config(const char *path, const char *plugin_dir, char why[256]);

#endif
