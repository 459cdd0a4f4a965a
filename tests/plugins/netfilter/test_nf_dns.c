/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what DNS messages are read as: made by hand, cut, looping, and captured. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/skip.h"

#include "pcap.h"
#include "wire/nf_bytes.h"
#include "wire/nf_dns.h"

#define DRAFT_MAX 8192
#define QUESTION 0xc00c /* a pointer to the question's name */

struct draft {
    uint8_t bytes[DRAFT_MAX];
    size_t len;
};

static void put(struct draft *draft, const void *bytes, size_t len)
{
    assert_true(draft->len + len <= sizeof(draft->bytes));
    memcpy(draft->bytes + draft->len, bytes, len);
    draft->len += len;
}

#define PUT(draft, literal) put(draft, literal, sizeof(literal) - 1)

static void put16(struct draft *draft, unsigned value)
{
    uint8_t bytes[] = {(uint8_t)(value >> 8), (uint8_t)value};

    put(draft, bytes, sizeof(bytes));
}

/* "a.example" as labels, without the root's byte if it ends in '+'. */
static void put_name(struct draft *draft, const char *name)
{
    while (*name && *name != '+') {
        uint8_t len = (uint8_t)strcspn(name, ".+");

        put(draft, &len, 1);
        put(draft, name, len);
        name += len + (name[len] == '.');
    }
    if (!*name)
        put(draft, "", 1);
}

static void begin(struct draft *draft, unsigned flags, unsigned answers, const char *name,
                  unsigned type)
{
    draft->len = 0;
    put16(draft, 0x1234);
    put16(draft, flags);
    put16(draft, 1);
    put16(draft, answers);
    put16(draft, 0);
    put16(draft, 0);
    put_name(draft, name);
    put16(draft, type);
    put16(draft, 1);
}

/* A record whose owner is where `owner` points. */
static void put_record(struct draft *draft, unsigned owner, unsigned type, uint32_t ttl_s,
                       const void *data, size_t len)
{
    put16(draft, owner);
    put16(draft, type);
    put16(draft, 1);
    put16(draft, ttl_s >> 16);
    put16(draft, ttl_s & 0xffff);
    put16(draft, (unsigned)len);
    put(draft, data, len);
}

/* Of a copy that ends where its memory does, so that the sanitizers see a byte too many.
 */
static int parse(const uint8_t *data, size_t len, struct tc_nf_dns *ret)
{
    uint8_t *copy = malloc(len ? len : 1);
    int r;

    assert_non_null(copy);
    memcpy(copy, data, len);
    r = tc_nf_dns_parse(copy, len, ret);
    free(copy);
    return r;
}

static void assert_ipv4(const struct tc_nf_dns_answer *answer, uint8_t a, uint8_t b,
                        uint8_t c, uint8_t d)
{
    uint8_t want[16];

    tc_nf_address_map((const uint8_t[]){a, b, c, d}, want);
    assert_true(answer->has_address);
    assert_memory_equal(answer->address, want, 16);
}

static void dns_reads_a_question(void **state)
{
    struct draft draft;
    struct tc_nf_dns dns;

    (void)state;
    begin(&draft, 0x0100, 0, "wWw.eXample.COM", TC_NF_DNS_AAAA);
    for (size_t len = 0; len < draft.len; len++)
        assert_int_equal(parse(draft.bytes, len, &dns), -EMSGSIZE);
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_int_equal(dns.id, 0x1234);
    assert_false(dns.response);
    assert_false(dns.truncated);
    assert_false(dns.cut);
    assert_int_equal(dns.type, TC_NF_DNS_AAAA);
    assert_int_equal(dns.class, 1);
    assert_int_equal(dns.answers_count, 0);
    assert_string_equal(dns.name, "www.example.com");
    begin(&draft, 0, 0, "", TC_NF_DNS_NS);
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_string_equal(dns.name, ".");
}

static void dns_escapes_what_does_not_print(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    begin(&draft, 0, 0, "+", 1);
    draft.len = 12;
    PUT(&draft, "\x05"
                "A.b\\ "
                "\x03"
                "\0\xff"
                "C"
                "\0\0\1\0\1");
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_string_equal(dns.name, "a\\046b\\092\\032.\\000\\255c");
    assert_int_equal(dns.type, 1);
}

