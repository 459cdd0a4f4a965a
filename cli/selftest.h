/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the imitation of an attack that `tocsin edr selftest` runs: a folder of its own,
 * the script in it, its process, and that nothing is left of them. Harmless: the script
 * decodes and runs a command, looks about, and writes to a scratch home in that folder.
 * Must not: know the agent.
 */
#ifndef TC_CLI_SELFTEST_H
#define TC_CLI_SELFTEST_H

#include <signal.h>

/* The rule in config/rules/sigma/tocsin_selftest.yml, which knows the script by the
 * name of its folder. */
#define TC_SELFTEST_RULE "c56edfde-4893-59f2-b4f3-48feca6c7ff8"
#define TC_SELFTEST_FOLDER "tocsin-edr-selftest-"

#define TC_SELFTEST_PATH_BYTES 512
#define TC_SELFTEST_WHY_BYTES 768

struct tc_selftest {
    char folder[TC_SELFTEST_PATH_BYTES];
};

/*
 * Makes the folder (in TMPDIR, or /tmp) and fills it. Negative errno, with a sentence in
 * `why`: there is nothing to close then.
 */
int tc_selftest_open(struct tc_selftest *selftest, char why[TC_SELFTEST_WHY_BYTES]);

/*
 * Runs the script to its end; it has `signals` blocked. What it says goes nowhere. 1: by
 * the system's own shell, since nothing may be executed in the folder.
 */
int tc_selftest_run(const struct tc_selftest *selftest, const sigset_t *signals,
                    char why[TC_SELFTEST_WHY_BYTES]);

/* Removes all of it. */
int tc_selftest_close(const struct tc_selftest *selftest,
                      char why[TC_SELFTEST_WHY_BYTES]);

#endif
