/* SPDX-License-Identifier: Apache-2.0 */
/* Owns: a pool thread's visit to the network namespace of the configuration. */
#ifndef TC_NF_NETNS_H
#define TC_NF_NETNS_H

#include "nft/nf_nft.h"

/*
 * The calling thread enters the namespace at `path`, for sockets that it opens: a
 * descriptor of it, the caller's to close, and *ret_own for the way back. Or -errno, and
 * a sentence; the thread is where it was.
 */
int tc_nf_netns_enter(const char *path, int *ret_own, char why[TC_NF_WHY_MAX]);
void tc_nf_netns_leave(int own); /* closes it */

#endif
