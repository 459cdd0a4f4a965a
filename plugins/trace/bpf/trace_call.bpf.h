/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: how one system call is distinguished from another, what it was given, and which
 * file a descriptor of its caller stands for.
 */
#ifndef TC_TRACE_CALL_BPF_H
#define TC_TRACE_CALL_BPF_H

#include "trace_calls.h"
#include "trace_common.bpf.h"

#define TS_COMPAT 0x2 /* arch/x86/include/asm/thread_info.h */

/* A call that has ended. */
struct ended {
    __u32 call, unused;
    long result;
    __u64 args[5];
};

/* Which call a number is: enum tc_trace_call. The plugin fills it in. */
const volatile __u8 calls[TC_TRACE_CALL_NUMBERS];

/* A 32-bit program has other numbers for its calls: those are not distinguished. */
static __always_inline bool is_compat(void)
{
    const struct task_struct___x86 *task = (const void *)bpf_get_current_task_btf();

    return bpf_core_field_exists(task->thread_info.status) &&
           BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

/* regs: as the kernel hands them out, so that reading them costs nothing. */
static __always_inline __u32 call_of(const void *regs)
{
    const struct pt_regs___x86 *x86 = regs;
    const struct pt_regs___arm64 *arm64 = regs;
    __u64 number;

    if (bpf_core_field_exists(x86->orig_ax))
        number = x86->orig_ax;
    else
        number = arm64->syscallno;
    if (number >= TC_TRACE_CALL_NUMBERS)
        return TC_TRACE_CALL_OTHER;
    return calls[number];
}

static __always_inline void args_of(const void *regs, __u64 args[5])
{
    const struct pt_regs___x86 *x86 = regs;
    const struct pt_regs___arm64 *arm64 = regs;

    if (bpf_core_field_exists(x86->orig_ax)) {
        args[0] = BPF_CORE_READ(x86, di);
        args[1] = BPF_CORE_READ(x86, si);
        args[2] = BPF_CORE_READ(x86, dx);
        args[3] = BPF_CORE_READ(x86, r10);
        args[4] = BPF_CORE_READ(x86, r8);
    } else {
        args[0] = BPF_CORE_READ(arm64, orig_x0);
        args[1] = BPF_CORE_READ(arm64, regs[1]);
        args[2] = BPF_CORE_READ(arm64, regs[2]);
        args[3] = BPF_CORE_READ(arm64, regs[3]);
        args[4] = BPF_CORE_READ(arm64, regs[4]);
    }
}

/* Which file a descriptor of the caller stands for; NULL: none. */
static __always_inline const struct file *file_of(__u32 fd)
{
    const struct task_struct *task = bpf_get_current_task_btf();
    const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
    const struct file *file = NULL;

    if (fd < BPF_CORE_READ(table, max_fds))
        bpf_probe_read_kernel(&file, sizeof(file), BPF_CORE_READ(table, fd) + fd);
    return file;
}

#endif
