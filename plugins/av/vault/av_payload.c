/* SPDX-License-Identifier: Apache-2.0 */
#include "vault/av_payload.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_CHUNK (256 * 1024)
#define HOLE_MIN (64 * 1024) /* of less it is not worth while */

int tc_av_payload_find_holes(struct tc_av_record *record, int fd)
{
    off_t size = (off_t)record->size, at = 0;
    int r = 0;

    while (!r && at < size) {
        off_t data = lseek(fd, at, SEEK_DATA);

        if (data < 0 && errno == ENXIO) /* nothing but a hole up to the end */
            data = size;
        if (data < 0 || data > size)
            return 0;
        if (data - at >= HOLE_MIN)
            r = tc_av_record_add_hole(record, (uint64_t)at, (uint64_t)(data - at));
        if (r || data == size)
            break;
        at = lseek(fd, data, SEEK_HOLE);
        if (at < 0)
            return 0;
    }
    return r == -ENOSPC ? 0 : r;
}

uint64_t tc_av_payload_bytes(const struct tc_av_record *record)
{
    uint64_t bytes = record->size;

    for (size_t i = 0; i < record->holes_n; i++)
        bytes -= record->holes[i].len;
    return bytes;
}

/* The mask repeats every 256 blocks of 32 bytes; the block's number is mixed in so that a
 * run of zeros does not lay it open as one pattern. */
static void mask(const uint8_t key[TC_AV_HASH_BYTES], uint8_t *p, size_t n,
                 uint64_t offset)
{
    for (size_t i = 0; i < n; i++, offset++)
        p[i] ^= key[offset % TC_AV_HASH_BYTES] ^ (uint8_t)(offset / TC_AV_HASH_BYTES);
}

/* One copy under way. */
struct copy {
    enum tc_av_mask direction;
    int from, to; /* to: -1 when nothing is to be written */
    uint64_t from_offset, to_offset;
    uint8_t key[TC_AV_HASH_BYTES];
    uint8_t *buf;
    EVP_MD_CTX *ctx;
};

static int copy_data(struct copy *c, uint64_t at, uint64_t end)
{
    int r = 0;

    while (!r && at < end) {
        size_t n = end - at < COPY_CHUNK ? (size_t)(end - at) : COPY_CHUNK;

        r = tc_av_pread_all(c->from, c->buf, n, c->from_offset + at);
        if (r)
            break;
        if (c->direction == TC_AV_UNMASK)
            mask(c->key, c->buf, n, at);
        EVP_DigestUpdate(c->ctx, c->buf, n);
        if (c->direction == TC_AV_MASK)
            mask(c->key, c->buf, n, at);
        if (c->to >= 0)
            r = tc_av_pwrite_all(c->to, c->buf, n, c->to_offset + at);
        at += n;
    }
    return r;
}

static void skip_hole(struct copy *c, uint64_t left)
{
    memset(c->buf, 0, COPY_CHUNK);
    while (left) {
        size_t n = left < COPY_CHUNK ? (size_t)left : COPY_CHUNK;

        EVP_DigestUpdate(c->ctx, c->buf, n);
        left -= n;
    }
}

static int copy_all(struct copy *c, const struct tc_av_record *record)
{
    uint64_t at = 0;
    int r = 0;

    for (size_t i = 0; !r && i < record->holes_n; i++) {
        const struct tc_av_hole *hole = &record->holes[i];

        r = copy_data(c, at, hole->at);
        skip_hole(c, hole->len);
        at = hole->at + hole->len;
    }
    if (!r)
        r = copy_data(c, at, record->size);
    if (!r && record->holes_n && c->to >= 0 &&
        ftruncate(c->to, (off_t)(c->to_offset + record->size)))
        r = -errno;
    return r;
}

int tc_av_payload_copy(const struct tc_av_record *record, enum tc_av_mask direction,
                       int from, uint64_t from_offset, int to, uint64_t to_offset,
                       uint8_t ret_hash[TC_AV_HASH_BYTES])
{
    struct copy c = {.direction = direction,
                     .from = from,
                     .to = to,
                     .from_offset = from_offset,
                     .to_offset = to_offset,
                     .buf = malloc(COPY_CHUNK),
                     .ctx = EVP_MD_CTX_new()};
    int r = tc_av_hash_mem(record->id, strlen(record->id), c.key);

    if (!c.ctx || !c.buf || !EVP_DigestInit_ex(c.ctx, EVP_sha256(), NULL))
        r = -ENOMEM;
    if (!r)
        r = copy_all(&c, record);
    if (!r)
        r = EVP_DigestFinal_ex(c.ctx, ret_hash, NULL) ? 0 : -EIO;
    EVP_MD_CTX_free(c.ctx);
    free(c.buf);
    return r;
}

int tc_av_payload_verify(const struct tc_av_record *record, int fd, uint64_t payload)
{
    uint8_t hash[TC_AV_HASH_BYTES];
    int r = tc_av_payload_copy(record, TC_AV_UNMASK, fd, payload, -1, 0, hash);

    return r ? r : memcmp(hash, record->hash, sizeof(hash)) ? -EBADMSG : 0;
}
