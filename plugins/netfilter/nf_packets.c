/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: packets that wait: whose they are, what becomes of them, and those that wait for
 * detectors. Exactly one verdict for each.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nf_diag.h"
#include "nf_inspect.h"
#include "nf_reader.h"
#include "sensor_clock.h"

#define READ_MAX 64   /* packets at once */
#define HOOK_OUTPUT 3 /* NF_INET_LOCAL_OUT, linux/netfilter.h */

static void verdict(struct tc_nf_reader *reader, uint64_t packet, enum tc_nf_verdict what)
{
    if (packet && reader->queue)
        (void)tc_nf_queue_verdict(reader->queue, packet, what);
}

/* ---- Whose it is. ---- */

static void key_of(const struct tc_nf_packet *packet, struct tc_nf_flow_key *key)
{
    memset(key, 0, sizeof(*key));
    memcpy(key->source, packet->source, 16);
    memcpy(key->destination, packet->destination, 16);
    key->source_port = packet->source_port;
    key->destination_port = packet->destination_port;
    key->protocol = packet->protocol;
}

static void record_of(const struct tc_nf_reader *reader,
                      const struct tc_nf_packet *packet,
                      const struct tc_nf_queued *queued, struct tc_nf_flow_record *record)
{
    memset(record, 0, sizeof(*record));
    record->kind = TC_NF_FLOW;
    record->hook = TC_NF_AT_SYN;
    record->family = packet->family == AF_INET ? 4 : 6;
    record->time_ns = reader->now_ns;
    record->uid = queued->has_uid ? queued->uid : 0;
    record->protocol = packet->protocol;
    record->source_port = packet->source_port;
    record->destination_port = packet->destination_port;
    memcpy(record->source, packet->source, 16);
    memcpy(record->destination, packet->destination, 16);
    if (packet->mptcp)
        record->flags |= TC_NF_MPTCP;
    /* Sent by this host, and by nobody's socket. */
    if (queued->hook == HOOK_OUTPUT && !queued->has_uid)
        record->flags |= TC_NF_FROM_KERNEL;
}

/* The flow is known from its socket, all but the port that it got later. */
static struct tc_nf_flow *adopt(const struct tc_nf_flow *unbound,
                                const struct tc_nf_flow_key *key)
{
    struct tc_nf_flow_record record = unbound->record;
    struct tc_nf_flow *flow;

    memcpy(record.source, key->source, sizeof(record.source));
    record.source_port = key->source_port;
    flow = tc_nf_flow_new(&record, unbound->process);
    if (flow)
        memcpy(flow->domain, unbound->domain, sizeof(flow->domain));
    return flow;
}

/* It may read all of /proc while other packets wait: for a quarter of the time at most.
 * What is forwarded has no socket here. */
static struct tc_nf_process *ask_diag(struct tc_nf_reader *reader,
                                      const struct tc_nf_queued *queued,
                                      const struct tc_nf_flow_key *key)
{
    uint64_t began_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC), ended_ns;
    struct tc_nf_process *process;

    if (queued->hook != HOOK_OUTPUT || began_ns < reader->diag_rest_ns)
        return NULL;
    process = tc_nf_diag_owner(&reader->processes, key);
    ended_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
    reader->diag_rest_ns = ended_ns + 3 * (ended_ns - began_ns);
    return process;
}

static struct tc_nf_flow *only_packet(struct tc_nf_reader *reader,
                                      const struct tc_nf_packet *packet,
                                      const struct tc_nf_queued *queued,
                                      struct tc_nf_process *process)
{
    struct tc_nf_flow_record record;

    record_of(reader, packet, queued, &record);
    /* A program's datagram would have been reported: this is a tunnel's, whatever socket
     * the packet inside it came from. */
    if (!process && reader->programs && queued->hook == HOOK_OUTPUT &&
        packet->protocol == IPPROTO_UDP)
        record.flags |= TC_NF_FROM_KERNEL;
    return tc_nf_flow_new(&record, process);
}

/* Of a socket that was reported before it had its port, or of one that was not. */
static struct tc_nf_flow *new_flow(struct tc_nf_reader *reader,
                                   const struct tc_nf_packet *packet,
                                   const struct tc_nf_queued *queued,
                                   const struct tc_nf_flow_key *key)
{
    struct tc_nf_flow *unbound = tc_nf_flows_find_unbound(&reader->flows, key), *flow;
    struct tc_nf_process *process = NULL;

    if (unbound && queued->has_uid && queued->uid != unbound->record.uid)
        unbound = NULL;
    if (!unbound || unbound->ambiguous)
        process = ask_diag(reader, queued, key);
    if (!unbound || (process && process != unbound->process)) {
        flow = only_packet(reader, packet, queued, process);
    } else {
        flow = adopt(unbound, key);
        tc_nf_flows_remove(&reader->flows, unbound);
    }
    tc_nf_process_unref(process);
    return flow;
}

