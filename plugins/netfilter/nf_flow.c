/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_flow.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nf_inspect.h"

void tc_nf_flow_free(struct tc_nf_flow *flow)
{
    if (!flow)
        return;
    tc_nf_process_unref(flow->process);
    tc_nf_inspection_end(flow->inspection);
    free(flow);
}

struct tc_nf_flow *tc_nf_flow_new(const struct tc_nf_flow_record *record,
                                  struct tc_nf_process *process)
{
    struct tc_nf_flow *flow = calloc(1, sizeof(*flow));

    if (!flow)
        return NULL;
    flow->record = *record;
    flow->process = tc_nf_process_ref(process);
    flow->seen_ns = record->time_ns;
    memcpy(flow->key.source, record->source, 16);
    memcpy(flow->key.destination, record->destination, 16);
    flow->key.source_port = record->source_port;
    flow->key.destination_port = record->destination_port;
    flow->key.protocol = record->protocol;
    return flow;
}

/* ---- The table. ---- */

void tc_nf_flows_remove(struct tc_nf_flows *flows, struct tc_nf_flow *flow)
{
    assert(flows->by_key);
    HASH_DEL(flows->by_key, flow);
    tc_nf_flow_free(flow);
}

void tc_nf_flows_done(struct tc_nf_flows *flows)
{
    struct tc_nf_flow *flow, *next;

    HASH_ITER(hh, flows->by_key, flow, next)
    tc_nf_flows_remove(flows, flow);
}

struct tc_nf_flow *tc_nf_flows_find(struct tc_nf_flows *flows,
                                    const struct tc_nf_flow_key *key)
{
    struct tc_nf_flow *flow;

    HASH_FIND(hh, flows->by_key, key, sizeof(*key), flow);
    return flow;
}

struct tc_nf_flow *tc_nf_flows_find_unbound(struct tc_nf_flows *flows,
                                            const struct tc_nf_flow_key *key)
{
    struct tc_nf_flow_key unbound = *key;
    struct tc_nf_flow *flow;

    memset(unbound.source, 0, sizeof(unbound.source));
    flow = tc_nf_flows_find(flows, &unbound); /* sendto(2) has chosen the port */
    if (flow)
        return flow;
    unbound.source_port = 0;
    return tc_nf_flows_find(flows, &unbound);
}

struct tc_nf_flow *tc_nf_flows_add(struct tc_nf_flows *flows, struct tc_nf_flow *flow)
{
    struct tc_nf_flow *gone = tc_nf_flows_find(flows, &flow->key);

    if (gone) {
        /* Two sockets that have no port yet: whose packet comes first is not known. */
        flow->ambiguous = !flow->key.source_port && !gone->asked &&
                          (gone->ambiguous || gone->process != flow->process);
    } else if (HASH_COUNT(flows->by_key) >= TC_NF_FLOWS_MAX) {
        gone = flows->by_key;
        flows->evicted++;
    }
    if (gone)
        HASH_DEL(flows->by_key, gone);
    HASH_ADD(hh, flows->by_key, key, sizeof(flow->key), flow);
    return gone;
}

void tc_nf_flows_forgive(struct tc_nf_flows *flows)
{
    for (struct tc_nf_flow *flow = flows->by_key; flow; flow = flow->hh.next)
        flow->refused = false;
}

void tc_nf_flows_age(struct tc_nf_flows *flows, uint64_t now_ns,
                     void (*fn)(void *arg, struct tc_nf_flow *flow), void *arg)
{
    struct tc_nf_flow *flow, *next;

    HASH_ITER(hh, flows->by_key, flow, next)
    {
        if (!flow->asked && flow->seen_ns + TC_NF_FLOW_ASKED_NS < now_ns)
            fn(arg, flow);
        if (flow->seen_ns + TC_NF_FLOW_KEPT_NS < now_ns)
            tc_nf_flows_remove(flows, flow);
    }
}

/* ---- Its event. ---- */

/* IPv4 has the address in its last four bytes (RFC 4291). */
bool tc_nf_flow_is_ipv4(const uint8_t address[16])
{
    static const uint8_t head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return !memcmp(address, head, sizeof(head));
}

void tc_nf_address_text(const uint8_t address[16], char ret_text[46])
{
    if (tc_nf_flow_is_ipv4(address))
        inet_ntop(AF_INET, address + 12, ret_text, 46);
    else
        inet_ntop(AF_INET6, address, ret_text, 46);
}

void tc_nf_put_end(struct tocsin_writer *w, const char *key, const uint8_t address[16],
                   uint16_t port, const char *domain)
{
    static const uint8_t none[16];
    char text[46];

    tocsin_begin_map(w, key);
    if (memcmp(address, none, sizeof(none)) != 0) {
        tc_nf_address_text(address, text);
        tocsin_put_str(w, "ip", text);
    }
    if (port)
        tocsin_put_uint(w, "port", port);
    if (domain && *domain)
        tocsin_put_str(w, "domain", domain);
    tocsin_end(w);
}

