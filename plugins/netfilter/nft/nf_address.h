/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: addresses of 16 bytes as nft's language has them. Pure. */
#ifndef TC_NF_ADDRESS_H
#define TC_NF_ADDRESS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define TC_NF_MAPPED_BITS 96 /* in front of an IPv4 address (RFC 4291, 2.5.5.2) */
#define TC_NF_NET_TEXT_MAX (INET6_ADDRSTRLEN + 4)

static inline bool tc_nf_address_is_mapped(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    return !memcmp(address, mapped, sizeof mapped);
}

/* 4 or 6. */
static inline int tc_nf_net_family(const uint8_t address[16], uint8_t length)
{
    return length >= TC_NF_MAPPED_BITS && tc_nf_address_is_mapped(address) ? 4 : 6;
}

/* As in 10.0.0.0/8; the length also of a single address. */
static inline void tc_nf_net_text(const uint8_t address[16], uint8_t length,
                                  char text[TC_NF_NET_TEXT_MAX])
{
    char name[INET6_ADDRSTRLEN] = "";

    if (tc_nf_net_family(address, length) == 4)
        (void)snprintf(text, TC_NF_NET_TEXT_MAX, "%s/%u",
                       inet_ntop(AF_INET, address + 12, name, sizeof name),
                       length - TC_NF_MAPPED_BITS);
    else
        (void)snprintf(text, TC_NF_NET_TEXT_MAX, "%s/%u",
                       inet_ntop(AF_INET6, address, name, sizeof name), length);
}

#endif
