/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the loop around the gates (core/approval): its timer, the probes, the file of
 * consents, managed profiles, prerequisites, and reporting what happens: events,
 * the log, health. Loop thread. Must not: start or stop a sensor (protection.c does),
 * but for the network extension, whose start is its own probe.
 */
#ifndef TC_CORE_APPROVER_H
#define TC_CORE_APPROVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/approval/approval.h"

struct tc_services;
struct tc_approver;
struct tc_profiles;

/* status 0, or a negative errno and one sentence. */
typedef void (*tc_approver_done_fn)(void *arg, int status, const char *why);

/*
 * Reads consents and profiles and settles the release ring. Blocks: before the loop runs.
 * `changed` is called whenever what tc_approver_snapshot says may have changed.
 */
int tc_approver_new(const struct tc_services *services, void (*changed)(void *arg),
                    void *arg, struct tc_approver **ret_approver);

/* Frees itself on the loop, after work that is under way. Takes NULL. */
void tc_approver_free(struct tc_approver *approver);

/* The plugins are loaded: asks for the gates that they need, and probes what has consent
 * already. begin: shows the first prompt; more than once is harmless. */
void tc_approver_prepare(struct tc_approver *approver);
void tc_approver_begin(struct tc_approver *approver);

/* The registry's event about a plugin (struct tc_registry_options.event), or that it is
 * "disabled"; the configuration has changed. */
void tc_approver_plugin(struct tc_approver *approver, const char *name, const char *what);
void tc_approver_configured(struct tc_approver *approver);

/* A plugin has reported the fact network_events_subsystem: from within its callback, so
 * what follows comes from the loop. */
void tc_approver_reported(struct tc_approver *approver);

/*
 * Somebody who may has answered: stored first, then put in force, then `done`. Errors as
 * tc_approval_answer, and those of storing.
 */
void tc_approver_answer(struct tc_approver *approver, enum tc_gate gate,
                        enum tc_approval_answer answer, uid_t uid, pid_t pid,
                        tc_approver_done_fn done, void *arg);
void tc_approver_retry(struct tc_approver *approver);

const struct tc_approval *tc_approver_approval(const struct tc_approver *approver);
void tc_approver_snapshot(const struct tc_approver *approver,
                          struct tc_approval_view *ret,
                          struct tc_gate_view ret_gates[TC_GATES]);
const char *tc_approver_ring(const struct tc_approver *approver, bool *ret_managed);
const struct tc_profiles *tc_approver_profiles(const struct tc_approver *approver);
const char *tc_approver_managed(const struct tc_approver *approver); /* their folder */

/* What profiles would say that somebody has sent (tc_profiles_read_sent), parsed off the
 * loop; they are valid inside the call. NULL, and a sentence, with a status. */
typedef void (*tc_approver_checked_fn)(void *arg, int status, const char *why,
                                       const struct tc_profiles *profiles);
void tc_approver_check(struct tc_approver *approver, const void *params, size_t len,
                       tc_approver_checked_fn checked, void *arg);

#endif
