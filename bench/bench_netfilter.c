/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the network filter costs, and what it can take, with the real agent (tocsind and
 * plugin netfilter) against none at all, started and ended in turn in one run, over a
 * veth pair between network namespaces and in a cgroup of its own; client, servers and
 * agent on one CPU. The figure of a floor is the mean of the one before and the one
 * after; medians count, `mean` has everything that is done on the CPU meanwhile:
 *   netfilter_connect  socket, TCP connect and close: with ten indicators, with a million
 *                      (both addresses only), with one that is a name, so that each SYN
 *                      waits in the queue; the floor of that is `bare`, a loop that
 *                      accepts
 *   netfilter_trip     one byte there and back in an established flow; the floor is one
 *                      in a namespace where nothing is filtered, in turn
 *   netfilter_bulk     many bytes there; likewise
 *   netfilter_sendto   a datagram of a socket that is not connected
 *   netfilter_dns      a question to a name server and its answer, each of a new socket
 *   netfilter_flows    flows from several processes at once; their events, and the CPU
 *                      that a flow costs the reader and the loop
 *   netfilter_million  memory and time of a million indicators
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netfilter_agent.h"
#include "netfilter_peers.h"

#define ALARM_S 300
#define CPU 0
#define ROUNDS 7
#define CONNECTS 2000
#define TRIPS 300     /* of each flow, in turn, of ... */
#define TRIP_BYTES 20 /* ... so many bytes, one by one */
#define PIECES 60
#define BULK_CHUNK (256 * 1024)
#define SENDS 20000
#define QUESTIONS 1500
#define CLIENTS 4
#define FLOWS 1500 /* of each of them */

enum mode { NONE, TEN, MILLION, BARE, NAME, MODES };

static const char *const mode_names[MODES] = {"none", "ten", "million", "bare", "name"};

/* A floor on either side of each. */
static const enum mode steps[] = {NONE, TEN, NONE, MILLION, NONE, BARE, NAME, BARE, NONE};

#define STEPS (sizeof(steps) / sizeof(*steps))

enum figure {
    CONNECT,
    CONNECT_MEAN,
    TRIP,
    BULK, /* ns a megabyte */
    SENDTO,
    DNS,
    FLOW, /* ns a flow */
    FIGURES,
};

struct bench {
    struct agent agent;
    double figures[FIGURES][ROUNDS][STEPS];
    double floors[FIGURES][ROUNDS][STEPS]; /* of those with one in the same step */
    int plain_echo, plain_take;            /* flows that nobody filters */
    double ready_ms[MODES][ROUNDS];
    struct agent_memory memory[MODES];
    double reader_ns[MODES][ROUNDS], loop_ns[MODES][ROUNDS];
    uint64_t published, lost, expected;
};

static int ascending(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), ascending);
    return values[count / 2];
}

/* ---- What is measured. ---- */

static void connects(double *ret_median, double *ret_mean)
{
    static double ns[CONNECTS];
    uint64_t begin = peers_now_ns(), from;

    for (int i = 0; i < CONNECTS; i++) {
        from = peers_now_ns();
        close(peers_connect(PEERS_CLOSES));
        ns[i] = (double)(peers_now_ns() - from);
    }
    *ret_mean = (double)(peers_now_ns() - begin) / CONNECTS;
    *ret_median = median(ns, CONNECTS);
}

/* Both flows in turn, so that what else the machine does meets both. */
static void in_turn(const int flows[2], uint64_t (*one)(int flow), size_t count,
                    double *ret_floor, double *ret_value)
{
    static double ns[2][TRIPS];

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 2; k++)
            ns[k][i] = (double)one(flows[k]);
    *ret_floor = median(ns[0], count);
    *ret_value = median(ns[1], count);
}

static uint64_t trip(int flow)
{
    uint64_t from = peers_now_ns();
    char byte = 'x';

    for (int i = 0; i < TRIP_BYTES; i++)
        peers_must(write(flow, &byte, 1) == 1 && read(flow, &byte, 1) == 1, "echo");
    return (peers_now_ns() - from) / TRIP_BYTES;
}

