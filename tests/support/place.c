/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/place.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAILED 200
#define DEPTH 20 /* folders with names of 250 bytes: beyond PATH_MAX */

int tc_place_deep(const char *folder)
{
    char name[251];

    memset(name, 'd', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    if (chdir(folder))
        return FAILED;
    for (int i = 0; i < DEPTH; i++)
        if ((mkdir(name, 0755) && errno != EEXIST) || chdir(name))
            return FAILED;
    return 0;
}

int tc_place_own_mount(const char *at)
{
    return unshare(CLONE_NEWNS) || mount("own", at, "tmpfs", 0, NULL) ? FAILED : 0;
}

void tc_place_await(const char *signal)
{
    (void)rmdir(signal);
    while (access(signal, F_OK))
        usleep(1000);
}

int tc_place_overlay(const char *lower, const char *other)
{
    char options[400], upper[128], work[128], merged[128];

    snprintf(upper, sizeof(upper), "%s/upper", other);
    snprintf(work, sizeof(work), "%s/work", other);
    snprintf(merged, sizeof(merged), "%s/merged", other);
    mkdir(upper, 0755);
    mkdir(work, 0755);
    mkdir(merged, 0755);
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper,
             work);
    return unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
                   mount("overlay", merged, "overlay", 0, options)
               ? FAILED
               : 0;
}
