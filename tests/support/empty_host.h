/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what an agent answers its plugins that has nothing: no exclusions, no other
 * process, and nobody who listens to what they report. For the rigs of tests and benches.
 */
#ifndef TC_TESTS_SUPPORT_EMPTY_HOST_H
#define TC_TESTS_SUPPORT_EMPTY_HOST_H

struct tc_plugin_env;

/* Fills in the callbacks that are NULL, but for `publish`, which is the rig's own. */
void tc_empty_host(struct tc_plugin_env *env);

#endif
