/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a DNS message asks and answers (RFC 1035, 2782, 6891, 9460), and messages
 * out of a flow of TCP. Pure. Names are text in lower case, as resolvers compare them (a
 * question may come back in the case that it was asked in), without the last dot; the
 * root is ".". Bytes that are not printable, and blanks, dots and backslashes inside a
 * label, are \DDD.
 */
#ifndef TC_NF_DNS_H
#define TC_NF_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_NF_DNS_PORT 53
#define TC_NF_DNS_NAME_BYTES 1005 /* 255 on the wire, all escaped, with the NUL */
#define TC_NF_DNS_ANSWERS_MAX 64
#define TC_NF_DNS_TEXTS_BYTES 4096 /* of all answers together */
#define TC_NF_DNS_ALIASES_MAX 16   /* CNAMEs followed, as resolvers do */
#define TC_NF_DNS_MESSAGE_MAX 65535

enum tc_nf_dns_type {
    TC_NF_DNS_A = 1,
    TC_NF_DNS_NS = 2,
    TC_NF_DNS_CNAME = 5,
    TC_NF_DNS_PTR = 12,
    TC_NF_DNS_MX = 15,
    TC_NF_DNS_TXT = 16,
    TC_NF_DNS_AAAA = 28,
    TC_NF_DNS_SRV = 33,
    TC_NF_DNS_DNAME = 39,
    TC_NF_DNS_OPT = 41,
    TC_NF_DNS_SVCB = 64,
    TC_NF_DNS_HTTPS = 65,
};

struct tc_nf_dns_answer {
    uint16_t type;
    /* Its owner is the question's name, or what CNAMEs lead to from there: an address is
     * one of the host that was asked for. */
    bool belongs;
    bool has_address;    /* A, AAAA, and each hint of HTTPS and SVCB */
    uint8_t address[16]; /* in network order, IPv4 mapped */
    uint32_t ttl_s;
    uint16_t text; /* where in `texts` the rest stands; see tc_nf_dns_text() */
};

struct tc_nf_dns {
    uint16_t id;
    bool response;
    bool truncated; /* by the server (TC): the client will ask again over TCP */
    bool cut;       /* there were more answers than are here: the message was cut, or a
                       limit of these was met */
    uint8_t opcode; /* 0: a query; only its answers are read */
    uint16_t rcode; /* with EDNS's upper bits where OPT is there */
    uint16_t type, class;   /* of the question; 0: it has none */
    uint32_t aliases_ttl_s; /* the least of the CNAMEs followed; none: UINT32_MAX */
    uint16_t answers_count;
    struct tc_nf_dns_answer answers[TC_NF_DNS_ANSWERS_MAX];
    char name[TC_NF_DNS_NAME_BYTES]; /* of the question; none: "" */
    uint16_t texts_bytes;
    char texts[TC_NF_DNS_TEXTS_BYTES];
};

/*
 * A message without TCP's length. It may be cut short behind the question: what is there
 * of the answers is taken. Errors, `ret` then holds nothing: -EMSGSIZE, it ends before;
 * -EPROTO, no DNS message.
 */
int tc_nf_dns_parse(const uint8_t *data, size_t len, struct tc_nf_dns *ret);

/*
 * The answer in words: the name of CNAME, DNAME, NS and PTR, "10 mail.example" of MX, "0
 * 5 5060 host.example" of SRV, "1 target.example" of HTTPS and SVCB, the strings of TXT
 * one behind the other. "": an address, or a type that is none of these, or there was no
 * room.
 */
static inline const char *tc_nf_dns_text(const struct tc_nf_dns *dns,
                                         const struct tc_nf_dns_answer *answer)
{
    return dns->texts + answer->text;
}

/*
 * Messages out of one direction of a TCP flow, whose bytes are given in order and once
 * (tc_nf_stream sees to that). The buffer is the caller's; of a message that is longer
 * the start is kept, which tc_nf_dns_parse() takes.
 */
struct tc_nf_dns_tcp {
    uint8_t *buf;
    size_t size;
    size_t have; /* bytes of this message seen, with those of its length */
    size_t want; /* its length, once both bytes of that were seen */
};

void tc_nf_dns_tcp_init(struct tc_nf_dns_tcp *tcp, void *buf, size_t size);

/*
 * Takes in from *data on, moving it, until a message is whole: true, *ret_len bytes of it
 * are in the buffer until the next call. False: all was taken in. So:
 *     while (tc_nf_dns_tcp_next(&tcp, &data, &len, &message_len))
 *         tc_nf_dns_parse(tcp.buf, message_len, &dns);
 */
bool tc_nf_dns_tcp_next(struct tc_nf_dns_tcp *tcp, const uint8_t **data, size_t *len,
                        size_t *ret_len);

#endif