/* 255 bytes on the wire, all of them to be escaped, and one more. */
static void dns_names_end_at_their_limit(void **state)
{
    static const uint8_t labels[] = {63, 63, 63, 61};
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    for (int more = 0; more < 2; more++) {
        begin(&draft, 0, 0, "+", 1);
        draft.len = 12;
        for (size_t i = 0; i < sizeof(labels); i++) {
            uint8_t bytes[64], len = (uint8_t)(labels[i] + (i == 3 ? more : 0));

            memset(bytes, 0xee, sizeof(bytes));
            bytes[0] = len;
            put(&draft, bytes, (size_t)len + 1);
        }
        PUT(&draft, "\0\0\1\0\1");
        assert_int_equal(parse(draft.bytes, draft.len, &dns), more ? -EPROTO : 0);
        if (!more)
            assert_int_equal(strlen(dns.name), 250 * 4 + 3);
    }
}

static void dns_follows_aliases_to_the_addresses(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft;
    unsigned cdn, edge;

    (void)state;
    begin(&draft, 0x8180, 6, "www.example.com", TC_NF_DNS_A);
    put_record(&draft, QUESTION, TC_NF_DNS_CNAME, 300,
               "\x03"
               "cdn\xc0\x18",
               6);
    cdn = 0xc000 | (unsigned)(draft.len - 6);
    /* The address comes before the alias that leads to it, and in another case. */
    put_name(&draft, "EDGE.cdn+"); /* and the owner goes on as a pointer to "com" */
    put_record(&draft, 0xc018, TC_NF_DNS_A, 60, "\xc0\0\2\1", 4);
    put_record(&draft, cdn, TC_NF_DNS_CNAME, 20,
               "\x04"
               "edge\x03"
               "CDN\xc0\x18",
               11);
    edge = 0xc000 | (unsigned)(draft.len - 11);
    put_record(&draft, edge, TC_NF_DNS_A, 0x80000001, "\xc0\0\2\2", 4);
    put_record(&draft, QUESTION, TC_NF_DNS_AAAA, 5, "0123456789abcdef", 16);
    put_record(&draft, 0xc010, TC_NF_DNS_A, 5, "\xc0\0\2\3", 4); /* example.com's */
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_true(dns.response);
    assert_int_equal(dns.answers_count, 6);
    assert_int_equal(dns.aliases_ttl_s, 20);
    assert_string_equal(tc_nf_dns_text(&dns, &dns.answers[0]), "cdn.com");
    assert_ipv4(&dns.answers[1], 192, 0, 2, 1);
    assert_int_equal(dns.answers[1].ttl_s, 60);
    assert_string_equal(tc_nf_dns_text(&dns, &dns.answers[1]), "");
    assert_string_equal(tc_nf_dns_text(&dns, &dns.answers[2]), "edge.cdn.com");
    assert_ipv4(&dns.answers[3], 192, 0, 2, 2);
    assert_int_equal(dns.answers[3].ttl_s, 0);
    assert_memory_equal(dns.answers[4].address, "0123456789abcdef", 16);
    for (size_t i = 0; i < 5; i++)
        assert_true(dns.answers[i].belongs);
    assert_false(dns.answers[5].belongs);
}

static void dns_aliases_in_a_circle_end(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    begin(&draft, 0x8180, 2, "a.example", TC_NF_DNS_A);
    put_record(&draft, QUESTION, TC_NF_DNS_CNAME, 9, "\xc0\x0e", 2);
    put_record(&draft, 0xc00e, TC_NF_DNS_CNAME, 8, "\xc0\x0c", 2);
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_true(dns.answers[0].belongs && dns.answers[1].belongs);
    assert_int_equal(dns.aliases_ttl_s, 8);
}

