/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the heads of IP packets are read as: made by hand, and captured. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "tests/support/skip.h"

#include "pcap.h"
#include "wire/nf_bytes.h"

#define PACKET_MAX 512

/* A packet that is written from front to back. */
struct draft {
    uint8_t bytes[PACKET_MAX];
    size_t len;
};

static void put(struct draft *draft, const void *bytes, size_t len)
{
    assert_true(draft->len + len <= sizeof(draft->bytes));
    memcpy(draft->bytes + draft->len, bytes, len);
    draft->len += len;
}

#define PUT(draft, ...)                                                                  \
    put(draft, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_ipv4(struct draft *draft, uint8_t protocol, uint8_t body_bytes,
                     uint16_t fragment)
{
    PUT(draft, 0x45, 0, 0, (uint8_t)(20 + body_bytes), 0, 1, (uint8_t)(fragment >> 8),
        (uint8_t)fragment, 64, protocol, 0, 0, 192, 0, 2, 1, 198, 51, 100, 7);
}

static void put_ipv6(struct draft *draft, uint8_t next, uint8_t body_bytes)
{
    PUT(draft, 0x60, 0, 0, 0, 0, body_bytes, next, 64);
    PUT(draft, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    PUT(draft, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);
}

static void put_udp(struct draft *draft)
{
    PUT(draft, 0x30, 0x39, 0, 53, 0, 12, 0, 0, 'a', 'b', 'c', 'd');
}

/* A copy that ends where its memory does, so that the sanitizers see a byte too many. */
static int parse(const struct draft *draft, size_t len, struct tc_nf_packet *ret,
                 uint8_t **ret_copy)
{
    *ret_copy = malloc(len ? len : 1);
    assert_non_null(*ret_copy);
    memcpy(*ret_copy, draft->bytes, len);
    return tc_nf_packet_parse(*ret_copy, len, ret);
}

/* Every shorter copy of it is refused or has less payload. `head`: where the payload is.
 */
static void assert_cuts_are_seen(const struct draft *draft, size_t head)
{
    struct tc_nf_packet packet;
    uint8_t *copy;

    for (size_t len = 0; len <= draft->len; len++) {
        int r = parse(draft, len, &packet, &copy);

        assert_int_equal(r, len < head ? -EMSGSIZE : 0);
        if (r == 0) {
            assert_int_equal(packet.payload_bytes, len - head);
            assert_int_equal(packet.cut, len < draft->len);
            assert_ptr_equal(packet.payload, copy + head);
        }
        free(copy);
    }
}

static void packet_reads_udp_over_both_families(void **state)
{
    static const uint8_t source[] = {0, 0, 0,   0,   0,   0, 0, 0,
                                     0, 0, 255, 255, 192, 0, 2, 1};
    struct draft v4 = {.len = 0}, v6 = {.len = 0};
    struct tc_nf_packet packet;

    (void)state;
    put_ipv4(&v4, IPPROTO_UDP, 12, 0);
    put_udp(&v4);
    assert_int_equal(tc_nf_packet_parse(v4.bytes, v4.len, &packet), 0);
    assert_int_equal(packet.family, AF_INET);
    assert_int_equal(packet.protocol, IPPROTO_UDP);
    assert_memory_equal(packet.source, source, 16);
    assert_int_equal(packet.source_port, 12345);
    assert_int_equal(packet.destination_port, 53);
    assert_int_equal(packet.fragment, TC_NF_WHOLE);
    assert_memory_equal(packet.payload, "abcd", 4);
    assert_cuts_are_seen(&v4, 28);

    put_ipv6(&v6, IPPROTO_UDP, 12);
    put_udp(&v6);
    assert_int_equal(tc_nf_packet_parse(v6.bytes, v6.len, &packet), 0);
    assert_int_equal(packet.family, AF_INET6);
    assert_int_equal(packet.destination[15], 2);
    assert_int_equal(packet.destination_port, 53);
    assert_cuts_are_seen(&v6, 48);
}

static void packet_reads_tcp_and_its_options(void **state)
{
    struct draft draft = {.len = 0};
    struct tc_nf_packet packet;

    (void)state;
    put_ipv4(&draft, IPPROTO_TCP, 33, 0);
    PUT(&draft, 0x30, 0x39, 1, 187, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x80, 0x02, 0, 0,
        0, 0, 0, 0);
    PUT(&draft, 1, 2, 4, 5, 180, 30, 4, 0, 1, 0, 0, 0); /* NOP, MSS, MPTCP, end */
    PUT(&draft, 'x');
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), 0);
    assert_int_equal(packet.source_port, 12345);
    assert_int_equal(packet.destination_port, 443);
    assert_int_equal(packet.tcp_flags, TC_NF_TCP_SYN);
    assert_int_equal(packet.tcp_seq, 0xffffffff);
    assert_int_equal(tc_nf_packet_payload_seq(&packet), 0);
    assert_true(packet.mptcp);
    assert_int_equal(packet.payload_bytes, 1);
    assert_cuts_are_seen(&draft, 52);

    draft.bytes[42] = 0; /* an option of no length: nothing behind it is looked at */
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), 0);
    assert_false(packet.mptcp);
    draft.bytes[32] = 0x40; /* a header shorter than a header */
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), -EPROTO);
}

