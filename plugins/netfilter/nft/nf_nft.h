/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one libnftables context, held open for as long as the agent filters or isolates:
 * a table with `flags owner` belongs to its socket, and is gone with it. Must not: know
 * what the tables say.
 *
 * The socket stays in the network namespace that the thread of tc_nf_nft_open() was in.
 * Any thread may call, one at a time, whichever context it has: libnftables frees what
 * others use (its list of interfaces is the process's); and nobody may open a socket of
 * nfnetlink meanwhile, for the context's is found as the one that is not bound. A call
 * waits for the kernel, for milliseconds; for longer where another tool loads a large
 * ruleset at that moment.
 */
#ifndef TC_NF_NFT_H
#define TC_NF_NFT_H

#include <stdint.h>

#define TC_NF_WHY_MAX 256

struct nft_ctx;

struct tc_nf_nft {
    struct nft_ctx *context;
    int fd; /* its socket: closed on exec. A child that goes on without exec closes
             * it, or an owned table outlives the agent until that child ends. */
    uint32_t portid; /* what the kernel calls the socket, in notifications, too */
};

/* 0, or a negative errno and a sentence: -EPERM without CAP_NET_ADMIN, -EPROTONOSUPPORT
 * where the kernel has no nfnetlink, -EOPNOTSUPP where it has no nf_tables. */
int tc_nf_nft_open(struct tc_nf_nft *nft, char why[TC_NF_WHY_MAX]);
void tc_nf_nft_close(
    struct tc_nf_nft *nft); /* also of one that was not opened, but zero */

/*
 * Runs commands in nft's language as one transaction: all of it or nothing. Negative
 * errno and libnftables' own words in one sentence; -EINVAL where those name no errno, as
 * with a text that it cannot read.
 */
int tc_nf_nft_run(struct tc_nf_nft *nft, const char *commands, char why[TC_NF_WHY_MAX]);

#endif
