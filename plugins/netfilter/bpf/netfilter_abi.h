/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owns: what the programs in the kernel and the plugin say to each other: the records of
 * the ring, control, keys and values of the maps, counters. Plain data of fixed layout;
 * compiled for both sides, so it includes nothing but the kernel's integer types.
 *
 * Addresses are 16 bytes in network order, those of IPv4 mapped (RFC 4291); ports are
 * numbers.
 */
#ifndef TC_NETFILTER_ABI_H
#define TC_NETFILTER_ABI_H

#include <linux/types.h>

#include "nf_addresses.h"

#define TC_NF_PATHS_MAX 8192   /* bytes of both paths and the cgroup's */
#define TC_NF_ARGS_MAX 4096    /* bytes of arguments; what is longer is cut */
#define TC_NF_PAYLOAD_MAX 4096 /* bytes of one packet that are copied */

enum tc_nf_record_kind {
    TC_NF_FLOW = 1,    /* a struct tc_nf_flow_record */
    TC_NF_PROCESS = 2, /* a struct tc_nf_process_record: before its first flow */
    TC_NF_PACKET = 3,  /* a struct tc_nf_packet_record: from a name server */
    TC_NF_RECORD_KINDS,
};

enum tc_nf_hook {
    TC_NF_AT_CONNECT = 1, /* connect(2): a source port only if it was bound */
    TC_NF_AT_SEND = 2,    /* sendto(2) and its like, with an address */
    TC_NF_AT_SYN = 3,     /* a TCP flow with all that it is, before its SYN leaves */
    TC_NF_AT_ACCEPT = 4,  /* incoming: its handshake is done */
    TC_NF_AT_ARRIVE = 5,  /* incoming: a SYN that was denied */
};

enum tc_nf_flags {
    TC_NF_DENIED = 1,
    TC_NF_WOULD_DENY = 2,   /* it is blocked, and enforcement is audit, or not granted */
    TC_NF_BY_NAME = 4,      /* the indicator is a name, learned for this address */
    TC_NF_PASSED = 8,       /* of what is never looked at: see enum tc_nf_why */
    TC_NF_FROM_KERNEL = 16, /* no program does it: a kernel thread, or no one */
    TC_NF_MPTCP = 32,
    TC_NF_ARGS_CUT = 64,
    TC_NF_PATH_CUT = 128,
};

enum tc_nf_why {
    TC_NF_WHY_NOTHING,  /* nothing speaks against it */
    TC_NF_WHY_LISTED,   /* an indicator: `id` */
    TC_NF_WHY_LOOPBACK, /* the following are passed */
    TC_NF_WHY_PORT,
    TC_NF_WHY_NETWORK,
    TC_NF_WHY_PROCESS,
    TC_NF_WHY_USER,
    TC_NF_WHY_AGENT,
    TC_NF_WHY_KERNEL, /* what the configuration says of the kernel's own traffic */
};

/* One flow, as it begins. */
struct tc_nf_flow_record {
    __u16 kind, flags;
    __u8 hook, action, why, family; /* action: enum tc_nf_action; family: 4 or 6 */
    __u64 time_ns;                  /* CLOCK_MONOTONIC */
    __u64 start_ns;                 /* of the process, since boot */
    __u64 cookie, netns, cgroup;
    __u32 pid, uid, id; /* id: of the indicator */
    __u32 repeated;     /* denials like this one since the last that was reported */
    __u16 protocol, source_port, destination_port, unused;
    __u8 source[16], destination[16]; /* source: all 0 while it is not chosen */
    char comm[16];
};

/* The texts of a process record, in this order. */
enum tc_nf_process_text {
    TC_NF_EXECUTABLE, /* names upwards to the root, each NUL-terminated */
    TC_NF_PARENT,     /* the parent's, likewise */
    TC_NF_CGROUP,     /* names upwards */
    TC_NF_ARGS,       /* each NUL-terminated */
    TC_NF_TEXTS,
};

/* Who has a flow; the texts follow it. */
struct tc_nf_process_record {
    __u16 kind, flags;
    __u32 pid, parent_pid, uid;
    __u64 time_ns, start_ns, parent_start_ns, cgroup;
    __u64 inode;
    __u32 device, unused; /* of the executable; the kernel's, major << 20 | minor */
    char comm[16], parent_comm[16];
    __u32 end[TC_NF_TEXTS]; /* where each text ends, from the end of the record */
};

/* The beginning of a packet, from its IP header on; it follows. */
struct tc_nf_packet_record {
    __u16 kind, unused;
    __u32 len; /* bytes that follow */
    __u64 time_ns, cookie;
};

enum tc_nf_enforcement {
    TC_NF_DISABLED, /* no indicator is looked at */
    TC_NF_AUDITS,   /* what would be denied is reported */
    TC_NF_BLOCKS,
};

/* Of what there is something to be passed: looking something up in an empty map costs as
 * much as in a full one. */
enum tc_nf_passes {
    TC_NF_PASS_NETWORKS = 1,
    TC_NF_PASS_FILES = 2,
    TC_NF_PASS_USERS = 4,
};

/* The one entry of `control`, mapped. */
struct tc_nf_control {
    __u32 asleep;     /* the reader must be woken; cleared by who does it */
    __u32 wake_bytes; /* of backlog: wake whatever it is about */
    __u32 enforcement;
    __u32 kernel_action; /* enum tc_nf_action: of the kernel's own traffic */
    __u32 loopback;      /* 1: it is looked at, too */
    __u32 agent_pid;
    __u64 netns;      /* nothing but this network namespace; 0: all */
    __u32 generation; /* raised when a decision may have become another */
    __u32 current;    /* which of both tables is in force */
    struct tc_nf_addresses tables[2];
    __u32 canary_port; /* a UDP connect of the agent to it on loopback is denied; 0 */
    __u32 canary_seen; /* how often it was */
    __u32 passes;      /* enum tc_nf_passes */
    __u32 names;       /* 1: what addresses are called may decide */
};

struct tc_nf_pass_port {
    __u16 protocol, port;
};

struct tc_nf_pass_network {
    __u32 length; /* bits, as the kernel's tries want it */
    __u8 address[16];
};

struct tc_nf_pass_file {
    __u64 inode;
    __u32 device, unused;
};

#define TC_NF_EVERYBODY 0xffffffffu

/* Whose name server has said what an address stands for: the process that asked, in its
 * network namespace, so that nobody's answers decide over others; those of a resolver
 * that asks for others count for all who have not asked themselves. */
struct tc_nf_name_key {
    __u8 address[16];
    __u64 netns;
    __u32 who; /* pid; TC_NF_EVERYBODY */
    __u32 unused;
};

/* What is known of an address by the names that were asked for; TC_NF_ALLOW: one of them
 * is not listed. */
struct tc_nf_named {
    __u64 until_ns; /* CLOCK_MONOTONIC */
    __u32 id;
    __u32 action;
};

#endif
