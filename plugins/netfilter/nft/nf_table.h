/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the filter's table, `inet tocsin`: which packets wait for the reader, and which
 * are refused. Must not: touch another table, set or match a mark, or name conntrack (a
 * rule that does loads it for the whole host).
 *
 * What is asked: a TCP SYN, an SCTP INIT, the first UDP datagram in a minute between two
 * ends; and of a flow to an inspected port what its client sends, from the first packet
 * until tc_nf_table_enough(), or 10 s. A TCP flow whose SYN the table has not met is
 * never asked, so that nothing that is established notices it come or go. Left alone: the
 * pass list, DNS (port 53), loopback unless wanted, ICMP and all other protocols, and of
 * a datagram in fragments that is forwarded all but the first. Without conntrack an
 * answer of a UDP server looks like a first datagram, and is asked, once a minute for
 * each peer; one from a port of the pass list below 1024 is not.
 *
 * Chains are at output and forward, priority mangle (-150): before DNAT, so that both
 * ends are what the socket says.
 *
 * Why this table is NOT owned: everybody sees an owned table in `nft list ruleset`, and a
 * file saved with it is refused as a whole, the administrator's own tables included,
 * while the owner lives. This table is there for as long as the agent filters, so each
 * firewall saved meanwhile would not load again. The price: another's `flush ruleset`
 * removes it (nf_monitor.h notices, the caller makes it again; flows pass meanwhile), a
 * crash leaves it (`bypass` lets all flows pass, and the next start takes it over), and a
 * ruleset that is saved with it brings it back, without effect, after Tocsin has been
 * removed. Isolation's table is owned, see nf_isolation.h.
 *
 * A kernel without nft's `queue` has the xt target NFQUEUE in its place. Its price: nft
 * prints it as `queue`, so that a ruleset saved meanwhile does not load there, and takes
 * the table for one of iptables-nft.
 *
 * Any thread, one at a time; calls wait for the kernel, as in nf_nft.h.
 */
#ifndef TC_NF_TABLE_H
#define TC_NF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/nf_nft.h"

#define TC_NF_TABLE "tocsin" /* family inet */

/* Elements at most, and what happens to the flow that finds a set full: it passes. */
#define TC_NF_TABLE_FRESH_MAX 16384 /* its payload is not inspected */
#define TC_NF_TABLE_SEEN_MAX 65536  /* its datagrams are not asked */
#define TC_NF_TABLE_DENIED_MAX                                                           \
    16384 /* tc_nf_table_deny() is -ENFILE: the verdict remains */

#define TC_NF_TABLE_FRESH_S 10
#define TC_NF_TABLE_SEEN_S 60 /* since the last datagram */
#define TC_NF_TABLE_DENIED_S 5
/* Of datagrams: until `seen` has forgotten the flow, which would let it pass. */
#define TC_NF_TABLE_DENIED_LONG_S (TC_NF_TABLE_SEEN_S + 5)

#define TC_NF_TABLE_ENOUGH_MAX 256 /* tuples in one transaction; more are several */

struct mnl_socket;

/* Addresses are 16 bytes in network order, those of IPv4 mapped; ports are numbers. */
struct tc_nf_net {
    uint8_t address[16];
    uint8_t length; /* of IPv4 96 more than usual */
};

struct tc_nf_port {
    uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP */
    uint16_t port;
};

/* A flow, as its client's packets have it. */
struct tc_nf_tuple {
    uint8_t source[16], destination[16];
    uint8_t protocol;
    uint16_t source_port, destination_port;
};

/* All arrays may be empty, with NULL; they are the caller's, and needed during the call.
 */