static void dns_shows_the_other_types(void **state)
{
    static const struct {
        uint16_t type;
        const char *data;
        size_t len;
        const char *want;
    } cases[] = {
        {TC_NF_DNS_NS, "\2ns\xc0\x0c", 5, "ns.example.com"},
        {TC_NF_DNS_PTR, "\1H\0", 3, "h"},
        {TC_NF_DNS_MX, "\0\x0a\4mail\xc0\x0c", 9, "10 mail.example.com"},
        {TC_NF_DNS_MX, "\0\0\0", 3, "0 ."},
        {TC_NF_DNS_SRV, "\0\1\0\2\x14\x66\3sip\xc0\x0c", 12, "1 2 5222 sip.example.com"},
        {TC_NF_DNS_TXT, "\6V=Spf1\3 -a", 11, "V=Spf1 -a"},
        {TC_NF_DNS_TXT, "\3a\\\n", 4, "a\\092\\010"},
        {TC_NF_DNS_HTTPS, "\0\1\0", 3, "1 ."},
        {TC_NF_DNS_SVCB, "\0\0\3svc\0", 7, "0 svc"},
        {257, "whatever", 8, ""},
    };
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin(&draft, 0x8180, 1, "example.com", cases[i].type);
        put_record(&draft, QUESTION, cases[i].type, 7, cases[i].data, cases[i].len);
        assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
        assert_int_equal(dns.answers_count, 1);
        assert_int_equal(dns.answers[0].type, cases[i].type);
        assert_int_equal(dns.answers[0].ttl_s, 7);
        assert_false(dns.answers[0].has_address);
        assert_string_equal(tc_nf_dns_text(&dns, &dns.answers[0]), cases[i].want);
    }
}

static void dns_takes_the_hints_of_https(void **state)
{
    static const char data[] = "\0\1\0"
                               "\0\1\0\3\2h2"
                               "\0\4\0\x08\xc0\0\2\1\xc0\0\2\2"
                               "\0\5\0\2xx"
                               "\0\6\0\x10"
                               "0123456789abcdef";
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    begin(&draft, 0x8180, 1, "example.com", TC_NF_DNS_HTTPS);
    put_record(&draft, QUESTION, TC_NF_DNS_HTTPS, 60, data, sizeof(data) - 1);
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_int_equal(dns.answers_count, 4);
    assert_ipv4(&dns.answers[1], 192, 0, 2, 1);
    assert_ipv4(&dns.answers[2], 192, 0, 2, 2);
    assert_memory_equal(dns.answers[3].address, "0123456789abcdef", 16);
    for (size_t i = 0; i < 4; i++) {
        assert_true(dns.answers[i].belongs);
        assert_int_equal(dns.answers[i].type, TC_NF_DNS_HTTPS);
    }
}

static void dns_refuses_what_is_no_message(void **state)
{
    static const struct {
        const char *what, *question;
        size_t len;
    } cases[] = {
        {"a pointer to itself", "\xc0\x0c\0\1\0\1", 6},
        {"a pointer forward", "\xc0\x0e\0\0\1\0\1", 7},
        {"a pointer into the head", "\xc0\x04\0\1\0\1", 6},
        {"a loop behind a label", "\1a\xc0\x0c\0\1\0\1", 8},
        {"a label of 64 bytes", "\x40xxxxx\0\0\1\0\1", 11},
        {"an extended label", "\x80xxxxx\0\0\1\0\1", 11},
    };
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin(&draft, 0, 0, "", 1);
        draft.len = 12;
        put(&draft, cases[i].question, cases[i].len);
        if (parse(draft.bytes, draft.len, &dns) != -EPROTO)
            fail_msg("%s passes for a name", cases[i].what);
    }
    begin(&draft, 0x8180, 1, "example.com", 1);
    put_record(&draft, QUESTION, TC_NF_DNS_A, 1, "xxx", 3);
    assert_int_equal(parse(draft.bytes, draft.len, &dns), -EPROTO);
    begin(&draft, 0x8180, 1, "example.com", 1);
    put_record(&draft, QUESTION, TC_NF_DNS_TXT, 1, "\x09xx", 3);
    assert_int_equal(parse(draft.bytes, draft.len, &dns), -EPROTO);
}

