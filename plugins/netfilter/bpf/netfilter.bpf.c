/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: the programs in the kernel. All of them may only deny, never change: no packet,
 * no mark, no socket option is set.
 */
#include "nf_arrive.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
