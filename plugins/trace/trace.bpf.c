/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what happens in the kernel: each fork, exec and exit of a process becomes one
 * record in the ring, or is counted as lost. What a program was started with is read
 * here, before its first instruction: by the time anybody could look, it may have ended.
 * Must not: wait, decide anything, or leave anything out.
 */
#include <linux/bpf.h>
/* First the types, then: */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <stdbool.h>

#include "trace_abi.h"
#include "trace_kernel.h"

#define SIGNAL_GROUP_EXIT 0x4     /* include/linux/sched/signal.h */
#define CTIME_QUERIED 0x80000000u /* I_CTIME_QUERIED: somebody has looked at it */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Where a record is put together, as long as it is: one for each CPU. */
struct scratch {
    __u32 busy, at; /* at: bytes of text so far */
    struct tc_trace_record record;
    char text[TC_TRACE_NAMES_MAX + TC_TRACE_ARGS_MAX];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY); /* a per-CPU map ends at 32 KB a value */
    __uint(max_entries, 1);           /* the plugin sets all sizes that are 1 here */
    __type(key, __u32);
    __type(value, struct scratch);
} scratches SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct tc_trace_control);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, TC_TRACE_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} counters SEC(".maps");

/* Who has begun to connect a socket: the end of it may come in anybody's time. */
struct connector {
    __u64 start_ns;
    __u32 pid, unused;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, __u64); /* the socket's address */
    __type(value, struct connector);
} connecting SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

static __always_inline void count(__u32 which)
{
    __u64 *n = bpf_map_lookup_elem(&counters, &which);

    if (n)
        __sync_fetch_and_add(n, 1);
}

/*
 * How the reader hears of it, as in kext.bpf.c: waking it costs ten times the record, so
 * only one that has said that it sleeps is woken, or one that falls behind.
 */
static __always_inline __u64 wake_flags(void)
{
    __u32 zero = 0;
    struct tc_trace_control *c = bpf_map_lookup_elem(&control, &zero);

    if (!c)
        return BPF_RB_NO_WAKEUP;
    if (__sync_val_compare_and_swap(&c->asleep, 1, 0) == 1 ||
        bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > c->wake_bytes) {
        count(TC_TRACE_WOKEN);
        return BPF_RB_FORCE_WAKEUP;
    }
    return BPF_RB_NO_WAKEUP;
}

/*
 * The same after bpf_ringbuf_output: whether the reader sleeps must be asked when the
 * record has its place. An empty record that is discarded carries the wake-up.
 */
static __always_inline void wake(void)
{
    __u32 zero = 0;
    struct tc_trace_control *c = bpf_map_lookup_elem(&control, &zero);
    void *bell;

    if (!c || wake_flags() != BPF_RB_FORCE_WAKEUP)
        return;
    bell = bpf_ringbuf_reserve(&ring, 8, 0);
    if (bell)
        bpf_ringbuf_discard(bell, BPF_RB_FORCE_WAKEUP);
    else
        c->asleep = 1; /* the next one wakes it */
}

/* ---- Who. ---- */

