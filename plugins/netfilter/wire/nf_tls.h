/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the name of a server in the ClientHello of TLS and of QUIC (RFC 8446, 4.1.2; RFC
 * 6066, 3). Pure; keeps nothing, so that a name that needs more bytes is asked for again
 * with all that have come.
 */
#ifndef TC_NF_TLS_H
#define TC_NF_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nf_bytes.h"

/*
 * From the first bytes of a flow. 0, as soon as the name is there; -EAGAIN, what is there
 * is the start of a ClientHello, and more is needed; -ENOENT, a ClientHello without
 * server_name, or one that is no host's name; -EPROTO, not TLS. `ret_ech`, which may be
 * NULL, is set with 0 and -ENOENT: the hello has an encrypted one inside (ECH, RFC 9849),
 * so that the name is at most that of the provider who decrypts it. Where the name is
 * there before the whole hello, an ECH that is still to come does not show.
 */
int tc_nf_tls_name(const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES],
                   bool *ret_ech);

/* The same of handshake messages that are in no records: QUIC's. */
int tc_nf_tls_handshake_name(const uint8_t *data, size_t len,
                             char ret_name[TC_NF_HOST_BYTES], bool *ret_ech);

#endif
