/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the proof that it works: every half minute the agent connects to a port of its
 * own on loopback, which the programs refuse, and, when there is a queue, sends two
 * datagrams to an address of loopback that nobody has, of which the first is refused
 * there and the second comes back. The reader's thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nf_reader.h"

#define NS_PER_S UINT64_C(1000000000)
#define EVERY_NS (30 * NS_PER_S)
#define FIRST_EVERY_NS (NS_PER_S / 2) /* until it has passed once */
#define LIMIT_NS (2 * NS_PER_S)

static const uint8_t canary[4] = {127, 84, 67, 49};

void tc_nf_selftest_init(struct tc_nf_reader *reader)
{
    memcpy(reader->canary, canary, sizeof(canary));
    reader->canary_port = TC_NF_CANARY_PORT;
    reader->canary_fd = -1;
}

static struct sockaddr_in canary_at(const uint8_t address[4], uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};

    memcpy(&at.sin_addr, address, 4);
    return at;
}

/* A flow of the agent's own, as a question: who judges flows, if anybody does, shows in
 * its answer (see tc_nf_verdict). */
static void ask_around(struct tc_nf_reader *reader)
{
    struct tc_nf_flow flow = {.protocol = "canary"};

    flow.record = (struct tc_nf_flow_record){.kind = TC_NF_FLOW,
                                             .flags = TC_NF_PASSED,
                                             .hook = TC_NF_AT_CONNECT,
                                             .why = TC_NF_WHY_AGENT,
                                             .time_ns = reader->now_ns,
                                             .pid = (uint32_t)getpid(),
                                             .protocol = IPPROTO_UDP,
                                             .destination_port = TC_NF_CANARY_PORT};
    flow.record.destination[10] = flow.record.destination[11] = 0xff;
    memcpy(flow.record.destination + 12, reader->canary, sizeof(reader->canary));
    flow.process = tc_nf_processes_find(&reader->processes, getpid(), 0);
    tc_nf_emit_flow(reader, &flow, NULL, TC_NF_TICKET_NOBODY,
                    reader->now_ns + reader->options->budget_ns);
    tc_nf_process_unref(flow.process);
}

static void ended(struct tc_nf_reader *reader, const char *why)
{
    struct tc_nf_selftest *test = &reader->selftest;

    if (reader->canary_fd >= 0)
        close(reader->canary_fd);
    reader->canary_fd = -1;
    test->running = false;
    test->ended_ns = reader->now_ns;
    reader->counters.selftest_ns = reader->now_ns + reader->clock_offset_ns;
    reader->counters.selftest_ok = !why;
    pthread_mutex_lock(&reader->lock);
    snprintf(test->why, sizeof(test->why), "%s", why ? why : "");
    pthread_mutex_unlock(&reader->lock);
    test->passed = test->passed || !why;
    /* Who only watches, or does not even do that, is no filter. */
    reader->report(reader->arg, "network_events_subsystem",
                   why                ? "unavailable"
                   : reader->programs ? "network_filter_extension"
                                      : "watching",
                   NULL);
    reader->report(reader->arg, "netfilter_selftest", why,
                   why ? "tocsin network-filter status" : NULL);
    ask_around(reader);
}

/* The programs: a connect that they refuse. */
static const char *test_programs(struct tc_nf_reader *reader)
{
    static const uint8_t loopback[4] = {127, 0, 0, 1};
    const struct sockaddr_in at = canary_at(loopback, TC_NF_CANARY_PORT);
    uint32_t before = reader->programs->control->canary_seen;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

    if (fd < 0)
        return "no socket for the self-test";
    err = connect(fd, (const struct sockaddr *)&at, sizeof(at)) ? errno : 0;
    close(fd);
    if (reader->programs->control->canary_seen == before)
        return "a connection of the agent's own was not seen by its BPF programs";
    if (err != EPERM)
        return "a connection that was denied could be made all the same";
    return NULL;
}

/* The queue: two datagrams; what comes of them is looked at later. */
static const char *begin_queue(struct tc_nf_reader *reader)
{
    const struct sockaddr_in at = canary_at(reader->canary, TC_NF_CANARY_PORT);
    struct tc_nf_selftest *test = &reader->selftest;

    reader->canary_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (reader->canary_fd < 0 ||
        bind(reader->canary_fd, (const struct sockaddr *)&at, sizeof(at)))
        return "no socket for the self-test of the queue";
    test->seen = reader->counters.canary_seen;
    /* What was refused before, and what was not, is two. */
    if (test->seen % 2)
        test->seen = ++reader->counters.canary_seen;
    for (char byte = 1; byte <= 2; byte++)
        (void)sendto(reader->canary_fd, &byte, 1, 0, (const struct sockaddr *)&at,
                     sizeof(at));
    test->running = true;
    test->began_ns = reader->now_ns;
    return NULL;
}

static void look_at_queue(struct tc_nf_reader *reader)
{
    struct tc_nf_selftest *test = &reader->selftest;
    char byte = 0;
    bool came = recv(reader->canary_fd, &byte, 1, 0) == 1;

    if (came && byte == 1)
        ended(reader, "a packet that the queue denied has arrived all the same");
    else if (came)
        ended(reader, NULL);
    else if (reader->now_ns - test->began_ns > LIMIT_NS)
        ended(reader, reader->counters.canary_seen == test->seen
                          ? "a packet of the agent's own did not come to its queue"
                          : "a packet that the queue allowed has not arrived");
}

void tc_nf_selftest_turn(struct tc_nf_reader *reader)
{
    struct tc_nf_selftest *test = &reader->selftest;
    uint64_t every = test->passed ? EVERY_NS : FIRST_EVERY_NS;
    const char *why = NULL;

    if (test->running) {
        if (reader->queue)
            look_at_queue(reader);
        else
            ended(reader, NULL); /* nothing is queued any more */
        return;
    }
    if (!reader->instructed ||
        (test->ended_ns && reader->now_ns - test->ended_ns < every))
        return;
    if (reader->programs)
        why = test_programs(reader);
    if (!why && reader->queue) {
        why = begin_queue(reader);
        if (!why)
            return;
    }
    ended(reader, why);
}

void tc_nf_selftest_again(struct tc_nf_reader *reader)
{
    reader->selftest.ended_ns = 0;
}

void tc_nf_selftest_why(struct tc_nf_reader *reader, char ret_why[TC_NF_SELFTEST_WHY_MAX])
{
    pthread_mutex_lock(&reader->lock);
    memcpy(ret_why, reader->selftest.why, TC_NF_SELFTEST_WHY_MAX);
    pthread_mutex_unlock(&reader->lock);
}
