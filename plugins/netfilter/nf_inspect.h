/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the name that the first data of a flow shows: TLS, HTTP or QUIC, over as many
 * segments as it takes, up to a bound; and how many are under way at one time. One
 * thread.
 */
#ifndef TC_NF_INSPECT_H
#define TC_NF_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "nf_names.h"
#include "wire/nf_packet.h"

/* Each has what has come so far, 16 KB at most; the oldest one goes for another. */
#define TC_NF_INSPECTIONS_MAX 256

struct tc_nf_inspection;
struct tc_nf_quic_crypto;

struct tc_nf_inspections {
    TAILQ_HEAD(, tc_nf_inspection) list; /* the oldest first */
    size_t count;
    uint64_t evicted;
};

struct tc_nf_inspected {
    char name[TC_NF_NAME_TEXT_MAX]; /* "": it shows none */
    const char *protocol;           /* "tls", "http", "quic"; NULL: none of them */
    bool ech;
};

void tc_nf_inspections_init(struct tc_nf_inspections *all);

/* Begins one; `first_seq` is of the first byte of a stream of TCP. *owner is it until it
 * is freed, also when that is for another, and then NULL; it must stay where it is.
 * -ENOMEM. */
int tc_nf_inspection_begin(struct tc_nf_inspections *all, bool tcp, uint32_t first_seq,
                           struct tc_nf_inspection **owner);
void tc_nf_inspection_end(struct tc_nf_inspection *inspection); /* takes NULL */

/*
 * Takes what one more packet carries. -EAGAIN: more is needed; 0: what there is to know
 * is in *ret, and no more packet is needed.
 */
int tc_nf_inspection_take(struct tc_nf_inspection *inspection,
                          struct tc_nf_quic_crypto *crypto,
                          const struct tc_nf_packet *packet, struct tc_nf_inspected *ret);

#endif
