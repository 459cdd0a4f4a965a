/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: the kernel's structures as far as netfilter.bpf.c reads them. The loader finds
 * where each field is in the kernel that runs (CO-RE, by its BTF); what has another name
 * in some versions is in a flavour (___name) of its own.
 */
#ifndef TC_NETFILTER_KERNEL_H
#define TC_NETFILTER_KERNEL_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

enum { /* include/linux/socket.h, include/uapi/linux/in.h */
       AF_INET = 2,
       AF_INET6 = 10,
       IPPROTO_TCP = 6,
       IPPROTO_UDP = 17,
};

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

struct qstr {
    const unsigned char *name;
};

struct super_block {
    __u32 s_dev;
};

struct inode {
    struct super_block *i_sb;
    unsigned long i_ino;
};

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
};

struct vfsmount {
    struct dentry *mnt_root;
};

struct mount {
    struct vfsmount mnt;
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

struct file {
    struct inode *f_inode;
    struct path f_path;
};

struct mm_struct {
    struct file *exe_file;
    unsigned long arg_start, arg_end;
};

struct kernfs_node {
    const char *name;
    __u64 id;
};

struct kernfs_node___plain { /* to 6.14 */
    struct kernfs_node *parent;
};

struct kernfs_node___under { /* from 6.15 */
    struct kernfs_node *__parent;
};

struct cgroup {
    struct kernfs_node *kn;
};

struct css_set {
    struct cgroup *dfl_cgrp;
};

typedef struct {
    __u32 val;
} kuid_t;

struct cred {
    kuid_t euid;
};

struct task_struct {
    int pid, tgid;
    unsigned int flags;
    struct task_struct *real_parent, *group_leader;
    __u64 start_boottime;
    const struct cred *cred;
    char comm[16];
    struct mm_struct *mm;
    struct css_set *cgroups;
};

struct tcp_sock {
    _Bool is_mptcp; /* CONFIG_MPTCP */
};

#pragma clang attribute pop

#endif