static void packet_reads_the_other_protocols(void **state)
{
    static const struct {
        uint8_t protocol;
        uint16_t port;
        uint8_t payload_bytes;
    } cases[] = {
        {IPPROTO_SCTP, 53, 4},   {IPPROTO_UDPLITE, 53, 8}, {IPPROTO_DCCP, 53, 4},
        {IPPROTO_GRE, 0, 16},    {IPPROTO_ESP, 0, 16},     {IPPROTO_ICMP, 0, 12},
        {IPPROTO_IPV6, 0, 16},   {IPPROTO_HOPOPTS, 0, 16}, /* not in IPv4 */
        {IPPROTO_ICMPV6, 0, 12},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct draft draft = {.len = 0};
        struct tc_nf_packet packet;

        put_ipv4(&draft, cases[i].protocol, 16, 0);
        PUT(&draft, 8, 0x39, 0, 53, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), 0);
        assert_int_equal(packet.protocol, cases[i].protocol);
        assert_int_equal(packet.destination_port, cases[i].port);
        assert_int_equal(packet.payload_bytes, cases[i].payload_bytes);
        assert_int_equal(packet.icmp_type, cases[i].payload_bytes == 12 ? 8 : 0);
    }
}

static void packet_says_which_fragment_it_is(void **state)
{
    struct draft first = {.len = 0}, later = {.len = 0}, v6 = {.len = 0};
    struct tc_nf_packet packet;

    (void)state;
    put_ipv4(&first, IPPROTO_UDP, 12, 0x2000);
    put_udp(&first);
    assert_int_equal(tc_nf_packet_parse(first.bytes, first.len, &packet), 0);
    assert_int_equal(packet.fragment, TC_NF_FIRST_FRAGMENT);
    assert_int_equal(packet.destination_port, 53);

    put_ipv4(&later, IPPROTO_UDP, 4, 0x2001);
    PUT(&later, 1, 2, 3, 4);
    assert_int_equal(tc_nf_packet_parse(later.bytes, later.len, &packet), 0);
    assert_int_equal(packet.fragment, TC_NF_LATER_FRAGMENT);
    assert_int_equal(packet.destination_port, 0);
    assert_int_equal(packet.payload_bytes, 4);

    put_ipv6(&v6, IPPROTO_FRAGMENT, 20);
    PUT(&v6, IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 7);
    put_udp(&v6);
    assert_int_equal(tc_nf_packet_parse(v6.bytes, v6.len, &packet), 0);
    assert_int_equal(packet.fragment, TC_NF_FIRST_FRAGMENT);
    assert_int_equal(packet.destination_port, 53);
    v6.bytes[43] = 0; /* an "atomic" one, RFC 6946 */
    assert_int_equal(tc_nf_packet_parse(v6.bytes, v6.len, &packet), 0);
    assert_int_equal(packet.fragment, TC_NF_WHOLE);
    v6.bytes[43] = 8;
    assert_int_equal(tc_nf_packet_parse(v6.bytes, v6.len, &packet), 0);
    assert_int_equal(packet.fragment, TC_NF_LATER_FRAGMENT);
    assert_int_equal(packet.protocol, IPPROTO_UDP);
    assert_int_equal(packet.destination_port, 0);
}

