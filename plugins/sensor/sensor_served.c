/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_served.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sensor_mounts.h"

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
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? tc_sensor_mounts_read(fd) : NULL;
    struct tc_sensor_mounts mounts = {.list = NULL};
    const struct tc_sensor_mount *mount = NULL;
    bool served;

    if (text && !tc_sensor_mounts_parse(text, NULL, 0, &mounts))
        mount = tc_sensor_mounts_above(&mounts, path);
    served = mount && mount->served && strcmp(mount->point, "/") != 0;
    tc_sensor_mounts_done(&mounts);
    free(text);
    if (fd >= 0)
        close(fd);
    return served;
}
