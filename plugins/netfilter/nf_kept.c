/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: that the filter is disabled, kept in the plugin's folder from one run to the
 * next, and what a start finds there. The jobs run on a pool thread: a disk may be slow.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netfilter.h"

static void marker_path(const struct tc_nf *nf, char ret[PATH_MAX + 16])
{
    snprintf(ret, PATH_MAX + 16, "%s/disabled", nf->folder);
}

void tc_nf_prepare_run(void *arg)
{
    struct tc_nf *nf = arg;
    char path[PATH_MAX + 16];

    nf->prepare_status = mkdir(nf->folder, 0700) && errno != EEXIST ? -errno : 0;
    if (nf->prepare_status)
        return;
    marker_path(nf, path);
    nf->kept_disabled = !access(path, F_OK);
    tc_nf_isolate_load(nf);
}

static int keep_disabled(const struct tc_nf *nf)
{
    char path[PATH_MAX + 16];
    int fd;

    marker_path(nf, path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int keep_enabled(const struct tc_nf *nf)
{
    char path[PATH_MAX + 16];

    marker_path(nf, path);
    return unlink(path) && errno != ENOENT ? -errno : 0;
}

void tc_nf_switch_run(void *arg)
{
    struct tc_nf *nf = arg;

    nf->switch_status = nf->switch_enable ? keep_enabled(nf) : keep_disabled(nf);
}
