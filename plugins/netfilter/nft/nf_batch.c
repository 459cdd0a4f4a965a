/* SPDX-License-Identifier: Apache-2.0 */
#include "nft/nf_batch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* An error for each message fits, with what the kernel counts for one that is small. */
#define RECEIVE_BUFFER (TC_NF_BATCH_MESSAGES_MAX * 4096)

struct mnl_socket *tc_nf_batch_socket(void)
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    const int one = 1, size = RECEIVE_BUFFER;
    int err;

    if (!socket)
        return NULL;
    /* Without it an error repeats the message; kernels that cannot do so work as well. */
    (void)mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, (void *)(uintptr_t)&one,
                                sizeof one);
    (void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &size,
                     sizeof size);
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID)) {
        err = errno;
        mnl_socket_close(socket);
        errno = err;
        return NULL;
    }
    return socket;
}

void tc_nf_batch_begin(struct tc_nf_batch *batch, uint32_t *sequence)
{
    const struct nlmsghdr *begin;

    batch->count = 0;
    begin = nftnl_batch_begin(batch->buffer.bytes, (*sequence)++);
    batch->used = MNL_ALIGN(begin->nlmsg_len);
    batch->first = *sequence;
}

/* The message that is complete now counts. */
static void close_last(struct tc_nf_batch *batch)
{
    const struct nlmsghdr *last = (const void *)(batch->buffer.bytes + batch->used);

    if (batch->count)
        batch->used += MNL_ALIGN(last->nlmsg_len);
}

struct nlmsghdr *tc_nf_batch_add(struct tc_nf_batch *batch, uint16_t type, uint16_t flags)
{
    close_last(batch);
    return nftnl_nlmsg_build_hdr(batch->buffer.bytes + batch->used, type, NFPROTO_INET,
                                 flags | NLM_F_ACK, batch->first + batch->count++);
}

/* Takes what the kernel says about one message. */
static int take(struct tc_nf_batch *batch, const struct nlmsghdr *message)
{
    const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
    uint32_t index = message->nlmsg_seq - batch->first;

    if (message->nlmsg_type != NLMSG_ERROR ||
        mnl_nlmsg_get_payload_len(message) < sizeof *error || !error->error)
        return 0;
    if (index < batch->count)
        batch->errors[index] = error->error;
    return error->error;
}

/* All answers are there when the message has been sent: nfnetlink works in the sender's
 * time. */
static int read_answers(struct tc_nf_batch *batch, struct mnl_socket *socket)
{
    union {
        char bytes[8192];
        struct nlmsghdr aligned;
    } buffer;
    int first = 0;

    for (;;) {
        const struct nlmsghdr *message = &buffer.aligned;
        ssize_t got =
            recv(mnl_socket_get_fd(socket), &buffer, sizeof buffer, MSG_DONTWAIT);
        int len = (int)got;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? first : -errno;
        for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len)) {
            int err = take(batch, message);

            if (!first)
                first = err;
        }
    }
}

int tc_nf_batch_run(struct tc_nf_batch *batch, struct mnl_socket *socket,
                    uint32_t *sequence)
{
    const struct nlmsghdr *end;

    close_last(batch);
    memset(batch->errors, 0, sizeof batch->errors);
    end = nftnl_batch_end(batch->buffer.bytes + batch->used, batch->first + batch->count);
    *sequence = batch->first + batch->count + 1;
    batch->used += MNL_ALIGN(end->nlmsg_len);
    if (mnl_socket_sendto(socket, batch->buffer.bytes, batch->used) < 0)
        return -errno;
    return read_answers(batch, socket);
}

static int take_counter(const struct nlmsghdr *message, void *data)
{
    return nftnl_obj_nlmsg_parse(message, data) < 0 ? MNL_CB_ERROR : MNL_CB_OK;
}

/* Completes the message that asks for the counter. */
static void put_counter(struct nlmsghdr *message, struct nftnl_obj *counter,
                        const char *table, const char *name)
{
    nftnl_obj_set_str(counter, NFTNL_OBJ_TABLE, table);
    nftnl_obj_set_str(counter, NFTNL_OBJ_NAME, name);
    nftnl_obj_set_u32(counter, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
    nftnl_obj_nlmsg_build_payload(message, counter);
}

int tc_nf_batch_counter(struct mnl_socket *socket, uint32_t *sequence, const char *table,
                        const char *name, uint64_t *ret_packets)
{
    /* Two: the answer's names do not free those that are there (libnftnl 1.2.4). */
    struct nftnl_obj *question = nftnl_obj_alloc(), *answer = nftnl_obj_alloc();
    union {
        char bytes[8192];
        struct nlmsghdr aligned;
    } buffer;
    struct nlmsghdr *message;
    int more = 1, err = 0;

    if (!question || !answer) {
        err = -ENOMEM;
        goto out;
    }
    message = nftnl_nlmsg_build_hdr(buffer.bytes, NFT_MSG_GETOBJ, NFPROTO_INET, NLM_F_ACK,
                                    ++*sequence);
    put_counter(message, question, table, name);
    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
        err = -errno;
    while (!err && more > 0) {
        ssize_t got = mnl_socket_recvfrom(socket, buffer.bytes, sizeof buffer);

        more = got < 0 ? -1
                       : mnl_cb_run(buffer.bytes, (size_t)got, *sequence,
                                    mnl_socket_get_portid(socket), take_counter, answer);
        if (more < 0)
            err = -errno;
    }
    if (!err)
        *ret_packets = nftnl_obj_get_u64(answer, NFTNL_OBJ_CTR_PKTS);
out:
    if (question)
        nftnl_obj_free(question);
    if (answer)
        nftnl_obj_free(answer);
    return err;
}
