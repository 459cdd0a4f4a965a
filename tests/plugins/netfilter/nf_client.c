/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that connects, sends, and ends with the errno:
 *   nf_client tcp|mptcp|udp|send ADDRESS PORT [DATA]   send: without connecting before
 *   nf_client name SERVER NAME PORT [DATA]       asks the name server as glibc does
 * DATA is sent as it is; with tcp, one byte of an answer is waited for.
 */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static socklen_t address_of(struct sockaddr_storage *to, const char *text, uint16_t port)
{
    struct sockaddr_in *in = (void *)to;
    struct sockaddr_in6 *in6 = (void *)to;

    memset(to, 0, sizeof(*to));
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        to->ss_family = AF_INET;
        in->sin_port = htons(port);
        return sizeof(*in);
    }
    to->ss_family = AF_INET6;
    in6->sin6_port = htons(port);
    return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1 ? sizeof(*in6) : 0;
}

static int answer_of(int fd)
{
    struct pollfd answer = {.fd = fd, .events = POLLIN};
    char byte;

    if (poll(&answer, 1, 5000) <= 0)
        return ETIMEDOUT;
    return recv(fd, &byte, 1, 0) < 0 ? errno : 0;
}

static int talk(const char *how, const char *address, uint16_t port, const char *data)
{
    struct sockaddr_storage to;
    socklen_t len = address_of(&to, address, port);
    bool mptcp = !strcmp(how, "mptcp"), tcp = mptcp || !strcmp(how, "tcp");
    int fd = socket(to.ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC,
                    mptcp ? IPPROTO_MPTCP : 0);

    if (!strcmp(how, "send"))
        return sendto(fd, data ? data : "x", data ? strlen(data) : 1, 0,
                      (struct sockaddr *)&to, len) < 0
                   ? errno
                   : 0;
    if (connect(fd, (struct sockaddr *)&to, len))
        return errno;
    if (!data)
        return 0;
    if (send(fd, data, strlen(data), MSG_NOSIGNAL) < 0)
        return errno;
    return tcp ? answer_of(fd) : 0;
}

/* The first address of a name; 0 or an errno. */
static int look_up(const char *server, const char *name, char ret[INET_ADDRSTRLEN])
{
    unsigned char answer[4096];
    struct __res_state state = {.retry = 1};
    ns_msg message;
    ns_rr record;
    int n;

    if (res_ninit(&state))
        return EIO;
    state.nscount = 1;
    state.nsaddr_list[0].sin_family = AF_INET;
    state.nsaddr_list[0].sin_port = htons(53);
    inet_pton(AF_INET, server, &state.nsaddr_list[0].sin_addr);
    n = res_nquery(&state, name, ns_c_in, ns_t_a, answer, sizeof(answer));
    res_nclose(&state);
    if (n < 0 || ns_initparse(answer, n, &message) ||
        ns_parserr(&message, ns_s_an, 0, &record))
        return ENOENT;
    return inet_ntop(AF_INET, ns_rr_rdata(record), ret, INET_ADDRSTRLEN) ? 0 : errno;
}

int main(int argc, char **argv)
{
    char address[INET_ADDRSTRLEN];
    int err;

    alarm(30);
    if (argc >= 5 && !strcmp(argv[1], "name")) {
        err = look_up(argv[2], argv[3], address);
        return err ? err : talk("tcp", address, (uint16_t)atoi(argv[4]), argv[5]);
    }
    if (argc < 4)
        return 255;
    return talk(argv[1], argv[2], (uint16_t)atoi(argv[3]), argv[4]);
}