/* Pointers that lead to pointers are followed so far and no farther. */
static void dns_bounds_chains_of_pointers(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    for (unsigned links = 15; links < 17; links++) {
        unsigned last = QUESTION;

        begin(&draft, 0x8180, links + 1, "example.com", 1);
        for (unsigned i = 0; i <= links; i++) {
            unsigned at = 0xc000 | (unsigned)draft.len;

            put_record(&draft, last, TC_NF_DNS_A, 1, "\xc0\0\2\1", 4);
            last = at;
        }
        assert_int_equal(parse(draft.bytes, draft.len, &dns), links < 16 ? 0 : -EPROTO);
    }
}

/* "a.a. ... .a" and a last label; 243 bytes on the wire. */
static void put_long_name(struct draft *draft, const char *last)
{
    for (int i = 0; i < 120; i++)
        PUT(draft, "\1a");
    put_name(draft, last);
}

/* Long names that differ in their last label: comparing them all would take long. */
static void dns_bounds_what_comparing_costs(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft, target = {.len = 0};

    (void)state;
    put_long_name(&target, "c");
    for (unsigned count = 32; count <= TC_NF_DNS_ANSWERS_MAX; count += 32) {
        unsigned owner;

        begin(&draft, 0x8180, count, "", 1);
        draft.len = 12;
        put_long_name(&draft, "q");
        PUT(&draft, "\0\1\0\1");
        put_record(&draft, QUESTION, TC_NF_DNS_CNAME, 1, target.bytes, target.len);
        owner = 0xc000 | (unsigned)draft.len;
        put_long_name(&draft, "o+");
        put_record(&draft, 0, TC_NF_DNS_A, 1, "\xc0\0\2\1", 4);
        memmove(draft.bytes + draft.len - 15, draft.bytes + draft.len - 14, 14);
        draft.len--; /* of the owner's two bytes, the root's is one */
        for (unsigned i = 2; i < count; i++)
            put_record(&draft, owner, TC_NF_DNS_A, 1, "\xc0\0\2\1", 4);
        assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
        assert_int_equal(dns.answers_count, count);
        assert_true(dns.answers[0].belongs);
        assert_false(dns.answers[1].belongs || dns.answers[count - 1].belongs);
        assert_int_equal(dns.cut, count == TC_NF_DNS_ANSWERS_MAX);
    }
}

static void dns_takes_what_is_there_of_a_cut_answer(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft;
    size_t question, record;

    (void)state;
    begin(&draft, 0x8380, 3, "example.com", 1);
    question = draft.len;
    for (int i = 0; i < 3; i++)
        put_record(&draft, QUESTION, TC_NF_DNS_A, 1, "\xc0\0\2\1", 4);
    record = (draft.len - question) / 3;
    for (size_t len = question; len <= draft.len; len++) {
        assert_int_equal(parse(draft.bytes, len, &dns), 0);
        assert_int_equal(dns.answers_count, (len - question) / record);
        assert_int_equal(dns.cut, len < draft.len);
        assert_true(dns.truncated);
        for (size_t i = 0; i < dns.answers_count; i++)
            assert_true(dns.answers[i].belongs);
    }
}

static void dns_keeps_so_many_answers_and_no_more(void **state)
{
    char txt[201] = {(char)200};
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    begin(&draft, 0x8180, TC_NF_DNS_ANSWERS_MAX + 1, "example.com", 1);
    for (int i = 0; i <= TC_NF_DNS_ANSWERS_MAX; i++)
        put_record(&draft, QUESTION, TC_NF_DNS_A, 1, "\xc0\0\2\1", 4);
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_int_equal(dns.answers_count, TC_NF_DNS_ANSWERS_MAX);
    assert_true(dns.cut);

    begin(&draft, 0x8180, 30, "example.com", TC_NF_DNS_TXT);
    memset(txt + 1, 'x', sizeof(txt) - 1);
    for (int i = 0; i < 30; i++)
        put_record(&draft, QUESTION, TC_NF_DNS_TXT, 1, txt, sizeof(txt));
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_int_equal(dns.answers_count, 30);
    assert_true(dns.cut);
    assert_int_equal(strlen(tc_nf_dns_text(&dns, &dns.answers[0])), 200);
    assert_string_equal(tc_nf_dns_text(&dns, &dns.answers[29]), "");
}

