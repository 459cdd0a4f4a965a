/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the thread that sees flows: it reads what the programs in the kernel report and
 * the packets that wait in the queue, joins them, decides, and hands events to the loop.
 * The queue and its table are made when something needs them, and removed when nothing
 * does. Its parts:
 *
 *   nf_reader.c   the thread; what is called on it
 *   nf_ring.c     records of the programs; answers of name servers
 *   nf_packets.c  packets that wait: whose they are, what becomes of them
 *   nf_means.c    the queue, its watchdog and its table, as they are needed; the monitor
 *   nf_selftest.c the proof that it works
 *   nf_decide.c   indicators, names and principals into a decision
 *
 * Never waits for the loop: what nobody has answered in time is answered by default.
 */
#ifndef TC_NF_READER_H
#define TC_NF_READER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "indicators/nf_indicators.h"
#include "nf_flow.h"
#include "nf_inspect.h"
#include "nf_items.h"
#include "nf_load.h"
#include "nf_names.h"
#include "nf_options.h"
#include "nf_process.h"
#include "nft/nf_monitor.h"
#include "nft/nf_nft.h"
#include "nft/nf_table.h"
#include "queue/nf_log.h"
#include "queue/nf_queue.h"
#include "queue/nf_watchdog.h"
#include "sensor_reader.h"
#include "wire/nf_dns.h"

#define TC_NF_POLL_MS 5   /* between polls while something comes */
#define TC_NF_AWAKE_MS 20 /* without a record before it sleeps */
#define TC_NF_TURN_MS 500 /* at most between two turns, for the watchdog */
#define TC_NF_BATCH 64    /* events before they are handed over */
#define TC_NF_UNDELIVERED 8192
#define TC_NF_UNDELIVERED_BYTES (16u * 1024 * 1024)
#define TC_NF_WAITING_MAX 1024         /* flows that wait for detectors */
#define TC_NF_WAITING_PACKETS 8        /* of each; more are lost */
#define TC_NF_CANARY_PORT 8453         /* of the self-test, on loopback */
#define TC_NF_TICKET_NOBODY UINT64_MAX /* a question, and no packet waits */
#define TC_NF_SELFTEST_WHY_MAX 128
#define TC_NF_DNS_TLS_PORT 853  /* RFC 7858 */
#define TC_NF_EVENT_BYTES 24576 /* paths, a command line, and the rest */
#define TC_NF_SOCKETS_MAX 8192  /* that are remembered by their cookie */

/* Called on the reader's thread; takes the items. */
typedef void (*tc_nf_deliver_fn)(void *arg, struct tc_nf_items *items);

struct tc_nf_reader;

/* Something to be done on the thread. */
struct tc_nf_call {
    STAILQ_ENTRY(tc_nf_call) next;
    void (*run)(struct tc_nf_call *call, struct tc_nf_reader *reader);
};

/* A flow that waits for detectors, with what it sends meanwhile. */
struct tc_nf_waiting {
    UT_hash_handle hh;
    uint64_t ticket;
    uint64_t packets[TC_NF_WAITING_PACKETS]; /* the queue's ids */
    size_t packets_count;
    uint64_t deadline_ns;
    struct tc_nf_flow_key key;
};

/* Which flow a socket is of, for the answers that it gets. */
struct tc_nf_socket_known {
    UT_hash_handle hh;
    uint64_t cookie, netns;
    struct tc_nf_process *process;
    uint32_t pid, uid;
};

enum tc_nf_answer_what {
    TC_NF_ANSWER_ALLOW,
    TC_NF_ANSWER_DENY,
    TC_NF_ANSWER_LATE, /* nobody has judged it in time: as option on_timeout says */
};

struct tc_nf_answer {
    STAILQ_ENTRY(tc_nf_answer) next;
    uint64_t ticket;
    enum tc_nf_answer_what what;
};

/* The proof that it works; see nf_selftest.c. */
struct tc_nf_selftest {
    bool running, passed; /* passed: once, at least */
    uint64_t began_ns, ended_ns, seen;
    char why[TC_NF_SELFTEST_WHY_MAX]; /* of the last, if it failed; under the lock */
};

