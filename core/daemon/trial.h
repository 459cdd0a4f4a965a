/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the trial run (`tocsind --try DIR`, what `make run` starts): everything under one
 * folder, nothing installed, nothing outside it watched, and a page of what to try.
 */
#ifndef TC_CORE_TRIAL_H
#define TC_CORE_TRIAL_H

#include <stdbool.h>

#include "core/daemon/trial_network.h"
#include "core/daemon/trial_portal.h"

struct tc_trial {
    char dir[2048];     /* absolute */
    char config[16384]; /* YAML text */
    bool mounted;       /* DIR/protected is a tmpfs of ours */
    struct tc_trial_network network;
    char network_why[256]; /* why root has none; "" */
    struct tc_trial_portal portal;
};

/*
 * Makes DIR/{state,runtime,protected}; as root, mounts a tmpfs on DIR/protected, so that
 * the sensor's mark on that file system touches no other file, and makes a network of
 * its own for the filter, where the machine can. `prefix` is the folder that holds bin/,
 * lib/ and share/.
 */
int tc_trial_init(struct tc_trial *trial, const char *dir, const char *prefix,
                  char why[256]);

/* Prints what the person at the terminal may try now, and starts the portal, which prints
 * the way to its page. */
void tc_trial_explain(struct tc_trial *trial, const char *prefix);

/* Ends the portal; takes the tmpfs and the network away. */
void tc_trial_done(struct tc_trial *trial);

#endif
