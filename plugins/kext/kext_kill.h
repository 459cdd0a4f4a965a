/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: signals to processes that may have ended meanwhile: a process is (pid, start),
 * and is held by a pidfd before its start is compared, so that no other is ever hit.
 * Threads that may wait (/proc is read).
 */
#ifndef TC_KEXT_KILL_H
#define TC_KEXT_KILL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_KEXT_TREE_MAX 4096 /* processes of one tree that are killed; more: counted */

/*
 * Kills a process and all its descendants. Each is stopped before its children are looked
 * up, so that none gets away by forking. Returns how many were killed, or -ESRCH when it
 * has ended or is another by now.
 */
int tc_kext_kill_tree(pid_t pid, uint64_t start_ns);

/* Sends one signal. Errors: -ESRCH as above. */
int tc_kext_signal(pid_t pid, uint64_t start_ns, int signal);

#endif
