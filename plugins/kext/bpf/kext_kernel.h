/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: the kernel's structures as far as kext.bpf.c reads them. The loader finds where
 * each field is in the kernel that runs (CO-RE, by its BTF), so nothing here depends on a
 * kernel version; what has another name in some versions is in a flavour (___name) of
 * its own and is asked for by bpf_core_field_exists.
 */
#ifndef TC_KEXT_KERNEL_H
#define TC_KEXT_KERNEL_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    __u32 val;
} kuid_t;

struct cred {
    kuid_t euid;
};

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};

struct files_struct {
    struct fdtable *fdt;
};

struct task_struct {
    int pid, tgid;
    struct task_struct *real_parent, *group_leader;
    __u64 start_boottime;
    const struct cred *cred;
    char comm[16];
    struct files_struct *files;
    struct mm_struct *mm;
};

struct mm_struct {
    unsigned long start_code;
};

struct vm_area_struct {
    struct file *vm_file;
};

struct qstr {
    union {
        struct {
            __u32 hash, len;
        };
        __u64 hash_len;
    };
    const unsigned char *name;
};

struct user_namespace {
    int level; /* 0: the initial one */
};

struct super_block {
    __u32 s_dev;
    unsigned long s_magic;
    struct user_namespace *s_user_ns;
};

struct timespec64 {
    __s64 tv_sec;
    long tv_nsec;
};

typedef struct {
    int counter;
} atomic_t;

struct hlist_node {
    struct hlist_node *next;
};

struct hlist_head {
    struct hlist_node *first;
};

struct inode {
    unsigned short i_mode;
    kuid_t i_uid;
    struct super_block *i_sb;
    unsigned long i_ino;
    unsigned int i_nlink;
    long long i_size;
    atomic_t i_writecount;
    struct hlist_head i_dentry;
};

struct inode___plain { /* to 6.5 (ctime), 6.6 (mtime) */
    struct timespec64 i_ctime, i_mtime;
};

struct inode___under { /* to 6.10 */
    struct timespec64 __i_ctime, __i_mtime;
};

struct inode___split { /* from 6.11 */
    __s64 i_ctime_sec, i_mtime_sec;
    __u32 i_ctime_nsec, i_mtime_nsec;
};

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
    struct inode *d_inode;
};

struct dentry___named { /* the union has a name, to some kernel after 6.18 */
    union {
        struct hlist_node d_alias;
    } d_u;
};

struct dentry___unnamed { /* since then, 7.2 at the latest */
    struct hlist_node d_alias;
};

struct vfsmount {
    struct dentry *mnt_root;
};

struct mount {
    struct vfsmount mnt;
    int mnt_id;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

struct file {
    unsigned int f_mode;
    unsigned int f_flags;
    struct inode *f_inode;
    struct path f_path;
};

struct linux_binprm {
    struct file *file;
    const char *filename, *interp;
};

struct pt_regs___x86 {
    unsigned long orig_ax;
};

struct pt_regs___arm64 {
    __s32 syscallno;
};

struct seq_file;

struct bpf_iter_meta {
    struct seq_file *seq;
};

struct bpf_iter__task {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
};

#pragma clang attribute pop

#endif
