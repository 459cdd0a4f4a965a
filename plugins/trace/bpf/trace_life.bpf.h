/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: fork, exec and exit of a process, each one record. What a program was started
 * with is read here, before its first instruction: by the time anybody could read it, it
 * may have ended.
 */
#ifndef TC_TRACE_LIFE_BPF_H
#define TC_TRACE_LIFE_BPF_H

#include "trace_common.bpf.h"

#define SIGNAL_GROUP_EXIT 0x4     /* include/linux/sched/signal.h */
#define CTIME_QUERIED 0x80000000u /* I_CTIME_QUERIED: somebody has looked at it */

static __always_inline void put_exec_path(struct texts *s, const char *path)
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
static __always_inline void put_args(struct texts *s, const struct task_struct *task)
{
    unsigned long from = task->mm->arg_start;
    unsigned long n = task->mm->arg_end - from;
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
    const struct inode *inode = file->f_inode;
    const struct inode___split *split = (const void *)inode;
    const struct inode___under *under = (const void *)inode;
    const struct inode___plain *plain = (const void *)inode;

    r->inode = inode->i_ino;
    r->device = inode->i_sb->s_dev;
    r->size = inode->i_size;
    if (!inode->i_nlink)
        r->flags |= TC_TRACE_FILE_GONE;
    if (bpf_core_field_exists(split->i_ctime_sec)) {
        r->ctime_s = split->i_ctime_sec;
        r->ctime_ns = split->i_ctime_nsec & ~CTIME_QUERIED;
    } else if (bpf_core_field_exists(under->__i_ctime)) {
        r->ctime_s = under->__i_ctime.tv_sec;
        r->ctime_ns = under->__i_ctime.tv_nsec;
    } else {
        r->ctime_s = plain->i_ctime.tv_sec;
        r->ctime_ns = plain->i_ctime.tv_nsec;
    }
}

/* ---- The three kinds of records. ---- */

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
    r->forker_start_ns = parent->group_leader->start_boottime;
    submit(r);
    return 0;
}

/*
 * Of the last thread only. Two that end at once may both find themselves the last; the
 * plugin reports a process's end once.
 */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(trace_exit, struct task_struct *task)
{
    const struct signal_struct *signal = task->signal;
    struct tc_trace_record *r;

    if (signal->live.counter)
        return 0;
    r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
    if (!r) {
        count(TC_TRACE_LOST + TC_TRACE_EXIT);
        return 0;
    }
    r->kind = TC_TRACE_EXIT;
    fill_task(r, task);
    if (signal->flags & SIGNAL_GROUP_EXIT)
        r->exit_status = signal->group_exit_code;
    else
        r->exit_status = task->group_leader->exit_code;
    submit(r);
    return 0;
}

static __always_inline void put_texts(struct texts *s, const struct task_struct *task,
                                      const struct linux_binprm *bprm)
{
    /* Read so, addresses are numbers to the verifier, as put_path takes them. */
    __u64 file = (__u64)BPF_CORE_READ(bprm, file);
    __u64 fs = (__u64)BPF_CORE_READ(task, fs);
    __u32 *end = s->record.end;

    s->at = s->cut = 0;
    put_path(s, file + bpf_core_field_offset(struct file, f_path));
    end[TC_TRACE_EXECUTABLE] = s->at;
    put_exec_path(s, bprm->filename);
    end[TC_TRACE_EXEC_PATH] = s->at;
    put_path(s, fs + bpf_core_field_offset(struct fs_struct, pwd));
    end[TC_TRACE_FOLDER] = s->at;
    put_cgroup(s, task);
    end[TC_TRACE_CGROUP] = s->at;
    put_args(s, task);
    end[TC_TRACE_ARGS] = s->at;
    s->record.flags |= s->cut;
}

static __always_inline void report_exec(struct texts *s, const struct task_struct *task,
                                        const struct linux_binprm *bprm)
{
    struct tc_trace_record *r = &s->record;
    __u32 at;

    r->kind = TC_TRACE_EXEC;
    fill_task(r, task);
    put_file(r, bprm->file);
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
    struct texts *s = bpf_map_lookup_elem(&scratches, &cpu);

    if (!s || __sync_val_compare_and_swap(&s->busy, 0, 1)) {
        count(TC_TRACE_BUSY);
        count(TC_TRACE_LOST + TC_TRACE_EXEC);
        return 0;
    }
    report_exec(s, task, bprm);
    s->busy = 0;
    return 0;
}

#endif
