/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: the socket on which the kernel reports changes of the ruleset (NFNLGRP_NFTABLES),
 * and which of them are of others. Must not: read or change the ruleset.
 *
 * Not reported by the kernel: that an owned table went with its owner. One thread.
 */
#ifndef TC_NF_MONITOR_H
#define TC_NF_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/nf_nft.h"

#define TC_NF_MONITOR_OWN_MAX 4
#define TC_NF_MONITOR_TABLES_MAX 2

struct mnl_socket;

struct tc_nf_monitor {
    struct mnl_socket *socket;
    int fd; /* readable when there is something; -1 when not open */
    const char *tables[TC_NF_MONITOR_TABLES_MAX]; /* of family inet, to watch; or NULL */
    uint32_t own[TC_NF_MONITOR_OWN_MAX];
    size_t own_count;
    bool touched, removed; /* in the transaction that is being reported */
};

/* What others did since the last read. */
struct tc_nf_monitor_report {
    unsigned changes; /* transactions: the caller checks its tables when there are any */
    bool lost;        /* reports did not fit: who and what is unknown, check as well */
    bool touched;     /* one of `tables` was changed or removed; then pid and name are */
    bool removed;     /* of the last who did that, else of the last of all */
    uint32_t pid;     /* of the thread, in the first PID namespace; 0: not reported */
    char name[16];    /* of the thread */
};

/* `tables`: NULL or names, which must stay valid. 0, or a negative errno and a sentence.
 */
int tc_nf_monitor_open(struct tc_nf_monitor *monitor,
                       const char *const tables[TC_NF_MONITOR_TABLES_MAX],
                       char why[TC_NF_WHY_MAX]);
void tc_nf_monitor_close(struct tc_nf_monitor *monitor);

/* What this socket does is not reported: nft->portid, table->portid. Zero is no socket.
 */
void tc_nf_monitor_own(struct tc_nf_monitor *monitor, uint32_t portid);

/* Reads all that has come; never waits. 0 or a negative errno. */
int tc_nf_monitor_read(struct tc_nf_monitor *monitor,
                       struct tc_nf_monitor_report *ret_report);

#endif
