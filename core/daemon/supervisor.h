/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the parent process: it forks the core, restarts one that crashed with back-off,
 * kills one whose loop has not turned, and speaks to systemd. It is single-threaded,
 * opens nothing once the core runs, and has no part in any verdict.
 */
#ifndef TC_CORE_SUPERVISOR_H
#define TC_CORE_SUPERVISOR_H

#include "core/base/pulse.h"

#define TC_RESTART_FIRST_MS 100 /* back-off: doubled at each crash ... */
/* ... up to this: no machine is unprotected for longer. Anew after TC_HEALTHY_MS. */
#define TC_RESTART_LAST_MS 5000
#define TC_HEALTHY_MS 10000 /* a core that has lived so long is no crash loop */

/* Runs in the child. Its return value is the core's exit status. */
typedef int (*tc_core_fn)(struct tc_pulse *pulse, void *arg);

/*
 * Forks cores running core(pulse, arg) until one exits by itself (its status is
 * returned), or SIGTERM or SIGINT comes (passed on; the core has 12 s, then is killed; 0
 * is returned). SIGHUP is passed on; it is blocked in the core until that unblocks it.
 * Blocks; changes the signal mask of the caller while it runs, and leaves the process a
 * subreaper (prctl(2)).
 */
int tc_supervise(tc_core_fn core, void *arg);

/* One state line to systemd (sd_notify(3)); nothing without NOTIFY_SOCKET. */
void tc_notify(const char *state);

#endif
