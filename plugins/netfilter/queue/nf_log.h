/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: one group of netfilter's log (NFLOG): copies of packets that have gone their way.
 * It is of the network namespace of the thread that opened it; one thread at a time uses
 * it. Must not: wait.
 */
#ifndef TC_NF_LOG_H
#define TC_NF_LOG_H

#include "nf_queued.h"

#define TC_NF_LOG_COPY_BYTES_MIN 256
#define TC_NF_LOG_COPY_BYTES_MAX 2048
#define TC_NF_LOG_RECEIVE_BYTES (2u << 20)

struct tc_nf_log_config {
    uint16_t group;
    uint32_t copy_bytes;    /* of each packet; is brought between the two above */
    uint32_t receive_bytes; /* copies not read; 0: TC_NF_LOG_RECEIVE_BYTES */
};

struct tc_nf_log_counters {
    uint64_t read;
    uint64_t enobufs; /* times that the socket was full: some packets were not seen */
};

struct tc_nf_log;

/* `why` is a sentence on failure: as of tc_nf_queue_open. */
int tc_nf_log_open(const struct tc_nf_log_config *config, struct tc_nf_log **ret_log,
                   char why[256]);
void tc_nf_log_close(struct tc_nf_log *log); /* NULL is fine */

int tc_nf_log_fd(const struct tc_nf_log *log);

/* As tc_nf_queue_read; the packets have no id. */
int tc_nf_log_read(struct tc_nf_log *log, tc_nf_queued_fn fn, void *arg, unsigned max);

void tc_nf_log_count(const struct tc_nf_log *log,
                     struct tc_nf_log_counters *ret_counters);

#endif