static uint64_t piece(int flow)
{
    static char bytes[BULK_CHUNK];
    uint64_t from = peers_now_ns();
    char byte;

    for (size_t sent = 0; sent < PEERS_PIECE;) {
        ssize_t n = write(flow, bytes, sizeof(bytes));

        peers_must(n > 0, "write");
        sent += (size_t)n;
    }
    peers_must(read(flow, &byte, 1) == 1, "piece");
    return (peers_now_ns() - from) / (PEERS_PIECE >> 20);
}

static void established(struct bench *bench, size_t round, size_t step)
{
    int echoes[2] = {bench->plain_echo, peers_connect(PEERS_ECHOES)};
    int takes[2] = {bench->plain_take, peers_connect(PEERS_TAKES)};

    in_turn(echoes, trip, TRIPS, &bench->floors[TRIP][round][step],
            &bench->figures[TRIP][round][step]);
    in_turn(takes, piece, PIECES, &bench->floors[BULK][round][step],
            &bench->figures[BULK][round][step]);
    close(echoes[1]);
    close(takes[1]);
}

static double sends(void)
{
    struct sockaddr_in address = peers_address(PEERS_SERVER, PEERS_IGNORES);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint64_t from = 0;

    for (int i = -100; i < SENDS; i++) {
        if (!i)
            from = peers_now_ns();
        peers_must(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) ==
                       1,
                   "sendto");
    }
    from = peers_now_ns() - from;
    close(fd);
    return (double)from / SENDS;
}

static double questions(void)
{
    static const char question[] =
        "\x12\x34\1\0\0\1\0\0\0\0\0\0\4good\7example\0\0\1\0\1";
    struct sockaddr_in address = peers_address(PEERS_SERVER, PEERS_DNS);
    static double ns[QUESTIONS];
    char answer[512];
    uint64_t from;

    for (int i = 0; i < QUESTIONS; i++) {
        from = peers_now_ns();
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        peers_must(!connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
                       send(fd, question, sizeof(question) - 1, 0) > 0 &&
                       recv(fd, answer, sizeof(answer), 0) > 0,
                   "dns");
        close(fd);
        ns[i] = (double)(peers_now_ns() - from);
    }
    return median(ns, QUESTIONS);
}

