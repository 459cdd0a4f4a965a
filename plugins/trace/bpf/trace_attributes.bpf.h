/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what system calls do to a file's mode, owner and extended attributes: a record of
 * which file, as it was named, and what was asked for. Which of them are reported is
 * decided by who reads them, as only there the name is known.
 */
#ifndef TC_TRACE_ATTRIBUTES_BPF_H
#define TC_TRACE_ATTRIBUTES_BPF_H

#include "trace_acts.bpf.h"

#define AT_SYMLINK_NOFOLLOW 0x100 /* include/uapi/linux/fcntl.h */

/* What a call was given. */
struct attributes {
    const struct path *base;
    __u64 path, name; /* of the caller's memory; 0: none. name: of the attribute */
    __u64 value;
    bool no_follow, unused[7];
};

static __always_inline int report_attributes(const struct ended *c,
                                             const struct attributes *a)
{
    struct texts *s;

    if (c->result < 0)
        return 0;
    s = act_begin(TC_TRACE_ATTRIBUTES, c->call, 0);
    if (!s)
        return 0;
    s->act.value = a->value;
    act_user_text(s, TC_TRACE_ACT_NAME, a->name);
    act_base(s, a->base);
    act_user_text(s, TC_TRACE_ACT_PATH, a->path);
    if (a->no_follow)
        s->cut |= TC_TRACE_NO_FOLLOW;
    act_end(s);
    return 0;
}

/* Of a descriptor: the file itself. */
static __noinline int attributes_by_descriptor(const struct ended *c)
{
    struct attributes a = {.base = path_of(file_of(c->args[0]))};

    if (c->call == TC_TRACE_CALL_fchmod)
        a.value = c->args[1];
    else if (c->call == TC_TRACE_CALL_fchown)
        a.value = (__u32)c->args[1] | c->args[2] << 32;
    else
        a.name = c->args[1];
    return report_attributes(c, &a);
}

/* Of a path. */
static __noinline int attributes_by_path(const struct ended *c)
{
    struct attributes a = {.base = base_of(AT_FDCWD), .path = c->args[0]};

    if (c->call == TC_TRACE_CALL_chmod)
        a.value = c->args[1];
    else if (c->call == TC_TRACE_CALL_chown || c->call == TC_TRACE_CALL_lchown)
        a.value = (__u32)c->args[1] | c->args[2] << 32;
    else
        a.name = c->args[1];
    a.no_follow = c->call == TC_TRACE_CALL_lchown || c->call == TC_TRACE_CALL_lsetxattr;
    return report_attributes(c, &a);
}

/* Of a path that may begin at a folder's descriptor. */
static __noinline int attributes_at(const struct ended *c)
{
    struct attributes a = {.base = base_of(c->args[0]), .path = c->args[1]};

    if (c->call == TC_TRACE_CALL_fchownat) {
        a.value = (__u32)c->args[2] | c->args[3] << 32;
        a.no_follow = c->args[4] & AT_SYMLINK_NOFOLLOW;
    } else {
        a.value = c->args[2];
        a.no_follow =
            c->call == TC_TRACE_CALL_fchmodat2 && c->args[3] & AT_SYMLINK_NOFOLLOW;
    }
    return report_attributes(c, &a);
}

static __always_inline int attributes_ended(const struct ended *c)
{
    switch (c->call) {
    case TC_TRACE_CALL_fchmod:
    case TC_TRACE_CALL_fchown:
    case TC_TRACE_CALL_fsetxattr:
        return attributes_by_descriptor(c);
    case TC_TRACE_CALL_fchmodat:
    case TC_TRACE_CALL_fchmodat2:
    case TC_TRACE_CALL_fchownat:
        return attributes_at(c);
    default:
        return attributes_by_path(c);
    }
}

#endif
