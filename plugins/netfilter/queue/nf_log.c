/* SPDX-License-Identifier: Apache-2.0 */
#include "nf_log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nf_socket.h"

/* As in nf_queue.c. */
#define ATTRIBUTES_MAX 64

struct tc_nf_log {
    struct tc_nf_socket socket;
    uint64_t read;
};

struct delivery {
    struct tc_nf_log *log;
    tc_nf_queued_fn fn; /* NULL: nobody's */
    void *arg;
};

static uint32_t number_in(const struct nlattr *attribute)
{
    return attribute ? ntohl(mnl_attr_get_u32(attribute)) : 0;
}

static int on_message(const struct nlmsghdr *message, void *arg)
{
    const struct delivery *delivery = arg;
    const struct nfulnl_msg_packet_hdr *header;
    struct nlattr *attr[ATTRIBUTES_MAX] = {NULL};
    struct tc_nf_queued packet = {.id = 0};

    if (nflog_nlmsg_parse(message, attr) < 0 || !attr[NFULA_PACKET_HDR] || !delivery->fn)
        return MNL_CB_OK;
    header = mnl_attr_get_payload(attr[NFULA_PACKET_HDR]);
    packet.hook = header->hook;
    if (attr[NFULA_PAYLOAD]) {
        packet.payload = mnl_attr_get_payload(attr[NFULA_PAYLOAD]);
        packet.len = mnl_attr_get_payload_len(attr[NFULA_PAYLOAD]);
    }
    packet.whole_len = packet.len;
    packet.has_uid = attr[NFULA_UID] && attr[NFULA_GID];
    packet.uid = number_in(attr[NFULA_UID]);
    packet.gid = number_in(attr[NFULA_GID]);
    packet.in_ifindex = number_in(attr[NFULA_IFINDEX_INDEV]);
    packet.out_ifindex = number_in(attr[NFULA_IFINDEX_OUTDEV]);
    delivery->log->read++;
    delivery->fn(delivery->arg, &packet);
    return MNL_CB_OK;
}

static int bind_group(struct tc_nf_log *log, uint16_t group, uint32_t copy_bytes)
{
    struct delivery nobody = {.log = log};
    alignas(struct nlmsghdr) char buf[TC_NF_SOCKET_COMMAND_BYTES];
    struct nlmsghdr *message =
        nflog_nlmsg_put_header(buf, NFULNL_MSG_CONFIG, AF_UNSPEC, group);

    nflog_attr_put_cfg_cmd(message, NFULNL_CFG_CMD_BIND);
    nflog_attr_put_cfg_mode(message, NFULNL_COPY_PACKET, copy_bytes);
    mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(1)); /* each at once */
    return tc_nf_socket_ask(&log->socket, message, on_message, &nobody);
}

int tc_nf_log_open(const struct tc_nf_log_config *config, struct tc_nf_log **ret_log,
                   char why[256])
{
    struct tc_nf_log *log = calloc(1, sizeof(*log));
    uint32_t copy = config->copy_bytes;
    int err = -ENOMEM;

    if (copy < TC_NF_LOG_COPY_BYTES_MIN)
        copy = TC_NF_LOG_COPY_BYTES_MIN;
    if (copy > TC_NF_LOG_COPY_BYTES_MAX)
        copy = TC_NF_LOG_COPY_BYTES_MAX;
    if (!log)
        goto out;
    err = tc_nf_socket_open(&log->socket, copy,
                            config->receive_bytes ? config->receive_bytes
                                                  : TC_NF_LOG_RECEIVE_BYTES);
    if (!err)
        err = bind_group(log, config->group, copy);
out:
    if (err) {
        (void)snprintf(why, 256, "log group %u cannot be opened: %s", config->group,
                       err == -EBUSY || err == -EPERM
                           ? "another program listens on it, or it is not allowed"
                           : strerror(-err));
        tc_nf_log_close(log);
        return err;
    }
    *ret_log = log;
    return 0;
}

void tc_nf_log_close(struct tc_nf_log *log)
{
    if (!log)
        return;
    tc_nf_socket_close(&log->socket);
    free(log);
}

int tc_nf_log_fd(const struct tc_nf_log *log)
{
    return tc_nf_socket_fd(&log->socket);
}

int tc_nf_log_read(struct tc_nf_log *log, tc_nf_queued_fn fn, void *arg, unsigned max)
{
    struct delivery delivery = {.log = log, .fn = fn, .arg = arg};

    return tc_nf_socket_read(&log->socket, on_message, &delivery, max);
}

void tc_nf_log_count(const struct tc_nf_log *log, struct tc_nf_log_counters *ret_counters)
{
    *ret_counters = (struct tc_nf_log_counters){
        .read = log->read,
        .enobufs = log->socket.enobufs,
    };
}
