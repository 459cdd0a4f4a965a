/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_reader.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nf_dns_event.h"
#include "sensor_clock.h"
#include "wire/nf_quic.h"

#define NS_PER_MS UINT64_C(1000000)

struct tc_nf_stamp tc_nf_reader_stamp(struct tc_nf_reader *reader, uint64_t mono_ns)
{
    return (struct tc_nf_stamp){.sequence = ++reader->sequence,
                                .epoch = reader->epoch_ms,
                                .time_ns = mono_ns + reader->clock_offset_ns,
                                .boot_ns = reader->processes.boot_ns};
}

void tc_nf_reader_delivered(struct tc_nf_reader *reader, size_t count, size_t bytes)
{
    tc_sensor_reader_taken(&reader->base, count, bytes);
}

/* Waking the loop for each flow would cost more than all that is done for it here: events
 * that nobody waits for are collected while more of them come, for one poll at most. */
static bool is_due(const struct tc_nf_reader *reader, size_t came)
{
    const struct tc_nf_items *items = &reader->items;

    return items->count &&
           (!came || items->awaited || items->count >= TC_NF_BATCH ||
            reader->now_ns - reader->handed_ns >= TC_NF_POLL_MS * NS_PER_MS);
}

void tc_nf_reader_hand_over(struct tc_nf_reader *reader)
{
    struct tc_nf_items *items = &reader->items;

    if (!items->count)
        return;
    reader->handed_ns = reader->now_ns;
    tc_sensor_reader_handed(&reader->base, items->count, items->bytes);
    reader->deliver(reader->arg, items);
}

/* ---- Calls. ---- */

void tc_nf_reader_call(struct tc_nf_reader *reader, struct tc_nf_call *call)
{
    pthread_mutex_lock(&reader->lock);
    STAILQ_INSERT_TAIL(&reader->calls, call, next);
    pthread_mutex_unlock(&reader->lock);
    tc_sensor_reader_wake(&reader->base);
}

static void run_calls(struct tc_nf_reader *reader)
{
    STAILQ_HEAD(, tc_nf_call) calls = STAILQ_HEAD_INITIALIZER(calls);
    struct tc_nf_call *call;

    pthread_mutex_lock(&reader->lock);
    STAILQ_CONCAT(&calls, &reader->calls);
    pthread_mutex_unlock(&reader->lock);
    while ((call = STAILQ_FIRST(&calls)) != NULL) {
        STAILQ_REMOVE_HEAD(&calls, next);
        call->run(call, reader);
    }
}

int tc_nf_reader_answer(struct tc_nf_reader *reader, uint64_t ticket,
                        enum tc_nf_answer_what what)
{
    struct tc_nf_answer *answer = malloc(sizeof(*answer));

    if (!answer)
        return -ENOMEM;
    answer->ticket = ticket;
    answer->what = what;
    pthread_mutex_lock(&reader->lock);
    STAILQ_INSERT_TAIL(&reader->answers, answer, next);
    pthread_mutex_unlock(&reader->lock);
    tc_sensor_reader_wake(&reader->base);
    return 0;
}

/* ---- The thread. ---- */

static void set_clock(struct tc_nf_reader *reader)
{
    reader->now_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);
    reader->clock_offset_ns = tc_sensor_clock_ns(CLOCK_REALTIME) - reader->now_ns;
}

/* Its packet went another way: what the kernel has decided stands. */
static void never_asked(void *arg, struct tc_nf_flow *flow)
{
    tc_nf_ring_report(arg, flow);
}

/* Verdicts come first: whoever waits for them waits in the kernel. */
static size_t turn(struct tc_nf_reader *reader)
{
    size_t n;

    set_clock(reader);
    run_calls(reader);
    tc_nf_means_turn(reader);
    tc_nf_packets_answers(reader);
    tc_nf_selftest_turn(reader);
    n = tc_nf_packets_drain(reader);
    n += tc_nf_ring_drain(reader);
    if (reader->now_ns - reader->aged_ns > 1000 * NS_PER_MS) {
        tc_nf_flows_age(&reader->flows, reader->now_ns, never_asked, reader);
        reader->aged_ns = reader->now_ns;
    }
    tc_nf_ring_losses(reader);
    reader->quiet = !n;
    if (is_due(reader, n))
        tc_nf_reader_hand_over(reader);
    return n;
}