/* What the loop wants of it; a copy is handed over. */
struct tc_nf_wanted {
    struct tc_nf_indicators *indicators; /* a reference */
    bool decides; /* it may deny, and not only watch: granted, and not passive */
    bool ask;     /* somebody judges flows */
};

/* Read by any thread. */
struct tc_nf_reader_counters {
    atomic_ullong flows, allowed, denied, audited, passed, unattributed, timeouts, full,
        unpublished; /* their events: nobody took them */
    atomic_ullong dns, names, inspected, lost, malformed, table_made, table_taken;
    atomic_uint waiting, kernel_dropped, user_dropped, releases;
    atomic_ullong stale, enobufs, overflows; /* overflows: the table's sets were full */
    atomic_bool queue_open, queue_new, inspecting, selftest_ok;
    atomic_ullong selftest_ns; /* since the epoch */
    atomic_ullong canary_seen; /* packets of the self-test that came through the queue */
};

struct tc_nf_reader {
    const struct tocsin_host *host;
    const struct tc_nf_options *options;
    struct tc_nf_programs *programs; /* NULL: on the lower rung */
    tc_nf_deliver_fn deliver;
    void (*report)(void *arg, const char *key, const char *text, const char *fix);
    void *arg;

    struct tc_sensor_reader base;
    uint8_t canary[4];    /* where the self-test's packets go: 127.x.y.z ... */
    uint16_t canary_port; /* ... and their port; 0: none */
    int canary_fd;        /* -1: none is under way */
    struct tc_nf_selftest selftest;
    int netns; /* of the namespace to be in; -1: as it is */
    struct tc_nf_items items;
    struct tc_nf_processes processes;
    struct tc_nf_flows flows;
    struct tc_nf_inspections inspections;
    uint64_t diag_rest_ns; /* sock_diag is not asked before */
    struct tc_nf_names names;
    struct tc_nf_socket_known *sockets;
    struct tc_nf_waiting *waiting;
    uint64_t last_ticket, sequence, epoch_ms;
    struct tc_nf_wanted wanted;
    bool instructed; /* `wanted` has been set */
    struct tc_nf_dns dns;
    struct tc_nf_view view; /* a decision's texts, until its event is written */
    char reason[TC_NF_REASON_TEXT_MAX];
    uint8_t event[TC_NF_EVENT_BYTES]; /* a flow's, while it is written */
    struct tc_nf_quic_crypto *crypto;
    struct tc_nf_dns_flow *dns_flows; /* answers over TCP */
    uint64_t clock_offset_ns;         /* CLOCK_REALTIME is so much after MONOTONIC */
    uint64_t now_ns, aged_ns, handed_ns, losses_ns;
    bool quiet; /* nothing came in the last turn */

    /* nf_means.c */
    pthread_mutex_t *nft_lock; /* of whatever calls libnftables or opens nfnetlink */
    struct tc_nf_nft nft;
    bool nft_open, table_open;
    bool denied; /* flows are, in the table */
    struct tc_nf_table table;
    struct tc_nf_monitor monitor;
    struct tc_nf_queue *queue;
    struct tc_nf_watchdog *watchdog;
    struct tc_nf_log *log;
    struct tc_nf_tuple *enough;
    size_t enough_count;
    uint64_t retry_ns; /* what could not be made is tried again; 0: nothing is to be */
    uint64_t enough_ns, checked_ns, looked_ns;

    pthread_mutex_t lock; /* of the next two */
    STAILQ_HEAD(, tc_nf_call) calls;
    STAILQ_HEAD(, tc_nf_answer) answers;
    struct tc_nf_reader_counters counters;
};

/* Runs it. Errors: -ENOMEM; those of mmap(2), epoll_create(2), pthread_create(3). */
int tc_nf_reader_start(struct tc_nf_reader *reader, size_t ring_bytes);

/* Reads what is left, lets pass what waits, takes its table away, and ends the thread. */
void tc_nf_reader_stop(struct tc_nf_reader *reader);

