/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: what goes over the socketpair between the agent and tocsin-host: one message is
 * one frame (SOCK_SEQPACKET), a fixed head and what it announces; an event's descriptor
 * goes with it, to the host only. Both ends are built together, so that the head is a
 * struct. Whoever reads trusts nothing: a frame that is not what its head says is
 * -EPROTO. Pure but for the socket. Any thread.
 */
#ifndef TC_CORE_WIRE_H
#define TC_CORE_WIRE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tocsin/plugin.h>

#define TC_WIRE_MAGIC 0x54434831u /* "TCH1"; another when the frames change */
#define TC_WIRE_NAME_BYTES 128    /* a topic or a source, with its NUL */
#define TC_WIRE_BYTES_MAX (TOCSIN_EVENT_MAX_BYTES + 4096u)
/* So that a message of that size goes at once: net.core.wmem_default would refuse it. */
#define TC_WIRE_BUFFER_BYTES (512 * 1024)

/* Where tocsin-host finds its ends: inherited descriptors. */
enum tc_wire_fd {
    TC_WIRE_FD_SOCKET = 3,
    TC_WIRE_FD_PAGE,   /* struct tc_wire_page */
    TC_WIRE_FD_PLUGIN, /* the checked copy of the .so */
    TC_WIRE_FD_END,
};

enum tc_wire_kind {
    /* To the host: */
    TC_WIRE_SETUP = 1, /* map: what to load and how; see setup.h */
    TC_WIRE_EVENT,
    TC_WIRE_REPLY, /* to ASK, and to PUBLISH with TC_WIRE_WANT: status, id */
    TC_WIRE_STOP,
    /* To the agent: */
    TC_WIRE_HELLO,   /* map: the descriptor */
    TC_WIRE_CHANGED, /* status: enum tc_plugin_state; data: why, as text */
    TC_WIRE_PUBLISH,
    TC_WIRE_REPORT, /* status: enum tocsin_report_what; map: key, text, fix */
    TC_WIRE_ASK,    /* map: path, executable: is it excluded? */
    TC_WIRE_KINDS,
};

enum tc_wire_flags {
    TC_WIRE_PASSIVE = 1u << 0, /* of EVENT, SETUP: the mode now */
    TC_WIRE_WANT = 1u << 1,    /* of PUBLISH: the plugin waits for the event's id */
};

struct tc_wire_head {
    uint32_t magic, kind; /* enum tc_wire_kind */
    uint32_t flags;       /* enum tc_wire_flags */
    int32_t status;
    uint64_t seq;         /* of EVENT: from 1, in one life of the host */
    uint32_t event_flags; /* and what follows: as in struct tocsin_event */
    uint32_t len;         /* of the data */
    uint64_t id, reply_to, time_ns, deadline_ns;
    char topic[TC_WIRE_NAME_BYTES], source[TC_WIRE_NAME_BYTES];
};

/* What the host is doing, in memory that both have mapped: it tells of a host that is
 * dead or hangs. The agent believes no more than that of it. */
enum tc_wire_doing {
    TC_WIRE_DOING_NOTHING, /* or work, a timer, a watch */
    TC_WIRE_DOING_LOAD,
    TC_WIRE_DOING_START, /* init and start */
    TC_WIRE_DOING_EVENT,
    TC_WIRE_DOING_STOP,
};

struct tc_wire_page {
    atomic_uint_fast64_t entered; /* seq of the last event shown to the plugin ... */
    atomic_uint_fast64_t left;    /* ... and of the last that it has returned from */
    atomic_uint_fast32_t doing;   /* enum tc_wire_doing */
};

/*
 * Sends a frame, without waiting: head->len bytes of data, and fd unless it is -1, which
 * stays the caller's. -EAGAIN when the other end is behind; -EMSGSIZE; -EPIPE.
 */
int tc_wire_send(int socket, const struct tc_wire_head *head, const void *data, int fd);

/* The same, waiting for room. */
int tc_wire_send_all(int socket, const struct tc_wire_head *head, const void *data);

/*
 * Receives a frame into `buf` of TC_WIRE_BYTES_MAX bytes, data at *ret_data. A descriptor
 * that came with it goes to *ret_fd, or is closed when that is NULL. -EAGAIN: there is
 * none; -EPIPE: the other end is closed; -EPROTO: it is no frame.
 */
int tc_wire_receive(int socket, void *buf, struct tc_wire_head *ret_head,
                    const void **ret_data, int *ret_fd);

/* An event's part of a head, and back: topic, source and data point into head and data.
 * -ENAMETOOLONG. */
int tc_wire_put_event(struct tc_wire_head *head, const struct tocsin_event *event);
void tc_wire_get_event(const struct tc_wire_head *head, const void *data,
                       struct tocsin_event *ret_event);

#endif
