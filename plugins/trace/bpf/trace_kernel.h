/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: the kernel's structures as far as trace.bpf.c reads them. The loader finds where
 * each field is in the kernel that runs (CO-RE, by its BTF); what has another name in
 * some versions is in a flavour (___name) of its own and is asked for by
 * bpf_core_field_exists.
 */
#ifndef TC_TRACE_KERNEL_H
#define TC_TRACE_KERNEL_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
    __u32 val;
} kuid_t;

typedef struct {
    __u32 val;
} kgid_t;

typedef struct {
    int counter;
} atomic_t;

struct cred {
    kuid_t uid, suid, euid;
    kgid_t gid, sgid, egid;
};

struct upid {
    int nr;
};

struct pid {
    unsigned int level; /* of PID namespaces: 0 is the first */
    struct upid numbers[1];
};

enum {
    PIDTYPE_SID = 3, /* include/linux/pid.h */
};

enum { /* include/net/tcp_states.h */
       TCP_ESTABLISHED = 1,
       TCP_SYN_SENT = 2,
       TCP_CLOSE = 7,
       TCP_LISTEN = 10,
};

enum {
    AF_INET = 2,
    AF_INET6 = 10,
    IPPROTO_TCP = 6,
    IPPROTO_UDP = 17,
};

struct tty_struct {
    char name[64];
};

struct signal_struct {
    atomic_t live;
    struct pid *pids[4];
    int group_exit_code;
    unsigned int flags;
    struct tty_struct *tty;
};

struct qstr {
    const unsigned char *name;
};

struct file_system_type {
    const char *name;
};

struct super_block {
    __u32 s_dev;
    struct file_system_type *s_type;
};

struct timespec64 {
    __s64 tv_sec;
    long tv_nsec;
};

struct inode {
    struct super_block *i_sb;
    unsigned long i_ino;
    unsigned short i_mode;
    long long i_size;
    const unsigned int i_nlink;
};

struct inode___plain { /* to 6.5 */
    struct timespec64 i_ctime;
};

struct inode___under { /* to 6.10 */
    struct timespec64 __i_ctime;
};

struct inode___split { /* from 6.11 */
    __s64 i_ctime_sec;
    __u32 i_ctime_nsec;
};

struct dentry {
    struct dentry *d_parent;
    struct qstr d_name;
};

struct vfsmount {
    struct dentry *mnt_root;
    struct super_block *mnt_sb;
};

struct mount {
    struct vfsmount mnt;
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    const char *mnt_devname;
};

struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};

struct fs_struct {
    struct path pwd;
};

struct file {
    struct inode *f_inode;
    struct path f_path;
    void *private_data;
};

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};

struct files_struct {
    struct fdtable *fdt;
};

struct mm_struct {
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

struct list_head {
    struct list_head *next;
};

struct task_struct {
    int pid, tgid;
    struct task_struct *real_parent, *group_leader;
    __u64 start_boottime;
    const struct cred *cred;
    char comm[16];
    int exit_code;
    struct mm_struct *mm;
    struct fs_struct *fs;
    struct signal_struct *signal;
    struct css_set *cgroups;
    struct files_struct *files;
    struct pid *thread_pid;
    struct list_head ptraced, ptrace_entry;
};

struct in6_addr {
    __u8 bytes[16];
};

struct sock_common {
    __u32 skc_daddr, skc_rcv_saddr;
    __u16 skc_dport, skc_num; /* the first as on the wire, the second as a number */
    unsigned short skc_family;
    volatile unsigned char skc_state;
    struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};

struct sock {
    struct sock_common __sk_common;
    __u16 sk_protocol;
    __u8 sk_userlocks : 4;
};

struct socket {
    struct sock *sk;
};

struct inet_sock {
    __u16 inet_sport; /* as on the wire */
};

struct task_struct___audited { /* CONFIG_AUDIT */
    kuid_t loginuid;
};

struct thread_info___x86 {
    __u32 status;
};

struct task_struct___x86 {
    struct thread_info___x86 thread_info;
};

struct pt_regs___x86 {
    unsigned long di, si, dx, r10, r8, orig_ax;
};

struct pt_regs___arm64 {
    __u64 regs[31];
    __u64 orig_x0;
    __s32 syscallno;
};

struct kernel_siginfo {
    int si_code;
};

struct module {
    char name[TC_TRACE_MODULE_MAX];
};

struct bpf_prog_aux {
    char name[16];
};

struct bpf_prog {
    enum bpf_prog_type type;
    struct bpf_prog_aux *aux;
};

struct linux_binprm {
    struct file *file;
    const char *filename;
};

#pragma clang attribute pop

#endif
