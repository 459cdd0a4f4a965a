/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a ClientHello (RFC 8446, 4.1.2) as tests and benchmarks need it, plain. */
#ifndef TESTS_NETFILTER_HELLO_H
#define TESTS_NETFILTER_HELLO_H

#include <stdint.h>
#include <string.h>

#define HELLO_ECH 1    /* with an encrypted one inside */
#define HELLO_GREASE 2 /* with values that mean nothing (RFC 8701) */
#define HELLO_BIG_SHARE                                                                  \
    4 /* with a share of 1,216 bytes before the name: X25519MLKEM768 */
#define HELLO_NO_NAME 8

#define HELLO_BYTES_MAX 2048

static inline size_t hello_put(uint8_t *at, size_t n, const void *bytes, size_t len)
{
    memcpy(at + n, bytes, len);
    return n + len;
}

static inline size_t hello_put16(uint8_t *at, size_t n, size_t value)
{
    at[n] = (uint8_t)(value >> 8);
    at[n + 1] = (uint8_t)value;
    return n + 2;
}

/* An extension of `len` bytes, all `fill`. */
static inline size_t hello_put_extension(uint8_t *at, size_t n, unsigned type, size_t len,
                                         uint8_t fill)
{
    n = hello_put16(at, n, type);
    n = hello_put16(at, n, len);
    memset(at + n, fill, len);
    return n + len;
}

/* Writes the handshake message; how many bytes. */
static inline size_t hello_write(uint8_t ret[HELLO_BYTES_MAX], const char *name, int what)
{
    size_t n = 4, extensions, name_len = strlen(name);

    n = hello_put(ret, n, "\x03\x03", 2);
    memset(ret + n, 0x5a, 32);
    n += 32;
    ret[n++] = 32;
    memset(ret + n, 0xa5, 32);
    n += 32;
    n = hello_put(ret, n, "\x00\x04\x0a\x0a\x13\x01\x01\x00", 8);
    extensions = n;
    n += 2;
    if (what & HELLO_GREASE)
        n = hello_put_extension(ret, n, 0x1a1a, 0, 0);
    if (what & HELLO_BIG_SHARE)
        n = hello_put_extension(ret, n, 51, 1216 + 6, 0x33);
    if (!(what & HELLO_NO_NAME)) {
        n = hello_put16(ret, n, 0);
        n = hello_put16(ret, n, name_len + 5);
        n = hello_put16(ret, n, name_len + 3);
        ret[n++] = 0;
        n = hello_put16(ret, n, name_len);
        n = hello_put(ret, n, name, name_len);
    }
    if (what & HELLO_ECH)
        n = hello_put_extension(ret, n, 0xfe0d, 150, 0xec);
    if (what & HELLO_GREASE)
        n = hello_put_extension(ret, n, 0xfafa, 1, 0);
    n = hello_put_extension(ret, n, 43, 3, 2);
    hello_put16(ret, extensions, n - extensions - 2);
    ret[0] = 1;
    ret[1] = 0;
    hello_put16(ret, 2, n - 4);
    return n;
}

/* Puts it in records of at most `record` bytes each. */
static inline size_t hello_records(const uint8_t *hello, size_t len, size_t record,
                                   uint8_t *ret)
{
    size_t n = 0;

    for (size_t at = 0; at < len; at += record) {
        size_t part = len - at < record ? len - at : record;

        n = hello_put(ret, n, "\x16\x03\x01", 3);
        n = hello_put16(ret, n, part);
        n = hello_put(ret, n, hello + at, part);
    }
    return n;
}

#endif
