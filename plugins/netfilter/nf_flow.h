/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what is known of one flow, and its event. A flow begins with a record of the
 * kernel's or with a packet that waits; it is kept until its packet has come, or its
 * first data has named where it goes. Bounded. The reader's thread.
 */
#ifndef TC_NF_FLOW_H
#define TC_NF_FLOW_H

#include <stdbool.h>
#include <stdint.h>
#include <tocsin/event.h>
#define HASH_BKT_CAPACITY_THRESH 3 /* of thousands of flows each is cold in the cache */
#include <uthash.h>

#include "bpf/netfilter_abi.h"
#include "nf_names.h"
#include "nf_process.h"

#define TC_NF_FLOWS_MAX 8192
#define TC_NF_FLOW_KEPT_NS UINT64_C(30000000000) /* without anything of it coming */
#define TC_NF_FLOW_ASKED_NS                                                              \
    UINT64_C(1000000000) /* its packet should have come by then                          \
                          */
#define TC_NF_REASON_TEXT_MAX 512

/* Both ends and the protocol, as packets of the client have them. */
struct tc_nf_flow_key {
    uint8_t source[16], destination[16];
    uint16_t source_port, destination_port;
    uint16_t protocol, unused;
};

struct tc_nf_inspection;

struct tc_nf_flow {
    UT_hash_handle hh;
    struct tc_nf_flow_key key;
    struct tc_nf_flow_record record; /* of one that only a packet showed: made from it */
    struct tc_nf_process *process;   /* NULL: not known */
    uint64_t seen_ns;                /* CLOCK_MONOTONIC */
    uint64_t ticket;                 /* it waits for detectors; 0: it does not */
    uint32_t first_seq;              /* of its data, if there was a SYN */
    bool has_syn;
    bool asked;         /* its first packet has been judged */
    bool refused;       /* and denied */
    bool ambiguous;     /* or it is another's, to the same end */
    bool shown;         /* its data have been inspected */
    bool named_by_data; /* so is `domain` */
    bool ech;           /* the name is its provider's at most */
    char domain[TC_NF_NAME_TEXT_MAX];
    const char *protocol;                /* "tls", "http", "quic"; NULL: not known */
    struct tc_nf_inspection *inspection; /* NULL: none is under way */
};

/* Why a flow was allowed or denied, for its event. */
struct tc_nf_decision {
    bool deny, would_deny, timeout;
    const char *reason;             /* one line; NULL: nothing speaks against it */
    const char *indicator, *source; /* its value, and the list; NULL: none */
};

struct tc_nf_flows {
    struct tc_nf_flow *by_key;
    uint64_t evicted;
};

void tc_nf_flow_free(struct tc_nf_flow *flow); /* one that is in no table; takes NULL */

/* Makes one of a record, with the process's reference; -> table when it has its ports. */
struct tc_nf_flow *tc_nf_flow_new(const struct tc_nf_flow_record *record,
                                  struct tc_nf_process *process);

void tc_nf_flows_done(struct tc_nf_flows *flows);
/* Takes it over. One has to go for it, perhaps: that with the same key, or the oldest;
 * it is the caller's then. */
struct tc_nf_flow *tc_nf_flows_add(struct tc_nf_flows *flows, struct tc_nf_flow *flow);
struct tc_nf_flow *tc_nf_flows_find(struct tc_nf_flows *flows,
                                    const struct tc_nf_flow_key *key);
/* A UDP socket's whose address, or port, too, was not chosen yet when it was reported. */
struct tc_nf_flow *tc_nf_flows_find_unbound(struct tc_nf_flows *flows,
                                            const struct tc_nf_flow_key *key);
void tc_nf_flows_remove(struct tc_nf_flows *flows, struct tc_nf_flow *flow);
void tc_nf_flows_forgive(struct tc_nf_flows *flows); /* none is refused any more */
/* Drops those of which nothing came for too long; of those that nobody was asked about
 * for a while, calls `fn`. */
void tc_nf_flows_age(struct tc_nf_flows *flows, uint64_t now_ns,
                     void (*fn)(void *arg, struct tc_nf_flow *flow), void *arg);

/* What is the same for every event of the sensor. */
struct tc_nf_stamp {
    uint64_t sequence, epoch, time_ns, boot_ns; /* ns since the epoch; epoch in ms */
};

/* network.flow: one event's map. decision NULL: it is what is asked. */
void tc_nf_flow_put(struct tocsin_writer *w, const struct tc_nf_flow *flow,
                    const struct tc_nf_decision *decision,
                    const struct tc_nf_stamp *stamp);

/* "source" or "destination", of an open map. */
void tc_nf_put_end(struct tocsin_writer *w, const char *key, const uint8_t address[16],
                   uint16_t port, const char *domain);
void tc_nf_put_stamp(struct tocsin_writer *w, const struct tc_nf_stamp *stamp);
void tc_nf_address_text(const uint8_t address[16], char ret_text[46]);
bool tc_nf_flow_is_ipv4(const uint8_t address[16]);

#endif
