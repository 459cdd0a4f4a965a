/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what a name server has answered, as the event dns.answered; and answers that come
 * over TCP, put together from their segments. The reader's thread.
 */
#ifndef TC_NF_DNS_EVENT_H
#define TC_NF_DNS_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "nf_flow.h"
#include "wire/nf_dns.h"
#include "wire/nf_packet.h"

#define TC_NF_DNS_FLOWS_MAX 64 /* over TCP at one time; the oldest goes */

struct tc_nf_reader;
struct tc_nf_dns_flow;

/* dns.answered: one event's map. `packet` is the answer's; `process` may be NULL. */
void tc_nf_dns_put(struct tocsin_writer *w, const struct tc_nf_dns *dns,
                   const struct tc_nf_packet *packet, const struct tc_nf_process *process,
                   const struct tc_nf_stamp *stamp);

typedef void (*tc_nf_message_fn)(struct tc_nf_reader *reader, const uint8_t *message,
                                 size_t len, const struct tc_nf_packet *packet,
                                 const struct tc_nf_packet_record *record);

/* Takes a segment from a name server, and calls `fn` for each message that is whole. */
void tc_nf_dns_flows_take(struct tc_nf_dns_flow **flows, struct tc_nf_reader *reader,
                          const struct tc_nf_packet *packet,
                          const struct tc_nf_packet_record *record, tc_nf_message_fn fn);
void tc_nf_dns_flows_done(struct tc_nf_dns_flow **flows);

#endif
