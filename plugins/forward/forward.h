/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugin forward: what the journal records goes on to where operators look: files, the
 * systemd journal, syslog, HTTP receivers. It decides nothing and delays nobody.
 *
 *      bus ("there is something")           journal.db
 *             |                                 |  read only, by its place
 *        loop thread -- eventfd --> forwarder --+--> spool.db --> sinks, a batch each
 *                                   (a thread)        |
 *                                                     place, cursors, dead letters
 *
 * How nothing is lost: the spool is fed from the journal alone, in the transaction that
 * notes how far it was read, so an agent that is killed goes on where it was. Each sink
 * has a cursor into the spool, moved when the receiver has acknowledged; an event goes
 * when all cursors are past it. What is sent twice for that has the same id, made of the
 * event itself. The spool is bounded: when it is full the oldest go, counted and told.
 * What a receiver refuses for good is kept apart (dead letters), so that it holds up
 * nothing.
 *
 * The loop thread has the plugin's life, requests and reports. All else is the
 * forwarder's, which may block: TLS handshakes, certificates and disks are not for the
 * thread that verdicts wait for. One mutex, for what is asked of it and told by it.
 *
 *   forward.c     descriptor, options, life
 *   fw_deliver.c  the forwarder's loop: journal, batches, acknowledgements, back-off
 *   fw_tell.c     requests and their answers, what health is told
 *
 * Below them: send/ (fw_sink.h, a file a kind), spool/ (spool and journal), format/ (ECS,
 * OCSF, CEF), base/ (settings, events, JSON). Kafka is left out: its library would be the
 * largest part of the agent, and every collector named here can write to it.
 */
#ifndef TC_FORWARD_H
#define TC_FORWARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <tocsin/plugin.h>

#include "send/fw_sink.h"
#include "spool/fw_spool.h"

/* Somebody has asked; made on the loop, answered there by what the forwarder has said. */
struct tc_fw_request {
    struct tc_fw *fw;
    const struct tocsin_event *event; /* a reference */
    struct tocsin_writer answer;
    struct tc_fw_request *next;
};

/* What is told of a sink, and was told last. */
struct tc_fw_told {
    uint64_t retries;
    uint64_t last_sent_ns, last_error_ns; /* since the epoch; 0: never */
    char last_error[TC_FW_WHY_BYTES];
    uint64_t dropped; /* at the last look */
    bool failing, dropping;
};

struct tc_fw {
    const struct tocsin_host *host;
    struct tc_fw_config configs[TC_FW_SINKS_MAX];
    size_t count;
    uint64_t max_bytes;
    char machine[256];

    pthread_t thread;
    bool running;
    int wake; /* eventfd(2); -1 */
    atomic_bool heard, stopping;

    pthread_mutex_t lock; /* of the next two */
    struct tc_fw_request *asked, *answered;

    /* The forwarder's. */
    CURLM *multi;
    struct tc_fw_sink *sinks; /* as many as configs */
    struct tc_fw_told told[TC_FW_SINKS_MAX];
    struct tc_fw_spool spool;
    bool spool_open, spool_failing, behind; /* `behind`: the journal has more */
    uint64_t spool_retry_ms, look_ms, tell_ms;
    unsigned looks;
    struct tc_fw_request *testing; /* waits for `tests_left` sinks */
    size_t tests_left;
};

/* fw_deliver.c: the thread. */
void *tc_fw_run(void *arg);

/* fw_tell.c. Loop: a request has come; what was answered; the rest is refused. */
void tc_fw_ask(struct tc_fw *fw, const struct tocsin_event *event);
void tc_fw_refuse_all(struct tc_fw *fw);

/* Forwarder: takes up what was asked; the test of a sink has ended; what was said of a
 * sink by its receiver; what changed for health. */
void tc_fw_take_requests(struct tc_fw *fw);
void tc_fw_tested(struct tc_fw *fw, struct tc_fw_sink *sink);
void tc_fw_note(struct tc_fw *fw, size_t sink, bool failed, const char *why);
void tc_fw_tell_health(struct tc_fw *fw);
void tc_fw_tell_spool(struct tc_fw *fw, int err);

#endif
