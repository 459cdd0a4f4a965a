/* SPDX-License-Identifier: Apache-2.0 */
#include "portal/confine.h"

#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "sandbox/sandbox.h"

#define NOBODY 65534
#define GROUP "tocsin" /* whose members may ask the agent */

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

static int leave_root(const char *user, const char *socket)
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
    return tc_sandbox_user(uid, gid, groups, count);
}

static const struct tc_sandbox_call allowed[] = {
    TC_SANDBOX_CALL(read),
    TC_SANDBOX_CALL(readv),
    TC_SANDBOX_CALL(write),
    TC_SANDBOX_CALL(writev),
    TC_SANDBOX_CALL(close),
    TC_SANDBOX_CALL(shutdown),
    TC_SANDBOX_CALL(accept),
    TC_SANDBOX_CALL(accept4),
    TC_SANDBOX_CALL(connect),
    TC_SANDBOX_CALL(sendto),
    TC_SANDBOX_CALL(sendmsg),
    TC_SANDBOX_CALL(sendfile),
    TC_SANDBOX_CALL(recvfrom),
    TC_SANDBOX_CALL(recvmsg),
    TC_SANDBOX_CALL(getsockopt),
    TC_SANDBOX_CALL(setsockopt),
    TC_SANDBOX_CALL(getsockname),
    TC_SANDBOX_CALL(getpeername),
    TC_SANDBOX_CALL(epoll_ctl),
    TC_SANDBOX_CALL(epoll_wait),
    TC_SANDBOX_CALL(epoll_pwait),
    TC_SANDBOX_CALL(epoll_pwait2),
    TC_SANDBOX_CALL(poll),
    TC_SANDBOX_CALL(ppoll),
    TC_SANDBOX_CALL(fcntl),
    TC_SANDBOX_CALL(ioctl),
    TC_SANDBOX_CALL(fstat),
    TC_SANDBOX_CALL(newfstatat),
    TC_SANDBOX_CALL(lseek),
    TC_SANDBOX_CALL(brk),
    TC_SANDBOX_CALL(munmap),
    TC_SANDBOX_CALL(mremap),
    TC_SANDBOX_CALL(madvise),
    TC_SANDBOX_CALL(clock_gettime),
    TC_SANDBOX_CALL(clock_nanosleep),
    TC_SANDBOX_CALL(gettimeofday),
    TC_SANDBOX_CALL(getrandom),
    TC_SANDBOX_CALL(getpid),
    TC_SANDBOX_CALL(gettid),
    TC_SANDBOX_CALL(getuid),
    TC_SANDBOX_CALL(geteuid),
    TC_SANDBOX_CALL(futex),
    TC_SANDBOX_CALL(sched_yield),
    TC_SANDBOX_CALL(rt_sigaction),
    TC_SANDBOX_CALL(rt_sigprocmask),
    TC_SANDBOX_CALL(rt_sigreturn),
    TC_SANDBOX_CALL(restart_syscall),
    TC_SANDBOX_CALL(tgkill),
    TC_SANDBOX_CALL(exit),
    TC_SANDBOX_CALL(exit_group),
    /* new sockets lead to the agent alone */
    {SCMP_SYS(socket), 1, {0, SCMP_CMP_EQ, AF_UNIX, 0}},
    /* memory, and none that can be executed */
    {SCMP_SYS(mmap), 1, {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
    {SCMP_SYS(mprotect), 1, {2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0}},
};

int tc_confine(const char *user, const char *socket, char why[256])
{
    const char *what = "become another user";
    int files, err = leave_root(user, socket);

    /* No rule is added: nothing below "/" may be opened, made or removed, and no TCP port
     * bound or connected, whatever the user may. */
    if (!err) {
        what = "close the file system";
        err = tc_sandbox_files(&files);
    }
    if (!err)
        err = tc_sandbox_files_close(files);
    if (!err) {
        what = "limit the system calls";
        err = tc_sandbox_calls(allowed, sizeof(allowed) / sizeof(*allowed));
    }
    if (err)
        snprintf(why, 256, "cannot %s: %s", what, strerror(-err));
    return err;
}
