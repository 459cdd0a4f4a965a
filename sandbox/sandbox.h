/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: how a process of ours gives up for good what it does not need: root and every
 * capability; files and TCP ports (Landlock); system calls (seccomp). What it does need
 * is its own to say. Must not: know the agent.
 *
 * All of this is for a process that has one thread still. Order: name files while root,
 * who may see them all; the user goes before the files close; the calls close last.
 * Errors are negative errno, and mean that the process must not go on.
 */
#ifndef TC_SANDBOX_H
#define TC_SANDBOX_H

#include <seccomp.h>
#include <stddef.h>
#include <sys/types.h>

/* user.c: with these groups and no other, without a capability, and no program that it
 * executes gets more (PR_SET_NO_NEW_PRIVS). Whoever is not root stays who he is. */
int tc_sandbox_user(uid_t uid, gid_t gid, const gid_t *groups, size_t count);

/* files.c: begins a list of what may be used beneath "/"; *ret_ruleset is -1 where the
 * kernel has no Landlock, which is no error: the functions below do nothing then. */
int tc_sandbox_files(int *ret_ruleset);

/* Allows to read a file or all beneath a folder, or also to write. What is not there is
 * not allowed. */
void tc_sandbox_read(int ruleset, const char *path);
void tc_sandbox_write(int ruleset, const char *path);

/* No other file from here, and no TCP port, as far as the kernel's Landlock knows. Takes
 * the ruleset, on failure too. */
int tc_sandbox_files_close(int ruleset);

/* One system call that is allowed; with `args` 1 only when `arg` is so. */
struct tc_sandbox_call {
    int number; /* SCMP_SYS(name); what this machine does not have is passed over */
    unsigned int args;
    struct scmp_arg_cmp arg;
};
#define TC_SANDBOX_CALL(name)                                                            \
    {                                                                                    \
        .number = SCMP_SYS(name)                                                         \
    }

/* calls.c: no call but these; another fails with EPERM, so that a library that tries it
 * goes on without, or with ENOSYS where libc has an older one to fall back to. */
int tc_sandbox_calls(const struct tc_sandbox_call *allowed, size_t count);

/* Before a loop is made: io_uring, which would go past what tc_sandbox_calls allows, is
 * not there (ENOSYS). libuv takes it from 1.45 on where it can. */
int tc_sandbox_no_uring(void);

#endif
