/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: the host that a request of HTTP/1.x is for (RFC 9112, 3.2). Pure; keeps nothing.
 */
#ifndef TC_NF_HTTP_H
#define TC_NF_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "nf_bytes.h"

/*
 * From the first bytes of a flow: the host of an absolute URI, of CONNECT, or else of the
 * first Host line, without port and user. 0; -EAGAIN, it may be a request, and more is
 * needed; -ENOENT, a request without a host, or whose host is no name (an address of
 * IPv6), or HTTP/2 from the first byte on; -EPROTO, not HTTP.
 */
int tc_nf_http_host(const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES]);

#endif
