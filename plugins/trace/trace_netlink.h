/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the socket of the kernel's process connector (CONFIG_PROC_EVENTS), which says
 * that a process was forked, has executed or has exited, and nothing else; and how many
 * of its messages never came. One thread.
 */
#ifndef TC_TRACE_NETLINK_H
#define TC_TRACE_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#define TC_TRACE_CPUS_MAX 1024
#define TC_TRACE_NETLINK_BUFFER (8 * 1024 * 1024) /* bytes that wait in the socket */

struct tc_trace_tracker;

struct tc_trace_netlink {
    int fd;
    struct tc_trace_netlink_cpu {
        uint32_t next; /* number that its next message will have */
        bool known;
        uint64_t lost;
    } cpus[TC_TRACE_CPUS_MAX];
    uint32_t cpu_count; /* highest seen, and one */
    uint64_t lost, overflows, messages;
};

/*
 * Listens. Errors: a negative errno, and a sentence in `why`: -EPERM without
 * CAP_NET_ADMIN; -EPROTONOSUPPORT, the kernel has no connector; -ETIMEDOUT, it does not
 * answer (not the first PID namespace).
 */
int tc_trace_netlink_open(struct tc_trace_netlink *netlink, char why[256]);
void tc_trace_netlink_close(struct tc_trace_netlink *netlink);

/* Passes to the tracker up to `max` messages that have come; how many there were. */
int tc_trace_netlink_read(struct tc_trace_netlink *netlink,
                          struct tc_trace_tracker *tracker, int max);

#endif
