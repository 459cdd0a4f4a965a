/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: a netlink socket to nfnetlink, as the queue and the log have it: how it is
 * opened, configured and read. It stays in the network namespace of the thread that
 * opened it. Must not: wait; know what the messages say.
 */
#ifndef TC_NF_SOCKET_H
#define TC_NF_SOCKET_H

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#define TC_NF_SOCKET_COMMAND_BYTES 256 /* at most, of a message that configures */

struct tc_nf_socket {
    struct mnl_socket *mnl; /* NULL: not open */
    char *buf;              /* a message of the kernel's */
    size_t size;
    uint32_t seq;
    uint64_t enobufs; /* times that it was full: messages are missing */
    uint64_t refused; /* errors that the kernel answered to what asked for no answer */
};

/*
 * Opens it with room for messages with `payload_max` of payload, and for
 * `receive_bytes` of them. Errors: those of socket(2), bind(2), malloc(3); then nothing
 * is open.
 */
int tc_nf_socket_open(struct tc_nf_socket *sock, size_t payload_max,
                      uint32_t receive_bytes);
void tc_nf_socket_close(struct tc_nf_socket *sock);

int tc_nf_socket_fd(const struct tc_nf_socket *sock);

/*
 * Sends one message and takes the kernel's answer, which is there when the message has
 * been sent: 0 or its -errno. What else is read on the way goes to `fn`.
 */
int tc_nf_socket_ask(struct tc_nf_socket *sock, struct nlmsghdr *message, mnl_cb_t fn,
                     void *arg);

/* Sends messages that get no answer. Errors: those of sendto(2). */
int tc_nf_socket_send(struct tc_nf_socket *sock, const void *messages, size_t len);

/* At most `max` datagrams, each message to `fn`, which returns MNL_CB_OK. Returns how
 * many there were, or an error of recvmsg(2). */
int tc_nf_socket_read(struct tc_nf_socket *sock, mnl_cb_t fn, void *arg, unsigned max);

#endif
