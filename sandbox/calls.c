/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp(2), seccomp_rule_add(3). */
#include "sandbox/sandbox.h"

#include <errno.h>

#define BY_TREE 2 /* SCMP_FLTATR_CTL_OPTIMIZE: searched by halves, not one by one */

/* Calls that libc replaces by older ones where they are missing, by ENOSYS: a newer clone
 * whose flags no filter can see, and the rings. */
static const int missing[] = {SCMP_SYS(clone3), SCMP_SYS(io_uring_setup)};

/* Loads and frees the filter; seccomp_load sets PR_SET_NO_NEW_PRIVS, too. */
static int load(scmp_filter_ctx filter, int err)
{
    if (!err)
        err = seccomp_load(filter);
    seccomp_release(filter);
    return err;
}

int tc_sandbox_calls(const struct tc_sandbox_call *allowed, size_t count)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int err;

    if (!filter)
        return -ENOMEM;
    /* Calls of another machine's numbers are nobody's mistake. */
    err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (!err)
        err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, BY_TREE);
    for (size_t i = 0; i < count && !err; i++)
        err = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, allowed[i].number,
                                     allowed[i].args, &allowed[i].arg);
    for (size_t i = 0; i < sizeof(missing) / sizeof(*missing) && !err; i++)
        err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), missing[i], 0);
    return load(filter, err);
}

int tc_sandbox_no_uring(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    return filter ? load(filter, seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
                                                  SCMP_SYS(io_uring_setup), 0))
                  : -ENOMEM;
}
