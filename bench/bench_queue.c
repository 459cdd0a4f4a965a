/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packet pays that waits for a verdict of ours, over a veth pair between two
 * network namespaces of its own; client, server and reader on one CPU, in turn in one
 * run; medians count: queue_connect  a TCP connect whose SYN is queued queue_burst    a
 * datagram of many that wait already, read and accepted
 *
 * none: no rule; floor: the shortest loop there is of libnetfilter_queue and libmnl;
 * queue: plugins/netfilter/queue, in a loop like its reader's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "queue/nf_queue.h"
#include "queue/nf_watchdog.h"

#define ALARM_S 170
#define CPU 0
#define ROUNDS 9
#define CONNECTS 800
#define BURSTS 20
#define BURST 256
#define QUEUE 7
#define PORT 5000
#define SERVER "192.0.2.2"
#define READ_MAX 64

enum mode {
    NONE,
    FLOOR,
    OURS,
    MODES,
};

/* One of the three ways to accept what is queued. */
struct reader {
    struct mnl_socket *bare;
    char *buf;
    struct tc_nf_queue *queue;
    struct tc_nf_watchdog *watchdog;
    unsigned accepted;
};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_queue: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

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

static void run(const char *command)
{
    must(system(command) == 0, command); /* NOLINT(cert-env33-c): a fixed text */
}

/* Ends with its parent, whatever ends that. */
static pid_t begin_child(void)
{
    pid_t pid = fork();

    must(pid >= 0, "fork");
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(ALARM_S);
    }
    return pid;
}

static void await_byte(int fd)
{
    char byte;

    must(read(fd, &byte, 1) == 1, "a child did not come up");
    close(fd);
}

/* The floor: as libnetfilter_queue's own example does it. */

static int on_bare(const struct nlmsghdr *message, void *arg)
{
    struct reader *reader = arg;
    alignas(struct nlmsghdr) char buf[256];
    struct nlattr *attr[64] = {NULL};
    struct nlmsghdr *verdict;
    struct nfqnl_msg_packet_hdr *header;

    if (nfq_nlmsg_parse(message, attr) < 0 || !attr[NFQA_PACKET_HDR])
        return MNL_CB_OK;
    header = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
    verdict = nfq_nlmsg_put(buf, NFQNL_MSG_VERDICT, QUEUE);
    nfq_nlmsg_verdict_put(verdict, (int)ntohl(header->packet_id), NF_ACCEPT);
    must(mnl_socket_sendto(reader->bare, verdict, verdict->nlmsg_len) > 0, "verdict");
    reader->accepted++;
    return MNL_CB_OK;
}

static void open_bare(struct reader *reader)
{
    alignas(struct nlmsghdr) char buf[256];
    struct nlmsghdr *message;
    int receive = TC_NF_QUEUE_RECEIVE_BYTES;

    reader->buf = malloc(0xffff + 4096);
    reader->bare = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    must(reader->buf && reader->bare && !mnl_socket_bind(reader->bare, 0, 0), "socket");
    setsockopt(mnl_socket_get_fd(reader->bare), SOL_SOCKET, SO_RCVBUFFORCE, &receive,
               sizeof(receive));
    message = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, QUEUE);
    nfq_nlmsg_cfg_put_cmd(message, AF_INET, NFQNL_CFG_CMD_BIND);
    nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, 0xffff);
    mnl_attr_put_u32(message, NFQA_CFG_FLAGS,
                     htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID | NFQA_CFG_F_FAIL_OPEN));
    mnl_attr_put_u32(message, NFQA_CFG_MASK,
                     htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID | NFQA_CFG_F_FAIL_OPEN));
    must(mnl_socket_sendto(reader->bare, message, message->nlmsg_len) > 0, "bind");
}

static void read_bare(struct reader *reader)
{
    ssize_t n = mnl_socket_recvfrom(reader->bare, reader->buf, 0xffff + 4096);

    must(n > 0, "recv");
    mnl_cb_run(reader->buf, (size_t)n, 0, 0, on_bare, reader);
}

