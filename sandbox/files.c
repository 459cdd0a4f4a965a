/* SPDX-License-Identifier: Apache-2.0 */
/* landlock(7). */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights that later versions of Landlock know, by bit: landlock(7). */
#define RIGHT_REFER (UINT64_C(1) << 13)     /* version 2 */
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)  /* version 3 */
#define RIGHT_IOCTL_DEV (UINT64_C(1) << 15) /* version 5 */

/* Version 4: the ports that may be bound and connected. */
#define PORTS UINT64_C(3)

/* struct landlock_ruleset_attr of version 4; the headers of Debian 12 end at the third.
 */
struct ruleset {
    uint64_t handled_fs, handled_net;
};

#define RIGHTS_1 (RIGHT_REFER - 1)
#define RIGHTS_READ                                                                      \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                         \
     LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_OF_FILES                                                                  \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                         \
     LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE)
#define RIGHTS_WRITE                                                                     \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |                        \
     LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                     \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |                      \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SYM | RIGHT_REFER |           \
     RIGHT_TRUNCATE)

static uint64_t rights_known(int version)
{
    uint64_t rights = RIGHTS_1;

    if (version >= 2)
        rights |= RIGHT_REFER;
    if (version >= 3)
        rights |= RIGHT_TRUNCATE;
    if (version >= 5)
        rights |= RIGHT_IOCTL_DEV;
    return rights;
}

/* 0: this kernel has no Landlock, or it is off. */
static int landlock_version(void)
{
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version > 0 ? (int)version : 0;
}

int tc_sandbox_files(int *ret_ruleset)
{
    int version = landlock_version();
    struct ruleset attr = {.handled_fs = rights_known(version), .handled_net = PORTS};
    size_t size = version < 4 ? sizeof(attr.handled_fs) : sizeof(attr);
    int fd = -1;

    if (version) {
        fd = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
        if (fd < 0)
            return -errno;
    }
    *ret_ruleset = fd;
    return 0;
}

static void allow(int ruleset, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr attr = {.allowed_access = rights};
    struct stat st;

    if (ruleset < 0)
        return;
    attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (attr.parent_fd < 0)
        return;
    attr.allowed_access &= rights_known(landlock_version());
    if (fstat(attr.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        attr.allowed_access &= RIGHTS_OF_FILES;
    (void)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0);
    close(attr.parent_fd);
}

void tc_sandbox_read(int ruleset, const char *path)
{
    allow(ruleset, path, RIGHTS_READ);
}

void tc_sandbox_write(int ruleset, const char *path)
{
    allow(ruleset, path, RIGHTS_WRITE);
}

int tc_sandbox_files_close(int ruleset)
{
    int err = 0;

    if (ruleset < 0)
        return 0;
    if (syscall(SYS_landlock_restrict_self, ruleset, 0))
        err = -errno;
    close(ruleset);
    return err;
}
