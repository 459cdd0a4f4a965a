/* SPDX-License-Identifier: Apache-2.0 */
#include "netfilter_peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUEUE 7
#define BYTES_MAX (256 * 1024)

void peers_must(bool ok, const char *what)
{
    if (ok)
        return;
    (void)fprintf(stderr, "bench_netfilter: %s: %s\n", what, strerror(errno));
    exit(1);
}

uint64_t peers_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

pid_t peers_child(void)
{
    unsigned left = alarm(0);
    pid_t pid;

    alarm(left);
    pid = fork();
    peers_must(pid >= 0, "fork");
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(left);
    }
    return pid;
}

void peers_run(const char *command)
{
    peers_must(system(command) == 0, command); /* NOLINT(cert-env33-c): a fixed text */
}

struct sockaddr_in peers_address(const char *host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

/* ---- The servers. ---- */

static void close_one(int fd)
{
    close(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

/* Each by a process of its own. */
static void serve_flow(int fd, void (*run)(int flow))
{
    int flow = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

    if (!peers_child()) {
        run(flow);
        _exit(0);
    }
    close(flow);
}

static void echo(int flow)
{
    char byte;

    while (read(flow, &byte, 1) == 1 && write(flow, &byte, 1) == 1)
        ;
}

static void echo_one(int fd)
{
    serve_flow(fd, echo);
}

static void take(int flow)
{
    static char bytes[BYTES_MAX];
    size_t taken = 0;
    ssize_t n;

    while ((n = read(flow, bytes, sizeof(bytes))) > 0)
        for (taken += (size_t)n; taken >= PEERS_PIECE; taken -= PEERS_PIECE)
            (void)!write(flow, "y", 1);
}

static void take_one(int fd)
{
    serve_flow(fd, take);
}

/* A question becomes its answer: the same address for each. */
static void answer_one(int fd)
{
    static const char answer[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\2";
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    char message[512];
    ssize_t n = recvfrom(fd, message, sizeof(message) - sizeof(answer), 0,
                         (struct sockaddr *)&from, &len);

    if (n < 12)
        return;
    message[2] |= (char)0x80;
    message[7] = 1;
    memcpy(message + n, answer, sizeof(answer) - 1);
    (void)sendto(fd, message, (size_t)n + sizeof(answer) - 1, 0, (struct sockaddr *)&from,
                 len);
}

static void ignore(int fd)
{
    (void)fd;
    pause();
}

static void serve(int type, uint16_t port, void (*one)(int fd))
{
    struct sockaddr_in address = peers_address("0.0.0.0", port);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), one_more = 1;

    peers_must(fd >= 0 &&
                   !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one_more, sizeof(int)) &&
                   !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
                   (type != SOCK_STREAM || !listen(fd, 1024)),
               "a server");
    if (peers_child()) {
        close(fd);
        return;
    }
    (void)signal(SIGCHLD, SIG_IGN);
    for (;;)
        one(fd);
}

_Noreturn static void serve_all(int ready)
{
    peers_must(!unshare(CLONE_NEWNET), "a network namespace");
    serve(SOCK_STREAM, PEERS_CLOSES, close_one);
    serve(SOCK_STREAM, PEERS_ECHOES, echo_one);
    serve(SOCK_STREAM, PEERS_TAKES, take_one);
    serve(SOCK_DGRAM, PEERS_DNS, answer_one);
    serve(SOCK_DGRAM, PEERS_IGNORES, ignore);
    peers_must(write(ready, "r", 1) == 1, "write");
    for (;;)
        pause();
}

static void await_byte(int fd)
{
    char byte;

    peers_must(read(fd, &byte, 1) == 1, "a child did not come up");
    close(fd);
}

static int plain; /* a namespace */

static int unshare_network(void)
{
    peers_must(!unshare(CLONE_NEWNET), "a network namespace of its own (needs root)");
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* The same again. */
static void join_plain(pid_t server)
{
    char command[512];

    (void)snprintf(command, sizeof(command),
                   "ip link add p netns %d type veth peer name q netns /proc/%d/fd/%d && "
                   "nsenter -t %d -n sh -c 'ip addr add 203.0.113.2/24 dev p && ip link "
                   "set p up' && nsenter --net=/proc/%d/fd/%d sh -c 'ip addr add "
                   "203.0.113.1/24 dev q && ip link set q up && ip route add default via "
                   "203.0.113.2'",
                   server, getpid(), plain, server, getpid(), plain);
    peers_run(command);
}

int peers_connect(uint16_t port)
{
    struct sockaddr_in address = peers_address(PEERS_SERVER, port);
    struct linger reset = {.l_onoff = 1}; /* no port is left in TIME_WAIT */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    peers_must(fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) &&
                   !connect(fd, (struct sockaddr *)&address, sizeof(address)),
               "connect");
    return fd;
}

int peers_connect_plainly(uint16_t port)
{
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), fd;

    peers_must(own >= 0 && !setns(plain, CLONE_NEWNET), "the other namespace");
    fd = peers_connect(port);
    peers_must(!setns(own, CLONE_NEWNET), "the own namespace");
    close(own);
    return fd;
}

void peers_begin(void)
{
    char command[512];
    int ready[2];
    pid_t pid;

    plain = unshare_network();
    close(unshare_network());
    peers_must(!pipe2(ready, O_CLOEXEC), "pipe");
    pid = peers_child();
    if (!pid)
        serve_all(ready[1]);
    close(ready[1]);
    await_byte(ready[0]);
    (void)snprintf(
        command, sizeof(command),
        "ip link add c type veth peer name s netns %d && ip link set lo up && "
        "ip addr add 192.0.2.1/24 dev c && ip link set c up && nsenter -t %d "
        "-n sh -c 'ip addr add " PEERS_SERVER
        "/24 dev s && ip link set s up' && ip route add default via " PEERS_SERVER,
        pid, pid);
    peers_run(command);
    join_plain(pid);
}

/* ---- The floor of a queue. ---- */

struct bare {
    struct mnl_socket *socket;
    char buf[0xffff + 4096];
};

static int accept_packet(const struct nlmsghdr *message, void *arg)
{
    struct bare *bare = arg;
    alignas(struct nlmsghdr) char buf[256];
    struct nlattr *attr[64] = {NULL};
    struct nlmsghdr *verdict;
    struct nfqnl_msg_packet_hdr *header;

    if (nfq_nlmsg_parse(message, attr) < 0 || !attr[NFQA_PACKET_HDR])
        return MNL_CB_OK;
    header = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
    verdict = nfq_nlmsg_put(buf, NFQNL_MSG_VERDICT, QUEUE);
    nfq_nlmsg_verdict_put(verdict, (int)ntohl(header->packet_id), NF_ACCEPT);
    peers_must(mnl_socket_sendto(bare->socket, verdict, verdict->nlmsg_len) > 0,
               "verdict");
    return MNL_CB_OK;
}

static void bind_queue(struct bare *bare)
{
    static const uint32_t flags =
        NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID | NFQA_CFG_F_FAIL_OPEN;
    alignas(struct nlmsghdr) char buf[256];
    struct nlmsghdr *message;

    bare->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    peers_must(bare->socket && !mnl_socket_bind(bare->socket, 0, 0), "netlink");
    message = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, QUEUE);
    nfq_nlmsg_cfg_put_cmd(message, AF_INET, NFQNL_CFG_CMD_BIND);
    nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, 0xffff);
    mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(flags));
    mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(flags));
    peers_must(mnl_socket_sendto(bare->socket, message, message->nlmsg_len) > 0, "bind");
}