static void dns_reads_the_upper_bits_of_the_code(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    begin(&draft, 0x8183, 0, "example.com", 1);
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_int_equal(dns.rcode, 3);
    draft.bytes[11] = 1;
    PUT(&draft, "\0\0\x29\x10\0\1\0\x80\0\0\0"); /* OPT; BADVERS is 16 */
    draft.bytes[3] = 0x80;
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_int_equal(dns.rcode, 16);
    draft.len--; /* what is wrong behind the answers does no harm */
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_int_equal(dns.rcode, 0);
    assert_false(dns.cut);
}

static void dns_takes_other_operations_by_their_question(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    begin(&draft, 0x2800, 1, "example.com", 6); /* an update, without what it says */
    assert_int_equal(parse(draft.bytes, draft.len, &dns), 0);
    assert_int_equal(dns.opcode, 5);
    assert_string_equal(dns.name, "example.com");
    assert_int_equal(dns.answers_count, 0);
}

static void dns_survives_any_byte(void **state)
{
    struct tc_nf_dns dns;
    struct draft draft;

    (void)state;
    begin(&draft, 0x8180, 3, "www.example.com", TC_NF_DNS_HTTPS);
    put_record(&draft, QUESTION, TC_NF_DNS_CNAME, 300, "\3cdn\xc0\x10", 6);
    put_record(&draft, QUESTION, TC_NF_DNS_HTTPS, 60, "\0\1\0\0\4\0\4\xc0\0\2\1", 11);
    put_record(&draft, QUESTION, TC_NF_DNS_SRV, 1, "\0\1\0\2\x14\x66\3sip\xc0\x0c", 12);
    for (size_t i = 0; i < draft.len; i++) {
        uint8_t was = draft.bytes[i];

        for (int value = 0; value < 256; value++) {
            int r;

            draft.bytes[i] = (uint8_t)value;
            r = parse(draft.bytes, draft.len, &dns);
            assert_true(r == 0 || r == -EMSGSIZE || r == -EPROTO);
        }
        draft.bytes[i] = was;
    }
}

static void dns_finds_messages_in_a_stream(void **state)
{
    static const uint8_t stream[] = "\0\3abc\0\0\0\1d\0\12"
                                    "0123456789\0\2";
    size_t len = sizeof(stream) - 1;

    (void)state;
    /* In segments of every length, so that each length stands alone once. */
    for (size_t segment = 1; segment <= len; segment++) {
        char all[64] = "";
        int n = 0;
        uint8_t buf[8];
        struct tc_nf_dns_tcp tcp;

        tc_nf_dns_tcp_init(&tcp, buf, sizeof(buf));
        for (size_t at = 0; at < len; at += segment) {
            size_t part = len - at < segment ? len - at : segment, message_len;
            const uint8_t *data = stream + at;

            while (tc_nf_dns_tcp_next(&tcp, &data, &part, &message_len))
                n += snprintf(all + n, sizeof(all) - (size_t)n, "%.*s|", (int)message_len,
                              (const char *)buf);
            assert_int_equal(part, 0);
        }
        assert_string_equal(all, "abc||d|01234567|");
    }
}

