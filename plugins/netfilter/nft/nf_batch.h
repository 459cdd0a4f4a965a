/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is said to the kernel in messages of its own, past libnftables, which reads
 * the whole ruleset of all tools before it adds an element, cannot say some things, and
 * loads iptables' extensions to list others: a transaction, a counter, and a table's
 * digest. Must not: know what our tables are for.
 */
#ifndef TC_NF_BATCH_H
#define TC_NF_BATCH_H

#include <stddef.h>
#include <stdint.h>

#define TC_NF_BATCH_MESSAGES_MAX 256
#define TC_NF_BATCH_BYTES (TC_NF_BATCH_MESSAGES_MAX * 160)

struct mnl_socket;
struct nlmsghdr;

struct tc_nf_batch {
    uint32_t
        first; /* sequence number of its first message; that of its begin is one less */
    uint32_t count;
    int errors[TC_NF_BATCH_MESSAGES_MAX]; /* of each message, after the run */
    size_t used;
    union {
        char bytes[TC_NF_BATCH_BYTES];
        uint32_t aligned;
    } buffer;
};

/* A socket for it, closed on exec. NULL: errno says why. */
struct mnl_socket *tc_nf_batch_socket(void);

void tc_nf_batch_begin(struct tc_nf_batch *batch, uint32_t *sequence);

/* Room for a message of at most 160 bytes, of nf_tables' type and family inet, which the
 * caller completes before the next call. At most TC_NF_BATCH_MESSAGES_MAX. */
struct nlmsghdr *tc_nf_batch_add(struct tc_nf_batch *batch, uint16_t type,
                                 uint16_t flags);

/* Sends it and reads what became of it: 0, all was done; else nothing was, and it is the
 * error of the first message that has one, or of the whole. */
int tc_nf_batch_run(struct tc_nf_batch *batch, struct mnl_socket *socket,
                    uint32_t *sequence);

/* Reads a named counter of a table of family inet. */
int tc_nf_batch_counter(struct mnl_socket *socket, uint32_t *sequence, const char *table,
                        const char *name, uint64_t *ret_packets);

/*
 * A number that stands for all of a table of family inet but for what changes by itself,
 * or by tc_nf_batch_run(): the elements of its sets and the values of its counters. The
 * same table made anew has another: the kernel numbers tables and rules. -ENOENT: there
 * is no such table; -EAGAIN: others changed the ruleset all the time.
 */
int tc_nf_digest(struct mnl_socket *socket, uint32_t *sequence, const char *table,
                 uint64_t *ret_digest);

#endif
