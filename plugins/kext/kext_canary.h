/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the canary: a program of a few instructions in a file of the plugin's own, which
 * is put among the files known bad and then executed: what comes of it is the proof that
 * the programs in the kernel do what they are there for. Threads that may wait.
 */
#ifndef TC_KEXT_CANARY_H
#define TC_KEXT_CANARY_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/kext_abi.h"

struct tc_kext_canary {
    char *path; /* NULL: there is none */
    int memory; /* -1, or the file's descriptor: it is in memory, `path` a link of /proc
                 */
    struct tc_kext_key key;
};

/* How the execution ended. */
enum tc_kext_ended {
    TC_KEXT_ENDED_RAN,     /* it ran to its end */
    TC_KEXT_ENDED_KILLED,  /* before it could */
    TC_KEXT_ENDED_REFUSED, /* it was not executed: EPERM */
};

/* Makes <state_dir>/kext/canary anew, with a nonce; where that folder takes no file, in
 * memory. Errors: as of tc_sensor_memory_file; then, as of one that is zeroed, there is
 * none. */
int tc_kext_canary_init(struct tc_kext_canary *canary, const char *state_dir);
void tc_kext_canary_done(struct tc_kext_canary *canary); /* removes the file, too */

/* Executes it in a child and waits for that. Errors: those of posix_spawn(3) but EPERM.
 */
int tc_kext_canary_execute(const struct tc_kext_canary *canary,
                           enum tc_kext_ended *ret_ended);

/* Has a child open it: 0, or the errno it got (-EPERM: refused). */
int tc_kext_canary_open(const struct tc_kext_canary *canary);

#endif
