/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what every part of netfilter.bpf.c uses: the maps, what was lost, the reader's
 * wakeup. Must not: hook anything.
 */
#ifndef TC_NF_COMMON_BPF_H
#define TC_NF_COMMON_BPF_H

#include <linux/bpf.h>
/* First the types, then: */
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>

#include "netfilter_abi.h"
#include "netfilter_kernel.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct tc_nf_control);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, TC_NF_RECORD_KINDS);
    __type(key, __u32);
    __type(value, __u64);
} lost SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096); /* the plugin sets it */
} ring SEC(".maps");

static __always_inline struct tc_nf_control *control_of(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&control, &zero);
}

/* A record of enum tc_nf_record_kind had no room. */
static __always_inline void count_lost(__u32 kind)
{
    __u64 *n = bpf_map_lookup_elem(&lost, &kind);

    if (n)
        __sync_fetch_and_add(n, 1);
}

/* Waking the reader costs ten times the record: only one that has said that it sleeps is
 * woken, or one that falls behind. */
static __always_inline __u64 wake_flags(struct tc_nf_control *c)
{
    if ((c->asleep && __sync_val_compare_and_swap(&c->asleep, 1, 0) == 1) ||
        bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > c->wake_bytes)
        return BPF_RB_FORCE_WAKEUP;
    return BPF_RB_NO_WAKEUP;
}

#endif
