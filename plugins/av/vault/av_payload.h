/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the bytes of a quarantined file in its vault file. Each is XORed with a mask made
 * of the id. That hides nothing from people; it makes the vault file inert: nothing runs
 * it, no scanner trips over it. Holes stay holes, in the vault and out of it. Any thread;
 * blocks.
 */
#ifndef TC_AV_PAYLOAD_H
#define TC_AV_PAYLOAD_H

#include "vault/av_record.h"

/* Notes the holes of an open file in its record; small ones count as data. Where a file
 * system does not tell them, or beyond TC_AV_HOLES_MAX, all is data. -ENOMEM. */
int tc_av_payload_find_holes(struct tc_av_record *record, int fd);

/* How many bytes the file has that are not in its holes. */
uint64_t tc_av_payload_bytes(const struct tc_av_record *record);

/* Masks or unmasks a whole file from one file to another, hashing the unmasked bytes. */
enum tc_av_mask {
    TC_AV_MASK,
    TC_AV_UNMASK,
};
int tc_av_payload_copy(const struct tc_av_record *record, enum tc_av_mask direction,
                       int from, uint64_t from_offset, int to, uint64_t to_offset,
                       uint8_t ret_hash[TC_AV_HASH_BYTES]);

/* As tc_av_payload_copy with UNMASK, writing nothing: the hash alone. -EBADMSG: it is
 * another. */
int tc_av_payload_verify(const struct tc_av_record *record, int fd, uint64_t payload);

#endif
