/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what arrives at sockets: what name servers send is copied for the reader, which
 * so knows what a name stands for before the program that asked does; and a SYN from an
 * address that is blocked is dropped. Everything else goes by, and nothing is changed.
 */
#ifndef TC_NF_ARRIVE_BPF_H
#define TC_NF_ARRIVE_BPF_H

#include "nf_flow.bpf.h"

#define ETH_P_IP 0x0800 /* include/uapi/linux/if_ether.h */
#define ETH_P_IPV6 0x86dd
#define TCP_SYN 0x02
#define TCP_ACK 0x10

struct copy {
    __u32 busy, unused;
    struct tc_nf_packet_record record;
    __u8 bytes[TC_NF_PAYLOAD_MAX];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct copy);
} copies SEC(".maps");

/* What a socket gets from a name server that it has asked; strangers fill no ring. */
static __always_inline void copy_packet(struct __sk_buff *skb, __u64 cookie)
{
    struct tc_nf_control *c = control_of();
    __u32 zero = 0, len = skb->len;
    struct copy *copy = bpf_map_lookup_elem(&copies, &zero);

    if (!c || !copy || __sync_val_compare_and_swap(&copy->busy, 0, 1)) {
        count_lost(TC_NF_PACKET);
        return;
    }
    if (len > TC_NF_PAYLOAD_MAX)
        len = TC_NF_PAYLOAD_MAX;
    /* Linux 6.1 does not see that it is at least 1, unless it is computed so. */
    asm volatile("" : "+r"(len));
    len = ((len - 1) & (TC_NF_PAYLOAD_MAX - 1)) + 1;
    copy->record.kind = TC_NF_PACKET;
    copy->record.unused = 0;
    copy->record.len = len;
    copy->record.time_ns = bpf_ktime_get_ns();
    copy->record.cookie = cookie;
    if (!bpf_skb_load_bytes(skb, 0, copy->bytes, len)) {
        /* Whoever asked for a name connects next: where names decide, the reader is to
         * know it by then. */
        if (c->names)
            c->asleep = 0;
        if (bpf_ringbuf_output(&ring, &copy->record, sizeof(copy->record) + len,
                               c->names ? BPF_RB_FORCE_WAKEUP : wake_flags(c)))
            count_lost(TC_NF_PACKET);
    }
    copy->busy = 0;
}

/* The header behind IP: 0 when there is none that matters. */
static __always_inline __u32 transport_at(struct __sk_buff *skb, __u8 *ret_protocol,
                                          struct tc_nf_flow_record *r)
{
    __u8 head[40];

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        if (bpf_skb_load_bytes(skb, 0, head, 20) || (head[6] & 0x1f) || head[7])
            return 0; /* of a later fragment nothing more is known */
        *ret_protocol = head[9];
        r->family = 4;
        put_v4(r->source, *(__u32 *)(head + 12));
        put_v4(r->destination, *(__u32 *)(head + 16));
        return (head[0] & 0x0f) * 4;
    }
    if (skb->protocol != bpf_htons(ETH_P_IPV6) || bpf_skb_load_bytes(skb, 0, head, 40))
        return 0;
    *ret_protocol = head[6];
    r->family = 6;
    __builtin_memcpy(r->source, head + 8, 16);
    __builtin_memcpy(r->destination, head + 24, 16);
    return 40;
}

/* A SYN: whether it may come in. */
static __always_inline int arriving(struct __sk_buff *skb, struct tc_nf_flow_record *r)
{
    struct tc_nf_control *c = control_of();

    if (!c || c->enforcement == TC_NF_DISABLED || c->netns)
        return ALLOW;
    r->kind = TC_NF_FLOW;
    r->hook = TC_NF_AT_ARRIVE;
    r->protocol = IPPROTO_TCP;
    r->time_ns = bpf_ktime_get_ns();
    r->cookie = bpf_get_socket_cookie(skb);
    decide(r, 0);
    if (!(r->flags & TC_NF_DENIED))
        return ALLOW;
    report_denial(c, r);
    return DENY;
}

/* What may matter. Not static: the verifier goes through it once. */
__noinline int look_closer(struct __sk_buff *skb)
{
    struct tc_nf_flow_record r = {.flags = TC_NF_FROM_KERNEL};
    __u8 protocol = 0, ports[4], flags = 0;
    __u64 cookie;
    __u32 at = transport_at(skb, &protocol, &r);

    if (!at || (protocol != IPPROTO_UDP && protocol != IPPROTO_TCP) ||
        bpf_skb_load_bytes(skb, at, ports, sizeof(ports)))
        return ALLOW;
    if (!ports[0] && ports[1] == DNS_PORT) {
        cookie = bpf_get_socket_cookie(skb);
        if (bpf_map_lookup_elem(&asked, &cookie))
            copy_packet(skb, cookie);
        return ALLOW;
    }
    if (protocol != IPPROTO_TCP || bpf_skb_load_bytes(skb, at + 13, &flags, 1) ||
        (flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
        return ALLOW;
    r.source_port = ports[0] << 8 | ports[1];
    r.destination_port = ports[2] << 8 | ports[3];
    return arriving(skb, &r);
}

/* Neither from a name server nor a SYN, as nearly all are; each is paid for. Where its
 * headers do not lie together it is not known. */
static __always_inline bool is_ordinary(const struct __sk_buff *skb)
{
    const __u8 *data = (const void *)(long)skb->data;
    const __u8 *end = (const void *)(long)skb->data_end, *transport;
    __u8 protocol;

    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        transport = data + 20;
        if (transport + 14 > end || data[0] != 0x45)
            return false;
        protocol = data[9];
    } else {
        transport = data + 40;
        if (skb->protocol != bpf_htons(ETH_P_IPV6) || transport + 14 > end)
            return false;
        protocol = data[6];
    }
    if (!transport[0] && transport[1] == DNS_PORT)
        return false;
    return protocol != IPPROTO_TCP || (transport[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

SEC("cgroup_skb/ingress")
int nf_arrive(struct __sk_buff *skb)
{
    int verdict;

    if (is_ordinary(skb))
        return ALLOW;
    verdict = look_closer(skb);
    /* clang knows what it returns and hands that on; the verifier does not. */
    asm volatile("" : "+r"(verdict));
    return verdict ? ALLOW : DENY;
}

#endif
