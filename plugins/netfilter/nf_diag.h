/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns: whose a socket is where the kernel's programs have not said it: by sock_diag, and
 * then by who has it open. The sockets of the thread's network namespace. Takes
 * milliseconds where many processes run: for what is seldom. One thread.
 */
#ifndef TC_NF_DIAG_H
#define TC_NF_DIAG_H

#include "nf_flow.h"

/* The owner, with a reference, the caller's; NULL: not found. Of several the first. */
struct tc_nf_process *tc_nf_diag_owner(struct tc_nf_processes *processes,
                                       const struct tc_nf_flow_key *key);

#endif
