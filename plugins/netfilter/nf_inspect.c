/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_inspect.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/nf_http.h"
#include "wire/nf_quic.h"
#include "wire/nf_stream.h"
#include "wire/nf_tls.h"

#define DATAGRAMS_MAX 16 /* that are looked at before it is given up */

struct tc_nf_inspection {
    TAILQ_ENTRY(tc_nf_inspection) next;
    struct tc_nf_inspections *all;
    struct tc_nf_inspection **owner;
    unsigned taken;
    union {
        struct tc_nf_stream stream;
        struct tc_nf_quic quic;
    };
};

void tc_nf_inspections_init(struct tc_nf_inspections *all)
{
    TAILQ_INIT(&all->list);
    all->count = 0;
    all->evicted = 0;
}

int tc_nf_inspection_begin(struct tc_nf_inspections *all, bool tcp, uint32_t first_seq,
                           struct tc_nf_inspection **owner)
{
    struct tc_nf_inspection *inspection = calloc(1, sizeof(*inspection));

    if (!inspection)
        return -ENOMEM;
    if (all->count == TC_NF_INSPECTIONS_MAX) {
        tc_nf_inspection_end(TAILQ_FIRST(&all->list));
        all->evicted++;
    }
    inspection->all = all;
    inspection->owner = owner;
    if (tcp)
        tc_nf_stream_init(&inspection->stream, first_seq);
    TAILQ_INSERT_TAIL(&all->list, inspection, next);
    all->count++;
    *owner = inspection;
    return 0;
}

void tc_nf_inspection_end(struct tc_nf_inspection *inspection)
{
    if (!inspection)
        return;
    TAILQ_REMOVE(&inspection->all->list, inspection, next);
    inspection->all->count--;
    *inspection->owner = NULL;
    free(inspection);
}

static int take_stream(struct tc_nf_inspection *inspection,
                       const struct tc_nf_packet *packet, struct tc_nf_inspected *ret)
{
    struct tc_nf_stream *stream = &inspection->stream;
    size_t len;
    int tls, http;

    if (packet->payload_bytes)
        (void)tc_nf_stream_add(stream, tc_nf_packet_payload_seq(packet), packet->payload,
                               packet->payload_bytes);
    len = tc_nf_stream_bytes(stream);
    if (!len)
        return -EAGAIN;
    tls = tc_nf_tls_name(stream->data, len, ret->name, &ret->ech);
    http = tls == -EPROTO ? tc_nf_http_host(stream->data, len, ret->name) : tls;
    if (http == -EAGAIN && len < TC_NF_STREAM_MAX)
        return -EAGAIN;
    if (http == 0 || http == -ENOENT)
        ret->protocol = tls == -EPROTO ? "http" : "tls";
    if (http)
        ret->name[0] = '\0';
    return 0;
}

static int take_datagram(struct tc_nf_inspection *inspection,
                         struct tc_nf_quic_crypto *crypto,
                         const struct tc_nf_packet *packet, struct tc_nf_inspected *ret)
{
    int err = tc_nf_quic_name(crypto, &inspection->quic, packet->payload,
                              packet->payload_bytes, ret->name, &ret->ech);

    if (err == -EAGAIN && inspection->taken < DATAGRAMS_MAX)
        return -EAGAIN;
    if (!err || err == -ENOENT)
        ret->protocol = "quic";
    if (err)
        ret->name[0] = '\0';
    return 0;
}

int tc_nf_inspection_take(struct tc_nf_inspection *inspection,
                          struct tc_nf_quic_crypto *crypto,
                          const struct tc_nf_packet *packet, struct tc_nf_inspected *ret)
{
    memset(ret, 0, sizeof(*ret));
    inspection->taken++;
    return packet->protocol == IPPROTO_TCP
               ? take_stream(inspection, packet, ret)
               : take_datagram(inspection, crypto, packet, ret);
}
