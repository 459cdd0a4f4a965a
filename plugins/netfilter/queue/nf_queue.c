/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_queue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nf_socket.h"

/* Of the network namespace of the thread that opens it, then and later. */
#define KERNEL_COUNTS "/proc/thread-self/net/netfilter/nfnetlink_queue"

/* nfq_nlmsg_parse fills in as many as the library knows that is there at run time. */
#define ATTRIBUTES_MAX 64

/* Of verdicts, before they are sent by themselves; a batch needs room for one more. */
#define BATCH_BYTES 4096
#define VERDICT_BYTES 256

#define EVERY_ID 0x7fffffff /* a batch verdict is for this id and those before it */

/* Sequence numbers of messages that want no answer must not be those of one that does. */
#define SEQ_UNASKED UINT32_MAX

struct tc_nf_queue {
    struct tc_nf_queue_config config;
    struct tc_nf_socket socket;
    struct mnl_nlmsg_batch *verdicts; /* not sent yet */
    bool reading;                     /* which sends them */
    char *verdicts_buf;
    FILE *counts;
    uint32_t
        generation; /* the upper half of ids: the kernel's begin anew when it binds */
    uint64_t unanswered; /* read, and no verdict yet */
    struct tc_nf_queue_counters counters;
};

/* Where a message of the kernel's goes. */
struct delivery {
    struct tc_nf_queue *queue;
    tc_nf_queued_fn fn; /* NULL: let it pass */
    void *arg;
};

struct kernel_counts {
    unsigned portid, waiting, kernel_dropped, user_dropped;
};

/* False: nobody listens. */
static bool read_counts(const struct tc_nf_queue *queue, struct kernel_counts *ret)
{
    unsigned number, mode, range;
    char line[128];

    if (!queue->counts)
        return false;
    rewind(queue->counts);
    (void)fflush(queue->counts); /* read it again, not what is in the buffer */
    while (fgets(line, sizeof(line), queue->counts)) {
        if (sscanf(line, "%u %u %u %u %u %u %u", &number, &ret->portid, &ret->waiting,
                   &mode, &range, &ret->kernel_dropped, &ret->user_dropped) == 7 &&
            number == queue->config.number)
            return true;
    }
    return false;
}

/* The port id of a netlink socket is its program's pid, but where that was taken. */
static void name_listener(const struct tc_nf_queue *queue, char why[256])
{
    struct kernel_counts counts;
    char path[64], comm[17] = "";
    FILE *file;

    if (!read_counts(queue, &counts)) {
        (void)snprintf(why, 256, "another program listens on queue %u",
                       queue->config.number);
        return;
    }
    (void)snprintf(path, sizeof(path), "/proc/%u/comm", counts.portid);
    file = fopen(path, "re");
    if (file) {
        if (!fgets(comm, sizeof(comm), file))
            comm[0] = '\0';
        comm[strcspn(comm, "\n")] = '\0';
        (void)fclose(file);
    }
    if (comm[0])
        (void)snprintf(why, 256, "process %u (%s) listens on queue %u", counts.portid,
                       comm, queue->config.number);
    else
        (void)snprintf(why, 256, "another program (netlink port %u) listens on queue %u",
                       counts.portid, queue->config.number);
}

static int flush(struct tc_nf_queue *queue)
{
    int err;

    if (mnl_nlmsg_batch_is_empty(queue->verdicts))
        return 0;
    err = tc_nf_socket_send(&queue->socket, mnl_nlmsg_batch_head(queue->verdicts),
                            mnl_nlmsg_batch_size(queue->verdicts));
    if (!err)
        mnl_nlmsg_batch_reset(queue->verdicts);
    return err;
}

static int put_verdict(struct tc_nf_queue *queue, uint32_t packet_id, uint32_t verdict)
{
    struct nlmsghdr *message = nfq_nlmsg_put(mnl_nlmsg_batch_current(queue->verdicts),
                                             NFQNL_MSG_VERDICT, queue->config.number);

    message->nlmsg_seq = SEQ_UNASKED;
    nfq_nlmsg_verdict_put(message, (int)packet_id, (int)verdict);
    return mnl_nlmsg_batch_next(queue->verdicts) ? 0 : flush(queue);
}

static uint32_t number_in(const struct nlattr *attribute)
{
    return attribute ? ntohl(mnl_attr_get_u32(attribute)) : 0;
}

