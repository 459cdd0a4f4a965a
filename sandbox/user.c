/* SPDX-License-Identifier: Apache-2.0 */
/* capabilities(7), prctl(2). */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

int tc_sandbox_user(uid_t uid, gid_t gid, const gid_t *groups, size_t count)
{
    cap_t none = cap_init();
    int err = none ? 0 : -ENOMEM;

    if (!err && geteuid() == 0 &&
        (setgroups(count, groups) || setresgid(gid, gid, gid) ||
         setresuid(uid, uid, uid)))
        err = -errno;
    if (!err && (cap_set_proc(none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)))
        err = -errno;
    cap_free(none);
    return err;
}