/* While nobody takes the events, no more of them are made; packets wait for us all the
 * same. Nor does it sleep while something has its time. */
static void wait_for_more(struct tc_nf_reader *reader, uint64_t last_ns)
{
    bool timed = reader->waiting || reader->enough_count || reader->selftest.running;
    struct pollfd queue = {.fd = reader->queue ? tc_nf_queue_fd(reader->queue) : -1,
                           .events = POLLIN};

    if (tc_sensor_reader_full(&reader->base))
        poll(&queue, 1, TC_NF_POLL_MS);
    else
        tc_sensor_reader_wait(&reader->base, timed ? reader->now_ns : last_ns);
}

static void *reader_main(void *arg)
{
    struct tc_nf_reader *reader = arg;
    uint64_t last_ns = tc_sensor_clock_ns(CLOCK_MONOTONIC);

    /* Sockets of this thread are the namespace's from here on; who cannot be there makes
     * nothing elsewhere. */
    if (reader->netns >= 0 && setns(reader->netns, CLONE_NEWNET)) {
        reader->report(reader->arg, "netfilter_namespace",
                       "the network namespace cannot be entered", NULL);
        return NULL;
    }
    while (!reader->base.stopping) {
        if (turn(reader))
            last_ns = reader->now_ns;
        wait_for_more(reader, last_ns);
    }
    turn(reader);
    tc_nf_packets_done(reader);
    tc_nf_means_done(reader);
    run_calls(reader);
    tc_nf_reader_hand_over(reader);
    return NULL;
}

/* ---- Life. ---- */

static void release(struct tc_nf_reader *reader)
{
    struct tc_nf_answer *answer;

    run_calls(reader); /* which came after its end, and are freed so */
    if (reader->canary_fd >= 0)
        close(reader->canary_fd);

    while ((answer = STAILQ_FIRST(&reader->answers)) != NULL) {
        STAILQ_REMOVE_HEAD(&reader->answers, next);
        free(answer);
    }
    tc_nf_items_clear(&reader->items);
    tc_nf_flows_done(&reader->flows);
    tc_nf_sockets_done(reader);
    tc_nf_dns_flows_done(&reader->dns_flows);
    tc_nf_names_done(&reader->names);
    tc_nf_processes_done(&reader->processes);
    tc_nf_quic_crypto_free(reader->crypto);
    tc_nf_indicators_unref(reader->wanted.indicators);
    free(reader->enough);
    reader->crypto = NULL;
    reader->enough = NULL;
    reader->wanted.indicators = NULL;
    pthread_mutex_destroy(&reader->lock);
}

int tc_nf_reader_start(struct tc_nf_reader *reader, size_t ring_bytes)
{
    static const struct tc_sensor_reader_limits limits = {.poll_ms = TC_NF_POLL_MS,
                                                          .awake_ms = TC_NF_AWAKE_MS,
                                                          .sleep_ms = TC_NF_TURN_MS,
                                                          .items_max = TC_NF_UNDELIVERED,
                                                          .bytes_max =
                                                              TC_NF_UNDELIVERED_BYTES};
    struct tc_nf_programs *programs = reader->programs;
    int err;

    STAILQ_INIT(&reader->calls);
    STAILQ_INIT(&reader->answers);
    tc_nf_items_init(&reader->items);
    tc_nf_inspections_init(&reader->inspections);
    tc_nf_processes_init(&reader->processes);
    pthread_mutex_init(&reader->lock, NULL);
    reader->monitor.fd = -1;
    reader->epoch_ms = tc_sensor_clock_ns(CLOCK_REALTIME) / NS_PER_MS;
    set_clock(reader);
    reader->enough = calloc(TC_NF_TABLE_ENOUGH_MAX, sizeof(*reader->enough));
    err = reader->enough ? tc_nf_quic_crypto_new(&reader->crypto) : -ENOMEM;
    if (!err)
        err = tc_sensor_reader_open(&reader->base, &limits,
                                    programs ? &programs->control->asleep : NULL,
                                    programs ? tc_nf_ring_fd(programs) : -1, ring_bytes);
    if (!err)
        err = tc_sensor_reader_start(&reader->base, reader_main, reader);
    if (err)
        release(reader);
    return err;
}

void tc_nf_reader_stop(struct tc_nf_reader *reader)
{
    if (tc_sensor_reader_stop(&reader->base))
        release(reader);
}
