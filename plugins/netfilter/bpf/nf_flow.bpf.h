/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: the hooks at which flows begin. connect(2) and sendto(2) are where a flow can be
 * refused; a TCP flow that is not is reported a moment later, when it has its port and
 * its SYN has not left yet, in the time of the same call.
 */
#ifndef TC_NF_FLOW_BPF_H
#define TC_NF_FLOW_BPF_H

#include "nf_decide.bpf.h"
#include "nf_process.bpf.h"

#define ALLOW 1
#define DENY 0 /* EPERM to the caller */
#define AGAIN_NS                                                                         \
    10000000000ull              /* after so long the same datagrams are reported again   \
                                 */
#define DENIED_NS 1000000000ull /* the same denial is reported at most so often */

/* An address of the context, a word at a time, as the verifier wants it; a loop would be
 * made wider. */
#define WORD(word) (*(const volatile __u32 *)&(word))
#define PUT_V6(to, from)                                                                 \
    do {                                                                                 \
        __u32 *to_ = (void *)(to);                                                       \
                                                                                         \
        to_[0] = WORD((from)[0]);                                                        \
        to_[1] = WORD((from)[1]);                                                        \
        to_[2] = WORD((from)[2]);                                                        \
        to_[3] = WORD((from)[3]);                                                        \
    } while (0)

/* What has been decided of a socket's connection, until its SYN, which follows in the
 * same call. Should another's come between, or the call go on elsewhere, then `check`
 * does not fit, and it is decided again. */
union decided {
    struct {
        __u32 id;
        __u16 flags;
        __u8 action, why;
    };
    __u64 all;
};

struct opening {
    __u64 all;   /* of union decided */
    __u64 check; /* that ^ the socket's cookie */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct opening);
} opening SEC(".maps");

/* Sockets that have asked a name server: their answers are copied. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, __u64); /* cookie */
    __type(value, __u8);
} asked SEC(".maps");

/* Where a socket that is not connected has sent to: the first is reported. */
struct sent_to {
    __u64 cookie;
    __u8 address[16];
    __u32 port, unused;
};

struct sent {
    __u64 time_ns;
    __u32 generation;
    __u32 denied;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct sent_to);
    __type(value, struct sent);
} sent SEC(".maps");

/* Denials of a process, so that one in a loop does not fill the ring. */
struct denied_to {
    __u32 pid;
    __u16 port, protocol;
    __u8 address[16];
};

struct denied {
    __u64 time_ns;
    __u64 more;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, struct denied_to);
    __type(value, struct denied);
} denials SEC(".maps");

/* Who listens where: an incoming flow comes in nobody's time. */
struct listening_at {
    __u64 netns;
    __u32 port, unused;
};

struct listener {
    __u64 start_ns, cgroup;
    __u32 pid, uid;
    char comm[16];
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct listening_at);
    __type(value, struct listener);
} listening SEC(".maps");

/* ---- Reporting. ---- */

static __always_inline void report(struct tc_nf_control *c, struct tc_nf_flow_record *r)
{
    report_process(r);
    if (bpf_ringbuf_output(&ring, r, sizeof(*r), wake_flags(c)))
        count_lost(TC_NF_FLOW);
}

static __always_inline void report_denial(struct tc_nf_control *c,
                                          struct tc_nf_flow_record *r)
{
    struct denied_to key = {
        .pid = r->pid, .port = r->destination_port, .protocol = r->protocol};
    struct denied now = {.time_ns = r->time_ns}, *before;

    __builtin_memcpy(key.address, r->destination, 16);
    before = bpf_map_lookup_elem(&denials, &key);
    if (before && r->time_ns - before->time_ns < DENIED_NS) {
        __sync_fetch_and_add(&before->more, 1);
        return;
    }
    if (before)
        r->repeated = before->more;
    bpf_map_update_elem(&denials, &key, &now, BPF_ANY);
    report(c, r);
}

/* ---- connect(2), sendto(2). ---- */

static __always_inline void put_v4(__u8 to[16], __u32 address)
{
    __u32 *word = (void *)to;

    word[0] = word[1] = 0;
    word[2] = address ? bpf_htonl(0xffff) : 0;
    word[3] = address;
}

/* What both families have in common. False: it is not ours to look at. */
static __always_inline bool begin(struct tc_nf_flow_record *r, struct bpf_sock_addr *ctx,
                                  __u8 hook, const struct tc_nf_control *c)
{
    __u8 yes = 1;

    r->kind = TC_NF_FLOW;
    r->hook = hook;
    r->netns = bpf_get_netns_cookie(ctx);
    if (c->netns && c->netns != r->netns)
        return false;
    r->time_ns = bpf_ktime_get_ns();
    r->cookie = bpf_get_socket_cookie(ctx);
    r->protocol = ctx->protocol;
    r->destination_port = bpf_ntohs(ctx->user_port);
    if (r->destination_port == DNS_PORT && !bpf_map_lookup_elem(&asked, &r->cookie))
        bpf_map_update_elem(&asked, &r->cookie, &yes, BPF_ANY);
    return true;
}