static double flows(void)
{
    uint64_t from = peers_now_ns();
    pid_t pids[CLIENTS];
    int status;

    for (size_t i = 0; i < CLIENTS; i++) {
        pids[i] = peers_child();
        if (pids[i])
            continue;
        for (int k = 0; k < FLOWS; k++)
            close(peers_connect(PEERS_CLOSES));
        _exit(0);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        peers_must(waitpid(pids[i], &status, 0) == pids[i] && !status, "a client");
    return (double)(peers_now_ns() - from) / (CLIENTS * FLOWS);
}

/* Flows, and what becomes of them. */
static double reported_flows(struct bench *bench, enum mode mode, size_t round)
{
    struct agent *agent = &bench->agent;
    struct agent_cpu before, after;
    struct agent_counts counts_before, counts;
    double ns;

    agent_settle(agent, 0, &counts_before);
    agent_cpu(agent, &before);
    ns = flows();
    agent_settle(agent, counts_before.published + CLIENTS * FLOWS, &counts);
    agent_cpu(agent, &after);
    bench->expected += CLIENTS * FLOWS;
    bench->published += counts.published - counts_before.published;
    bench->lost += counts.lost + counts.unpublished;
    bench->reader_ns[mode][round] =
        (double)(after.reader_ns - before.reader_ns) / (CLIENTS * FLOWS);
    bench->loop_ns[mode][round] =
        (double)(after.loop_ns - before.loop_ns) / (CLIENTS * FLOWS);
    return ns;
}

static void measure(struct bench *bench, size_t round, size_t step)
{
    enum mode mode = steps[step];
    double *ns[FIGURES];
    bool agent = mode != NONE && mode != BARE;

    for (size_t i = 0; i < FIGURES; i++)
        ns[i] = &bench->figures[i][round][step];
    close(peers_connect(PEERS_CLOSES)); /* caches are filled */
    connects(ns[CONNECT], ns[CONNECT_MEAN]);
    if (mode == BARE || mode == MILLION)
        return;
    if (agent)
        established(bench, round, step);
    *ns[SENDTO] = sends();
    *ns[DNS] = questions();
    *ns[FLOW] = agent ? reported_flows(bench, mode, round) : flows();
}

static void take_step(struct bench *bench, size_t round, size_t step)
{
    static const char *const lists[MODES] = {
        [TEN] = "ten", [MILLION] = "million", [NAME] = "name"};
    enum mode mode = steps[step];
    pid_t bare;

    if (lists[mode]) {
        bench->ready_ms[mode][round] =
            agent_start(&bench->agent, lists[mode], mode == NAME);
        measure(bench, round, step);
        agent_memory(&bench->agent, &bench->memory[mode]);
        agent_stop(&bench->agent);
    } else if (mode == BARE) {
        bare = peers_bare_begin();
        measure(bench, round, step);
        peers_bare_end(bare);
    } else {
        measure(bench, round, step);
    }
}

/* ---- Reporting. ---- */

static size_t step_of(enum mode mode)
{
    size_t step = 0;

    while (steps[step] != mode)
        step++;
    return step;
}

/* The floor's figure beside a step: the mean of the nearest on either side. */
static double floor_at(const double *figures, enum mode floor, size_t step)
{
    size_t before = step, after = step;

    while (before > 0 && steps[before] != floor)
        before--;
    while (after < STEPS - 1 && steps[after] != floor)
        after++;
    return (figures[before] + figures[after]) / 2;
}

static double floor_of(const struct bench *bench, enum figure figure, size_t round,
                       enum mode floor, size_t step)
{
    double own = bench->floors[figure][round][step];

    return own > 0 ? own : floor_at(bench->figures[figure][round], floor, step);
}

static void report(struct bench *bench, const char *name, enum figure figure,
                   enum mode mode, enum mode floor, const char *goal)
{
    double floors[ROUNDS], values[ROUNDS], ratios[ROUNDS];
    size_t step = step_of(mode);

    for (size_t i = 0; i < ROUNDS; i++) {
        const double *figures = bench->figures[figure][i];

        floors[i] = floor_of(bench, figure, i, floor, step);
        values[i] = figures[step];
        ratios[i] = values[i] / floors[i];
    }
    printf("{\"bench\":\"%s\",\"unit\":\"ns\",\"indicators\":\"%s\",\"floor_is\":\"%s\","
           "\"floor\":%.0f,\"netfilter\":%.0f,\"ratio\":%.3f%s%s}\n",
           name, mode_names[mode], mode_names[floor], median(floors, ROUNDS),
           median(values, ROUNDS), median(ratios, ROUNDS), goal ? ",\"goal\":" : "",
           goal ? goal : "");
}

/* Megabytes a second: more is better. */
static void report_bulk(struct bench *bench, enum mode mode)
{
    double floors[ROUNDS], values[ROUNDS], ratios[ROUNDS];
    size_t step = step_of(mode);

    for (size_t i = 0; i < ROUNDS; i++) {
        const double *figures = bench->figures[BULK][i];

        floors[i] = 1e9 / bench->floors[BULK][i][step];
        values[i] = 1e9 / figures[step];
        ratios[i] = values[i] / floors[i];
    }
    printf("{\"bench\":\"netfilter_bulk\",\"unit\":\"MB/s\",\"indicators\":\"%s\","
           "\"floor\":%.0f,\"netfilter\":%.0f,\"ratio\":%.3f,\"goal\":0.99}\n",
           mode_names[mode], median(floors, ROUNDS), median(values, ROUNDS),
           median(ratios, ROUNDS));
}

static void report_cpu(struct bench *bench, enum mode mode)
{
    printf("{\"bench\":\"netfilter_flow_cpu\",\"unit\":\"ns\",\"indicators\":\"%s\","
           "\"reader\":%.0f,\"loop\":%.0f}\n",
           mode_names[mode], median(bench->reader_ns[mode], ROUNDS),
           median(bench->loop_ns[mode], ROUNDS));
}

static void report_million(struct bench *bench)
{
    const struct agent_memory *ten = &bench->memory[TEN],
                              *million = &bench->memory[MILLION];
    uint64_t bytes =
        million->anon_bytes - ten->anon_bytes + million->map_bytes - ten->map_bytes;

    printf("{\"bench\":\"netfilter_million\",\"unit\":\"bytes\",\"rss_ten\":%llu,"
           "\"rss\":%llu,\"anon_ten\":%llu,\"anon\":%llu,\"maps_ten\":%llu,\"maps\":%llu,"
           "\"an_entry\":%.1f,\"goal_an_entry\":100}\n",
           (unsigned long long)ten->rss_bytes, (unsigned long long)million->rss_bytes,
           (unsigned long long)ten->anon_bytes, (unsigned long long)million->anon_bytes,
           (unsigned long long)ten->map_bytes, (unsigned long long)million->map_bytes,
           (double)bytes / AGENT_MANY);
    printf("{\"bench\":\"netfilter_ready\",\"unit\":\"ms\",\"floor\":%.0f,"
           "\"million\":%.0f,\"goal\":5000}\n",
           median(bench->ready_ms[TEN], ROUNDS),
           median(bench->ready_ms[MILLION], ROUNDS));
}

static void report_all(struct bench *bench)
{
    report(bench, "netfilter_connect", CONNECT, TEN, NONE, "1.1");
    report(bench, "netfilter_connect_mean", CONNECT_MEAN, TEN, NONE, NULL);
    report(bench, "netfilter_connect", CONNECT, MILLION, NONE, "1.1");
    report(bench, "netfilter_connect_mean", CONNECT_MEAN, MILLION, NONE, NULL);
    report(bench, "netfilter_connect", CONNECT, NAME, BARE, "1.2");
    report(bench, "netfilter_connect_mean", CONNECT_MEAN, NAME, BARE, NULL);
    report(bench, "netfilter_connect", CONNECT, NAME, NONE, NULL);
    for (enum mode mode = TEN; mode <= NAME; mode += NAME - TEN) {
        report(bench, "netfilter_trip", TRIP, mode, NONE, "1.01");
        report_bulk(bench, mode);
        report(bench, "netfilter_sendto", SENDTO, mode, NONE, NULL);
        report(bench, "netfilter_dns", DNS, mode, NONE, NULL);
        report(bench, "netfilter_flows", FLOW, mode, NONE, NULL);
        report_cpu(bench, mode);
    }
    printf("{\"bench\":\"netfilter_events\",\"unit\":\"flows\",\"floor\":%llu,"
           "\"published\":%llu,\"lost\":%llu,\"goal_lost\":0}\n",
           (unsigned long long)bench->expected, (unsigned long long)bench->published,
           (unsigned long long)bench->lost);
    report_million(bench);
}

int main(void)
{
    static struct bench bench;
    cpu_set_t cpu;

    if (geteuid()) {
        (void)fprintf(stderr, "bench_netfilter: must be root\n");
        return 1;
    }
    alarm(ALARM_S);
    CPU_ZERO(&cpu);
    CPU_SET(CPU, &cpu);
    peers_must(!sched_setaffinity(0, sizeof(cpu), &cpu), "affinity");
    peers_begin();
    bench.plain_echo = peers_connect_plainly(PEERS_ECHOES);
    bench.plain_take = peers_connect_plainly(PEERS_TAKES);
    agent_begin(&bench.agent);
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t step = 0; step < STEPS; step++)
            take_step(&bench, round, step);
    report_all(&bench);
    agent_end(&bench.agent);
    return 0;
}