void tc_nf_put_stamp(struct tocsin_writer *w, const struct tc_nf_stamp *stamp)
{
    tocsin_put_uint(w, TOCSIN_FIELD_TIMESTAMP, stamp->time_ns);
    tocsin_begin_map(w, "event");
    tocsin_put_uint(w, "sequence", stamp->sequence);
    tocsin_end(w);
    tocsin_put_str(w, TOCSIN_FIELD_SENSOR, "netfilter");
    tocsin_put_uint(w, TOCSIN_FIELD_EPOCH, stamp->epoch);
}

static const char *transport_of(const struct tc_nf_flow_record *record)
{
    if (record->flags & TC_NF_MPTCP)
        return "mptcp";
    switch (record->protocol) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_SCTP:
        return "sctp";
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return "icmp";
    case IPPROTO_UDPLITE:
        return "udplite";
    default:
        return "other";
    }
}

static bool is_incoming(const struct tc_nf_flow_record *record)
{
    return record->hook == TC_NF_AT_ACCEPT || record->hook == TC_NF_AT_ARRIVE;
}

static const char *passed_as(uint8_t why)
{
    static const char *const names[] = {
        [TC_NF_WHY_LOOPBACK] = "loopback", [TC_NF_WHY_PORT] = "port",
        [TC_NF_WHY_NETWORK] = "network",   [TC_NF_WHY_PROCESS] = "process",
        [TC_NF_WHY_USER] = "user",         [TC_NF_WHY_AGENT] = "agent"};

    return why < sizeof(names) / sizeof(names[0]) ? names[why] : NULL;
}

static void put_network(struct tocsin_writer *w, const struct tc_nf_flow *flow)
{
    tocsin_begin_map(w, "network");
    tocsin_put_str(w, "transport", transport_of(&flow->record));
    tocsin_put_str(w, "type",
                   tc_nf_flow_is_ipv4(flow->record.destination) ? "ipv4" : "ipv6");
    tocsin_put_str(w, "direction", is_incoming(&flow->record) ? "ingress" : "egress");
    if (flow->protocol)
        tocsin_put_str(w, "protocol", flow->protocol);
    tocsin_end(w);
}

static void put_flow(struct tocsin_writer *w, const struct tc_nf_flow *flow)
{
    const struct tc_nf_flow_record *record = &flow->record;

    tocsin_begin_map(w, "flow");
    if (record->cookie)
        tocsin_put_uint(w, "id", record->cookie);
    if (record->netns)
        tocsin_put_uint(w, "network_namespace", record->netns);
    tocsin_put_bool(w, "attributed", flow->process != NULL);
    if (record->flags & TC_NF_FROM_KERNEL && !is_incoming(record))
        tocsin_put_bool(w, "kernel", true);
    if (record->flags & TC_NF_PASSED)
        tocsin_put_str(w, "passed", passed_as(record->why));
    if (record->repeated)
        tocsin_put_uint(w, "repeated", record->repeated);
    if (flow->ech)
        tocsin_put_bool(w, "encrypted_name", true);
    tocsin_end(w);
}

static void put_decision(struct tocsin_writer *w, const struct tc_nf_decision *decision)
{
    tocsin_put_str(w, TOCSIN_FIELD_DECISION, decision->deny ? "deny" : "allow");
    if (decision->would_deny)
        tocsin_put_bool(w, "would_deny", true);
    if (decision->timeout)
        tocsin_put_bool(w, "timeout", true);
    if (decision->reason)
        tocsin_put_str(w, TOCSIN_FIELD_REASON, decision->reason);
    if (!decision->indicator)
        return;
    tocsin_begin_map(w, "indicator");
    tocsin_put_str(w, "value", decision->indicator);
    tocsin_put_str(w, "source", decision->source);
    tocsin_end(w);
}

void tc_nf_flow_put(struct tocsin_writer *w, const struct tc_nf_flow *flow,
                    const struct tc_nf_decision *decision,
                    const struct tc_nf_stamp *stamp)
{
    const struct tc_nf_flow_record *record = &flow->record;

    tocsin_begin_map(w, NULL);
    tc_nf_put_stamp(w, stamp);
    tc_nf_put_end(w, "source", record->source, record->source_port, NULL);
    tc_nf_put_end(w, "destination", record->destination, record->destination_port,
                  flow->domain);
    put_network(w, flow);
    put_flow(w, flow);
    if (decision)
        put_decision(w, decision);
    if (flow->process)
        tc_nf_process_put(w, flow->process, stamp->boot_ns);
    tocsin_end(w);
}
