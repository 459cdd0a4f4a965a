/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock(7), prctl(2), capabilities(7). The order matters: files are named as root, who
 * may see them all; the user goes before the rules close, since a change of user undoes
 * PR_SET_PDEATHSIG, which whoever starts the process sets after that.
 */
#include "core/isolate/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights that later versions of Landlock know, by bit: landlock(7). */
#define RIGHT_REFER (UINT64_C(1) << 13)     /* version 2 */
#define RIGHT_TRUNCATE (UINT64_C(1) << 14)  /* version 3 */
#define RIGHT_IOCTL_DEV (UINT64_C(1) << 15) /* version 5 */

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

/* What libc and libraries look at, whatever the plugin is. */
static const char *const readable[] = {
    "/usr",           "/lib",         "/lib64",     "/etc/ld.so.cache",
    "/etc/localtime", "/dev/null",    "/dev/zero",  "/dev/urandom",
    "/dev/random",    "/etc/ssl",     "/proc/self", "/sys/devices/system/cpu",
    "/proc/cpuinfo",  "/proc/meminfo"};

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

int tc_sandbox_init(struct tc_sandbox *sandbox)
{
    struct landlock_ruleset_attr attr = {.handled_access_fs =
                                             rights_known(landlock_version())};

    sandbox->landlock = -1;
    if (!landlock_version())
        return 0;
    sandbox->landlock = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (sandbox->landlock < 0)
        return -errno;
    for (size_t i = 0; i < sizeof(readable) / sizeof(*readable); i++)
        tc_sandbox_read(sandbox, readable[i]);
    return 0;
}

static void allow(struct tc_sandbox *sandbox, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr attr = {.allowed_access = rights};
    struct stat st;

    if (sandbox->landlock < 0)
        return;
    attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (attr.parent_fd < 0)
        return;
    attr.allowed_access &= rights_known(landlock_version());
    if (fstat(attr.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        attr.allowed_access &= RIGHTS_OF_FILES;
    (void)syscall(SYS_landlock_add_rule, sandbox->landlock, LANDLOCK_RULE_PATH_BENEATH,
                  &attr, 0);
    close(attr.parent_fd);
}

void tc_sandbox_read(struct tc_sandbox *sandbox, const char *path)
{
    allow(sandbox, path, RIGHTS_READ);
}

void tc_sandbox_write(struct tc_sandbox *sandbox, const char *path)
{
    allow(sandbox, path, RIGHTS_WRITE);
}

/* A limit that cannot be lowered to this is lower already. */
static void limit(int what, uint64_t most)
{
    struct rlimit now, wanted = {.rlim_cur = most, .rlim_max = most};

    if (getrlimit(what, &now) == 0 && now.rlim_max < most)
        wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
    (void)setrlimit(what, &wanted);
}

/* The sanitizers map more address space than any limit would leave. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMIT_MEMORY false
#else
#define LIMIT_MEMORY true
#endif

static int drop_user(const struct tc_sandbox *sandbox)
{
    cap_t none = cap_init();
    int err = none ? 0 : -ENOMEM;

    if (!err && geteuid() == 0 &&
        (setgroups(0, NULL) || setresgid(sandbox->gid, sandbox->gid, sandbox->gid) ||
         setresuid(sandbox->uid, sandbox->uid, sandbox->uid)))
        err = -errno;
    if (!err && cap_set_proc(none))
        err = -errno;
    cap_free(none);
    return err;
}

int tc_sandbox_close(struct tc_sandbox *sandbox)
{
    int err;

    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, TC_SANDBOX_FILES_MAX);
    if (sandbox->memory_bytes && LIMIT_MEMORY)
        limit(RLIMIT_AS, sandbox->memory_bytes);
    err = drop_user(sandbox);
    if (err)
        return err;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -errno;
    if (sandbox->landlock >= 0) {
        if (syscall(SYS_landlock_restrict_self, sandbox->landlock, 0))
            return -errno;
        close(sandbox->landlock);
    }
    return tc_sandbox_calls();
}
