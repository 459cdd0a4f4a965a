/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the agent's log: lines on standard error, with syslog priorities under systemd,
 * so that the journal of the system keeps them. Called by core/daemon,
 * protect and host, and for all others by notice.c.
 */
#ifndef TC_CORE_LOG_H
#define TC_CORE_LOG_H

#include <stdarg.h>
#include <tocsin/plugin.h>

/* Lines above this level (enum tocsin_log_level) are not written. Default:
 * TOCSIN_LOG_INFO.
 */
void tc_log_set_level(int level);

/* The level in force. */
int tc_log_level(void);

/* Writes "<area>: <text>" as one line; never blocks: a full pipe loses lines and counts
 * them. */
void tc_log(int level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void tc_vlog(int level, const char *area, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Lines lost so far because nobody read them. */
uint64_t tc_log_lost(void);

#endif
