/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: who has a flow: read while it waits in its own call, since by the time anybody
 * else could look it may have ended. Its paths and arguments are reported once, before
 * its first flow.
 */
#ifndef TC_NF_PROCESS_BPF_H
#define TC_NF_PROCESS_BPF_H

#include "nf_common.bpf.h"

/* Where a record is put together, and its texts behind it, as long as they are. */
struct texts {
    __u32 busy, at; /* at: bytes of text so far */
    __u32 cut, unused;
    struct tc_nf_process_record record;
    char text[TC_NF_PATHS_MAX];
    char args[TC_NF_ARGS_MAX];
};

#define SENSOR_NAMES_MAX TC_NF_PATHS_MAX
#define SENSOR_PATH_CUT TC_NF_PATH_CUT
#include "bpf/sensor_names.bpf.h"

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct texts);
} scratches SEC(".maps");

/* Which program a process ran when it was reported. */
struct reported {
    __u64 start_ns, mm;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32);
    __type(value, struct reported);
} reported SEC(".maps");

static __always_inline void put_program(struct texts *s, const struct mm_struct *mm)
{
    __u64 file = (__u64)BPF_CORE_READ(mm, exe_file);

    if (file) /* a kernel thread has none */
        put_path(s, file + bpf_core_field_offset(struct file, f_path));
}

static __always_inline void put_args(struct texts *s, const struct mm_struct *mm)
{
    unsigned long from = BPF_CORE_READ(mm, arg_start);
    unsigned long n = BPF_CORE_READ(mm, arg_end) - from;
    __u32 at = s->at;

    if (at > TC_NF_PATHS_MAX)
        return;
    if (n > TC_NF_ARGS_MAX) {
        s->record.flags |= TC_NF_ARGS_CUT;
        n = TC_NF_ARGS_MAX;
    }
    if (!bpf_probe_read_user(s->text + at, n, (const void *)from))
        s->at = at + n;
}

static __always_inline void put_texts(struct texts *s, const struct task_struct *task,
                                      const struct task_struct *parent)
{
    const struct mm_struct *mm = BPF_CORE_READ(task, mm);
    __u32 *end = s->record.end;

    s->at = s->cut = 0;
    put_program(s, mm);
    end[TC_NF_EXECUTABLE] = s->at;
    put_program(s, BPF_CORE_READ(parent, mm));
    end[TC_NF_PARENT] = s->at;
    put_cgroup(s, task);
    end[TC_NF_CGROUP] = s->at;
    put_args(s, mm);
    end[TC_NF_ARGS] = s->at;
    s->record.flags |= s->cut;
}

static __always_inline void fill_process(struct tc_nf_process_record *r,
                                         const struct task_struct *task,
                                         const struct task_struct *parent)
{
    const struct file *exe = BPF_CORE_READ(task, mm, exe_file);

    r->kind = TC_NF_PROCESS;
    r->flags = 0;
    r->pid = BPF_CORE_READ(task, tgid);
    r->start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    r->parent_pid = BPF_CORE_READ(parent, tgid);
    r->parent_start_ns = BPF_CORE_READ(parent, start_boottime);
    r->uid = BPF_CORE_READ(task, cred, euid.val);
    r->time_ns = bpf_ktime_get_ns();
    r->cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
    r->inode = BPF_CORE_READ(exe, f_inode, i_ino);
    r->device = BPF_CORE_READ(exe, f_inode, i_sb, s_dev);
    r->unused = 0;
    bpf_probe_read_kernel_str(r->comm, sizeof(r->comm),
                              &BPF_CORE_READ(task, group_leader)->comm);
    bpf_probe_read_kernel_str(r->parent_comm, sizeof(r->parent_comm), &parent->comm);
}

/* False: it was lost, and is to be tried again. */
static __always_inline bool report_texts(struct texts *s, const struct task_struct *task,
                                         const struct task_struct *parent)
{
    __u32 at;

    fill_process(&s->record, task, parent);
    put_texts(s, task, parent);
    at = s->at;
    if (at > TC_NF_PATHS_MAX + TC_NF_ARGS_MAX)
        return false;
    if (bpf_ringbuf_output(&ring, &s->record, sizeof(s->record) + at, BPF_RB_NO_WAKEUP)) {
        count_lost(TC_NF_PROCESS);
        return false;
    }
    return true;
}

/* Reports who calls, unless it has been, and its flow's record follows at once. Not
 * static: the verifier goes through it once. */
__noinline int report_process(struct tc_nf_flow_record *r)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    struct reported now = {.mm = (__u64)task->mm}, *known;
    __u32 pid, zero = 0;
    struct texts *s;
    bool done;

    if (!r || r->flags & TC_NF_FROM_KERNEL)
        return 0;
    pid = r->pid;
    now.start_ns = r->start_ns;
    known = bpf_map_lookup_elem(&reported, &pid);
    if (known && known->start_ns == now.start_ns && known->mm == now.mm)
        return 0;
    s = bpf_map_lookup_elem(&scratches, &zero);
    if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1)) {
        count_lost(TC_NF_PROCESS);
        return 0;
    }
    done = report_texts(s, task, task->group_leader->real_parent->group_leader);
    s->busy = 0;
    if (done)
        bpf_map_update_elem(&reported, &pid, &now, BPF_ANY);
    return 0;
}

/* Who calls; or nobody, in a kernel thread. */
static __always_inline void fill_caller(struct tc_nf_flow_record *r)
{
    const struct task_struct *task = bpf_get_current_task_btf();

    r->pid = task->tgid;
    r->start_ns = task->group_leader->start_boottime;
    r->uid = task->cred->euid.val;
    r->cgroup = task->cgroups->dfl_cgrp->kn->id;
    bpf_probe_read_kernel_str(r->comm, sizeof(r->comm), &task->group_leader->comm);
    if (task->flags & PF_KTHREAD || !task->mm)
        r->flags |= TC_NF_FROM_KERNEL;
}

#endif
