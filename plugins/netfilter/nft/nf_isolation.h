/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: host isolation: what is let pass, until when, its file, and its table `inet
 * tocsin_isolation`. Must not: touch another table, or read a clock.
 *
 * What passes: loopback; the allow list, both ways; DHCP's client; IPv6 neighbour
 * discovery and multicast listeners; reports of path MTU that come in. The rest: outgoing
 * TCP is reset and anything else refused by ICMP, so that programs fail at once; what
 * comes in or is forwarded is dropped. Flows that were established before are cut as
 * well.
 *
 * Chains are at input, output and forward with priority raw (-300): a drop is final at
 * any priority, and at this one it comes before conntrack and NAT do any work, and both
 * ends are what the socket says, whatever others rewrite later.
 *
 * Why this table is owned: `flags owner` ties it to our socket, so nobody else can remove
 * or change it, and another's `flush ruleset` passes over it; and it goes when the agent
 * ends, by SIGKILL, too: a host whose agent is dead can be reached. The price: while it
 * is there, a ruleset that is saved contains it and is refused as a whole on loading, the
 * administrator's own tables included. Isolation is rare and short, and a firewall that
 * is not reloaded then opens nothing; the filter's table, which is always there, is
 * therefore not owned (nf_table.h). Between the end of the agent and its next start the
 * host is not isolated; the file makes it so again.
 *
 * Not cut off: what does not pass the host's inet hooks: frames of a bridge between its
 * ports, packet sockets, and network namespaces with a device of their own.
 */
#ifndef TC_NF_ISOLATION_H
#define TC_NF_ISOLATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/nf_nft.h"

#define TC_NF_ISOLATION_TABLE "tocsin_isolation" /* family inet */
#define TC_NF_ISOLATION_ALLOW_MAX 64
#define TC_NF_ALLOW_TEXT_MAX 80
#define TC_NF_ISOLATION_REASON_MAX 256
#define TC_NF_ISOLATION_WHO_MAX 64

/* An end that may be talked to. Address and length as in nf_table.h. */
struct tc_nf_allow {
    uint8_t address[16];
    uint8_t length;
    uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP; 0: any; with a port, both of these */
    uint16_t port;    /* at either end, so that the other may call, too; 0: any */
};

struct tc_nf_isolation {
    bool on;
    int64_t since, until; /* seconds of the wall clock; until 0: without end */
    char reason[TC_NF_ISOLATION_REASON_MAX], who[TC_NF_ISOLATION_WHO_MAX]; /* one line */
    struct tc_nf_allow allow[TC_NF_ISOLATION_ALLOW_MAX];
    size_t allow_count;
};

/* Pure. */

/*
 * ADDR[/N][:PORT][/tcp|udp]; an IPv6 address with a port stands in brackets:
 * [2001:db8::]/32:443/tcp. Bits behind the length are cleared. -EINVAL, and a sentence.
 */
int tc_nf_allow_parse(const char *text, struct tc_nf_allow *ret_allow,
                      char why[TC_NF_WHY_MAX]);
void tc_nf_allow_text(const struct tc_nf_allow *allow, char text[TC_NF_ALLOW_TEXT_MAX]);

/* Whether it is on and its time is over. A clock that is set changes when that is. */
bool tc_nf_isolation_over(const struct tc_nf_isolation *isolation, int64_t now);

/* The commands that make the table, but for those that remove one before it; the caller
 * frees the text. -ENOMEM. */
int tc_nf_isolation_text(const struct tc_nf_isolation *isolation, char **ret_text);

/* The file `isolation` in `folder`, which is made if need be (and whose parent is there).
 */

/* Writes it so that a crash leaves the old or the new one; removes it when not on. */
int tc_nf_isolation_save(const char *folder, const struct tc_nf_isolation *isolation,
                         char why[TC_NF_WHY_MAX]);

/*
 * Reads it; without a file isolation is off. A file that is damaged is not taken in part:
 * -EBADMSG, a sentence, and *ret_isolation is off, as after every other error.
 */
int tc_nf_isolation_load(const char *folder, struct tc_nf_isolation *ret_isolation,
                         char why[TC_NF_WHY_MAX]);

/* In the kernel. Threads as in nf_nft.h. */

struct mnl_socket;

struct tc_nf_isolator {
    struct tc_nf_nft *nft;     /* the caller's; its socket owns the table */
    struct mnl_socket *socket; /* for the counters */
    uint32_t sequence;
    char *text;      /* as made; NULL: off */
    uint64_t digest; /* of the kernel's then; 0: that failed */
};

/* What was cut off since the table was made. */
struct tc_nf_isolation_counts {
    uint64_t out, in, forwarded; /* packets */
};

int tc_nf_isolator_init(struct tc_nf_isolator *isolator, struct tc_nf_nft *nft,
                        char why[TC_NF_WHY_MAX]);

/* Makes the kernel's table what `isolation` says, in one transaction; nothing is done
 * where it says so already. Off is tc_nf_isolator_lift(). On failure all is as it was. */
int tc_nf_isolator_apply(struct tc_nf_isolator *isolator,
                         const struct tc_nf_isolation *isolation,
                         char why[TC_NF_WHY_MAX]);
/* No error where it is off. */
int tc_nf_isolator_lift(struct tc_nf_isolator *isolator, char why[TC_NF_WHY_MAX]);

/* 0: the kernel has it as it was made, and the counts. -ENOENT, -ESTALE as
 * tc_nf_table_check(). `ret_counts` may be NULL. */
int tc_nf_isolator_verify(struct tc_nf_isolator *isolator,
                          struct tc_nf_isolation_counts *ret_counts,
                          char why[TC_NF_WHY_MAX]);

/* Frees what it holds. The table stays till the socket of `nft` is closed. */
void tc_nf_isolator_done(struct tc_nf_isolator *isolator);

#endif
