/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: IP packets out of the captures in ../shared/data/pcap. After <cmocka.h> and
 * skip.h. */
#ifndef TESTS_NETFILTER_PCAP_H
#define TESTS_NETFILTER_PCAP_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "wire/nf_packet.h"

#define PCAP_FOLDER TEST_SOURCE_DIR "/../shared/data/pcap/"
#define PCAP_BYTES_MAX 65536

struct pcap {
    uint8_t bytes[PCAP_BYTES_MAX];
    size_t len, at;
    int swapped; /* numbers are not in network order */
    uint32_t link;
};

static inline uint32_t pcap_number(const struct pcap *pcap, size_t at)
{
    const uint8_t *p = pcap->bytes + at;

    if (pcap->swapped)
        return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* False: it is not here. */
static inline int pcap_open(struct pcap *pcap, const char *name)
{
    char path[512];
    FILE *file;

    pcap->at = pcap->len = 0;
    snprintf(path, sizeof(path), PCAP_FOLDER "%s", name);
    file = fopen(path, "r");
    if (!file)
        return 0;
    pcap->len = fread(pcap->bytes, 1, sizeof(pcap->bytes), file);
    fclose(file);
    assert_in_range(pcap->len, 24, sizeof(pcap->bytes) - 1);
    pcap->swapped = pcap->bytes[0] != 0xa1;
    pcap->link = pcap_number(pcap, 20);
    pcap->at = 24;
    return 1;
}

/* What the link's header takes; 0 and no IP packet: the frame has another protocol. */
static inline size_t pcap_link_bytes(const struct pcap *pcap, const uint8_t *frame)
{
    size_t type;

    switch (pcap->link) {
    case 0: /* BSD loopback */
        return 4;
    case 1: /* Ethernet */
        type = 12;
        break;
    case 113: /* Linux "cooked" */
        type = 14;
        break;
    default: /* raw */
        return 0;
    }
    if (!memcmp(frame + type, "\x81\x00", 2))
        type += 4; /* of a VLAN */
    if (!memcmp(frame + type, "\x08\x00", 2) || !memcmp(frame + type, "\x86\xdd", 2))
        return type + 2;
    return SIZE_MAX;
}

/* The next IP packet; NULL: the capture ends. */
static inline const uint8_t *pcap_next(struct pcap *pcap, size_t *ret_len)
{
    while (pcap->at < pcap->len) {
        const uint8_t *frame = pcap->bytes + pcap->at + 16;
        size_t len = pcap_number(pcap, pcap->at + 8), link;

        assert_true(len > 16 && pcap->at + 16 + len <= pcap->len);
        pcap->at += 16 + len;
        link = pcap_link_bytes(pcap, frame);
        if (link == SIZE_MAX)
            continue;
        *ret_len = len - link;
        return frame + link;
    }
    return NULL;
}

/* The next that has a payload, from or to a port of its destination. */
static inline int pcap_next_payload(struct pcap *pcap, uint16_t destination_port,
                                    struct tc_nf_packet *ret)
{
    const uint8_t *packet;
    size_t len;

    while ((packet = pcap_next(pcap, &len)) != NULL)
        if (tc_nf_packet_parse(packet, len, ret) == 0 && ret->payload_bytes &&
            (!destination_port || ret->destination_port == destination_port))
            return 1;
    return 0;
}

#define PCAP_OPEN_OR_SKIP(pcap, name)                                                    \
    do {                                                                                 \
        if (!pcap_open(pcap, name))                                                      \
            test_skip("../shared/data/pcap/" name " is not here");                       \
    } while (0)

#endif
