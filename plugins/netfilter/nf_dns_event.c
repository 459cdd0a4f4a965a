/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_dns_event.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/nf_stream.h"

#define MESSAGE_KEPT 16384 /* bytes of a message over TCP; of a longer one the start */

/* ---- The event. ---- */

static const char *type_name(uint16_t type, char buf[16])
{
    static const struct {
        uint16_t type;
        const char *name;
    } names[] = {{TC_NF_DNS_A, "A"},
                 {TC_NF_DNS_NS, "NS"},
                 {TC_NF_DNS_CNAME, "CNAME"},
                 {6, "SOA"},
                 {TC_NF_DNS_PTR, "PTR"},
                 {TC_NF_DNS_MX, "MX"},
                 {TC_NF_DNS_TXT, "TXT"},
                 {TC_NF_DNS_AAAA, "AAAA"},
                 {TC_NF_DNS_SRV, "SRV"},
                 {TC_NF_DNS_DNAME, "DNAME"},
                 {TC_NF_DNS_SVCB, "SVCB"},
                 {TC_NF_DNS_HTTPS, "HTTPS"},
                 {255, "ANY"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].type == type)
            return names[i].name;
    snprintf(buf, 16, "TYPE%u", type); /* RFC 3597 */
    return buf;
}

static const char *code_name(uint16_t code, char buf[16])
{
    static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                        "NXDOMAIN", "NOTIMP",  "REFUSED"};

    if (code < sizeof(names) / sizeof(names[0]))
        return names[code];
    snprintf(buf, 16, "%u", code);
    return buf;
}

static void put_answers(struct tocsin_writer *w, const struct tc_nf_dns *dns)
{
    char buf[46];

    tocsin_begin_array(w, "answers");
    for (size_t i = 0; i < dns->answers_count; i++) {
        const struct tc_nf_dns_answer *answer = &dns->answers[i];
        const char *data = tc_nf_dns_text(dns, answer);

        tocsin_begin_map(w, NULL);
        if (answer->belongs)
            tocsin_put_str(w, "name", dns->name);
        tocsin_put_str(w, "type", type_name(answer->type, buf));
        tocsin_put_uint(w, "ttl", answer->ttl_s);
        if (answer->has_address) {
            tc_nf_address_text(answer->address, buf);
            data = buf;
        }
        tocsin_put_str(w, "data", data);
        tocsin_end(w);
    }
    tocsin_end(w);
}

static void put_addresses(struct tocsin_writer *w, const struct tc_nf_dns *dns)
{
    char text[46];

    tocsin_begin_array(w, "resolved_ip");
    for (size_t i = 0; i < dns->answers_count; i++) {
        if (!dns->answers[i].has_address || !dns->answers[i].belongs)
            continue;
        tc_nf_address_text(dns->answers[i].address, text);
        tocsin_put_str(w, NULL, text);
    }
    tocsin_end(w);
}

void tc_nf_dns_put(struct tocsin_writer *w, const struct tc_nf_dns *dns,
                   const struct tc_nf_packet *packet, const struct tc_nf_process *process,
                   const struct tc_nf_stamp *stamp)
{
    char buf[16];

    tocsin_begin_map(w, NULL);
    tc_nf_put_stamp(w, stamp);
    tocsin_begin_map(w, "dns");
    tocsin_begin_map(w, "question");
    tocsin_put_str(w, "name", dns->name);
    tocsin_put_str(w, "type", type_name(dns->type, buf));
    tocsin_end(w);
    tocsin_put_str(w, "response_code", code_name(dns->rcode, buf));
    put_answers(w, dns);
    put_addresses(w, dns);
    tocsin_end(w);
    /* The flow is the question's: this machine has begun it. */
    tc_nf_put_end(w, "source", packet->destination, packet->destination_port, NULL);
    tc_nf_put_end(w, "destination", packet->source, packet->source_port, NULL);
    tocsin_begin_map(w, "network");
    tocsin_put_str(w, "transport", packet->protocol == IPPROTO_UDP ? "udp" : "tcp");
    tocsin_put_str(w, "protocol", "dns");
    tocsin_put_str(w, "direction", "egress");
    tocsin_end(w);
    if (process)
        tc_nf_process_put(w, process, stamp->boot_ns);
    tocsin_end(w);
}

/* ---- Over TCP. ---- */

struct tc_nf_dns_flow {
    UT_hash_handle hh;
    uint64_t cookie;
    size_t used; /* bytes of the stream that have been taken in */
    struct tc_nf_dns_tcp tcp;
    struct tc_nf_stream stream;
    uint8_t message[MESSAGE_KEPT];
};

static void forget(struct tc_nf_dns_flow **flows, struct tc_nf_dns_flow *flow)
{
    HASH_DEL(*flows, flow);
    free(flow);
}

void tc_nf_dns_flows_done(struct tc_nf_dns_flow **flows)
{
    while (*flows)
        forget(flows, *flows);
}

static struct tc_nf_dns_flow *begin(struct tc_nf_dns_flow **flows, uint64_t cookie,
                                    const struct tc_nf_packet *packet)
{
    struct tc_nf_dns_flow *flow;

    if (HASH_COUNT(*flows) >= TC_NF_DNS_FLOWS_MAX)
        forget(flows, *flows);
    flow = calloc(1, sizeof(*flow));
    if (!flow)
        return NULL;
    flow->cookie = cookie;
    tc_nf_stream_init(&flow->stream, tc_nf_packet_payload_seq(packet));
    tc_nf_dns_tcp_init(&flow->tcp, flow->message, sizeof(flow->message));
    HASH_ADD(hh, *flows, cookie, sizeof(flow->cookie), flow);
    return flow;
}

void tc_nf_dns_flows_take(struct tc_nf_dns_flow **flows, struct tc_nf_reader *reader,
                          const struct tc_nf_packet *packet,
                          const struct tc_nf_packet_record *record, tc_nf_message_fn fn)
{
    struct tc_nf_dns_flow *flow;
    const uint8_t *data;
    size_t len, message;

    HASH_FIND(hh, *flows, &record->cookie, sizeof(record->cookie), flow);
    if (!flow && (packet->tcp_flags & TC_NF_TCP_SYN || packet->payload_bytes))
        flow = begin(flows, record->cookie, packet);
    if (!flow)
        return;
    if (packet->payload_bytes)
        (void)tc_nf_stream_add(&flow->stream, tc_nf_packet_payload_seq(packet),
                               packet->payload, packet->payload_bytes);
    len = tc_nf_stream_bytes(&flow->stream) - flow->used;
    data = flow->stream.data + flow->used;
    flow->used += len;
    while (tc_nf_dns_tcp_next(&flow->tcp, &data, &len, &message))
        fn(reader, flow->message, message, packet, record);
    if (packet->tcp_flags & (TC_NF_TCP_FIN | TC_NF_TCP_RST) ||
        flow->used == TC_NF_STREAM_MAX)
        forget(flows, flow);
}
