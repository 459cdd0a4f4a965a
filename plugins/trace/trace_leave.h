/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: letting go of many hooks without waiting for it. The kernel takes a tenth of a
 * second for each program at a function, one after the other, and whoever closes the last
 * descriptor waits: more than a plugin has for its stop. So that is left to a process of
 * its own, which has nothing else open, does nothing else and ends.
 */
#ifndef TC_TRACE_LEAVE_H
#define TC_TRACE_LEAVE_H

#include <stddef.h>

#define TC_TRACE_LEAVE_MAX 64

/*
 * Between begin and end the caller closes these descriptors, which takes no time then.
 * *ret_gate is for end. Errors: -E2BIG; those of pipe(2), fork(2): closing will take its
 * time. Any thread that may wait for a moment.
 */
int tc_trace_leave_begin(const int *fds, size_t count, int *ret_gate);
void tc_trace_leave_end(int gate);

#endif
