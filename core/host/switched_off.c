/* SPDX-License-Identifier: Apache-2.0 */
#include "core/host/switched_off.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/why.h"

static size_t find(const struct tc_switched_off *off, const char *name)
{
    size_t i = 0;

    while (i < off->count && strcmp(off->names[i], name) != 0)
        i++;
    return i;
}

bool tc_switched_off_has(const struct tc_switched_off *off, const char *name)
{
    return find(off, name) < off->count;
}

bool tc_switched_off_set(struct tc_switched_off *off, const char *name, bool is_off)
{
    size_t i = find(off, name);

    if (is_off == (i < off->count) || i == TC_SWITCHED_OFF_MAX)
        return false;
    if (is_off)
        snprintf(off->names[off->count++], sizeof(off->names[0]), "%s", name);
    else
        memmove(off->names[i], off->names[off->count - 1], sizeof(off->names[0]));
    off->count -= !is_off;
    return true;
}

void tc_switched_off_read(const char *state_dir, struct tc_switched_off *ret)
{
    char path[4096 + sizeof(TC_SWITCHED_OFF_FILE)], name[64];
    FILE *file;

    ret->count = 0;
    snprintf(path, sizeof(path), "%s/" TC_SWITCHED_OFF_FILE, state_dir);
    file = fopen(path, "re");
    while (file && fscanf(file, "%63s", name) == 1)
        (void)tc_switched_off_set(ret, name, true);
    if (file)
        fclose(file);
}

static int write_names(int fd, const struct tc_switched_off *off)
{
    for (size_t i = 0; i < off->count; i++)
        if (dprintf(fd, "%s\n", off->names[i]) < 0)
            return -errno;
    return fsync(fd) ? -errno : 0;
}

int tc_switched_off_write(const char *state_dir, const struct tc_switched_off *off,
                          char why[256])
{
    static const char draft[] = TC_SWITCHED_OFF_FILE ".new";
    int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1, err = 0;

    if (dir >= 0)
        fd = openat(dir, draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    if (fd < 0)
        err = -errno;
    if (!err)
        err = write_names(fd, off);
    if (!err && (renameat(dir, draft, dir, TC_SWITCHED_OFF_FILE) || fsync(dir)))
        err = -errno;
    if (err)
        tc_why(why, "%s/" TC_SWITCHED_OFF_FILE " cannot be written: %s", state_dir,
               strerror(-err));
    if (fd >= 0)
        close(fd);
    if (dir >= 0)
        close(dir);
    return err;
}