/* Ours. */

static void on_packet(void *arg, const struct tc_nf_queued *packet)
{
    struct reader *reader = arg;

    must(!tc_nf_queue_verdict(reader->queue, packet->id, TC_NF_VERDICT_ACCEPT),
         "verdict");
    reader->accepted++;
}

static void open_ours(struct reader *reader)
{
    char messages[TC_NF_QUEUE_RELEASE_BYTES], why[256] = "";
    int err;

    err = tc_nf_queue_open(&(struct tc_nf_queue_config){.number = QUEUE}, &reader->queue,
                           why);
    must(!err, why);
    err = tc_nf_watchdog_start(tc_nf_queue_fd(reader->queue), messages,
                               tc_nf_queue_release(reader->queue, messages),
                               &reader->watchdog);
    must(!err, "watchdog");
}

_Noreturn static void read_ours(struct reader *reader)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};

    must(!epoll_ctl(epoll, EPOLL_CTL_ADD, tc_nf_queue_fd(reader->queue), &event),
         "epoll");
    for (;;) {
        epoll_wait(epoll, &event, 1, TC_NF_WATCHDOG_BEAT_MS);
        tc_nf_watchdog_beat(reader->watchdog, now_ns());
        must(tc_nf_queue_read(reader->queue, on_packet, reader, READ_MAX) >= 0, "read");
    }
}

static pid_t begin_reader(enum mode mode)
{
    int ready[2];
    pid_t pid;

    must(!pipe2(ready, O_CLOEXEC), "pipe");
    pid = begin_child();
    if (pid) {
        close(ready[1]);
        await_byte(ready[0]);
        return pid;
    }
    if (mode == FLOOR) {
        struct reader reader = {.accepted = 0};

        open_bare(&reader);
        must(write(ready[1], "r", 1) == 1, "write");
        for (;;)
            read_bare(&reader);
    } else {
        struct reader reader = {.accepted = 0};

        open_ours(&reader);
        must(write(ready[1], "r", 1) == 1, "write");
        read_ours(&reader);
    }
}

/* The other namespace: accepts and closes, and lets datagrams lie. */
_Noreturn static void serve(int ready)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int tcp, udp;

    must(!unshare(CLONE_NEWNET) && write(ready, "r", 1) == 1, "namespace");
    tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(!bind(tcp, (struct sockaddr *)&address, sizeof(address)) && !listen(tcp, 512) &&
             !bind(udp, (struct sockaddr *)&address, sizeof(address)),
         "server");
    for (;;)
        close(accept4(tcp, NULL, NULL, SOCK_CLOEXEC));
}

static void set_up(void)
{
    char command[256];
    int ready[2];
    pid_t pid;

    must(!unshare(CLONE_NEWNET), "a network namespace of its own (needs root)");
    must(!pipe2(ready, O_CLOEXEC), "pipe");
    pid = begin_child();
    if (!pid)
        serve(ready[1]);
    close(ready[1]);
    await_byte(ready[0]);
    (void)snprintf(command, sizeof(command),
                   "ip link add c type veth peer name s netns %d && ip link set lo up &&"
                   "ip addr add 192.0.2.1/24 dev c && ip link set c up",
                   pid);
    run(command);
    (void)snprintf(command, sizeof(command),
                   "nsenter -t %d -n sh -c 'ip addr add " SERVER
                   "/24 dev s && ip link set s up'",
                   pid);
    run(command);
}

static void set_rule(enum mode mode)
{
    run("nft flush ruleset");
    if (mode == NONE)
        return;
    run("nft 'add table inet b; add chain inet b o { type filter hook output priority "
        "-150; }; add rule inet b o tcp flags syn / syn,ack queue num 7 bypass; add rule "
        "inet b o udp dport 5000 queue num 7 bypass' 2>/dev/null || { "
        "iptables-nft -t mangle -A OUTPUT -p tcp --syn -j NFQUEUE --queue-num 7 "
        "--queue-bypass && iptables-nft -t mangle -A OUTPUT -p udp --dport 5000 -j "
        "NFQUEUE --queue-num 7 --queue-bypass; }");
}

