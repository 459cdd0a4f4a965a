/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the core process: makes every part, ties them together, and takes them down in
 * order. What a part does is in its own file; here is only who talks to whom.
 */
#ifndef TC_CORE_AGENT_H
#define TC_CORE_AGENT_H

struct tc_pulse;

struct tc_agent_options {
    const char *config_path; /* NULL: config_text */
    const char
        *config_text; /* an embedded configuration, named "(built in)" in messages */
    const char
        *plugin_dir; /* where plugins are looked for after paths.plugins; may be NULL */
};

/* Runs the core until it is asked to stop. The exit status of the process. */
int tc_agent_run(struct tc_pulse *pulse, const struct tc_agent_options *options);

#endif
