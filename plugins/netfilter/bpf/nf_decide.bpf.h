/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what becomes of a flow, from the maps alone: what is passed is never looked at;
 * then the kernel's own traffic, by its own rule; then the indicators of addresses and
 * networks, and what names have taught about an address.
 */
#ifndef TC_NF_DECIDE_BPF_H
#define TC_NF_DECIDE_BPF_H

#include "nf_common.bpf.h"

#define DNS_PORT 53
#define DNS_TLS_PORT 853 /* RFC 7858 */

struct slots {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct tc_nf_slot);
};

/* Both tables of addresses: control.current says which is in force. */
struct slots first SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, 2);
    __type(key, __u32);
    __array(values, struct slots);
} tables SEC(".maps") = {.values = {&first, &first}};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct tc_nf_name_key);
    __type(value, struct tc_nf_named);
} named SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, struct tc_nf_pass_port);
    __type(value, __u8);
} pass_ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 256);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct tc_nf_pass_network);
    __type(value, __u8);
} pass_networks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, struct tc_nf_pass_file);
    __type(value, __u8);
} pass_files SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 256);
    __type(key, __u32);
    __type(value, __u8);
} pass_users SEC(".maps");

static __always_inline bool is_mapped(const __u8 a[16])
{
    const __u32 *word = (const void *)a;

    return !word[0] && !word[1] && word[2] == bpf_htonl(0xffff);
}

static __always_inline bool is_loopback(const __u8 a[16])
{
    const __u32 *word = (const void *)a;

    if (is_mapped(a))
        return a[12] == 127;
    return !word[0] && !word[1] && !word[2] && word[3] == bpf_htonl(1);
}

/* ---- The table of addresses. ---- */

struct search {
    const struct tc_nf_addresses *head;
    void *slots;
    __u8 address[16];
    __u32 mapped, at; /* at: which length is tried */
    __u32 key[4], key_length, hash;
    __u32 id, action, by_name;
};

/* One slot: 1 ends the search of this length. */
static long probe(__u32 i, struct search *s)
{
    __u32 at = (s->hash + i) & s->head->mask;
    const struct tc_nf_slot *slot = bpf_map_lookup_elem(s->slots, &at);
    const __u32 *word;

    if (!slot || slot->action == TC_NF_NONE)
        return 1;
    word = (const void *)slot->address;
    if (slot->length != s->key_length || word[0] != s->key[0] || word[1] != s->key[1] ||
        word[2] != s->key[2] || word[3] != s->key[3])
        return 0;
    if (slot->action != TC_NF_EXPIRED) {
        s->id = slot->id;
        s->action = slot->action;
    }
    return 1;
}

/* One length: 1 ends the search. */
static long try_length(__u32 i, struct search *s)
{
    __u32 at = s->at + i, length, left;
    const __u32 *word = (const void *)s->address;

    if (at >= sizeof(s->head->lengths))
        return 1;
    length = s->head->lengths[at];
    s->key_length = length;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        left = length > 32u * k ? length - 32u * k : 0;
        s->key[k] = left >= 32 ? word[k]
                    : left     ? word[k] & bpf_htonl(~0u << (32 - left))
                               : 0;
    }
    s->hash = tc_nf_addresses_hash(s->key, length, s->head->seed);
    bpf_loop(TC_NF_PROBES_MAX, probe, s, 0);
    return s->action != TC_NF_NONE;
}

/* The most specific entry for an address. */
static __always_inline void look_up(const struct tc_nf_control *c, struct search *s)
{
    __u32 which = c->current & 1;
    __u32 lengths;

    s->head = &c->tables[which];
    s->mapped = is_mapped(s->address);
    s->at = s->mapped ? 0 : s->head->lengths4;
    lengths = s->mapped ? s->head->lengths4 : s->head->lengths_count - s->head->lengths4;
    s->slots = bpf_map_lookup_elem(&tables, &which);
    if (s->slots && lengths)
        bpf_loop(lengths, try_length, s, 0);
}

/* ---- The decision. ---- */

