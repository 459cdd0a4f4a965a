/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: how the end of a system call is seen. Where the kernel lets programs be put
 * at the end of its functions, there is one at each call that is reported, and no other
 * call costs anything. Where it does not, there is one at the end of all calls.
 */
#ifndef TC_TRACE_ENDED_BPF_H
#define TC_TRACE_ENDED_BPF_H

#include "trace_acts.bpf.h"
#include "trace_attributes.bpf.h"
#include "trace_call.bpf.h"
#include "trace_socket.bpf.h"

static __always_inline int call_ended(__u32 call, const void *regs, long result)
{
    struct ended c = {.call = call, .result = result};

    args_of(regs, c.args);
    if (call < TC_TRACE_CALL_accept)
        return act_ended(&c);
    return call < TC_TRACE_CALL_setxattr ? socket_ended(&c) : attributes_ended(&c);
}

/* The plugin says which function: its name has that of the machine in it. */
#define ENDED(name, function)                                                            \
    SEC("fexit")                                                                         \
    int BPF_PROG(trace_end_##name, const void *regs, long result)                        \
    {                                                                                    \
        return call_ended(TC_TRACE_CALL_##name, regs, result);                           \
    }
TC_TRACE_HOOKED_CALLS(ENDED)

/* A function that several calls end in, and that others in the kernel may call. */
static __always_inline int common_ended(void *ctx, __u32 first, __u32 last)
{
    const void *regs = (const void *)bpf_task_pt_regs(bpf_get_current_task_btf());
    __u32 call = call_of(regs);
    __u64 result = 0;

    if (call < first || call > last || is_compat() || bpf_get_func_ret(ctx, &result))
        return 0;
    return call_ended(call, regs, (int)result);
}

/* Every exec comes here, too, and goes on at once: it is reported as what it is. */
SEC("fexit/commit_creds")
int trace_credentials(void *ctx)
{
    return common_ended(ctx, TC_TRACE_CALL_setuid, TC_TRACE_CALL_setresgid);
}

SEC("fexit/chmod_common")
int trace_modes(void *ctx)
{
    return common_ended(ctx, TC_TRACE_CALL_chmod, TC_TRACE_CALL_fchmodat2);
}

SEC("fexit/chown_common")
int trace_owners(void *ctx)
{
    return common_ended(ctx, TC_TRACE_CALL_chown, TC_TRACE_CALL_fchownat);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(trace_sys_exit, const void *regs, long result)
{
    __u32 call = call_of(regs);

    if (call == TC_TRACE_CALL_OTHER || call >= TC_TRACE_CALLS_HOOKED || is_compat())
        return 0;
    return call_ended(call, regs, result);
}

#endif
