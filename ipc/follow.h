/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which processes are followed: some by their pid, and all that they have started
 * since, as events say. Must not: look at the system's processes. Pure; one thread.
 */
#ifndef TC_IPC_FOLLOW_H
#define TC_IPC_FOLLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_FOLLOW_MAX 65536 /* processes; the children of more are not followed */

struct tc_follow;

/* NULL when out of memory. */
struct tc_follow *tc_follow_new(void);

/* Takes NULL. */
void tc_follow_free(struct tc_follow *follow);

/* `start_ns`: since the epoch, so that a later process with that pid is another one; 0:
 * whichever has it. Errors: -ENOSPC, -ENOMEM. */
int tc_follow_add(struct tc_follow *follow, uint64_t pid, uint64_t start_ns);

/*
 * Whether the event, one map, is of one of the processes, or is done to one of them. One
 * whose parent or ancestor is followed is followed from now on.
 */
bool tc_follow_match(struct tc_follow *follow, const void *data, size_t len);

#endif