static __always_inline void keep_decision(const struct tc_nf_flow_record *r)
{
    const union decided decided = {
        .id = r->id, .flags = r->flags, .action = r->action, .why = r->why};
    __u32 zero = 0;
    struct opening *o = bpf_map_lookup_elem(&opening, &zero);

    if (!o)
        return;
    o->all = decided.all;
    o->check = decided.all ^ r->cookie;
}

static __always_inline bool take_decision(struct tc_nf_flow_record *r)
{
    __u32 zero = 0;
    struct opening *o = bpf_map_lookup_elem(&opening, &zero);
    union decided decided;

    if (!o)
        return false;
    decided.all = o->all;
    if ((o->check ^ decided.all) != r->cookie)
        return false;
    o->check = decided.all; /* of no socket */
    r->flags |= decided.flags;
    r->action = decided.action;
    r->why = decided.why;
    r->id = decided.id;
    return true;
}

static __always_inline int ended(struct tc_nf_control *c, struct tc_nf_flow_record *r)
{
    if (r->flags & TC_NF_DENIED) {
        report_denial(c, r);
        return DENY;
    }
    if (r->protocol == IPPROTO_TCP)
        keep_decision(r);
    else
        report(c, r);
    return ALLOW;
}

/* Datagrams: each would be judged, and is the same as the one before. */
static __always_inline int sent_before(const struct tc_nf_control *c,
                                       const struct tc_nf_flow_record *r,
                                       struct sent_to *key)
{
    const struct sent *before;

    key->cookie = r->cookie;
    key->port = r->destination_port;
    __builtin_memcpy(key->address, r->destination, 16);
    before = bpf_map_lookup_elem(&sent, key);
    if (!before || before->generation != c->generation ||
        r->time_ns - before->time_ns > AGAIN_NS)
        return -1;
    return before->denied ? DENY : ALLOW;
}

static __always_inline int sent_now(struct tc_nf_control *c, struct tc_nf_flow_record *r)
{
    struct sent_to key = {};
    struct sent now = {.time_ns = r->time_ns, .generation = c->generation};
    int verdict = sent_before(c, r, &key);

    if (verdict >= 0)
        return verdict;
    fill_caller(r);
    decide(r, 1);
    now.denied = (r->flags & TC_NF_DENIED) != 0;
    bpf_map_update_elem(&sent, &key, &now, BPF_ANY);
    return ended(c, r);
}

/* The agent asks itself, on loopback, to know that this still works. */
static __always_inline bool is_canary(struct tc_nf_control *c,
                                      const struct tc_nf_flow_record *r)
{
    if (!c->canary_port || r->pid != c->agent_pid ||
        r->destination_port != c->canary_port || !is_loopback(r->destination))
        return false;
    __sync_fetch_and_add(&c->canary_seen, 1);
    return true;
}

SEC("cgroup/connect4")
int nf_connect4(struct bpf_sock_addr *ctx)
{
    struct tc_nf_control *c = control_of();
    struct tc_nf_flow_record r = {.family = 4};

    if (!c || !begin(&r, ctx, TC_NF_AT_CONNECT, c))
        return ALLOW;
    put_v4(r.destination, ctx->user_ip4);
    fill_caller(&r);
    if (is_canary(c, &r))
        return DENY;
    decide(&r, 1);
    return ended(c, &r);
}

SEC("cgroup/connect6")
int nf_connect6(struct bpf_sock_addr *ctx)
{
    struct tc_nf_control *c = control_of();
    struct tc_nf_flow_record r = {.family = 6};

    if (!c || !begin(&r, ctx, TC_NF_AT_CONNECT, c))
        return ALLOW;
    PUT_V6(r.destination, ctx->user_ip6);
    fill_caller(&r);
    decide(&r, 1);
    return ended(c, &r);
}

SEC("cgroup/sendmsg4")
int nf_sendmsg4(struct bpf_sock_addr *ctx)
{
    struct tc_nf_control *c = control_of();
    struct tc_nf_flow_record r = {.family = 4};

    if (!c || !begin(&r, ctx, TC_NF_AT_SEND, c))
        return ALLOW;
    put_v4(r.destination, ctx->user_ip4);
    put_v4(r.source, ctx->msg_src_ip4);
    if (ctx->sk)
        r.source_port = ctx->sk->src_port;
    return sent_now(c, &r);
}

SEC("cgroup/sendmsg6")
int nf_sendmsg6(struct bpf_sock_addr *ctx)
{
    struct tc_nf_control *c = control_of();
    struct tc_nf_flow_record r = {.family = 6};

    if (!c || !begin(&r, ctx, TC_NF_AT_SEND, c))
        return ALLOW;
    PUT_V6(r.destination, ctx->user_ip6);
    PUT_V6(r.source, ctx->msg_src_ip6);
    if (ctx->sk)
        r.source_port = ctx->sk->src_port;
    return sent_now(c, &r);
}