/* A SYN of a connection after the one that the flow is of. */
static bool is_another(const struct tc_nf_flow *flow, const struct tc_nf_packet *packet)
{
    return packet->protocol == IPPROTO_TCP && packet->tcp_flags & TC_NF_TCP_SYN &&
           flow->has_syn && flow->first_seq != tc_nf_packet_payload_seq(packet);
}

static struct tc_nf_flow *find_flow(struct tc_nf_reader *reader,
                                    const struct tc_nf_packet *packet,
                                    const struct tc_nf_queued *queued)
{
    struct tc_nf_flow_key key;
    struct tc_nf_flow *flow;
    const char *name;

    key_of(packet, &key);
    flow = tc_nf_flows_find(&reader->flows, &key);
    if (flow && !is_another(flow, packet))
        return flow;
    if (flow && !flow->asked)
        tc_nf_ring_report(reader, flow);
    if (flow)
        tc_nf_flows_remove(&reader->flows, flow);
    flow = new_flow(reader, packet, queued, &key);
    if (!flow)
        return NULL;
    name = *flow->domain
               ? NULL
               : tc_nf_names_find(&reader->names, key.destination, flow->record.netns,
                                  flow->record.pid, reader->now_ns);
    if (name)
        snprintf(flow->domain, sizeof(flow->domain), "%s", name);
    tc_nf_ring_keep(reader, flow);
    return flow;
}

/* ---- Waiting for detectors. ---- */

/* What the kernel sends waits for nobody. */
static bool must_wait(const struct tc_nf_reader *reader, const struct tc_nf_flow *flow,
                      const struct tc_nf_decision *decision, uint64_t packet)
{
    return packet && !(flow->record.flags & TC_NF_FROM_KERNEL) && !decision->deny &&
           reader->wanted.ask && reader->wanted.decides;
}

static bool wait_for_verdict(struct tc_nf_reader *reader, struct tc_nf_flow *flow,
                             uint64_t packet)
{
    struct tc_nf_waiting *waiting = HASH_COUNT(reader->waiting) < TC_NF_WAITING_MAX
                                        ? calloc(1, sizeof(*waiting))
                                        : NULL;

    if (!waiting)
        return false;
    waiting->ticket = flow->ticket = ++reader->last_ticket;
    waiting->packets[waiting->packets_count++] = packet;
    waiting->deadline_ns = reader->now_ns + reader->options->budget_ns;
    waiting->key = flow->key;
    HASH_ADD(hh, reader->waiting, ticket, sizeof(waiting->ticket), waiting);
    tc_nf_emit_flow(reader, flow, NULL, waiting->ticket, waiting->deadline_ns);
    return true;
}

/* What a flow that waits sends, perhaps the same again, waits with it. */
static void wait_too(struct tc_nf_reader *reader, const struct tc_nf_flow *flow,
                     uint64_t packet)
{
    struct tc_nf_waiting *waiting;

    HASH_FIND(hh, reader->waiting, &flow->ticket, sizeof(flow->ticket), waiting);
    if (waiting && waiting->packets_count < TC_NF_WAITING_PACKETS)
        waiting->packets[waiting->packets_count++] = packet;
    else
        verdict(reader, packet, TC_NF_VERDICT_DROP);
}

/*
 * Through the rules once more, of which one refuses it now, so that the program knows at
 * once. Where that cannot be it is dropped; and so is one that has come back all the
 * same, or it would go round for ever.
 */
static void refuse(struct tc_nf_reader *reader, const struct tc_nf_flow_key *key,
                   bool again, uint64_t packet)
{
    bool drop = again || tc_nf_means_deny(reader, key);

    verdict(reader, packet, drop ? TC_NF_VERDICT_DROP : TC_NF_VERDICT_REPEAT);
}

static void deny(struct tc_nf_reader *reader, struct tc_nf_flow *flow, uint64_t packet)
{
    refuse(reader, &flow->key, flow->refused, packet);
    flow->refused = true;
}

