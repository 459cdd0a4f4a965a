/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the methods of the control socket: who may call what, what the core answers
 * itself, and the way of a call to a plugin (rpc.<plugin>.<method>) and of its answer
 * back.
 */
#ifndef TC_CORE_CONTROL_H
#define TC_CORE_CONTROL_H

#include <stdbool.h>

#include "core/conf/config_edit.h"

struct tc_config_changes;
struct tc_control;
struct tc_health_numbers;
struct tc_protection;
struct tc_services;

#define TC_CONTROL_SOCKET "tocsin.sock" /* under paths.runtime */
#define TC_CONTROL_GROUP                                                                 \
    "tocsin" /* may read; changing anything needs root, or the agent's user */

/* status 0, and warnings, a line each without an end, or ""; or a negative errno, one
 * sentence, and no changes to look at. */
typedef void (*tc_control_reloaded_fn)(void *arg, int status, const char *why,
                                       const struct tc_config_changes *changes);

/* Borrowed, all of it, until tc_control_stop. */
struct tc_control_options {
    const struct tc_services *services; /* whole, but for what may be missing there */
    struct tc_protection *protection;
    /*
     * Reads the configuration anew (`path` NULL: from where it came), checks all of it
     * and, unless `dry`, puts it in force; on failure the old one stays. One after the
     * other, in the order of asking.
     */
    void (*reload)(void *arg, const char *path, bool dry, tc_control_reloaded_fn done,
                   void *done_arg);
    /*
     * The same after a change of one key in the file that has it: checked first, written,
     * put in force; on failure the file is as before.
     */
    void (*edit)(void *arg, enum tc_config_verb verb, const char *key, const char *value,
                 tc_control_reloaded_fn done, void *done_arg);
    /* What health shows beside what was reported. */
    void (*numbers)(void *arg, struct tc_health_numbers *ret);
    void *arg;
};

/* Listens. `options` is copied. */
int tc_control_start(const struct tc_control_options *options,
                     struct tc_control **ret_control, char why[256]);

/* Fails the calls that wait for a plugin that has gone; NULL: for any. */
void tc_control_plugin_gone(struct tc_control *control, const char *name);

/* Refuses what waits, closes every connection; `done(arg)` at the end, control is then
 * gone. */
void tc_control_stop(struct tc_control *control, void (*done)(void *arg), void *arg);

#endif
