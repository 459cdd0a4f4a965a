/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A message's headers and attributes beside the payload. */
#define OTHER_BYTES 4096

int tc_nf_socket_open(struct tc_nf_socket *sock, size_t payload_max,
                      uint32_t receive_bytes)
{
    int fd, err = 0;

    *sock = (struct tc_nf_socket){.size = payload_max + OTHER_BYTES};
    sock->buf = malloc(sock->size);
    sock->mnl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!sock->buf || !sock->mnl ||
        mnl_socket_bind(sock->mnl, 0, MNL_SOCKET_AUTOPID) < 0) {
        err = -errno;
        tc_nf_socket_close(sock);
        return err;
    }
    /* Beyond net.core.rmem_max where that is allowed: else as much as that. */
    fd = mnl_socket_get_fd(sock->mnl);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof(receive_bytes)))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    return 0;
}

void tc_nf_socket_close(struct tc_nf_socket *sock)
{
    if (sock->mnl)
        mnl_socket_close(sock->mnl);
    free(sock->buf);
    sock->mnl = NULL;
    sock->buf = NULL;
}

int tc_nf_socket_fd(const struct tc_nf_socket *sock)
{
    return mnl_socket_get_fd(sock->mnl);
}

/* The length of the next datagram; 0: none. */
static int receive(struct tc_nf_socket *sock)
{
    ssize_t n;

    for (;;) {
        n = mnl_socket_recvfrom(sock->mnl, sock->buf, sock->size);
        if (n >= 0)
            return (int)n;
        if (errno == EAGAIN)
            return 0;
        if (errno == ENOBUFS)
            sock->enobufs++;
        else if (errno != EINTR)
            return -errno;
    }
}

int tc_nf_socket_ask(struct tc_nf_socket *sock, struct nlmsghdr *message, mnl_cb_t fn,
                     void *arg)
{
    int n, result;

    message->nlmsg_flags |= NLM_F_ACK;
    message->nlmsg_seq = ++sock->seq;
    if (mnl_socket_sendto(sock->mnl, message, message->nlmsg_len) < 0)
        return -errno;
    while ((n = receive(sock)) > 0) {
        result = mnl_cb_run(sock->buf, (size_t)n, message->nlmsg_seq, 0, fn, arg);
        if (result == MNL_CB_STOP)
            return 0;
        if (result == MNL_CB_ERROR && errno != EPROTO) /* it answers another message */
            return -errno;
    }
    return n ? n : -ENOBUFS;
}

int tc_nf_socket_send(struct tc_nf_socket *sock, const void *messages, size_t len)
{
    return mnl_socket_sendto(sock->mnl, messages, len) < 0 ? -errno : 0;
}

int tc_nf_socket_read(struct tc_nf_socket *sock, mnl_cb_t fn, void *arg, unsigned max)
{
    unsigned count = 0;
    int n = 0;

    while (count < max && (n = receive(sock)) > 0) {
        count++;
        if (mnl_cb_run(sock->buf, (size_t)n, 0, 0, fn, arg) == MNL_CB_ERROR)
            sock->refused++;
    }
    return n < 0 ? n : (int)count;
}