/* The flow is the one that waited, unless it is forgotten, or another has its ends. */
static struct tc_nf_flow *no_longer_waits(struct tc_nf_reader *reader,
                                          struct tc_nf_waiting *waiting)
{
    struct tc_nf_flow *flow = tc_nf_flows_find(&reader->flows, &waiting->key);

    HASH_DEL(reader->waiting, waiting);
    if (!flow || flow->ticket != waiting->ticket)
        return NULL;
    flow->ticket = 0;
    return flow;
}

static void answered(struct tc_nf_reader *reader, struct tc_nf_waiting *waiting,
                     bool allow)
{
    struct tc_nf_flow *flow = no_longer_waits(reader, waiting);

    for (size_t i = 0; i < waiting->packets_count; i++)
        if (allow)
            verdict(reader, waiting->packets[i], TC_NF_VERDICT_ACCEPT);
        else
            refuse(reader, &waiting->key, i > 0, waiting->packets[i]);
    if (flow)
        flow->refused = !allow;
    free(waiting);
}

/* They lie in the order of their deadlines. Nobody else reports what becomes of them. */
static void answer_late(struct tc_nf_reader *reader)
{
    const struct tc_nf_decision decision = {.deny = reader->options->on_timeout_deny,
                                            .timeout = true,
                                            .reason = "nobody has judged it in time"};
    const struct tc_nf_flow *flow;

    while (reader->waiting && reader->waiting->deadline_ns <= reader->now_ns) {
        reader->counters.timeouts++;
        flow = tc_nf_flows_find(&reader->flows, &reader->waiting->key);
        if (flow && flow->ticket == reader->waiting->ticket)
            tc_nf_emit_flow(reader, flow, &decision, 0, 0);
        answered(reader, reader->waiting, !decision.deny);
    }
}

void tc_nf_packets_answers(struct tc_nf_reader *reader)
{
    STAILQ_HEAD(, tc_nf_answer) answers = STAILQ_HEAD_INITIALIZER(answers);
    struct tc_nf_waiting *waiting;
    struct tc_nf_answer *answer;

    pthread_mutex_lock(&reader->lock);
    STAILQ_CONCAT(&answers, &reader->answers);
    pthread_mutex_unlock(&reader->lock);
    while ((answer = STAILQ_FIRST(&answers)) != NULL) {
        STAILQ_REMOVE_HEAD(&answers, next);
        HASH_FIND(hh, reader->waiting, &answer->ticket, sizeof(answer->ticket), waiting);
        reader->counters.timeouts += waiting && answer->what == TC_NF_ANSWER_LATE;
        if (waiting)
            answered(reader, waiting,
                     answer->what == TC_NF_ANSWER_LATE
                         ? !reader->options->on_timeout_deny
                         : answer->what == TC_NF_ANSWER_ALLOW);
        free(answer);
    }
    answer_late(reader);
}

void tc_nf_packets_done(struct tc_nf_reader *reader)
{
    while (reader->waiting)
        answered(reader, reader->waiting, true); /* who stops holds nobody up */
}

/* ---- What becomes of it. ---- */

/* The first packet of a flow, or the one that has named it. */
static void judge(struct tc_nf_reader *reader, struct tc_nf_flow *flow, uint64_t packet)
{
    struct tc_nf_decision decision = tc_nf_decide_packet(reader, flow);

    flow->asked = true;
    if (must_wait(reader, flow, &decision, packet)) {
        if (wait_for_verdict(reader, flow, packet))
            return;
        reader->counters.full++;
        decision.timeout = true;
        decision.deny = reader->options->on_timeout_deny;
        decision.reason = "too many flows wait for detectors";
    }
    tc_nf_emit_flow(reader, flow, &decision, 0, 0);
    if (decision.deny)
        deny(reader, flow, packet);
    else
        verdict(reader, packet, TC_NF_VERDICT_ACCEPT);
}

static bool is_inspected(const struct tc_nf_reader *reader,
                         const struct tc_nf_packet *packet)
{
    const struct tc_nf_options *options = reader->options;
    bool tcp = packet->protocol == IPPROTO_TCP;
    const uint16_t *ports = tcp ? options->tcp_inspected : options->udp_inspected;
    size_t count = tcp ? options->tcp_inspected_count : options->udp_inspected_count;

    if (!reader->counters.inspecting || (!tcp && packet->protocol != IPPROTO_UDP))
        return false;
    for (size_t i = 0; i < count; i++)
        if (ports[i] == packet->destination_port)
            return true;
    return false;
}

