/* SPDX-License-Identifier: Apache-2.0 */
#include "sensor_served.h"

#include <stddef.h>
#include <string.h>

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
