/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what tocsin-host gives up before it loads a line of a plugin's code: user, groups
 * and capabilities; files, but for the system's libraries, what the plugin's options
 * name, and its state folder; the network, other processes, new programs; memory beyond a
 * limit. For good. Must not: know plugins.
 */
#ifndef TC_CORE_SANDBOX_H
#define TC_CORE_SANDBOX_H

#include <stdint.h>

#define TC_SANDBOX_FILES_MAX 256 /* open at once */

struct tc_sandbox {
    uint32_t uid, gid;     /* to become, when the process is root */
    uint64_t memory_bytes; /* of address space; 0: no limit */
    int landlock;          /* a ruleset, or -1: this kernel has none */
};

/* Begins: what is allowed can be named from here. -errno: the process must not go on. */
int tc_sandbox_init(struct tc_sandbox *sandbox);

/* Allows to read a file or all beneath a folder, or also to write. What is not there is
 * not allowed. */
void tc_sandbox_read(struct tc_sandbox *sandbox, const char *path);
void tc_sandbox_write(struct tc_sandbox *sandbox, const char *path);

/* Closes it. -errno: it is not closed, and the process must not go on. A kernel without
 * Landlock is no error; sandbox->landlock was -1. */
int tc_sandbox_close(struct tc_sandbox *sandbox);

/* sandbox_calls.c: no system call from here but those of the list. */
int tc_sandbox_calls(void);

#endif
