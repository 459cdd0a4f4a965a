/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: plugin kext in a process of its own, which a test ends or stops. */
#ifndef TC_TESTS_SUPPORT_KEXT_HOLDER_H
#define TC_TESTS_SUPPORT_KEXT_HOLDER_H

#include <stdbool.h>
#include <sys/types.h>

struct tc_kext_holder {
    pid_t pid;
    struct {
        char root[64], dir[64]; /* its tmpfs, its state folder */
        char known[96];         /* a program that is known bad */
        char unknown[96];       /* one that nobody will judge */
    } at;
};

/* Returns when the plugin runs and knows what is bad. */
void tc_kext_holder_start(struct tc_kext_holder *holder, const char *const *options);

/* SIGKILL, and its folders are removed. */
void tc_kext_holder_end(struct tc_kext_holder *holder);

/* Runs a program to its end: true when it ran through. */
bool tc_kext_runs(const char *path);

#endif
