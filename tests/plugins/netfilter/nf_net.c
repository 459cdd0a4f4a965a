/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nf_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NFT "/usr/sbin/nft"
#define IPTABLES "/usr/sbin/iptables-nft"

static bool run(const char *const argv[])
{
    posix_spawn_file_actions_t quiet;
    char *env[] = {NULL};
    pid_t pid;
    int status = -1;

    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
    if (!posix_spawn(&pid, argv[0], &quiet, NULL, (char *const *)(uintptr_t)argv, env))
        assert_int_equal(waitpid(pid, &status, 0), pid);
    posix_spawn_file_actions_destroy(&quiet);
    return !status;
}

bool tc_nf_net_enter(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int fd, err;

    alarm(TC_NF_NET_ALARM_S);
    if (unshare(CLONE_NEWNET))
        return false;
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    err = ioctl(fd, SIOCSIFFLAGS, &lo);
    close(fd);
    return !err;
}

bool tc_nf_net_nft(const char *command)
{
    return run((const char *const[]){NFT, command, NULL});
}

void tc_nf_net_flush(void)
{
    assert_true(tc_nf_net_nft("flush ruleset"));
}

/* One command each: a chain that is there already is no error. */
static bool add_rule(const char *rule)
{
    char command[256];

    assert_true(tc_nf_net_nft("add table inet test"));
    assert_true(tc_nf_net_nft("add chain inet test out { type filter hook output "
                              "priority -150; policy accept; }"));
    (void)snprintf(command, sizeof(command), "add rule inet test out %s", rule);
    return tc_nf_net_nft(command);
}

void tc_nf_net_queue(const char *protocol, uint16_t port, uint16_t number)
{
    bool tcp = !strcmp(protocol, "tcp");
    char rule[128], dport[8], queue[8];

    (void)snprintf(rule, sizeof(rule), "%s dport %u %s queue num %u bypass", protocol,
                   port, tcp ? "tcp flags syn / syn,ack" : "", number);
    if (add_rule(rule))
        return;
    (void)snprintf(dport, sizeof(dport), "%u", port);
    (void)snprintf(queue, sizeof(queue), "%u", number);
    assert_true(run((const char *const[]){
        IPTABLES, "-t", "mangle", "-A", "OUTPUT", "-p", protocol, "--dport", dport, "-j",
        "NFQUEUE", "--queue-num", queue, "--queue-bypass", tcp ? "--syn" : NULL, NULL}));
}

void tc_nf_net_log(const char *protocol, uint16_t port, uint16_t group)
{
    char rule[128];

    (void)snprintf(rule, sizeof(rule), "%s dport %u log group %u", protocol, port, group);
    assert_true(add_rule(rule));
}

static struct sockaddr_in address_of(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int tc_nf_net_listen(uint16_t *ret_port)
{
    struct sockaddr_in address = address_of(0);
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int tc_nf_net_connect(uint16_t port, uint32_t mark)
{
    struct sockaddr_in address = address_of(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    if (mark)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
        assert_int_equal(errno, EINPROGRESS);
    return fd;
}

bool tc_nf_net_connected(int fd, int ms)
{
    struct pollfd end = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof(int);
    int err = -1;

    if (poll(&end, 1, ms) <= 0)
        return false;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len), 0);
    assert_int_equal(err, 0);
    return true;
}

bool tc_nf_net_first_syn(int fd)
{
    struct tcp_info info = {.tcpi_total_retrans = 1};
    socklen_t len = sizeof(info);

    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return !info.tcpi_total_retrans;
}

void tc_nf_net_connect_as(uint16_t port, uint32_t uid)
{
    struct sockaddr_in address = address_of(port);
    int status = -1;
    pid_t pid = fork();

    if (!pid) {
        if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
            _exit(1);
        connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
                (struct sockaddr *)&address, sizeof(address));
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

unsigned tc_nf_net_datagrams(uint16_t port, unsigned count, size_t bytes)
{
    struct sockaddr_in address = address_of(port);
    static const char zeros[1200];
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unsigned sent = 0;

    assert_true(fd >= 0 && bytes <= sizeof(zeros));
    for (unsigned i = 0; i < count; i++)
        sent += sendto(fd, zeros, bytes, 0, (struct sockaddr *)&address,
                       sizeof(address)) >= 0;
    close(fd);
    return sent;
}