/* ---- A TCP flow with all that it is. ---- */

static __always_inline bool tuple(struct tc_nf_flow_record *r, struct bpf_sock_ops *ctx,
                                  bool outgoing)
{
    __u8 *local = outgoing ? r->source : r->destination;
    __u8 *remote = outgoing ? r->destination : r->source;

    if (ctx->family == AF_INET6) {
        PUT_V6(local, ctx->local_ip6);
        PUT_V6(remote, ctx->remote_ip6);
    } else if (ctx->family == AF_INET) {
        put_v4(local, ctx->local_ip4);
        put_v4(remote, ctx->remote_ip4);
    } else {
        return false;
    }
    r->family = is_mapped(remote) ? 4 : 6;
    r->source_port = outgoing ? ctx->local_port : bpf_ntohl(ctx->remote_port);
    r->destination_port = outgoing ? bpf_ntohl(ctx->remote_port) : ctx->local_port;
    return true;
}

static __always_inline bool is_mptcp(struct bpf_sock_ops *ctx)
{
    struct bpf_sock *sk = ctx->sk;
    struct tcp_sock *tcp = NULL;

    if (!sk || !bpf_core_field_exists(tcp->is_mptcp))
        return false;
    tcp = bpf_skc_to_tcp_sock(sk);
    return tcp && BPF_CORE_READ(tcp, is_mptcp);
}

static __always_inline bool begin_tcp(struct tc_nf_flow_record *r,
                                      struct bpf_sock_ops *ctx, __u8 hook,
                                      const struct tc_nf_control *c)
{
    r->kind = TC_NF_FLOW;
    r->hook = hook;
    r->protocol = IPPROTO_TCP;
    r->netns = bpf_get_netns_cookie(ctx);
    if (c->netns && c->netns != r->netns)
        return false;
    r->time_ns = bpf_ktime_get_ns();
    r->cookie = bpf_get_socket_cookie(ctx);
    if (is_mptcp(ctx))
        r->flags |= TC_NF_MPTCP;
    return tuple(r, ctx, hook == TC_NF_AT_SYN);
}

/* It can no longer be refused here. */
static __always_inline void goes_on(struct tc_nf_flow_record *r)
{
    if (r->flags & TC_NF_DENIED)
        r->flags = (r->flags & ~TC_NF_DENIED) | TC_NF_WOULD_DENY;
}

static __always_inline void connecting(struct tc_nf_control *c, struct bpf_sock_ops *ctx)
{
    struct tc_nf_flow_record r = {};

    if (!begin_tcp(&r, ctx, TC_NF_AT_SYN, c))
        return;
    fill_caller(&r);
    if (!take_decision(&r)) {
        decide(&r, 1);
        goes_on(&r);
    }
    report(c, &r);
}

static __always_inline void listens(struct bpf_sock_ops *ctx)
{
    struct listening_at at = {.netns = bpf_get_netns_cookie(ctx),
                              .port = ctx->local_port};
    struct tc_nf_flow_record r = {};
    struct listener who = {};

    fill_caller(&r);
    who.start_ns = r.start_ns;
    who.cgroup = r.cgroup;
    who.pid = r.pid;
    who.uid = r.uid;
    __builtin_memcpy(who.comm, r.comm, sizeof(who.comm));
    report_process(&r);
    bpf_map_update_elem(&listening, &at, &who, BPF_ANY);
}

static __always_inline void accepted(struct tc_nf_control *c, struct bpf_sock_ops *ctx)
{
    struct tc_nf_flow_record r = {};
    struct listening_at at = {};
    const struct listener *who;

    if (!begin_tcp(&r, ctx, TC_NF_AT_ACCEPT, c) ||
        (!c->loopback && is_loopback(r.source)))
        return;
    at.netns = r.netns;
    at.port = r.destination_port;
    who = bpf_map_lookup_elem(&listening, &at);
    if (who) {
        r.start_ns = who->start_ns;
        r.cgroup = who->cgroup;
        r.pid = who->pid;
        r.uid = who->uid;
        __builtin_memcpy(r.comm, who->comm, sizeof(r.comm));
    }
    decide(&r, 0);
    goes_on(&r);
    if (bpf_ringbuf_output(&ring, &r, sizeof(r), wake_flags(c)))
        count_lost(TC_NF_FLOW);
}

SEC("sockops")
int nf_tcp(struct bpf_sock_ops *ctx)
{
    __u32 op = ctx->op;
    struct tc_nf_control *c;

    /* Most of what it is called for is none of these. */
    if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_TCP_LISTEN_CB &&
        op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
        return 1;
    c = control_of();
    if (!c)
        return 1;
    if (op == BPF_SOCK_OPS_TCP_CONNECT_CB)
        connecting(c, ctx);
    else if (op == BPF_SOCK_OPS_TCP_LISTEN_CB)
        listens(ctx);
    else
        accepted(c, ctx);
    return 1;
}

#endif