static __always_inline __u8 passed(const struct tc_nf_control *c,
                                   const struct tc_nf_flow_record *r, bool outgoing)
{
    const __u8 *other = outgoing ? r->destination : r->source;
    struct tc_nf_pass_port port = {.protocol = r->protocol, .port = r->destination_port};
    struct tc_nf_pass_network network = {.length = 128};
    __u32 uid = r->uid; /* Linux 6.1 takes a key from the stack only */
    struct tc_nf_pass_file file = {};
    const struct inode *inode;
    __u32 passes = c->passes;

    if (!c->loopback && is_loopback(other))
        return TC_NF_WHY_LOOPBACK;
    if (bpf_map_lookup_elem(&pass_ports, &port))
        return TC_NF_WHY_PORT;
    __builtin_memcpy(network.address, other, 16);
    if (passes & TC_NF_PASS_NETWORKS && bpf_map_lookup_elem(&pass_networks, &network))
        return TC_NF_WHY_NETWORK;
    if (!outgoing)
        return TC_NF_WHY_NOTHING;
    if (r->pid == c->agent_pid)
        return TC_NF_WHY_AGENT;
    if (passes & TC_NF_PASS_USERS && bpf_map_lookup_elem(&pass_users, &uid))
        return TC_NF_WHY_USER;
    if (r->flags & TC_NF_FROM_KERNEL || !(passes & TC_NF_PASS_FILES))
        return TC_NF_WHY_NOTHING;
    inode = bpf_get_current_task_btf()->mm->exe_file->f_inode;
    file.inode = inode->i_ino;
    file.device = inode->i_sb->s_dev;
    return bpf_map_lookup_elem(&pass_files, &file) ? TC_NF_WHY_PROCESS
                                                   : TC_NF_WHY_NOTHING;
}

/* True: something is known of the address, for `who`. */
static __always_inline bool by_name(const struct tc_nf_flow_record *r, __u32 who,
                                    struct search *s)
{
    struct tc_nf_name_key key = {.netns = r->netns, .who = who};
    const struct tc_nf_named *name;

    __builtin_memcpy(key.address, s->address, 16);
    name = bpf_map_lookup_elem(&named, &key);
    if (!name || name->until_ns <= r->time_ns)
        return false;
    if (name->action > s->action && name->action != TC_NF_ALLOW) {
        s->action = name->action;
        s->id = name->id;
        s->by_name = 1;
    }
    return true;
}

static __always_inline void by_indicators(const struct tc_nf_control *c,
                                          struct tc_nf_flow_record *r, bool outgoing)
{
    struct search s = {};

    __builtin_memcpy(s.address, outgoing ? r->destination : r->source, 16);
    look_up(c, &s);
    /* Whoever owns a listed name says where it leads: to a name server, perhaps. */
    if (c->names && s.action != TC_NF_ALLOW && outgoing &&
        r->destination_port != DNS_PORT && r->destination_port != DNS_TLS_PORT &&
        !by_name(r, r->pid, &s))
        by_name(r, TC_NF_EVERYBODY, &s);
    if (s.by_name)
        r->flags |= TC_NF_BY_NAME;
    r->action = s.action;
    r->id = s.id;
    if (s.action)
        r->why = TC_NF_WHY_LISTED;
}

static __always_inline void by_kernel(const struct tc_nf_control *c,
                                      struct tc_nf_flow_record *r)
{
    r->why = TC_NF_WHY_KERNEL;
    r->action = c->kernel_action;
}

/* Fills in what becomes of a flow. Not static: the verifier goes through it once. */
__noinline int decide(struct tc_nf_flow_record *r, int outgoing)
{
    struct tc_nf_control *c = control_of();

    if (!r || !c)
        return 0;
    r->why = passed(c, r, outgoing);
    if (r->why) {
        r->flags |= TC_NF_PASSED;
        return 0;
    }
    if (outgoing && r->flags & TC_NF_FROM_KERNEL)
        by_kernel(c, r);
    else if (c->enforcement != TC_NF_DISABLED)
        by_indicators(c, r, outgoing);
    if (r->action != TC_NF_BLOCK)
        return 0;
    if (c->enforcement != TC_NF_BLOCKS) {
        r->flags |= TC_NF_WOULD_DENY;
        return 0;
    }
    r->flags |= TC_NF_DENIED;
    return 0;
}

#endif
