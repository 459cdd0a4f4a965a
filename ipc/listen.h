/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the control socket's file: whether one may be made, its mode and its group. Must
 * not: accept anybody. Before the loop runs; it may block on the user database.
 */
#ifndef TC_IPC_LISTEN_H
#define TC_IPC_LISTEN_H

#include <sys/types.h>

/* A listening socket and the file that leads to it. */
struct tc_listener {
    int fd;
    dev_t device; /* of the file, to know it by when it is to be removed */
    ino_t inode;
};

/*
 * Listens at `path`. A stale socket there is replaced; a live one is -EADDRINUSE, a file
 * that is no socket -EEXIST. At no moment is the file open to more than `mode` allows.
 * `group` may be NULL; one that is unknown, or that this process may not give files to,
 * is not set. On failure the reason is in `why`.
 */
int tc_listen_open(const char *path, mode_t mode, const char *group,
                   struct tc_listener *ret_listener, char why[256]);

/* Removes the file if it is still the listener's. The descriptor stays the caller's. */
void tc_listen_unlink(const struct tc_listener *listener, const char *path);

#endif
