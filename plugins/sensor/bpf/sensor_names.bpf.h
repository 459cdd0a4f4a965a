/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: how the names of a path and of a cgroup are put behind a record, the last one
 * first, each with its NUL. How far they have come is kept in memory, s->at: in a
 * register the verifier would follow it through every way of every loop.
 *
 * Whoever includes this has defined before it: the kernel's structures that it reads;
 * struct texts, with `at`, `cut` and `text`; SENSOR_NAMES_MAX, the bytes of `text`; and
 * SENSOR_PATH_CUT, what `cut` is set to by a path that is too deep or too long.
 */
#ifndef TC_SENSOR_NAMES_BPF_H
#define TC_SENSOR_NAMES_BPF_H

#define SENSOR_DEPTH_MAX 48  /* names of a path that are kept */
#define SENSOR_CGROUP_MAX 12 /* names of a cgroup's path */
#define SENSOR_NAME_MAX 256  /* bytes of one name, NUL included: the kernel's NAME_MAX */

/* Appends one text and says whether there was room. */
static __always_inline bool put_name(struct texts *s, const void *name)
{
    __u32 at = s->at;
    long n;

    if (at > SENSOR_NAMES_MAX - SENSOR_NAME_MAX)
        return false;
    n = bpf_probe_read_kernel_str(s->text + at, SENSOR_NAME_MAX, name);
    if (n <= 0)
        return false;
    s->at = at + (__u32)n;
    return true;
}

static __always_inline const struct mount *mount_of(const struct vfsmount *mnt)
{
    return (const void *)mnt -
           __builtin_preserve_field_info(((struct mount *)0)->mnt, BPF_FIELD_BYTE_OFFSET);
}

/*
 * The names from a file up to the root of its mount namespace. Not static, and the struct
 * path by its address: so the verifier goes through it once, whoever calls it.
 */
__noinline int put_path(struct texts *s, __u64 address)
{
    const struct path *path = (const void *)address;
    const struct vfsmount *mnt = BPF_CORE_READ(path, mnt);
    const struct dentry *dentry = BPF_CORE_READ(path, dentry), *parent;
    const struct mount *mount = mount_of(mnt), *above;
    const struct dentry *root = BPF_CORE_READ(mnt, mnt_root);

    if (!s)
        return 0;
    for (int i = 0; i < SENSOR_DEPTH_MAX; i++) {
        if (dentry == root) {
            above = BPF_CORE_READ(mount, mnt_parent);
            if (above == mount)
                return 0;
            dentry = BPF_CORE_READ(mount, mnt_mountpoint);
            mount = above;
            root = BPF_CORE_READ(mount, mnt.mnt_root);
            continue;
        }
        parent = BPF_CORE_READ(dentry, d_parent);
        if (!put_name(s, BPF_CORE_READ(dentry, d_name.name)))
            break;
        if (dentry == parent) /* in no folder, as what memfd_create has made */
            return 0;
        dentry = parent;
    }
    s->cut = SENSOR_PATH_CUT;
    return 0;
}

static __always_inline const struct kernfs_node *above_of(const struct kernfs_node *node)
{
    const struct kernfs_node___plain *plain = (const void *)node;
    const struct kernfs_node___under *under = (const void *)node;

    if (bpf_core_field_exists(under->__parent))
        return BPF_CORE_READ(under, __parent);
    return BPF_CORE_READ(plain, parent);
}

static __always_inline void put_cgroup(struct texts *s, const struct task_struct *task)
{
    const struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn), *above;

    for (int i = 0; i < SENSOR_CGROUP_MAX; i++) {
        above = above_of(node);
        if (!above || !put_name(s, BPF_CORE_READ(node, name)))
            return;
        node = above;
    }
}

#endif