static void packet_goes_past_extension_headers(void **state)
{
    struct draft draft = {.len = 0}, many = {.len = 0};
    struct tc_nf_packet packet;

    (void)state;
    put_ipv6(&draft, IPPROTO_HOPOPTS, 72);
    PUT(&draft, IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0);
    PUT(&draft, IPPROTO_ROUTING, 0, 1, 4, 0, 0, 0, 0);
    PUT(&draft, IPPROTO_AH, 2, 4, 1, 0, 0, 0, 0); /* the way on is one segment */
    PUT(&draft, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99);
    PUT(&draft, IPPROTO_UDP, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9,
        10, 11, 12);
    put_udp(&draft);
    draft.bytes[5] = (uint8_t)(draft.len - 40);
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), 0);
    assert_int_equal(packet.protocol, IPPROTO_UDP);
    assert_int_equal(packet.destination_port, 53);
    assert_int_equal(packet.destination[15], 99);
    assert_cuts_are_seen(&draft, draft.len - 4);

    put_ipv6(&many, IPPROTO_DSTOPTS, 0);
    for (int i = 0; i < TC_NF_EXTENSIONS_MAX; i++)
        PUT(&many, IPPROTO_DSTOPTS, 0, 1, 4, 0, 0, 0, 0);
    many.bytes[many.len - 8] = IPPROTO_UDP;
    put_udp(&many);
    many.bytes[4] = (uint8_t)((many.len - 40) >> 8);
    many.bytes[5] = (uint8_t)(many.len - 40);
    assert_int_equal(tc_nf_packet_parse(many.bytes, many.len, &packet), 0);
    many.bytes[many.len - 20] = IPPROTO_DSTOPTS;
    assert_int_equal(tc_nf_packet_parse(many.bytes, many.len, &packet), -EPROTO);
}

static void packet_takes_mapped_addresses_for_ipv4(void **state)
{
    struct draft draft = {.len = 0};
    struct tc_nf_packet packet;

    (void)state;
    put_ipv6(&draft, IPPROTO_UDP, 12);
    put_udp(&draft);
    tc_nf_address_map((const uint8_t[]){192, 0, 2, 1}, draft.bytes + 8);
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), 0);
    assert_int_equal(packet.family, AF_INET6);
    tc_nf_address_map((const uint8_t[]){192, 0, 2, 2}, draft.bytes + 24);
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), 0);
    assert_int_equal(packet.family, AF_INET);
}

static void packet_leaves_out_padding_and_refuses_nonsense(void **state)
{
    struct draft draft = {.len = 0};
    struct tc_nf_packet packet;

    (void)state;
    put_ipv4(&draft, IPPROTO_UDP, 12, 0);
    put_udp(&draft);
    PUT(&draft, 0, 0, 0, 0, 0, 0);
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), 0);
    assert_int_equal(packet.payload_bytes, 4);
    draft.bytes[3] = 0; /* too long for the field: a packet that the card cuts up */
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), 0);
    assert_int_equal(packet.payload_bytes, 10);
    draft.bytes[3] = 19; /* shorter than its header */
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), -EPROTO);
    draft.bytes[0] = 0x44;
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), -EPROTO);
    draft.bytes[0] = 0x55;
    assert_int_equal(tc_nf_packet_parse(draft.bytes, draft.len, &packet), -EPROTO);
    assert_int_equal(tc_nf_packet_parse(NULL, 0, &packet), -EMSGSIZE);
}

