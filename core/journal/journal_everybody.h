/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which processes have so much below them that to have one in common says nothing:
 * the first of the machine, and what starts services, sessions, jobs and containers.
 * Pure.
 *
 * They are known by the path of their executable, in a folder that is root's: who cannot
 * write there cannot hide behind such a name but in a mount namespace of his own, and
 * then his alerts only stand in more cases than one.
 */
#ifndef TC_CORE_JOURNAL_EVERYBODY_H
#define TC_CORE_JOURNAL_EVERYBODY_H

#include <stdbool.h>
#include <stdint.h>

#include <tocsin/event.h>

/* `executable` may be unknown: {NULL, 0}. */
bool tc_journal_everybody(int64_t pid, struct tocsin_str executable);

#endif
