/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a process of tocsin-host as the agent sees it: started, told what to do, ended.
 * Must not: know what it says.
 */
#ifndef TC_CORE_CHILD_H
#define TC_CORE_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tc_isolate;
struct tc_wire_page;

struct tc_child {
    pid_t pid;  /* 0: there is none */
    int pidfd;  /* readable when it has ended */
    int socket; /* to it and from it */
    int room;   /* the same socket, to be watched for room */
    struct tc_wire_page *page;
};

/*
 * Starts one and sends it the setup, an encoded map; `plugin` is the copy of the .so,
 * which stays the caller's. Blocks for a program to be executed. Any thread.
 */
int tc_child_start(struct tc_isolate *isolate, int plugin, const void *setup, size_t len,
                   uint32_t flags, struct tc_child *ret_child, char why[256]);

void tc_child_kill(const struct tc_child *child);

/* One that has ended: says how, as "was killed by signal 11 (Segmentation fault)", what
 * it was doing, and its exit status or -signal. -EAGAIN: it runs. */
int tc_child_ended(const struct tc_child *child, int *ret_status, char *ret_how,
                   size_t cap);

/* Kills what still runs and gives back all of it; child->pid is then 0. */
void tc_child_done(struct tc_isolate *isolate, struct tc_child *child);

#endif
