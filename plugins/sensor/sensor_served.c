/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_served.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sensor_scope.h"

/* What the kernel answers by itself, from memory or a block device. */
static const char *const local_types[] = {
    "aufs",   "bcachefs", "befs",   "bfs",   "btrfs", "cramfs",   "ecryptfs", "efs",
    "erofs",  "exfat",    "ext2",   "ext3",  "ext4",  "f2fs",     "hfs",      "hfsplus",
    "hpfs",   "iso9660",  "jffs2",  "jfs",   "minix", "msdos",    "nilfs2",   "ntfs",
    "ntfs3",  "overlay",  "qnx4",   "qnx6",  "ramfs", "reiserfs", "reiser4",  "romfs",
    "rootfs", "squashfs", "sysv",   "tmpfs", "ubifs", "udf",      "ufs",      "vfat",
    "xfs",    "zfs",      "zonefs", NULL};

bool tc_sensor_served(const char *type)
{
    for (size_t i = 0; local_types[i]; i++)
        if (!strcmp(type, local_types[i]))
            return false;
    return true;
}

bool tc_sensor_served_path(const char *path)
{
    static const char *const none[] = {NULL};
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? tc_sensor_scope_read_mounts(fd) : NULL;
    struct tc_sensor_scope *scope = NULL;
    bool served = text && !tc_sensor_scope_new(text, none, none, &scope) &&
                  !tc_sensor_scope_on_root(scope, path) &&
                  tc_sensor_scope_served(scope, path);

    tc_sensor_scope_unref(scope);
    free(text);
    if (fd >= 0)
        close(fd);
    return served;
}
