/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what a process does with its sockets, as its system calls return: it has accepted
 * a connection, bound a socket to a port it has chosen, connected a UDP socket, or sent
 * the first datagram to somewhere from one that is not connected. What becomes of TCP
 * connections that it makes is trace_flow.bpf.h's.
 */
#ifndef TC_TRACE_SOCKET_BPF_H
#define TC_TRACE_SOCKET_BPF_H

#include "trace_call.bpf.h"
#include "trace_flow.bpf.h"

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define SOCK_BINDPORT_LOCK 8 /* include/net/sock.h: it was bound to a port of choice */

/* What connect, bind and sendto are given. */
struct address {
    __u16 family, port; /* the port as on the wire */
    __u8 ip[16];        /* as IPv6 has it */
};

/* Where a socket has sent a datagram to: the first is reported. */
struct sent {
    __u64 inode; /* of the socket: another one has another */
    struct address to;
    __u32 unused;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct sent);
    __type(value, __u8);
} sent SEC(".maps");

/* The internet socket that a descriptor stands for, and the number of its inode. */
static __always_inline const struct sock *socket_of(__u64 fd, __u64 *ret_inode)
{
    const struct file *file = file_of(fd);
    const struct socket *socket;
    const struct sock *sk;
    __u16 family;

    if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
        return NULL;
    socket = BPF_CORE_READ(file, private_data);
    sk = BPF_CORE_READ(socket, sk);
    family = BPF_CORE_READ(sk, __sk_common.skc_family);
    if (!sk || (family != AF_INET && family != AF_INET6))
        return NULL;
    *ret_inode = BPF_CORE_READ(file, f_inode, i_ino);
    return sk;
}

/* False when it is none of the internet, or not to be read. */
static __always_inline bool read_address(const void *from, struct address *to)
{
    __builtin_memset(to, 0, sizeof(*to));
    if (!from || bpf_probe_read_user(&to->family, 4, from))
        return false;
    if (to->family == AF_INET6) /* sin6_addr stands behind sin6_flowinfo */
        return !bpf_probe_read_user(to->ip, 16, from + 8);
    if (to->family != AF_INET)
        return false;
    to->ip[10] = to->ip[11] = 0xff;
    return !bpf_probe_read_user(to->ip + MAPPED_BYTES, 4, from + 4);
}

static __always_inline void report_socket(const struct sock *sk, __u16 what,
                                          const struct address *to)
{
    struct tc_trace_flow_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);
    struct actor who = current_process();

    if (!r) {
        count(TC_TRACE_LOST + TC_TRACE_FLOW);
        return;
    }
    fill_flow(r, sk, what, &who);
    if (to) { /* the socket itself knows nobody */
        r->destination_port = __builtin_bswap16(to->port);
        __builtin_memcpy(r->destination, to->ip, sizeof(r->destination));
    }
    count(TC_TRACE_REPORTED);
    bpf_ringbuf_submit(r, wake_flags());
}

static __noinline int socket_accepted(const struct ended *c)
{
    __u64 inode;
    const struct sock *sk = socket_of(c->result, &inode);

    if (sk && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP)
        report_socket(sk, TC_TRACE_ACCEPTED, NULL);
    return 0;
}

/* Port 0 leaves the choice to the kernel, as who connects next does: not reported. */
static __noinline int socket_bound(const struct ended *c)
{
    struct address address;
    const struct sock *sk;
    __u16 protocol;
    __u64 inode;

    if (!read_address((const void *)c->args[1], &address) || !address.port)
        return 0;
    sk = socket_of(c->args[0], &inode);
    if (!sk)
        return 0;
    protocol = BPF_CORE_READ(sk, sk_protocol);
    if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP)
        report_socket(sk, TC_TRACE_BOUND, NULL);
    return 0;
}

/* A TCP socket is reported by its states. */
static __noinline int socket_connected(const struct ended *c)
{
    __u64 inode;
    const struct sock *sk = socket_of(c->args[0], &inode);

    if (sk && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_UDP &&
        BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED)
        report_socket(sk, TC_TRACE_CONNECTED, NULL);
    return 0;
}

/* What is bound to a port of its choice answers, mostly: a server reports its port. */
static __noinline int socket_sent(__u64 fd, const void *address)
{
    struct sent key = {};
    const struct sock *sk;
    __u8 yes = 1;

    sk = socket_of(fd, &key.inode);
    if (!sk || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_UDP ||
        BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK ||
        !read_address(address, &key.to))
        return 0;
    key.to.family = 0; /* the same place may be written in both */
    /* Looking comes first, as an update takes a free entry before it looks. */
    if (!bpf_map_lookup_elem(&sent, &key) &&
        !bpf_map_update_elem(&sent, &key, &yes, BPF_NOEXIST))
        report_socket(sk, TC_TRACE_CONNECTED, &key.to);
    return 0;
}

/* sendmsg, and the first message of sendmmsg, whose vector begins with it. */
static __always_inline int socket_sent_message(const struct ended *c)
{
    const void *name = NULL; /* the first field of struct msghdr */

    if (bpf_probe_read_user(&name, sizeof(name), (const void *)c->args[1]) || !name)
        return 0;
    return socket_sent(c->args[0], name);
}

static __always_inline int socket_ended(const struct ended *c)
{
    if (c->result < 0)
        return 0;
    switch (c->call) {
    case TC_TRACE_CALL_accept:
    case TC_TRACE_CALL_accept4:
        return socket_accepted(c);
    case TC_TRACE_CALL_bind:
        return socket_bound(c);
    case TC_TRACE_CALL_connect:
        return socket_connected(c);
    case TC_TRACE_CALL_sendto: /* send too, without an address */
        return c->args[4] ? socket_sent(c->args[0], (const void *)c->args[4]) : 0;
    case TC_TRACE_CALL_sendmsg:
    case TC_TRACE_CALL_sendmmsg:
        return socket_sent_message(c);
    default:
        return 0;
    }
}

#endif
