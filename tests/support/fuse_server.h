/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a file system of the test's own that a process of the test's own serves (FUSE, by
 * the kernel's protocol, linux/fuse.h), and that stops answering when it is told to. It
 * has two files, "f" and "g", readable and writable by everybody.
 */
#ifndef TC_TESTS_SUPPORT_FUSE_SERVER_H
#define TC_TESTS_SUPPORT_FUSE_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TC_FUSE_FILES 2
#define TC_FUSE_CONTENT_MAX 4096

/* Of the test and the server. */
struct tc_fuse_shared {
    _Atomic uint32_t silent;     /* the opcode that is not answered; 0: all are */
    _Atomic uint32_t opens;      /* of files, answered */
    _Atomic uint32_t unanswered; /* requests that wait for it */
    _Atomic uint32_t sizes[TC_FUSE_FILES];
    char content[TC_FUSE_FILES][TC_FUSE_CONTENT_MAX];
};

struct tc_fuse_server {
    pid_t pid;
    char point[160];
    struct tc_fuse_shared *shared;
};

/* Whether this machine can; says why not. Root. */
bool tc_fuse_possible(void);

/* Mounts at a folder that is there, and serves. Fails the test if it cannot. */
void tc_fuse_start(struct tc_fuse_server *server, const char *point);

/* The same, and it lets in nobody but user 65534: root neither. */
void tc_fuse_start_closed(struct tc_fuse_server *server, const char *point);

/* What "f" (0) or "g" (1) holds from now on, without the kernel's knowledge. */
void tc_fuse_put(struct tc_fuse_server *server, unsigned file, const char *text);

/* Ends the server: whoever waits for it is let go with an error. Unmounts. */
void tc_fuse_end(struct tc_fuse_server *server);

#endif