struct tc_nf_table_config {
    uint16_t queue;
    bool observe; /* log to `log_group` in place of the queue; refuse nothing */
    uint16_t log_group;
    bool queue_new; /* ask about every new flow; else about the inspected ones alone */
    bool loopback, forward;
    const uint16_t *tcp_inspected, *udp_inspected; /* ports of servers */
    size_t tcp_inspected_count, udp_inspected_count;
    const struct tc_nf_net *pass_networks; /* of the server; they may overlap */
    size_t pass_networks_count;
    const struct tc_nf_port *pass_ports; /* of the server */
    size_t pass_ports_count;
    const uint32_t *pass_users; /* of the socket; forwarded packets have none */
    size_t pass_users_count;
    uint8_t canary[4]; /* 127.x.y.z: each datagram to it is asked, although on loopback */
    uint16_t canary_port; /* 0: none */
};

enum tc_nf_table_means {
    TC_NF_TABLE_UNTRIED,
    TC_NF_TABLE_NATIVE, /* `queue` */
    TC_NF_TABLE_XT,     /* the target NFQUEUE */
};

struct tc_nf_table {
    struct tc_nf_nft *nft;     /* the caller's; outlives this */
    struct mnl_socket *socket; /* for elements, with no ruleset read first */
    uint32_t portid;           /* of `socket` */
    uint32_t sequence;
    enum tc_nf_table_means means; /* what this kernel takes, once it is known */
    bool made, observe;
    bool no_destroy; /* this kernel fails to delete an element that is not there */
    uint64_t digest; /* of the kernel's, when it was made */
};

/*
 * The commands that make the table. Pure; the caller frees the text. With TC_NF_TABLE_XT
 * chain `ask` is empty. -ENOMEM.
 */
int tc_nf_table_text(const struct tc_nf_table_config *config,
                     enum tc_nf_table_means means, char **ret_text);

/* Makes nothing in the kernel yet. 0, or a negative errno and a sentence; owes nothing
 * then. */
int tc_nf_table_init(struct tc_nf_table *table, struct tc_nf_nft *nft,
                     char why[TC_NF_WHY_MAX]);

/* Leaves the kernel's table as it is; for one that must go, tc_nf_table_remove() first.
 */
void tc_nf_table_done(struct tc_nf_table *table);

/*
 * Makes it, in place of one that is there, whoever left it: in one transaction, so that
 * no packet meets half of it. (With the xt target a second one adds what asks: flows of
 * the milliseconds between pass.) On failure all is as it was, and there is a sentence;
 * but where the xt target fails there is no table.
 */
int tc_nf_table_make(struct tc_nf_table *table, const struct tc_nf_table_config *config,
                     char why[TC_NF_WHY_MAX]);

/* No error where there is none. */
int tc_nf_table_remove(struct tc_nf_table *table, char why[TC_NF_WHY_MAX]);

/* 0: it is there as it was made. -ENOENT: it is not; -ESTALE: somebody has changed it. */
int tc_nf_table_check(struct tc_nf_table *table, char why[TC_NF_WHY_MAX]);

/*
 * For 5 s from now what the client sends in this flow is refused: TCP by a reset, else by
 * ICMP "administratively prohibited", and until nothing came for 65 s. A packet that
 * waits in the queue is refused at once if its verdict, after this, is NF_REPEAT, which
 * sends it through the rules again; after NF_DROP a client waits for its next SYN.
 * -ENFILE: the set is full. -ENOENT: there is no table. -EOPNOTSUPP: it only observes.
 */
int tc_nf_table_deny(struct tc_nf_table *table, const struct tc_nf_tuple *tuple);

/* No flow is denied any more by what was said before. Errors as tc_nf_nft_run(). */
int tc_nf_table_forgive(struct tc_nf_table *table, char why[TC_NF_WHY_MAX]);

/*
 * Nothing more of these flows is asked. One that is not there any more is no error. Each
 * call is at least one new generation of the ruleset, and a listing by another tool
 * begins anew at each: collect them, and call a few times a second. -ENOENT: it was not
 * made.
 */
int tc_nf_table_enough(struct tc_nf_table *table, const struct tc_nf_tuple *tuples,
                       size_t count);

/* Packets that passed without being asked because a set was full, since it was made. */
int tc_nf_table_overflows(struct tc_nf_table *table, uint64_t *ret_packets);

#endif
