/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_packet.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "nf_bytes.h"

#define IPV4_BYTES 20
#define IPV6_BYTES 40
#define TCP_BYTES 20
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MPTCP 30 /* RFC 8684 */
#define PROTO_HIP 139       /* extension headers without a name in netinet/in.h */
#define PROTO_SHIM6 140
#define ROUTING_TYPE_0 0 /* RFC 5095; addresses in the order of the way */
#define ROUTING_TYPE_2 2 /* RFC 6275; one address */
#define ROUTING_SRH 4    /* RFC 8754; from the last address to the first */

/* What is left to read. `len` is what is here of it. */
struct rest {
    const uint8_t *at;
    size_t len;
};

static void skip(struct rest *rest, size_t n)
{
    rest->at += n;
    rest->len -= n;
}

/* The payload ends where the IP header says, before padding of the link. A length of 0 is
 * of a packet that the network card will cut up (TSO), longer than the field can say. */
static void limit(struct rest *rest, size_t said, struct tc_nf_packet *packet)
{
    packet->cut = said > rest->len;
    if (said && said < rest->len)
        rest->len = said;
}

static int parse_ipv4(struct rest *rest, struct tc_nf_packet *packet)
{
    const uint8_t *at = rest->at;
    size_t header, said;
    uint16_t fragment;

    if (rest->len < IPV4_BYTES)
        return -EMSGSIZE;
    header = (size_t)(at[0] & 0x0f) * 4;
    said = tc_nf_be16(at + 2);
    if (header < IPV4_BYTES || (said && said < header))
        return -EPROTO;
    if (rest->len < header)
        return -EMSGSIZE;
    limit(rest, said, packet);
    packet->protocol = at[9];
    tc_nf_address_map(at + 12, packet->source);
    tc_nf_address_map(at + 16, packet->destination);
    fragment = tc_nf_be16(at + 6);
    if (fragment & 0x1fff)
        packet->fragment = TC_NF_LATER_FRAGMENT;
    else if (fragment & 0x2000)
        packet->fragment = TC_NF_FIRST_FRAGMENT;
    skip(rest, header);
    return 0;
}

static int parse_ipv6(struct rest *rest, struct tc_nf_packet *packet)
{
    const uint8_t *at = rest->at;

    if (rest->len < IPV6_BYTES)
        return -EMSGSIZE;
    packet->protocol = at[6];
    memcpy(packet->source, at + 8, 16);
    memcpy(packet->destination, at + 24, 16);
    skip(rest, IPV6_BYTES);
    limit(rest, tc_nf_be16(at + 4), packet);
    return 0;
}

/* A routing header that is not at its end names the destination; before that it is only
 * the next hop. The whole header is here. */
static void follow_routing(const uint8_t *at, size_t header, struct tc_nf_packet *packet)
{
    const uint8_t *addresses = at + 8;
    size_t count = (header - 8) / 16;

    if (!at[3] || !count)
        return;
    if (at[2] == ROUTING_SRH)
        memcpy(packet->destination, addresses, 16);
    else if (at[2] == ROUTING_TYPE_0 || at[2] == ROUTING_TYPE_2)
        memcpy(packet->destination, addresses + (count - 1) * 16, 16);
}

static bool is_extension(uint8_t protocol, uint8_t family)
{
    switch (protocol) {
    case IPPROTO_AH:
        return true; /* in IPv4, too */
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_FRAGMENT:
    case IPPROTO_DSTOPTS:
    case PROTO_HIP:
    case PROTO_SHIM6:
        return family == AF_INET6;
    default:
        return false;
    }
}