_Noreturn static void accept_all(int ready)
{
    static struct bare bare;
    ssize_t n;

    bind_queue(&bare);
    peers_must(write(ready, "r", 1) == 1, "write");
    for (;;) {
        n = mnl_socket_recvfrom(bare.socket, bare.buf, sizeof(bare.buf));
        peers_must(n > 0, "recv");
        mnl_cb_run(bare.buf, (size_t)n, 0, 0, accept_packet, &bare);
    }
}

pid_t peers_bare_begin(void)
{
    int ready[2];
    pid_t pid;

    peers_must(!pipe2(ready, O_CLOEXEC), "pipe");
    pid = peers_child();
    if (!pid)
        accept_all(ready[1]);
    close(ready[1]);
    await_byte(ready[0]);
    peers_run("nft 'add table inet b; add chain inet b o { type filter hook output "
              "priority -150; }; add rule inet b o tcp flags syn / syn,ack queue num 7 "
              "bypass' 2>/dev/null || iptables-nft -t mangle -A OUTPUT -p tcp --syn -j "
              "NFQUEUE --queue-num 7 --queue-bypass");
    return pid;
}

void peers_bare_end(pid_t bare)
{
    peers_run("nft flush ruleset");
    kill(bare, SIGKILL);
    waitpid(bare, NULL, 0);
}