/* Has `call` run on the thread, soon; its run owns it. Any thread. */
void tc_nf_reader_call(struct tc_nf_reader *reader, struct tc_nf_call *call);

/* A verdict for a ticket. Any thread. -ENOMEM: it will be answered by default. */
int tc_nf_reader_answer(struct tc_nf_reader *reader, uint64_t ticket,
                        enum tc_nf_answer_what what);

/* Events have been published. Any thread. */
void tc_nf_reader_delivered(struct tc_nf_reader *reader, size_t count, size_t bytes);

/* ---- Among its parts: on the thread. ---- */

/* nf_reader.c */
struct tc_nf_stamp tc_nf_reader_stamp(struct tc_nf_reader *reader, uint64_t mono_ns);
void tc_nf_reader_hand_over(struct tc_nf_reader *reader); /* what is written so far */

/* nf_ring.c */
size_t tc_nf_ring_drain(struct tc_nf_reader *reader);
void tc_nf_ring_losses(struct tc_nf_reader *reader); /* each turn */
/* Publishes a flow as the kernel has decided it. */
void tc_nf_ring_report(struct tc_nf_reader *reader, struct tc_nf_flow *flow);
/* Until its packets come; publishes the one that has to go for it. */
void tc_nf_ring_keep(struct tc_nf_reader *reader, struct tc_nf_flow *flow);
void tc_nf_sockets_done(struct tc_nf_reader *reader);
struct tc_nf_socket_known *tc_nf_sockets_find(struct tc_nf_reader *reader,
                                              uint64_t cookie);

/* nf_packets.c */
size_t tc_nf_packets_drain(struct tc_nf_reader *reader);
void tc_nf_packets_answers(struct tc_nf_reader *reader); /* and those that are late */
void tc_nf_packets_done(struct tc_nf_reader *reader);    /* answers all by default */

/* nf_means.c */
void tc_nf_means_apply(struct tc_nf_reader *reader); /* what is wanted has changed */
void tc_nf_means_turn(struct tc_nf_reader *reader);  /* each turn */
void tc_nf_means_done(struct tc_nf_reader *reader);
void tc_nf_means_enough(struct tc_nf_reader *reader, const struct tc_nf_flow_key *key);
/* What the flow sends next is refused. -errno: it cannot be. */
int tc_nf_means_deny(struct tc_nf_reader *reader, const struct tc_nf_flow_key *key);

/* nf_selftest.c */
void tc_nf_selftest_init(struct tc_nf_reader *reader); /* before it runs */
void tc_nf_selftest_turn(struct tc_nf_reader *reader);
void tc_nf_selftest_again(struct tc_nf_reader *reader); /* at the next turn */
/* Why the last one failed, or "". Any thread. */
void tc_nf_selftest_why(struct tc_nf_reader *reader,
                        char ret_why[TC_NF_SELFTEST_WHY_MAX]);

/* nf_decide.c */
bool tc_nf_decides(const struct tc_nf_reader *reader); /* by indicators and principals */
struct tc_nf_decision tc_nf_decide_record(struct tc_nf_reader *reader,
                                          const struct tc_nf_flow *flow);
struct tc_nf_decision tc_nf_decide_packet(struct tc_nf_reader *reader,
                                          const struct tc_nf_flow *flow);
/* What the names that are known of an address say about it, into the kernel's map. */
void tc_nf_decide_address(struct tc_nf_reader *reader,
                          const struct tc_nf_named_address *address);
void tc_nf_decide_again(struct tc_nf_reader *reader); /* of all: the lists have changed */
/* sensor.gap; lost 0: how many is not known. */
void tc_nf_emit_gap(struct tc_nf_reader *reader, uint64_t lost, const char *reason);
/* Publishes network.flow; ticket 0: nobody waits. decision NULL: it is asked for. */
void tc_nf_emit_flow(struct tc_nf_reader *reader, const struct tc_nf_flow *flow,
                     const struct tc_nf_decision *decision, uint64_t ticket,
                     uint64_t deadline_ns);

#endif
