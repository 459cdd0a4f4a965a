/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what the parsers of this folder share: numbers in network order, addresses of 16
 * bytes, and what of the bytes on the wire is a host's name. Pure.
 */
#ifndef TC_NF_BYTES_H
#define TC_NF_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TC_NF_HOST_BYTES 256 /* of a host's name as text, with the NUL */

static inline uint16_t tc_nf_be16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t tc_nf_be32(const uint8_t *at)
{
    return (uint32_t)tc_nf_be16(at) << 16 | tc_nf_be16(at + 2);
}

/* Writes an address of IPv4 as the mapped one of IPv6 (RFC 4291, 2.5.5.2). */
static inline void tc_nf_address_map(const uint8_t from[4], uint8_t ret[16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    memcpy(ret, prefix, sizeof(prefix));
    memcpy(ret + sizeof(prefix), from, 4);
}

static inline bool tc_nf_address_is_ipv4(const uint8_t address[16])
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

    return !memcmp(address, prefix, sizeof(prefix));
}

/*
 * Writes the name in lower case and without its last dot. What it may be: labels of 1 to
 * 63 letters, digits, '-' and '_' with dots between, 253 bytes in all, which addresses of
 * IPv4 fit too. Anything else: -EINVAL.
 */
int tc_nf_host_name(const uint8_t *from, size_t len, char ret_name[TC_NF_HOST_BYTES]);

#endif