static __always_inline void fill_task(struct tc_trace_record *r,
                                      const struct task_struct *task)
{
    const struct task_struct___audited *audited = (const void *)task;
    const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
    const struct task_struct *parent = BPF_CORE_READ(leader, real_parent, group_leader);
    const struct signal_struct *signal = BPF_CORE_READ(task, signal);
    const struct cred *cred = BPF_CORE_READ(task, cred);

    r->flags = 0;
    r->time_ns = bpf_ktime_get_ns();
    r->cpu = bpf_get_smp_processor_id();
    r->pid = BPF_CORE_READ(task, tgid);
    r->start_ns = BPF_CORE_READ(leader, start_boottime);
    r->parent_pid = BPF_CORE_READ(parent, tgid);
    r->parent_start_ns = BPF_CORE_READ(parent, start_boottime);
    r->forker_pid = 0;
    r->forker_start_ns = 0;
    r->session = BPF_CORE_READ(signal, pids[PIDTYPE_SID], numbers[0].nr);
    r->uid = BPF_CORE_READ(cred, uid.val);
    r->euid = BPF_CORE_READ(cred, euid.val);
    r->suid = BPF_CORE_READ(cred, suid.val);
    r->gid = BPF_CORE_READ(cred, gid.val);
    r->login_uid = TC_TRACE_NO_LOGIN;
    if (bpf_core_field_exists(audited->loginuid))
        r->login_uid = BPF_CORE_READ(audited, loginuid.val);
    r->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
    r->exit_status = 0;
    r->inode = r->size = r->ctime_s = 0;
    r->ctime_ns = r->device = 0;
    bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), task->comm);
    r->tty[0] = '\0';
    if (BPF_CORE_READ(signal, tty))
        bpf_probe_read_kernel_str(r->tty, sizeof(r->tty),
                                  BPF_CORE_READ(signal, tty) +
                                      bpf_core_field_offset(struct tty_struct, name));
    __builtin_memset(r->end, 0, sizeof(r->end));
}

/* ---- Texts. How far they have come stands in memory, s->at: in a register the verifier
 * would follow it through every way of every loop. ---- */

