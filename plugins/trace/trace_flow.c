/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_flow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

const char *tc_trace_flow_topic(const struct tc_trace_flow_record *record, size_t len)
{
    if (len < sizeof(*record) || record->kind != TC_TRACE_FLOW ||
        (record->protocol != IPPROTO_TCP && record->protocol != IPPROTO_UDP))
        return NULL;
    switch (record->what) {
    case TC_TRACE_CONNECTED:
        return "network.connected";
    case TC_TRACE_CONNECT_FAILED:
        return "network.connect_failed";
    case TC_TRACE_LISTENING:
        return "network.listening";
    case TC_TRACE_ACCEPTED:
        return "network.accepted";
    case TC_TRACE_BOUND:
        return "network.bound";
    default:
        return NULL;
    }
}

/* IPv4 has the address in its last four bytes (RFC 4291). */
static bool is_mapped(const uint8_t address[16])
{
    static const uint8_t head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return !memcmp(address, head, sizeof(head));
}

static void put_end(struct tocsin_writer *w, const char *key, const uint8_t address[16],
                    uint16_t port)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (is_mapped(address))
        inet_ntop(AF_INET, address + 12, text, sizeof(text));
    else
        inet_ntop(AF_INET6, address, text, sizeof(text));
    tocsin_begin_map(w, key);
    tocsin_put_str(w, "ip", text);
    tocsin_put_uint(w, "port", port);
    tocsin_end(w);
}

/* The source is who has begun: of what was accepted, the other end. */
void tc_trace_flow_put(struct tocsin_writer *w, const struct tc_trace_flow_record *record)
{
    bool accepted = record->what == TC_TRACE_ACCEPTED;
    bool alone = record->what == TC_TRACE_LISTENING || record->what == TC_TRACE_BOUND;

    put_end(w, accepted ? "destination" : "source", record->source, record->source_port);
    if (!alone)
        put_end(w, accepted ? "source" : "destination", record->destination,
                record->destination_port);
    tocsin_begin_map(w, "network");
    tocsin_put_str(w, "transport", record->protocol == IPPROTO_UDP ? "udp" : "tcp");
    tocsin_put_str(w, "type",
                   is_mapped(alone ? record->source : record->destination) ? "ipv4"
                                                                           : "ipv6");
    if (!alone) {
        tocsin_put_str(w, "direction", accepted ? "ingress" : "egress");
        tocsin_put_bool(w, "initiated", !accepted);
    }
    tocsin_end(w);
}
