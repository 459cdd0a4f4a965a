/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the methods of the control socket: who may call what, what the core answers
 * itself, and the way of a call to a plugin (rpc.<plugin>.<method>) and of its answer
 * back.
 */
#ifndef TC_CORE_CONTROL_H
#define TC_CORE_CONTROL_H

struct tc_agent;
struct tc_control;

#define TC_CONTROL_SOCKET "tocsin.sock" /* under paths.runtime */
#define TC_CONTROL_GROUP                                                                 \
    "tocsin" /* may read; changing anything needs root, or the agent's user */
#define TC_CONTROL_FORWARDED_MAX 256 /* calls that wait for a plugin */

/* Listens. The agent's bus, registry, journal and health must be there. */
int tc_control_start(struct tc_agent *agent, struct tc_control **ret_control,
                     char why[256]);

/* Fails the calls that wait for a plugin that has gone; NULL: for any. */
void tc_control_plugin_gone(struct tc_control *control, const char *name);

/* Refuses what waits, closes every connection; `done(arg)` at the end, control is then
 * gone. */
void tc_control_stop(struct tc_control *control, void (*done)(void *arg), void *arg);

#endif
