/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the portal of a trial run: its process, and the one that prints the way in as
 * soon as the agent answers. Both end with the trial, however that ends.
 */
#ifndef TC_CORE_TRIAL_PORTAL_H
#define TC_CORE_TRIAL_PORTAL_H

#include <sys/types.h>

struct tc_trial_portal {
    pid_t portal, greeter; /* 0: none */
    int alive;             /* the pipe that the portal's input is; -1: none */
};

/*
 * Starts `prefix`/bin/tocsin-portal for the agent whose runtime folder that is, and
 * prints a login link when there is one. What goes wrong is printed, too.
 */
void tc_trial_portal_start(struct tc_trial_portal *portal, const char *runtime,
                           const char *prefix);

void tc_trial_portal_stop(struct tc_trial_portal *portal);

#endif
