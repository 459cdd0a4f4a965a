/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: Initial packets as a client makes them (RFC 9001, 5), for tests and benchmarks.
 */
#ifndef TESTS_NETFILTER_QUIC_SEAL_H
#define TESTS_NETFILTER_QUIC_SEAL_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "wire/nf_quic.h"

#define QUIC_V1 1
#define QUIC_V2 0x6b3343cf
#define QUIC_TAG 16

/* Writes a header for `payload` bytes of frames, its number 4 bytes long as in the RFC's
 * example; how many bytes. */
static inline size_t quic_header(uint8_t *ret, uint32_t version, const void *id,
                                 size_t id_bytes, const void *token, size_t token_bytes,
                                 size_t payload, uint32_t number)
{
    size_t n = 0, length = 4 + payload + QUIC_TAG;

    ret[n++] = version == QUIC_V2 ? 0xd3 : 0xc3;
    for (int shift = 24; shift >= 0; shift -= 8)
        ret[n++] = (uint8_t)(version >> shift);
    ret[n++] = (uint8_t)id_bytes;
    memcpy(ret + n, id, id_bytes);
    n += id_bytes;
    ret[n++] = 0; /* no id of its own */
    ret[n++] = (uint8_t)token_bytes;
    if (token_bytes)
        memcpy(ret + n, token, token_bytes);
    n += token_bytes;
    ret[n++] = (uint8_t)(0x40 | length >> 8);
    ret[n++] = (uint8_t)length;
    for (int shift = 24; shift >= 0; shift -= 8)
        ret[n++] = (uint8_t)(number >> shift);
    return n;
}

/* Encrypts frames behind a header of quic_header()'s, which is in `ret` already, and
 * protects that: true, and the packet is header + frames + QUIC_TAG bytes. */
static inline bool quic_seal(const struct tc_nf_quic_keys *keys, uint8_t *ret,
                             size_t header, const uint8_t *frames, size_t frames_bytes)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t nonce[12], mask[32], *sealed = ret + header, *number = sealed - 4;
    bool ok;
    int n;

    memcpy(nonce, keys->iv, sizeof(nonce));
    for (int i = 0; i < 4; i++)
        nonce[8 + i] ^= number[i];
    ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, keys->key, nonce) &&
         EVP_EncryptUpdate(ctx, NULL, &n, ret, (int)header) &&
         EVP_EncryptUpdate(ctx, sealed, &n, frames, (int)frames_bytes) &&
         EVP_EncryptFinal_ex(ctx, sealed + frames_bytes, &n) &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, QUIC_TAG, sealed + frames_bytes);
    EVP_CIPHER_CTX_free(ctx);
    ctx = EVP_CIPHER_CTX_new();
    ok = ok && ctx &&
         EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, keys->header, NULL) &&
         EVP_EncryptUpdate(ctx, mask, &n, sealed, 16);
    EVP_CIPHER_CTX_free(ctx);
    ret[0] ^= mask[0] & 0x0f;
    for (int i = 0; i < 4; i++)
        number[i] ^= mask[1 + i];
    return ok;
}

/* Writes a CRYPTO frame; how many bytes. */
static inline size_t quic_crypto_frame(uint8_t *ret, const uint8_t *hello, size_t offset,
                                       size_t len)
{
    ret[0] = 0x06;
    ret[1] = (uint8_t)(0x40 | offset >> 8);
    ret[2] = (uint8_t)offset;
    ret[3] = (uint8_t)(0x40 | len >> 8);
    ret[4] = (uint8_t)len;
    memcpy(ret + 5, hello + offset, len);
    return 5 + len;
}

#endif
