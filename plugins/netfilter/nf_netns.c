/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int tc_nf_netns_enter(const char *path, int *ret_own, char why[TC_NF_WHY_MAX])
{
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(path, O_RDONLY | O_CLOEXEC), err;

    if (own >= 0 && there >= 0 && !setns(there, CLONE_NEWNET)) {
        *ret_own = own;
        return there;
    }
    err = -errno;
    snprintf(why, TC_NF_WHY_MAX, "network namespace %s: %s", path, strerror(-err));
    if (own >= 0)
        close(own);
    if (there >= 0)
        close(there);
    return err;
}

void tc_nf_netns_leave(int own)
{
    (void)setns(own, CLONE_NEWNET);
    close(own);
}
