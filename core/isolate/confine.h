/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what tocsin-host gives up before it loads a line of a plugin's code: user, groups
 * and capabilities; files, but for the system's libraries, what the plugin's options
 * name, and its state folder; the network, other processes, new programs; memory beyond a
 * limit. For good. Must not: know plugins.
 */
#ifndef TC_CORE_CONFINE_H
#define TC_CORE_CONFINE_H

#include <stdint.h>

#define TC_CONFINE_FILES_MAX 256 /* open at once */

struct tc_confine {
    uint32_t uid, gid;     /* to become, when the process is root */
    uint64_t memory_bytes; /* of address space; 0: no limit */
    int files;             /* as of tc_sandbox_files: what may be used is named to it */
};

/* From here until the end is told what may be used. Errors: negative errno; the process
 * must not go on. */
int tc_confine_begin(struct tc_confine *c);

/* Closes it; a kernel without Landlock is no error. Undoes PR_SET_PDEATHSIG, as every
 * change of user does. Errors: negative errno; the process must not go on. */
int tc_confine_end(struct tc_confine *c);

/* confine_calls.c: no system call from here but those of its list. */
int tc_confine_calls(void);

#endif