/* Appends one text and says whether there was room. */
static __always_inline bool put_name(struct scratch *s, const void *name)
{
    __u32 at = s->at;
    long n;

    if (at > TC_TRACE_NAMES_MAX - TC_TRACE_NAME_MAX)
        return false;
    n = bpf_probe_read_kernel_str(s->text + at, TC_TRACE_NAME_MAX, name);
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

/* The names from a file up to the root of its mount namespace. */
static __noinline int put_path(struct scratch *s, const struct path *path)
{
    const struct vfsmount *mnt = BPF_CORE_READ(path, mnt);
    const struct dentry *dentry = BPF_CORE_READ(path, dentry), *parent;
    const struct mount *mount = mount_of(mnt), *above;

    for (int i = 0; i < TC_TRACE_DEPTH_MAX; i++) {
        parent = BPF_CORE_READ(dentry, d_parent);
        if (dentry == BPF_CORE_READ(mount, mnt.mnt_root) || dentry == parent) {
            above = BPF_CORE_READ(mount, mnt_parent);
            if (above == mount)
                return 0;
            dentry = BPF_CORE_READ(mount, mnt_mountpoint);
            mount = above;
            continue;
        }
        if (!put_name(s, BPF_CORE_READ(dentry, d_name.name)))
            break;
        dentry = parent;
    }
    s->record.flags |= TC_TRACE_PATH_CUT;
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

static __always_inline void put_cgroup(struct scratch *s, const struct task_struct *task)
{
    const struct kernfs_node *node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn), *above;

    for (int i = 0; i < TC_TRACE_CGROUP_MAX; i++) {
        above = above_of(node);
        if (!above || !put_name(s, BPF_CORE_READ(node, name)))
            return;
        node = above;
    }
}

static __always_inline void put_exec_path(struct scratch *s, const char *path)
{
    __u32 at = s->at;
    long n;

    if (at > TC_TRACE_NAMES_MAX - TC_TRACE_PATH_MAX)
        return;
    n = bpf_probe_read_kernel_str(s->text + at, TC_TRACE_PATH_MAX, path);
    if (n > 0)
        s->at = at + (__u32)n;
}

/* The arguments as the kernel has just laid them out on the new stack. */
static __always_inline void put_args(struct scratch *s, const struct task_struct *task)
{
    unsigned long from = BPF_CORE_READ(task, mm, arg_start);
    unsigned long n = BPF_CORE_READ(task, mm, arg_end) - from;
    __u32 at = s->at;

    if (at > TC_TRACE_NAMES_MAX)
        return;
    if (n > TC_TRACE_ARGS_MAX) {
        s->record.flags |= TC_TRACE_ARGS_CUT;
        n = TC_TRACE_ARGS_MAX;
    }
    if (bpf_probe_read_user(s->text + at, n, (const void *)from))
        s->record.flags |= TC_TRACE_ARGS_MISSING;
    else
        s->at = at + n;
}

static __always_inline void put_file(struct tc_trace_record *r, const struct file *file)
{
    const struct inode *inode = BPF_CORE_READ(file, f_inode);
    const struct inode___split *split = (const void *)inode;
    const struct inode___under *under = (const void *)inode;
    const struct inode___plain *plain = (const void *)inode;

    r->inode = BPF_CORE_READ(inode, i_ino);
    r->device = BPF_CORE_READ(inode, i_sb, s_dev);
    r->size = BPF_CORE_READ(inode, i_size);
    if (!BPF_CORE_READ(inode, i_nlink))
        r->flags |= TC_TRACE_FILE_GONE;
    if (bpf_core_field_exists(split->i_ctime_sec)) {
        r->ctime_s = BPF_CORE_READ(split, i_ctime_sec);
        r->ctime_ns = BPF_CORE_READ(split, i_ctime_nsec) & ~CTIME_QUERIED;
    } else if (bpf_core_field_exists(under->__i_ctime)) {
        r->ctime_s = BPF_CORE_READ(under, __i_ctime.tv_sec);
        r->ctime_ns = BPF_CORE_READ(under, __i_ctime.tv_nsec);
    } else {
        r->ctime_s = BPF_CORE_READ(plain, i_ctime.tv_sec);
        r->ctime_ns = BPF_CORE_READ(plain, i_ctime.tv_nsec);
    }
}

/* ---- The three happenings. ---- */

static __always_inline void submit(struct tc_trace_record *r)
{
    count(TC_TRACE_REPORTED);
    bpf_ringbuf_submit(r, wake_flags());
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(trace_fork, struct task_struct *parent, struct task_struct *child)
{
    struct tc_trace_record *r;

    if (child->pid != child->tgid) /* a thread */
        return 0;
    r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
    if (!r) {
        count(TC_TRACE_LOST + TC_TRACE_FORK);
        return 0;
    }
    r->kind = TC_TRACE_FORK;
    fill_task(r, child);
    r->forker_pid = parent->tgid;
    r->forker_start_ns = BPF_CORE_READ(parent, group_leader, start_boottime);
    submit(r);
    return 0;
}

/*
 * Of the last thread only. Two that end at once may both find themselves the last; the
 * plugin tells of a process's end once.
 */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(trace_exit, struct task_struct *task)
{
    const struct signal_struct *signal = BPF_CORE_READ(task, signal);
    struct tc_trace_record *r;

    if (BPF_CORE_READ(signal, live.counter))
        return 0;
    r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
    if (!r) {
        count(TC_TRACE_LOST + TC_TRACE_EXIT);
        return 0;
    }
    r->kind = TC_TRACE_EXIT;
    fill_task(r, task);
    if (BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT)
        r->exit_status = BPF_CORE_READ(signal, group_exit_code);
    else
        r->exit_status = BPF_CORE_READ(task, group_leader, exit_code);
    submit(r);
    return 0;
}

static __always_inline void put_texts(struct scratch *s, const struct task_struct *task,
                                      const struct linux_binprm *bprm)
{
    const struct file *file = BPF_CORE_READ(bprm, file);
    __u32 *end = s->record.end;

    s->at = 0;
    put_path(s, (const void *)file + bpf_core_field_offset(struct file, f_path));
    end[TC_TRACE_EXECUTABLE] = s->at;
    put_exec_path(s, BPF_CORE_READ(bprm, filename));
    end[TC_TRACE_EXEC_PATH] = s->at;
    put_path(s, (const void *)BPF_CORE_READ(task, fs) +
                    bpf_core_field_offset(struct fs_struct, pwd));
    end[TC_TRACE_FOLDER] = s->at;
    put_cgroup(s, task);
    end[TC_TRACE_CGROUP] = s->at;
    put_args(s, task);
    end[TC_TRACE_ARGS] = s->at;
}

static __always_inline void report_exec(struct scratch *s, const struct task_struct *task,
                                        const struct linux_binprm *bprm)
{
    struct tc_trace_record *r = &s->record;
    __u32 at;

    r->kind = TC_TRACE_EXEC;
    fill_task(r, task);
    put_file(r, BPF_CORE_READ(bprm, file));
    put_texts(s, task, bprm);
    at = s->at;
    if (at > TC_TRACE_NAMES_MAX + TC_TRACE_ARGS_MAX)
        return;
    if (bpf_ringbuf_output(&ring, r, sizeof(*r) + at, BPF_RB_NO_WAKEUP))
        count(TC_TRACE_LOST + TC_TRACE_EXEC);
    else
        count(TC_TRACE_REPORTED);
    wake();
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(trace_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
    __u32 cpu = bpf_get_smp_processor_id();
    struct scratch *s = bpf_map_lookup_elem(&scratches, &cpu);

    if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1)) {
        count(TC_TRACE_BUSY);
        count(TC_TRACE_LOST + TC_TRACE_EXEC);
        return 0;
    }
    report_exec(s, task, bprm);
    s->busy = 0;
    return 0;
}

/* ---- TCP sockets. ---- */

static __always_inline void put_flow(struct tc_trace_flow_record *r,
                                     const struct sock *sk)
{
    const struct sock_common *common = &sk->__sk_common;

    r->family = BPF_CORE_READ(common, skc_family);
    r->source_port = BPF_CORE_READ(common, skc_num);
    if (!r->source_port) /* given back already, when a connect has failed */
        r->source_port =
            __builtin_bswap16(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
    r->destination_port = __builtin_bswap16(BPF_CORE_READ(common, skc_dport));
    __builtin_memset(r->source, 0, sizeof(r->source));
    __builtin_memset(r->destination, 0, sizeof(r->destination));
    if (r->family == AF_INET) {
        bpf_core_read(r->source, 4, &common->skc_rcv_saddr);
        bpf_core_read(r->destination, 4, &common->skc_daddr);
    } else {
        bpf_core_read(r->source, 16, &common->skc_v6_rcv_saddr);
        bpf_core_read(r->destination, 16, &common->skc_v6_daddr);
    }
}

static __always_inline void report_flow(const struct sock *sk, __u16 what,
                                        const struct connector *who)
{
    struct tc_trace_flow_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

    if (!r) {
        count(TC_TRACE_LOST + TC_TRACE_FLOW);
        return;
    }
    r->kind = TC_TRACE_FLOW;
    r->what = what;
    r->unused = 0;
    r->pid = who->pid;
    r->start_ns = who->start_ns;
    r->time_ns = bpf_ktime_get_ns();
    put_flow(r, sk);
    count(TC_TRACE_REPORTED);
    bpf_ringbuf_submit(r, wake_flags());
}

static __always_inline struct connector current_process(void)
{
    const struct task_struct *task = (const void *)bpf_get_current_task();
    struct connector who = {.pid = bpf_get_current_pid_tgid() >> 32,
                            .start_ns =
                                BPF_CORE_READ(task, group_leader, start_boottime)};

    return who;
}

/*
 * A connect and a listen set the state in the time of the process that calls them; what
 * comes of a connect is learned in whose time its answer arrives.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(trace_state, const struct sock *sk, int old, int new)
{
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    struct connector who, *connector;
    __u64 key = (__u64)sk;

    if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP ||
        (family != AF_INET && family != AF_INET6))
        return 0;
    if (new == TCP_SYN_SENT) {
        who = current_process();
        bpf_map_update_elem(&connecting, &key, &who, BPF_ANY);
    } else if (new == TCP_LISTEN) {
        who = current_process();
        report_flow(sk, TC_TRACE_LISTENING, &who);
    } else if (old == TCP_SYN_SENT) {
        connector = bpf_map_lookup_elem(&connecting, &key);
        if (!connector)
            return 0;
        who = *connector;
        bpf_map_delete_elem(&connecting, &key);
        report_flow(sk, new == TCP_CLOSE ? TC_TRACE_CONNECT_FAILED : TC_TRACE_CONNECTED,
                    &who);
    }
    return 0;
}