static struct sockaddr_in server_address(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    inet_pton(AF_INET, SERVER, &address.sin_addr);
    return address;
}

static double connect_once(void)
{
    struct sockaddr_in address = server_address();
    struct linger reset = {.l_onoff = 1}; /* no port is left in TIME_WAIT */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t from;

    must(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    from = now_ns();
    must(!connect(fd, (struct sockaddr *)&address, sizeof(address)), "connect");
    from = now_ns() - from;
    close(fd);
    return (double)from;
}

static double connects(enum mode mode)
{
    static double ns[CONNECTS];
    pid_t reader = 0;

    set_rule(mode);
    if (mode != NONE)
        reader = begin_reader(mode);
    for (int i = 0; i < CONNECTS; i++)
        ns[i] = connect_once();
    if (reader) {
        kill(reader, SIGKILL);
        waitpid(reader, NULL, 0);
    }
    return median(ns, CONNECTS);
}

static double burst(struct reader *reader)
{
    struct sockaddr_in address = server_address();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint64_t from;

    for (int i = 0; i < BURST; i++)
        must(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)) == 1,
             "sendto");
    close(fd);
    reader->accepted = 0;
    from = now_ns();
    while (reader->accepted < BURST) {
        if (reader->bare)
            read_bare(reader);
        else
            must(tc_nf_queue_read(reader->queue, on_packet, reader, READ_MAX) >= 0,
                 "read");
    }
    return (double)(now_ns() - from) / BURST;
}

static double bursts(enum mode mode)
{
    struct reader reader = {.accepted = 0};
    double ns[BURSTS];

    set_rule(mode);
    if (mode == FLOOR)
        open_bare(&reader);
    else
        open_ours(&reader);
    for (int i = 0; i < BURSTS; i++)
        ns[i] = burst(&reader);
    if (mode == FLOOR)
        mnl_socket_close(reader.bare);
    else {
        tc_nf_watchdog_stop(reader.watchdog);
        tc_nf_queue_close(reader.queue);
    }
    free(reader.buf);
    return median(ns, BURSTS);
}

int main(void)
{
    double ns[MODES][ROUNDS], burst_ns[MODES][ROUNDS], ratio[ROUNDS], burst_ratio[ROUNDS];
    cpu_set_t cpu;

    alarm(ALARM_S);
    CPU_ZERO(&cpu);
    CPU_SET(CPU, &cpu);
    must(!sched_setaffinity(0, sizeof(cpu), &cpu), "affinity");
    set_up();
    connects(NONE); /* addresses are resolved, caches filled */
    for (int round = 0; round < ROUNDS; round++) {
        for (enum mode mode = NONE; mode < MODES; mode++)
            ns[mode][round] = connects(mode);
        for (enum mode mode = FLOOR; mode < MODES; mode++)
            burst_ns[mode][round] = bursts(mode);
        ratio[round] = ns[OURS][round] / ns[FLOOR][round];
        burst_ratio[round] = burst_ns[OURS][round] / burst_ns[FLOOR][round];
    }
    printf("{\"bench\":\"queue_connect\",\"unit\":\"ns\",\"none\":%.0f,\"floor\":%.0f,"
           "\"queue\":%.0f,\"ratio\":%.3f,\"goal\":1.2}\n",
           median(ns[NONE], ROUNDS), median(ns[FLOOR], ROUNDS), median(ns[OURS], ROUNDS),
           median(ratio, ROUNDS));
    printf("{\"bench\":\"queue_burst\",\"unit\":\"ns\",\"floor\":%.0f,\"queue\":%.0f,"
           "\"ratio\":%.3f}\n",
           median(burst_ns[FLOOR], ROUNDS), median(burst_ns[OURS], ROUNDS),
           median(burst_ratio, ROUNDS));
    return 0;
}
