/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_stream.h"

#include <errno.h>
#include <string.h>

void tc_nf_stream_init(struct tc_nf_stream *stream, uint32_t first_seq)
{
    stream->first_seq = first_seq;
    stream->pieces_count = 0;
}

/* Copies what lies in the gaps between the pieces number `first` to `last` - 1, which
 * [from, to) meets: what is there stays. */
static void fill(struct tc_nf_stream *stream, size_t first, size_t last, size_t from,
                 size_t to, const uint8_t *data)
{
    size_t at = from;

    for (size_t i = first; i < last; i++) {
        if (at < stream->pieces[i].from)
            memcpy(stream->data + at, data + (at - from), stream->pieces[i].from - at);
        if (at < stream->pieces[i].to)
            at = stream->pieces[i].to;
    }
    if (at < to)
        memcpy(stream->data + at, data + (at - from), to - at);
}

int tc_nf_stream_add(struct tc_nf_stream *stream, uint32_t seq, const uint8_t *data,
                     size_t len)
{
    uint32_t offset = seq - stream->first_seq;
    size_t from = offset, to, first = 0, last, before;

    if (offset >= 0x80000000u) { /* before the start, RFC 9293, 3.4 */
        before = -offset & 0xffffffffu;
        if (len <= before)
            return 0;
        data += before;
        len -= before;
        from = 0;
    }
    if (!len || from >= TC_NF_STREAM_MAX)
        return 0;
    to = len < TC_NF_STREAM_MAX - from ? from + len : TC_NF_STREAM_MAX;

    /* Those that it overlaps or touches become one with it. */
    while (first < stream->pieces_count && stream->pieces[first].to < from)
        first++;
    for (last = first; last < stream->pieces_count && stream->pieces[last].from <= to;)
        last++;
    if (first == last && stream->pieces_count == TC_NF_STREAM_PIECES_MAX)
        return -ENOBUFS;
    fill(stream, first, last, from, to, data);
    if (first < last) {
        if (stream->pieces[first].from < from)
            from = stream->pieces[first].from;
        if (stream->pieces[last - 1].to > to)
            to = stream->pieces[last - 1].to;
    }
    memmove(stream->pieces + first + 1, stream->pieces + last,
            (stream->pieces_count - last) * sizeof(*stream->pieces));
    stream->pieces_count = (uint16_t)(stream->pieces_count + 1 - (last - first));
    stream->pieces[first].from = (uint16_t)from;
    stream->pieces[first].to = (uint16_t)to;
    return 0;
}
