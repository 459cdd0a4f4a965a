/* SPDX-License-Identifier: Apache-2.0 */
#include "trace_netlink.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trace_tracker.h"

#define ANSWER_MS 1000
#define MESSAGE_MAX 1024

static int subscribe(int fd, enum proc_cn_mcast_op op)
{
    struct {
        struct nlmsghdr header;
        char body[sizeof(struct cn_msg) + sizeof(op)];
    } message;
    struct cn_msg connector = {.id = {.idx = CN_IDX_PROC, .val = CN_VAL_PROC},
                               .len = sizeof(op)};

    memset(&message, 0, sizeof(message));
    message.header.nlmsg_len = NLMSG_LENGTH(sizeof(message.body));
    message.header.nlmsg_type = NLMSG_DONE;
    message.header.nlmsg_pid = 0;
    memcpy(message.body, &connector, sizeof(connector));
    memcpy(message.body + sizeof(connector), &op, sizeof(op));
    return send(fd, &message, message.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* One that is not allowed to listen gets no answer, and no error either. */
static int await_answer(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int n;

    do
        n = poll(&ready, 1, ANSWER_MS);
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
}

int tc_trace_netlink_open(struct tc_trace_netlink *netlink, char why[256])
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    int err = 0, bytes = TC_TRACE_NETLINK_BUFFER;

    memset(netlink, 0, sizeof(*netlink));
    netlink->fd =
        socket(PF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
    if (netlink->fd < 0) {
        err = -errno;
        goto out;
    }
    /* Without the privilege to force it, what the system allows has to do. */
    if (setsockopt(netlink->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
        setsockopt(netlink->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    if (bind(netlink->fd, (struct sockaddr *)&address, sizeof(address)))
        err = -errno;
    if (!err)
        err = subscribe(netlink->fd, PROC_CN_MCAST_LISTEN);
    if (!err)
        err = await_answer(netlink->fd);
out:
    if (err) {
        snprintf(why, 256, "the process connector: %s", strerror(-err));
        tc_trace_netlink_close(netlink);
    }
    return err;
}

void tc_trace_netlink_close(struct tc_trace_netlink *netlink)
{
    if (netlink->fd >= 0) {
        subscribe(netlink->fd, PROC_CN_MCAST_IGNORE);
        close(netlink->fd);
    }
    netlink->fd = -1;
}

/* Each CPU numbers its messages. */
static void count_missing(struct tc_trace_netlink *netlink, uint32_t cpu, uint32_t number)
{
    struct tc_trace_netlink_cpu *at = &netlink->cpus[cpu];

    if (cpu >= TC_TRACE_CPUS_MAX)
        return;
    if (at->known && number != at->next) {
        at->lost += number - at->next;
        netlink->lost += number - at->next;
    }
    at->known = true;
    at->next = number + 1;
    if (cpu >= netlink->cpu_count)
        netlink->cpu_count = cpu + 1;
}

static void track(const struct proc_event *event, struct tc_trace_tracker *tracker)
{
    switch (event->what) {
    case PROC_EVENT_FORK:
        if (event->event_data.fork.child_pid == event->event_data.fork.child_tgid)
            tc_trace_tracker_forked(tracker, event->event_data.fork.child_tgid,
                                    event->event_data.fork.parent_tgid,
                                    event->timestamp_ns);
        break;
    case PROC_EVENT_EXEC:
        tc_trace_tracker_executed(tracker, event->event_data.exec.process_tgid,
                                  event->timestamp_ns);
        break;
    case PROC_EVENT_EXIT:
        if (event->event_data.exit.process_pid == event->event_data.exit.process_tgid)
            tc_trace_tracker_exited(tracker, event->event_data.exit.process_tgid,
                                    (int)event->event_data.exit.exit_code,
                                    event->timestamp_ns);
        break;
    default: /* users, sessions, names, dumps, and the answer to our request */
        break;
    }
}

static void take(struct tc_trace_netlink *netlink, struct tc_trace_tracker *tracker,
                 const struct nlmsghdr *header)
{
    const char *body = NLMSG_DATA(header);
    struct cn_msg connector;
    struct proc_event event;

    if (header->nlmsg_len < NLMSG_LENGTH(sizeof(connector) + sizeof(event)))
        return;
    memcpy(&connector, body, sizeof(connector));
    memcpy(&event, body + sizeof(connector), sizeof(event));
    if (connector.id.idx != CN_IDX_PROC || connector.id.val != CN_VAL_PROC ||
        event.what == PROC_EVENT_NONE)
        return;
    netlink->messages++;
    count_missing(netlink, event.cpu, connector.seq);
    track(&event, tracker);
}

int tc_trace_netlink_read(struct tc_trace_netlink *netlink,
                          struct tc_trace_tracker *tracker, int max)
{
    union {
        struct nlmsghdr header;
        char bytes[MESSAGE_MAX];
    } message;
    struct sockaddr_nl from;
    socklen_t from_len;
    int n = 0;

    while (n < max) {
        ssize_t len;

        from_len = sizeof(from);
        len = recvfrom(netlink->fd, &message, sizeof(message), MSG_DONTWAIT,
                       (struct sockaddr *)&from, &from_len);
        if (len < 0 && errno == ENOBUFS) {
            netlink->overflows++;
            continue;
        }
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            break;
        n++;
        /* Only the kernel's; any process may send to a group. */
        if (from.nl_pid == 0 && NLMSG_OK(&message.header, (size_t)len))
            take(netlink, tracker, &message.header);
    }
    return n;
}
