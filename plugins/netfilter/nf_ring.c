/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: what the programs in the kernel report: flows as they begin, and what name
 * servers answer. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nf_dns_event.h"
#include "nf_reader.h"
#include "wire/nf_packet.h"

#define LOSSES_NS UINT64_C(100000000) /* asking for them costs as much as some flows */

/* ---- Sockets. ---- */

static void forget_socket(struct tc_nf_reader *reader, struct tc_nf_socket_known *socket)
{
    HASH_DEL(reader->sockets, socket);
    tc_nf_process_unref(socket->process);
    free(socket);
}

void tc_nf_sockets_done(struct tc_nf_reader *reader)
{
    struct tc_nf_socket_known *socket, *next;

    HASH_ITER(hh, reader->sockets, socket, next)
    forget_socket(reader, socket);
}

struct tc_nf_socket_known *tc_nf_sockets_find(struct tc_nf_reader *reader,
                                              uint64_t cookie)
{
    struct tc_nf_socket_known *socket;

    HASH_FIND(hh, reader->sockets, &cookie, sizeof(cookie), socket);
    return socket;
}

/* Only those of which answers may come. */
static void remember_socket(struct tc_nf_reader *reader,
                            const struct tc_nf_flow_record *record,
                            struct tc_nf_process *process)
{
    struct tc_nf_socket_known *socket = tc_nf_sockets_find(reader, record->cookie);

    if (record->destination_port != TC_NF_DNS_PORT || !record->cookie)
        return;
    if (socket)
        forget_socket(reader, socket);
    if (HASH_COUNT(reader->sockets) >= TC_NF_SOCKETS_MAX)
        forget_socket(reader, reader->sockets);
    socket = calloc(1, sizeof(*socket));
    if (!socket)
        return;
    socket->cookie = record->cookie;
    socket->netns = record->netns;
    socket->uid = record->uid;
    socket->pid = record->pid;
    socket->process = tc_nf_process_ref(process);
    HASH_ADD(hh, reader->sockets, cookie, sizeof(socket->cookie), socket);
}

/* ---- Flows. ---- */

/* Its packets may come through the queue. Of what is passed, the table knows all but
 * whose it is. */
static bool may_be_queued(const struct tc_nf_reader *reader,
                          const struct tc_nf_flow_record *record)
{
    bool passed = record->flags & TC_NF_PASSED && record->why != TC_NF_WHY_PROCESS &&
                  record->why != TC_NF_WHY_AGENT;

    return reader->counters.queue_open && record->destination_port != TC_NF_DNS_PORT &&
           record->hook != TC_NF_AT_ACCEPT && record->hook != TC_NF_AT_ARRIVE &&
           !(record->flags & TC_NF_DENIED) && !passed;
}

void tc_nf_ring_report(struct tc_nf_reader *reader, struct tc_nf_flow *flow)
{
    const struct tc_nf_decision decision = tc_nf_decide_record(reader, flow);

    tc_nf_emit_flow(reader, flow, &decision, 0, 0);
    flow->asked = true;
}

void tc_nf_ring_keep(struct tc_nf_reader *reader, struct tc_nf_flow *flow)
{
    struct tc_nf_flow *gone = tc_nf_flows_add(&reader->flows, flow);

    if (gone && !gone->asked)
        tc_nf_ring_report(reader, gone);
    tc_nf_flow_free(gone);
}

/* What was reported of it may have been lost, and it may be gone: its name is left. */
static struct tc_nf_process *whose(struct tc_nf_reader *reader,
                                   const struct tc_nf_flow_record *record)
{
    struct tc_nf_process *process;

    if (!record->pid || record->flags & TC_NF_FROM_KERNEL)
        return NULL;
    process =
        tc_nf_processes_find(&reader->processes, (int32_t)record->pid, record->start_ns);
    return process ? process : tc_nf_process_of(record);
}

static void take_flow(struct tc_nf_reader *reader, const struct tc_nf_flow_record *record,
                      size_t len)
{
    struct tc_nf_process *process;
    struct tc_nf_flow *flow;
    const char *name = NULL;
    bool queued;

    if (len < sizeof(*record)) {
        reader->counters.malformed++;
        return;
    }
    process = whose(reader, record);
    flow = tc_nf_flow_new(record, process);
    remember_socket(reader, record, process);
    tc_nf_process_unref(process);
    if (!flow)
        return;
    /* Of who comes in, the far end is the source, which nobody here has looked up. */
    if (record->hook != TC_NF_AT_ACCEPT && record->hook != TC_NF_AT_ARRIVE)
        name = tc_nf_names_find(&reader->names, record->destination, record->netns,
                                record->pid, reader->now_ns);
    if (name)
        snprintf(flow->domain, sizeof(flow->domain), "%s", name);
    queued = may_be_queued(reader, record);
    /* It is judged, and reported, when its first packet comes. */
    if (!queued || !reader->counters.queue_new || record->flags & TC_NF_PASSED)
        tc_nf_ring_report(reader, flow);
    if (queued)
        tc_nf_ring_keep(reader, flow);
    else
        tc_nf_flow_free(flow);
}