static int on_message(const struct nlmsghdr *message, void *arg)
{
    const struct delivery *delivery = arg;
    struct tc_nf_queue *queue = delivery->queue;
    const struct nfqnl_msg_packet_hdr *header;
    struct nlattr *attr[ATTRIBUTES_MAX] = {NULL};
    struct tc_nf_queued packet = {.payload = NULL};
    uint32_t id;

    if (nfq_nlmsg_parse(message, attr) < 0 || !attr[NFQA_PACKET_HDR])
        return MNL_CB_OK;
    header = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
    id = ntohl(header->packet_id);
    if (!delivery->fn) {
        queue->counters.released++;
        put_verdict(queue, id, NF_ACCEPT);
        return MNL_CB_OK;
    }
    packet.id = (uint64_t)queue->generation << 32 | id;
    packet.hook = header->hook;
    if (attr[NFQA_PAYLOAD]) {
        packet.payload = mnl_attr_get_payload(attr[NFQA_PAYLOAD]);
        packet.len = mnl_attr_get_payload_len(attr[NFQA_PAYLOAD]);
    }
    packet.whole_len = attr[NFQA_CAP_LEN] ? number_in(attr[NFQA_CAP_LEN]) : packet.len;
    packet.has_uid = attr[NFQA_UID] && attr[NFQA_GID];
    packet.uid = number_in(attr[NFQA_UID]);
    packet.gid = number_in(attr[NFQA_GID]);
    packet.in_ifindex = number_in(attr[NFQA_IFINDEX_INDEV]);
    packet.out_ifindex = number_in(attr[NFQA_IFINDEX_OUTDEV]);
    packet.checksum_partial = number_in(attr[NFQA_SKB_INFO]) & NFQA_SKB_CSUMNOTREADY;
    queue->counters.read++;
    queue->unanswered++;
    delivery->fn(delivery->arg, &packet);
    return MNL_CB_OK;
}

/*
 * One message for all of it: a packet that comes between "bind" and the copy mode of
 * another would be dropped (mode "none" is an error to the kernel, not a bypass).
 */
static int bind_queue(struct tc_nf_queue *queue, char why[256])
{
    const struct tc_nf_queue_config *config = &queue->config;
    struct delivery pass = {.queue = queue};
    alignas(struct nlmsghdr) char buf[TC_NF_SOCKET_COMMAND_BYTES];
    struct nlmsghdr *message = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, config->number);
    uint32_t flags = NFQA_CFG_F_GSO | NFQA_CFG_F_UID_GID |
                     (config->drop_when_full ? 0 : NFQA_CFG_F_FAIL_OPEN);
    int err;

    nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
    nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, (int)config->copy_bytes);
    if (config->waiting_max)
        nfq_nlmsg_cfg_put_qmaxlen(message, config->waiting_max);
    mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(flags));
    mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(flags));
    err = tc_nf_socket_ask(&queue->socket, message, on_message, &pass);
    /* The file is there when the kernel's module is, which the message has loaded. */
    if (!queue->counts)
        queue->counts = fopen(KERNEL_COUNTS, "re");
    if (err == -EPERM && read_counts(queue, &(struct kernel_counts){0}))
        err = -EBUSY; /* the kernel says EPERM of a queue that is another's */
    if (err == -EBUSY)
        name_listener(queue, why);
    else if (err)
        (void)snprintf(why, 256, "queue %u cannot be opened: %s", config->number,
                       strerror(-err));
    if (!err)
        queue->generation++;
    flush(queue);
    return err;
}

int tc_nf_queue_open(const struct tc_nf_queue_config *config,
                     struct tc_nf_queue **ret_queue, char why[256])
{
    struct tc_nf_queue *queue = calloc(1, sizeof(*queue));
    int err = -ENOMEM;

    if (!queue)
        goto out;
    queue->config = *config;
    if (!queue->config.copy_bytes)
        queue->config.copy_bytes = TC_NF_QUEUE_COPY_BYTES;
    if (!queue->config.receive_bytes)
        queue->config.receive_bytes = TC_NF_QUEUE_RECEIVE_BYTES;
    queue->verdicts_buf = malloc(BATCH_BYTES + VERDICT_BYTES);
    if (queue->verdicts_buf)
        queue->verdicts = mnl_nlmsg_batch_start(queue->verdicts_buf, BATCH_BYTES);
    if (!queue->verdicts)
        goto out;
    err = tc_nf_socket_open(&queue->socket, queue->config.copy_bytes,
                            queue->config.receive_bytes);
    if (err)
        goto out;
    err = bind_queue(queue, why);
    if (!err)
        *ret_queue = queue;
out:
    if (!queue || !queue->socket.mnl)
        (void)snprintf(why, 256, "no socket for queue %u: %s", config->number,
                       strerror(-err));
    if (err)
        tc_nf_queue_close(queue);
    return err;
}

void tc_nf_queue_close(struct tc_nf_queue *queue)
{
    alignas(struct nlmsghdr) char messages[TC_NF_QUEUE_RELEASE_BYTES];

    if (!queue)
        return;
    if (queue->socket.mnl) {
        flush(queue);
        /* Closing alone would drop what waits. */
        tc_nf_socket_send(&queue->socket, messages, tc_nf_queue_release(queue, messages));
    }
    tc_nf_socket_close(&queue->socket);
    if (queue->verdicts)
        mnl_nlmsg_batch_stop(queue->verdicts);
    free(queue->verdicts_buf);
    if (queue->counts)
        (void)fclose(queue->counts);
    free(queue);
}