/* Goes past one header in front of the transport's, packet->protocol says which. */
static int skip_extension(struct rest *rest, struct tc_nf_packet *packet)
{
    const uint8_t *at = rest->at;
    uint16_t fragment;
    size_t header;

    if (rest->len < 8)
        return -EMSGSIZE;
    header = ((size_t)at[1] + 1) * 8;
    if (packet->protocol == IPPROTO_AH)
        header = ((size_t)at[1] + 2) * 4;
    if (packet->protocol == IPPROTO_FRAGMENT)
        header = 8;
    if (rest->len < header)
        return -EMSGSIZE;
    if (packet->protocol == IPPROTO_ROUTING)
        follow_routing(at, header, packet);
    if (packet->protocol == IPPROTO_FRAGMENT) {
        fragment = tc_nf_be16(at + 2);
        if (fragment & 0xfff8)
            packet->fragment = TC_NF_LATER_FRAGMENT;
        else if (fragment & 1)
            packet->fragment = TC_NF_FIRST_FRAGMENT;
    }
    packet->protocol = at[0];
    skip(rest, header);
    return 0;
}

/* Whether options of TCP have the kind of MPTCP's. Bad ones end the search, as they end
 * the kernel's. */
static bool has_mptcp(const uint8_t *at, size_t len)
{
    while (len && *at != TCP_OPTION_END) {
        size_t option = 1;

        if (*at != TCP_OPTION_NOP) {
            if (len < 2 || at[1] < 2 || at[1] > len)
                return false;
            if (*at == TCP_OPTION_MPTCP)
                return true;
            option = at[1];
        }
        at += option;
        len -= option;
    }
    return false;
}

static int parse_tcp(struct rest *rest, struct tc_nf_packet *packet)
{
    const uint8_t *at = rest->at;
    size_t header;

    if (rest->len < TCP_BYTES)
        return -EMSGSIZE;
    header = (size_t)(at[12] >> 4) * 4;
    if (header < TCP_BYTES)
        return -EPROTO;
    if (rest->len < header)
        return -EMSGSIZE;
    packet->tcp_seq = tc_nf_be32(at + 4);
    packet->tcp_flags = at[13];
    packet->mptcp = has_mptcp(at + TCP_BYTES, header - TCP_BYTES);
    skip(rest, header);
    return 0;
}

static int parse_transport(struct rest *rest, struct tc_nf_packet *packet)
{
    const uint8_t *at = rest->at;
    size_t header;

    switch (packet->protocol) {
    case IPPROTO_TCP:
        header = 0; /* says so itself */
        break;
    case IPPROTO_UDP:
    case IPPROTO_UDPLITE:
        header = 8;
        break;
    case IPPROTO_DCCP:
    case IPPROTO_SCTP:
        header = 12;
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        if (rest->len < 4)
            return -EMSGSIZE;
        packet->icmp_type = at[0];
        skip(rest, 4);
        return 0;
    default:
        return 0;
    }
    if (rest->len < 4 || rest->len < header)
        return -EMSGSIZE;
    packet->source_port = tc_nf_be16(at);
    packet->destination_port = tc_nf_be16(at + 2);
    if (packet->protocol == IPPROTO_TCP)
        return parse_tcp(rest, packet);
    skip(rest, header);
    return 0;
}

int tc_nf_packet_parse(const void *data, size_t len, struct tc_nf_packet *ret)
{
    struct tc_nf_packet packet = {.family = AF_INET};
    struct rest rest = {.at = data, .len = len};
    int r;

    if (!len)
        return -EMSGSIZE;
    switch (rest.at[0] >> 4) {
    case 4:
        r = parse_ipv4(&rest, &packet);
        break;
    case 6:
        packet.family = AF_INET6;
        r = parse_ipv6(&rest, &packet);
        break;
    default:
        r = -EPROTO;
    }
    for (int i = 0; r == 0 && packet.fragment != TC_NF_LATER_FRAGMENT &&
                    is_extension(packet.protocol, packet.family);
         i++)
        r = i < TC_NF_EXTENSIONS_MAX ? skip_extension(&rest, &packet) : -EPROTO;
    if (r == 0 && packet.fragment != TC_NF_LATER_FRAGMENT)
        r = parse_transport(&rest, &packet);
    if (r)
        return r;
    if (tc_nf_address_is_ipv4(packet.source) && tc_nf_address_is_ipv4(packet.destination))
        packet.family = AF_INET;
    packet.payload = rest.at;
    packet.payload_bytes = rest.len;
    *ret = packet;
    return 0;
}
