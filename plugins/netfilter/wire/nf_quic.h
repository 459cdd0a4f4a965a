/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the name of a server in the first datagrams that a client sends on QUIC 1 and 2
 * (RFC 9000, 9001, 9369): Initial packets are encrypted with keys that anybody can make
 * from the connection id in front of them. Each flow's struct holds its keys and what has
 * come of the ClientHello, and no pointer; libcrypto's objects are one per thread.
 */
#ifndef TC_NF_QUIC_H
#define TC_NF_QUIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nf_bytes.h"
#include "nf_stream.h"

#define TC_NF_QUIC_ID_MAX 20        /* bytes of a connection id, RFC 9000, 17.2 */
#define TC_NF_QUIC_PACKET_MAX 16384 /* bytes of an Initial packet; longer is no QUIC */
#define TC_NF_QUIC_INITIALS_MAX                                                          \
    8 /* of one datagram (or of a few, sent with UDP_SEGMENT) */

struct tc_nf_quic_crypto; /* of one thread at a time */

/* -ENOMEM; -ENOSYS, libcrypto lacks an algorithm. */
int tc_nf_quic_crypto_new(struct tc_nf_quic_crypto **ret);
void tc_nf_quic_crypto_free(struct tc_nf_quic_crypto *crypto); /* takes NULL */

struct tc_nf_quic_keys {
    uint8_t key[16], iv[12], header[16];
};

/* One flow; all zeros is one of which nothing has come. */
struct tc_nf_quic {
    struct tc_nf_quic_keys keys;
    uint32_t version; /* 0: no keys yet */
    uint8_t id_bytes;
    uint8_t id[TC_NF_QUIC_ID_MAX]; /* of whom the keys are */
    struct tc_nf_stream hello;
};

/*
 * Takes in a datagram of the client's. 0 and a name, -EAGAIN, -ENOENT and `ret_ech` as
 * tc_nf_tls_name(); -EPROTO, not QUIC or a version of which nothing is known. A datagram
 * that is not, after one that was, changes nothing: -EAGAIN. -ENOMEM, -EIO from
 * libcrypto.
 */
int tc_nf_quic_name(struct tc_nf_quic_crypto *crypto, struct tc_nf_quic *quic,
                    const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES],
                    bool *ret_ech);

/* The client's Initial keys of a connection id (RFC 9001, 5.2). -EPROTO: the version is
 * neither 1 nor 0x6b3343cf; -EIO. */
int tc_nf_quic_derive(struct tc_nf_quic_crypto *crypto, uint32_t version,
                      const uint8_t *id, size_t id_bytes, struct tc_nf_quic_keys *ret);

#endif
