/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the check of untrusted msgpack bytes, and the cut of a byte stream into messages.
 * Pure. Must not: interpret what a message says.
 */
#ifndef TC_IPC_FRAME_H
#define TC_IPC_FRAME_H

#include <stddef.h>

#define TC_FRAME_DEPTH_MAX 32 /* what a limit of depth is cut down to */

/*
 * Checks that `len` bytes are one well-formed msgpack map with string keys and nothing
 * after it, nested at most TOCSIN_EVENT_MAX_DEPTH deep and TOCSIN_EVENT_MAX_BYTES long
 * (tocsin/event.h). Errors: -EMSGSIZE too long; -ELOOP too deep; -EINVAL anything else.
 * Any thread; no allocation.
 */
int tc_frame_check(const void *data, size_t len);

/* What one message of a stream may be at most. */
struct tc_frame_limits {
    size_t bytes;
    size_t values; /* in all: containers, what is in them, keys too */
    unsigned depth;
};

/*
 * Looks for one whole msgpack value at the start of a stream's bytes.
 * 0: *ret_len is its length. -EAGAIN: cut short so far; *ret_len is more than len, and
 * with less than that it need not be tried again. -EMSGSIZE, -E2BIG, -ELOOP: it is, or
 * announces itself as, beyond the limit of bytes, of values, of depth. -EINVAL: no
 * msgpack.
 */
int tc_frame_next(const void *data, size_t len, const struct tc_frame_limits *limits,
                  size_t *ret_len);

#endif
