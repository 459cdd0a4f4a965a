/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: making the n-th allocation or system call of a stretch of code fail, or be the
 * last thing that the process does. For tests that the linker gives its wrappers to
 * (tocsin_test(... FAULTS)): what our own code calls is counted, in any thread; what
 * libraries call among themselves is theirs.
 *
 *     for (unsigned n = 1, hit = 1; hit; n++) {
 *         tc_fault_arm(TC_FAULT_MEMORY, n, 0);
 *         err = operation();
 *         hit = tc_fault_disarm();
 *         ... either err is 0 and all is done, or it is not and nothing is
 *     }
 */
#ifndef TC_TESTS_SUPPORT_FAULT_H
#define TC_TESTS_SUPPORT_FAULT_H

#include <stdbool.h>

/* What counts as a call. */
enum tc_fault_calls {
    TC_FAULT_MEMORY = 1, /* malloc, calloc, realloc, strdup, strndup */
    TC_FAULT_FILES = 2,  /* whatever opens, reads, writes, syncs, renames or removes */
};

#define TC_FAULT_KILL                                                                    \
    (-1) /* in place of an errno: the process is killed before the call */

/* Calls are counted from here; the nth (from 1) fails with `err`, memory with ENOMEM. */
void tc_fault_arm(unsigned calls, unsigned nth, int err);

/* As tc_fault_arm, but before the nth call `then` is run, whose own calls do not count,
 * and the call goes on: what somebody else does at that moment. */
void tc_fault_interrupt(unsigned calls, unsigned nth, void (*then)(void *arg), void *arg);

/* No more faults. Whether the nth call came. */
bool tc_fault_disarm(void);

#endif
