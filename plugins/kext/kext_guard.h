/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the small process that waits while execs are held (`hold_exec`): should the
 * agent die, or hang so that its deadline passes, it lets all stopped processes go on. It
 * has the two maps and one end of a pipe, and nothing else of the agent's.
 */
#ifndef TC_KEXT_GUARD_H
#define TC_KEXT_GUARD_H

#include <sys/types.h>

struct tc_kext_programs;

struct tc_kext_guard {
    pid_t pid; /* 0: there is none */
    int pipe;  /* its other end: closed, the guard ends */
};

/* Errors: those of pipe(2), fork(2). */
int tc_kext_guard_start(struct tc_kext_guard *guard,
                        const struct tc_kext_programs *programs);

/* It resumes what is still held, and has ended when this returns. */
void tc_kext_guard_stop(struct tc_kext_guard *guard);

#endif
