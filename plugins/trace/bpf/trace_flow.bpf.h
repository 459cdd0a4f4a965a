/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what becomes of TCP connections that are made, and who listens; and how a socket
 * is written into a record.
 */
#ifndef TC_TRACE_FLOW_BPF_H
#define TC_TRACE_FLOW_BPF_H

#include "trace_common.bpf.h"

#define MAPPED_BYTES 12 /* of ::ffff:0:0/96, before the IPv4 address (RFC 4291) */

/* Who has begun to connect a socket: the end of it may come in anybody's time. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, __u64); /* the socket's address */
    __type(value, struct actor);
} connecting SEC(".maps");

static __always_inline void put_flow(struct tc_trace_flow_record *r,
                                     const struct sock *sk)
{
    const struct sock_common *common = &sk->__sk_common;

    r->protocol = BPF_CORE_READ(sk, sk_protocol);
    r->source_port = BPF_CORE_READ(common, skc_num);
    if (!r->source_port) /* given back already, when a connect has failed */
        r->source_port =
            __builtin_bswap16(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
    r->destination_port = __builtin_bswap16(BPF_CORE_READ(common, skc_dport));
    __builtin_memset(r->source, 0, sizeof(r->source));
    __builtin_memset(r->destination, 0, sizeof(r->destination));
    if (BPF_CORE_READ(common, skc_family) == AF_INET) {
        r->source[10] = r->source[11] = 0xff;
        r->destination[10] = r->destination[11] = 0xff;
        bpf_core_read(r->source + MAPPED_BYTES, 4, &common->skc_rcv_saddr);
        bpf_core_read(r->destination + MAPPED_BYTES, 4, &common->skc_daddr);
    } else {
        bpf_core_read(r->source, 16, &common->skc_v6_rcv_saddr);
        bpf_core_read(r->destination, 16, &common->skc_v6_daddr);
    }
}

static __always_inline void fill_flow(struct tc_trace_flow_record *r,
                                      const struct sock *sk, __u16 what,
                                      const struct actor *who)
{
    r->kind = TC_TRACE_FLOW;
    r->what = what;
    r->unused = 0;
    r->pid = who->pid;
    r->start_ns = who->start_ns;
    r->time_ns = bpf_ktime_get_ns();
    put_flow(r, sk);
}

static __always_inline void report_flow(const struct sock *sk, __u16 what,
                                        const struct actor *who)
{
    struct tc_trace_flow_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

    if (!r) {
        count(TC_TRACE_LOST + TC_TRACE_FLOW);
        return;
    }
    fill_flow(r, sk, what, who);
    count(TC_TRACE_REPORTED);
    bpf_ringbuf_submit(r, wake_flags());
}

/*
 * A connect and a listen set the state in the time of the process that calls them; what
 * comes of a connect is learned in whose time its answer arrives.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(trace_state, const struct sock *sk, int old, int new)
{
    __u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
    struct actor who, *connector;
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

#endif
