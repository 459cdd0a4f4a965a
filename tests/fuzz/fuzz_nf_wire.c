/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what the first of them says: a packet, the start of TLS or HTTP, segments
 * of a stream, a datagram of QUIC, or the frames in one. What was found in a part, at
 * which the second byte cuts, is found in the whole.
 */
#include <errno.h>
#include <stdlib.h>

#include "tests/plugins/netfilter/quic_seal.h"
#include "wire/nf_http.h"
#include "wire/nf_packet.h"
#include "wire/nf_tls.h"

#define FRAMES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int (*name_fn)(const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES]);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_result(int r, const char *name)
{
    char again[TC_NF_HOST_BYTES];

    if (r == 0)
        require(!tc_nf_host_name((const uint8_t *)name, strlen(name), again) &&
                !strcmp(name, again));
    else
        require(r == -EAGAIN || r == -ENOENT || r == -EPROTO);
}

static void read_packet(const uint8_t *data, size_t len, size_t cut)
{
    struct tc_nf_packet whole, part;
    int r = tc_nf_packet_parse(data, len, &whole);

    if (r == 0)
        require(whole.payload >= data &&
                whole.payload + whole.payload_bytes <= data + len);
    if (r == 0 && tc_nf_packet_parse(data, cut, &part) == 0)
        require(part.payload == whole.payload && part.protocol == whole.protocol &&
                part.destination_port == whole.destination_port &&
                part.payload_bytes <= whole.payload_bytes);
}

static int tls_name(const uint8_t *data, size_t len, char ret_name[TC_NF_HOST_BYTES])
{
    return tc_nf_tls_name(data, len, ret_name, NULL);
}

static void read_name(name_fn name_of, const uint8_t *data, size_t len, size_t cut)
{
    char whole[TC_NF_HOST_BYTES] = "", part[TC_NF_HOST_BYTES] = "";
    int r_whole = name_of(data, len, whole), r_part = name_of(data, cut, part);

    require_result(r_whole, whole);
    require_result(r_part, part);
    require(r_part == -EAGAIN || (r_part == r_whole && !strcmp(part, whole)));
}

/* Each four bytes are a segment of a stream whose bytes are their places. */
static void read_stream(const uint8_t *data, size_t len)
{
    static uint8_t sent[TC_NF_STREAM_MAX + 1024];
    struct tc_nf_stream *stream = malloc(sizeof(*stream));
    size_t known = 0;

    require(stream != NULL);
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 7 + i / 256);
    tc_nf_stream_init(stream, 0xfffffff0);
    for (; len >= 4; data += 4, len -= 4) {
        size_t at = tc_nf_be16(data) % TC_NF_STREAM_MAX;

        tc_nf_stream_add(stream, 0xfffffff0 + (uint32_t)at, sent + at,
                         tc_nf_be16(data + 2) % 1024);
        require(tc_nf_stream_bytes(stream) >= known);
        known = tc_nf_stream_bytes(stream);
        require(!memcmp(stream->data, sent, known));
    }
    free(stream);
}

static struct tc_nf_quic_crypto *crypto_of_all_runs(void)
{
    static struct tc_nf_quic_crypto *crypto;

    if (!crypto)
        require(tc_nf_quic_crypto_new(&crypto) == 0);
    return crypto;
}

static void take_datagram(struct tc_nf_quic *quic, const uint8_t *data, size_t len)
{
    char name[TC_NF_HOST_BYTES];

    require_result(tc_nf_quic_name(crypto_of_all_runs(), quic, data, len, name, NULL),
                   name);
}

static void read_datagrams(const uint8_t *data, size_t len, size_t cut)
{
    struct tc_nf_quic *quic = calloc(1, sizeof(*quic));

    require(quic != NULL);
    take_datagram(quic, data, cut);
    take_datagram(quic, data + cut, len - cut);
    take_datagram(quic, data, len);
    free(quic);
}

/* The same of frames that nobody could guess how to encrypt. */
static void read_frames(const uint8_t *data, size_t len, size_t cut)
{
    struct tc_nf_quic *quic = calloc(1, sizeof(*quic));
    uint8_t datagram[FRAMES_MAX + 64];
    struct tc_nf_quic_keys keys;
    size_t header, part;

    require(quic != NULL);
    require(!tc_nf_quic_derive(crypto_of_all_runs(), QUIC_V2, data, 0, &keys));
    for (uint32_t number = 0; number < 2; number++, data += cut, len -= cut, cut = len) {
        part = cut < FRAMES_MAX ? cut : FRAMES_MAX;
        header = quic_header(datagram, QUIC_V2, "", 0, "", 0, part, number);
        require(quic_seal(&keys, datagram, header, data, part));
        take_datagram(quic, datagram, header + part + QUIC_TAG);
    }
    free(quic);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t cut;
    int what;

    if (size < 2)
        return 0;
    what = data[0] % 6;
    cut = data[1] * (size - 2) / 255;
    data += 2;
    size -= 2;
    switch (what) {
    case 0:
        read_packet(data, size, cut);
        break;
    case 1:
        read_name(tls_name, data, size, cut);
        break;
    case 2:
        read_name(tc_nf_http_host, data, size, cut);
        break;
    case 3:
        read_datagrams(data, size, cut);
        break;
    case 4:
        read_stream(data, size);
        break;
    default:
        read_frames(data, size, cut);
        break;
    }
    return 0;
}
