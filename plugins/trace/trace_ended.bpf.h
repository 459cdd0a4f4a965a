/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: how the end of a system call is heard of. Where the kernel lets programs be put
 * at the end of its functions, there is one at each call that is told of, and no other
 * call costs anything. Where it does not, there is one at the end of all calls.
 */
#ifndef TC_TRACE_ENDED_BPF_H
#define TC_TRACE_ENDED_BPF_H

#include "trace_acts.bpf.h"
#include "trace_call.bpf.h"
#include "trace_socket.bpf.h"

static __always_inline int call_ended(__u32 call, const void *regs, long result)
{
    struct ended c = {.call = call, .result = result};

    args_of(regs, c.args);
    return call < TC_TRACE_CALL_accept ? act_ended(&c) : socket_ended(&c);
}

/* The plugin says which function: its name has that of the machine in it. */
#define ENDED(name, function)                                                            \
    SEC("fexit")                                                                         \
    int BPF_PROG(trace_end_##name, const void *regs, long result)                        \
    {                                                                                    \
        return call_ended(TC_TRACE_CALL_##name, regs, result);                           \
    }
TC_TRACE_HOOKED_CALLS(ENDED)

/* Every exec comes here, too, and goes on at once: it is told of as what it is. */
SEC("fexit/commit_creds")
int trace_credentials(void *ctx)
{
    struct task_struct *task = bpf_get_current_task_btf();
    struct ended c = {.call = call_of((const void *)bpf_task_pt_regs((void *)task))};

    if (c.call == TC_TRACE_CALL_OTHER || c.call >= TC_TRACE_CALLS_CREDENTIAL ||
        is_compat())
        return 0;
    return act_credentials(&c);
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
