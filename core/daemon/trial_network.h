/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the trial's network: a namespace of its own, held by one child process with a
 * small HTTP server in it. It has no way out, and ends with the process that made it,
 * however that one ends: nothing but the child holds it.
 * Must not: change anything in the namespace of the machine.
 */
#ifndef TC_CORE_TRIAL_NETWORK_H
#define TC_CORE_TRIAL_NETWORK_H

#include <sys/types.h>

struct tc_trial_network {
    pid_t holder; /* 0: there is no network */
};

/* Needs root. -errno, and in `why` what this machine lacks for a filter. */
int tc_trial_network_start(struct tc_trial_network *network, char why[256]);

void tc_trial_network_stop(struct tc_trial_network *network);

#endif
