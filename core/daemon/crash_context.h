/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whose code runs on each thread, so that a crash or a hang finds its plugin: the
 * loop thread's is always in the pulse page; a fatal signal writes that of the thread
 * that it hits.
 */
#ifndef TC_CORE_CRASH_CONTEXT_H
#define TC_CORE_CRASH_CONTEXT_H

struct tc_pulse;

/* The calling thread is the loop thread. Catches the fatal signals; they stay fatal. */
void tc_crash_context_start(struct tc_pulse *pulse);

/* The calling thread enters code of that plugin, or (NULL) has left it. Any thread. */
void tc_crash_context_enter(const char *plugin);

#endif
