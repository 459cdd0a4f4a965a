/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what happens in the kernel: each occurrence becomes one record in the ring, or is
 * counted as lost. One object of these parts:
 *   trace_common.bpf.h  maps, counters, who a task is, texts
 *   trace_life.bpf.h    fork, exec, exit
 *   trace_flow.bpf.h    TCP connections that are made, and who listens
 *   trace_socket.bpf.h  what else is done with sockets
 *   trace_acts.bpf.h    what processes do to themselves, others and the machine
 *   trace_attributes.bpf.h  what they do to files' attributes
 *   trace_call.bpf.h    which system call it is; trace_ended.bpf.h: that it has ended
 * Must not: wait, decide anything, or leave anything out.
 */
#include "trace_common.bpf.h"
#include "trace_ended.bpf.h"
#include "trace_flow.bpf.h"
#include "trace_life.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