static void dns_reads_what_was_captured_over_udp(void **state)
{
    struct tc_nf_packet packet;
    struct tc_nf_dns dns;
    struct pcap pcap;

    (void)state;
    PCAP_OPEN_OR_SKIP(&pcap, "dns_udp.pcap");
    assert_true(pcap_next_payload(&pcap, 53, &packet));
    assert_int_equal(parse(packet.payload, packet.payload_bytes, &dns), 0);
    assert_false(dns.response);
    assert_string_equal(dns.name, "www.tcpdump.org");
    assert_true(pcap_next_payload(&pcap, 0, &packet));
    assert_int_equal(parse(packet.payload, packet.payload_bytes, &dns), 0);
    assert_true(dns.response);
    assert_int_equal(dns.type, TC_NF_DNS_A);
    assert_int_equal(dns.answers_count, 2);
    assert_ipv4(&dns.answers[0], 192, 139, 46, 66);
    assert_int_equal(dns.answers[0].ttl_s, 60);
    assert_true(dns.answers[0].belongs && dns.answers[1].belongs);
    assert_false(dns.cut);

    PCAP_OPEN_OR_SKIP(&pcap,
                      "dns_udp_2.pcap"); /* the same, cut at its first answer's end */
    assert_true(pcap_next_payload(&pcap, 53, &packet));
    assert_true(pcap_next_payload(&pcap, 0, &packet));
    assert_int_equal(parse(packet.payload, packet.payload_bytes, &dns), 0);
    assert_int_equal(dns.answers_count, 1);
    assert_true(dns.cut);

    PCAP_OPEN_OR_SKIP(&pcap, "edns-opts.pcap");
    for (int i = 0; i < 42; i++) {
        assert_true(pcap_next_payload(&pcap, 0, &packet));
        assert_int_equal(parse(packet.payload, packet.payload_bytes, &dns), 0);
        assert_string_equal(dns.name, "example.com");
        assert_int_equal(dns.rcode, 0);
        assert_int_equal(dns.response, i & 1);
        if (i & 1)
            assert_ipv4(&dns.answers[0], 93, 184, 216, 34);
    }

    PCAP_OPEN_OR_SKIP(&pcap, "dnssec.pcap");
    for (int i = 0; i < 6; i++) {
        assert_true(pcap_next_payload(&pcap, 0, &packet));
        assert_int_equal(parse(packet.payload, packet.payload_bytes, &dns), 0);
        assert_string_equal(dns.name, "monadic.cynic.net");
    }

    PCAP_OPEN_OR_SKIP(&pcap, "dns-uri.pcap");
    for (int i = 0; i < 4; i++) {
        assert_true(pcap_next_payload(&pcap, 0, &packet));
        assert_int_equal(parse(packet.payload, packet.payload_bytes, &dns), 0);
    }
    assert_string_equal(dns.name, "_ftp.dns.test");
    assert_int_equal(dns.rcode, 3);
}

static void dns_reads_what_was_captured_over_tcp(void **state)
{
    struct tc_nf_packet packet;
    struct tc_nf_dns_tcp tcp;
    struct tc_nf_dns dns;
    struct pcap pcap;
    uint8_t buf[1024];
    size_t len;

    (void)state;
    PCAP_OPEN_OR_SKIP(&pcap, "dns_tcp.pcap");
    for (int answer = 0; answer < 2; answer++) {
        const uint8_t *data;

        assert_true(pcap_next_payload(&pcap, 0, &packet));
        tc_nf_dns_tcp_init(&tcp, buf, sizeof(buf));
        data = packet.payload;
        assert_true(tc_nf_dns_tcp_next(&tcp, &data, &packet.payload_bytes, &len));
        assert_int_equal(packet.payload_bytes, 0);
        assert_int_equal(parse(buf, len, &dns), 0);
        assert_string_equal(dns.name, "www.tcpdump.org");
        assert_int_equal(dns.answers_count, answer ? 2 : 0);
    }
    assert_ipv4(&dns.answers[0], 192, 139, 46, 66);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dns_reads_a_question),
        cmocka_unit_test(dns_escapes_what_does_not_print),
        cmocka_unit_test(dns_names_end_at_their_limit),
        cmocka_unit_test(dns_follows_aliases_to_the_addresses),
        cmocka_unit_test(dns_aliases_in_a_circle_end),
        cmocka_unit_test(dns_shows_the_other_types),
        cmocka_unit_test(dns_takes_the_hints_of_https),
        cmocka_unit_test(dns_refuses_what_is_no_message),
        cmocka_unit_test(dns_bounds_chains_of_pointers),
        cmocka_unit_test(dns_bounds_what_comparing_costs),
        cmocka_unit_test(dns_takes_what_is_there_of_a_cut_answer),
        cmocka_unit_test(dns_keeps_so_many_answers_and_no_more),
        cmocka_unit_test(dns_reads_the_upper_bits_of_the_code),
        cmocka_unit_test(dns_takes_other_operations_by_their_question),
        cmocka_unit_test(dns_survives_any_byte),
        cmocka_unit_test(dns_finds_messages_in_a_stream),
        cmocka_unit_test(dns_reads_what_was_captured_over_udp),
        cmocka_unit_test(dns_reads_what_was_captured_over_tcp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
