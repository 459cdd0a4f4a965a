/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which plugins somebody has disabled by a command, as the next agent finds them: a
 * file of the state folder with a name a line. Must not: know what a plugin is.
 */
#ifndef TC_CORE_SWITCHED_OFF_H
#define TC_CORE_SWITCHED_OFF_H

#include <stdbool.h>
#include <stddef.h>

#define TC_SWITCHED_OFF_FILE "plugins.disabled"
#define TC_SWITCHED_OFF_MAX 64 /* as many as a configuration may name */

struct tc_switched_off {
    char names[TC_SWITCHED_OFF_MAX][64];
    size_t count;
};

bool tc_switched_off_has(const struct tc_switched_off *off, const char *name);

/* False when that changes nothing, or there is no room. */
bool tc_switched_off_set(struct tc_switched_off *off, const char *name, bool is_off);

/* None when there is no file, or none that can be read. Blocks. */
void tc_switched_off_read(const char *state_dir, struct tc_switched_off *ret);

/* Durable when it returns. Blocks. A negative errno and why. */
int tc_switched_off_write(const char *state_dir, const struct tc_switched_off *off,
                          char why[256]);

#endif