/* One packet of each capture, by its number from 0. */
static const struct captured {
    const char *file;
    int number;
    uint8_t family, protocol;
    uint16_t source_port, destination_port;
    uint8_t tcp_flags;
    bool mptcp;
    uint32_t tcp_seq;
    size_t payload_bytes;
    const char *payload;
} captured[] = {
    {"LINKTYPE_RAW_ipv4.pcap", 0, AF_INET, IPPROTO_UDP, 12345, 53, 0, false, 0, 29,
     "\x12"},
    {"LINKTYPE_RAW_ipv6.pcap", 0, AF_INET6, IPPROTO_UDP, 12345, 53, 0, false, 0, 29,
     "\x12"},
    {"dns_tcp.pcap", 0, AF_INET, IPPROTO_TCP, 33779, 53, 0x02, false, 603899916, 0, ""},
    {"dns_tcp.pcap", 5, AF_INET, IPPROTO_TCP, 53, 33779, 0x18, false, 2043824404, 226,
     ""},
    {"ipv4_tcp_http_xml.pcap", 0, AF_INET, IPPROTO_TCP, 80, 5767, 0x18, false, 908588050,
     605, "HTTP/1.1 200 OK\r\n"},
    {"ipv4_tcp_http_xml_tso.pcap", 0, AF_INET, IPPROTO_TCP, 39556, 8080, 0x18, false,
     1891338696, 1976, "POST http://gwm-ml-a2"},
    {"ipv6-routing-header.pcap", 0, AF_INET6, IPPROTO_ICMPV6, 0, 0, 0, false, 0, 4, ""},
    {"ipv6_mobility_1.pcap", 0, AF_INET6, 135, 0, 0, 0, false, 0, 8, ""},
    {"ipv6_no_next_header.pcap", 0, AF_INET6, IPPROTO_NONE, 0, 0, 0, false, 0, 20, ""},
    {"icmpv6.pcap", 1, AF_INET6, IPPROTO_ICMPV6, 0, 0, 0, false, 0, 24, ""},
    {"mptcp-fclose.pcap", 0, AF_INET, IPPROTO_TCP, 37479, 2002, 0x02, true, 1895673170, 0,
     ""},
    {"mptcp-v0.pcap", 0, AF_INET, IPPROTO_TCP, 35961, 22, 0x02, true, 2912457561, 0, ""},
    {"mptcp-v1.pcap", 3, AF_INET, IPPROTO_TCP, 33306, 10004, 0x18, true, 2180756990, 7100,
     "\x89\x9d\x02"},
    {"quic_handshake.pcap", 0, AF_INET6, IPPROTO_UDP, 50606, 443, 0, false, 0, 1200,
     "\xce"},
    {"tcp-handshake-nano.pcap", 2, AF_INET, IPPROTO_TCP, 46656, 80, 0x10, false,
     797190860, 0, ""},
    {"tcp_rst_data.pcap", 0, AF_INET, IPPROTO_TCP, 80, 52875, 0x14, false, 1617159969, 58,
     "BIG-IP: "},
    {"vxlan.pcap", 0, AF_INET, IPPROTO_UDP, 45149, 4789, 0, false, 0, 106, "\x08"},
};

static void packet_reads_what_was_captured(void **state)
{
    struct pcap pcap;

    (void)state;
    for (size_t i = 0; i < sizeof(captured) / sizeof(*captured); i++) {
        const struct captured *want = &captured[i];
        struct tc_nf_packet packet;
        const uint8_t *data = NULL;
        size_t len = 0;

        if (!pcap_open(&pcap, want->file))
            test_skip("../shared/data/pcap is not here");
        for (int n = 0; n <= want->number; n++)
            data = pcap_next(&pcap, &len);
        assert_non_null(data);
        assert_int_equal(tc_nf_packet_parse(data, len, &packet), 0);
        assert_int_equal(packet.family, want->family);
        assert_int_equal(packet.protocol, want->protocol);
        assert_int_equal(packet.source_port, want->source_port);
        assert_int_equal(packet.destination_port, want->destination_port);
        assert_int_equal(packet.tcp_flags, want->tcp_flags);
        assert_int_equal(packet.mptcp, want->mptcp);
        assert_int_equal(packet.tcp_seq, want->tcp_seq);
        assert_int_equal(packet.payload_bytes, want->payload_bytes);
        assert_memory_equal(packet.payload, want->payload, strlen(want->payload));
    }
}

static void packet_names_the_end_of_a_segment_route(void **state)
{
    struct tc_nf_packet packet;
    struct pcap pcap;
    const uint8_t *data;
    size_t len = 0;

    (void)state;
    PCAP_OPEN_OR_SKIP(&pcap, "ipv6-srh-ext-header.pcap");
    data = pcap_next(&pcap, &len);
    assert_non_null(data);
    assert_int_equal(tc_nf_packet_parse(data, len, &packet), 0);
    /* The first of the list, which is the last of the way (RFC 8754, 2). */
    assert_memory_equal(packet.destination, data + 48, 16);
    assert_memory_not_equal(packet.destination, data + 24, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packet_reads_udp_over_both_families),
        cmocka_unit_test(packet_reads_tcp_and_its_options),
        cmocka_unit_test(packet_reads_the_other_protocols),
        cmocka_unit_test(packet_says_which_fragment_it_is),
        cmocka_unit_test(packet_goes_past_extension_headers),
        cmocka_unit_test(packet_takes_mapped_addresses_for_ipv4),
        cmocka_unit_test(packet_leaves_out_padding_and_refuses_nonsense),
        cmocka_unit_test(packet_reads_what_was_captured),
        cmocka_unit_test(packet_names_the_end_of_a_segment_route),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
