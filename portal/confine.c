/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/confine.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534
#define GROUP "tocsin" /* whose members may ask the agent */

/* Bits of Landlock's later versions, by number: the headers of Debian 12 end at the
 * third. */
#define LANDLOCK_FS_ALL_V3 ((1ull << 15) - 1)
#define LANDLOCK_NET_ALL_V4 3ull

/* struct landlock_ruleset_attr of version 4. */
struct ruleset {
    uint64_t handled_fs, handled_net;
};

/* The group of the agent's socket; while that is not there, of its folder, which is the
 * agent's, too. */
static bool group_of(const char *socket, gid_t *ret)
{
    char folder[4096];
    struct stat st;

    snprintf(folder, sizeof(folder), "%s", socket);
    if (stat(socket, &st) && stat(dirname(folder), &st))
        return false;
    *ret = st.st_gid;
    return true;
}

static int give_up_root(const char *user, const char *socket)
{
    const struct passwd *p = getpwnam(user);
    uid_t uid = p ? p->pw_uid : NOBODY;
    gid_t gid = p ? p->pw_gid : NOBODY, groups[2];
    const struct group *g = getgrnam(GROUP);
    size_t count = 0;

    if (g)
        groups[count++] = g->gr_gid;
    if (group_of(socket, &groups[count]))
        count++;
    if (setgroups(count, groups) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
        return -errno;
    return 0; /* the capabilities went with the user */
}

/* No rule is added: nothing below "/" may be opened, made or removed, and no TCP socket
 * bound or connected, whatever the user may. */
static int close_files(void)
{
    struct ruleset all = {.handled_fs = LANDLOCK_FS_ALL_V3,
                          .handled_net = LANDLOCK_NET_ALL_V4};
    long version =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    int fd, err = 0;

    if (version < 1)
        return 0; /* not in this kernel, or not switched on */
    if (version < 3)
        all.handled_fs = (1ull << (version == 1 ? 13 : 14)) - 1;
    if (version < 4)
        all.handled_net = 0;
    fd = (int)syscall(SYS_landlock_create_ruleset, &all,
                      version < 4 ? sizeof(all.handled_fs) : sizeof(all), 0);
    if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0))
        err = -errno;
    if (fd >= 0)
        close(fd);
    return err;
}

static int allow(scmp_filter_ctx filter)
{
    static const int calls[] = {
        SCMP_SYS(read),
        SCMP_SYS(readv),
        SCMP_SYS(write),
        SCMP_SYS(writev),
        SCMP_SYS(close),
        SCMP_SYS(shutdown),
        SCMP_SYS(accept),
        SCMP_SYS(accept4),
        SCMP_SYS(connect),
        SCMP_SYS(sendto),
        SCMP_SYS(sendmsg),
        SCMP_SYS(sendfile),
        SCMP_SYS(recvfrom),
        SCMP_SYS(recvmsg),
        SCMP_SYS(getsockopt),
        SCMP_SYS(setsockopt),
        SCMP_SYS(getsockname),
        SCMP_SYS(getpeername),
        SCMP_SYS(epoll_ctl),
        SCMP_SYS(epoll_wait),
        SCMP_SYS(epoll_pwait),
        SCMP_SYS(epoll_pwait2),
        SCMP_SYS(poll),
        SCMP_SYS(ppoll),
        SCMP_SYS(fcntl),
        SCMP_SYS(ioctl),
        SCMP_SYS(fstat),
        SCMP_SYS(newfstatat),
        SCMP_SYS(lseek),
        SCMP_SYS(brk),
        SCMP_SYS(munmap),
        SCMP_SYS(mremap),
        SCMP_SYS(madvise),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(gettimeofday),
        SCMP_SYS(getrandom),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(getuid),
        SCMP_SYS(geteuid),
        SCMP_SYS(futex),
        SCMP_SYS(sched_yield),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(tgkill),
        SCMP_SYS(exit),
        SCMP_SYS(exit_group),
    };
    int err = 0;

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    /* New sockets lead to the agent alone. */
    if (!err)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    /* Memory, and none that can be executed. */
    if (!err)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!err)
        err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return err;
}

static int close_system_calls(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int err;

    if (!filter)
        return -ENOMEM;
    err = allow(filter);
    if (!err)
        err = seccomp_load(filter);
    seccomp_release(filter);
    return err;
}

int tc_confine_early(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int err;

    if (!filter)
        return -ENOMEM;
    err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(io_uring_setup), 0);
    if (!err)
        err = seccomp_load(filter); /* sets PR_SET_NO_NEW_PRIVS, too */
    seccomp_release(filter);
    return err;
}

int tc_confine(const char *user, const char *socket, char why[256])
{
    const char *what = "become another user";
    int err = geteuid() ? 0 : give_up_root(user, socket);

    if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        err = -errno;
    if (!err) {
        what = "close the file system";
        err = close_files();
    }
    if (!err) {
        what = "limit the system calls";
        err = close_system_calls();
    }
    if (err)
        snprintf(why, 256, "cannot %s: %s", what, strerror(-err));
    return err;
}
