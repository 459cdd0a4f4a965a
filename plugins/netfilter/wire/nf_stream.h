/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the first bytes of one direction of a TCP flow, in order, from segments that come
 * in any order, twice, or overlapping (what came first stays, as in Linux). Also of
 * QUIC's CRYPTO frames, whose offsets are sequence numbers from 0. No pointer inside; who
 * has one may copy it.
 */
#ifndef TC_NF_STREAM_H
#define TC_NF_STREAM_H

#include <stddef.h>
#include <stdint.h>

#define TC_NF_STREAM_MAX                                                                 \
    16384 /* bytes; a name that has not come by then does not count */
#define TC_NF_STREAM_PIECES_MAX 16 /* apart from each other at one time */

struct tc_nf_stream {
    uint32_t first_seq;
    uint16_t pieces_count;
    struct {
        uint16_t from, to;             /* bytes of data, `to` is behind the last */
    } pieces[TC_NF_STREAM_PIECES_MAX]; /* by `from`, with a gap between any two */
    uint8_t data[TC_NF_STREAM_MAX];
};

/* `first_seq` is of the first byte: that of the SYN and 1. */
void tc_nf_stream_init(struct tc_nf_stream *stream, uint32_t first_seq);

/*
 * Takes in a segment; what lies before the start or behind the end counts as not sent.
 * -ENOBUFS: it was dropped, too many pieces lie apart; the stream is as it was.
 */
int tc_nf_stream_add(struct tc_nf_stream *stream, uint32_t seq, const uint8_t *data,
                     size_t len);

/* How many bytes of `data` have come from the start on without a gap; TC_NF_STREAM_MAX:
 * the stream is full. */
static inline size_t tc_nf_stream_bytes(const struct tc_nf_stream *stream)
{
    return stream->pieces_count && !stream->pieces[0].from ? stream->pieces[0].to : 0;
}

#endif
