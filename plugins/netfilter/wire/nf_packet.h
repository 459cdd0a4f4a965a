/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the head of one IP packet says, from whatever bytes NFQUEUE, NFLOG or a BPF
 * program copied. Pure; keeps nothing; checksums are not looked at, because a packet that
 * is about to leave may have none yet.
 */
#ifndef TC_NF_PACKET_H
#define TC_NF_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Headers of IPv6 between the first and the transport's; more is no packet. */
#define TC_NF_EXTENSIONS_MAX 32

/* Bits of tcp_flags, RFC 9293, 3.1. */
#define TC_NF_TCP_FIN 0x01
#define TC_NF_TCP_SYN 0x02
#define TC_NF_TCP_RST 0x04
#define TC_NF_TCP_ACK 0x10

enum tc_nf_fragment {
    TC_NF_WHOLE,
    TC_NF_FIRST_FRAGMENT, /* has the transport's header */
    TC_NF_LATER_FRAGMENT, /* has not: ports, flags and the sequence number are 0 */
};

struct tc_nf_packet {
    /* In network order, those of IPv4 mapped. The destination is where a routing header
     * of IPv6 leads in the end, which is what the socket was connected to. */
    uint8_t source[16], destination[16];
    uint16_t source_port, destination_port; /* none: 0 */
    uint8_t family;    /* AF_INET or AF_INET6; between mapped addresses: AF_INET */
    uint8_t protocol;  /* IPPROTO_*, behind all extension headers */
    uint8_t fragment;  /* enum tc_nf_fragment */
    uint8_t icmp_type; /* of ICMP and ICMPv6 */
    uint8_t tcp_flags;
    bool mptcp; /* a segment of TCP that has an option of MPTCP */
    bool cut;   /* more of the payload was on the wire than is here */
    uint32_t tcp_seq;
    const uint8_t *payload; /* into the packet, behind the transport's header */
    size_t payload_bytes;   /* of those that are here */
};

/* The sequence number of the payload's first byte: a SYN takes one (TCP fast open). */
static inline uint32_t tc_nf_packet_payload_seq(const struct tc_nf_packet *packet)
{
    return packet->tcp_seq + (packet->tcp_flags & TC_NF_TCP_SYN ? 1 : 0);
}

/*
 * `data` is from the IP header on, and lives as long as `ret` is used. Errors: -EMSGSIZE,
 * the bytes end before the transport's header does (also where a first fragment is cut
 * there on purpose); -EPROTO, no IP packet.
 */
int tc_nf_packet_parse(const void *data, size_t len, struct tc_nf_packet *ret);

#endif
