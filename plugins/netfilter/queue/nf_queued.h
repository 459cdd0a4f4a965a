/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what a packet is that the kernel hands over, by its queue or by its log. */
#ifndef TC_NF_QUEUED_H
#define TC_NF_QUEUED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lent for the length of the call. */
struct tc_nf_queued {
    uint64_t id; /* for tc_nf_queue_verdict; 0: logged, nothing waits for one */
    const uint8_t *payload; /* from the IP header on */
    size_t len, whole_len;  /* what of it is here, and what it has */
    uint8_t hook; /* NF_INET_LOCAL_OUT, NF_INET_FORWARD ... (linux/netfilter.h) */
    bool has_uid; /* uid and gid are those of the socket's file; else nobody's */
    bool checksum_partial; /* the device fills its checksum in: it is no bad packet */
    uint32_t uid, gid;
    uint32_t in_ifindex, out_ifindex; /* 0: none */
};

typedef void (*tc_nf_queued_fn)(void *arg, const struct tc_nf_queued *packet);

#endif
