/* SPDX-License-Identifier: Apache-2.0 */
#include "nft/nf_monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER                                                                   \
    (1024 * 1024) /* another's large ruleset comes element by element */

/* Every message of nf_tables that belongs to a table names it in this attribute. */
#define TABLE_ATTRIBUTE 1
_Static_assert(NFTA_TABLE_NAME == TABLE_ATTRIBUTE &&
                   NFTA_CHAIN_TABLE == TABLE_ATTRIBUTE &&
                   NFTA_RULE_TABLE == TABLE_ATTRIBUTE &&
                   NFTA_SET_TABLE == TABLE_ATTRIBUTE &&
                   NFTA_SET_ELEM_LIST_TABLE == TABLE_ATTRIBUTE &&
                   NFTA_OBJ_TABLE == TABLE_ATTRIBUTE &&
                   NFTA_FLOWTABLE_TABLE == TABLE_ATTRIBUTE,
               "the kernel's numbers");

int tc_nf_monitor_open(struct tc_nf_monitor *monitor,
                       const char *const tables[TC_NF_MONITOR_TABLES_MAX],
                       char why[TC_NF_WHY_MAX])
{
    const int size = RECEIVE_BUFFER;
    int err;

    *monitor = (struct tc_nf_monitor){.fd = -1};
    memcpy(monitor->tables, tables, sizeof monitor->tables);
    monitor->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!monitor->socket)
        goto fail;
    (void)setsockopt(mnl_socket_get_fd(monitor->socket), SOL_SOCKET, SO_RCVBUFFORCE,
                     &size, sizeof size);
    if (mnl_socket_bind(monitor->socket, 1U << (NFNLGRP_NFTABLES - 1),
                        MNL_SOCKET_AUTOPID))
        goto fail;
    monitor->fd = mnl_socket_get_fd(monitor->socket);
    return 0;
fail:
    err = -errno;
    (void)snprintf(why, TC_NF_WHY_MAX, "nftables' notifications: %s",
                   strerrordesc_np(-err));
    tc_nf_monitor_close(monitor);
    return err;
}

void tc_nf_monitor_close(struct tc_nf_monitor *monitor)
{
    if (monitor->socket)
        mnl_socket_close(monitor->socket);
    *monitor = (struct tc_nf_monitor){.fd = -1};
}

void tc_nf_monitor_own(struct tc_nf_monitor *monitor, uint32_t portid)
{
    if (portid && monitor->own_count < TC_NF_MONITOR_OWN_MAX)
        monitor->own[monitor->own_count++] = portid;
}

static bool is_own(const struct tc_nf_monitor *monitor, uint32_t portid)
{
    for (size_t i = 0; i < monitor->own_count; i++)
        if (monitor->own[i] == portid)
            return true;
    return false;
}

static bool is_watched(const struct tc_nf_monitor *monitor, const char *table)
{
    for (size_t i = 0; i < TC_NF_MONITOR_TABLES_MAX; i++)
        if (monitor->tables[i] && !strcmp(monitor->tables[i], table))
            return true;
    return false;
}

/* A part of a transaction, whose author its end names. */
static void take_part(struct tc_nf_monitor *monitor, const struct nlmsghdr *message)
{
    const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
    const struct nlattr *attribute;

    if (header->nfgen_family != NFPROTO_INET)
        return;
    mnl_attr_for_each(attribute, message, sizeof *header)
    {
        if (mnl_attr_get_type(attribute) != TABLE_ATTRIBUTE ||
            mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0 ||
            !is_watched(monitor, mnl_attr_get_str(attribute)))
            continue;
        monitor->touched = true;
        if (NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_DELTABLE)
            monitor->removed = true;
    }
}

/* The end of a transaction. */
static void take_end(struct tc_nf_monitor *monitor, const struct nlmsghdr *message,
                     struct tc_nf_monitor_report *report)
{
    const struct nlattr *attribute;

    report->changes++;
    report->removed |= monitor->removed;
    if (report->touched && !monitor->touched)
        return;
    report->touched = monitor->touched;
    report->pid = 0;
    report->name[0] = '\0';
    mnl_attr_for_each(attribute, message, sizeof(struct nfgenmsg))
    {
        uint16_t type = mnl_attr_get_type(attribute);

        if (type == NFTA_GEN_PROC_PID && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
            report->pid = ntohl(mnl_attr_get_u32(attribute));
        else if (type == NFTA_GEN_PROC_NAME &&
                 mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
            (void)snprintf(report->name, sizeof report->name, "%s",
                           mnl_attr_get_str(attribute));
    }
}

static void take(struct tc_nf_monitor *monitor, const struct nlmsghdr *message,
                 struct tc_nf_monitor_report *report)
{
    const bool end = NFNL_MSG_TYPE(message->nlmsg_type) == NFT_MSG_NEWGEN;

    if (NFNL_SUBSYS_ID(message->nlmsg_type) != NFNL_SUBSYS_NFTABLES ||
        mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
        return;
    if (!is_own(monitor, message->nlmsg_pid)) {
        if (end)
            take_end(monitor, message, report);
        else
            take_part(monitor, message);
    }
    if (end)
        monitor->touched = monitor->removed = false;
}

int tc_nf_monitor_read(struct tc_nf_monitor *monitor,
                       struct tc_nf_monitor_report *ret_report)
{
    struct tc_nf_monitor_report report = {0};
    union {
        char bytes[65536]; /* the kernel puts many into one datagram */
        struct nlmsghdr aligned;
    } buffer;

    for (;;) {
        const struct nlmsghdr *message = &buffer.aligned;
        ssize_t got = recv(monitor->fd, &buffer, sizeof buffer, 0);
        int len = (int)got;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got < 0 && errno != ENOBUFS)
            return -errno;
        if (got < 0)
            report.lost = true;
        for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len))
            take(monitor, message, &report);
    }
    *ret_report = report;
    return 0;
}
