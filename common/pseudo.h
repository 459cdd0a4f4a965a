/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: which types of file systems are kernel interfaces dressed as files. Opening one
 * has effects (devices) or shows nothing of content; none can hold a program that another
 * mount would not. So no sensor watches them, and no configuration may say so.
 */
#ifndef TC_COMMON_PSEUDO_H
#define TC_COMMON_PSEUDO_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* `type` as in /proc/self/mountinfo. */
static inline bool tc_pseudo_type(const char *type)
{
    static const char *const types[] = {
        "proc",    "sysfs",     "cgroup",     "cgroup2",  "devpts",     "devtmpfs",
        "debugfs", "tracefs",   "securityfs", "pstore",   "bpf",        "configfs",
        "mqueue",  "hugetlbfs", "autofs",     "fusectl",  "efivarfs",   "selinuxfs",
        "nsfs",    "sockfs",    "pipefs",     "smackfs",  "rpc_pipefs", "binfmt_misc",
        "nfsd",    "resctrl",   "functionfs", "gadgetfs", NULL};

    for (size_t i = 0; types[i]; i++)
        if (!strcmp(types[i], type))
            return true;
    return false;
}

#endif