int tc_nf_queue_fd(const struct tc_nf_queue *queue)
{
    return tc_nf_socket_fd(&queue->socket);
}

int tc_nf_queue_read(struct tc_nf_queue *queue, tc_nf_queued_fn fn, void *arg,
                     unsigned max)
{
    struct delivery delivery = {.queue = queue, .fn = fn, .arg = arg};
    int n, err;

    queue->reading = true;
    n = tc_nf_socket_read(&queue->socket, on_message, &delivery, max);
    queue->reading = false;
    err = flush(queue);
    return err ? err : n;
}

int tc_nf_queue_verdict(struct tc_nf_queue *queue, uint64_t id,
                        enum tc_nf_verdict verdict)
{
    static const uint32_t words[] = {[TC_NF_VERDICT_DROP] = NF_DROP,
                                     [TC_NF_VERDICT_ACCEPT] = NF_ACCEPT,
                                     [TC_NF_VERDICT_REPEAT] = NF_REPEAT};
    int err;

    if (id >> 32 != queue->generation) {
        queue->counters.stale++;
        return 0;
    }
    err = put_verdict(queue, (uint32_t)id, words[verdict]);
    if (!err && !queue->reading)
        err = flush(queue);
    if (err)
        return err;
    queue->unanswered--;
    queue->counters.accepted += verdict == TC_NF_VERDICT_ACCEPT;
    queue->counters.denied += verdict == TC_NF_VERDICT_DROP;
    return 0;
}

static int skip_message(const struct nlmsghdr *message, void *arg)
{
    struct tc_nf_queue *queue = arg;

    (void)message;
    queue->counters.released++;
    return MNL_CB_OK;
}

int tc_nf_queue_rebind(struct tc_nf_queue *queue, char why[256])
{
    int n;

    /* What is in the socket has passed, and the ids of what comes begin at 1 again. */
    queue->generation++;
    queue->counters.released += queue->unanswered;
    queue->unanswered = 0;
    mnl_nlmsg_batch_reset(queue->verdicts);
    mnl_nlmsg_batch_reset(queue->verdicts); /* and of one that was too many */
    while ((n = tc_nf_socket_read(&queue->socket, skip_message, queue, UINT32_MAX)) > 0)
        ;
    if (n < 0) {
        (void)snprintf(why, 256, "queue %u cannot be read: %s", queue->config.number,
                       strerror(-n));
        return n;
    }
    n = bind_queue(queue, why);
    queue->counters.rebound += !n;
    return n;
}

/* The next message, at the end of those that are there; each is finished before the next
 * is begun. */
static struct nlmsghdr *add_message(const struct tc_nf_queue *queue, char *at, int type)
{
    struct nlmsghdr *message = nfq_nlmsg_put(at, type, queue->config.number);

    message->nlmsg_seq = SEQ_UNASKED;
    return message;
}

/*
 * The kernel drops what is in a queue that is unbound, so it must be empty by then: what
 * comes is not queued any more (first the flag, lest a full queue drops it), and what was
 * queued has passed.
 */
size_t tc_nf_queue_release(const struct tc_nf_queue *queue,
                           char ret_messages[TC_NF_QUEUE_RELEASE_BYTES])
{
    alignas(struct nlmsghdr) char buf[TC_NF_QUEUE_RELEASE_BYTES];
    struct nlmsghdr *message = add_message(queue, buf, NFQNL_MSG_CONFIG);
    size_t len;

    mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_FAIL_OPEN));
    mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_FAIL_OPEN));
    len = message->nlmsg_len;
    message = add_message(queue, buf + len, NFQNL_MSG_CONFIG);
    nfq_nlmsg_cfg_put_qmaxlen(message, 0);
    len += message->nlmsg_len;
    message = add_message(queue, buf + len, NFQNL_MSG_VERDICT_BATCH);
    nfq_nlmsg_verdict_put(message, EVERY_ID, NF_ACCEPT);
    len += message->nlmsg_len;
    message = add_message(queue, buf + len, NFQNL_MSG_CONFIG);
    nfq_nlmsg_cfg_put_cmd(message, AF_UNSPEC, NFQNL_CFG_CMD_UNBIND);
    len += message->nlmsg_len;
    memcpy(ret_messages, buf, len);
    return len;
}

void tc_nf_queue_count(const struct tc_nf_queue *queue,
                       struct tc_nf_queue_counters *ret_counters)
{
    struct kernel_counts counts;

    *ret_counters = queue->counters;
    ret_counters->stale += queue->socket.refused;
    ret_counters->enobufs = queue->socket.enobufs;
    if (!read_counts(queue, &counts))
        return;
    ret_counters->waiting = counts.waiting;
    ret_counters->kernel_dropped = counts.kernel_dropped;
    ret_counters->user_dropped = counts.user_dropped;
}