/* Looks into the packet. True: the flow has now shown all that it will. */
static bool inspect(struct tc_nf_reader *reader, struct tc_nf_flow *flow,
                    const struct tc_nf_packet *packet)
{
    struct tc_nf_inspected found = {.protocol = NULL};

    if (!flow->inspection)
        (void)tc_nf_inspection_begin(
            &reader->inspections, packet->protocol == IPPROTO_TCP,
            flow->has_syn ? flow->first_seq : tc_nf_packet_payload_seq(packet),
            &flow->inspection);
    if (flow->inspection && tc_nf_inspection_take(flow->inspection, reader->crypto,
                                                  packet, &found) == -EAGAIN)
        return false;
    flow->shown = true;
    tc_nf_means_enough(reader, &flow->key);
    if (!flow->inspection)
        return true;
    tc_nf_inspection_end(flow->inspection);
    flow->protocol = found.protocol;
    flow->ech = found.ech;
    flow->named_by_data = *found.name;
    if (*found.name)
        snprintf(flow->domain, sizeof(flow->domain), "%s", found.name);
    reader->counters.inspected++;
    return true;
}

/* What the table cannot pass, since it does not know whose it is. */
static bool is_passed(const struct tc_nf_reader *reader, const struct tc_nf_flow *flow)
{
    return flow->record.flags & TC_NF_PASSED ||
           (flow->process && reader->host->is_agent(reader->host, flow->process->pid));
}

/* A SYN: its data are to come. */
static void note_syn(struct tc_nf_flow *flow, const struct tc_nf_packet *packet)
{
    if (packet->protocol != IPPROTO_TCP || !(packet->tcp_flags & TC_NF_TCP_SYN))
        return;
    flow->has_syn = true;
    flow->first_seq = tc_nf_packet_payload_seq(packet);
}

static void take(struct tc_nf_reader *reader, const struct tc_nf_packet *packet,
                 const struct tc_nf_queued *queued)
{
    struct tc_nf_flow *flow = find_flow(reader, packet, queued);
    bool named = false;

    if (!flow || is_passed(reader, flow)) {
        if (flow)
            tc_nf_means_enough(reader, &flow->key);
        verdict(reader, queued->id, TC_NF_VERDICT_ACCEPT);
        return;
    }
    flow->seen_ns = reader->now_ns;
    note_syn(flow, packet);
    if (flow->ticket) {
        wait_too(reader, flow, queued->id);
        return;
    }
    if (flow->refused) {
        deny(reader, flow, queued->id);
        return;
    }
    if (packet->payload_bytes && !flow->shown && is_inspected(reader, packet))
        named = inspect(reader, flow, packet) && flow->protocol;
    if (named || !flow->asked)
        judge(reader, flow, queued->id);
    else
        verdict(reader, queued->id, TC_NF_VERDICT_ACCEPT);
}

/* The self-test's own: it counts, and goes its way. */
static bool is_canary(struct tc_nf_reader *reader, const struct tc_nf_packet *packet)
{
    const uint8_t *address = reader->canary;

    if (packet->protocol != IPPROTO_UDP || !reader->canary_port ||
        packet->destination_port != reader->canary_port ||
        packet->source_port != reader->canary_port ||
        memcmp(packet->source + 12, address, 4) != 0 ||
        memcmp(packet->destination + 12, address, 4) != 0)
        return false;
    reader->counters.canary_seen++;
    return true;
}

static void on_packet(void *arg, const struct tc_nf_queued *queued)
{
    struct tc_nf_reader *reader = arg;
    struct tc_nf_packet packet;

    /* What the kernel reported of a flow was there before its packet was. */
    tc_nf_ring_drain(reader);
    if (tc_nf_packet_parse(queued->payload, queued->len, &packet)) {
        reader->counters.malformed++;
        verdict(reader, queued->id, TC_NF_VERDICT_ACCEPT);
    } else if (is_canary(reader, &packet)) {
        /* One is refused, the next one is not. */
        verdict(reader, queued->id,
                reader->counters.canary_seen % 2 ? TC_NF_VERDICT_DROP
                                                 : TC_NF_VERDICT_ACCEPT);
    } else {
        take(reader, &packet, queued);
    }
}

size_t tc_nf_packets_drain(struct tc_nf_reader *reader)
{
    int n = 0;

    if (reader->queue)
        n = tc_nf_queue_read(reader->queue, on_packet, reader, READ_MAX);
    else if (reader->log)
        n = tc_nf_log_read(reader->log, on_packet, reader, READ_MAX);
    return n > 0 ? (size_t)n : 0;
}