/* ---- Name servers. ---- */

/* What has been learned is in force before the event is made. */
static void learn(struct tc_nf_reader *reader, const struct tc_nf_dns *dns,
                  const struct tc_nf_socket_known *socket)
{
    struct tc_nf_name_key key = {.netns = socket ? socket->netns : 0};
    const struct tc_nf_named_address *known;

    if (!socket || !*dns->name)
        return; /* nobody asked for it, that we know of */
    key.who = tc_nf_names_whose(socket->pid, socket->uid);
    for (size_t i = 0; i < dns->answers_count; i++) {
        const struct tc_nf_dns_answer *answer = &dns->answers[i];

        if (!answer->has_address || !answer->belongs)
            continue;
        memcpy(key.address, answer->address, sizeof(key.address));
        known = tc_nf_names_learn(&reader->names, &key, dns->name, answer->ttl_s,
                                  reader->now_ns);
        if (known)
            tc_nf_decide_address(reader, known);
    }
}

static void take_message(struct tc_nf_reader *reader, const uint8_t *message, size_t len,
                         const struct tc_nf_packet *packet,
                         const struct tc_nf_packet_record *record)
{
    struct tc_nf_socket_known *socket = tc_nf_sockets_find(reader, record->cookie);
    struct tc_nf_dns *dns = &reader->dns;
    struct tc_nf_item item = {.topic = TOCSIN_TOPIC_DNS_ANSWERED};
    struct tc_nf_stamp stamp;
    struct tocsin_writer w;

    /* The kernel copies every namespace's: only of one's own are the askers known. */
    if (!socket && reader->programs->control->netns)
        return;
    if (tc_nf_dns_parse(message, len, dns) || !dns->response) {
        reader->counters.malformed++;
        return;
    }
    reader->counters.dns++;
    learn(reader, dns, socket);
    stamp = tc_nf_reader_stamp(reader, record->time_ns);
    item.time_ns = stamp.time_ns;
    tocsin_writer_init_growing(&w);
    tc_nf_dns_put(&w, dns, packet, socket ? socket->process : NULL, &stamp);
    (void)tc_nf_items_add(&reader->items, &item, &w);
    tocsin_writer_done(&w);
}

static void take_packet(struct tc_nf_reader *reader,
                        const struct tc_nf_packet_record *record, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)(record + 1);
    struct tc_nf_packet packet;

    if (len < sizeof(*record) || record->len > len - sizeof(*record) ||
        tc_nf_packet_parse(bytes, record->len, &packet)) {
        reader->counters.malformed++;
        return;
    }
    if (packet.protocol == IPPROTO_UDP)
        take_message(reader, packet.payload, packet.payload_bytes, &packet, record);
    else
        tc_nf_dns_flows_take(&reader->dns_flows, reader, &packet, record, take_message);
}

/* ---- The ring. ---- */

void tc_nf_ring_losses(struct tc_nf_reader *reader)
{
    uint64_t lost;

    if (!reader->programs || reader->now_ns - reader->losses_ns < LOSSES_NS)
        return;
    reader->losses_ns = reader->now_ns;
    lost = tc_nf_lost(reader->programs);
    if (lost == reader->counters.lost)
        return;
    tc_nf_emit_gap(reader, lost - reader->counters.lost, "the ring was full");
    reader->counters.lost = lost;
}

/* What is there when it begins: with what comes meanwhile it might not end, and packets
 * wait. */
size_t tc_nf_ring_drain(struct tc_nf_reader *reader)
{
    struct tc_sensor_ring *ring = &reader->base.ring;
    const void *record;
    unsigned long head;
    size_t n = 0, len;

    if (!reader->programs)
        return 0;
    head = tc_sensor_ring_head(ring);
    while (!tc_sensor_ring_has_read(ring, head) &&
           !tc_sensor_reader_full(&reader->base) &&
           (record = tc_sensor_ring_next(ring, &len)) != NULL) {
        switch (len >= sizeof(uint16_t) ? *(const uint16_t *)record : 0) {
        case TC_NF_FLOW:
            take_flow(reader, record, len);
            break;
        case TC_NF_PROCESS:
            tc_nf_processes_record(&reader->processes, record, len);
            break;
        case TC_NF_PACKET:
            take_packet(reader, record, len);
            break;
        default:
            reader->counters.malformed++;
        }
        tc_sensor_ring_release(ring, record);
        n++;
        if (reader->items.count >= TC_NF_BATCH)
            tc_nf_reader_hand_over(reader);
    }
    return n;
}
