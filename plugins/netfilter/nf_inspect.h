/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the name that the first data of a flow shows: TLS, HTTP or QUIC, over as many
 * segments as it takes, up to a bound. One thread.
 */
#ifndef TC_NF_INSPECT_H
#define TC_NF_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nf_names.h"
#include "wire/nf_packet.h"

struct tc_nf_inspection;
struct tc_nf_quic_crypto;

struct tc_nf_inspected {
    char name[TC_NF_NAME_TEXT_MAX]; /* "": it shows none */
    const char *protocol;           /* "tls", "http", "quic"; NULL: none of them */
    bool ech;
};

/* `packet` is the first: a SYN or data of TCP, or a datagram. NULL: no memory. */
struct tc_nf_inspection *tc_nf_inspection_new(const struct tc_nf_packet *packet);
void tc_nf_inspection_free(struct tc_nf_inspection *inspection); /* takes NULL */

/*
 * Takes what one more packet carries. -EAGAIN: more is needed; 0: what there is to know
 * is in *ret, and no more packet is needed.
 */
int tc_nf_inspection_take(struct tc_nf_inspection *inspection,
                          struct tc_nf_quic_crypto *crypto,
                          const struct tc_nf_packet *packet, struct tc_nf_inspected *ret);

#endif
