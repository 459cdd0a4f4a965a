/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the small process that keeps a reader that hangs, or is dead, from freezing the
 * host: it sends what the queue's owner has given it for that (tc_nf_queue_release) on
 * the queue's own socket, of which it has a duplicate. It has that, one end of a pipe and
 * a shared page, and nothing else of the agent's. Must not: know what it sends.
 *
 *     reader hangs (no beat for TC_NF_WATCHDOG_STALE_MS): sends once, and goes on
 *     agent is dead, however it died: sends, and ends
 *     tc_nf_watchdog_stop: ends, and sends nothing
 *
 * A socket that it holds does not close with the agent's descriptor: stop it before the
 * queue is closed. The reader's thread, but for what says otherwise.
 */
#ifndef TC_NF_WATCHDOG_H
#define TC_NF_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_NF_WATCHDOG_STALE_MS 2000
#define TC_NF_WATCHDOG_BEAT_MS 500 /* at least this often */
#define TC_NF_WATCHDOG_REVIVE_MS 1000
#define TC_NF_WATCHDOG_SEND_BYTES 192

struct tc_nf_watchdog;

/*
 * Watches from now on. `fd` is the queue's, and stays the caller's; `bytes` are copied.
 * Errors: -E2BIG; those of mmap(2), pipe(2), fork(2).
 */
int tc_nf_watchdog_start(int fd, const void *bytes, size_t len,
                         struct tc_nf_watchdog **ret_watchdog);

/* It has ended and is reaped when this returns. NULL is fine. Any thread. */
void tc_nf_watchdog_stop(struct tc_nf_watchdog *watchdog);

/* What has happened since the last beat. */
#define TC_NF_WATCHDOG_RELEASED 1u /* it has sent: tc_nf_queue_rebind */
#define TC_NF_WATCHDOG_REPLACED 2u /* it was dead; there is another */
#define TC_NF_WATCHDOG_MISSING 4u  /* it was dead, and another cannot be made yet */

/*
 * Each turn of the reader's loop, before it reads, and every TC_NF_WATCHDOG_BEAT_MS if
 * nothing comes; now_ns is CLOCK_MONOTONIC, which does not count while the machine
 * sleeps. Returns a set of the above. Whether the process lives is looked at once in
 * TC_NF_WATCHDOG_REVIVE_MS.
 */
unsigned tc_nf_watchdog_beat(struct tc_nf_watchdog *watchdog, uint64_t now_ns);

/* It is a part of the agent, its child. 0: there is none. Any thread. */
pid_t tc_nf_watchdog_pid(const struct tc_nf_watchdog *watchdog);

/* How often it has sent for a reader that hung. Any thread. */
uint32_t tc_nf_watchdog_releases(const struct tc_nf_watchdog *watchdog);

#endif
