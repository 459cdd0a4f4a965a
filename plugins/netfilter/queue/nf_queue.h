/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one queue of netfilter (NFQUEUE): packets that wait for a verdict, read and
 * answered. It is of the network namespace of the thread that opened it; one thread at a
 * time uses it, which waits for its descriptor as it likes. Must not: wait; set a mark,
 * or change a packet; decide.
 *
 * A full queue lets packets pass (fail-open), but a reader that hangs holds what it has
 * been given for ever: nf_watchdog.h lets that go, by tc_nf_queue_release. The queue is
 * unbound then, so that a rule with `bypass` passes, until tc_nf_queue_rebind.
 */
#ifndef TC_NF_QUEUE_H
#define TC_NF_QUEUE_H

#include "nf_queued.h"

#define TC_NF_QUEUE_COPY_BYTES 0xffff
#define TC_NF_QUEUE_RECEIVE_BYTES (8u << 20)
#define TC_NF_QUEUE_RELEASE_BYTES 192 /* enough for tc_nf_queue_release */

struct tc_nf_queue_config {
    uint16_t number;
    uint32_t copy_bytes;    /* of each packet, at most; 0: TC_NF_QUEUE_COPY_BYTES */
    uint32_t waiting_max;   /* packets without a verdict; 0: the kernel's 1,024 */
    uint32_t receive_bytes; /* packets not read; 0: TC_NF_QUEUE_RECEIVE_BYTES */
    bool drop_when_full;    /* what comes then; false: it passes */
};

/* The kernel's count from the time that the queue was last bound. */
struct tc_nf_queue_counters {
    uint64_t read, accepted, denied;
    uint64_t stale;    /* verdicts that came too late: nothing waited any more */
    uint64_t enobufs;  /* times that the socket was full */
    uint64_t released; /* packets that passed without our verdict, once with us */
    uint64_t rebound;  /* times that the queue was bound again */
    uint32_t waiting;
    uint32_t kernel_dropped, user_dropped; /* at waiting_max; at receive_bytes */
};

enum tc_nf_verdict {
    TC_NF_VERDICT_DROP,
    TC_NF_VERDICT_ACCEPT,
    TC_NF_VERDICT_REPEAT,
};

struct tc_nf_queue;

/*
 * `why` is a sentence on failure: -EBUSY, another program listens on that number; -EPERM,
 * it is not allowed; those of socket(2), bind(2), malloc(3), and what the kernel answers.
 */
int tc_nf_queue_open(const struct tc_nf_queue_config *config,
                     struct tc_nf_queue **ret_queue, char why[256]);

/* Lets pass what waits, and unbinds. NULL is fine. */
void tc_nf_queue_close(struct tc_nf_queue *queue);

/* Readable: there is something to read. */
int tc_nf_queue_fd(const struct tc_nf_queue *queue);

/*
 * Hands at most `max` packets to `fn`; each waits until its verdict, which may be given
 * there or later. Those that are given there are sent together at the end, which costs a
 * third. Returns how many messages were read, 0: none is there. Errors: those of
 * recvmsg(2), sendto(2); a verdict that was not sent will be with the next.
 */
int tc_nf_queue_read(struct tc_nf_queue *queue, tc_nf_queued_fn fn, void *arg,
                     unsigned max);

/*
 * DROP: the sender is not notified. REPEAT: it goes through this chain's rules once more,
 * as they are by then. Of a packet from before the last rebind: counted, no error.
 * Errors: those of sendto(2); it will be sent with the next, or may be given again.
 */
int tc_nf_queue_verdict(struct tc_nf_queue *queue, uint64_t id,
                        enum tc_nf_verdict verdict);

/*
 * After the watchdog has unbound the queue: forgets all packets from before, and binds it
 * anew. `why` as in open; then it is unbound still, and this may be tried again.
 */
int tc_nf_queue_rebind(struct tc_nf_queue *queue, char why[256]);

/* What anybody who has this queue's descriptor has to send to it so that all waiting
 * packets pass, whatever comes meanwhile passes, and the queue is unbound. Returns the
 * length. */
size_t tc_nf_queue_release(const struct tc_nf_queue *queue,
                           char ret_messages[TC_NF_QUEUE_RELEASE_BYTES]);

void tc_nf_queue_count(const struct tc_nf_queue *queue,
                       struct tc_nf_queue_counters *ret_counters);

#endif
